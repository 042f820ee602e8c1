//===- PCToLinalg.cpp - Structured operations of stages ---------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "pc/Conversion/Passes.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pcx/abi.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_CONVERTPCTOLINALGPASS
#include "pc/Conversion/Passes.h.inc"
} // namespace pc

using namespace pc;
using utils::IteratorType;

namespace {

/// An operand of a structured operation: elements of `source` at `map`, which
/// may leave dimensions out.
struct Access {
  Value source;
  AffineMap map;
};

/// Builds the structured form of one operation.
class Lowering {
public:
  Lowering(Operation *op)
      : op(op), b(op), loc(op->getLoc()), context(op->getContext()) {}

  LogicalResult run();

private:
  using Body = function_ref<Value(OpBuilder &, ValueRange)>;

  RankedTensorType typeOf(Value value) {
    return cast<RankedTensorType>(value.getType());
  }
  AffineMap identity(unsigned rank) {
    return AffineMap::getMultiDimIdentityMap(rank, context);
  }
  AffineMap dims(unsigned rank, ArrayRef<unsigned> positions) {
    SmallVector<AffineExpr> exprs;
    for (unsigned position : positions)
      exprs.push_back(getAffineDimExpr(position, context));
    return AffineMap::get(rank, 0, exprs, context);
  }
  Value constant(Type type, double value) {
    return buildFloat(b, loc, type, value);
  }
  Value empty(RankedTensorType type) {
    return tensor::EmptyOp::create(b, loc, type.getShape(),
                                   type.getElementType(), type.getEncoding());
  }
  Value filled(RankedTensorType type, double value) {
    Value number = constant(type.getElementType(), value);
    return linalg::FillOp::create(b, loc, number, empty(type)).getResult(0);
  }

  /// Looks through broadcasts: where element `map` of `value` comes from.
  static Access getAccess(Value value, AffineMap map);

  /// A structured operation with one result. `outs` holds the result's initial
  /// elements; the body's last argument is the element of `outs`.
  Value generic(ArrayRef<Access> ins, Value outs, AffineMap outMap,
                ArrayRef<IteratorType> iterators, Body body);
  /// Element-wise operation over `type`.
  Value map(ArrayRef<Access> ins, RankedTensorType type, Body body) {
    unsigned rank = type.getRank();
    return generic(ins, empty(type), identity(rank),
                   SmallVector<IteratorType>(rank, IteratorType::parallel),
                   body);
  }
  /// Reduction of `ins`, read over the dimensions of `space`, to those of
  /// `outMap`. The body's last argument is the accumulator.
  Value reduce(ArrayRef<Access> ins, ArrayRef<int64_t> space, AffineMap outMap,
               RankedTensorType type, double initial, Body body);
  /// Sum over k of lhs and rhs elements; dimensions are (m, n, k).
  /// With `parts` elements of rhs are rounded to bfloat16 first, those of lhs
  /// to a sum of so many numbers of bfloat16.
  Value contract(Access lhs, Access rhs, RankedTensorType type, int64_t parts);

  LogicalResult lowerElementwise(ElementwiseOpInterface elementwise);
  Value lowerSplat(SplatOp splat);
  Value lowerReshape(ReshapeOp reshape);
  Value lowerSlice(SliceOp slice);
  Value insertPart(Value part, Value whole, int64_t axis, int64_t offset);
  Value lowerLogSoftmax(Value input, bool exponential);
  Value lowerRandomNormal(RandomNormalOp random);

  Operation *op;
  OpBuilder b;
  Location loc;
  MLIRContext *context;
};

} // namespace

Access Lowering::getAccess(Value value, AffineMap map) {
  while (true) {
    if (auto broadcast = value.getDefiningOp<BatchBroadcastOp>()) {
      value = broadcast.getInput();
      map = map.dropResult(0);
    } else if (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
      value = broadcast.getInput();
      unsigned rank = cast<RankedTensorType>(value.getType()).getRank();
      SmallVector<unsigned> kept = llvm::to_vector(llvm::seq(rank));
      map = map.getSubMap(kept);
    } else {
      return {value, map};
    }
  }
}

