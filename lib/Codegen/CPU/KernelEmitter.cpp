//===- KernelEmitter.cpp - Vector code of one group -----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels are loops over vectors on raw pointers. Every element of a
// contraction is one chain of fused multiply-adds in the order of k, every sum
// over samples one chain of additions in the order of the samples, whatever the
// tile, the vector length or the rows of a call: results depend on none of
// them. Row sums add lane by lane and then the lanes pairwise: they depend on
// the vector length. Everything else is strict IEEE arithmetic, never
// contracted.
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"
#include "../Programs.h"
#include "NarrowProduct.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

/// Vector operations of a body; transcendental functions count what they
/// expand to.
static int64_t getBodyCost(linalg::GenericOp op) {
  int64_t cost = 0;
  for (Operation &inner : op.getBody()->without_terminator())
    cost += TypeSwitch<Operation *, int64_t>(&inner)
                .Case<arith::ConstantOp, arith::NegFOp>([](auto) { return 0; })
                .Case<math::ExpOp, math::LogOp, math::Log1pOp, math::TanhOp,
                      math::ErfOp, math::SinOp, math::CosOp, math::PowFOp>(
                    [](auto) { return 24; })
                .Case<arith::DivFOp, math::SqrtOp>([](auto) { return 8; })
                .Default([](Operation *) { return 1; });
  return cost;
}

/// True if `op` is nothing but the transpose of a matrix.
static bool isTranspose(linalg::GenericOp op) {
  if (op.getNumLoops() != 2 || op.getNumReductionLoops() != 0 ||
      op.getNumDpsInputs() != 1 || op.hasDynamicShape())
    return false;
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  return map == AffineMap::getPermutationMap(ArrayRef<unsigned>{1, 0},
                                             op.getContext()) &&
         op.getBody()->getTerminator()->getOperand(0) ==
             op.getBody()->getArgument(0);
}

static_assert(kNarrowDepth == PairsAttr::kRowUnit,
              "a block of k is what a weight is filled to");

/// The operand whose elements are rounded by the kernel, not before it.
static bool isPackedByKernel(OpOperand &operand) {
  return !getElementTypeOrSelf(operand.get()).isBF16();
}

RegisterTile pc::chooseTile(const CPUTarget &target, int64_t rows) {
  // Of the registers a tile leaves one for each vector of B and a few for
  // broadcasts and addresses. Two vectors and eight rows need ten loads for
  // sixteen multiply-adds, which is below what either port can do.
  int64_t most = target.vectorRegisters >= 32 ? 8 : 4;
  int64_t tileRows = std::min<int64_t>(most, llvm::PowerOf2Ceil(rows));
  int64_t accumulators = most * CPUTarget::tileVectors;
  RegisterTile tile{tileRows, std::min<int64_t>(8, accumulators / tileRows),
                    tileRows};
  // Eight sums are as many as two ports with a latency of four cycles have in
  // flight, so that every delay shows. Twelve fit into 16 registers, too, but
  // six rows divide few numbers of samples.
  constexpr int64_t tallRows = 6;
  if (target.vectorRegisters < 32 && tileRows == most &&
      rows >= std::lcm(most, tallRows))
    tile.tallRows = tallRows;
  return tile;
}

/// Columns of a panel of the weight or the result of `contraction`; 0 for none.
static int64_t getPanelColumns(linalg::GenericOp contraction) {
  int64_t columns = 0;
  for (Value matrix :
       {contraction.getDpsInputOperand(1)->get(), contraction.getResult(0)})
    if (auto panels = dyn_cast_or_null<PanelsAttr>(
            cast<RankedTensorType>(matrix.getType()).getEncoding()))
      columns = panels.getColumns();
  return columns;
}

int64_t pc::getColumnUnit(GroupOp group, const CPUTarget &target) {
  int64_t unit = 0;
  group.getBody().walk([&](linalg::GenericOp op) {
    if (getStructuredKind(op) != StructuredKind::Contraction)
      return;
    auto result = cast<RankedTensorType>(op.getResult(0).getType());
    int64_t lanes = target.getLanes(result.getElementTypeBitWidth());
    int64_t width =
        getNarrowParts(op) > 0
            ? kNarrowPanels * kNarrowColumns
            : chooseTile(target, result.getDimSize(0)).vectors * lanes;
    unit = std::max(width, getPanelColumns(op));
  });
  return unit;
}

/// Rows of the left operand that are packed at a time: enough tiles for the
/// packing of a column of the right one to pay.
static constexpr int64_t kPackedRows = 64;

/// Whether to copy parts of the operands of a sum over samples. Rows of both
/// are far apart, often by a power of two, and meet in few sets of the caches:
/// the copies do not.
static bool isPacked(linalg::GenericOp contraction, StageKind stage,
                     int64_t maxBatch) {
  // With larger batches the copies leave the caches too.
  constexpr int64_t mostSamples = 1024;
  // What is copied of the left one serves all columns.
  constexpr int64_t leastColumns = 256;
  SmallVector<int64_t> ranges = contraction.getStaticLoopRanges();
  AffineMap left =
      contraction.getMatchingIndexingMap(contraction.getDpsInputOperand(0));
  bool rowsTogether =
      left.getResults().back() == getAffineDimExpr(0, contraction.getContext());
  return stage == StageKind::Params && ShapedType::isDynamic(ranges[2]) &&
         rowsTogether && maxBatch <= mostSamples &&
         ranges[0] >= 8 * kPackedRows && ranges[1] >= leastColumns;
}

namespace {
/// Sums that are added up in parts: so many terms in one go, for so many
/// columns at a time.
struct PartialSums {
  int64_t terms = 0, columns = 0;
  explicit operator bool() const { return terms > 0; }
};
} // namespace

/// Parts of sums, so that the part of the weight that all rows of a block of
/// samples use stays in the first-level cache; none where the block stays in
/// the second level with what else is there.
static PartialSums choosePartialSums(linalg::GenericOp contraction,
                                     StageKind stage, const CPUTarget &target) {
  SmallVector<int64_t> ranges = contraction.getStaticLoopRanges();
  int64_t rows = ranges[0], columns = ranges[1], depth = ranges[2];
  // The rows of a cut of a params stage are not known here.
  if (stage == StageKind::Params || ShapedType::isDynamic(depth))
    return {};
  Type elementType = getElementTypeOrSelf(contraction.getResult(0));
  int64_t elementBytes = elementType.getIntOrFloatBitWidth() / 8;
  int64_t lanes = target.getLanes(elementType.getIntOrFloatBitWidth());
  RegisterTile tile = chooseTile(target, rows);
  if (rows <= tile.rows ||
      rows * depth * elementBytes < int64_t(target.l2Bytes / 4))
    return {};
  int64_t termBytes = (tile.vectors * lanes + tile.rows) * elementBytes;
  int64_t terms = llvm::alignDown(target.l1Bytes * 3 / 4 / termBytes, 32);
  if (depth < 2 * terms)
    return {};
  int64_t step = std::max(tile.vectors * lanes, getPanelColumns(contraction));
  constexpr int64_t mostBytes = 64 * 1024;
  int64_t span = std::clamp<int64_t>(
      llvm::alignDown(mostBytes / (rows * elementBytes), step), step,
      llvm::alignTo(columns, step));
  return {terms, span};
}

int64_t pc::getScratchBytes(GroupOp group, StageKind stage, int64_t maxBatch,
                            const CPUTarget &target) {
  int64_t bytes = 0;
  group.getBody().walk([&](linalg::GenericOp op) {
    if (getStructuredKind(op) != StructuredKind::Contraction)
      return;
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    if (getNarrowParts(op) > 0) {
      int64_t depth =
          llvm::alignTo(ShapedType::isDynamic(ranges[2]) ? maxBatch : ranges[2],
                        kNarrowDepth);
      // See emitNarrowContraction.
      int64_t lines = stage == StageKind::Samples
                          ? llvm::alignTo(ranges[0], kNarrowRows)
                          : kNarrowGradientRows;
      lines *= getNarrowParts(op);
      if (isPackedByKernel(*op.getDpsInputOperand(1)))
        lines += llvm::alignTo(ranges[1], kNarrowColumns);
      bytes = std::max<int64_t>(bytes, lines * depth * 2);
      return;
    }
    Type elementType = getElementTypeOrSelf(op.getResult(0));
    int64_t elementBytes = elementType.getIntOrFloatBitWidth() / 8;
    if (isPacked(op, stage, maxBatch)) {
      int64_t columns = chooseTile(target, ranges[0]).vectors *
                        target.getLanes(elementType.getIntOrFloatBitWidth());
      bytes = (kPackedRows + columns) * maxBatch * elementBytes;
    } else if (PartialSums parts = choosePartialSums(op, stage, target)) {
      bytes = ranges[0] * parts.columns * elementBytes;
    }
  });
  return bytes;
}

