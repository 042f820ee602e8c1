//===- PCActivations.cpp - Computation of one element ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What every element-wise operation does with one element, in `arith` and
// `math`. The same code serves scalars and vectors: nothing here is branched
// on, everything is selected. No operation carries fast-math flags.
//
// An activation and its derivative build their common parts through one
// function, in one order, so that CSE merges them when both are wanted.
//
// Selections are written so that a NaN operand comes out as a NaN, and so that
// `x > c ? c : x` is one minimum instruction on machines that have it.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

Value pc::buildFloat(OpBuilder &builder, Location loc, Type type,
                     double value) {
  return arith::ConstantOp::create(builder, loc, [&]() -> TypedAttr {
    auto number = builder.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      return DenseElementsAttr::get(vector, number);
    return number;
  }());
}

namespace {

/// Builder of expressions on one float type, scalar or vector.
class Expr {
public:
  Expr(OpBuilder &builder, Location loc, Type type)
      : builder(builder), loc(loc), type(type) {}

  Value number(double value) { return buildFloat(builder, loc, type, value); }
  Value add(Value a, Value b) {
    return arith::AddFOp::create(builder, loc, a, b);
  }
  Value sub(Value a, Value b) {
    return arith::SubFOp::create(builder, loc, a, b);
  }
  Value mul(Value a, Value b) {
    return arith::MulFOp::create(builder, loc, a, b);
  }
  Value div(Value a, Value b) {
    return arith::DivFOp::create(builder, loc, a, b);
  }
  Value neg(Value a) { return arith::NegFOp::create(builder, loc, a); }
  Value abs(Value a) { return math::AbsFOp::create(builder, loc, a); }
  Value exp(Value a) { return math::ExpOp::create(builder, loc, a); }
  Value sqrt(Value a) { return math::SqrtOp::create(builder, loc, a); }
  Value cmp(arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(builder, loc, predicate, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }

  OpBuilder &builder;
  Location loc;
  Type type;
};

/// The logistic function of `x` and its derivative, from one exponential that
/// cannot overflow: with e = exp(-|x|) and r = 1 / (1 + e), s is r or e r and
/// s (1 - s) is e r r in both tails, without cancellation.
struct Logistic {
  Logistic(Expr &expr, Value x) : expr(expr), x(x) {
    small = expr.exp(expr.neg(expr.abs(x)));
    Value one = expr.number(1.0);
    larger = expr.div(one, expr.add(one, small));
    smaller = expr.mul(small, larger);
  }

  /// 1 / (1 + exp(-x)).
  Value value() {
    Value zero = expr.number(0.0);
    Value positive = expr.cmp(arith::CmpFPredicate::OGE, x, zero);
    return expr.select(positive, larger, smaller);
  }
  /// value (1 - value).
  Value slope() { return expr.mul(smaller, larger); }

  Expr &expr;
  Value x;
  /// exp(-|x|), 1 / (1 + small), small / (1 + small).
  Value small, larger, smaller;
};

/// The tanh form of gelu: x/2 (1 + tanh w) = x / (1 + exp(-2 w)), with
/// 2 w = k (x + c x^3), k = 2 sqrt(2 / pi), c = 0.044715.
struct GeluArgument {
  static constexpr double kScale = 1.5957691216057307117597842397375;
  static constexpr double kCubic = 0.044715;
  /// |x| beyond which exp(-2 w) is zero in f32 and f64, so that limiting x here
  /// changes no bit of the result, and keeps x^2 from overflowing.
  static constexpr double kLimit = 32.0;

  GeluArgument(Expr &expr, Value x) : expr(expr) {
    Value high = expr.number(kLimit);
    Value low = expr.number(-kLimit);
    Value above = expr.cmp(arith::CmpFPredicate::OGT, x, high);
    limited = expr.select(above, high, x);
    Value below = expr.cmp(arith::CmpFPredicate::OLT, limited, low);
    limited = expr.select(below, low, limited);
    cubic = expr.mul(expr.number(kScale * kCubic), expr.mul(limited, limited));
  }

  /// 2 w.
  Value value() {
    return expr.mul(limited, expr.add(expr.number(kScale), cubic));
  }
  /// d(2 w)/dx.
  Value slope() {
    return expr.add(expr.number(kScale), expr.mul(expr.number(3.0), cubic));
  }

