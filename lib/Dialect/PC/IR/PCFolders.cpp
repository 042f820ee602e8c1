//===- PCFolders.cpp - Folds and canonicalisation patterns ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every fold here is exact on finite values in the sense of ==: what the folded
// program computes equals what the program computes (+0 equals -0). Nothing
// reassociates.
//
// The folded value of a `pc.splat` is its f64 attribute. Arithmetic on splats
// is done in the element type, as the program would.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Splats
//===----------------------------------------------------------------------===//

std::optional<double> pc::getSplatValue(Value value) {
  if (auto splat = value.getDefiningOp<SplatOp>())
    return splat.getValue().convertToDouble();
  return std::nullopt;
}

bool pc::isZeroSplat(Value value) {
  std::optional<double> number = getSplatValue(value);
  return number && *number == 0.0;
}

/// `value` rounded to the semantics of `type`'s element type.
static APFloat roundTo(double value, Type type) {
  APFloat number(value);
  bool losesInfo;
  number.convert(
      cast<FloatType>(getElementTypeOrSelf(type)).getFloatSemantics(),
      APFloat::rmNearestTiesToEven, &losesInfo);
  return number;
}

/// The folded value of a constant operand, rounded to `type`'s element type.
static std::optional<APFloat> getNumber(Attribute attribute, Type type) {
  auto number = dyn_cast_if_present<FloatAttr>(attribute);
  if (!number)
    return std::nullopt;
  return roundTo(number.getValueAsDouble(), type);
}

/// The folded value of a splat of `number`.
static FloatAttr getSplatAttr(MLIRContext *context, const APFloat &number) {
  return FloatAttr::get(Float64Type::get(context), number.convertToDouble());
}

static FloatAttr getZeroAttr(MLIRContext *context) {
  return FloatAttr::get(Float64Type::get(context), 0.0);
}

OpFoldResult SplatOp::fold(FoldAdaptor) { return getValueAttr(); }

//===----------------------------------------------------------------------===//
// Element-wise operations
//===----------------------------------------------------------------------===//

OpFoldResult IdentityOp::fold(FoldAdaptor) { return getInput(); }

/// Folds f(0) where f(0) is exactly 0, without evaluating f.
static OpFoldResult foldActivationOfZero(Attribute operand, Type type) {
  std::optional<APFloat> number = getNumber(operand, type);
  if (number && number->isZero())
    return getZeroAttr(type.getContext());
  return {};
}

#define PC_FOLD_ACTIVATION(OP)                                                 \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                 \
    return foldActivationOfZero(adaptor.getInput(), getType());                \
  }
PC_FOLD_ACTIVATION(ReluOp)
PC_FOLD_ACTIVATION(LeakyReluOp)
PC_FOLD_ACTIVATION(GeluOp)
PC_FOLD_ACTIVATION(SiluOp)
PC_FOLD_ACTIVATION(TanhOp)
PC_FOLD_ACTIVATION(HardTanhOp)
#undef PC_FOLD_ACTIVATION
OpFoldResult SigmoidOp::fold(FoldAdaptor) { return {}; }
OpFoldResult SoftplusOp::fold(FoldAdaptor) { return {}; }

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  std::optional<APFloat> lhs = getNumber(adaptor.getLhs(), getType());
  std::optional<APFloat> rhs = getNumber(adaptor.getRhs(), getType());
  if (lhs && rhs)
    return getSplatAttr(getContext(), *lhs + *rhs);
  if (rhs && rhs->isZero())
    return getLhs();
  if (lhs && lhs->isZero())
    return getRhs();
  return {};
}

OpFoldResult SubOp::fold(FoldAdaptor adaptor) {
  if (getLhs() == getRhs())
    return getZeroAttr(getContext());
  std::optional<APFloat> lhs = getNumber(adaptor.getLhs(), getType());
  std::optional<APFloat> rhs = getNumber(adaptor.getRhs(), getType());
  if (lhs && rhs)
    return getSplatAttr(getContext(), *lhs - *rhs);
  if (rhs && rhs->isZero())
    return getLhs();
  return {};
}

OpFoldResult MulOp::fold(FoldAdaptor adaptor) {
  std::optional<APFloat> lhs = getNumber(adaptor.getLhs(), getType());
  std::optional<APFloat> rhs = getNumber(adaptor.getRhs(), getType());
  if (lhs && rhs)
    return getSplatAttr(getContext(), *lhs * *rhs);
  if (rhs && rhs->isExactlyValue(1.0))
    return getLhs();
  if (lhs && lhs->isExactlyValue(1.0))
    return getRhs();
  return {};
}

OpFoldResult NegOp::fold(FoldAdaptor adaptor) {
  if (std::optional<APFloat> input = getNumber(adaptor.getInput(), getType()))
    return getSplatAttr(getContext(), -*input);
  if (auto inner = getInput().getDefiningOp<NegOp>())
    return inner.getInput();
  return {};
}

OpFoldResult ScaleOp::fold(FoldAdaptor adaptor) {
  std::optional<APFloat> factor = getNumber(adaptor.getFactor(), getType());
  if (!factor)
    return {};
  if (std::optional<APFloat> input = getNumber(adaptor.getInput(), getType()))
    return getSplatAttr(getContext(), *input * *factor);
  if (factor->isExactlyValue(1.0))
    return getInput();
  if (factor->isZero())
    return getZeroAttr(getContext());
  return {};
}

namespace {

/// x + (-y) -> x - y, and (-x) + y -> y - x: both round the same sum.
struct AddOfNeg : public OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op,
                                PatternRewriter &rewriter) const override {
    if (auto neg = op.getRhs().getDefiningOp<NegOp>()) {
      rewriter.replaceOpWithNewOp<SubOp>(op, op.getType(), op.getLhs(),
                                         neg.getInput());
      return success();
    }
    if (auto neg = op.getLhs().getDefiningOp<NegOp>()) {
      rewriter.replaceOpWithNewOp<SubOp>(op, op.getType(), op.getRhs(),
                                         neg.getInput());
      return success();
    }
    return failure();
  }
};