GroupCost pc::estimateCost(GroupOp group, StageKind stage,
                           const CPUTarget &target) {
  GroupCost cost;
  double flops = 0, perSample = 0;
  bool whole = false;
  group.getBody().walk([&](linalg::GenericOp op) {
    double elements = 1;
    for (int64_t dim : getSpace(op))
      elements *= dim;
    auto result = cast<RankedTensorType>(op.getResult(0).getType());
    StructuredKind kind = getStructuredKind(op);
    switch (kind) {
    case StructuredKind::Contraction: {
      int64_t depth = op.getStaticLoopRanges()[2];
      if (ShapedType::isDynamic(depth))
        perSample += 2 * elements;
      else
        flops += 2 * elements * depth;
      cost.rowUnit = getNarrowParts(op) > 0
                         ? kNarrowGradientRows
                         : chooseTile(target, result.getDimSize(0)).getPeriod();
      break;
    }
    case StructuredKind::BatchReduction:
      perSample += elements;
      break;
    case StructuredKind::Elementwise:
      if (isNarrowing(op))
        cost.rowUnit = kNarrowDepth;
      if (isTranspose(op)) {
        // A shuffle for each element and level of the network.
        flops += 4 * elements;
        cost.rowUnit = target.getLanes(result.getElementTypeBitWidth());
      }
      [[fallthrough]];
    case StructuredKind::RowReduction:
    case StructuredKind::Update:
      flops += elements * getBodyCost(op);
      break;
    }
    cost.rows = result.getRank() == 0 ? 1 : result.getDimSize(0);
    whole |=
        kind == StructuredKind::Update ||
        (kind == StructuredKind::RowReduction && op.getNumParallelLoops() == 0);
  });
  if (whole)
    cost.rowUnit = cost.rows;
  // Each array is moved once.
  double bytes = 0, sampleBytes = 0;
  auto addBytes = [&](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return;
    double size = tensor.getElementTypeBitWidth() / 8.0;
    bool batched = false;
    for (int64_t dim : tensor.getShape()) {
      if (ShapedType::isDynamic(dim))
        batched = true;
      else
        size *= dim;
    }
    (batched ? sampleBytes : bytes) += size;
  };
  for (Type type : group->getOperandTypes())
    addBytes(type);
  for (Type type : group->getResultTypes())
    addBytes(type);
  if (stage == StageKind::Samples) {
    // Everything happens per row; weights stay in the cache.
    double rows = std::max<int64_t>(cost.rows, 1);
    cost.flopsPerSample = flops / rows;
    cost.bytesPerSample = bytes / rows;
  } else {
    cost.flopsBase = flops;
    cost.flopsPerSample = perSample;
    cost.bytesBase = bytes;
    cost.bytesPerSample = sampleBytes;
  }
  return cost;
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

namespace {

/// Elements of an array as a linear function of the indices of the space, or of
/// a matrix in panels as a function of two of them.
struct Access {
  Value pointer;
  Type element;
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  /// Columns of a panel, 0 for none; the matrix's size and its two indices.
  int64_t panel = 0;
  int64_t rows = 0, columns = 0;
  unsigned rowDim = 0, columnDim = 0;
};

/// Columns that a contraction computes, in their panel: it begins at column
/// `start`, they begin `within` behind it, and the matrix has `span` columns
/// from `start` on, or more, in whole panels.
struct Columns {
  Value start;
  int64_t within;
  int64_t span;
};

/// Terms of a contraction's sums that are added in one go, k from `from` to
/// `to`, and where their factors are.
struct Terms {
  Terms(Value from, Value to) : from(from), to(to) {}
  Value from, to;
  /// Where the sums of the terms before these are, tiles of the columns from
  /// `firstColumn` to `endColumn`, each with its rows after one another; or
  /// null if these are all terms.
  Value partials, firstColumn, endColumn;
  /// No more terms follow.
  bool last = true;
  /// Copies of the operands in the order in which tiles read them, or null: of
  /// the left one the rows from `firstRow` on, of the right one the columns at
  /// hand.
  Value packedLeft, firstRow, packedRight;
};

/// The panel that a point's columns are in.
struct Panel {
  Value start;
  int64_t width;
};

/// One loop of a nest: consecutive dimensions of the space, merged.
struct Loop {
  int64_t extent;
  bool reduction;
  /// Contains the space's first dimension, of which the caller names the rows;
  /// how many elements of the loop one row has.
  bool rows = false;
  int64_t elementsPerRow = 1;
};

/// A mask for the elements of a vector that exist. Null: all.
struct Lanes {
  Value mask;
  /// Number of elements if it is known; -1 otherwise.
  int64_t count = -1;
};

class KernelEmitter {
public:
  KernelEmitter(GroupOp group, StageKind stage, const KernelBinding &binding,
                int64_t maxBatch, const CPUTarget &target,
                LLVM::LLVMFuncOp func);
  void run();

private:
  // Small pieces of code.
  Value number(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value add(Value lhs, Value rhs) {
    return arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value scaled(Value value, int64_t factor) {
    return factor == 1 ? value
                       : arith::MulIOp::create(b, loc, value, number(factor));
  }
  VectorType vectorOf(Type element) {
    return VectorType::get({lanes}, element);
  }
  Value splat(Value scalar) {
    return vector::BroadcastOp::create(b, loc, vectorOf(scalar.getType()),
                                       scalar);
  }
  Value element(Value pointer, Type type, Value index) {
    return LLVM::GEPOp::create(b, loc, pointer.getType(), type, pointer,
                               ArrayRef<LLVM::GEPArg>{index});
  }
  Value elementAt(Value pointer, Type type, int64_t index) {
    if (index == 0)
      return pointer;
    return LLVM::GEPOp::create(
        b, loc, pointer.getType(), type, pointer,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
  }
  unsigned alignmentOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }
  Value load(Type type, Value pointer, const Lanes &active);
  void store(Value value, Value pointer, const Lanes &active);
  Lanes firstLanes(int64_t count);
  Lanes firstLanes(Value count);
  scf::ForOp loop(Value from, Value to, int64_t step, ValueRange carried,
                  function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void ifLess(Value lhs, Value rhs, function_ref<void()> body);

  // Accesses and bodies.
  Access getAccess(Value pointer, RankedTensorType type, AffineMap map,
                   unsigned rank);
  Value getPointer(Value arrayInGroup);
  Value getAddress(const Access &access, ArrayRef<Value> indices);
  Value getPanelAddress(const Access &access, Value row, Value column);
  Value getPanelWidth(const Access &access, Value column);
  bool flattenPanels();
  Value loadElements(const Access &access, ArrayRef<Value> indices,
                     const Lanes &active);
  Value loadColumn(Type type, const Lanes &active,
                   function_ref<Value(int64_t)> address);
  Value getScalar(Value value);
  SmallVector<Value> emitBody(linalg::GenericOp op, ArrayRef<Value> arguments,
                              ArrayRef<Value> indices);
  /// Computes the element-wise operations for one vector and stores results.
  /// `known` has the values that roots have there already.
  void emitPoint(ArrayRef<Value> indices, const Lanes &active,
                 llvm::DenseMap<Value, Value> known,
                 SmallVectorImpl<Value> *accumulators = nullptr);
  /// Asks for what emitPoint will load there.
  void prefetchPoint(ArrayRef<Value> indices);
  Value combineLanes(linalg::GenericOp reduction, Value lanesOfSum);

  // Kinds of kernels.
  void prepareSpace(bool mergeLoops);
  void emitNest();
  void emitLoops(unsigned depth, SmallVector<Value> indices,
                 SmallVectorImpl<Value> &accumulators);
  void emitBatchReduction(ArrayRef<Value> indices, const Lanes &active);
  void emitContraction();
  /// Access of the contraction's left (0) or right (1) operand: row, column and
  /// term.
  Access getRootAccess(unsigned operand) {
    OpOperand *use = root.getDpsInputOperand(operand);
    return getAccess(getPointer(use->get()),
                     cast<RankedTensorType>(use->get().getType()),
                     root.getMatchingIndexingMap(use), 3);
  }
  void emitPackedContraction(const RegisterTile &tile);
  void packLeft(const RegisterTile &tile, Value packed);
  void packRight(const RegisterTile &tile, const Columns &columns,
                 int64_t vectors, int64_t lastCount, Value packed);
  void emitContractionInParts(const RegisterTile &tile,
                              const PartialSums &parts);
  void emitAllColumns(const RegisterTile &tile, Value from, Value to,
                      const Terms &terms);
  /// Steps of at most `width` columns of [from, to), in whole panels.
  void forColumns(int64_t width, Value from, Value to,
                  function_ref<void(const Columns &, int64_t)> body);
  Panel getPanel(const Columns &columns, int64_t behind);
  void emitColumns(const RegisterTile &tile, const Columns &columns,
                   int64_t count, const Terms &terms);
  Value getTallEnd(const RegisterTile &tile);
  /// Of a packed tile of `rows` rows the distance of terms.
  static int64_t getPackedRows(const RegisterTile &tile, int64_t rows) {
    return rows == tile.tallRows ? tile.tallRows : tile.rows;
  }
  void forRowTiles(const RegisterTile &tile,
                   function_ref<void(Value, int64_t)> body);
  void forRows(Value from, int64_t unit, int64_t rest,
               function_ref<void(Value, int64_t)> body);
  /// Blocks of `count` rows, the last one with what there is: their first row
  /// and the one behind them.
  void forRowBlocks(Value from, Value to, int64_t count,
                    function_ref<void(Value, Value)> body);
  void emitTile(const RegisterTile &tile, Value row, const Columns &columns,
                int64_t tileRows, int64_t vectors, int64_t lastCount,
                const Terms &terms);
  void prefetch(Value address);
  /// What a tile asks for so that the next panel of the weight is near when its
  /// turn comes: for term k of the tile `elements` from `address` + k *
  /// `elements` on, or nothing. With a `shift`, (k + `passed`) >> `shift` takes
  /// the place of k.
  struct Ahead {
    Value address;
    int64_t elements = 0;
    Value passed = {}, shift = {};
  };
  Ahead getAhead(const RegisterTile &tile, Value row, int64_t tileRows,
                 const Columns &columns, const Access &weight,
                 const Terms &terms);
  void emitNarrowContraction();
  /// The memory of getScratchBytes.
  Value getScratch() {
    assert(binding.scratch && "the kernel was given memory of the worker's");
    return func.getArgument(func.getNumArguments() - (binding.columns ? 7 : 5));
  }
  /// How many products one element of the contraction adds up.
  Value getDepth() {
    int64_t depth = root.getStaticLoopRanges()[2];
    return ShapedType::isDynamic(depth) ? samples : number(depth);
  }
  /// The same in whole blocks of bfloat16.
  Value getPaddedDepth() {
    return arith::AndIOp::create(b, loc,
                                 add(getDepth(), number(kNarrowDepth - 1)),
                                 number(-kNarrowDepth));
  }
  void roundLeft(const Access &a, Value row, Value end, Value to);
  void roundRight(const Access &w, Value to);
  void emitNarrowing();
  /// Runs `body` for every block of k, and whether rows of it are missing.
  void forDepthBlocks(Value depth, function_ref<void(Value, bool)> body);
  Lanes rowLanes(Value row, Value rows, const Lanes &active);
  void emitUpdates();
  void emitTranspose();
  /// One block of the result, of at most `lanes` by `lanes` elements.
  void emitTransposeBlock(Value row, Value column, int64_t rows,
                          int64_t columns);

  GroupOp group;
  StageKind stage;
  const KernelBinding &binding;
  int64_t maxBatch;
  const CPUTarget &target;
  LLVM::LLVMFuncOp func;
  OpBuilder b;
  Location loc;

  SmallVector<linalg::GenericOp> ops;
  /// The contraction or the sum over samples, if there is one.
  linalg::GenericOp root;
  SmallVector<linalg::GenericOp> rowReductions;
  Type elementType;
  int64_t lanes;
  Value low, high, first, samples;
  /// Columns [firstColumn, endColumn) of a contraction are to be computed.
  Value firstColumn, endColumn;
  SmallVector<int64_t> space;
  SmallVector<Loop> loops;
  /// Accesses of operands of operations, and of results that leave the group.
  llvm::DenseMap<std::pair<Operation *, unsigned>, Access> operandAccess;
  SmallVector<std::pair<Value, Access>> results;
  /// Memory for a tile whose epilogue is a loop; null when it has none.
  Value tileMemory;
  /// Columns of a panel of the contraction's weight or result; 0 for none.
  int64_t panelColumns = 0;
  /// Where the point that is being emitted lies in matrices in panels, if that
  /// is known; they all have the columns of the space.
  std::optional<Panel> panel;
};

} // namespace

KernelEmitter::KernelEmitter(GroupOp group, StageKind stage,
                             const KernelBinding &binding, int64_t maxBatch,
                             const CPUTarget &target, LLVM::LLVMFuncOp func)
    : group(group), stage(stage), binding(binding), maxBatch(maxBatch),
      target(target), func(func), b(func.getContext()), loc(group.getLoc()) {
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    ops.push_back(op);
    StructuredKind kind = getStructuredKind(op);
    if (kind == StructuredKind::Contraction ||
        kind == StructuredKind::BatchReduction)
      root = op;
    else if (kind == StructuredKind::RowReduction)
      rowReductions.push_back(op);
  }
  // What is made in f32 and rounded in the end is computed in f32.
  elementType = getElementTypeOrSelf(
      isNarrowing(ops.front()) ? ops.front().getDpsInputOperand(0)->get()
                               : ops.front().getResult(0));
  lanes = target.getLanes(elementType.getIntOrFloatBitWidth());
  space = getSpace(root                    ? root
                   : rowReductions.empty() ? ops.front()
                                           : rowReductions.front());
}

//===----------------------------------------------------------------------===//
// Small pieces of code
//===----------------------------------------------------------------------===//

Lanes KernelEmitter::firstLanes(int64_t count) {
  if (count >= lanes)
    return {};
  SmallVector<bool> bits(lanes, false);
  std::fill(bits.begin(), bits.begin() + count, true);
  Value mask = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(vectorOf(b.getI1Type()), bits));
  return {mask, count};
}

Lanes KernelEmitter::firstLanes(Value count) {
  Value index = arith::IndexCastOp::create(b, loc, b.getIndexType(), count);
  return {vector::CreateMaskOp::create(b, loc, vectorOf(b.getI1Type()), index),
          -1};
}

Value KernelEmitter::load(Type type, Value pointer, const Lanes &active) {
  VectorType vector = vectorOf(type);
  if (!active.mask)
    return LLVM::LoadOp::create(b, loc, vector, pointer, alignmentOf(type));
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(vector));
  return LLVM::MaskedLoadOp::create(b, loc, vector, pointer, active.mask, zero,
                                    alignmentOf(type));
}

void KernelEmitter::store(Value value, Value pointer, const Lanes &active) {
  unsigned alignment = alignmentOf(getElementTypeOrSelf(value));
  if (!active.mask)
    LLVM::StoreOp::create(b, loc, value, pointer, alignment);
  else
    LLVM::MaskedStoreOp::create(b, loc, value, pointer, active.mask, alignment);
}

scf::ForOp
KernelEmitter::loop(Value from, Value to, int64_t step, ValueRange carried,
                    function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  return buildLoop(b, loc, from, to, number(step), carried, body);
}

void KernelEmitter::ifLess(Value lhs, Value rhs, function_ref<void()> body) {
  Value less =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lhs, rhs);
  auto branch = scf::IfOp::create(b, loc, less, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

//===----------------------------------------------------------------------===//
// Accesses and bodies
//===----------------------------------------------------------------------===//

Access KernelEmitter::getAccess(Value pointer, RankedTensorType type,
                                AffineMap map, unsigned rank) {
  Access access{pointer, type.getElementType(), SmallVector<int64_t>(rank, 0)};
  if (auto panels = dyn_cast_or_null<PanelsAttr>(type.getEncoding())) {
    access.panel = panels.getColumns();
    assert(access.panel % lanes == 0 && "vectors do not cross panels");
    access.rows = type.getDimSize(0);
    access.columns = type.getDimSize(1);
    access.rowDim = map.getDimPosition(0);
    access.columnDim = map.getDimPosition(1);
    return access;
  }
  int64_t stride = 1;
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    addLinear(map.getResult(dim), stride, access.strides, access.offset);
    // Only the first dimension, of samples, can be dynamic.
    if (!type.isDynamicDim(dim))
      stride *= type.getDimSize(dim);
  }
  return access;
}

/// The pointer of an array that the group reads, null when the group made it.
Value KernelEmitter::getPointer(Value array) {
  auto argument = dyn_cast<BlockArgument>(array);
  if (!argument)
    return {};
  return func.getArgument(binding.operandPointers[argument.getArgNumber()]);
}

/// Columns of the panel that has `column`: the last one may have fewer.
Value KernelEmitter::getPanelWidth(const Access &access, Value column) {
  if (panel && access.columnDim == 1)
    return number(panel->width);
  int64_t rest = access.columns % access.panel;
  if (rest == 0)
    return number(access.panel);
  Value whole = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, column,
                                      number(access.columns - rest));
  return arith::SelectOp::create(b, loc, whole, number(access.panel),
                                 number(rest));
}

