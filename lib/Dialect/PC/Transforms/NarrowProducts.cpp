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

/// `weight` rounded, made where it is, so that one serves all its readers. Of a
/// transpose that nothing is left to read, no array remains.
static Value narrow(Value weight) {
  bool transposed = false;
  Value source = weight;
  if (auto transpose = weight.getDefiningOp<TransposeOp>()) {
    transposed = true;
    source = transpose.getInput();
  }
  auto type = cast<RankedTensorType>(weight.getType());
  auto narrowed = RankedTensorType::get(
      type.getShape(), BFloat16Type::get(type.getContext()),
      PairsAttr::get(type.getContext(), kPanelColumns));
  OpBuilder builder(weight.getContext());
  builder.setInsertionPointAfterValue(weight);
  return NarrowOp::create(builder, weight.getLoc(), narrowed, source,
                          transposed);
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
    llvm::DenseMap<Value, Value> narrowed;
    for (DenseOp dense : products) {
      bool moved = states.isMoved(dense.getInput());
      dense.setParts(moved && !dense.getDifference() ? 2 : 1);
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
