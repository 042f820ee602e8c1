//===- DifferenceProducts.cpp - Products of moved states --------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The noise of rounding a state is relative to the state, and the errors that
// its prediction leaves are smaller by orders of magnitude. The noise of
// rounding how far the state has moved is relative to that, as the errors are.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/MovedStates.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Dialect/PC/Transforms/RoundedProducts.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_DIFFERENCEPRODUCTSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {
/// Makes differences of states, and has loops carry them beside the states:
/// they are then made where a state is at hand, by its update.
class Differences {
public:
  explicit Differences(MLIRContext *context) : rewriter(context) {}

  /// How far `state` is from `start`; both are there when it is asked for.
  Value get(Value state, Value start);

private:
  /// The position among what `loop` carries of how far the state at `index` is
  /// from `start`.
  unsigned carry(scf::ForOp loop, unsigned index, Value start);

  struct Carried {
    unsigned index;
    Value start;
    unsigned position;
  };
  IRRewriter rewriter;
  /// By the end of a loop's body, which stays when the loop gets more results.
  llvm::DenseMap<Operation *, SmallVector<Carried>> loops;
};
} // namespace

/// True if `value` is there when `op` runs. (DominanceInfo would be that of the
/// loops before they carried more.)
static bool isBefore(Value value, Operation *op) {
  Operation *at = value.getParentBlock()->findAncestorOpInBlock(*op);
  Operation *def = value.getDefiningOp();
  return at && (!def || def->isBeforeInBlock(at));
}

Value Differences::get(Value state, Value start) {
  auto argument = dyn_cast<BlockArgument>(state);
  auto loop = dyn_cast_or_null<scf::ForOp>(
      argument ? argument.getOwner()->getParentOp() : state.getDefiningOp());
  if (loop && isBefore(start, loop)) {
    unsigned index = argument ? argument.getArgNumber() - 1
                              : cast<OpResult>(state).getResultNumber();
    Operation *end = loop.getBody()->getTerminator();
    unsigned position = carry(loop, index, start);
    loop = cast<scf::ForOp>(end->getParentOp());
    return argument ? Value(loop.getRegionIterArgs()[position])
                    : Value(loop.getResult(position));
  }
  Operation *def = state.getDefiningOp();
  rewriter.setInsertionPointAfterValue(def && isBefore(start, def) ? state
                                                                   : start);
  if (state == start)
    return SplatOp::create(rewriter, state.getLoc(), state.getType(),
                           rewriter.getF64FloatAttr(0.0));
  return SubOp::create(rewriter, state.getLoc(), state, start);
}

unsigned Differences::carry(scf::ForOp loop, unsigned index, Value start) {
  Operation *end = loop.getBody()->getTerminator();
  for (const Carried &carried : loops[end])
    if (carried.index == index && carried.start == start)
      return carried.position;
  Value first = get(loop.getInits()[index], start);
  unsigned position = loop.getNumResults();
  loops[end].push_back({index, start, position});
  rewriter.setInsertionPoint(loop);
  FailureOr<LoopLikeOpInterface> more = loop.replaceWithAdditionalYields(
      rewriter, first, /*replaceInitOperandUsesInLoop=*/false,
      [](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
        return SmallVector<Value>(arguments.begin(), arguments.end());
      });
  assert(succeeded(more) && "a loop on tensors can carry one more");
  loop = cast<scf::ForOp>(more->getOperation());
  end = loop.getBody()->getTerminator();
  Value next = get(end->getOperand(index), start);
  end->setOperand(position, next);
  // The error of a state whose prediction does not move is the same number.
  loop = cast<scf::ForOp>(end->getParentOp());
  for (Operation *user :
       llvm::to_vector(loop.getRegionIterArgs()[index].getUsers()))
    if (auto sub = dyn_cast<SubOp>(user); sub && sub.getRhs() == start)
      rewriter.replaceOp(sub, loop.getRegionIterArgs()[position]);
  return position;
}

