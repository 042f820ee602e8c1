//===- ExpandMath.cpp - Transcendental functions as arithmetic ------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every function here is branch-free and the same for a scalar and for a
// vector. The coefficients are minimax fits (Remez exchange in 60 digits, then
// rounded) on the reduced intervals that the comments name. The fits' relative
// errors are 2^-26 or less in f32 and 2^-55 or less in f64; what is left is
// rounding.
//
// The rewrites rely on strict IEEE semantics of the ops that they create. No
// op carries fast-math flags, and fused multiply-adds are explicit.
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/CPU/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

#include <limits>

namespace pc {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "pc/Codegen/CPU/Passes.h.inc"
} // namespace pc

using namespace mlir;
using arith::CmpFPredicate;

//===----------------------------------------------------------------------===//
// Element-wise arithmetic on one type
//===----------------------------------------------------------------------===//

namespace {
/// Builds element-wise ops on f32 or f64, a scalar or a vector, and on the
/// integers of the same width and shape.
class Emitter {
public:
  Emitter(Location loc, OpBuilder &builder, Type type)
      : b(loc, builder), type(type),
        single(getElementTypeOrSelf(type).isF32()) {
    Type integer = b.getIntegerType(single ? 32 : 64);
    if (auto vector = dyn_cast<VectorType>(type))
      integerType = vector.clone(integer);
    else
      integerType = integer;
  }

  /// An emitter for f64 of the same shape.
  Emitter getDouble() {
    Type element = b.getF64Type();
    if (auto vector = dyn_cast<VectorType>(type))
      return Emitter(b.getLoc(), b, vector.clone(element));
    return Emitter(b.getLoc(), b, element);
  }
  /// Conversions between the type of this emitter and that of the other.
  Value extend(Emitter &wide, Value x) {
    return arith::ExtFOp::create(b, wide.type, x);
  }
  Value truncate(Value x) { return arith::TruncFOp::create(b, type, x); }

  /// Of the binary format: bits of the significand that are stored, and the
  /// exponent's bias.
  unsigned getMantissaBits() const { return single ? 23 : 52; }
  int64_t getBias() const { return single ? 127 : 1023; }
  bool isSingle() const { return single; }

  Value constant(double value) {
    Type element = getElementTypeOrSelf(type);
    FloatAttr attr = b.getFloatAttr(element, value);
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, attr));
    return arith::ConstantOp::create(b, attr);
  }
  /// The constant `inSingle` in f32 code, `inDouble` in f64 code.
  Value constant(double inSingle, double inDouble) {
    return constant(single ? inSingle : inDouble);
  }
  Value integer(int64_t value) {
    Type element = getElementTypeOrSelf(integerType);
    IntegerAttr attr =
        b.getIntegerAttr(element, APInt(element.getIntOrFloatBitWidth(), value,
                                        /*isSigned=*/true));
    if (auto vector = dyn_cast<VectorType>(integerType))
      return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value infinity() { return constant(std::numeric_limits<double>::infinity()); }
  Value nan() { return constant(std::numeric_limits<double>::quiet_NaN()); }

  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, x); }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  Value abs(Value x) { return math::AbsFOp::create(b, x); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, x); }
  Value floor(Value x) { return math::FloorOp::create(b, x); }
  Value copySign(Value magnitude, Value sign) {
    return math::CopySignOp::create(b, magnitude, sign);
  }

  Value addI(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value subI(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
  Value andI(Value x, Value y) { return arith::AndIOp::create(b, x, y); }
  Value xorI(Value x, Value y) { return arith::XOrIOp::create(b, x, y); }
  Value maxI(Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }
  Value shl(Value x, int64_t bits) {
    return arith::ShLIOp::create(b, x, integer(bits));
  }
  Value shrU(Value x, int64_t bits) {
    return arith::ShRUIOp::create(b, x, integer(bits));
  }
  Value toBits(Value x) { return arith::BitcastOp::create(b, integerType, x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, type, x); }

  Value cmp(CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, predicate, x, y);
  }
  Value isZeroI(Value x) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, integer(0));
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, x, y); }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
  Value negate(Value condition) {
    Attribute yes = b.getBoolAttr(true);
    Value ones;
    if (auto vector = dyn_cast<VectorType>(condition.getType()))
      ones = arith::ConstantOp::create(b, DenseElementsAttr::get(vector, true));
    else
      ones = arith::ConstantOp::create(b, cast<TypedAttr>(yes));
    return arith::XOrIOp::create(b, condition, ones);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, condition, x, y);
  }

  /// min(x, high) and max(x, low) that keep a NaN in x: one instruction each,
  /// because x86 returns its second operand when the two do not compare.
  Value atMost(Value x, Value high) {
    return select(cmp(CmpFPredicate::OLT, high, x), high, x);
  }
  Value atLeast(Value x, Value low) {
    return select(cmp(CmpFPredicate::OGT, low, x), low, x);
  }

  /// sum of coefficients[i] * x^i.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value result = constant(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      result = fma(result, x, constant(coefficient));
    return result;
  }