  Expr &expr;
  Value limited, cubic;
};

/// The normal distribution's function at `x`, 1/2 (1 + erf(x / sqrt 2)).
Value buildNormalCDF(Expr &expr, Value x) {
  constexpr double kInverseSqrt2 = 0.70710678118654752440084436210485;
  Value erf = math::ErfOp::create(expr.builder, expr.loc,
                                  expr.mul(x, expr.number(kInverseSqrt2)));
  return expr.mul(expr.number(0.5), expr.add(expr.number(1.0), erf));
}

} // namespace

Value pc::buildActivation(OpBuilder &builder, Location loc, ActivationKind kind,
                          double slope, Value x) {
  Expr expr(builder, loc, x.getType());
  switch (kind) {
  case ActivationKind::Relu: {
    Value zero = expr.number(0.0);
    return expr.select(expr.cmp(arith::CmpFPredicate::OLT, x, zero), zero, x);
  }
  case ActivationKind::LeakyRelu: {
    Value zero = expr.number(0.0);
    Value positive = expr.cmp(arith::CmpFPredicate::OGE, x, zero);
    return expr.select(positive, x, expr.mul(expr.number(slope), x));
  }
  case ActivationKind::Gelu: {
    GeluArgument argument(expr, x);
    Logistic logistic(expr, argument.value());
    return expr.mul(x, logistic.value());
  }
  case ActivationKind::GeluExact:
    return expr.mul(x, buildNormalCDF(expr, x));
  case ActivationKind::Silu: {
    Logistic logistic(expr, x);
    return expr.mul(x, logistic.value());
  }
  case ActivationKind::Tanh:
    return math::TanhOp::create(builder, loc, x);
  case ActivationKind::HardTanh: {
    Value one = expr.number(1.0);
    Value minusOne = expr.number(-1.0);
    Value above = expr.cmp(arith::CmpFPredicate::OGT, x, one);
    Value below = expr.cmp(arith::CmpFPredicate::OLT, x, minusOne);
    return expr.select(above, one, expr.select(below, minusOne, x));
  }
  case ActivationKind::Sigmoid:
    return Logistic(expr, x).value();
  case ActivationKind::Softplus: {
    // max(x, 0) + log(1 + exp(-|x|)).
    Value small = expr.exp(expr.neg(expr.abs(x)));
    Value zero = expr.number(0.0);
    Value negative = expr.cmp(arith::CmpFPredicate::OLT, x, zero);
    Value ramp = expr.select(negative, zero, x);
    Value rest = math::Log1pOp::create(builder, loc, small);
    return expr.add(ramp, rest);
  }
  }
  llvm_unreachable("unknown activation");
}

Value pc::buildActivationGrad(OpBuilder &builder, Location loc,
                              ActivationKind kind, double slope, Value x) {
  Expr expr(builder, loc, x.getType());
  switch (kind) {
  case ActivationKind::Relu: {
    Value zero = expr.number(0.0);
    Value positive = expr.cmp(arith::CmpFPredicate::OGT, x, zero);
    return expr.select(positive, expr.number(1.0), zero);
  }
  case ActivationKind::LeakyRelu: {
    Value zero = expr.number(0.0);
    Value positive = expr.cmp(arith::CmpFPredicate::OGE, x, zero);
    return expr.select(positive, expr.number(1.0), expr.number(slope));
  }
  case ActivationKind::Gelu: {
    // s + x s (1 - s) d(2 w)/dx.
    GeluArgument argument(expr, x);
    Logistic logistic(expr, argument.value());
    Value value = logistic.value();
    Value rest = expr.mul(expr.mul(x, logistic.slope()), argument.slope());
    return expr.add(value, rest);
  }
  case ActivationKind::GeluExact: {
    // Phi(x) + x phi(x); phi underflows to zero before x^2 overflows.
    constexpr double kInverseSqrt2Pi = 0.39894228040143267793994605993438;
    Value cdf = buildNormalCDF(expr, x);
    Value exponent = expr.mul(expr.number(-0.5), expr.mul(x, x));
    Value density = expr.mul(expr.number(kInverseSqrt2Pi), expr.exp(exponent));
    return expr.add(cdf, expr.mul(x, density));
  }
  case ActivationKind::Silu: {
    Logistic logistic(expr, x);
    Value value = logistic.value();
    return expr.add(value, expr.mul(x, logistic.slope()));
  }
  case ActivationKind::Tanh: {
    Value tanh = math::TanhOp::create(builder, loc, x);
    return expr.sub(expr.number(1.0), expr.mul(tanh, tanh));
  }
  case ActivationKind::HardTanh: {
    Value one = expr.number(1.0);
    Value minusOne = expr.number(-1.0);
    Value above = expr.cmp(arith::CmpFPredicate::OGT, x, one);
    Value below = expr.cmp(arith::CmpFPredicate::OLT, x, minusOne);
    Value zero = expr.number(0.0);
    return expr.select(above, zero, expr.select(below, zero, one));
  }
  case ActivationKind::Sigmoid:
    return Logistic(expr, x).slope();
  case ActivationKind::Softplus:
    return Logistic(expr, x).value();
  }
  llvm_unreachable("unknown activation");
}

//===----------------------------------------------------------------------===//
// ElementwiseOpInterface
//===----------------------------------------------------------------------===//

#define PC_BUILD_ACTIVATION(OP)                                                \
  void OP::buildElement(OpBuilder &builder, Location loc, ValueRange operands, \
                        SmallVectorImpl<Value> &results) {                     \
    results.push_back(buildActivation(builder, loc, getActivationKind(),       \
                                      getActivationSlope(), operands[0]));     \
  }
PC_BUILD_ACTIVATION(ReluOp)
PC_BUILD_ACTIVATION(LeakyReluOp)
PC_BUILD_ACTIVATION(GeluOp)
PC_BUILD_ACTIVATION(SiluOp)
PC_BUILD_ACTIVATION(TanhOp)
PC_BUILD_ACTIVATION(HardTanhOp)
PC_BUILD_ACTIVATION(SigmoidOp)
PC_BUILD_ACTIVATION(SoftplusOp)
#undef PC_BUILD_ACTIVATION

void ActGradOp::buildElement(OpBuilder &builder, Location loc,
                             ValueRange operands,
                             SmallVectorImpl<Value> &results) {
  results.push_back(buildActivationGrad(
      builder, loc, getKind(), getSlope().convertToDouble(), operands[0]));
}

void AddOp::buildElement(OpBuilder &builder, Location loc, ValueRange operands,
                         SmallVectorImpl<Value> &results) {
  results.push_back(
      arith::AddFOp::create(builder, loc, operands[0], operands[1]));
}

void SubOp::buildElement(OpBuilder &builder, Location loc, ValueRange operands,
                         SmallVectorImpl<Value> &results) {
  results.push_back(
      arith::SubFOp::create(builder, loc, operands[0], operands[1]));
}

void MulOp::buildElement(OpBuilder &builder, Location loc, ValueRange operands,
                         SmallVectorImpl<Value> &results) {
  results.push_back(
      arith::MulFOp::create(builder, loc, operands[0], operands[1]));
}

void NegOp::buildElement(OpBuilder &builder, Location loc, ValueRange operands,
                         SmallVectorImpl<Value> &results) {
  results.push_back(arith::NegFOp::create(builder, loc, operands[0]));
}

/// A number, f64, in the type of an element.
static Value roundNumber(OpBuilder &builder, Location loc, Value number,
                         Type type) {
  if (number.getType() == type)
    return number;
  return arith::TruncFOp::create(builder, loc, type, number);
}

void ScaleOp::buildElement(OpBuilder &builder, Location loc,
                           ValueRange operands,
                           SmallVectorImpl<Value> &results) {
  Value factor = roundNumber(builder, loc, operands[1], operands[0].getType());
  results.push_back(arith::MulFOp::create(builder, loc, operands[0], factor));
}

/// `type`, a scalar, as wide as `like`: itself, or a vector of like's shape.
static Type widen(Type type, Type like) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? vector.clone(type) : type;
}

