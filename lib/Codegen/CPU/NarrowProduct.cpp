//===- NarrowProduct.cpp - Products of bfloat16 ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MLIR's amx and x86vector dialects work on memrefs; kernels work on pointers,
// so LLVM's intrinsics are called by name. LLVM allocates tile registers and
// loads their configuration: all tiles here have one shape, 16 rows of 64
// bytes, so a kernel has one, and eight of them are the registers there are.
//
//===----------------------------------------------------------------------===//

#include "NarrowProduct.h"
#include "../Programs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace pc;

/// Rows of a tile register, and of a register tile of vectors.
static constexpr int64_t kTileRows = 16;
static constexpr int64_t kVectorRows = 8;

void pc::transposeSquare(OpBuilder &b, Location loc,
                         MutableArrayRef<Value> vectors) {
  int64_t lanes = vectors.size();
  // Exchange halves of ever larger blocks.
  for (int64_t step = 1; step < lanes; step *= 2) {
    SmallVector<int64_t> lower, upper;
    for (int64_t t = 0; t < lanes; ++t) {
      lower.push_back((t & step) == 0 ? t : lanes + t - step);
      upper.push_back((t & step) == 0 ? t + step : lanes + t);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & step)
        continue;
      Value a = vectors[i], c = vectors[i + step];
      vectors[i] = vector::ShuffleOp::create(b, loc, a, c, lower);
      vectors[i + step] = vector::ShuffleOp::create(b, loc, a, c, upper);
    }
  }
}

/// Both vectors rounded, one behind the other, by one vcvtne2ps2bf16. Of two
/// `arith.truncf` LLVM makes two vcvtneps2bf16 and a vinsertf64x4, and moves
/// shuffles in front of them, where they take twice as many instructions.
static Value roundBoth(OpBuilder &b, Location loc, Value first, Value second) {
  return LLVM::CallIntrinsicOp::create(
             b, loc, VectorType::get({kNarrowDepth}, b.getBF16Type()),
             b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"),
             ValueRange{second, first})
      .getResult(0);
}

/// Numbers of bfloat16 in pairs.
static Value asPairs(OpBuilder &b, Location loc, Value numbers) {
  return vector::BitCastOp::create(
      b, loc, VectorType::get({kNarrowColumns}, b.getI32Type()), numbers);
}

Value pc::interleaveNarrow(OpBuilder &b, Location loc, Value even, Value odd) {
  SmallVector<int64_t> places;
  for (int64_t i = 0; i < kNarrowColumns; ++i)
    places.append({i, kNarrowColumns + i});
  Value both = roundBoth(b, loc, even, odd);
  return asPairs(b, loc, vector::ShuffleOp::create(b, loc, both, both, places));
}

Value pc::joinNarrow(OpBuilder &b, Location loc, Value first, Value second) {
  return asPairs(b, loc, roundBoth(b, loc, first, second));
}

Value pc::subtractNarrow(OpBuilder &b, Location loc, Value vector) {
  auto narrow = VectorType::get({kNarrowColumns}, b.getBF16Type());
  Value rounded = arith::TruncFOp::create(b, loc, narrow, vector);
  Value wide = arith::ExtFOp::create(b, loc, vector.getType(), rounded);
  return arith::SubFOp::create(b, loc, vector, wide);
}

namespace {
/// Emits one tile.
class TileEmitter {
public:
  TileEmitter(OpBuilder &b, Location loc, const NarrowTile &tile)
      : b(b), loc(loc), tile(tile) {}
  void emitTiles(int64_t rows);
  void emitVectors(int64_t rows);

private:
  Value number(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  /// The address `index` times `scale`, plus `offset`, elements behind.
  Value at(Value pointer, Type element, Value index, int64_t scale,
           int64_t offset = 0) {
    auto behind = [&](LLVM::GEPArg count) -> Value {
      return LLVM::GEPOp::create(b, loc, pointer.getType(), element, pointer,
                                 ArrayRef<LLVM::GEPArg>(count));
    };
    if (index)
      pointer = behind(
          arith::MulIOp::create(b, loc, index, number(scale)).getResult());
    return offset == 0 ? pointer : behind(static_cast<int32_t>(offset));
  }
  SmallVector<Value>
  loop(Value to, ValueRange carried,
       function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    auto op = scf::ForOp::create(
        b, loc, number(0), to, number(1), carried,
        [&](OpBuilder &, Location, Value index, ValueRange values) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToEnd(index.getParentBlock());
          SmallVector<Value> next = body(index, values);
          scf::YieldOp::create(b, loc, next);
        });
    // One block is work enough for a loop: of an unrolled one the addresses
    // would not fit the registers.
    unrollBy(op, 1);
    return llvm::to_vector_of<Value>(op.getResults());
  }
  Value call(StringRef intrinsic, Type result, ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(b, loc, result,
                                         b.getStringAttr(intrinsic), arguments)
        .getResult(0);
  }

  OpBuilder &b;
  Location loc;
  const NarrowTile &tile;
};
} // namespace

