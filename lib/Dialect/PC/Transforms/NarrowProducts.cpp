//===- NarrowProducts.cpp - Products of bfloat16 ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Only what products read is rounded. The arrays that the algebra folds, sums
// and updates work on stay float32, so no other pass has to know.
//
// A state that inference has moved needs two parts: the noise of rounding it to
// one, 2^-9 of the state, changes with each step and drowns the small errors of
// a trained network. That of what is computed once is the same in every step,
// as if the network's input were a little different, and that of a difference
// is relative to it.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/MovedStates.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Dialect/PC/Transforms/RoundedProducts.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_NARROWPRODUCTSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

/// Columns of a panel: the pairs of one row that a 512-bit register holds.
static constexpr int64_t kPanelColumns = 16;

/// The array of a weight, or of its transpose.
static Value getArray(Value weight) {
  auto transpose = weight.getDefiningOp<TransposeOp>();
  return transpose ? transpose.getInput() : weight;
}

/// `weight` rounded, made where it is, so that one serves all its readers. Of a
/// transpose that nothing is left to read, no array remains.
static Value narrow(Value weight) {
  Value source = getArray(weight);
  auto type = cast<RankedTensorType>(weight.getType());
  auto narrowed = RankedTensorType::get(
      type.getShape(), BFloat16Type::get(type.getContext()),
      PairsAttr::get(type.getContext(), kPanelColumns));
  OpBuilder builder(weight.getContext());
  builder.setInsertionPointAfterValue(weight);
  return NarrowOp::create(builder, weight.getLoc(), narrowed, source,
                          /*transposed=*/source != weight);
}

/// The array that `weight` begins as: through loops that carry it.
static Value getFirst(Value weight) {
  while (true) {
    weight = getArray(weight);
    if (auto loop = weight.getDefiningOp<scf::ForOp>()) {
      weight = loop.getTiedLoopInit(cast<OpResult>(weight))->get();
    } else {
      auto argument = dyn_cast<BlockArgument>(weight);
      auto inside =
          argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp())
                   : nullptr;
      if (!inside)
        return weight;
      weight = inside.getTiedLoopInit(argument)->get();
    }
  }
}

namespace {
struct NarrowProductsPass
    : public pc::impl::NarrowProductsPassBase<NarrowProductsPass> {
  using Base::Base;

  void runOnOperation() final {
    func::FuncOp program = getOperation();
    if (!program->hasAttr(PCDialect::kProgramAttrName))
      return;
    SmallVector<DenseOp> products;
    SmallVector<BatchOuterOp> gradients;
    WalkResult checked = program.walk([&](Operation *op) {
      if (!isa<DenseOp, BatchOuterOp>(op))
        return WalkResult::advance();
      if (!getElementTypeOrSelf(op->getResult(0)).isF32()) {
        op->emitError("products in bf16 are for models of f32, but found ")
            << op->getResult(0).getType()
            << "; leave --precision out or use --float=f32";
        return WalkResult::interrupt();
      }
      if (auto dense = dyn_cast<DenseOp>(op)) {
        if (isWorthRounding(dense.getWeight().getType()))
          products.push_back(dense);
      } else
        gradients.push_back(cast<BatchOuterOp>(op));
      return WalkResult::advance();
    });
    if (checked.wasInterrupted())
      return signalPassFailure();

    auto &states = getAnalysis<MovedStates>();
    llvm::DenseSet<Value> inTwo;
    auto isState = [&](DenseOp dense) {
      return states.isMoved(dense.getInput()) && !dense.getDifference();
    };
    for (DenseOp dense : products)
      if (isState(dense))
        inTwo.insert(getFirst(dense.getWeight()));
    llvm::DenseMap<Value, Value> narrowed;
    for (DenseOp dense : products) {
      // So is the product that a state begins as, which inference computes
      // anew: until the state moves the error must be zero, and no difference
      // of two roundings.
      bool first =
          !dense.getDifference() && inTwo.contains(getArray(dense.getWeight()));
      dense.setParts(isState(dense) || first ? 2 : 1);
      Value weight = dense.getWeight();
      // Code is generated for transposed products alone (pc-choose-layouts). A
      // weight that no array holds is rounded where it is read.
      if (!roundWeights || !dense.getTransposed() ||
          getElementTypeOrSelf(weight).isBF16() ||
          isa_and_nonnull<SplatOp, BroadcastOp>(weight.getDefiningOp()))
        continue;
      Value &rounded = narrowed[weight];
      if (!rounded)
        rounded = narrow(weight);
      dense.getWeightMutable().assign(rounded);
      auto transpose = weight.getDefiningOp<TransposeOp>();
      if (transpose && transpose.use_empty()) {
        narrowed.erase(weight);
        transpose.erase();
      }
    }
    for (BatchOuterOp gradient : gradients)
      gradient.setBf16(true);
  }
};
} // namespace
