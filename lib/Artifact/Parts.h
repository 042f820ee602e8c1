//===- Parts.h - Modules in parts -------------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Optimising a program and making code of it takes longer than all that comes
// before, and goes from one function to the next. Kernels, which are never
// inlined, are therefore dealt to a number of modules that are compiled on all
// cores. That number depends on the program alone, so the artifact is the same
// on every machine.
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_ARTIFACT_PARTS_H
#define PC_LIB_ARTIFACT_PARTS_H

#include "mlir/Support/LLVM.h"
#include "llvm/IR/Module.h"

#include <memory>
#include <vector>

namespace pc::artifact {

/// A module as bitcode: contexts are not for two threads, so each part is read
/// into one of its own.
using Bitcode = llvm::SmallVector<char, 0>;

/// Splits a module. The first part has all variables, and every function that
/// may be inlined or whose address is taken; all other functions are dealt so
/// that the parts are of about one size. What parts need of each other is no
/// longer local, but hidden. With debug information each part is a compile
/// unit.
std::vector<Bitcode> splitModule(llvm::Module &module);

Bitcode writePart(const llvm::Module &module);
std::unique_ptr<llvm::Module> readPart(const Bitcode &part,
                                       llvm::LLVMContext &context);

/// One module of all parts; what is hidden becomes local again. Functions come
/// in the order of `names`.
std::unique_ptr<llvm::Module> joinParts(llvm::ArrayRef<Bitcode> parts,
                                        llvm::ArrayRef<std::string> names,
                                        llvm::LLVMContext &context);

} // namespace pc::artifact

#endif // PC_LIB_ARTIFACT_PARTS_H