Value KernelEmitter::getPanelAddress(const Access &access, Value row,
                                     Value column) {
  Value start =
      panel && access.columnDim == 1
          ? panel->start
          : arith::AndIOp::create(b, loc, column, number(-access.panel));
  Value line =
      arith::MulIOp::create(b, loc, row, getPanelWidth(access, column));
  Value within = arith::SubIOp::create(b, loc, column, start);
  Value index = add(add(scaled(start, access.rows), within), line);
  return element(access.pointer, access.element, index);
}

Value KernelEmitter::getAddress(const Access &access, ArrayRef<Value> indices) {
  if (access.panel)
    return getPanelAddress(access, indices[access.rowDim],
                           indices[access.columnDim]);
  Value index;
  for (auto [value, stride] : llvm::zip_equal(indices, access.strides)) {
    if (stride == 0)
      continue;
    Value term = scaled(value, stride);
    index = index ? add(index, term) : term;
  }
  Value pointer = access.pointer;
  if (index)
    pointer = element(pointer, access.element, index);
  return elementAt(pointer, access.element, access.offset);
}

Value KernelEmitter::loadElements(const Access &access, ArrayRef<Value> indices,
                                  const Lanes &active) {
  Value address = getAddress(access, indices);
  int64_t stride = access.strides.empty() ? 0 : access.strides.back();
  if (access.panel && access.columnDim + 1 == indices.size())
    stride = 1;
  if (stride == 1)
    return load(access.element, address, active);
  if (access.panel) {
    assert(access.rowDim + 1 == indices.size() && "a matrix or its transpose");
    return loadColumn(access.element, active, [&](int64_t lane) {
      Value width = getPanelWidth(access, indices[access.columnDim]);
      return element(address, access.element, scaled(width, lane));
    });
  }
  if (stride == 0)
    return splat(LLVM::LoadOp::create(b, loc, access.element, address,
                                      alignmentOf(access.element)));
  return loadColumn(access.element, active, [&](int64_t lane) {
    return elementAt(address, access.element, lane * stride);
  });
}

/// A column: element by element, no further than the array reaches.
Value KernelEmitter::loadColumn(Type type, const Lanes &active,
                                function_ref<Value(int64_t)> address) {
  Value result =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(type)));
  if (active.mask && active.count < 0) {
    // A column along the samples.
    Value addresses = LLVM::PoisonOp::create(
        b, loc, vectorOf(LLVM::LLVMPointerType::get(b.getContext())));
    for (int64_t lane = 0; lane < lanes; ++lane)
      addresses = LLVM::InsertElementOp::create(b, loc, addresses,
                                                address(lane), number(lane));
    return LLVM::masked_gather::create(b, loc, result.getType(), addresses,
                                       active.mask, result, alignmentOf(type));
  }
  int64_t count = active.mask ? active.count : lanes;
  for (int64_t lane = 0; lane < count; ++lane) {
    Value scalar =
        LLVM::LoadOp::create(b, loc, type, address(lane), alignmentOf(type));
    result = vector::InsertOp::create(b, loc, scalar, result, lane);
  }
  return result;
}

/// A scalar that a body reads from outside of it: an operand of the group.
Value KernelEmitter::getScalar(Value value) {
  auto argument = cast<BlockArgument>(value);
  assert(argument.getOwner() == &group.getBody().front() &&
         "bodies read scalars of their group only");
  unsigned scalar = binding.pointerCount;
  for (unsigned i = 0; i < argument.getArgNumber(); ++i)
    scalar += binding.operandPointers[i] < 0;
  return func.getArgument(scalar);
}

SmallVector<Value> KernelEmitter::emitBody(linalg::GenericOp op,
                                           ArrayRef<Value> arguments,
                                           ArrayRef<Value> indices) {
  llvm::DenseMap<Value, Value> values;
  for (auto [argument, value] :
       llvm::zip(op.getBody()->getArguments(), arguments))
    values[argument] = value;
  auto lookup = [&](Value value) -> Value {
    Value &vector = values[value];
    if (vector)
      return vector;
    Attribute constant;
    if (matchPattern(value, m_Constant(&constant)))
      vector = arith::ConstantOp::create(
          b, loc, DenseElementsAttr::get(vectorOf(value.getType()), constant));
    else
      vector = splat(getScalar(value));
    return vector;
  };
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (inner.hasTrait<OpTrait::ConstantLike>())
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      // Along the vector the index counts up. Rows count from the batch's first
      // sample.
      int64_t dim = index.getDim();
      Value base = indices[dim];
      if (dim == 0 && stage == StageKind::Samples)
        base = add(base, first);
      base = arith::IndexCastOp::create(b, loc, b.getIndexType(), base);
      base = splat(base);
      if (dim + 1 == static_cast<int64_t>(indices.size()))
        base = arith::AddIOp::create(
            b, loc, base,
            vector::StepOp::create(b, loc, vectorOf(b.getIndexType())));
      values[index.getResult()] = base;
      continue;
    }
    SmallVector<Value> operands;
    for (Value operand : inner.getOperands())
      operands.push_back(lookup(operand));
    SmallVector<Type> types;
    for (Type type : inner.getResultTypes())
      types.push_back(vectorOf(type));
    Operation *vector =
        b.create(inner.getLoc(), inner.getName().getIdentifier(), operands,
                 types, inner.getAttrs());
    for (auto [from, to] :
         llvm::zip_equal(inner.getResults(), vector->getResults()))
      values[from] = to;
  }
  SmallVector<Value> yielded;
  for (Value value : op.getBody()->getTerminator()->getOperands())
    yielded.push_back(lookup(value));
  return yielded;
}