private:
  ImplicitLocOpBuilder b;
  Type type, integerType;
  bool single;
};
} // namespace

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

namespace {
/// x = n * unit + r with |r| <= unit / 2, and 2^(n-1) as a number of the same
/// type; the latter is 0 instead of 2^-127 (2^-1023) when n is at its least.
/// The scale is half of what one would expect so that n = 128 (1024), which
/// numbers just below the overflow threshold have, still has one.
struct Reduced {
  Value n, r, halfScale;
};
} // namespace

/// Rounds by adding 1.5 * 2^23 (2^52): the sum's unit is 1, so its low bits
/// hold the integer. The exponent's bias comes along in the same constant.
static Value getRoundingConstant(Emitter &e) {
  double bias = e.getBias() - 1;
  return e.constant(0x1.8p23 + bias, 0x1.8p52 + bias);
}

/// Reduction for e^x with a two-part ln 2 (Cody and Waite); |x| must be small
/// enough for n to lie in [1 - bias, bias + 1].
static Reduced reduceByLn2(Emitter &e, Value x) {
  Value rounding = getRoundingConstant(e);
  Value t = e.fma(x, e.constant(0x1.715476p+0, 0x1.71547652b82fep+0), rounding);
  Value n = e.sub(t, rounding);
  // The upper parts end in enough zeros for n times them to be exact.
  Value r = e.fma(n, e.constant(-0x1.62e4p-1, -0x1.62e42fefa38p-1), x);
  r = e.fma(n, e.constant(-0x1.7f7d1cp-20, -0x1.ef35793c7673p-45), r);
  Value halfScale = e.fromBits(e.shl(e.toBits(t), e.getMantissaBits()));
  return {n, r, halfScale};
}

/// 2^(n-1) * 2 e^r. The doubling is in the coefficients.
static Value expOfReduced(Emitter &e, Value r, Value halfScale) {
  static constexpr double single[] = {
      2 * 1.0,          2 * 1.0,           2 * 0.5,         2 * 0.166665047,
      2 * 0.0416662395, 2 * 0.00836915523, 2 * 0.0013948594};
  static constexpr double full[] = {2 * 1.0,
                                    2 * 1.0,
                                    2 * 0.50000000000000056,
                                    2 * 0.16666666666666691,
                                    2 * 0.041666666666573107,
                                    2 * 0.0083333333333130543,
                                    2 * 0.0013888888932501197,
                                    2 * 0.00019841269905309189,
                                    2 * 2.4801504331813736e-05,
                                    2 * 2.7557226396541896e-06,
                                    2 * 2.7626363302898405e-07,
                                    2 * 2.5114873845581648e-08};
  Value p = e.isSingle() ? e.polynomial(r, single) : e.polynomial(r, full);
  return e.mul(p, halfScale);
}

/// Clamps x to where e^x is known to be 0 and infinity after scaling.
static Value clampForExp(Emitter &e, Value x) {
  x = e.atMost(x, e.constant(88.75, 709.8));
  return e.atLeast(x, e.constant(-87.5, -708.5));
}

static Value expandExp(Emitter &e, Value x) {
  Reduced reduced = reduceByLn2(e, clampForExp(e, x));
  return expOfReduced(e, reduced.r, reduced.halfScale);
}

