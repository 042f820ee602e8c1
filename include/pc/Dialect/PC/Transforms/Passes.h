//===- Passes.h - Passes on the pc dialect ----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_PASSES_H
#define PC_DIALECT_PC_TRANSFORMS_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"
#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

#define GEN_PASS_DECL
#include "pc/Dialect/PC/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "pc/Dialect/PC/Transforms/Passes.h.inc"

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_PASSES_H