void KernelEmitter::emitPoint(ArrayRef<Value> indices, const Lanes &active,
                              llvm::DenseMap<Value, Value> known,
                              SmallVectorImpl<Value> *accumulators) {
  llvm::DenseMap<std::pair<Value, AffineMap>, Value> loaded;
  unsigned nextReduction = 0;
  for (linalg::GenericOp op : ops) {
    if (op == root)
      continue;
    bool reduction = getStructuredKind(op) == StructuredKind::RowReduction;
    SmallVector<Value> arguments;
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (Value value = known.lookup(input->get())) {
        arguments.push_back(value);
        continue;
      }
      Value &value = loaded[{input->get(), op.getMatchingIndexingMap(input)}];
      if (!value)
        value = loadElements(operandAccess[{op, input->getOperandNumber()}],
                             indices, active);
      arguments.push_back(value);
    }
    if (reduction)
      arguments.push_back((*accumulators)[nextReduction]);
    SmallVector<Value> values = emitBody(op, arguments, indices);
    if (reduction) {
      Value &sum = (*accumulators)[nextReduction++];
      sum = active.mask ? arith::SelectOp::create(b, loc, active.mask,
                                                  values.front(), sum)
                        : values.front();
      continue;
    }
    for (auto [result, value] : llvm::zip_equal(op->getResults(), values))
      known[result] = value;
  }
  // Everything is read before anything is written: results may replace what
  // they were computed from.
  for (auto &[result, access] : results)
    if (getStructuredKind(result.getDefiningOp<linalg::GenericOp>()) !=
        StructuredKind::RowReduction)
      store(known.lookup(result), getAddress(access, indices), active);
}

void KernelEmitter::prefetchPoint(ArrayRef<Value> indices) {
  llvm::SmallDenseSet<std::pair<Value, AffineMap>> seen;
  for (linalg::GenericOp op : ops) {
    if (op == root)
      continue;
    for (OpOperand *input : op.getDpsInputOperands()) {
      auto found = operandAccess.find({op, input->getOperandNumber()});
      if (found == operandAccess.end() ||
          !seen.insert({input->get(), op.getMatchingIndexingMap(input)}).second)
        continue;
      const Access &access = found->second;
      bool matrix = access.panel ? access.columnDim + 1 == indices.size()
                                 : access.strides.front() != 0 &&
                                       access.strides.back() == 1;
      if (matrix)
        prefetch(getAddress(access, indices));
    }
  }
}

/// Sum (or maximum) of the lanes, pairwise.
Value KernelEmitter::combineLanes(linalg::GenericOp reduction, Value value) {
  Operation *last =
      reduction.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  bool maximum = isa<arith::MaximumFOp>(last);
  for (int64_t width = lanes / 2; width >= 1; width /= 2) {
    SmallVector<int64_t> lower = llvm::to_vector(llvm::seq<int64_t>(0, width));
    SmallVector<int64_t> upper =
        llvm::to_vector(llvm::seq<int64_t>(width, 2 * width));
    Value left = vector::ShuffleOp::create(b, loc, value, value, lower);
    Value right = vector::ShuffleOp::create(b, loc, value, value, upper);
    value = maximum ? arith::MaximumFOp::create(b, loc, left, right).getResult()
                    : arith::AddFOp::create(b, loc, left, right).getResult();
  }
  return vector::ExtractOp::create(b, loc, value, 0);
}

//===----------------------------------------------------------------------===//
// Nests: element-wise work, row reductions, sums over samples
//===----------------------------------------------------------------------===//

void KernelEmitter::prepareSpace(bool mergeLoops) {
  // A number is a row with one element.
  unsigned rank = space.size();
  for (linalg::GenericOp op : ops) {
    bool batch = getStructuredKind(op) == StructuredKind::BatchReduction;
    if (getStructuredKind(op) == StructuredKind::Contraction)
      continue;
    for (OpOperand *input : op.getDpsInputOperands())
      if (Value pointer = getPointer(input->get()))
        operandAccess[{op, input->getOperandNumber()}] = getAccess(
            pointer, cast<RankedTensorType>(input->get().getType()),
            op.getMatchingIndexingMap(input), batch ? rank + 1 : rank);
  }
  auto yield = cast<YieldOp>(group.getBody().front().getTerminator());
  for (auto [index, value] : llvm::enumerate(yield.getValues())) {
    auto op = value.getDefiningOp<linalg::GenericOp>();
    assert(op && "a group yields results of its operations");
    AffineMap map = op.getIndexingMapMatchingResult(cast<OpResult>(value));
    // Loops of the space in front, reduced ones behind them or dropped.
    if (op == root)
      map = AffineMap::getMultiDimIdentityMap(rank, op.getContext());
    results.push_back(
        {value, getAccess(func.getArgument(binding.resultPointers[index]),
                          cast<RankedTensorType>(value.getType()), map, rank)});
  }

  unsigned parallel = rowReductions.empty()
                          ? rank
                          : rowReductions.front().getNumParallelLoops();
  for (unsigned dim = 0; dim < rank; ++dim)
    loops.push_back({space[dim], dim >= parallel, dim == 0 && parallel > 0, 1});
  if (!mergeLoops || !flattenPanels())
    return;

  // Merge neighbours that every access walks through as one.
  SmallVector<Access *> accesses;
  for (auto &entry : operandAccess)
    accesses.push_back(&entry.second);
  for (auto &[value, access] : results)
    accesses.push_back(&access);
  auto strideOf = [&](Access *access, unsigned loop) -> int64_t & {
    // A sum over samples has the samples as its first loop.
    return access->strides[access->strides.size() - loops.size() + loop];
  };
  for (int64_t outer = static_cast<int64_t>(loops.size()) - 2; outer >= 0;
       --outer) {
    Loop &left = loops[outer], &right = loops[outer + 1];
    bool merges = left.reduction == right.reduction &&
                  llvm::all_of(accesses, [&](Access *access) {
                    return right.extent == 1 ||
                           strideOf(access, outer) ==
                               strideOf(access, outer + 1) * right.extent;
                  });
    if (!merges)
      continue;
    // A loop of one element has any stride.
    for (Access *access : accesses) {
      int64_t stride = right.extent == 1 ? strideOf(access, outer)
                                         : strideOf(access, outer + 1);
      access->strides.erase(access->strides.end() - loops.size() + outer);
      access->strides[access->strides.size() - (loops.size() - 1) + outer] =
          stride;
    }
    left.extent *= right.extent;
    left.elementsPerRow *= right.extent;
    loops.erase(loops.begin() + outer + 1);
  }
}

/// Where all arrays are in the same panels (or have no element of their own for
/// each point), their order does not matter: makes them matrices by rows. False
/// where some are and some are not.
bool KernelEmitter::flattenPanels() {
  SmallVector<Access *> accesses;
  for (auto &entry : operandAccess)
    accesses.push_back(&entry.second);
  for (auto &[value, access] : results)
    accesses.push_back(&access);
  if (llvm::none_of(accesses, [](Access *access) { return access->panel; }))
    return true;
  bool alike = llvm::all_of(accesses, [](Access *access) {
    return access->panel
               ? access->rowDim == 0 && access->columnDim == 1
               : llvm::all_equal(access->strides) &&
                     (access->strides.empty() || access->strides.front() == 0);
  });
  if (!alike)
    return false;
  for (Access *access : accesses)
    if (access->panel) {
      access->panel = 0;
      access->strides[0] = access->columns;
      access->strides[1] = 1;
    }
  return true;
}

void KernelEmitter::emitNest() {
  bool indexed = false;
  group.getBody().walk([&](linalg::IndexOp) { indexed = true; });
  prepareSpace(/*mergeLoops=*/!indexed);
  if (loops.empty()) {
    // A number: one lane of a vector.
    loops.push_back({1, false, false, 1});
    for (auto &entry : operandAccess)
      entry.second.strides.push_back(1);
    for (auto &[value, access] : results)
      access.strides.push_back(1);
  }
  SmallVector<Value> accumulators;
  emitLoops(0, {}, accumulators);
}

void KernelEmitter::emitLoops(unsigned depth, SmallVector<Value> indices,
                              SmallVectorImpl<Value> &accumulators) {
  const Loop &current = loops[depth];
  bool starts =
      current.reduction && (depth == 0 || !loops[depth - 1].reduction);
  if (starts) {
    // Sums start from what the operation's result starts from.
    for (linalg::GenericOp op : rowReductions) {
      auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
      Attribute initial;
      bool matched = matchPattern(fill.getInputs()[0], m_Constant(&initial));
      assert(matched && "reductions start from a constant");
      (void)matched;
      accumulators.push_back(arith::ConstantOp::create(
          b, loc, DenseElementsAttr::get(vectorOf(elementType), initial)));
    }
  }
  Value from = current.rows ? scaled(low, current.elementsPerRow) : number(0);
  Value to = current.rows ? scaled(high, current.elementsPerRow)
                          : number(current.extent);

  auto inner = [&](Value index, ValueRange carried, const Lanes *active) {
    SmallVector<Value> next(carried);
    SmallVector<Value> here(indices);
    here.push_back(index);
    if (!active)
      emitLoops(depth + 1, here, next);
    else if (root)
      emitBatchReduction(here, *active);
    else
      emitPoint(here, *active, llvm::DenseMap<Value, Value>(), &next);
    return next;
  };
  auto replace = [&](ValueRange values) {
    accumulators.assign(values.begin(), values.end());
  };
  if (depth + 1 < loops.size()) {
    bool carries = current.reduction;
    auto op =
        loop(from, to, 1, carries ? ValueRange(accumulators) : ValueRange(),
             [&](Value index, ValueRange carried) {
               SmallVector<Value> next = inner(index, carried, nullptr);
               return carries ? next : SmallVector<Value>();
             });
    if (carries)
      replace(op.getResults());
  } else {
    // Whole vectors, then what is left under a mask.
    Lanes all;
    Value whole;
    int64_t rest = current.extent % lanes;
    bool dynamicRest = current.rows && current.elementsPerRow % lanes != 0;
    if (current.rows) {
      rest = 0;
      Value count = arith::SubIOp::create(b, loc, to, from);
      Value tail = arith::RemUIOp::create(b, loc, count, number(lanes));
      whole = dynamicRest ? arith::SubIOp::create(b, loc, to, tail).getResult()
                          : to;
    } else {
      whole = number(current.extent - rest);
    }
    if (current.rows || current.extent >= lanes)
      replace(loop(from, whole, lanes, accumulators,
                   [&](Value index, ValueRange carried) {
                     return inner(index, carried, &all);
                   })
                  .getResults());
    if (rest > 0) {
      Lanes tail = firstLanes(rest);
      replace(inner(whole, accumulators, &tail));
    }
    if (dynamicRest) {
      assert(accumulators.empty() && "rows are not reduced");
      ifLess(whole, to, [&]() {
        Lanes tail =
            firstLanes(arith::SubIOp::create(b, loc, to, whole).getResult());
        inner(whole, {}, &tail);
      });
    }
  }
  if (starts) {
    for (auto [op, sum] : llvm::zip_equal(rowReductions, accumulators))
      for (auto &[result, access] : results)
        if (result == op.getResult(0)) {
          Access row = access;
          row.strides.truncate(indices.size());
          Value address = getAddress(row, indices);
          LLVM::StoreOp::create(b, loc, combineLanes(op, sum), address,
                                alignmentOf(elementType));
        }
    accumulators.clear();
  }
}

