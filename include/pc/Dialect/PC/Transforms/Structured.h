//===- Structured.h - Kinds of structured operations ------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_STRUCTURED_H
#define PC_DIALECT_PC_TRANSFORMS_STRUCTURED_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace pc {

/// How a `linalg.generic` of a stage is computed.
enum class StructuredKind {
  Elementwise,    ///< parallel, every result at the identity map
  Contraction,    ///< loops (m, n, k): C_mn = sum_k A_mk B_kn
  RowReduction,   ///< reduces trailing loops, one result per row
  BatchReduction, ///< reduces the first loop: a sum over samples
  Update          ///< parallel, writes a part of its `outs`
};

/// Classifies `op`, which the conversion to linalg made.
StructuredKind getStructuredKind(mlir::linalg::GenericOp op);

/// How many numbers of bfloat16 a contraction adds up to an element of A before
/// it multiplies it with one of B, rounded to one; 0 if it rounds nothing.
int64_t getNarrowParts(mlir::linalg::GenericOp op);

/// True if `op` rounds a matrix, or its transpose, into `#pc.pairs`.
bool isNarrowing(mlir::linalg::GenericOp op);

/// True if `op` reads `operand` at the element that it computes.
bool readsSameElement(mlir::linalg::GenericOp op, mlir::OpOperand &operand);

/// The shape that kernels of `op` iterate over: of the result, or of what a row
/// reduction reads.
llvm::SmallVector<int64_t> getSpace(mlir::linalg::GenericOp op);

/// Emits an element-wise operation that copies `source` to an array of type
/// `type`: of its shape and element type, however it lies.
mlir::linalg::GenericOp buildCopy(mlir::OpBuilder &builder, mlir::Location loc,
                                  mlir::RankedTensorType type,
                                  mlir::Value source);

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_STRUCTURED_H