Value Lowering::generic(ArrayRef<Access> ins, Value outs, AffineMap outMap,
                        ArrayRef<IteratorType> iterators, Body body) {
  // Constants become numbers of the body.
  SmallVector<Value> sources;
  SmallVector<AffineMap> maps;
  SmallVector<std::optional<double>> numbers;
  for (const Access &in : ins) {
    numbers.push_back(getSplatValue(in.source));
    if (numbers.back())
      continue;
    sources.push_back(in.source);
    maps.push_back(in.map);
  }
  maps.push_back(outMap);
  Type element = typeOf(outs).getElementType();
  return linalg::GenericOp::create(
             b, loc, outs.getType(), sources, outs, maps, iterators,
             [&](OpBuilder &inner, Location, ValueRange arguments) {
               SmallVector<Value> elements;
               unsigned next = 0;
               for (std::optional<double> number : numbers)
                 elements.push_back(
                     number ? buildFloat(inner, loc, element, *number)
                            : arguments[next++]);
               elements.push_back(arguments.back());
               linalg::YieldOp::create(inner, loc, body(inner, elements));
             })
      .getResult(0);
}

Value Lowering::reduce(ArrayRef<Access> ins, ArrayRef<int64_t> space,
                       AffineMap outMap, RankedTensorType type, double initial,
                       Body body) {
  unsigned rank = space.size();
  SmallVector<IteratorType> iterators(rank, IteratorType::reduction);
  for (AffineExpr expr : outMap.getResults())
    iterators[cast<AffineDimExpr>(expr).getPosition()] = IteratorType::parallel;
  // A dimension is as long as arrays say. Constants are no arrays, and what is
  // broadcast does not have all: then one operand becomes a whole one.
  SmallVector<Access> read(ins);
  SmallVector<AffineMap> maps = {outMap};
  for (const Access &in : read)
    if (!getSplatValue(in.source))
      maps.push_back(in.map);
  if (getUnusedDimsBitVector(maps).any()) {
    Type element = typeOf(read.front().source).getElementType();
    Value whole = map(read.front(), RankedTensorType::get(space, element),
                      [](OpBuilder &, ValueRange e) { return e[0]; });
    read.front() = {whole, identity(rank)};
  }
  return generic(read, filled(type, initial), outMap, iterators, body);
}

static Value add(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  return arith::AddFOp::create(b, loc, lhs, rhs);
}
static Value sub(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  return arith::SubFOp::create(b, loc, lhs, rhs);
}
static Value mul(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  return arith::MulFOp::create(b, loc, lhs, rhs);
}

Value Lowering::contract(Access lhs, Access rhs, RankedTensorType type,
                         int64_t parts) {
  // A contraction reads memory: a broadcast or a constant takes its place
  // there.
  auto materialise = [&](Access access) {
    if (std::optional<double> number = getSplatValue(access.source))
      access.source =
          map({}, typeOf(access.source), [&](OpBuilder &inner, ValueRange) {
            return buildFloat(inner, loc, type.getElementType(), *number);
          });
    return access;
  };
  lhs = materialise(lhs);
  rhs = materialise(rhs);
  Type wide = type.getElementType(), bf16 = b.getBF16Type();
  // What is of bfloat16 already has nothing to round.
  auto round = [&](OpBuilder &inner, Value element) -> Value {
    if (element.getType() != bf16)
      element = arith::TruncFOp::create(inner, loc, bf16, element);
    return arith::ExtFOp::create(inner, loc, wide, element);
  };
  auto split = [&](OpBuilder &inner, Value element, int64_t parts) {
    Value sum = round(inner, element), rest = element, part = sum;
    for (int64_t i = 1; i < parts; ++i) {
      rest = sub(inner, loc, rest, part);
      part = round(inner, rest);
      sum = add(inner, loc, sum, part);
    }
    return sum;
  };
  int64_t m = type.getDimSize(0), n = type.getDimSize(1);
  return reduce({lhs, rhs}, {m, n, ShapedType::kDynamic}, dims(3, {0, 1}), type,
                0.0, [&](OpBuilder &inner, ValueRange e) {
                  Value left = e[0], right = e[1];
                  if (parts > 0) {
                    left = split(inner, left, parts);
                    right = round(inner, right);
                  }
                  return add(inner, loc, e[2], mul(inner, loc, left, right));
                });
}

