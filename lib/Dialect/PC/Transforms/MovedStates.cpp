//===- MovedStates.cpp - Values that inference has moved ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/MovedStates.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

/// True for what each sample has its own of.
static bool isPerSample(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 0 && type.isDynamicDim(0);
}

MovedStates::MovedStates(Operation *program) {
  auto insert = [&](ValueRange values) {
    for (Value value : values)
      if (isPerSample(value))
        moved.insert(value);
  };
  // Definitions come before their uses, but for what a loop carries.
  program->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      insert(loop.getRegionIterArgs());
      insert(loop.getResults());
      return;
    }
    auto dense = dyn_cast<DenseOp>(op);
    if ((dense && dense.getDifference()) ||
        llvm::any_of(op->getOperands(),
                     [&](Value operand) { return isMoved(operand); }))
      insert(op->getResults());
  });
}
