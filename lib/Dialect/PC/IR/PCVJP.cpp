//===- PCVJP.cpp - Vector-Jacobian products of the compute operations -----===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With g the cotangent of the result, each rule builds J^T g for the operands
// that are asked for. Types come from the operands, so one rule serves
// per-sample and batched tensors. Nothing is simplified here: folds do that,
// and a check can then compare both forms.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/ReverseSweep.h"
#include <cmath>
#include <numbers>

using namespace mlir;
using namespace pc;
using llvm::SmallBitVector;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

//===----------------------------------------------------------------------===//
// Element-wise operations
//===----------------------------------------------------------------------===//

LogicalResult IdentityOp::buildVJP(OpBuilder &, ValueRange cotangents,
                                   const SmallBitVector &,
                                   SmallVectorImpl<Value> &operandCotangents) {
  operandCotangents.push_back(cotangents[0]);
  return success();
}

LogicalResult DetachOp::buildVJP(OpBuilder &, ValueRange,
                                 const SmallBitVector &,
                                 SmallVectorImpl<Value> &operandCotangents) {
  operandCotangents.push_back(Value());
  return success();
}

/// g f'(x).
static LogicalResult
buildActivationVJP(OpBuilder &builder, Location loc, ActivationKind kind,
                   double slope, Value input, Value cotangent,
                   SmallVectorImpl<Value> &operandCotangents) {
  Value derivative =
      ActGradOp::create(builder, loc, input.getType(),
                        ActivationKindAttr::get(builder.getContext(), kind),
                        input, builder.getF64FloatAttr(slope));
  operandCotangents.push_back(
      MulOp::create(builder, loc, input.getType(), cotangent, derivative));
  return success();
}

#define PC_ACTIVATION_VJP(OP)                                                  \
  LogicalResult OP::buildVJP(OpBuilder &builder, ValueRange cotangents,        \
                             const SmallBitVector &,                           \
                             SmallVectorImpl<Value> &operandCotangents) {      \
    return buildActivationVJP(builder, getLoc(), getActivationKind(),          \
                              getActivationSlope(), getInput(), cotangents[0], \
                              operandCotangents);                              \
  }
PC_ACTIVATION_VJP(ReluOp)
PC_ACTIVATION_VJP(LeakyReluOp)
PC_ACTIVATION_VJP(GeluOp)
PC_ACTIVATION_VJP(SiluOp)
PC_ACTIVATION_VJP(TanhOp)
PC_ACTIVATION_VJP(HardTanhOp)
PC_ACTIVATION_VJP(SigmoidOp)
PC_ACTIVATION_VJP(SoftplusOp)
#undef PC_ACTIVATION_VJP

/// f''(x) of a smooth activation, for one number. Nothing overflows, as in the
/// formulas of the derivatives.
static Value buildSecondDerivative(OpBuilder &b, Location loc,
                                   ActivationKind kind, Value x) {
  Type type = x.getType();
  auto constant = [&](double value) { return buildFloat(b, loc, type, value); };
  auto add = [&](Value l, Value r) -> Value {
    return arith::AddFOp::create(b, loc, l, r);
  };
  auto sub = [&](Value l, Value r) -> Value {
    return arith::SubFOp::create(b, loc, l, r);
  };
  auto mul = [&](Value l, Value r) -> Value {
    return arith::MulFOp::create(b, loc, l, r);
  };
  Value one = constant(1.0), two = constant(2.0);
  // Of the logistic function s: s' and s'' / s' = 1 - 2 s.
  auto logistic = [&](Value y) -> std::pair<Value, Value> {
    Value e = math::ExpOp::create(
        b, loc, arith::NegFOp::create(b, loc, math::AbsFOp::create(b, loc, y)));
    Value r = arith::DivFOp::create(b, loc, one, add(one, e));
    Value size = mul(sub(one, e), r);
    Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, y,
                                        constant(0.0));
    Value slope = arith::SelectOp::create(b, loc, below, size,
                                          arith::NegFOp::create(b, loc, size));
    return {mul(mul(e, r), r), slope};
  };
  switch (kind) {
  case ActivationKind::Tanh: {
    Value t = math::TanhOp::create(b, loc, x);
    return mul(constant(-2.0), mul(t, sub(one, mul(t, t))));
  }
  case ActivationKind::Sigmoid: {
    auto [first, slope] = logistic(x);
    return mul(first, slope);
  }
  case ActivationKind::Softplus:
    return logistic(x).first;
  case ActivationKind::Silu: {
    // (x s)'' = 2 s' + x s''
    auto [first, slope] = logistic(x);
    return mul(first, add(two, mul(x, slope)));
  }
  case ActivationKind::Gelu: {
    // The same with s at y = 2 sqrt(2 / pi) (x + a x^3).
    Value z = arith::MaximumFOp::create(
        b, loc, arith::MinimumFOp::create(b, loc, x, constant(32.0)),
        constant(-32.0));
    double scale = 2 * std::sqrt(2 / std::numbers::pi), a = 0.044715;
    Value square = mul(z, z);
    Value y = mul(mul(constant(scale), z), add(one, mul(constant(a), square)));
    Value y1 = mul(constant(scale), add(one, mul(constant(3 * a), square)));
    Value y2 = mul(constant(6 * a * scale), z);
    auto [first, slope] = logistic(y);
    Value inner = add(mul(slope, mul(y1, y1)), y2);
    return mul(first, add(mul(two, y1), mul(z, inner)));
  }
  case ActivationKind::GeluExact: {
    // phi(x) (2 - x^2)
    Value z = arith::MaximumFOp::create(
        b, loc, arith::MinimumFOp::create(b, loc, x, constant(64.0)),
        constant(-64.0));
    Value square = mul(z, z);
    Value density =
        mul(constant(1 / std::sqrt(2 * std::numbers::pi)),
            math::ExpOp::create(b, loc, mul(constant(-0.5), square)));
    return mul(density, sub(two, square));
  }
  case ActivationKind::Relu:
  case ActivationKind::LeakyRelu:
  case ActivationKind::HardTanh:
    break;
  }
  llvm_unreachable("piecewise linear");
}