static Value expandExp2(Emitter &e, Value x) {
  static constexpr double single[] = {
      2 * 1.0,           2 * 0.693147182,   2 * 0.240226507,   2 * 0.0555035695,
      2 * 0.00961803086, 2 * 0.00133908703, 2 * 0.000154697424};
  static constexpr double full[] = {2 * 1.0,
                                    2 * 0.69314718055994529,
                                    2 * 0.24022650695910097,
                                    2 * 0.055504108664821659,
                                    2 * 0.0096181291076068848,
                                    2 * 0.0013333558146396004,
                                    2 * 0.00015403530441741647,
                                    2 * 1.5252733853280778e-05,
                                    2 * 1.3215442584937203e-06,
                                    2 * 1.0178051728089911e-07,
                                    2 * 7.0725864798520198e-09,
                                    2 * 4.4566754636398608e-10};
  x = e.atMost(x, e.constant(128.0, 1024.0));
  x = e.atLeast(x, e.constant(-126.0, -1022.0));
  Value rounding = getRoundingConstant(e);
  Value t = e.add(x, rounding);
  Value r = e.sub(x, e.sub(t, rounding));
  Value halfScale = e.fromBits(e.shl(e.toBits(t), e.getMantissaBits()));
  Value p = e.isSingle() ? e.polynomial(r, single) : e.polynomial(r, full);
  return e.mul(p, halfScale);
}

/// (e^x - 1) / 2 for an x that is clamped already. With q = e^r - 1 = r + r^2
/// P(r) it is 2^(n-1) q + (2^(n-1) - 1/2); for n = 0 that is q / 2, so nothing
/// cancels for small x.
static Value halfExpM1(Emitter &e, Value x) {
  static constexpr double single[] = {0.5, 0.166665763, 0.0416663736,
                                      0.00836319476, 0.00139411353};
  static constexpr double full[] = {0.5,
                                    0.16666666666666671,
                                    0.041666666666666685,
                                    0.0083333333333261237,
                                    0.0013888888888874376,
                                    0.00019841269874861983,
                                    2.4801587347391262e-05,
                                    2.7557255348293014e-06,
                                    2.755725286242098e-07,
                                    2.5105238433731087e-08,
                                    2.0921606293136337e-09};
  Reduced reduced = reduceByLn2(e, x);
  Value r = reduced.r;
  Value p = e.isSingle() ? e.polynomial(r, single) : e.polynomial(r, full);
  Value q = e.fma(e.mul(r, r), p, r);
  return e.fma(reduced.halfScale, q, e.sub(reduced.halfScale, e.constant(0.5)));
}

/// Below this, e^x - 1 rounds to -1.
static Value clampForExpM1(Emitter &e, Value x) {
  return e.atLeast(x, e.constant(-17.5, -37.5));
}

static Value expandExpM1(Emitter &e, Value x) {
  Value clamped = e.atMost(x, e.constant(88.75, 709.8));
  Value half = halfExpM1(e, clampForExpM1(e, clamped));
  // The sign is that of x already, but for -0.
  return e.copySign(e.add(half, half), x);
}

/// tanh |x| = -E / (E + 2) with E = e^(-2|x|) - 1. It is accurate at both ends:
/// E is -2|x| for tiny x, so the result is x, and its absolute error is small
/// where it saturates, so |tanh x| <= 1.
static Value expandTanh(Emitter &e, Value x) {
  Value argument = e.mul(e.abs(x), e.constant(-2.0));
  Value half = halfExpM1(e, clampForExpM1(e, argument));
  return e.copySign(e.div(half, e.add(half, e.constant(1.0))), x);
}

/// erf |x| = -expm1(log(erfc |x|)), and -log(erfc(x)) = x G(x) with a smooth G:
/// one formula is accurate for tiny x and where erf saturates. G is fitted with
/// the weight x erfc(x) / erf(x), the relative error that it causes.
static Value expandErf(Emitter &e, Value x) {
  static constexpr double single[] = {
      1.12837923,     0.636616528,   0.102814414,     -0.0193217471,
      0.000205793796, 0.00125166401, -0.000380962185, 4.07015214e-05};
  static constexpr double full[] = {
      1.1283791670955126,      0.63661977236759093,
      0.10277260330131568,     -0.019128446993099551,
      -0.00020919485387102261, 0.001696207669512798,
      -0.00059013242849220054, 2.5904494126286239e-05,
      6.4420486238128086e-05,  -2.9575694564516531e-05,
      3.1697103906750197e-06,  3.1329199787280328e-06,
      -2.0371527450553673e-06, 5.7060871473282172e-07,
      -1.1695673842626951e-08, -6.5738824445700161e-08,
      3.4586617337245146e-08,  -1.0773815800938395e-08,
      2.360609660124027e-09,   -3.7608577064706195e-10,
      4.3019501267760303e-11,  -3.364476421083754e-12,
      1.6149307735976704e-13,  -3.5923251992241441e-15};
  // From here up the result rounds to 1.
  Value magnitude = e.atMost(e.abs(x), e.constant(3.93, 5.95));
  Value g = e.isSingle() ? e.polynomial(magnitude, single)
                         : e.polynomial(magnitude, full);
  Value half = halfExpM1(e, e.mul(e.neg(magnitude), g));
  return e.copySign(e.add(half, half), x);
}

