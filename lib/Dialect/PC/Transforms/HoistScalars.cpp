//===- HoistScalars.cpp - Arithmetic on scalars, in front of stages -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_HOISTSCALARSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

/// Whether an operation makes one floating-point number of scalars, and may be
/// carried out where nobody asks for it.
static bool isScalarArithmetic(Operation &op) {
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  return op.getNumRegions() == 0 && op.getNumResults() == 1 &&
         isa<FloatType>(op.getResult(0).getType()) &&
         llvm::all_of(op.getOperandTypes(), isScalar) && isPure(&op);
}

/// Moves what it can out of one stage, and has the stage take what is left to
/// be read there.
static void hoist(StageOp stage, RewriterBase &rewriter) {
  Block &body = stage.getBody().front();
  rewriter.setInsertionPoint(stage);
  // In front of the stage: its operands, constants, and what has moved.
  IRMapping outside;
  outside.map(body.getArguments(), stage.getInputs());
  SmallVector<Operation *> moved;
  for (Operation &op : body.without_terminator()) {
    // What is made of constants alone is folded where it is read.
    bool takesNumber = false;
    auto isThere = [&](Value operand) {
      if (matchPattern(operand, m_Constant()))
        return true;
      takesNumber = true;
      return outside.contains(operand);
    };
    if (!isScalarArithmetic(op) || !llvm::all_of(op.getOperands(), isThere) ||
        !takesNumber)
      continue;
    for (Value operand : op.getOperands())
      if (!outside.contains(operand))
        rewriter.clone(*operand.getDefiningOp(), outside);
    rewriter.clone(op, outside);
    moved.push_back(&op);
  }
  SmallPtrSet<Operation *, 8> gone(moved.begin(), moved.end());
  for (Operation *op : moved) {
    Value number = op->getResult(0);
    if (llvm::all_of(number.getUsers(),
                     [&](Operation *user) { return gone.contains(user); }))
      continue;
    stage.getInputsMutable().append(outside.lookup(number));
    BlockArgument argument =
        body.addArgument(number.getType(), number.getLoc());
    rewriter.replaceUsesWithIf(number, argument, [&](OpOperand &use) {
      return !gone.contains(use.getOwner());
    });
  }
  for (Operation *op : llvm::reverse(moved))
    rewriter.eraseOp(op);
  for (unsigned i = body.getNumArguments(); i-- > 0;) {
    BlockArgument argument = body.getArgument(i);
    if (!argument.use_empty() || isa<ShapedType>(argument.getType()))
      continue;
    body.eraseArgument(i);
    stage.getInputsMutable().erase(i);
  }
}

namespace {
struct HoistScalarsPass
    : public pc::impl::HoistScalarsPassBase<HoistScalarsPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](StageOp stage) { hoist(stage, rewriter); });
  }
};
} // namespace