LogicalResult ActGradOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                  const SmallBitVector &,
                                  SmallVectorImpl<Value> &operandCotangents) {
  ActivationKind kind = getKind();
  operandCotangents.push_back(Value());
  if (kind == ActivationKind::Relu || kind == ActivationKind::LeakyRelu ||
      kind == ActivationKind::HardTanh)
    return success();
  Type type = getInput().getType();
  auto second =
      ElementwiseOp::create(builder, getLoc(), type, ValueRange{getInput()});
  {
    OpBuilder::InsertionGuard guard(builder);
    Block *body =
        builder.createBlock(&second.getBody(), {},
                            {typeOf(getInput()).getElementType()}, {getLoc()});
    YieldOp::create(
        builder, getLoc(),
        buildSecondDerivative(builder, getLoc(), kind, body->getArgument(0)));
  }
  operandCotangents[0] =
      MulOp::create(builder, getLoc(), type, cotangents[0], second.getOutput());
  return success();
}

LogicalResult AddOp::buildVJP(OpBuilder &, ValueRange cotangents,
                              const SmallBitVector &,
                              SmallVectorImpl<Value> &operandCotangents) {
  operandCotangents.append({cotangents[0], cotangents[0]});
  return success();
}

LogicalResult SubOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                              const SmallBitVector &active,
                              SmallVectorImpl<Value> &operandCotangents) {
  Value g = cotangents[0];
  operandCotangents.append({g, Value()});
  if (active[1])
    operandCotangents[1] = NegOp::create(builder, getLoc(), g.getType(), g);
  return success();
}

LogicalResult MulOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                              const SmallBitVector &active,
                              SmallVectorImpl<Value> &operandCotangents) {
  Value g = cotangents[0];
  operandCotangents.assign(2, Value());
  if (active[0])
    operandCotangents[0] =
        MulOp::create(builder, getLoc(), g.getType(), g, getRhs());
  if (active[1])
    operandCotangents[1] =
        MulOp::create(builder, getLoc(), g.getType(), g, getLhs());
  return success();
}

LogicalResult NegOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                              const SmallBitVector &,
                              SmallVectorImpl<Value> &operandCotangents) {
  Value g = cotangents[0];
  operandCotangents.push_back(NegOp::create(builder, getLoc(), g.getType(), g));
  return success();
}

LogicalResult ScaleOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                const SmallBitVector &active,
                                SmallVectorImpl<Value> &operandCotangents) {
  // A number of the program is no variable of the model.
  if (active[1])
    return emitOpError("cannot be differentiated with respect to its factor");
  Value g = cotangents[0];
  operandCotangents.append(
      {ScaleOp::create(builder, getLoc(), g.getType(), g, getFactor()),
       Value()});
  return success();
}