//===----------------------------------------------------------------------===//
// Logarithms
//===----------------------------------------------------------------------===//

namespace {
/// x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); k is an integer and f is
/// exact.
struct Decomposed {
  Value biasedExponent; // k + bias, an integer
  Value k;              // as a number
  Value f;
};
} // namespace

/// x must be positive and normal; anything else gives some finite numbers.
/// Only unsigned shifts and no conversion: AVX2 has neither an arithmetic shift
/// nor a conversion of 64-bit integers.
static Decomposed decompose(Emitter &e, Value x) {
  unsigned mantissa = e.getMantissaBits();
  int64_t bias = e.getBias();
  // Bits of sqrt(1/2): subtracting them moves the binade's border there.
  int64_t root = e.isSingle() ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
  Value bits = e.toBits(x);
  Value biased =
      e.shrU(e.addI(bits, e.integer((bias << mantissa) - root)), mantissa);
  Value m = e.fromBits(e.addI(e.subI(bits, e.shl(biased, mantissa)),
                              e.integer(bias << mantissa)));
  // 1.5 * 2^23 (2^52) + integer has the integer in its low bits.
  double big = e.isSingle() ? 0x1.8p23 : 0x1.8p52;
  int64_t bigBits = e.isSingle() ? 0x4b400000 : 0x4338000000000000;
  Value k = e.sub(e.fromBits(e.addI(biased, e.integer(bigBits))),
                  e.constant(big + bias));
  return {biased, k, e.sub(m, e.constant(1.0))};
}

/// k ln 2 + log(1 + f).
static Value logOfDecomposed(Emitter &e, Value k, Value f) {
  if (e.isSingle()) {
    // log(1 + f) = f - f^2 / 2 + f^3 P(f).
    static constexpr double p[] = {0.333333164,  -0.250008106, 0.200022832,
                                   -0.166245878, 0.141812474,  -0.131284997,
                                   0.128812671,  -0.0785983056};
    Value square = e.mul(f, f);
    Value tail = e.mul(e.mul(f, square), e.polynomial(f, p));
    tail = e.fma(k, e.constant(-0x1.bd0106p-13), tail);
    tail = e.fma(square, e.constant(-0.5), tail);
    return e.fma(k, e.constant(0x1.63p-1), e.add(f, tail));
  }
  // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R))
  // where s R = 2 atanh(s) - 2 s.
  static constexpr double p[] = {0.66666666666666696, 0.39999999999899422,
                                 0.28571428626125761, 0.22222211105610604,
                                 0.18182891325742459, 0.15331648969962736,
                                 0.14617327641007671};
  Value s = e.div(f, e.add(f, e.constant(2.0)));
  Value z = e.mul(s, s);
  Value R = e.mul(z, e.polynomial(z, p));
  Value halfSquare = e.mul(e.mul(f, f), e.constant(0.5));
  Value low = e.mul(k, e.constant(0x1.ef35793c7673p-45));
  Value inner = e.fma(s, e.add(halfSquare, R), low);
  Value bracket = e.sub(e.sub(halfSquare, inner), f);
  return e.fma(k, e.constant(0x1.62e42fefa38p-1), e.neg(bracket));
}

/// Replaces the result of a logarithm whose pole is at x = `pole` by what Annex
/// F asks for at and beyond the ends of its domain.
static Value fixLogDomain(Emitter &e, Value x, Value result, double pole) {
  Value edge = e.constant(pole);
  // +infinity and NaN come back as they are.
  result = e.select(e.cmp(CmpFPredicate::OLT, x, e.infinity()), result, x);
  result = e.select(e.cmp(CmpFPredicate::OLT, x, edge), e.nan(), result);
  return e.select(e.cmp(CmpFPredicate::OEQ, x, edge), e.neg(e.infinity()),
                  result);
}

