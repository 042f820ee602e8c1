//===- ScalarDifferentiable.cpp - Derivatives of arith and math operations ===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reverse mode inside a `pc.elementwise` region. An operation without a rule is
// an error only where a gradient has to pass through it. Conventions where a
// function has no derivative: |x| has slope 0 at 0; of two operands that tie
// for a maximum or minimum the first takes the cotangent; a clamped value
// passes it at both ends; rounding has slope 0; x^y has slope 0 in y at x <= 0.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;
using llvm::SmallBitVector;

namespace {

/// Expressions at one place on scalars of one type.
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
  /// `a` where the predicate holds between x and y, else `b`.
  Value where(arith::CmpFPredicate predicate, Value x, Value y, Value a,
              Value b) {
    Value condition = arith::CmpFOp::create(builder, loc, predicate, x, y);
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }
  template <typename Op>
  Value call(Value a) {
    return Op::create(builder, loc, a);
  }

  OpBuilder &builder;
  Location loc;
  Type type;
};

using Predicate = arith::CmpFPredicate;

/// The rule of one operation: `Rule::get(expr, op, g, active, out)` fills in
/// `out`, one value per operand, null at first.
template <typename ConcreteOp, typename Rule>
struct Model
    : public DifferentiableOpInterface::ExternalModel<Model<ConcreteOp, Rule>,
                                                      ConcreteOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &builder,
                         ValueRange cotangents, const SmallBitVector &active,
                         SmallVectorImpl<Value> &operandCotangents) const {
    operandCotangents.assign(op->getNumOperands(), Value());
    Value g = cotangents[0];
    Expr expr(builder, op->getLoc(), g.getType());
    Rule::get(expr, cast<ConcreteOp>(op), g, active, operandCotangents);
    return success();
  }
};

/// A function of one operand: x the operand, y the result, g the cotangent.
#define PC_UNARY(NAME, OP, EXPRESSION)                                         \
  struct NAME {                                                                \
    static void get(Expr &e, OP op, Value g, const SmallBitVector &,           \
                    SmallVectorImpl<Value> &out) {                             \
      [[maybe_unused]] Value x = op->getOperand(0);                            \
      [[maybe_unused]] Value y = op->getResult(0);                             \
      out[0] = EXPRESSION;                                                     \
    }                                                                          \
  };

constexpr double kLn2 = 0.69314718055994530941723212145818;
constexpr double kLn10 = 2.3025850929940456840179914546844;
/// 2 / sqrt(pi).
constexpr double kErfScale = 1.1283791670955125738961589031215;

PC_UNARY(NegRule, arith::NegFOp, e.neg(g))
PC_UNARY(ExpRule, math::ExpOp, e.mul(g, y))
PC_UNARY(Exp2Rule, math::Exp2Op, e.mul(g, e.mul(e.number(kLn2), y)))
PC_UNARY(ExpM1Rule, math::ExpM1Op, e.mul(g, e.call<math::ExpOp>(x)))
PC_UNARY(LogRule, math::LogOp, e.div(g, x))
PC_UNARY(Log2Rule, math::Log2Op, e.div(g, e.mul(e.number(kLn2), x)))
PC_UNARY(Log10Rule, math::Log10Op, e.div(g, e.mul(e.number(kLn10), x)))
PC_UNARY(Log1pRule, math::Log1pOp, e.div(g, e.add(e.number(1.0), x)))
PC_UNARY(SqrtRule, math::SqrtOp, e.div(g, e.mul(e.number(2.0), y)))
PC_UNARY(RsqrtRule, math::RsqrtOp,
         e.mul(g, e.mul(e.number(-0.5), e.mul(y, e.mul(y, y)))))
PC_UNARY(CbrtRule, math::CbrtOp, e.div(g, e.mul(e.number(3.0), e.mul(y, y))))
PC_UNARY(SinRule, math::SinOp, e.mul(g, e.call<math::CosOp>(x)))
PC_UNARY(CosRule, math::CosOp, e.neg(e.mul(g, e.call<math::SinOp>(x))))
PC_UNARY(TanRule, math::TanOp, e.mul(g, e.add(e.number(1.0), e.mul(y, y))))
PC_UNARY(SinhRule, math::SinhOp, e.mul(g, e.call<math::CoshOp>(x)))
PC_UNARY(CoshRule, math::CoshOp, e.mul(g, e.call<math::SinhOp>(x)))
PC_UNARY(TanhRule, math::TanhOp, e.mul(g, e.sub(e.number(1.0), e.mul(y, y))))
PC_UNARY(AsinRule, math::AsinOp,
         e.div(g, e.call<math::SqrtOp>(e.sub(e.number(1.0), e.mul(x, x)))))
PC_UNARY(AcosRule, math::AcosOp,
         e.neg(e.div(g,
                     e.call<math::SqrtOp>(e.sub(e.number(1.0), e.mul(x, x))))))
PC_UNARY(AtanRule, math::AtanOp, e.div(g, e.add(e.number(1.0), e.mul(x, x))))
PC_UNARY(AsinhRule, math::AsinhOp,
         e.div(g, e.call<math::SqrtOp>(e.add(e.number(1.0), e.mul(x, x)))))
