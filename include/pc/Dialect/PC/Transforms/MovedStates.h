//===- MovedStates.h - Values that inference has moved ----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_MOVEDSTATES_H
#define PC_DIALECT_PC_TRANSFORMS_MOVEDSTATES_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseSet.h"

namespace pc {

/// An analysis: which values of a program, of those that each sample has its
/// own of, follow from a step of inference. They are carried by a loop, or
/// depend on the feedback of an error. What does not was computed forwards from
/// what is clamped, once.
class MovedStates {
public:
  explicit MovedStates(mlir::Operation *program);
  bool isMoved(mlir::Value value) const { return moved.contains(value); }

private:
  llvm::DenseSet<mlir::Value> moved;
};

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_MOVEDSTATES_H