static Value expandLog(Emitter &e, Value x) {
  // A subnormal argument is scaled by a power of two first.
  Value subnormal =
      e.cmp(CmpFPredicate::OLT, x, e.constant(0x1p-126, 0x1p-1022));
  Value scaled = e.select(subnormal, e.mul(x, e.constant(0x1p24, 0x1p54)), x);
  Decomposed parts = decompose(e, scaled);
  Value k = e.add(
      parts.k, e.select(subnormal, e.constant(-24.0, -54.0), e.constant(0.0)));
  return fixLogDomain(e, x, logOfDecomposed(e, k, parts.f), 0.0);
}

static Value expandLog1p(Emitter &e, Value x) {
  Value one = e.constant(1.0);
  // 1 + x = u + d exactly (Knuth's two-sum).
  Value u = e.add(x, one);
  Value back = e.sub(u, one);
  Value d = e.add(e.sub(one, e.sub(u, back)), e.sub(x, back));
  Decomposed parts = decompose(e, u);
  // d belongs to f, scaled as u was. For k = 0 the sum is x again.
  Value exponent = e.maxI(
      e.subI(e.integer(2 * e.getBias()), parts.biasedExponent), e.integer(0));
  Value scale = e.fromBits(e.shl(exponent, e.getMantissaBits()));
  Value f = e.fma(d, scale, parts.f);
  Value result = logOfDecomposed(e, parts.k, f);
  // The sign is that of x already, but for -0.
  return fixLogDomain(e, x, e.copySign(result, x), -1.0);
}

//===----------------------------------------------------------------------===//
// sin and cos
//===----------------------------------------------------------------------===//

namespace {
/// x = q pi/2 + r, |r| <= pi/4; the low two bits of `quadrant` are q mod 4.
struct Angle {
  Value quadrant, r;
};
} // namespace

static constexpr double sinLimitSingle = 0x1p30;
static constexpr double sinLimitDouble = 0x1p20;

/// `e` works on f64. For f32 arguments two parts of pi/2 are enough; for f64
/// the products with the upper two must be exact or tracked, because x may be
/// as close to a multiple of pi/2 as 2^-60.
static Angle reduceByHalfPi(Emitter &e, Value x, bool forSingle) {
  Value rounding = e.constant(0x1.8p52);
  Value t = e.fma(x, e.constant(0x1.45f306dc9c883p-1), rounding);
  Value n = e.sub(t, rounding);
  Value quadrant = e.toBits(t);
  if (forSingle) {
    Value r = e.fma(n, e.constant(-0x1.921fb54442d18p+0), x);
    return {quadrant, e.fma(n, e.constant(-0x1.1a62633145c07p-54), r)};
  }
  // 33 bits of pi/2 twice, then 53.
  Value r0 = e.fma(n, e.constant(-0x1.921fb5440p+0), x);
  Value second = e.constant(-0x1.0b4611a60p-34);
  Value r1 = e.fma(n, second, r0);
  Value error = e.fma(n, second, e.sub(r0, r1));
  Value low = e.fma(n, e.constant(-0x1.3198a2e037073p-69), error);
  return {quadrant, e.add(r1, low)};
}

/// sin(x + shift pi/2) for an f64 argument.
static Value sinOfAngle(Emitter &e, Angle angle, int64_t shift,
                        bool forSingle) {
  static constexpr double sinSingle[] = {
      1.0, -0.16666666663849636, 0.0083333318719689877, -0.00019840085079194419,
      2.7249695946853333e-06};
  static constexpr double cosSingle[] = {1.0,
                                         -0.5,
                                         0.041666666664315816,
                                         -0.0013888887669534391,
                                         2.4800598910841808e-05,
                                         -2.7300758285270436e-07};
  static constexpr double sinDouble[] = {1.0,
                                         -0.16666666666666666,
                                         0.0083333333333313175,
                                         -0.00019841269837091426,
                                         2.7557316224128022e-06,
                                         -2.5051151195461014e-08,
                                         1.5919246453327235e-10};
  static constexpr double cosDouble[] = {
      0.041666666666666664,    -0.0013888888888887391, 2.4801587298755762e-05,
      -2.7557317266494944e-07, 2.0876145163581403e-09, -1.138255204095506e-11};
  Value r = angle.r;
  Value z = e.mul(r, r);
  Value sine, cosine;
  if (forSingle) {
    sine = e.mul(r, e.polynomial(z, sinSingle));
    cosine = e.polynomial(z, cosSingle);
  } else {
    sine = e.mul(r, e.polynomial(z, sinDouble));
    // 1 - z/2 loses bits that the rest can carry.
    Value half = e.mul(z, e.constant(0.5));
    Value one = e.constant(1.0);
    Value w = e.sub(one, half);
    Value lost = e.sub(e.sub(one, w), half);
    cosine = e.add(w, e.fma(e.mul(z, z), e.polynomial(z, cosDouble), lost));
  }
  Value quadrant = angle.quadrant;
  if (shift)
    quadrant = e.addI(quadrant, e.integer(shift));
  Value even = e.isZeroI(e.andI(quadrant, e.integer(1)));
  Value value = e.select(even, sine, cosine);
  Value sign = e.shl(e.andI(quadrant, e.integer(2)), 62);
  return e.fromBits(e.xorI(e.toBits(value), sign));
}

