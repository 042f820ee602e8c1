//===- NarrowProduct.h - Products of bfloat16 -------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C = A B with operands of bfloat16 and sums of float32. Instructions multiply
// pairs of elements that follow each other along k, so both operands lie in
// blocks of 32 k, filled with zeros, in which such pairs are neighbours:
//
//   A  32 rows a block:    [k / 32][part][row][k % 32]
//   B  16 columns a panel: [k / 2][column][k % 2]
//
// An element of A is the sum of its parts: itself rounded, what that leaves
// rounded, and so on.
//
// A tile instruction reads 1 KiB of either from one end to the other. What is
// in rows of A and columns of B that do not exist reaches only elements of C
// that do not exist, and need not be set.
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_CPU_NARROWPRODUCT_H
#define PC_LIB_CODEGEN_CPU_NARROWPRODUCT_H

#include "mlir/IR/Builders.h"
#include "pc/Codegen/CPU/Target.h"

namespace pc {

/// Rows of a block of A; columns of a panel of B; k of a block of both.
constexpr int64_t kNarrowRows = 32;
constexpr int64_t kNarrowColumns = 16;
constexpr int64_t kNarrowDepth = 32;
/// Panels of a tile of C, at most.
constexpr int64_t kNarrowPanels = 2;
/// Rows of a weight's gradient that share one rounded copy of B, and are one
/// piece of work. More of them round less and read each panel from the nearest
/// cache; fewer make more pieces for threads to share (784 rows: thirteen).
constexpr int64_t kNarrowGradientRows = 2 * kNarrowRows;

/// Exchanges rows and columns of a square of as many vectors as each has
/// elements.
void transposeSquare(mlir::OpBuilder &b, mlir::Location loc,
                     llvm::MutableArrayRef<mlir::Value> vectors);

/// Two vectors of 16 f32 rounded to bfloat16, the elements of one alternating
/// with those of the other, as 16 i32.
mlir::Value interleaveNarrow(mlir::OpBuilder &b, mlir::Location loc,
                             mlir::Value even, mlir::Value odd);

/// Two vectors of 16 f32 rounded to bfloat16, one behind the other, as 16 i32.
mlir::Value joinNarrow(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value first, mlir::Value second);

/// What a vector of f32 has left when it is rounded to bfloat16.
mlir::Value subtractNarrow(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value vector);

/// Where the operands of a product and its result are.
struct NarrowTile {
  /// A block of A, and the first rows of one or two panels of B.
  mlir::Value left;
  llvm::SmallVector<mlir::Value, 2> panels;
  /// Blocks of k, and parts of each in A.
  mlir::Value depthBlocks;
  int64_t parts = 1;
  /// Rows of C by panels by 16 f32, in memory.
  mlir::Value result;
};

/// Emits the product of `rows` rows, 16 or 32, with the instructions that
/// `target` has.
void emitNarrowTile(mlir::OpBuilder &b, mlir::Location loc,
                    const CPUTarget &target, const NarrowTile &tile,
                    int64_t rows);

} // namespace pc

#endif // PC_LIB_CODEGEN_CPU_NARROWPRODUCT_H
