//===- Formulas.cpp - Scalar formulas of the reference interpreter --------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Formulas.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace pc;
using namespace pc::reference;

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// 1 / (1 + exp(-x)), without overflow on either side.
static double sigmoid(double x) {
  if (x >= 0)
    return 1.0 / (1.0 + std::exp(-x));
  double e = std::exp(x);
  return e / (1.0 + e);
}

/// The normal distribution's Phi(x), accurate in the left tail as well.
static double normalCdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double reference::activation(ActivationKind kind, double slope, double x) {
  switch (kind) {
  case ActivationKind::Relu:
    return x < 0 ? 0.0 : x;
  case ActivationKind::LeakyRelu:
    return x < 0 ? slope * x : x;
  case ActivationKind::Gelu: {
    double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1 + std::tanh(inner));
  }
  case ActivationKind::GeluExact:
    return x * normalCdf(x);
  case ActivationKind::Silu:
    return x * sigmoid(x);
  case ActivationKind::Tanh:
    return std::tanh(x);
  case ActivationKind::HardTanh:
    return x < -1 ? -1.0 : x > 1 ? 1.0 : x;
  case ActivationKind::Sigmoid:
    return sigmoid(x);
  case ActivationKind::Softplus:
    return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  llvm_unreachable("unknown activation");
}

double reference::activationGrad(ActivationKind kind, double slope, double x) {
  switch (kind) {
  case ActivationKind::Relu:
    return x > 0 ? 1.0 : 0.0;
  case ActivationKind::LeakyRelu:
    return x >= 0 ? 1.0 : slope;
  case ActivationKind::Gelu: {
    double c = std::sqrt(2 / std::numbers::pi);
    double t = std::tanh(c * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) +
           0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
  }
  case ActivationKind::GeluExact:
    return normalCdf(x) +
           x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
  case ActivationKind::Silu: {
    double s = sigmoid(x);
    return s + x * s * (1 - s);
  }
  case ActivationKind::Tanh: {
    double t = std::tanh(x);
    return 1 - t * t;
  }
  case ActivationKind::HardTanh:
    return std::abs(x) <= 1 ? 1.0 : 0.0;
  case ActivationKind::Sigmoid: {
    double s = sigmoid(x);
    return s * (1 - s);
  }
  case ActivationKind::Softplus:
    return sigmoid(x);
  }
  llvm_unreachable("unknown activation");
}

//===----------------------------------------------------------------------===//
// arith and math
//===----------------------------------------------------------------------===//

static Scalar real(double value) { return {value, 0}; }
static Scalar whole(int64_t value) { return {0.0, value}; }

int64_t reference::wrapInteger(int64_t value, Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() >= 64)
    return value;
  unsigned width = integer.getWidth();
  if (width == 1)
    return value & 1;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << (64 - width)) >>
         (64 - width);
}

/// The low bits of an integer as an unsigned number.
static uint64_t asUnsigned(int64_t value, Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() >= 64)
    return static_cast<uint64_t>(value);
  return static_cast<uint64_t>(value) &
         ((uint64_t{1} << integer.getWidth()) - 1);
}

/// An unsigned operand.
static uint64_t uns(Operation *op, const Scalar *x, unsigned index) {
  return asUnsigned(x[index].i, op->getOperand(index).getType());
}

/// A signed operand: an i1 that is true is -1.
static int64_t sgn(Operation *op, const Scalar *x, unsigned index) {
  return op->getOperand(index).getType().isInteger(1) ? -x[index].i
                                                      : x[index].i;
}

static bool compare(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::AlwaysFalse:
    return false;
  case P::OEQ:
    return a == b;
  case P::OGT:
    return a > b;
  case P::OGE:
    return a >= b;
  case P::OLT:
    return a < b;
  case P::OLE:
    return a <= b;
  case P::ONE:
    return !unordered && a != b;
  case P::ORD:
    return !unordered;
  case P::UEQ:
    return unordered || a == b;
  case P::UGT:
    return !(a <= b);
  case P::UGE:
    return !(a < b);
  case P::ULT:
    return !(a >= b);
  case P::ULE:
    return !(a > b);
  case P::UNE:
    return a != b;
  case P::UNO:
    return unordered;
  case P::AlwaysTrue:
    return true;
  }
  llvm_unreachable("unknown predicate");
}

static bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b,
                    Type type) {
  using P = arith::CmpIPredicate;
  uint64_t ua = asUnsigned(a, type), ub = asUnsigned(b, type);
  // An i1 that is true is the signed number -1.
  if (type.isInteger(1))
    a = -a, b = -b;
  switch (predicate) {
  case P::eq:
    return a == b;
  case P::ne:
    return a != b;
  case P::slt:
    return a < b;
  case P::sle:
    return a <= b;
  case P::sgt:
    return a > b;
  case P::sge:
    return a >= b;
  case P::ult:
    return ua < ub;
  case P::ule:
    return ua <= ub;
  case P::ugt:
    return ua > ub;
  case P::uge:
    return ua >= ub;
  }
  llvm_unreachable("unknown predicate");
}

/// IEEE 754-2019 maximum and minimum: NaN if either is, -0 below +0.
static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::nan("");
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
static double minimum(double a, double b) { return -maximum(-a, -b); }

/// Rounds a double to the nearest representable integer of 64 bits; NaN and
/// values out of range, whose conversion is undefined, saturate.
static int64_t toInteger(double value) {
  if (std::isnan(value))
    return 0;
  if (value >= 0x1p63)
    return INT64_MAX;
  if (value <= -0x1p63)
    return INT64_MIN;
  return static_cast<int64_t>(value);
}

/// The same for the unsigned range, as a bit pattern.
static int64_t toUnsigned(double value) {
  if (value >= 0x1p63 && value < 0x1p64)
    return static_cast<int64_t>(static_cast<uint64_t>(value));
  return toInteger(value);
}

static int64_t integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (; exponent; exponent >>= 1, square *= square)
    if (exponent & 1)
      result *= square;
  return static_cast<int64_t>(result);
}

/// Wrapping arithmetic on the bits.
static uint64_t bits(int64_t value) { return static_cast<uint64_t>(value); }

/// A quotient that exists; division by zero and the overflow of the smallest
/// number are undefined in `arith` and give zero here.
static bool divides(int64_t a, int64_t b) {
  return b != 0 && !(a == INT64_MIN && b == -1);
}

// Each macro returns the function of one operation. The expression sees the
// floating-point operands as x, y and z, or the integer operands as i and j;
// `op` is the operation and `s` its operands.
#define PC_RETURN(OP, RESULT)                                                  \
  if (isa<OP>(op))                                                             \
  return []([[maybe_unused]] Operation *op, const Scalar *s) -> Scalar {       \
    return RESULT;                                                             \
  }
#define PC_REAL1(OP, EXPR)                                                     \
  if (isa<OP>(op))                                                             \
  return [](Operation *, const Scalar *s) -> Scalar {                          \
    double x = s[0].f;                                                         \
    return real(EXPR);                                                         \
  }
#define PC_REAL2(OP, EXPR)                                                     \
  if (isa<OP>(op))                                                             \
  return [](Operation *, const Scalar *s) -> Scalar {                          \
    double x = s[0].f, y = s[1].f;                                             \
    return real(EXPR);                                                         \
  }
#define PC_REAL3(OP, EXPR)                                                     \
  if (isa<OP>(op))                                                             \
  return [](Operation *, const Scalar *s) -> Scalar {                          \
    double x = s[0].f, y = s[1].f, z = s[2].f;                                 \
    return real(EXPR);                                                         \
  }
#define PC_WHOLE1(OP, EXPR)                                                    \
  if (isa<OP>(op))                                                             \
  return []([[maybe_unused]] Operation *op, const Scalar *s) -> Scalar {       \
    [[maybe_unused]] int64_t i = s[0].i;                                       \
    return whole(static_cast<int64_t>(EXPR));                                  \
  }