/// x - (-y) -> x + y.
struct SubOfNeg : public OpRewritePattern<SubOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SubOp op,
                                PatternRewriter &rewriter) const override {
    auto neg = op.getRhs().getDefiningOp<NegOp>();
    if (!neg)
      return failure();
    rewriter.replaceOpWithNewOp<AddOp>(op, op.getType(), op.getLhs(),
                                       neg.getInput());
    return success();
  }
};

/// 0 - x -> -x.
struct SubFromZero : public OpRewritePattern<SubOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SubOp op,
                                PatternRewriter &rewriter) const override {
    if (!isZeroSplat(op.getLhs()))
      return failure();
    rewriter.replaceOpWithNewOp<NegOp>(op, op.getType(), op.getRhs());
    return success();
  }
};

/// -(x - y) -> y - x, where nothing else wants x - y: rounding to nearest is
/// symmetric.
struct NegOfSub : public OpRewritePattern<NegOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NegOp op,
                                PatternRewriter &rewriter) const override {
    auto sub = op.getInput().getDefiningOp<SubOp>();
    if (!sub || !sub->hasOneUse())
      return failure();
    rewriter.replaceOpWithNewOp<SubOp>(op, op.getType(), sub.getRhs(),
                                       sub.getLhs());
    return success();
  }
};

/// dense(x, transpose(w)) -> dense of w with the flag flipped.
struct DenseOfTranspose : public OpRewritePattern<DenseOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DenseOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getWeight().getDefiningOp<TransposeOp>();
    if (!transpose)
      return failure();
    rewriter.replaceOpWithNewOp<DenseOp>(
        op, op.getType(), op.getInput(), transpose.getInput(),
        !op.getTransposed(), op.getDifference(), op.getParts());
    return success();
  }
};

/// Replaces the results of an operation by splats of zero when one of its
/// operands is zero and that is enough. The only place where zeros travel
/// through linear maps, products and shapes: an operation takes part by its
/// interface.
struct FoldZeroThroughLinearMap
    : public OpInterfaceRewritePattern<LinearMapOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(LinearMapOpInterface op,
                                PatternRewriter &rewriter) const override {
    bool zero = llvm::any_of(op->getOpOperands(), [&](OpOperand &operand) {
      return isZeroSplat(operand.get()) &&
             op.isZeroPreserving(operand.getOperandNumber());
    });
    if (!zero)
      return failure();
    SmallVector<Value> zeros;
    for (Type type : op->getResultTypes())
      zeros.push_back(SplatOp::create(rewriter, op->getLoc(), type,
                                      rewriter.getF64FloatAttr(0.0)));
    rewriter.replaceOp(op, zeros);
    return success();
  }
};

} // namespace

void AddOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                        MLIRContext *context) {
  patterns.add<AddOfNeg>(context);
}

void SubOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                        MLIRContext *context) {
  patterns.add<SubOfNeg, SubFromZero>(context);
}

void NegOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                        MLIRContext *context) {
  patterns.add<NegOfSub>(context);
}

void DenseOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *context) {
  patterns.add<DenseOfTranspose>(context);
}

void PCDialect::getCanonicalizationPatterns(RewritePatternSet &patterns) const {
  patterns.add<FoldZeroThroughLinearMap>(getContext());
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

OpFoldResult BatchBroadcastOp::fold(FoldAdaptor adaptor) {
  return adaptor.getInput();
}

OpFoldResult SumOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  return {};
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  return adaptor.getInput();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getInput())
    return adaptor.getInput();
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getInputs().size() == 1 && getInputs().front().getType() == getType())
    return getInputs().front();
  if (llvm::all_equal(adaptor.getInputs()))
    return adaptor.getInputs().front();
  return {};
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getInput())
    return adaptor.getInput();
  // Two dynamic dimensions along the axis need not have one size.
  int64_t axis = getAxis() + getType().getRank();
  if (getInput().getType() == getType() && !getType().isDynamicDim(axis))
    return getInput();
  return {};
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  int64_t axis = getAxis() + getType().getRank();
  if (getInput().getType() == getType() && !getType().isDynamicDim(axis))
    return getInput();
  return {};
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getInput())
    return adaptor.getInput();
  if (auto inner = getInput().getDefiningOp<TransposeOp>())
    if (inner.getInput().getType() == getType())
      return inner.getInput();
  return {};
}

//===----------------------------------------------------------------------===//
// Optimisers
//===----------------------------------------------------------------------===//

LogicalResult AdamUpdateOp::fold(FoldAdaptor adaptor,
                                 SmallVectorImpl<OpFoldResult> &results) {
  // The corrections are 1 - b^t and not zero, and so is what 0 is divided by.
  std::optional<APFloat> eps = getNumber(adaptor.getEps(), getType(0));
  std::optional<APFloat> decay =
      getNumber(adaptor.getWeightDecay(), getType(0));
  if (!eps || eps->isZero() || eps->isNaN() || !decay || !decay->isZero() ||
      !isZeroSplat(getGradient()) || !isZeroSplat(getM()) ||
      !isZeroSplat(getV()))
    return failure();
  results.append({getParam(), getM(), getV()});
  return success();
}

//===----------------------------------------------------------------------===//
// Energies
//===----------------------------------------------------------------------===//

OpFoldResult SquaredErrorOp::fold(FoldAdaptor) {
  if (getState() == getPrediction())
    return getZeroAttr(getContext());
  return {};
}
