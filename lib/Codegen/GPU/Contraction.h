//===- Contraction.h - Products of matrices by a block of threads -*- C++ -*-=//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C_mn = sum_k A_mk B_kn. A block of threads computes tiles of C, with slices
// of A and B in shared memory: while it multiplies one, the next ones are
// copied (cp.async). Either every thread has some elements of the tile, each a
// chain of fused multiply-adds in the order of k, or every warp some fragments
// of tensor-core products (mma.sync). These take C transposed: 16 of its
// columns by 8 of its rows, since few samples are the common case.
//
// A block that keeps its samples through a stage has what it computes of them
// in shared memory, and weights that several products of the stage read. Such
// operands are "resident": they are read where they are. Behind their rows
// there are zeros up to a multiple of 16 elements. Beside a resident B, A comes
// in one slice if it is not too long.
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_GPU_CONTRACTION_H
#define PC_LIB_CODEGEN_GPU_CONTRACTION_H

#include "ThreadCode.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// Slices of an operand in shared memory, at most.
inline constexpr int64_t kMostStages = 3;

/// What a product rounds its operands to.
enum class Multiply {
  Exact, ///< nothing
  TF32,  ///< 10 bits behind the point; mma.m16n8k8
  BF16   ///< 7 bits, of A as often as the product has parts; mma.m16n8k16
};

/// A matrix in shared memory for as long as a stage lasts, its rows `pitch`
/// elements apart, with zeros behind them and below.
struct ResidentMatrix {
  int64_t rows = 0, columns = 0;
  /// Elements between rows: getPaddedRow. Of float32 it is 4 or 20 modulo 32,
  /// so lanes that read a fragment meet different banks.
  int64_t pitch = 0;
  mlir::Type element;

  explicit ResidentMatrix(mlir::RankedTensorType type);
  int64_t getRows() const;
  int64_t getBytes() const;
  /// Bytes that copying it reads.
  int64_t getCopiedBytes() const;
  /// Elements that a thread copies at a time, and how often for a row.
  int64_t getChunk() const;
  int64_t getChunksOfRow() const;
};

/// Emits the copy of a dense matrix, by all threads of the block; the copies
/// are on their way.
void emitResidentCopy(mlir::OpBuilder &b, mlir::Location loc,
                      const ResidentMatrix &matrix, mlir::Value from,
                      mlir::Value to, mlir::Value thread);

/// An operand in shared memory, all lines (rows of A, columns of B) of a tile
/// by `terms` terms (values of k): a slice that is copied, or a resident
/// matrix.
struct OperandSlice {
  LinearAccess access; ///< of the array, at (m, n, k)
  int64_t lines = 0, terms = 0;
  bool resident = false;
  /// Terms of a line follow each other, not lines of a term.
  bool termsTogether = false;
  /// Elements of a line or term that can be read with one instruction.
  int64_t vector = 1;
  /// Elements that one copy moves.
  int64_t chunk = 1;
  /// Of a slice, elements from one line, or term, to the next: what is further
  /// apart.
  int64_t pitch = 0;

  /// Elements between lines and between terms.
  int64_t lineStride = 0, termStride = 0;

  /// Elements of a slice.
  int64_t getElements() const {
    return resident ? 0 : pitch * (termsTogether ? lines : terms);
  }
};

/// How a block of threads computes a contraction.
struct ContractionPlan {
  Multiply multiply = Multiply::Exact;
  /// Numbers of bfloat16 that an element of A is the sum of.
  int64_t parts = 1;
  mlir::Type elementType;
  /// Of C and the sum; dynamic are samples.
  int64_t m = 0, n = 0, k = 0;
  /// Of a tile; slices in shared memory.
  int64_t rows = 0, columns = 0, depth = 0, stages = 0;
  OperandSlice left, right;
  /// Threads, or warps, of a tile's rows and columns.
  int64_t acrossRows = 0, acrossColumns = 0;

  int64_t getSharedBytes() const;
  /// Threads that have elements of a tile, if not fragments.
  int64_t getThreads() const { return acrossRows * acrossColumns; }
  /// The last slice is multiplied as far as there are terms, to a multiple of
  /// what one turn multiplies; otherwise to its end, which is zeros.
  bool hasPartialSlices() const;
  /// A thread does kTurnsTogether turns of its loop at a time.
  bool joinsTurns() const;
  /// Neighbouring elements of a row that a thread has, and finishes together.
  int64_t getNeighbours() const;
  /// Tiles of C with `count` rows.
  int64_t getTiles(int64_t count) const;
  /// Floating-point operations of C with `count` rows and `terms` terms, with
  /// those on what is beyond its ends.
  double getFlops(int64_t count, int64_t terms) const;
  /// Bytes of A and B that are copied.
  double getBytes(int64_t count, int64_t terms) const;
  /// How often the copies of a tile are waited for: once for the first slice,
  /// then once for as many as are on their way together.
  double getWaits(int64_t terms) const;
  /// Passes over the banks of shared memory that reading a tile's operands
  /// takes.
  double getSharedPasses(int64_t terms) const;
  /// How often a thread waits for operands from shared memory, and products
  /// that are added to each other.
  double getTurns(int64_t terms) const;
  double getChain(int64_t terms) const;
};

/// What was asked for all groups of a program.
struct GroupChoices {
  /// A block of threads has a block of samples, or all blocks have all.
  bool persistent = true;
  /// Round operands of products that would be exact to TF32.
  bool tf32 = false;
};

/// Plans for a stage's contraction `op` of A and B that lie as `left` and
/// `right` say.
ContractionPlan planContraction(mlir::linalg::GenericOp op, StageKind stage,
                                const GroupChoices &choices,
                                ArrayPlace left = {}, ArrayPlace right = {},
                                int64_t mostStages = kMostStages);

/// Whether B of contraction `op` can be resident.
bool canBeResident(mlir::linalg::GenericOp op);

/// What the code of a contraction is called with.
struct ContractionArguments {
  mlir::Value left, right;         ///< addresses
  mlir::Value rows, terms;         ///< of C and the sum, i32
  mlir::Value thread, team, teams; ///< i32
  mlir::Value shared;              ///< address of the slices
};

/// Some elements of a row of C, at `columns`.
struct ContractionElements {
  /// Columns follow each other, and the first is a multiple of their number.
  bool neighbours = false;
  mlir::Value row;
  llvm::SmallVector<mlir::Value> columns, sums;
};

/// Emits the tiles that block `team` of `teams` computes. `finish` emits what
/// becomes of elements that exist.
void emitContraction(
    mlir::OpBuilder &b, mlir::Location loc, const ContractionPlan &plan,
    const ContractionArguments &arguments,
    llvm::function_ref<void(mlir::OpBuilder &, const ContractionElements &)>
        finish);

} // namespace pc

#endif // PC_LIB_CODEGEN_GPU_CONTRACTION_H