void KernelEmitter::emitBatchReduction(ArrayRef<Value> indices,
                                       const Lanes &active) {
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(elementType)));
  auto sum =
      loop(number(0), samples, 1, zero, [&](Value sample, ValueRange sums) {
        SmallVector<Value> at{sample};
        at.append(indices.begin(), indices.end());
        SmallVector<Value> arguments;
        for (OpOperand *input : root.getDpsInputOperands())
          arguments.push_back(loadElements(
              operandAccess[{root, input->getOperandNumber()}], at, active));
        arguments.push_back(sums.front());
        return emitBody(root, arguments, at);
      });
  llvm::DenseMap<Value, Value> known;
  known[root.getResult(0)] = sum.getResult(0);
  emitPoint(indices, active, known);
}

//===----------------------------------------------------------------------===//
// Parts of one result
//===----------------------------------------------------------------------===//

/// Each operation writes its part; a fill in front of the first one sets the
/// rest.
void KernelEmitter::emitUpdates() {
  auto yield = cast<YieldOp>(group.getBody().front().getTerminator());
  auto type = cast<RankedTensorType>(yield.getValues().front().getType());
  Value pointer = func.getArgument(binding.resultPointers.front());
  auto emit = [&](ArrayRef<int64_t> extents, AffineMap to,
                  function_ref<Value(ArrayRef<Value>, const Lanes &)> value) {
    Access target = getAccess(pointer, type, to, extents.size());
    std::function<void(unsigned, SmallVector<Value>)> nest =
        [&](unsigned depth, SmallVector<Value> indices) {
          bool last = depth + 1 == extents.size();
          // A params stage does the parts of one array in one go.
          bool rows = depth == 0 && stage == StageKind::Samples;
          int64_t rest = last && !rows ? extents[depth] % lanes : 0;
          Value from = rows ? low : number(0);
          Value until = rows ? high : number(extents[depth] - rest);
          auto at = [&](Value index, const Lanes &active) {
            SmallVector<Value> here(indices);
            here.push_back(index);
            if (last)
              store(value(here, active), getAddress(target, here), active);
            else
              nest(depth + 1, here);
          };
          // One number per sample: lanes would cross rows of no common length.
          bool single = last && rows;
          Lanes active = single ? firstLanes(1) : Lanes();
          if (rows || extents[depth] > rest)
            loop(from, until, last && !single ? lanes : 1, {},
                 [&](Value index, ValueRange) {
                   at(index, active);
                   return SmallVector<Value>();
                 });
          if (rest > 0)
            at(until, firstLanes(rest));
        };
    nest(0, {});
  };
  for (linalg::GenericOp op : ops) {
    if (auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>()) {
      Attribute initial;
      bool matched = matchPattern(fill.getInputs()[0], m_Constant(&initial));
      assert(matched && "parts are set into a constant");
      (void)matched;
      emit(type.getShape(),
           AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext()),
           [&](ArrayRef<Value>, const Lanes &) -> Value {
             return arith::ConstantOp::create(
                 b, loc,
                 DenseElementsAttr::get(vectorOf(elementType), initial));
           });
    }
    SmallVector<int64_t> extents = op.getStaticLoopRanges();
    emit(extents, op.getIndexingMapMatchingResult(op->getResult(0)),
         [&](ArrayRef<Value> indices, const Lanes &active) -> Value {
           SmallVector<Value> arguments;
           for (OpOperand *input : op.getDpsInputOperands())
             arguments.push_back(loadElements(
                 getAccess(getPointer(input->get()),
                           cast<RankedTensorType>(input->get().getType()),
                           op.getMatchingIndexingMap(input), extents.size()),
                 indices, active));
           return emitBody(op, arguments, indices).front();
         });
  }
}

//===----------------------------------------------------------------------===//
// Transposes
//===----------------------------------------------------------------------===//

/// Blocks of `lanes` by `lanes` go through registers: rows in, rows out.
void KernelEmitter::emitTranspose() {
  int64_t columns = space[1];
  int64_t restColumns = columns % lanes;
  forRows(low, lanes, space[0] % lanes, [&](Value row, int64_t rows) {
    if (columns >= lanes)
      loop(number(0), number(columns - restColumns), lanes, {},
           [&](Value column, ValueRange) {
             emitTransposeBlock(row, column, rows, lanes);
             return SmallVector<Value>();
           });
    if (restColumns > 0)
      emitTransposeBlock(row, number(columns - restColumns), rows, restColumns);
  });
}

/// Rows [row, row + rows) and columns [column, column + columns) of the result.
void KernelEmitter::emitTransposeBlock(Value row, Value column, int64_t rows,
                                       int64_t columns) {
  Value source = ops.front().getDpsInputOperand(0)->get();
  Value result = ops.front().getResult(0);
  Lanes inRow = firstLanes(rows), outRow = firstLanes(columns);
  // The first element of the block, and how far apart its rows are.
  auto locate = [&](Value pointer, Value matrix, Value r,
                    Value c) -> std::pair<Value, Value> {
    auto type = cast<RankedTensorType>(matrix.getType());
    Access access = getAccess(
        pointer, type, AffineMap::getMultiDimIdentityMap(2, b.getContext()), 2);
    return {getAddress(access, {r, c}), access.panel
                                            ? getPanelWidth(access, c)
                                            : number(access.strides[0])};
  };
  auto [from, fromStride] = locate(getPointer(source), source, column, row);
  auto [to, toStride] = locate(func.getArgument(binding.resultPointers.front()),
                               result, row, column);
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(elementType)));
  SmallVector<Value> vectors(lanes, zero);
  for (int64_t i = 0; i < columns; ++i)
    vectors[i] = load(elementType,
                      element(from, elementType, scaled(fromStride, i)), inRow);
  transposeSquare(b, loc, vectors);
  for (int64_t i = 0; i < rows; ++i)
    store(vectors[i], element(to, elementType, scaled(toStride, i)), outRow);
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

void KernelEmitter::emitContraction() {
  prepareSpace(/*mergeLoops=*/false);
  RegisterTile tile = chooseTile(target, space[0]);

  // A long epilogue as a loop over the finished tile: code stays in the
  // instruction cache.
  int64_t epilogue = 0;
  for (linalg::GenericOp op : ops)
    if (op != root)
      epilogue += getBodyCost(op);
  int64_t vectors = tile.tallRows * tile.vectors;
  if (epilogue * vectors > 1024)
    tileMemory = LLVM::AllocaOp::create(
        b, loc, LLVM::LLVMPointerType::get(b.getContext()),
        vectorOf(elementType), number(vectors), 64);

  panelColumns = getPanelColumns(root);
  if (isPacked(root, stage, maxBatch))
    return emitPackedContraction(tile);
  if (PartialSums parts = choosePartialSums(root, stage, target))
    return emitContractionInParts(tile, parts);
  emitAllColumns(tile, firstColumn, endColumn, Terms(number(0), getDepth()));
}

void KernelEmitter::emitPackedContraction(const RegisterTile &tile) {
  Value left = getScratch();
  Value right = elementAt(left, elementType, kPackedRows * maxBatch);
  forRowBlocks(low, high, kPackedRows, [&](Value firstRow, Value end) {
    llvm::SaveAndRestore from(low, firstRow), to(high, end);
    packLeft(tile, left);
    Terms terms(number(0), samples);
    terms.packedLeft = left;
    terms.firstRow = firstRow;
    terms.packedRight = right;
    emitAllColumns(tile, number(0), number(space[1]), terms);
  });
}

/// Tiles of the rows at hand after one another, of each the rows' elements of
/// one term together.
void KernelEmitter::packLeft(const RegisterTile &tile, Value packed) {
  Access from = getRootAccess(0);
  unsigned alignment = alignmentOf(elementType);
  forRowTiles(tile, [&](Value row, int64_t rows) {
    int64_t stride = getPackedRows(tile, rows);
    auto type = VectorType::get({stride}, elementType);
    Value place = arith::MulIOp::create(
        b, loc, arith::SubIOp::create(b, loc, row, low), samples);
    Value to = element(packed, elementType, place);
    Value mask;
    if (rows < stride) {
      SmallVector<bool> bits(stride, false);
      std::fill_n(bits.begin(), rows, true);
      mask = arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(VectorType::get({stride}, b.getI1Type()),
                                 bits));
    }
    loop(number(0), samples, 1, {}, [&](Value k, ValueRange) {
      Value address = element(from.pointer, elementType,
                              add(row, scaled(k, from.strides[2])));
      Value elements;
      if (mask)
        elements = LLVM::MaskedLoadOp::create(
            b, loc, type, address, mask,
            arith::ConstantOp::create(b, loc, b.getZeroAttr(type)), alignment);
      else
        elements = LLVM::LoadOp::create(b, loc, type, address, alignment);
      LLVM::StoreOp::create(b, loc, elements,
                            element(to, elementType, scaled(k, stride)),
                            alignment);
      return SmallVector<Value>();
    });
  });
}