/// Moves what a body computes from numbers alone in front of the operation: it
/// is the same for all elements.
static void hoistNumbers(linalg::GenericOp generic) {
  llvm::SmallPtrSet<Operation *, 8> constants;
  for (Operation &inner : llvm::make_early_inc_range(*generic.getBody())) {
    if (inner.hasTrait<OpTrait::ConstantLike>()) {
      constants.insert(&inner);
      continue;
    }
    auto isOutside = [&](Value value) {
      return value.getParentBlock() != generic.getBody() ||
             constants.contains(value.getDefiningOp());
    };
    if (inner.getNumOperands() == 0 || !isPure(&inner) ||
        inner.hasTrait<OpTrait::IsTerminator>() ||
        !llvm::all_of(inner.getOperands(), isOutside) ||
        llvm::all_of(inner.getOperands(), [&](Value value) {
          return constants.contains(value.getDefiningOp());
        }))
      continue;
    OpBuilder builder(generic);
    for (OpOperand &operand : inner.getOpOperands())
      if (Operation *def = operand.get().getDefiningOp();
          constants.contains(def))
        operand.set(builder.clone(*def)->getResult(0));
    inner.moveBefore(generic);
  }
}

LogicalResult Lowering::lowerElementwise(ElementwiseOpInterface elementwise) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Type element = type.getElementType();
  unsigned rank = type.getRank();
  // One value per operand: a number, or the position of a tensor.
  SmallVector<Value> tensors, operands(op->getNumOperands());
  SmallVector<AffineMap> maps;
  SmallVector<int64_t> positions(op->getNumOperands(), -1);
  SmallVector<std::optional<double>> numbers(op->getNumOperands());
  for (auto [index, operand] : llvm::enumerate(op->getOperands())) {
    if (!isa<RankedTensorType>(operand.getType())) {
      operands[index] = operand;
      continue;
    }
    Access access = getAccess(operand, identity(rank));
    numbers[index] = getSplatValue(access.source);
    if (numbers[index])
      continue;
    positions[index] = tensors.size();
    for (auto [i, source] : llvm::enumerate(tensors))
      if (source == access.source && maps[i] == access.map)
        positions[index] = i;
    if (positions[index] < static_cast<int64_t>(tensors.size()))
      continue;
    tensors.push_back(access.source);
    maps.push_back(access.map);
  }
  SmallVector<Value> outs;
  for (Type result : op->getResultTypes()) {
    outs.push_back(empty(cast<RankedTensorType>(result)));
    maps.push_back(identity(rank));
  }
  auto result = linalg::GenericOp::create(
      b, loc, op->getResultTypes(), tensors, outs, maps,
      SmallVector<IteratorType>(rank, IteratorType::parallel),
      [&](OpBuilder &inner, Location, ValueRange arguments) {
        for (auto [index, operand] : llvm::enumerate(operands)) {
          if (positions[index] >= 0)
            operand = arguments[positions[index]];
          else if (numbers[index])
            operand = buildFloat(inner, loc, element, *numbers[index]);
        }
        SmallVector<Value> results;
        elementwise.buildElement(inner, loc, operands, results);
        linalg::YieldOp::create(inner, loc, results);
      });
  hoistNumbers(result);
  op->replaceAllUsesWith(result);
  return success();
}

Value Lowering::lowerSplat(SplatOp splat) {
  auto type = cast<RankedTensorType>(splat.getType());
  double value = *getSplatValue(splat.getResult());
  return map({}, type, [&](OpBuilder &inner, ValueRange) {
    return buildFloat(inner, loc, type.getElementType(), value);
  });
}

Value Lowering::lowerReshape(ReshapeOp reshape) {
  Value input = reshape.getInput();
  auto target = cast<RankedTensorType>(reshape.getType());
  // Through one dimension per sample: always a collapse and an expansion.
  auto flatten = [&](RankedTensorType type) {
    int64_t elements = 1;
    for (int64_t dim : type.getShape().drop_front())
      elements *= dim;
    return type.clone({type.getDimSize(0), elements});
  };
  auto reassociation = [](unsigned rank) {
    SmallVector<ReassociationIndices> groups(rank > 1 ? 2 : 1);
    for (unsigned dim = 0; dim < rank; ++dim)
      groups[dim == 0 ? 0 : 1].push_back(dim);
    return groups;
  };
  if (typeOf(input).getRank() > 2)
    input =
        tensor::CollapseShapeOp::create(b, loc, flatten(typeOf(input)), input,
                                        reassociation(typeOf(input).getRank()));
  if (target.getRank() > 2)
    input = tensor::ExpandShapeOp::create(b, loc, target, input,
                                          reassociation(target.getRank()));
  if (input.getType() != target) {
    if (target.getRank() == 1)
      input = tensor::CollapseShapeOp::create(
          b, loc, target, input, ArrayRef<ReassociationIndices>{{0, 1}});
    else
      input = tensor::ExpandShapeOp::create(
          b, loc, target, input, ArrayRef<ReassociationIndices>{{0, 1}});
  }
  return input;
}