void ElementwiseOp::buildElement(OpBuilder &builder, Location loc,
                                 ValueRange operands,
                                 SmallVectorImpl<Value> &results) {
  Block &block = getBody().front();
  Type like = operands.front().getType();
  IRMapping mapping;
  mapping.map(block.getArguments(), operands);
  for (Operation &op : block.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      TypedAttr value = constant.getValue();
      if (auto vector = dyn_cast<VectorType>(widen(value.getType(), like)))
        value = DenseElementsAttr::get(vector, Attribute(value));
      mapping.map(constant.getResult(),
                  arith::ConstantOp::create(builder, op.getLoc(), value));
      continue;
    }
    Operation *copy = builder.clone(op, mapping);
    for (Value result : copy->getResults())
      result.setType(widen(result.getType(), like));
  }
  results.push_back(
      mapping.lookupOrDefault(block.getTerminator()->getOperand(0)));
}

void AdamUpdateOp::buildElement(OpBuilder &builder, Location loc,
                                ValueRange operands,
                                SmallVectorImpl<Value> &results) {
  Value param = operands[0], gradient = operands[1], m = operands[2],
        v = operands[3];
  // Numbers that all elements share, each rounded once: 1 - b2 of a rounded b2
  // would have an error of 2^-24 / (1 - b2). Two reciprocals for all elements
  // cost less than two divisions for each.
  Expr wide(builder, loc, operands[4].getType());
  Type type = param.getType();
  auto rounded = [&](Value number) {
    return roundNumber(builder, loc, number, type);
  };
  Value one = wide.number(1.0);
  Value lr = rounded(operands[4]), b1 = rounded(operands[5]),
        b2 = rounded(operands[6]), eps = rounded(operands[7]),
        weightDecay = rounded(operands[8]);
  Value rest1 = rounded(wide.sub(one, operands[5]));
  Value rest2 = rounded(wide.sub(one, operands[6]));
  Value inverse1 = rounded(wide.div(one, operands[9]));
  Value inverse2 = rounded(wide.div(one, operands[10]));

  Expr expr(builder, loc, type);
  Value newM = expr.add(expr.mul(b1, m), expr.mul(rest1, gradient));
  Value newV =
      expr.add(expr.mul(b2, v), expr.mul(rest2, expr.mul(gradient, gradient)));
  Value root = expr.sqrt(expr.mul(newV, inverse2));
  Value direction = expr.div(expr.mul(newM, inverse1), expr.add(root, eps));
  Value step = expr.add(direction, expr.mul(weightDecay, param));
  results.push_back(expr.sub(param, expr.mul(lr, step)));
  results.push_back(newM);
  results.push_back(newV);
}