/// Rows of the columns at hand after one another.
void KernelEmitter::packRight(const RegisterTile &tile, const Columns &columns,
                              int64_t vectors, int64_t lastCount,
                              Value packed) {
  Access from = getRootAccess(1);
  Value column = add(columns.start, number(columns.within));
  loop(number(0), samples, 1, {}, [&](Value k, ValueRange) {
    Value row = element(from.pointer, elementType,
                        add(column, scaled(k, from.strides[2])));
    Value to = element(packed, elementType, scaled(k, tile.vectors * lanes));
    for (int64_t j = 0; j < vectors; ++j)
      store(load(elementType, elementAt(row, elementType, j * lanes),
                 j + 1 < vectors ? Lanes() : firstLanes(lastCount)),
            elementAt(to, elementType, j * lanes), {});
    return SmallVector<Value>();
  });
}

/// Parts of the sums outside, columns inside: a block of samples and a part of
/// the weight are read once for all of them, however long the sums are. They
/// are added up in the same order.
void KernelEmitter::emitContractionInParts(const RegisterTile &tile,
                                           const PartialSums &parts) {
  int64_t rows = space[0], terms = parts.terms, span = parts.columns;
  int64_t depth = root.getStaticLoopRanges()[2];
  Value partials = getScratch();
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(elementType)));
  int64_t lastTerms = depth % terms ? depth % terms : terms;
  loop(firstColumn, endColumn, span, {}, [&](Value start, ValueRange) {
    Value end =
        arith::MinSIOp::create(b, loc, add(start, number(span)), endColumn);
    loop(number(0), number(rows * span), lanes, {},
         [&](Value place, ValueRange) {
           store(zero, element(partials, elementType, place), {});
           return SmallVector<Value>();
         });
    auto emitPart = [&](Value from, Value to, bool last) {
      Terms part(from, to);
      part.partials = partials;
      part.firstColumn = start;
      part.endColumn = end;
      part.last = last;
      emitAllColumns(tile, start, end, part);
    };
    loop(number(0), number(depth - lastTerms), terms, {},
         [&](Value from, ValueRange) {
           emitPart(from, add(from, number(terms)), /*last=*/false);
           return SmallVector<Value>();
         });
    emitPart(number(depth - lastTerms), number(depth), /*last=*/true);
    return SmallVector<Value>();
  });
}

/// The columns [from, to) of all rows.
void KernelEmitter::emitAllColumns(const RegisterTile &tile, Value from,
                                   Value to, const Terms &terms) {
  forColumns(tile.vectors * lanes, from, to,
             [&](const Columns &columns, int64_t count) {
               emitColumns(tile, columns, count, terms);
             });
}

/// Steps of whole tiles and, with panels, of whole panels; then the rest.
/// `from` is a whole number of steps, `to` too or the matrix's end.
void KernelEmitter::forColumns(
    int64_t width, Value from, Value to,
    function_ref<void(const Columns &, int64_t)> body) {
  int64_t step = std::max(width, panelColumns);
  int64_t columns = space[1], whole = columns / step * step;
  auto emitStep = [&](Value start, int64_t span) {
    for (int64_t within = 0; within < span; within += width)
      body({start, within, span}, std::min(width, span - within));
  };
  if (whole > 0)
    loop(from, arith::MinSIOp::create(b, loc, to, number(whole)), step, {},
         [&](Value start, ValueRange) {
           emitStep(start, step);
           return SmallVector<Value>();
         });
  if (columns == whole)
    return;
  ifLess(number(whole), to,
         [&]() { emitStep(number(whole), columns - whole); });
}

/// A number of columns, at most a tile's, of all rows.
void KernelEmitter::emitColumns(const RegisterTile &tile,
                                const Columns &columns, int64_t count,
                                const Terms &terms) {
  int64_t vectors = llvm::divideCeil(count, lanes);
  int64_t lastCount = count - (vectors - 1) * lanes;
  if (terms.packedRight)
    packRight(tile, columns, vectors, lastCount, terms.packedRight);
  forRowTiles(tile, [&](Value row, int64_t rows) {
    emitTile(tile, row, columns, rows, vectors, lastCount, terms);
  });
}

/// The rows at hand in tiles: `body` emits the code for a tile of a number of
/// them.
void KernelEmitter::forRowTiles(const RegisterTile &tile,
                                function_ref<void(Value, int64_t)> body) {
  // In a samples stage whole tiles cover the rows; in a params stage the last
  // cut ends with the array.
  int64_t rest = stage == StageKind::Params ? space[0] % tile.rows : 0;
  if (tile.tallRows == tile.rows)
    return forRows(low, tile.rows, rest, body);
  Value tallEnd = getTallEnd(tile);
  loop(low, tallEnd, tile.tallRows, {}, [&](Value row, ValueRange) {
    body(row, tile.tallRows);
    return SmallVector<Value>();
  });
  forRows(tallEnd, tile.rows, rest, body);
}

/// Where the tall tiles of the rows at hand end: what is left is no more than
/// they and the other ones have in common.
Value KernelEmitter::getTallEnd(const RegisterTile &tile) {
  Value count = arith::SubIOp::create(b, loc, high, low);
  Value over = arith::RemUIOp::create(b, loc, count, number(tile.getPeriod()));
  return arith::SubIOp::create(b, loc, high, over);
}

/// The rows at hand from `from` on, `unit` at a time, and `rest` where they end
/// with the array: other cuts are multiples of the unit.
void KernelEmitter::forRows(Value from, int64_t unit, int64_t rest,
                            function_ref<void(Value, int64_t)> body) {
  Value until = high;
  if (rest > 0) {
    Value count = arith::SubIOp::create(b, loc, high, from);
    Value over = arith::RemUIOp::create(b, loc, count, number(unit));
    until = arith::SubIOp::create(b, loc, high, over);
  }
  if (space[0] >= unit)
    loop(from, until, unit, {}, [&](Value row, ValueRange) {
      body(row, unit);
      return SmallVector<Value>();
    });
  if (rest > 0)
    ifLess(until, high, [&]() { body(until, rest); });
}

void KernelEmitter::forRowBlocks(Value from, Value to, int64_t count,
                                 function_ref<void(Value, Value)> body) {
  loop(from, to, count, {}, [&](Value row, ValueRange) {
    body(row, arith::MinSIOp::create(b, loc, add(row, number(count)), to));
    return SmallVector<Value>();
  });
}

