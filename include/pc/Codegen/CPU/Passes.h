//===- Passes.h - Passes of the CPU code generator --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_CPU_PASSES_H
#define PC_CODEGEN_CPU_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace pc {

#define GEN_PASS_DECL
#include "pc/Codegen/CPU/Passes.h.inc"

/// Patterns of `pc-expand-math`.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns);

#define GEN_PASS_REGISTRATION
#include "pc/Codegen/CPU/Passes.h.inc"

} // namespace pc

#endif // PC_CODEGEN_CPU_PASSES_H