PC_UNARY(AcoshRule, math::AcoshOp,
         e.div(g, e.call<math::SqrtOp>(e.sub(e.mul(x, x), e.number(1.0)))))
PC_UNARY(AtanhRule, math::AtanhOp, e.div(g, e.sub(e.number(1.0), e.mul(x, x))))
PC_UNARY(ErfRule, math::ErfOp,
         e.mul(g, e.mul(e.number(kErfScale),
                        e.call<math::ExpOp>(e.neg(e.mul(x, x))))))
PC_UNARY(ErfcRule, math::ErfcOp,
         e.mul(g, e.mul(e.number(-kErfScale),
                        e.call<math::ExpOp>(e.neg(e.mul(x, x))))))
PC_UNARY(AbsRule, math::AbsFOp,
         e.where(Predicate::OGT, x, e.number(0.0), g,
                 e.where(Predicate::OLT, x, e.number(0.0), e.neg(g),
                         e.number(0.0))))
PC_UNARY(ExtRule, arith::ExtFOp,
         arith::TruncFOp::create(e.builder, e.loc, x.getType(), g))
PC_UNARY(TruncRule, arith::TruncFOp,
         arith::ExtFOp::create(e.builder, e.loc, x.getType(), g))
#undef PC_UNARY

/// Piecewise constant: no cotangent.
struct FlatRule {
  static void get(Expr &, Operation *, Value, const SmallBitVector &,
                  SmallVectorImpl<Value> &) {}
};

struct AddRule {
  static void get(Expr &, arith::AddFOp, Value g, const SmallBitVector &,
                  SmallVectorImpl<Value> &out) {
    out[0] = out[1] = g;
  }
};

struct SubRule {
  static void get(Expr &e, arith::SubFOp, Value g, const SmallBitVector &active,
                  SmallVectorImpl<Value> &out) {
    out[0] = g;
    if (active[1])
      out[1] = e.neg(g);
  }
};

struct MulRule {
  static void get(Expr &e, arith::MulFOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    if (active[0])
      out[0] = e.mul(g, op.getRhs());
    if (active[1])
      out[1] = e.mul(g, op.getLhs());
  }
};

struct DivRule {
  static void get(Expr &e, arith::DivFOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    // g / b and -(g / b) (a / b): no square that could overflow.
    Value quotient = e.div(g, op.getRhs());
    out[0] = quotient;
    if (active[1])
      out[1] = e.neg(e.mul(quotient, op.getResult()));
  }
};

/// Maximum or minimum: the first operand takes the cotangent where it stands in
/// the relation to the second.
template <typename Op, Predicate kFirst>
struct ChoiceRule {
  static void get(Expr &e, Op op, Value g, const SmallBitVector &active,
                  SmallVectorImpl<Value> &out) {
    Value zero = e.number(0.0);
    if (active[0])
      out[0] = e.where(kFirst, op.getLhs(), op.getRhs(), g, zero);
    if (active[1])
      out[1] = e.where(kFirst, op.getLhs(), op.getRhs(), zero, g);
  }
};

struct SelectRule {
  static void get(Expr &e, arith::SelectOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    Value zero = e.number(0.0);
    if (active[1])
      out[1] =
          arith::SelectOp::create(e.builder, e.loc, op.getCondition(), g, zero);
    if (active[2])
      out[2] =
          arith::SelectOp::create(e.builder, e.loc, op.getCondition(), zero, g);
  }
};

struct FmaRule {
  static void get(Expr &e, math::FmaOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    if (active[0])
      out[0] = e.mul(g, op.getB());
    if (active[1])
      out[1] = e.mul(g, op.getA());
    out[2] = g;
  }
};

struct PowRule {
  static void get(Expr &e, math::PowFOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    Value x = op.getLhs(), p = op.getRhs(), zero = e.number(0.0);
    if (active[0]) {
      // p x^(p-1), and 0 for p = 0 where x^-1 may be infinite.
      Value power =
          math::PowFOp::create(e.builder, e.loc, x, e.sub(p, e.number(1.0)));
      Value slope = e.mul(p, power);
      out[0] = e.mul(g, e.where(Predicate::OEQ, p, zero, zero, slope));
    }
    if (active[1]) {
      Value slope = e.mul(op.getResult(), e.call<math::LogOp>(x));
      out[1] = e.mul(g, e.where(Predicate::OGT, x, zero, slope, zero));
    }
  }
};

struct PowIntRule {
  static void get(Expr &e, math::FPowIOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    Value x = op.getLhs(), n = op.getRhs(), zero = e.number(0.0);
    if (!active[0])
      return;
    Value one = arith::ConstantOp::create(
        e.builder, e.loc, e.builder.getIntegerAttr(n.getType(), 1));
    Value power = math::FPowIOp::create(
        e.builder, e.loc, x,
        arith::SubIOp::create(e.builder, e.loc, n, one).getResult());
    Value count = arith::SIToFPOp::create(e.builder, e.loc, e.type, n);
    Value slope = e.mul(count, power);
    out[0] = e.mul(g, e.where(Predicate::OEQ, count, zero, zero, slope));
  }
};

