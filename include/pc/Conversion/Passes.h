//===- Passes.h - Conversions between dialects ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CONVERSION_PASSES_H
#define PC_CONVERSION_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace pc {

#define GEN_PASS_DECL
#include "pc/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "pc/Conversion/Passes.h.inc"

} // namespace pc

#endif // PC_CONVERSION_PASSES_H