#define PC_WHOLE2(OP, EXPR)                                                    \
  if (isa<OP>(op))                                                             \
  return []([[maybe_unused]] Operation *op, const Scalar *s) -> Scalar {       \
    [[maybe_unused]] int64_t i = s[0].i, j = s[1].i;                           \
    return whole(static_cast<int64_t>(EXPR));                                  \
  }

ScalarFunction reference::lookupScalarFunction(Operation *op) {
  if (op->getNumResults() != 1 ||
      !op->getResult(0).getType().isIntOrIndexOrFloat())
    return nullptr;

  // Floating point.
  PC_REAL1(arith::NegFOp, -x);
  PC_REAL1(arith::ExtFOp, x);
  PC_REAL1(arith::TruncFOp, x);
  PC_REAL1(math::AbsFOp, std::abs(x));
  PC_REAL1(math::AcosOp, std::acos(x));
  PC_REAL1(math::AcoshOp, std::acosh(x));
  PC_REAL1(math::AsinOp, std::asin(x));
  PC_REAL1(math::AsinhOp, std::asinh(x));
  PC_REAL1(math::AtanOp, std::atan(x));
  PC_REAL1(math::AtanhOp, std::atanh(x));
  PC_REAL1(math::CbrtOp, std::cbrt(x));
  PC_REAL1(math::CeilOp, std::ceil(x));
  PC_REAL1(math::CosOp, std::cos(x));
  PC_REAL1(math::CoshOp, std::cosh(x));
  PC_REAL1(math::ErfOp, std::erf(x));
  PC_REAL1(math::ErfcOp, std::erfc(x));
  PC_REAL1(math::ExpOp, std::exp(x));
  PC_REAL1(math::Exp2Op, std::exp2(x));
  PC_REAL1(math::ExpM1Op, std::expm1(x));
  PC_REAL1(math::FloorOp, std::floor(x));
  PC_REAL1(math::LogOp, std::log(x));
  PC_REAL1(math::Log10Op, std::log10(x));
  PC_REAL1(math::Log1pOp, std::log1p(x));
  PC_REAL1(math::Log2Op, std::log2(x));
  PC_REAL1(math::RoundOp, std::round(x));
  PC_REAL1(math::RoundEvenOp, std::nearbyint(x));
  PC_REAL1(math::RsqrtOp, 1.0 / std::sqrt(x));
  PC_REAL1(math::SinOp, std::sin(x));
  PC_REAL1(math::SinhOp, std::sinh(x));
  PC_REAL1(math::SqrtOp, std::sqrt(x));
  PC_REAL1(math::TanOp, std::tan(x));
  PC_REAL1(math::TanhOp, std::tanh(x));
  PC_REAL1(math::TruncOp, std::trunc(x));
  PC_REAL2(arith::AddFOp, x + y);
  PC_REAL2(arith::SubFOp, x - y);
  PC_REAL2(arith::MulFOp, x * y);
  PC_REAL2(arith::DivFOp, x / y);
  PC_REAL2(arith::RemFOp, std::fmod(x, y));
  PC_REAL2(arith::MaximumFOp, maximum(x, y));
  PC_REAL2(arith::MinimumFOp, minimum(x, y));
  PC_REAL2(arith::MaxNumFOp, std::fmax(x, y));
  PC_REAL2(arith::MinNumFOp, std::fmin(x, y));
  PC_REAL2(math::Atan2Op, std::atan2(x, y));
  PC_REAL2(math::CopySignOp, std::copysign(x, y));
  PC_REAL2(math::PowFOp, std::pow(x, y));
  PC_REAL3(math::FmaOp, std::fma(x, y, z));
  PC_REAL3(math::ClampFOp, minimum(maximum(x, y), z));
  PC_RETURN(math::FPowIOp,
            (real(std::pow(s[0].f, static_cast<double>(s[1].i)))));
  PC_WHOLE1(math::IsNaNOp, std::isnan(s[0].f));
  PC_WHOLE1(math::IsFiniteOp, std::isfinite(s[0].f));
  PC_WHOLE1(math::IsInfOp, std::isinf(s[0].f));
  PC_RETURN(arith::CmpFOp, whole(compare(cast<arith::CmpFOp>(op).getPredicate(),
                                         s[0].f, s[1].f)));

  // Conversions and selection.
  PC_RETURN(arith::SelectOp, s[0].i ? s[1] : s[2]);
  PC_RETURN(arith::SIToFPOp, real(static_cast<double>(sgn(op, s, 0))));
  PC_RETURN(arith::UIToFPOp, real(static_cast<double>(uns(op, s, 0))));
  PC_WHOLE1(arith::FPToSIOp, toInteger(s[0].f));
  PC_WHOLE1(arith::FPToUIOp, toUnsigned(s[0].f));

  // Integers.
  PC_WHOLE2(arith::AddIOp, bits(i) + bits(j));
  PC_WHOLE2(arith::SubIOp, bits(i) - bits(j));
  PC_WHOLE2(arith::MulIOp, bits(i) * bits(j));
  PC_WHOLE2(arith::DivSIOp, divides(i, j) ? i / j : 0);
  PC_WHOLE2(arith::RemSIOp, divides(i, j) ? i % j : 0);
  PC_WHOLE2(arith::DivUIOp, uns(op, s, 1) ? uns(op, s, 0) / uns(op, s, 1) : 0);
  PC_WHOLE2(arith::RemUIOp, uns(op, s, 1) ? uns(op, s, 0) % uns(op, s, 1) : 0);
  PC_WHOLE2(arith::CeilDivSIOp,
            divides(i, j) ? i / j + (i % j != 0 && (i % j > 0) == (j > 0)) : 0);
  PC_WHOLE2(arith::FloorDivSIOp,
            divides(i, j) ? i / j - (i % j != 0 && (i % j > 0) != (j > 0)) : 0);
  PC_WHOLE2(arith::CeilDivUIOp, uns(op, s, 1)
                                    ? uns(op, s, 0) / uns(op, s, 1) +
                                          (uns(op, s, 0) % uns(op, s, 1) != 0)
                                    : 0);
  PC_WHOLE2(arith::AndIOp, i & j);
  PC_WHOLE2(arith::OrIOp, i | j);
  PC_WHOLE2(arith::XOrIOp, i ^ j);
  PC_WHOLE2(arith::ShLIOp, j >= 0 && j < 64 ? bits(i) << j : 0);
  PC_WHOLE2(arith::ShRSIOp, j >= 0 && j < 64 ? i >> j : 0);
  PC_WHOLE2(arith::ShRUIOp, j >= 0 && j < 64 ? uns(op, s, 0) >> j : 0);
  PC_WHOLE2(arith::MaxSIOp, i > j ? i : j);
  PC_WHOLE2(arith::MinSIOp, i < j ? i : j);
  PC_WHOLE2(arith::MaxUIOp, uns(op, s, 0) > uns(op, s, 1) ? i : j);
  PC_WHOLE2(arith::MinUIOp, uns(op, s, 0) < uns(op, s, 1) ? i : j);
  PC_WHOLE1(arith::ExtSIOp, sgn(op, s, 0));
  PC_WHOLE1(arith::ExtUIOp, uns(op, s, 0));
  PC_WHOLE1(arith::TruncIOp, i);
  PC_WHOLE1(arith::IndexCastOp, i);
  PC_WHOLE1(arith::IndexCastUIOp, uns(op, s, 0));
  PC_WHOLE1(math::AbsIOp, i < 0 ? 0 - bits(i) : bits(i));
  PC_WHOLE2(math::IPowIOp, integerPower(i, j));
  PC_RETURN(arith::CmpIOp,
            whole(compare(cast<arith::CmpIOp>(op).getPredicate(), s[0].i,
                          s[1].i, op->getOperand(0).getType())));
  return nullptr;
}
