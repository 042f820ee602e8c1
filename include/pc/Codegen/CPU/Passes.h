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
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
class RewritePatternSet;
} // namespace mlir

namespace pc {

#define GEN_PASS_DECL
#include "pc/Codegen/CPU/Passes.h.inc"

/// Patterns of `pc-expand-math`.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns);

/// Adds what takes emitted programs to the LLVM dialect: `pc-expand-math` and
/// MLIR's conversions.
void buildLowerToLLVMPipeline(mlir::OpPassManager &manager);

#define GEN_PASS_REGISTRATION
#include "pc/Codegen/CPU/Passes.h.inc"

} // namespace pc

#endif // PC_CODEGEN_CPU_PASSES_H
