//===- Passes.h - Contracts between the phases ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_PIPELINES_PASSES_H
#define PC_PIPELINES_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace pc {

#define GEN_PASS_DECL
#include "pc/Pipelines/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "pc/Pipelines/Passes.h.inc"

} // namespace pc

#endif // PC_PIPELINES_PASSES_H