/// sin for shift 0, cos for shift 1. f32 is computed in f64: the reduction then
/// needs no third part, and the result is rounded once.
static Value expandSinShifted(Emitter &e, Value x, int64_t shift) {
  Value result;
  if (e.isSingle()) {
    Emitter wide = e.getDouble();
    Angle angle = reduceByHalfPi(wide, e.extend(wide, x), /*forSingle=*/true);
    result = e.truncate(sinOfAngle(wide, angle, shift, /*forSingle=*/true));
  } else {
    Angle angle = reduceByHalfPi(e, x, /*forSingle=*/false);
    result = sinOfAngle(e, angle, shift, /*forSingle=*/false);
  }
  // A wrong finite number would go unnoticed; NaN does not.
  Value inside = e.cmp(CmpFPredicate::OLE, e.abs(x),
                       e.constant(sinLimitSingle, sinLimitDouble));
  return e.select(inside, result, e.nan());
}

static Value expandSin(Emitter &e, Value x) {
  return expandSinShifted(e, x, 0);
}
static Value expandCos(Emitter &e, Value x) {
  return expandSinShifted(e, x, 1);
}

//===----------------------------------------------------------------------===//
// Powers
//===----------------------------------------------------------------------===//

namespace {
/// The unevaluated sum high + low.
struct Pair {
  Value high, low;
};
} // namespace

/// x y as a pair.
static Pair mulExactly(Emitter &e, Value x, Value y) {
  Value high = e.mul(x, y);
  return {high, e.fma(x, y, e.neg(high))};
}

/// x + y as a pair for |x| >= |y|.
static Pair addOrdered(Emitter &e, Value x, Value y) {
  Value high = e.add(x, y);
  return {high, e.sub(y, e.sub(high, x))};
}

/// log x in f64 to about 2^-64 for 0 < x < infinity: y log x, of magnitude up
/// to 745, must be good to 2^-53 absolutely.
static Pair logAsPair(Emitter &e, Value x) {
  // 2 atanh(s) = 2 s + s^3 (2/3 + T(s^2)).
  static constexpr double t[] = {0.4000000000000003,  0.28571428571337604,
                                 0.22222222271460457, 0.18181808195585999,
                                 0.15385578203120584, 0.13285854506388595,
                                 0.12914783734736449};
  Value subnormal = e.cmp(CmpFPredicate::OLT, x, e.constant(0x1p-1022));
  Value scaled = e.select(subnormal, e.mul(x, e.constant(0x1p54)), x);
  Decomposed parts = decompose(e, scaled);
  Value k =
      e.add(parts.k, e.select(subnormal, e.constant(-54.0), e.constant(0.0)));
  Value f = parts.f;

  // s = f / (2 + f) as a pair: the remainder of the division gives its tail.
  Pair denominator = addOrdered(e, e.constant(2.0), f);
  Value s = e.div(f, denominator.high);
  Value negated = e.neg(s);
  Value remainder =
      e.fma(negated, denominator.low, e.fma(negated, denominator.high, f));
  Value sLow = e.div(remainder, denominator.high);

  // c = 2/3 + T as a pair, then s^3 c.
  Pair square = mulExactly(e, s, s);
  square.low = e.fma(e.add(s, s), sLow, square.low);
  Value tail = e.mul(square.high, e.polynomial(square.high, t));
  Pair c = addOrdered(e, e.constant(0x1.5555555555555p-1), tail);
  c.low = e.add(c.low, e.constant(0x1.5555555555555p-55));
  Pair sc = mulExactly(e, s, c.high);
  sc.low = e.add(sc.low, e.fma(s, c.low, e.mul(sLow, c.high)));
  Pair cubic = mulExactly(e, square.high, sc.high);
  cubic.low =
      e.add(cubic.low, e.fma(square.high, sc.low, e.mul(square.low, sc.high)));

  // k ln 2 + 2 s + cubic, largest first; the upper part of ln 2 ends in zeros.
  Value kHigh = e.mul(k, e.constant(0x1.62e42fefa38p-1));
  Value kLow = e.mul(k, e.constant(0x1.ef35793c7673p-45));
  Pair first = addOrdered(e, kHigh, e.add(s, s));
  Pair second = addOrdered(e, first.high, cubic.high);
  Value low = e.add(e.add(first.low, second.low),
                    e.add(kLow, e.add(e.add(sLow, sLow), cubic.low)));
  return addOrdered(e, second.high, low);
}