/// The identity of `rank` dimensions with `offset` added to one, which indexes
/// a part of `size` elements. A part at the start reads `d mod size`: linalg
/// takes a bare dimension for all of the array's.
static AffineMap shifted(MLIRContext *context, unsigned rank, unsigned dim,
                         int64_t offset, int64_t size) {
  SmallVector<AffineExpr> exprs;
  for (unsigned i = 0; i < rank; ++i) {
    AffineExpr expr = getAffineDimExpr(i, context);
    if (i == dim)
      expr = offset == 0 ? expr % size : expr + offset;
    exprs.push_back(expr);
  }
  return AffineMap::get(rank, 0, exprs, context);
}

Value Lowering::lowerSlice(SliceOp slice) {
  auto type = cast<RankedTensorType>(slice.getType());
  unsigned rank = type.getRank();
  AffineMap from =
      shifted(context, rank, rank + slice.getAxis(), slice.getOffset(),
              type.getDimSize(rank + slice.getAxis()));
  return map({{slice.getInput(), from}}, type,
             [](OpBuilder &, ValueRange e) { return e[0]; });
}

Value Lowering::insertPart(Value part, Value whole, int64_t axis,
                           int64_t offset) {
  unsigned rank = typeOf(whole).getRank();
  Access access = getAccess(part, identity(rank));
  // The part's own dimensions bound the loops: it must be read from memory.
  if (access.map != identity(rank) || getSplatValue(access.source))
    access = {map({access}, typeOf(part),
                  [](OpBuilder &, ValueRange e) { return e[0]; }),
              identity(rank)};
  AffineMap to = shifted(context, rank, rank + axis, offset,
                         typeOf(part).getDimSize(rank + axis));
  return generic({access}, whole, to,
                 SmallVector<IteratorType>(rank, IteratorType::parallel),
                 [](OpBuilder &, ValueRange e) { return e[0]; });
}

/// log_softmax, or softmax when `exponential`, over the last axis. The largest
/// element is subtracted first, so nothing overflows.
Value Lowering::lowerLogSoftmax(Value input, bool exponential) {
  RankedTensorType type = typeOf(input);
  unsigned rank = type.getRank();
  SmallVector<unsigned> leading = llvm::to_vector(llvm::seq(rank - 1));
  AffineMap all = identity(rank), row = dims(rank, leading);
  RankedTensorType rowType = type.clone(type.getShape().drop_back());
  Access x = getAccess(input, all);
  Value largest =
      reduce({x}, type.getShape(), row, rowType,
             -std::numeric_limits<double>::infinity(),
             [&](OpBuilder &inner, ValueRange e) -> Value {
               return arith::MaximumFOp::create(inner, loc, e[1], e[0]);
             });
  auto shiftedExp = [&](OpBuilder &inner, Value value, Value max) -> Value {
    return math::ExpOp::create(inner, loc, sub(inner, loc, value, max));
  };
  if (exponential) {
    Value exps =
        map({x, {largest, row}}, type, [&](OpBuilder &inner, ValueRange e) {
          return shiftedExp(inner, e[0], e[1]);
        });
    Value sum = reduce({{exps, all}}, type.getShape(), row, rowType, 0.0,
                       [&](OpBuilder &inner, ValueRange e) {
                         return add(inner, loc, e[1], e[0]);
                       });
    return map({{exps, all}, {sum, row}}, type,
               [&](OpBuilder &inner, ValueRange e) -> Value {
                 return arith::DivFOp::create(inner, loc, e[0], e[1]);
               });
  }
  Value sum =
      reduce({x, {largest, row}}, type.getShape(), row, rowType, 0.0,
             [&](OpBuilder &inner, ValueRange e) {
               return add(inner, loc, e[2], shiftedExp(inner, e[0], e[1]));
             });
  return map({x, {largest, row}, {sum, row}}, type,
             [&](OpBuilder &inner, ValueRange e) {
               Value log = math::LogOp::create(inner, loc, e[2]);
               return sub(inner, loc, sub(inner, loc, e[0], e[1]), log);
             });
}