LogicalResult
ElementwiseOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                        const SmallBitVector &active,
                        SmallVectorImpl<Value> &operandCotangents) {
  // One operation per operand: its region computes the value again and then
  // g df/dx_i, in reverse mode over the scalar operations.
  operandCotangents.assign(getInputs().size(), Value());
  Type element = getOutput().getType().getElementType();
  for (unsigned i = 0, e = getInputs().size(); i != e; ++i) {
    if (!active[i])
      continue;
    SmallVector<Value> inputs(getInputs());
    inputs.push_back(cotangents[0]);
    auto derivative =
        ElementwiseOp::create(builder, getLoc(), getOutput().getType(), inputs);
    OpBuilder::InsertionGuard guard(builder);
    IRMapping mapping;
    getBody().cloneInto(&derivative.getBody(), mapping);
    Block &block = derivative.getBody().front();
    Value seed = block.addArgument(element, getLoc());
    auto yield = cast<YieldOp>(block.getTerminator());
    builder.setInsertionPoint(yield);
    SmallVector<Value> gradient;
    LogicalResult built = reverseSweep(
        builder, yield.getValues().front(), seed, block.getArgument(i),
        [](OpBuilder &builder, Location loc, Value a, Value b) -> Value {
          return arith::AddFOp::create(builder, loc, a, b);
        },
        gradient);
    if (failed(built)) {
      derivative.erase();
      return failure();
    }
    // The result does not depend on this operand.
    if (!gradient.front()) {
      derivative.erase();
      continue;
    }
    yield.getValuesMutable().assign(gradient.front());
    operandCotangents[i] = derivative.getOutput();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// `value`, a vector, as a batch of one sample; a batch stays as it is.
static Value asBatch(OpBuilder &builder, Location loc, Value value) {
  RankedTensorType type = typeOf(value);
  if (type.getRank() == 2)
    return value;
  auto batched =
      RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
  return ReshapeOp::create(builder, loc, batched, value);
}

LogicalResult DenseOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                const SmallBitVector &active,
                                SmallVectorImpl<Value> &operandCotangents) {
  Value g = cotangents[0];
  operandCotangents.assign(2, Value());
  if (active[0])
    operandCotangents[0] =
        DenseOp::create(builder, getLoc(), getInput().getType(), g, getWeight(),
                        !getTransposed(), /*difference=*/true);
  if (active[1]) {
    // dE/dw_nk = sum_s g_sn x_sk; transposed, x and g change places.
    Value rows = asBatch(builder, getLoc(), getTransposed() ? getInput() : g);
    Value columns =
        asBatch(builder, getLoc(), getTransposed() ? g : getInput());
    operandCotangents[1] = BatchOuterOp::create(
        builder, getLoc(), getWeight().getType(), rows, columns);
  }
  return success();
}

LogicalResult
BatchOuterOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                       const SmallBitVector &active,
                       SmallVectorImpl<Value> &operandCotangents) {
  // dE/dlhs_sn = sum_k g_nk rhs_sk and dE/drhs_sk = sum_n g_nk lhs_sn.
  Value g = cotangents[0];
  operandCotangents.assign(2, Value());
  if (active[0])
    operandCotangents[0] = DenseOp::create(
        builder, getLoc(), getLhs().getType(), getRhs(), g, false);
  if (active[1])
    operandCotangents[1] = DenseOp::create(
        builder, getLoc(), getRhs().getType(), getLhs(), g, true);
  return success();
}

//===----------------------------------------------------------------------===//
// Sums and shapes: each rule is the adjoint operation
//===----------------------------------------------------------------------===//

#define PC_ADJOINT(OP, ADJOINT)                                                \
  LogicalResult OP::buildVJP(OpBuilder &builder, ValueRange cotangents,        \
                             const SmallBitVector &,                           \
                             SmallVectorImpl<Value> &operandCotangents) {      \
    operandCotangents.push_back(ADJOINT::create(                               \
        builder, getLoc(), getInput().getType(), cotangents[0]));              \
    return success();                                                          \
  }
PC_ADJOINT(BatchSumOp, BatchBroadcastOp)
PC_ADJOINT(BatchBroadcastOp, BatchSumOp)
PC_ADJOINT(SumOp, BroadcastOp)
PC_ADJOINT(BroadcastOp, SumOp)
PC_ADJOINT(ReshapeOp, ReshapeOp)
PC_ADJOINT(TransposeOp, TransposeOp)
#undef PC_ADJOINT