/// e^(y log |x|) on f64 for finite x != 0 with the sum's low part kept.
static Value powMagnitude(Emitter &e, Value magnitude, Value y) {
  Pair logarithm = logAsPair(e, magnitude);
  Pair product = mulExactly(e, y, logarithm.high);
  Value low = e.fma(y, logarithm.low, product.low);
  // An overflowed product has no meaningful low part.
  Value inside =
      e.cmp(CmpFPredicate::OLT, e.abs(product.high), e.constant(1024.0));
  low = e.select(inside, low, e.constant(0.0));
  Reduced reduced = reduceByLn2(e, clampForExp(e, product.high));
  return expOfReduced(e, e.add(reduced.r, low), reduced.halfScale);
}

/// The same where log |x| is infinite, and for f32 in f64, where one number
/// holds log |x| well enough.
static Value powMagnitudeSingle(Emitter &e, Value magnitude, Value y) {
  return expandExp(e, e.mul(y, expandLog(e, magnitude)));
}

static Value expandPow(Emitter &e, Value x, Value y) {
  Value zero = e.constant(0.0), one = e.constant(1.0);
  Value magnitude = e.abs(x);
  Value result;
  if (e.isSingle()) {
    Emitter wide = e.getDouble();
    result = e.truncate(
        powMagnitudeSingle(wide, e.extend(wide, magnitude), e.extend(wide, y)));
  } else {
    result = powMagnitude(e, magnitude, y);
    // |x| = 0, infinity or NaN: y log |x| is what IEEE arithmetic makes of it.
    Value logarithm = e.select(e.cmp(CmpFPredicate::OEQ, magnitude, zero),
                               e.neg(e.infinity()), magnitude);
    Value regular = e.both(e.cmp(CmpFPredicate::OGT, magnitude, zero),
                           e.cmp(CmpFPredicate::OLT, magnitude, e.infinity()));
    result = e.select(regular, result, expandExp(e, e.mul(y, logarithm)));
  }

  // A negative base has a value for whole y, and its sign for odd y.
  Value whole = e.cmp(CmpFPredicate::OEQ, e.floor(y), y);
  Value half = e.mul(y, e.constant(0.5));
  Value odd = e.both(whole, e.cmp(CmpFPredicate::ONE, e.floor(half), half));
  result = e.select(odd, e.copySign(result, x), result);
  Value outside = e.both(e.cmp(CmpFPredicate::OLT, x, zero),
                         e.cmp(CmpFPredicate::OLT, magnitude, e.infinity()));
  result = e.select(e.both(outside, e.negate(whole)), e.nan(), result);

  // x^0 = 1^y = (-1)^(+-infinity) = 1, even for NaN.
  Value isOne = e.cmp(CmpFPredicate::OEQ, x, one);
  Value isUnit = e.cmp(CmpFPredicate::OEQ, magnitude, one);
  Value infiniteY = e.cmp(CmpFPredicate::OEQ, e.abs(y), e.infinity());
  Value gives1 = e.either(e.either(e.cmp(CmpFPredicate::OEQ, y, zero), isOne),
                          e.both(isUnit, infiniteY));
  return e.select(gives1, one, result);
}

