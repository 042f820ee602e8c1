//===- Programs.h - Planned programs, for all code generators ---*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_PROGRAMS_H
#define PC_LIB_CODEGEN_PROGRAMS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/StringMap.h"

namespace pc {

/// Persistent arrays and hyper-parameters of all programs, by name.
struct ModuleTables {
  llvm::SmallVector<mlir::Attribute> storage, hypers;
  llvm::StringMap<int64_t> storageIndex, hyperIndex;
  llvm::StringMap<mlir::Type> storageType;

  mlir::LogicalResult add(mlir::func::FuncOp func);

  /// Index of a port among those of its kind, of the module for storage.
  int64_t getPortIndex(mlir::func::FuncOp program, BufferAttr buffer) const;

  /// What the artifact's table says of the borders of `program`: `inputs` and
  /// `outputs`, lists of [port, type], and the persistent arrays that it
  /// `reads` and `writes`.
  llvm::SmallVector<mlir::NamedAttribute>
  getPortFacts(mlir::func::FuncOp program) const;
};

/// Where `array` lies.
BufferAttr getBuffer(mlir::func::FuncOp program, mlir::Value array);

/// True if a samples stage sees a block of the rows of `array`, not all of it.
bool isBatched(mlir::Value array);

/// A name that says what a kernel does: "contract_32x128x784", "map_128".
std::string getKernelName(GroupOp group);

/// Adds `factor` times `expr`, which is linear in the indices of a space, to
/// the strides of its dimensions and to the offset.
void addLinear(mlir::AffineExpr expr, int64_t factor,
               llvm::MutableArrayRef<int64_t> strides, int64_t &offset);

/// Emits a loop; `body` is called with `b` in it, makes of the index and the
/// carried values the next ones, and returns these.
mlir::scf::ForOp
buildLoop(mlir::OpBuilder &b, mlir::Location loc, mlir::Value from,
          mlir::Value to, mlir::Value step, mlir::ValueRange carried,
          llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value,
                                                            mlir::ValueRange)>
              body);

/// Clones a loop without its arrays, which stay where they are: it carries the
/// scalars whose first value `keeps` is true for, and behind them `counter`, if
/// that is not null. `scalars` gets the values of its index, of what it carries
/// and of its results; `body` emits what is in it.
void cloneLoop(mlir::OpBuilder &b, mlir::scf::ForOp loop,
               mlir::IRMapping &scalars, mlir::Value lower, mlir::Value upper,
               mlir::Value step, llvm::function_ref<bool(mlir::Value)> keeps,
               mlir::Value *counter, llvm::function_ref<void()> body);

/// Has LLVM do `count` turns of `loop` at a time: one if it is not to unroll
/// it.
void unrollBy(mlir::scf::ForOp loop, int32_t count);

/// Levels of a params stage: a group is one above what it reads of the stage.
llvm::SmallVector<llvm::SmallVector<GroupOp>> getLevels(StageOp stage);

} // namespace pc

#endif // PC_LIB_CODEGEN_PROGRAMS_H