void TileEmitter::emitTiles(int64_t rows) {
  Type amx = LLVM::LLVMX86AMXType::get(b.getContext());
  Type bf16 = b.getBF16Type(), f32 = b.getF32Type();
  auto half = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI16IntegerAttr(value));
  };
  Value height = half(kTileRows), bytes = half(64), stride = number(64);
  auto loadTile = [&](Value pointer) {
    return call("llvm.x86.tileloadd64.internal", amx,
                {height, bytes, pointer, stride});
  };
  int64_t rowTiles = rows / kTileRows, panels = tile.panels.size();
  SmallVector<Value> sums;
  for (int64_t i = 0; i < rowTiles * panels; ++i)
    sums.push_back(call("llvm.x86.tilezero.internal", amx, {height, bytes}));
  sums = loop(tile.depthBlocks, sums, [&](Value block, ValueRange carried) {
    SmallVector<Value> right, next(carried);
    for (Value panel : tile.panels)
      right.push_back(
          loadTile(at(panel, bf16, block, kNarrowColumns * kNarrowDepth)));
    for (int64_t part = 0; part < tile.parts; ++part) {
      SmallVector<Value> left;
      for (int64_t i = 0; i < rowTiles; ++i)
        left.push_back(loadTile(
            at(tile.left, bf16, block, tile.parts * kNarrowRows * kNarrowDepth,
               (part * kNarrowRows + i * kTileRows) * kNarrowDepth)));
      for (int64_t i = 0; i < rowTiles; ++i)
        for (int64_t j = 0; j < panels; ++j) {
          Value &sum = next[i * panels + j];
          sum = call("llvm.x86.tdpbf16ps.internal", amx,
                     {height, bytes, bytes, sum, left[i], right[j]});
        }
    }
    return next;
  });
  Value line = number(panels * 64);
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t j = 0; j < panels; ++j)
      LLVM::CallIntrinsicOp::create(
          b, loc, b.getStringAttr("llvm.x86.tilestored64.internal"),
          ValueRange{height, bytes,
                     at(tile.result, f32, Value(), 0,
                        (i * kTileRows * panels + j) * kNarrowColumns),
                     line, sums[i * panels + j]});
}

void TileEmitter::emitVectors(int64_t rows) {
  Type bf16 = b.getBF16Type(), i32 = b.getI32Type();
  auto sumType = VectorType::get({kNarrowColumns}, b.getF32Type());
  auto pairType = VectorType::get({kNarrowDepth}, bf16);
  int64_t panels = tile.panels.size();
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(sumType));
  loop(number(rows / kVectorRows), {}, [&](Value group, ValueRange) {
    Value left = at(tile.left, bf16, group, kVectorRows * kNarrowDepth);
    SmallVector<Value> sums(kVectorRows * panels, zero);
    sums = loop(tile.depthBlocks, sums, [&](Value block, ValueRange outer) {
      Value a = at(left, bf16, block, tile.parts * kNarrowRows * kNarrowDepth);
      SmallVector<Value> rightBlocks;
      for (Value panel : tile.panels)
        rightBlocks.push_back(
            at(panel, bf16, block, kNarrowColumns * kNarrowDepth));
      return loop(
          number(kNarrowDepth / 2), outer, [&](Value pair, ValueRange carried) {
            Value pairs = at(a, bf16, pair, 2);
            SmallVector<Value> right, next(carried);
            for (Value panel : rightBlocks)
              right.push_back(LLVM::LoadOp::create(
                  b, loc, pairType, at(panel, bf16, pair, 2 * kNarrowColumns),
                  64));
            for (int64_t part = 0; part < tile.parts; ++part)
              for (int64_t i = 0; i < kVectorRows; ++i) {
                Value two = LLVM::LoadOp::create(
                    b, loc, i32,
                    at(pairs, bf16, Value(), 0,
                       (part * kNarrowRows + i) * kNarrowDepth),
                    4);
                Value factor = vector::BitCastOp::create(
                    b, loc, pairType,
                    vector::BroadcastOp::create(
                        b, loc, VectorType::get({kNarrowColumns}, i32), two));
                for (int64_t j = 0; j < panels; ++j) {
                  Value &sum = next[i * panels + j];
                  sum = call("llvm.x86.avx512bf16.dpbf16ps.512", sumType,
                             {sum, factor, right[j]});
                }
              }
            return next;
          });
    });
    Value result = at(tile.result, b.getF32Type(), group,
                      kVectorRows * panels * kNarrowColumns);
    for (auto [index, sum] : llvm::enumerate(sums))
      LLVM::StoreOp::create(
          b, loc, sum,
          at(result, b.getF32Type(), Value(), 0, index * kNarrowColumns), 64);
    return SmallVector<Value>();
  });
}

void pc::emitNarrowTile(OpBuilder &b, Location loc, const CPUTarget &target,
                        const NarrowTile &tile, int64_t rows) {
  assert((rows == kTileRows || rows == kNarrowRows) && !tile.panels.empty() &&
         tile.panels.size() <= kNarrowPanels &&
         "a tile is one or two registers each way");
  TileEmitter emitter(b, loc, tile);
  switch (target.getNarrowProducts()) {
  case NarrowProducts::Tiles:
    return emitter.emitTiles(rows);
  case NarrowProducts::Vectors:
    return emitter.emitVectors(rows);
  case NarrowProducts::None:
    llvm_unreachable("pc-emit-cpu has refused this CPU");
  }
}
