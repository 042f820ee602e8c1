//===- KernelEmitter.h - Vector code of one group ---------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_CPU_KERNELEMITTER_H
#define PC_LIB_CODEGEN_CPU_KERNELEMITTER_H

#include "pc/Codegen/CPU/Target.h"
#include "pc/Dialect/PC/IR/PC.h"
#include <numeric>

namespace pc {

/// How a group's operands and results reach its kernel. A kernel takes one
/// pointer for each distinct array, then the group's scalar operands, then, if
/// it needs one, a pointer to `getScratchBytes` bytes, then four i64: the rows
/// [low, high) to compute, the batch's number of its row 0 and the number of
/// samples.
struct KernelBinding {
  /// Pointer of each operand, -1 for scalars.
  llvm::SmallVector<int> operandPointers;
  /// Pointer of each result.
  llvm::SmallVector<int> resultPointers;
  unsigned pointerCount = 0;
  /// Whether a pointer to memory of the worker's own is behind the scalars.
  bool scratch = false;
  /// Whether the first column of a contraction to compute, and the one behind
  /// the last, are behind that.
  bool columns = false;

  bool operator==(const KernelBinding &other) const {
    return operandPointers == other.operandPointers &&
           resultPointers == other.resultPointers &&
           pointerCount == other.pointerCount && scratch == other.scratch &&
           columns == other.columns;
  }
};

/// What the schedule of a params stage and the artifact's description know of a
/// group. Work at n samples is base + n * perSample; a vector operation on
/// every element counts one.
struct GroupCost {
  double flopsBase = 0, flopsPerSample = 0;
  double bytesBase = 0, bytesPerSample = 0;
  /// Rows over which a params stage may cut the group, and a multiple that cuts
  /// should keep to.
  int64_t rows = 1, rowUnit = 1;

  /// Adds the work of `other`, done `times` times.
  void add(const GroupCost &other, double times) {
    flopsBase += times * other.flopsBase;
    flopsPerSample += times * other.flopsPerSample;
    bytesBase += times * other.bytesBase;
    bytesPerSample += times * other.bytesPerSample;
  }
};

/// The register tile of a contraction: rows and vectors of columns.
struct RegisterTile {
  /// What blocks of rows are multiples of.
  int64_t rows;
  int64_t vectors;
  /// Rows of the tiles that most rows are in; `rows` of them have what is left.
  int64_t tallRows;

  /// Rows that are whole tiles of either height.
  int64_t getPeriod() const { return std::lcm(rows, tallRows); }
};

/// Chooses the tile for a contraction with `rows` rows to compute at least.
RegisterTile chooseTile(const CPUTarget &target, int64_t rows);

/// What cuts of the columns of `group` in a samples stage should be multiples
/// of: whole tiles, and panels; 0 if it is no contraction and is not cut.
int64_t getColumnUnit(GroupOp group, const CPUTarget &target);

/// Bytes that `group` needs for what it rounds and packs, with up to `maxBatch`
/// samples; 0 for none.
int64_t getScratchBytes(GroupOp group, StageKind stage, int64_t maxBatch,
                        const CPUTarget &target);

/// Estimates the work of `group`; a samples stage runs it once per sample.
GroupCost estimateCost(GroupOp group, StageKind stage, const CPUTarget &target);

/// Emits `group` as the function `name` at the end of `module`. In a samples
/// stage `low` is 0 and `high` a multiple of the tile's rows.
mlir::LLVM::LLVMFuncOp emitKernel(mlir::ModuleOp module, llvm::StringRef name,
                                  GroupOp group, StageKind stage,
                                  const KernelBinding &binding,
                                  int64_t maxBatch, const CPUTarget &target);

} // namespace pc

#endif // PC_LIB_CODEGEN_CPU_KERNELEMITTER_H