LogicalResult ConcatOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                 const SmallBitVector &active,
                                 SmallVectorImpl<Value> &operandCotangents) {
  int64_t offset = 0;
  for (auto [index, input] : llvm::enumerate(getInputs())) {
    RankedTensorType type = typeOf(input);
    int64_t size = type.getDimSize(type.getRank() + getAxis());
    if (ShapedType::isDynamic(size))
      return emitOpError("cannot be differentiated with a dynamic size along "
                         "its axis");
    operandCotangents.push_back(Value());
    if (active[index])
      operandCotangents.back() = SliceOp::create(
          builder, getLoc(), type, cotangents[0], getAxis(), offset);
    offset += size;
  }
  return success();
}

LogicalResult SliceOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                const SmallBitVector &,
                                SmallVectorImpl<Value> &operandCotangents) {
  operandCotangents.push_back(PadOp::create(builder, getLoc(),
                                            getInput().getType(), cotangents[0],
                                            getAxis(), getOffset()));
  return success();
}

LogicalResult PadOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                              const SmallBitVector &,
                              SmallVectorImpl<Value> &operandCotangents) {
  operandCotangents.push_back(
      SliceOp::create(builder, getLoc(), getInput().getType(), cotangents[0],
                      getAxis(), getOffset()));
  return success();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// The sum of `value` over its last axis, in every element of that axis.
static Value buildRowSum(OpBuilder &builder, Location loc, Value value) {
  RankedTensorType type = typeOf(value);
  auto sumType =
      RankedTensorType::get(type.getShape().drop_back(), type.getElementType());
  Value sum = SumOp::create(builder, loc, sumType, value);
  return BroadcastOp::create(builder, loc, type, sum);
}

LogicalResult SoftmaxOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                  const SmallBitVector &,
                                  SmallVectorImpl<Value> &operandCotangents) {
  // y (g - sum g y).
  Value g = cotangents[0];
  Type type = g.getType();
  Value product = MulOp::create(builder, getLoc(), type, g, getOutput());
  Value mean = buildRowSum(builder, getLoc(), product);
  Value centred = SubOp::create(builder, getLoc(), type, g, mean);
  operandCotangents.push_back(
      MulOp::create(builder, getLoc(), type, centred, getOutput()));
  return success();
}

LogicalResult
LogSoftmaxOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                       const SmallBitVector &,
                       SmallVectorImpl<Value> &operandCotangents) {
  // g - softmax(x) sum g.
  Value g = cotangents[0];
  Type type = g.getType();
  Value softmax = SoftmaxOp::create(builder, getLoc(), type, getInput());
  Value sum = buildRowSum(builder, getLoc(), g);
  Value product = MulOp::create(builder, getLoc(), type, softmax, sum);
  operandCotangents.push_back(
      SubOp::create(builder, getLoc(), type, g, product));
  return success();
}

//===----------------------------------------------------------------------===//
// Energies
//===----------------------------------------------------------------------===//

LogicalResult
SquaredErrorOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                         const SmallBitVector &active,
                         SmallVectorImpl<Value> &operandCotangents) {
  // g (h - u) and -g (h - u).
  Type type = getState().getType();
  Value g = BroadcastOp::create(builder, getLoc(), type, cotangents[0]);
  Value error =
      SubOp::create(builder, getLoc(), type, getState(), getPrediction());
  Value gradient = MulOp::create(builder, getLoc(), type, g, error);
  operandCotangents.append({gradient, Value()});
  if (active[1])
    operandCotangents[1] = NegOp::create(builder, getLoc(), type, gradient);
  return success();
}

LogicalResult
CrossEntropyOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                         const SmallBitVector &active,
                         SmallVectorImpl<Value> &operandCotangents) {
  // -g log_softmax(u) and g (softmax(u) sum(h) - h).
  Type type = getState().getType();
  Value g = BroadcastOp::create(builder, getLoc(), type, cotangents[0]);
  operandCotangents.assign(2, Value());
  if (active[0]) {
    Value logarithm =
        LogSoftmaxOp::create(builder, getLoc(), type, getPrediction());
    Value minus = NegOp::create(builder, getLoc(), type, logarithm);
    operandCotangents[0] = MulOp::create(builder, getLoc(), type, g, minus);
  }
  if (active[1]) {
    Value softmax = SoftmaxOp::create(builder, getLoc(), type, getPrediction());
    Value mass = buildRowSum(builder, getLoc(), getState());
    Value expected = MulOp::create(builder, getLoc(), type, softmax, mass);
    Value error = SubOp::create(builder, getLoc(), type, expected, getState());
    operandCotangents[1] = MulOp::create(builder, getLoc(), type, g, error);
  }
  return success();
}
