//===- MatrixClasses.h - Matrices that lie alike ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_MATRIXCLASSES_H
#define PC_DIALECT_PC_TRANSFORMS_MATRIXCLASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace pc {

/// True for a matrix of floats that all samples share.
bool isSharedMatrix(mlir::Type type);

/// What an argument of a program is.
PortAttr getPort(mlir::BlockArgument argument);

/// Makes the type of `program` that of its body, whose values changed type.
void updateSignature(mlir::func::FuncOp program);

/// True for operations whose results' elements lie where their operands'
/// elements do, however that is.
bool keepsLayout(mlir::Operation *op);

/// The shared matrices of programs, in classes of those that must lie alike:
/// what the same elements pass through (an optimiser and its moments, loops,
/// programs that share an array).
class MatrixClasses {
public:
  explicit MatrixClasses(llvm::ArrayRef<mlir::func::FuncOp> programs);

  /// Every matrix once, in the order of the programs.
  llvm::SmallVector<mlir::Value> getMatrices() const;
  /// A key that the matrices of one class have in common.
  const void *getClass(mlir::Value matrix) const {
    return classes.getLeaderValue(matrix.getAsOpaquePointer());
  }

private:
  void collect(mlir::func::FuncOp program);
  const void *add(mlir::Value value);
  void link(mlir::Value a, mlir::Value b);

  llvm::EquivalenceClasses<const void *> classes;
  llvm::MapVector<const void *, mlir::Value> values;
  llvm::StringMap<mlir::Value> storage;
};

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_MATRIXCLASSES_H