/// C's fmod. The quotient is rounded to nearest, so its floor is the wanted
/// integer or, when it was rounded up to an integer, one more; the remainder is
/// exact either way. From a quotient of 2^23 (f64: 2^52) on it has no fraction
/// to tell: NaN.
static Value expandRem(Emitter &e, Value x, Value y) {
  Value magnitude = e.abs(x), step = e.abs(y), zero = e.constant(0.0);
  Value quotient = e.div(magnitude, step);
  Value rest = e.fma(e.neg(e.floor(quotient)), step, magnitude);
  rest =
      e.select(e.cmp(CmpFPredicate::OLT, rest, zero), e.add(rest, step), rest);
  rest =
      e.select(e.cmp(CmpFPredicate::OEQ, step, e.infinity()), magnitude, rest);
  // Also of an infinite x, a y of zero and NaN.
  Value inRange =
      e.cmp(CmpFPredicate::OLT, quotient, e.constant(0x1p23, 0x1p52));
  return e.copySign(e.select(inRange, rest, e.nan()), x);
}

static Value expandRsqrt(Emitter &e, Value x) {
  return e.div(e.constant(1.0), e.sqrt(x));
}

//===----------------------------------------------------------------------===//
// Patterns and pass
//===----------------------------------------------------------------------===//

/// Whether the expansions handle the type: f32 and f64, scalar or in a vector
/// of fixed size.
static bool isExpandable(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    type = vector.isScalable() ? Type() : vector.getElementType();
  return type && (type.isF32() || type.isF64());
}

namespace {
/// Replaces a unary op by what `expand` builds.
template <typename OpTy, Value (*expand)(Emitter &, Value)>
struct ExpandUnary : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const final {
    if (!isExpandable(op.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    Emitter e(op.getLoc(), rewriter, op.getType());
    rewriter.replaceOp(op, expand(e, op.getOperand()));
    return success();
  }
};

template <typename OpTy, Value (*expand)(Emitter &, Value, Value)>
struct ExpandBinary : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const final {
    if (!isExpandable(op.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    Emitter e(op.getLoc(), rewriter, op.getType());
    rewriter.replaceOp(op, expand(e, op.getLhs(), op.getRhs()));
    return success();
  }
};

struct ExpandSincos : OpRewritePattern<math::SincosOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::SincosOp op,
                                PatternRewriter &rewriter) const final {
    Value x = op.getOperand();
    if (!isExpandable(x.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    Emitter e(op.getLoc(), rewriter, x.getType());
    Value sine = expandSin(e, x);
    rewriter.replaceOp(op, {sine, expandCos(e, x)});
    return success();
  }
};

struct ExpandMathPass : pc::impl::ExpandMathPassBase<ExpandMathPass> {
  void runOnOperation() final;
};
} // namespace

void pc::populateExpandMathPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpandUnary<math::CosOp, expandCos>,
               ExpandUnary<math::ErfOp, expandErf>,
               ExpandUnary<math::ExpOp, expandExp>,
               ExpandUnary<math::Exp2Op, expandExp2>,
               ExpandUnary<math::ExpM1Op, expandExpM1>,
               ExpandUnary<math::LogOp, expandLog>,
               ExpandUnary<math::Log1pOp, expandLog1p>,
               ExpandUnary<math::RsqrtOp, expandRsqrt>,
               ExpandUnary<math::SinOp, expandSin>,
               ExpandUnary<math::TanhOp, expandTanh>,
               ExpandBinary<math::PowFOp, expandPow>,
               ExpandBinary<arith::RemFOp, expandRem>, ExpandSincos>(
      patterns.getContext());
}

/// Whether LLVM lowers the op to instructions of x86-64-v3 without a call.
static bool isNative(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
             math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::FloorOp, math::FmaOp, math::IsFiniteOp,
             math::IsNaNOp, math::RoundEvenOp, math::RoundOp, math::SqrtOp,
             math::TruncOp>(op);
}

void ExpandMathPass::runOnOperation() {
  // A walk, not the greedy driver: an expansion contains nothing to expand, and
  // nothing else may be folded or moved on the way.
  RewritePatternSet patterns(&getContext());
  pc::populateExpandMathPatterns(patterns);
  walkAndApplyPatterns(getOperation(), std::move(patterns));

  bool failed = false;
  getOperation()->walk([&](Operation *op) {
    bool callsLibrary = isa<math::MathDialect>(op->getDialect())
                            ? !isNative(op)
                            : isa<arith::RemFOp>(op);
    if (!callsLibrary)
      return;
    op->emitOpError() << "has no expansion for type "
                      << op->getOperand(0).getType();
    failed = true;
  });
  if (failed)
    signalPassFailure();
}
