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
#include "llvm/ADT/TypeSwitch.h"

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

#define UNARY(OP, EXPR)                                                        \
  .Case<OP>([](auto) -> ScalarFunction {                                       \
    return [](Operation *, const Scalar *s) {                                  \
      double x = s[0].f;                                                       \
      return real(EXPR);                                                       \
    };                                                                         \
  })
#define BINARY(OP, EXPR)                                                       \
  .Case<OP>([](auto) -> ScalarFunction {                                       \
    return [](Operation *, const Scalar *s) {                                  \
      double x = s[0].f, y = s[1].f;                                           \
      return real(EXPR);                                                       \
    };                                                                         \
  })
#define INTEGER(OP, EXPR)                                                      \
  .Case<OP>([](auto) -> ScalarFunction {                                       \
    return [](Operation *op, const Scalar *s) {                                \
      [[maybe_unused]] int64_t x = s[0].i;                                     \
      [[maybe_unused]] int64_t y = op->getNumOperands() > 1 ? s[1].i : 0;      \
      return whole(static_cast<int64_t>(EXPR));                                \
    };                                                                         \
  })

ScalarFunction reference::lookupScalarFunction(Operation *op) {
  if (op->getNumResults() != 1 ||
      !op->getResult(0).getType().isIntOrIndexOrFloat())
    return nullptr;
  return TypeSwitch<Operation *, ScalarFunction>(op)
      // Floating point.
      UNARY(arith::NegFOp, -x) BINARY(arith::AddFOp, x + y) BINARY(
             arith::SubFOp,
             x - y) BINARY(arith::MulFOp,
                           x * y) BINARY(arith::DivFOp,
                                         x / y) BINARY(arith::RemFOp,
                                                       std::fmod(x, y))
          BINARY(arith::MaximumFOp, maximum(x, y)) BINARY(
              arith::MinimumFOp,
              minimum(x, y)) BINARY(arith::MaxNumFOp,
                                    std::fmax(x, y)) BINARY(arith::MinNumFOp,
                                                            std::fmin(x, y))
              UNARY(arith::ExtFOp, x) UNARY(arith::TruncFOp, x) UNARY(
                  math::AbsFOp,
                  std::abs(x)) UNARY(math::AcosOp,
                                     std::acos(x)) UNARY(math::AcoshOp,
                                                         std::acosh(x))
                  UNARY(math::AsinOp, std::asin(x)) UNARY(
                      math::AsinhOp,
                      std::asinh(x)) UNARY(math::AtanOp,
                                           std::atan(
                                               x)) UNARY(math::AtanhOp, std::atanh(x))
                      UNARY(math::CbrtOp, std::cbrt(x)) UNARY(
                          math::CeilOp,
                          std::ceil(x)) UNARY(math::CosOp, std::cos(x))
                          UNARY(math::CoshOp,
                                std::cosh(x)) UNARY(math::ErfOp, std::erf(x))
                              UNARY(math::ErfcOp, std::erfc(x)) UNARY(
                                  math::ExpOp,
                                  std::exp(x)) UNARY(math::Exp2Op, std::exp2(x))
                                  UNARY(math::ExpM1Op, std::expm1(x)) UNARY(
                                      math::FloorOp,
                                      std::floor(
                                          x)) UNARY(math::LogOp, std::log(x))
                                      UNARY(math::Log10Op, std::log10(x)) UNARY(
                                          math::Log1pOp,
                                          std::log1p(
                                              x)) UNARY(math::Log2Op, std::log2(x))
                                          UNARY(math::RoundOp, std::round(x)) UNARY(
                                              math::RoundEvenOp,
                                              std::nearbyint(
                                                  x)) UNARY(math::RsqrtOp, 1.0 / std::sqrt(x))
                                              UNARY(math::SinOp, std::sin(x)) UNARY(
                                                  math::SinhOp,
                                                  std::sinh(
                                                      x)) UNARY(math::SqrtOp, std::sqrt(x))
                                                  UNARY(math::TanOp, std::tan(x)) UNARY(
                                                      math::TanhOp,
                                                      std::tanh(
                                                          x)) UNARY(math::TruncOp, std::trunc(x))
                                                      BINARY(math::Atan2Op, std::atan2(x, y)) BINARY(
                                                          math::CopySignOp,
                                                          std::copysign(
                                                              x,
                                                              y)) BINARY(math::PowFOp, std::pow(x, y))
                                                          .Case<
                                                              math::
                                                                  FmaOp>([](auto)
                                                                             -> ScalarFunction {
                                                            return [](Operation
                                                                          *,
                                                                      const Scalar
                                                                          *s) {
                                                              return real(
                                                                  std::fma(
                                                                      s[0].f,
                                                                      s[1].f,
                                                                      s[2].f));
                                                            };
                                                          })
                                                          .Case<
                                                              math::FPowIOp>([](auto)
                                                                                 -> ScalarFunction {
                                                            return [](Operation
                                                                          *,
                                                                      const Scalar
                                                                          *s) {
                                                              return real(std::pow(
                                                                  s[0].f,
                                                                  static_cast<
                                                                      double>(
                                                                      s[1].i)));
                                                            };
                                                          })
                                                          .Case<
                                                              math::
                                                                  IsNaNOp>([](auto)
                                                                               -> ScalarFunction {
                                                            return [](Operation
                                                                          *,
                                                                      const Scalar
                                                                          *s) {
                                                              return whole(
                                                                  std::isnan(
                                                                      s[0].f));
                                                            };
                                                          })
                                                          .Case<
                                                              math::IsFiniteOp>(
                                                              [](auto)
                                                                  -> ScalarFunction {
                                                                return [](Operation
                                                                              *,
                                                                          const Scalar
                                                                              *s) {
                                                                  return whole(
                                                                      std::isfinite(
                                                                          s[0].f));
                                                                };
                                                              })
                                                          .Case<math::IsInfOp>(
                                                              [](auto)
                                                                  -> ScalarFunction {
                                                                return [](Operation
                                                                              *,
                                                                          const Scalar
                                                                              *s) {
                                                                  return whole(
                                                                      std::isinf(
                                                                          s[0].f));
                                                                };
                                                              })
                                                          .Case<
                                                              arith::
                                                                  CmpFOp>([](auto)
                                                                              -> ScalarFunction {
                                                            return [](Operation
                                                                          *op,
                                                                      const Scalar
                                                                          *s) {
                                                              return whole(compare(
                                                                  cast<
                                                                      arith::
                                                                          CmpFOp>(
                                                                      op)
                                                                      .getPredicate(),
                                                                  s[0].f,
                                                                  s[1].f));
                                                            };
                                                          })
                                                          // Conversions and
                                                          // selection.
                                                          .Case<
                                                              arith::SelectOp>(
                                                              [](auto)
                                                                  -> ScalarFunction {
                                                                return [](Operation
                                                                              *,
                                                                          const Scalar
                                                                              *s) {
                                                                  return s[0].i
                                                                             ? s[1]
                                                                             : s[2];
                                                                };
                                                              })
                                                          .Case<
                                                              arith::
                                                                  SIToFPOp>([](auto)
                                                                                -> ScalarFunction {
                                                            return [](Operation
                                                                          *op,
                                                                      const Scalar
                                                                          *s) {
                                                              bool boolean =
                                                                  op->getOperand(
                                                                        0)
                                                                      .getType()
                                                                      .isInteger(
                                                                          1);
                                                              return real(static_cast<
                                                                          double>(
                                                                  boolean
                                                                      ? -s[0].i
                                                                      : s[0].i));
                                                            };
                                                          })
                                                          .Case<
                                                              arith::UIToFPOp>(
                                                              [](auto)
                                                                  -> ScalarFunction {
                                                                return [](Operation
                                                                              *op,
                                                                          const Scalar
                                                                              *s) {
                                                                  return real(
                                                                      static_cast<
                                                                          double>(
                                                                          uns(op,
                                                                              s,
                                                                              0)));
                                                                };
                                                              })
                                                          .Case<
                                                              arith::FPToSIOp>(
                                                              [](auto)
                                                                  -> ScalarFunction {
                                                                return [](Operation
                                                                              *,
                                                                          const Scalar
                                                                              *s) {
                                                                  return whole(
                                                                      toInteger(
                                                                          s[0].f));
                                                                };
                                                              })
                                                          .Case<
                                                              arith::
                                                                  FPToUIOp>([](auto)
                                                                                -> ScalarFunction {
                                                            return [](Operation
                                                                          *,
                                                                      const Scalar
                                                                          *s) {
                                                              if (s[0].f >=
                                                                      0x1p63 &&
                                                                  s[0].f <
                                                                      0x1p64)
                                                                return whole(static_cast<
                                                                             int64_t>(
                                                                    static_cast<
                                                                        uint64_t>(
                                                                        s[0].f)));
                                                              return whole(
                                                                  toInteger(
                                                                      s[0].f));
                                                            };
                                                          })
      // Integers.
      INTEGER(arith::AddIOp, bits(x) + bits(y)) INTEGER(arith::SubIOp,
                                                        bits(x) - bits(y))
          INTEGER(arith::MulIOp,
                  bits(x) *
                      bits(y)) INTEGER(arith::DivSIOp,
                                       divides(x, y)
                                           ? x / y
                                           : 0) INTEGER(arith::RemSIOp,
                                                        divides(x, y) ? x % y
                                                                      : 0)
              INTEGER(arith::DivUIOp,
                      uns(op, s, 1)
                          ? uns(op, s, 0) /
                                uns(op, s, 1)
                          : 0) INTEGER(arith::RemUIOp,
                                       uns(op, s, 1) ? uns(op, s, 0) %
                                                           uns(op, s, 1)
                                                     : 0)
                  INTEGER(arith::CeilDivSIOp,
                          divides(x, y)
                              ? x / y +
                                    (x % y != 0 && (x % y > 0) == (y > 0))
                              : 0) INTEGER(arith::FloorDivSIOp,
                                           divides(x, y) ? x / y -
                                                               (x % y != 0 &&
                                                                (x % y >
                                                                 0) != (y > 0))
                                                         : 0)
                      INTEGER(arith::CeilDivUIOp,
                              uns(op, s, 1)
                                  ? uns(op, s, 0) /
                                            uns(op, s, 1) +
                                        (uns(op, s, 0) % uns(op, s, 1) != 0)
                                  : 0) INTEGER(arith::AndIOp,
                                               x & y) INTEGER(arith::OrIOp, x | y)
                          INTEGER(arith::XOrIOp,
                                  x ^ y) INTEGER(arith::ShLIOp, y >= 0 && y < 64
                                                                    ? bits(x)
                                                                          << y
                                                                    : 0)
                              INTEGER(arith::ShRSIOp,
                                      y >= 0 && y < 64 ? x >> y : 0)
                                  INTEGER(arith::ShRUIOp,
                                          y >= 0 && y < 64
                                              ? uns(op, s, 0) >> y
                                              : 0) INTEGER(arith::MaxSIOp,
                                                           x > y ? x
                                                                 : y)
                                      INTEGER(arith::MinSIOp,
                                              x < y
                                                  ? x
                                                  : y) INTEGER(arith::MaxUIOp,
                                                               uns(op, s,
                                                                   0) > uns(op,
                                                                            s,
                                                                            1)
                                                                   ? x
                                                                   : y)
                                          INTEGER(arith::MinUIOp,
                                                  uns(op, s, 0) <
                                                          uns(op, s, 1)
                                                      ? x
                                                      : y)
                                              INTEGER(arith::ExtSIOp,
                                                      op->getOperand(0)
                                                              .getType()
                                                              .isInteger(1)
                                                          ? -x
                                                          : x) INTEGER(arith::
                                                                           ExtUIOp,
                                                                       uns(op,
                                                                           s,
                                                                           0))
                                                  INTEGER(arith::TruncIOp, x)
                                                      INTEGER(arith::IndexCastOp, x)
                                                          INTEGER(
                                                              arith::
                                                                  IndexCastUIOp,
                                                              uns(op, s, 0))
                                                              INTEGER(
                                                                  math::AbsIOp,
                                                                  x < 0
                                                                      ? 0 - bits(
                                                                                x)
                                                                      : bits(x))
                                                                  INTEGER(
                                                                      math::
                                                                          IPowIOp,
                                                                      integerPower(
                                                                          x, y))
                                                          .Case<
                                                              arith::
                                                                  CmpIOp>([](auto)
                                                                              -> ScalarFunction {
                                                            return [](Operation
                                                                          *op,
                                                                      const Scalar
                                                                          *s) {
                                                              return whole(compare(
                                                                  cast<
                                                                      arith::
                                                                          CmpIOp>(
                                                                      op)
                                                                      .getPredicate(),
                                                                  s[0].i,
                                                                  s[1].i,
                                                                  op->getOperand(
                                                                        0)
                                                                      .getType()));
                                                            };
                                                          })
                                                          .Default(
                                                              [](Operation *)
                                                                  -> ScalarFunction {
                                                                return nullptr;
                                                              });
}