void KernelEmitter::prefetch(Value address) {
  // A read, to be kept in the second-level cache, of data.
  LLVM::Prefetch::create(b, loc, address, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

KernelEmitter::Ahead KernelEmitter::getAhead(const RegisterTile &tile,
                                             Value row, int64_t tileRows,
                                             const Columns &columns,
                                             const Access &weight,
                                             const Terms &terms) {
  int64_t elementBytes = elementType.getIntOrFloatBitWidth() / 8;
  int64_t weightBytes = weight.rows * weight.columns * elementBytes;
  if (stage != StageKind::Samples || !weight.panel ||
      weightBytes <= int64_t(target.l1Bytes))
    return {};
  // The tiles of a panel ask for equal parts of the next one. Of the last panel
  // the next one is the first one, further down if the sums go on.
  int64_t width = tile.vectors * lanes;
  int64_t perRow = std::max<int64_t>(panelColumns / width, 1);
  Value next = add(columns.start, number(panelColumns));
  Value end = terms.partials ? terms.endColumn : endColumn;
  Value inside =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, next, end);
  Value start = arith::SelectOp::create(
      b, loc, inside, next, terms.partials ? terms.firstColumn : firstColumn);
  Value term = arith::SelectOp::create(b, loc, inside, terms.from,
                                       terms.partials ? terms.to : terms.from);
  Value count = arith::SubIOp::create(b, loc, terms.to, terms.from);
  Value place = add(scaled(start, weight.rows), scaled(term, panelColumns));
  if (weightBytes <= int64_t(target.l2Bytes / 2) && !binding.columns) {
    // The tiles of a block that is not full ask for a part of it: the weight is
    // near enough.
    int64_t perTerm = std::max<int64_t>(width * tileRows / space[0], 1);
    Value rows =
        add(scaled(row, perRow), number(columns.within / width * tileRows));
    Value passed = arith::DivUIOp::create(
        b, loc, scaled(arith::MulIOp::create(b, loc, rows, count), width),
        number(space[0]));
    passed = arith::SubIOp::create(b, loc, passed, scaled(terms.from, perTerm));
    return {element(weight.pointer, elementType, add(place, passed)), perTerm};
  }
  // The panel comes whole however few the tiles are, 2^shift or less: in as
  // many terms each asks for one row, in each of them.
  auto tilesBefore = [&](Value end) -> Value {
    if (tile.tallRows == tile.rows)
      return arith::DivUIOp::create(b, loc, end, number(tile.rows));
    Value tallEnd = arith::MinUIOp::create(b, loc, end, getTallEnd(tile));
    return add(arith::DivUIOp::create(b, loc, tallEnd, number(tile.tallRows)),
               arith::DivUIOp::create(
                   b, loc, arith::SubIOp::create(b, loc, end, tallEnd),
                   number(tile.rows)));
  };
  Value index =
      add(scaled(tilesBefore(row), perRow), number(columns.within / width));
  Value passed = arith::SubIOp::create(
      b, loc, arith::MulIOp::create(b, loc, index, count), terms.from);
  Value others = arith::SubIOp::create(
      b, loc, scaled(tilesBefore(high), perRow), number(1));
  Value shift = arith::SubIOp::create(
      b, loc, number(64), math::CountLeadingZerosOp::create(b, loc, others));
  return {element(weight.pointer, elementType, place), panelColumns, passed,
          shift};
}

/// The panel of the column that is `behind` the first of `columns`.
Panel KernelEmitter::getPanel(const Columns &columns, int64_t behind) {
  int64_t first = panelColumns ? behind / panelColumns * panelColumns : 0;
  int64_t width =
      panelColumns ? std::min(panelColumns, columns.span - first) : 0;
  return {add(columns.start, number(first)), width};
}

/// `vectors` vectors of columns, of the last one `lastCount`, of `tileRows`
/// rows.
void KernelEmitter::emitTile(const RegisterTile &tile, Value row,
                             const Columns &columns, int64_t tileRows,
                             int64_t vectors, int64_t lastCount,
                             const Terms &terms) {
  Access a = getRootAccess(0), w = getRootAccess(1);
  assert(
      a.strides[1] == 0 &&
      (w.panel ? w.columnDim == 1 : w.strides[0] == 0 && w.strides[1] == 1) &&
      "expected C_mn = sum_k A_mk B_kn with rows of B in memory");
  SmallVector<Lanes> active(vectors);
  active.back() = firstLanes(lastCount);

  Value aBase;
  if (terms.packedLeft) {
    Value place = arith::MulIOp::create(
        b, loc, arith::SubIOp::create(b, loc, row, terms.firstRow), samples);
    aBase = element(terms.packedLeft, elementType, place);
    a.strides[2] = getPackedRows(tile, tileRows);
  } else {
    aBase = element(a.pointer, elementType, scaled(row, a.strides[0]));
  }
  Value column = add(columns.start, number(columns.within));
  // The panel of each vector of columns, its place in it, and of the weight
  // the address of its first row and the distance of rows.
  struct Column {
    Panel panel;
    Value weight;
    int64_t stride;
  };
  SmallVector<Column> places;
  for (int64_t j = 0; j < vectors; ++j) {
    int64_t behind = columns.within + j * lanes;
    Panel panel = getPanel(columns, behind);
    if (terms.packedRight) {
      places.push_back({panel,
                        elementAt(terms.packedRight, elementType, j * lanes),
                        tile.vectors * lanes});
      continue;
    }
    Value index = w.panel ? add(scaled(panel.start, w.rows),
                                number(behind % panelColumns))
                          : add(columns.start, number(behind));
    places.push_back({panel, element(w.pointer, elementType, index),
                      w.panel ? panel.width : w.strides[2]});
  }
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(elementType)));
  SmallVector<Value> sums(tileRows * vectors, zero), partials;
  if (terms.partials) {
    Value place =
        add(scaled(arith::SubIOp::create(b, loc, column, terms.firstColumn),
                   space[0]),
            scaled(row, tile.vectors * lanes));
    Value address = element(terms.partials, elementType, place);
    for (auto [index, sum] : llvm::enumerate(sums)) {
      partials.push_back(elementAt(address, vectorOf(elementType), index));
      sum = LLVM::LoadOp::create(b, loc, vectorOf(elementType), partials.back(),
                                 64);
    }
  }
  // What a large params stage updates has left the caches since the last step:
  // it comes while the sums are made.
  if (terms.packedRight)
    for (int64_t j = 0; j < vectors; ++j) {
      if (panelColumns)
        panel = places[j].panel;
      for (int64_t i = 0; i < tileRows; ++i)
        prefetchPoint({add(row, number(i)), add(column, number(j * lanes))});
      panel.reset();
    }
  Ahead ahead = getAhead(tile, row, tileRows, columns, w, terms);
  auto product =
      loop(terms.from, terms.to, 1, sums, [&](Value k, ValueRange carried) {
        Value aRow = element(aBase, elementType, scaled(k, a.strides[2]));
        SmallVector<Value> weights;
        for (int64_t j = 0; j < vectors; ++j)
          weights.push_back(load(elementType,
                                 element(places[j].weight, elementType,
                                         scaled(k, places[j].stride)),
                                 active[j]));
        constexpr int64_t lineBytes = 64;
        int64_t line = lineBytes * 8 / elementType.getIntOrFloatBitWidth();
        Value ask = k;
        if (ahead.shift)
          ask =
              arith::ShRUIOp::create(b, loc, add(k, ahead.passed), ahead.shift);
        for (int64_t e = 0; e < ahead.elements; e += line)
          prefetch(elementAt(
              element(ahead.address, elementType, scaled(ask, ahead.elements)),
              elementType, e));
        SmallVector<Value> next;
        for (int64_t i = 0; i < tileRows; ++i) {
          Value scalar = LLVM::LoadOp::create(
              b, loc, elementType,
              elementAt(aRow, elementType, i * a.strides[0]),
              alignmentOf(elementType));
          Value factor = splat(scalar);
          for (int64_t j = 0; j < vectors; ++j)
            // math.fma is fused whatever the optimisation level; vector.fma
            // becomes LLVM's fmuladd, which need not be.
            next.push_back(math::FmaOp::create(b, loc, factor, weights[j],
                                               carried[i * vectors + j]));
        }
        return next;
      });

  if (!terms.last) {
    for (auto [sum, address] : llvm::zip_equal(product.getResults(), partials))
      LLVM::StoreOp::create(b, loc, sum, address, 64);
    return;
  }

  auto finish = [&](Value r, int64_t j, Value sum) {
    llvm::DenseMap<Value, Value> known;
    known[root.getResult(0)] = sum;
    if (panelColumns)
      panel = places[j].panel;
    emitPoint({r, add(column, number(j * lanes))}, active[j], known);
    panel.reset();
  };
  if (!tileMemory) {
    for (int64_t i = 0; i < tileRows; ++i)
      for (int64_t j = 0; j < vectors; ++j)
        finish(add(row, number(i)), j, product.getResult(i * vectors + j));
    return;
  }
  VectorType vectorType = vectorOf(elementType);
  for (auto [index, sum] : llvm::enumerate(product.getResults()))
    LLVM::StoreOp::create(b, loc, sum, elementAt(tileMemory, vectorType, index),
                          64);
  loop(number(0), number(tileRows), 1, {}, [&](Value i, ValueRange) {
    Value line = element(tileMemory, vectorType, scaled(i, vectors));
    for (int64_t j = 0; j < vectors; ++j)
      finish(add(row, i), j,
             LLVM::LoadOp::create(b, loc, vectorType,
                                  elementAt(line, vectorType, j), 64));
    return SmallVector<Value>();
  });
}

//===----------------------------------------------------------------------===//
// Contractions of bfloat16
//===----------------------------------------------------------------------===//

/// The lanes of `active` in a row that exists, none in one that does not.
Lanes KernelEmitter::rowLanes(Value row, Value rows, const Lanes &active) {
  Value exists =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, row, rows);
  Value mask = splat(exists);
  if (active.mask)
    mask = arith::AndIOp::create(b, loc, mask, active.mask);
  return {mask, -1};
}

void KernelEmitter::forDepthBlocks(Value depth,
                                   function_ref<void(Value, bool)> body) {
  Value whole = arith::AndIOp::create(b, loc, depth, number(-kNarrowDepth));
  loop(number(0), whole, kNarrowDepth, {}, [&](Value k, ValueRange) {
    body(k, false);
    return SmallVector<Value>();
  });
  ifLess(whole, depth, [&]() { body(whole, true); });
}

/// Rounds the rows [row, end) of A, no more than a block, to the block `to`.
void KernelEmitter::roundLeft(const Access &a, Value row, Value end, Value to) {
  Value depth = getDepth();
  int64_t parts = getNarrowParts(root);
  Type bf16 = b.getBF16Type();
  auto blockAt = [&](Value k, Value line) {
    return element(element(to, bf16, scaled(k, parts * kNarrowRows)), bf16,
                   scaled(line, kNarrowDepth));
  };
  auto storePart = [&](Value pairs, Value block, int64_t part, int64_t line) {
    LLVM::StoreOp::create(
        b, loc, pairs,
        elementAt(block, bf16, (part * kNarrowRows + line) * kNarrowDepth), 64);
  };
  if (a.strides[2] == 1) {
    loop(row, end, 1, {}, [&](Value r, ValueRange) {
      Value from = element(a.pointer, elementType, scaled(r, a.strides[0]));
      Value line = arith::SubIOp::create(b, loc, r, row);
      forDepthBlocks(depth, [&](Value k, bool partial) {
        SmallVector<Value> vectors;
        for (int64_t i = 0; i < 2; ++i) {
          Value at = add(k, number(i * lanes));
          Lanes active =
              partial
                  ? firstLanes(Value(arith::SubIOp::create(b, loc, depth, at)))
                  : Lanes();
          vectors.push_back(
              load(elementType, element(from, elementType, at), active));
        }
        Value block = blockAt(k, line);
        for (int64_t part = 0; part < parts; ++part) {
          storePart(joinNarrow(b, loc, vectors[0], vectors[1]), block, part, 0);
          if (part + 1 < parts)
            for (Value &vector : vectors)
              vector = subtractNarrow(b, loc, vector);
        }
      });
      return SmallVector<Value>();
    });
    return;
  }
  // Rows of A follow each other in memory: pairs along k are made of two
  // vectors of rows, and squares of pairs turned.
  assert(a.strides[0] == 1 && "an operand lies along its rows or along k");
  loop(row, end, lanes, {}, [&](Value r, ValueRange) {
    Value line = arith::SubIOp::create(b, loc, r, row);
    Lanes active;
    if (space[0] % lanes != 0)
      active = firstLanes(Value(arith::SubIOp::create(b, loc, end, r)));
    forDepthBlocks(depth, [&](Value k, bool partial) {
      Value from = element(element(a.pointer, elementType, r), elementType,
                           scaled(k, a.strides[2]));
      SmallVector<Value> vectors;
      for (int64_t i = 0; i < kNarrowDepth; ++i)
        vectors.push_back(load(
            elementType, elementAt(from, elementType, i * a.strides[2]),
            partial ? rowLanes(add(k, number(i)), depth, active) : active));
      Value block = blockAt(k, line);
      for (int64_t part = 0; part < parts; ++part) {
        SmallVector<Value> pairs;
        for (int64_t i = 0; i < lanes; ++i)
          pairs.push_back(
              interleaveNarrow(b, loc, vectors[2 * i], vectors[2 * i + 1]));
        transposeSquare(b, loc, pairs);
        for (auto [i, pair] : llvm::enumerate(pairs))
          storePart(pair, block, part, i);
        if (part + 1 < parts)
          for (Value &vector : vectors)
            vector = subtractNarrow(b, loc, vector);
      }
    });
    return SmallVector<Value>();
  });
}

/// Rounds B, which lies by rows, to panels at `to`.
void KernelEmitter::roundRight(const Access &w, Value to) {
  Value depth = getDepth();
  Value padded = getPaddedDepth();
  Type bf16 = b.getBF16Type();
  auto pack = [&](Value column, const Lanes &active) {
    Value panel =
        element(to, bf16, arith::MulIOp::create(b, loc, column, padded));
    forDepthBlocks(depth, [&](Value k, bool part) {
      auto loadRow = [&](int64_t i) {
        Value row = add(k, number(i));
        return load(elementType, getAddress(w, {number(0), column, row}),
                    part ? rowLanes(row, depth, active) : active);
      };
      Value block = element(panel, bf16, scaled(k, kNarrowColumns));
      for (int64_t i = 0; i < lanes; ++i)
        LLVM::StoreOp::create(
            b, loc,
            interleaveNarrow(b, loc, loadRow(2 * i), loadRow(2 * i + 1)),
            elementAt(block, bf16, i * kNarrowDepth), 64);
    });
  };
  int64_t rest = space[1] % lanes;
  if (space[1] >= lanes)
    loop(number(0), number(space[1] - rest), lanes, {},
         [&](Value column, ValueRange) {
           pack(column, Lanes());
           return SmallVector<Value>();
         });
  if (rest > 0)
    pack(number(space[1] - rest), firstLanes(rest));
}