/// Box and Muller's transform of Philox4x32-10: docs/spec.md, "Random numbers".
Value Lowering::lowerRandomNormal(RandomNormalOp random) {
  auto type = cast<RankedTensorType>(random.getType());
  Type i32 = b.getI32Type(), i64 = b.getI64Type(), f64 = b.getF64Type();
  auto whole = [&](OpBuilder &builder, Type type, uint64_t value) -> Value {
    return arith::ConstantOp::create(
        builder, loc, type,
        builder.getIntegerAttr(type, static_cast<int64_t>(value)));
  };
  uint64_t streamBase =
      PCX_STREAM_PROGRAM + (static_cast<uint64_t>(random.getStream()) << 40);
  Value stream = arith::AddIOp::create(b, loc, random.getCall(),
                                       whole(b, i64, streamBase));
  auto halves = [&](OpBuilder &builder, Value value) {
    Value low = arith::TruncIOp::create(builder, loc, i32, value);
    Value high =
        arith::ShRUIOp::create(builder, loc, value, whole(builder, i64, 32));
    return std::pair<Value, Value>(
        low, arith::TruncIOp::create(builder, loc, i32, high));
  };
  auto [streamLow, streamHigh] = halves(b, stream);
  auto [keyLow, keyHigh] = halves(b, random.getSeed());
  // The keys of the ten rounds, the same for all elements.
  SmallVector<std::pair<Value, Value>> keys{{keyLow, keyHigh}};
  for (int round = 1; round < 10; ++round)
    keys.emplace_back(arith::AddIOp::create(b, loc, keys.back().first,
                                            whole(b, i32, 0x9E3779B9)),
                      arith::AddIOp::create(b, loc, keys.back().second,
                                            whole(b, i32, 0xBB67AE85)));
  return map({}, type, [&](OpBuilder &inner, ValueRange) -> Value {
    auto index = [&](int64_t dim) -> Value {
      return arith::IndexCastOp::create(
          inner, loc, i64, linalg::IndexOp::create(inner, loc, dim));
    };
    auto addI = [&](Value lhs, Value rhs) -> Value {
      return arith::AddIOp::create(inner, loc, lhs, rhs);
    };
    Value element = whole(inner, i64, 0);
    int64_t stride = 1;
    for (int64_t dim = type.getRank() - 1; dim > 0; --dim) {
      element = addI(element, arith::MulIOp::create(inner, loc, index(dim),
                                                    whole(inner, i64, stride)));
      stride *= type.getDimSize(dim);
    }
    Value slot =
        arith::ShLIOp::create(inner, loc, index(0), whole(inner, i64, 32));
    Value half =
        arith::ShRUIOp::create(inner, loc, element, whole(inner, i64, 1));
    auto [indexLow, indexHigh] = halves(inner, addI(slot, half));
    Value words[4] = {indexLow, indexHigh, streamLow, streamHigh};
    for (auto [low, high] : keys) {
      auto product = [&](Value word, uint64_t factor) {
        Value wide = arith::ExtUIOp::create(inner, loc, i64, word);
        return halves(inner, arith::MulIOp::create(inner, loc, wide,
                                                   whole(inner, i64, factor)));
      };
      auto exclusive = [&](Value a, Value c, Value key) -> Value {
        return arith::XOrIOp::create(
            inner, loc, arith::XOrIOp::create(inner, loc, a, c), key);
      };
      auto [lowA, highA] = product(words[0], 0xD2511F53);
      auto [lowB, highB] = product(words[2], 0xCD9E8D57);
      Value next[4] = {exclusive(highB, words[1], low), lowB,
                       exclusive(highA, words[3], high), lowA};
      std::copy(next, next + 4, words);
    }
    // (low + 2^32 high) >> 11, times 2^-53
    auto unit = [&](Value low, Value high) -> Value {
      Value wide = arith::OrIOp::create(
          inner, loc, arith::ExtUIOp::create(inner, loc, i64, low),
          arith::ShLIOp::create(inner, loc,
                                arith::ExtUIOp::create(inner, loc, i64, high),
                                whole(inner, i64, 32)));
      Value bits =
          arith::ShRUIOp::create(inner, loc, wide, whole(inner, i64, 11));
      return mul(inner, loc, arith::UIToFPOp::create(inner, loc, f64, bits),
                 buildFloat(inner, loc, f64, 0x1p-53));
    };
    Value one = buildFloat(inner, loc, f64, 1.0);
    Value log = math::LogOp::create(
        inner, loc, sub(inner, loc, one, unit(words[0], words[1])));
    Value radius = math::SqrtOp::create(
        inner, loc, mul(inner, loc, buildFloat(inner, loc, f64, -2.0), log));
    Value angle =
        mul(inner, loc, buildFloat(inner, loc, f64, 2 * llvm::numbers::pi),
            unit(words[2], words[3]));
    Value odd = arith::TruncIOp::create(inner, loc, inner.getI1Type(), element);
    Value factor = arith::SelectOp::create(
        inner, loc, odd, math::SinOp::create(inner, loc, angle),
        math::CosOp::create(inner, loc, angle));
    Value result = mul(inner, loc, radius, factor);
    if (type.getElementType() == f64)
      return result;
    return arith::TruncFOp::create(inner, loc, type.getElementType(), result);
  });
}

