//===- EntryAttributes.h - Names of the attributes of entries ---*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_ENTRYATTRIBUTES_H
#define PC_LIB_CODEGEN_ENTRYATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace pc {

/// Of the module: list of [port, type], and list of ports.
inline constexpr llvm::StringLiteral kStorageAttrName = "pc.storage";
inline constexpr llvm::StringLiteral kHypersAttrName = "pc.hypers";
/// Of an entry function: a dictionary, see getModuleInfo.
inline constexpr llvm::StringLiteral kEntryAttrName = "pc.entry";

} // namespace pc

#endif // PC_LIB_CODEGEN_ENTRYATTRIBUTES_H