/// A samples stage packs all its rows, and then passes over the weight once; a
/// params stage, which may have any number of rows, packs B, whose columns
/// every block of rows meets, and a few blocks of rows at a time.
void KernelEmitter::emitNarrowContraction() {
  prepareSpace(/*mergeLoops=*/false);
  panelColumns = getPanelColumns(root);
  OpOperand *rightUse = root.getDpsInputOperand(1);
  Access a = getRootAccess(0);
  int64_t parts = getNarrowParts(root);
  Value padded = getPaddedDepth();
  Value blocks = arith::DivUIOp::create(b, loc, padded, number(kNarrowDepth));
  Type bf16 = b.getBF16Type();
  bool packsAll = stage == StageKind::Samples;

  Value left = getScratch();
  Value right = getPointer(rightUse->get());
  assert((isPackedByKernel(*rightUse) ||
          cast<PairsAttr>(
              cast<RankedTensorType>(rightUse->get().getType()).getEncoding())
                  .getColumns() == kNarrowColumns) &&
         "expected a rounded weight in panels of a register's pairs");
  if (isPackedByKernel(*rightUse)) {
    int64_t leftRows =
        packsAll ? llvm::alignTo(space[0], kNarrowRows) : kNarrowGradientRows;
    right = element(left, bf16, scaled(padded, parts * leftRows));
    roundRight(getRootAccess(1), right);
  }
  VectorType vectorType = vectorOf(elementType);
  constexpr int64_t panels = kNarrowPanels;
  tileMemory =
      LLVM::AllocaOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()),
                             vectorType, number(kNarrowRows * panels), 64);

  // The first row that is packed.
  Value origin = number(0);
  auto blockOf = [&](Value row) {
    Value packed = arith::SubIOp::create(b, loc, row, origin);
    return element(
        left, bf16,
        scaled(arith::MulIOp::create(b, loc, packed, padded), parts));
  };
  auto emitBlock = [&](Value row, Value end, const Columns &columns,
                       int64_t count) {
    int64_t vectors = llvm::divideCeil(count, lanes);
    Value column = add(columns.start, number(columns.within));
    NarrowTile tile;
    tile.left = blockOf(row);
    tile.depthBlocks = blocks;
    tile.parts = parts;
    tile.result = tileMemory;
    for (int64_t j = 0; j < vectors; ++j)
      tile.panels.push_back(
          element(right, bf16,
                  arith::MulIOp::create(b, loc, add(column, number(j * lanes)),
                                        padded)));
    Value rows = arith::SubIOp::create(b, loc, end, row);
    Value few = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, rows,
                                      number(kNarrowRows / 2));
    auto branch = scf::IfOp::create(b, loc, few, /*withElseRegion=*/true);
    for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(block->getTerminator());
      emitNarrowTile(b, loc, target, tile,
                     block == branch.thenBlock() ? kNarrowRows / 2
                                                 : kNarrowRows);
    }
    SmallVector<Lanes> active(vectors);
    active.back() = firstLanes(count - (vectors - 1) * lanes);
    loop(number(0), rows, 1, {}, [&](Value i, ValueRange) {
      Value line = element(tileMemory, vectorType, scaled(i, vectors));
      for (int64_t j = 0; j < vectors; ++j) {
        llvm::DenseMap<Value, Value> known;
        known[root.getResult(0)] = LLVM::LoadOp::create(
            b, loc, vectorType, elementAt(line, vectorType, j), 64);
        if (panelColumns)
          panel = getPanel(columns, columns.within + j * lanes);
        emitPoint({add(row, i), add(column, number(j * lanes))}, active[j],
                  known);
        panel.reset();
      }
      return SmallVector<Value>();
    });
  };

  auto emitRows = [&](Value from, Value to, Value first, Value last) {
    forRowBlocks(from, to, kNarrowRows, [&](Value row, Value end) {
      roundLeft(a, row, end, blockOf(row));
    });
    forColumns(panels * lanes, first, last,
               [&](const Columns &columns, int64_t count) {
                 forRowBlocks(from, to, kNarrowRows, [&](Value row, Value end) {
                   emitBlock(row, end, columns, count);
                 });
               });
  };
  if (packsAll)
    return emitRows(low, high, firstColumn, endColumn);
  forRowBlocks(low, high, kNarrowGradientRows, [&](Value row, Value end) {
    origin = row;
    emitRows(row, end, number(0), number(space[1]));
  });
}

/// Rounds a matrix, or its transpose, to pairs of rows: blocks of 32 rows and
/// 16 columns of the result.
void KernelEmitter::emitNarrowing() {
  linalg::GenericOp op = ops.front();
  OpOperand *input = op.getDpsInputOperand(0);
  AffineMap map = op.getMatchingIndexingMap(input);
  bool transposed = !map.isIdentity();
  Access source = getAccess(
      getPointer(input->get()), cast<RankedTensorType>(input->get().getType()),
      AffineMap::getMultiDimIdentityMap(2, b.getContext()), 2);
  Value result = func.getArgument(binding.resultPointers.front());
  int64_t rows = space[0], columns = space[1];
  int64_t padded = llvm::alignTo(rows, kNarrowDepth);
  Type bf16 = b.getBF16Type();
  Value depth = number(rows);

  auto emitBlock = [&](Value row, Value column, int64_t count, bool part) {
    SmallVector<Value> pairs;
    Lanes active = firstLanes(count);
    Value zero =
        arith::ConstantOp::create(b, loc, b.getZeroAttr(vectorOf(elementType)));
    for (int64_t i = 0; i < lanes; ++i) {
      if (transposed) {
        // Of one column of the result, which is a row of the matrix, all rows.
        SmallVector<Value> halves;
        for (int64_t j = 0; j < 2; ++j) {
          Value at = add(row, number(j * lanes));
          Lanes there =
              part ? firstLanes(
                         arith::SubIOp::create(b, loc, depth, at).getResult())
                   : Lanes();
          halves.push_back(
              i < count ? load(elementType,
                               getAddress(source, {add(column, number(i)), at}),
                               there)
                        : zero);
        }
        pairs.push_back(joinNarrow(b, loc, halves[0], halves[1]));
        continue;
      }
      auto loadRow = [&](int64_t j) {
        Value at = add(row, number(j));
        return load(elementType, getAddress(source, {at, column}),
                    part ? rowLanes(at, depth, active) : active);
      };
      pairs.push_back(
          interleaveNarrow(b, loc, loadRow(2 * i), loadRow(2 * i + 1)));
    }
    if (transposed)
      transposeSquare(b, loc, pairs);
    Value to = element(element(result, bf16, scaled(column, padded)), bf16,
                       scaled(row, kNarrowColumns));
    for (auto [i, pair] : llvm::enumerate(pairs))
      LLVM::StoreOp::create(b, loc, pair, elementAt(to, bf16, i * kNarrowDepth),
                            64);
  };
  int64_t restColumns = columns % lanes;
  forRows(low, kNarrowDepth, rows % kNarrowDepth,
          [&](Value row, int64_t count) {
            bool part = count < kNarrowDepth;
            if (columns >= lanes)
              loop(number(0), number(columns - restColumns), lanes, {},
                   [&](Value column, ValueRange) {
                     emitBlock(row, column, lanes, part);
                     return SmallVector<Value>();
                   });
            if (restColumns > 0)
              emitBlock(row, number(columns - restColumns), restColumns, part);
          });
}

void KernelEmitter::run() {
  b.setInsertionPointToStart(func.addEntryBlock(b));
  unsigned arguments = func.getNumArguments();
  low = func.getArgument(arguments - 4);
  high = func.getArgument(arguments - 3);
  first = func.getArgument(arguments - 2);
  samples = func.getArgument(arguments - 1);
  if (binding.columns) {
    firstColumn = func.getArgument(arguments - 6);
    endColumn = func.getArgument(arguments - 5);
  } else if (root && space.size() == 2) {
    firstColumn = number(0);
    endColumn = number(space[1]);
  }
  // The entry function has refused an empty batch: a sum over samples has a
  // first term, and the code for one without is not worth its registers.
  LLVM::AssumeOp::create(b, loc,
                         arith::CmpIOp::create(b, loc,
                                               arith::CmpIPredicate::sgt,
                                               samples, number(0)));
  if (root && getNarrowParts(root) > 0)
    emitNarrowContraction();
  else if (root && getStructuredKind(root) == StructuredKind::Contraction)
    emitContraction();
  else if (isNarrowing(ops.front()))
    emitNarrowing();
  else if (getStructuredKind(ops.front()) == StructuredKind::Update)
    emitUpdates();
  else if (ops.size() == 1 && isTranspose(ops.front()))
    emitTranspose();
  else
    emitNest();
  LLVM::ReturnOp::create(b, loc, ValueRange());
}

LLVM::LLVMFuncOp pc::emitKernel(ModuleOp module, StringRef name, GroupOp group,
                                StageKind stage, const KernelBinding &binding,
                                int64_t maxBatch, const CPUTarget &target) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  MLIRContext *context = builder.getContext();
  SmallVector<Type> types(binding.pointerCount,
                          LLVM::LLVMPointerType::get(context));
  for (Value operand : group.getInputs())
    if (!isa<RankedTensorType>(operand.getType()))
      types.push_back(operand.getType());
  if (binding.scratch)
    types.push_back(LLVM::LLVMPointerType::get(context));
  types.append(binding.columns ? 6 : 4, builder.getI64Type());
  auto func = LLVM::LLVMFuncOp::create(
      builder, group.getLoc(), name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), types),
      LLVM::Linkage::Internal);
  // A function of its own, so that a profile names it.
  func.setNoInline(true);
  target.setAttributes(func);
  // One pointer per array, and arrays do not overlap while both are live.
  for (unsigned i = 0; i < binding.pointerCount; ++i)
    func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                    builder.getUnitAttr());
  KernelEmitter(group, stage, binding, maxBatch, target, func).run();
  return func;
}