struct Atan2Rule {
  static void get(Expr &e, math::Atan2Op op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    Value y = op.getLhs(), x = op.getRhs();
    Value scaled = e.div(g, e.add(e.mul(x, x), e.mul(y, y)));
    if (active[0])
      out[0] = e.mul(scaled, x);
    if (active[1])
      out[1] = e.neg(e.mul(scaled, y));
  }
};

struct CopySignRule {
  static void get(Expr &e, math::CopySignOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    if (!active[0])
      return;
    // The sign of the magnitude times that of the result.
    Value one = e.number(1.0);
    Value from = math::CopySignOp::create(e.builder, e.loc, one, op.getLhs());
    Value to = math::CopySignOp::create(e.builder, e.loc, one, op.getRhs());
    out[0] = e.mul(g, e.mul(from, to));
  }
};

struct ClampRule {
  static void get(Expr &e, math::ClampFOp op, Value g,
                  const SmallBitVector &active, SmallVectorImpl<Value> &out) {
    Value x = op.getValue(), low = op.getMin(), high = op.getMax(),
          zero = e.number(0.0);
    if (active[0])
      out[0] = e.where(Predicate::OLT, x, low, zero,
                       e.where(Predicate::OGT, x, high, zero, g));
    if (active[1])
      out[1] = e.where(Predicate::OLT, x, low, g, zero);
    if (active[2])
      out[2] = e.where(Predicate::OGT, x, high, g, zero);
  }
};

template <typename Op, typename Rule>
void attach(MLIRContext &context) {
  Op::template attachInterface<Model<Op, Rule>>(context);
}

void attachArith(MLIRContext *context, arith::ArithDialect *) {
  MLIRContext &c = *context;
  attach<arith::AddFOp, AddRule>(c);
  attach<arith::SubFOp, SubRule>(c);
  attach<arith::MulFOp, MulRule>(c);
  attach<arith::DivFOp, DivRule>(c);
  attach<arith::NegFOp, NegRule>(c);
  attach<arith::MaximumFOp, ChoiceRule<arith::MaximumFOp, Predicate::OGE>>(c);
  attach<arith::MaxNumFOp, ChoiceRule<arith::MaxNumFOp, Predicate::OGE>>(c);
  attach<arith::MinimumFOp, ChoiceRule<arith::MinimumFOp, Predicate::OLE>>(c);
  attach<arith::MinNumFOp, ChoiceRule<arith::MinNumFOp, Predicate::OLE>>(c);
  attach<arith::SelectOp, SelectRule>(c);
  attach<arith::ExtFOp, ExtRule>(c);
  attach<arith::TruncFOp, TruncRule>(c);
}

void attachMath(MLIRContext *context, math::MathDialect *) {
  MLIRContext &c = *context;
  attach<math::AbsFOp, AbsRule>(c);
  attach<math::AcosOp, AcosRule>(c);
  attach<math::AcoshOp, AcoshRule>(c);
  attach<math::AsinOp, AsinRule>(c);
  attach<math::AsinhOp, AsinhRule>(c);
  attach<math::Atan2Op, Atan2Rule>(c);
  attach<math::AtanOp, AtanRule>(c);
  attach<math::AtanhOp, AtanhRule>(c);
  attach<math::CbrtOp, CbrtRule>(c);
  attach<math::CeilOp, FlatRule>(c);
  attach<math::ClampFOp, ClampRule>(c);
  attach<math::CopySignOp, CopySignRule>(c);
  attach<math::CosOp, CosRule>(c);
  attach<math::CoshOp, CoshRule>(c);
  attach<math::ErfOp, ErfRule>(c);
  attach<math::ErfcOp, ErfcRule>(c);
  attach<math::Exp2Op, Exp2Rule>(c);
  attach<math::ExpM1Op, ExpM1Rule>(c);
  attach<math::ExpOp, ExpRule>(c);
  attach<math::FPowIOp, PowIntRule>(c);
  attach<math::FloorOp, FlatRule>(c);
  attach<math::FmaOp, FmaRule>(c);
  attach<math::Log10Op, Log10Rule>(c);
  attach<math::Log1pOp, Log1pRule>(c);
  attach<math::Log2Op, Log2Rule>(c);
  attach<math::LogOp, LogRule>(c);
  attach<math::PowFOp, PowRule>(c);
  attach<math::RoundEvenOp, FlatRule>(c);
  attach<math::RoundOp, FlatRule>(c);
  attach<math::RsqrtOp, RsqrtRule>(c);
  attach<math::SinOp, SinRule>(c);
  attach<math::SinhOp, SinhRule>(c);
  attach<math::SqrtOp, SqrtRule>(c);
  attach<math::TanOp, TanRule>(c);
  attach<math::TanhOp, TanhRule>(c);
  attach<math::TruncOp, FlatRule>(c);
}

} // namespace

void pc::registerScalarDifferentiableModels(DialectRegistry &registry) {
  registry.addExtension(attachArith);
  registry.addExtension(attachMath);
}