LogicalResult Lowering::run() {
  auto replace = [&](Value value) {
    op->replaceAllUsesWith(ValueRange(value));
    return success();
  };
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](IdentityOp identity) { return replace(identity.getInput()); })
      .Case([&](DetachOp detach) { return replace(detach.getInput()); })
      .Case([&](ElementwiseOpInterface elementwise) {
        return lowerElementwise(elementwise);
      })
      .Case([&](DenseOp dense) {
        // transposed: y_mn = sum_k x_mk w_kn, otherwise sum_k x_mk w_nk
        AffineMap weight =
            dense.getTransposed() ? dims(3, {2, 1}) : dims(3, {1, 2});
        return replace(contract(
            {dense.getInput(), dims(3, {0, 2})}, {dense.getWeight(), weight},
            cast<RankedTensorType>(dense.getType()), dense.getParts()));
      })
      .Case([&](BatchOuterOp outer) {
        return replace(contract({outer.getLhs(), dims(3, {2, 0})},
                                {outer.getRhs(), dims(3, {2, 1})},
                                cast<RankedTensorType>(outer.getType()),
                                outer.getBf16() ? 1 : 0));
      })
      .Case([&](BatchSumOp sum) {
        auto type = cast<RankedTensorType>(sum.getType());
        unsigned rank = type.getRank() + 1;
        SmallVector<unsigned> kept = llvm::to_vector(llvm::seq(1u, rank));
        return replace(reduce({{sum.getInput(), identity(rank)}},
                              typeOf(sum.getInput()).getShape(),
                              dims(rank, kept), type, 0.0,
                              [&](OpBuilder &inner, ValueRange e) {
                                return add(inner, loc, e[1], e[0]);
                              }));
      })
      .Case([&](SumOp sum) {
        auto type = cast<RankedTensorType>(sum.getType());
        unsigned rank = typeOf(sum.getInput()).getRank();
        SmallVector<unsigned> kept =
            llvm::to_vector(llvm::seq<unsigned>(type.getRank()));
        return replace(reduce({getAccess(sum.getInput(), identity(rank))},
                              typeOf(sum.getInput()).getShape(),
                              dims(rank, kept), type, 0.0,
                              [&](OpBuilder &inner, ValueRange e) {
                                return add(inner, loc, e[1], e[0]);
                              }));
      })
      .Case<BatchBroadcastOp, BroadcastOp>([&](auto broadcast) {
        auto type = cast<RankedTensorType>(broadcast.getType());
        return replace(
            map({getAccess(broadcast.getResult(), identity(type.getRank()))},
                type, [](OpBuilder &, ValueRange e) { return e[0]; }));
      })
      .Case([&](NarrowOp narrow) {
        AffineMap from = narrow.getTransposed() ? dims(2, {1, 0}) : identity(2);
        RankedTensorType type = narrow.getType();
        return replace(map({{narrow.getInput(), from}}, type,
                           [&](OpBuilder &inner, ValueRange e) -> Value {
                             return arith::TruncFOp::create(
                                 inner, loc, type.getElementType(), e[0]);
                           }));
      })
      .Case([&](TransposeOp transpose) {
        return replace(map({{transpose.getInput(), dims(2, {1, 0})}},
                           cast<RankedTensorType>(transpose.getType()),
                           [](OpBuilder &, ValueRange e) { return e[0]; }));
      })
      .Case([&](SplatOp splat) { return replace(lowerSplat(splat)); })
      .Case([&](ReshapeOp reshape) { return replace(lowerReshape(reshape)); })
      .Case([&](SliceOp slice) { return replace(lowerSlice(slice)); })
      .Case([&](ConcatOp concat) {
        Value whole = empty(cast<RankedTensorType>(concat.getType()));
        int64_t offset = 0;
        for (Value part : concat.getInputs()) {
          whole = insertPart(part, whole, concat.getAxis(), offset);
          RankedTensorType type = typeOf(part);
          offset += type.getDimSize(type.getRank() + concat.getAxis());
        }
        return replace(whole);
      })
      .Case([&](PadOp pad) {
        Value whole = filled(cast<RankedTensorType>(pad.getType()), 0.0);
        return replace(
            insertPart(pad.getInput(), whole, pad.getAxis(), pad.getOffset()));
      })
      .Case([&](SoftmaxOp softmax) {
        return replace(lowerLogSoftmax(softmax.getInput(), true));
      })
      .Case([&](LogSoftmaxOp softmax) {
        return replace(lowerLogSoftmax(softmax.getInput(), false));
      })
      .Case([&](SquaredErrorOp energy) {
        unsigned rank = typeOf(energy.getState()).getRank();
        auto type = cast<RankedTensorType>(energy.getType());
        SmallVector<unsigned> kept =
            llvm::to_vector(llvm::seq<unsigned>(type.getRank()));
        return replace(reduce(
            {getAccess(energy.getState(), identity(rank)),
             getAccess(energy.getPrediction(), identity(rank))},
            typeOf(energy.getState()).getShape(), dims(rank, kept), type, 0.0,
            [&](OpBuilder &inner, ValueRange e) {
              Value error = sub(inner, loc, e[0], e[1]);
              Value half = buildFloat(inner, loc, error.getType(), 0.5);
              return add(inner, loc, e[2],
                         mul(inner, loc, half, mul(inner, loc, error, error)));
            }));
      })
      .Case([&](CrossEntropyOp energy) {
        unsigned rank = typeOf(energy.getState()).getRank();
        auto type = cast<RankedTensorType>(energy.getType());
        SmallVector<unsigned> kept =
            llvm::to_vector(llvm::seq<unsigned>(type.getRank()));
        Value logs = lowerLogSoftmax(energy.getPrediction(), false);
        return replace(
            reduce({getAccess(energy.getState(), identity(rank)),
                    {logs, identity(rank)}},
                   typeOf(energy.getState()).getShape(), dims(rank, kept), type,
                   0.0, [&](OpBuilder &inner, ValueRange e) {
                     return sub(inner, loc, e[2], mul(inner, loc, e[0], e[1]));
                   }));
      })
      .Case([&](RandomNormalOp random) {
        return replace(lowerRandomNormal(random));
      })
      .Default([&](Operation *op) {
        return op->emitOpError("has no structured form");
      });
}

namespace {
struct ConvertPCToLinalgPass
    : public pc::impl::ConvertPCToLinalgPassBase<ConvertPCToLinalgPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<Operation *> ops;
    getOperation().walk([&](StageOp stage) {
      stage.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
        // A copy in linalg is one that canonicalisation takes for a cast.
        if (!isa<YieldOp, RelayoutOp>(op) &&
            (isa<PCDialect>(op->getDialect()) || isComputation(op)))
          ops.push_back(op);
        // The region of an element-wise operation goes into the body.
        return isa<ElementwiseOp>(op) ? WalkResult::skip()
                                      : WalkResult::advance();
      });
    });
    // Readers come before what they look through: broadcasts, constants.
    for (Operation *op : llvm::reverse(ops)) {
      if (!op->use_empty() && failed(Lowering(op).run()))
        return signalPassFailure();
      op->erase();
    }
  }
};
} // namespace
