//===- GroupEmitter.h - Code of one group for threads of a GPU --*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_GPU_GROUPEMITTER_H
#define PC_LIB_CODEGEN_GPU_GROUPEMITTER_H

#include "Contraction.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "pc/Codegen/EntryInfo.h"
#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// The symbol of the shared memory whose size a launch gives.
inline constexpr llvm::StringLiteral kSharedName = "pcx_shared";

/// How a group's operands and results reach its function: one pointer for each
/// distinct array, then the group's scalar operands, then five i32: the batch's
/// number of row 0, rows to compute, samples of the batch, the number of this
/// block among those that share the group, and how many these are.
struct GroupBinding {
  /// Pointer of each operand, -1 for scalars.
  llvm::SmallVector<int> operandPointers;
  /// Pointer of each result.
  llvm::SmallVector<int> resultPointers;
  unsigned pointerCount = 0;
  /// Bytes that the address of each pointer is a multiple of.
  llvm::SmallVector<int64_t> alignments;
  /// How the array of each pointer lies.
  llvm::SmallVector<ArrayPlace> places;
  /// Where in the block's shared memory slices of operands begin, in bytes.
  int64_t sliceOffset = 0;
  /// Slices of an operand, at most.
  int64_t stages = kMostStages;

  bool operator==(const GroupBinding &) const = default;
};

/// Work of a group at n samples, base + n * perSample: floating-point
/// operations of the arithmetic (not of what functions expand to), and bytes
/// that its instructions ask of memory outside of the multiprocessor.
struct GroupWork {
  double flopsBase = 0, flopsPerSample = 0;
  double bytesBase = 0, bytesPerSample = 0;
  /// Units of a call: of a block of samples, one after another by its block, or
  /// else of the largest batch, shared by all blocks.
  KernelUnits units;
};
/// `batch`: the largest number of samples.
GroupWork estimateWork(GroupOp group, StageKind stage,
                       const GroupChoices &choices, const GroupBinding &binding,
                       int64_t batch);

/// The contraction of a group, null without one.
mlir::linalg::GenericOp getContraction(GroupOp group);

/// Shared memory that slices of the group's operands use.
int64_t getSliceBytes(GroupOp group, StageKind stage,
                      const GroupChoices &choices, const GroupBinding &binding);

/// Blocks that have something to do at `rows` samples.
int64_t getBlocks(GroupOp group, StageKind stage, const GroupChoices &choices,
                  int64_t rows);

/// Threads that an element-wise group has points for, of a sample in a stage
/// over samples; 0 for other groups, all threads of which take part.
int64_t getThreadsOfPoints(GroupOp group, StageKind stage);

/// Emits `group` as the function `name` at the end of `module`. All threads of
/// a block call it, and meet before what it wrote is read.
mlir::LLVM::LLVMFuncOp emitGroup(mlir::gpu::GPUModuleOp module,
                                 llvm::StringRef name, GroupOp group,
                                 StageKind stage, const GroupChoices &choices,
                                 const GroupBinding &binding);

} // namespace pc

#endif // PC_LIB_CODEGEN_GPU_GROUPEMITTER_H