/// True if steps of inference led from `start` to `state`: sums of it and how
/// far they go, in loops in each of their steps.
static bool isMovedFrom(Value state, Value start) {
  while (state != start) {
    Operation *def = state.getDefiningOp();
    auto argument = dyn_cast<BlockArgument>(state);
    if (argument)
      def = argument.getOwner()->getParentOp();
    if (auto loop = dyn_cast_or_null<scf::ForOp>(def)) {
      // What another state of the loop leads to is another state.
      if (start.getParentBlock() == loop.getBody())
        return false;
      unsigned index = argument ? argument.getArgNumber() - 1
                                : cast<OpResult>(state).getResultNumber();
      Operation *end = loop.getBody()->getTerminator();
      if (!isMovedFrom(end->getOperand(index), loop.getRegionIterArgs()[index]))
        return false;
      state = loop.getInits()[index];
      continue;
    }
    if (auto sum = dyn_cast_or_null<AddOp>(def))
      return isMovedFrom(sum.getLhs(), start) ||
             isMovedFrom(sum.getRhs(), start);
    auto step = dyn_cast_or_null<SubOp>(def);
    if (!step)
      return false;
    state = step.getLhs();
  }
  return true;
}

/// If all that becomes of `product` is its sum with a bias: the sum of `start`
/// with that, which is there already.
static AddOp findBiased(DenseOp product, DenseOp start) {
  auto biased = product->hasOneUse()
                    ? dyn_cast<AddOp>(*product->getUsers().begin())
                    : AddOp();
  if (!biased || biased.getLhs() != product.getOutput())
    return {};
  for (Operation *user : start->getUsers())
    if (auto sum = dyn_cast<AddOp>(user);
        sum && sum.getLhs() == start.getOutput() &&
        sum.getRhs() == biased.getRhs() && isBefore(sum.getOutput(), biased))
      return sum;
  return {};
}

namespace {
struct DifferenceProductsPass
    : public pc::impl::DifferenceProductsPassBase<DifferenceProductsPass> {
  using Base::Base;

  void runOnOperation() final {
    func::FuncOp program = getOperation();
    if (!program->hasAttr(PCDialect::kProgramAttrName))
      return;
    auto &states = getAnalysis<MovedStates>();
    // Of each weight, the products with what has not moved.
    llvm::DenseMap<Value, SmallVector<DenseOp>> starts;
    SmallVector<std::pair<DenseOp, DenseOp>> moved;
    program.walk([&](DenseOp dense) {
      if (dense.getDifference() ||
          !isWorthRounding(dense.getWeight().getType()))
        return;
      SmallVector<DenseOp> &known = starts[dense.getWeight()];
      if (!states.isMoved(dense.getInput())) {
        known.push_back(dense);
        return;
      }
      // The last one that the state comes from.
      for (DenseOp start : llvm::reverse(known))
        if (start.getTransposed() == dense.getTransposed() &&
            start.getType() == dense.getType() &&
            isBefore(start.getOutput(), dense) &&
            isMovedFrom(dense.getInput(), start.getInput())) {
          moved.push_back({dense, start});
          break;
        }
    });

    Differences differences(&getContext());
    for (auto [dense, start] : moved) {
      Value difference = differences.get(dense.getInput(), start.getInput());
      OpBuilder builder(dense);
      Value product =
          DenseOp::create(builder, dense.getLoc(), dense.getType(), difference,
                          dense.getWeight(), dense.getTransposed(),
                          /*difference=*/true);
      AddOp biased = findBiased(dense, start);
      Operation *replaced =
          biased ? *dense->getUsers().begin() : dense.getOperation();
      builder.setInsertionPoint(replaced);
      Value sum =
          AddOp::create(builder, replaced->getLoc(), product,
                        biased ? biased.getOutput() : start.getOutput());
      replaced->replaceAllUsesWith(ValueRange(sum));
      replaced->erase();
      if (biased)
        dense.erase();
    }
  }
};
} // namespace
