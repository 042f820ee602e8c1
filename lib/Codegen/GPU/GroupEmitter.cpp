//===- GroupEmitter.cpp - Code of one group for threads of a GPU ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block of threads computes tiles of a contraction, with slices of both
// operands in shared memory and some elements of the tile in the registers of
// each thread; everything else goes element by element, neighbouring threads at
// neighbouring elements, and row by row where rows are summed, a warp for each.
//
// Every element of a contraction is one chain of fused multiply-adds in the
// order of k, every sum over samples one chain of additions in the order of the
// samples, as on the CPU: results depend on neither the tile nor the blocks.
// Row sums add lane by lane and then the lanes pairwise.
//
//===----------------------------------------------------------------------===//

#include "GroupEmitter.h"
#include "../Programs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/Transforms/Structured.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Tiles and costs
//===----------------------------------------------------------------------===//

namespace {
/// How a block cuts a contraction: `rows` by `columns` elements a tile, `depth`
/// products at a time; threads stand in `threadRows` rows, and each has every
/// threadRows-th row and every threadColumns-th column of the tile.
struct Tile {
  int64_t rows, columns, depth;
  int64_t threadRows, threadColumns;

  /// Elements between neighbouring products of a slice in shared memory: one
  /// more than there are, so that a column of threads meets different banks.
  int64_t rowPitch() const { return rows + 1; }
  int64_t columnPitch() const { return columns + 1; }
};
} // namespace

static Tile chooseTile(int64_t rows, int64_t columns) {
  Tile tile;
  tile.depth = 16;
  tile.rows = std::min<int64_t>(64, llvm::PowerOf2Ceil(rows));
  tile.threadRows = std::min<int64_t>(16, tile.rows);
  tile.threadColumns = kThreads / tile.threadRows;
  tile.columns = std::max<int64_t>(
      tile.threadColumns, std::min<int64_t>(64, llvm::PowerOf2Ceil(columns)));
  return tile;
}

static linalg::GenericOp getRoot(GroupOp group) {
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    StructuredKind kind = getStructuredKind(op);
    if (kind == StructuredKind::Contraction ||
        kind == StructuredKind::BatchReduction)
      return op;
  }
  return {};
}

static Tile getTile(linalg::GenericOp contraction) {
  SmallVector<int64_t> ranges = contraction.getStaticLoopRanges();
  return chooseTile(ranges[0], ranges[1]);
}

int64_t pc::getSharedBytes(GroupOp group) {
  linalg::GenericOp root = getRoot(group);
  if (!root || getStructuredKind(root) != StructuredKind::Contraction)
    return 0;
  Tile tile = getTile(root);
  return tile.depth * (tile.rowPitch() + tile.columnPitch()) *
         getElementTypeOrSelf(root.getResult(0)).getIntOrFloatBitWidth() / 8;
}

/// The space of a group's points and how many of its dimensions in front are
/// not reduced.
static std::pair<SmallVector<int64_t>, unsigned> getPoints(GroupOp group) {
  linalg::GenericOp first;
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    if (!first)
      first = op;
    if (getStructuredKind(op) == StructuredKind::RowReduction)
      return {getSpace(op), op.getNumParallelLoops()};
  }
  if (linalg::GenericOp root = getRoot(group))
    first = root;
  SmallVector<int64_t> space = getSpace(first);
  return {space, space.size()};
}

int64_t pc::getBlocks(GroupOp group, StageKind stage, int64_t rows) {
  auto [space, parallel] = getPoints(group);
  if (stage == StageKind::Samples && parallel > 0)
    space[0] = rows;
  linalg::GenericOp root = getRoot(group);
  if (root && getStructuredKind(root) == StructuredKind::Contraction) {
    Tile tile = getTile(root);
    return llvm::divideCeil(space[0], tile.rows) *
           llvm::divideCeil(space[1], tile.columns);
  }
  int64_t units = 1;
  for (int64_t dim : ArrayRef(space).take_front(parallel))
    units *= dim;
  bool reduces = parallel < space.size();
  for (auto op : group.getBody().getOps<linalg::GenericOp>())
    if (getStructuredKind(op) == StructuredKind::Update)
      return 1;
  return llvm::divideCeil(units, reduces ? kThreads / kWarp : kThreads);
}

/// Arithmetic of a body; one for each operation on floats.
static int64_t getBodyFlops(linalg::GenericOp op) {
  int64_t flops = 0;
  for (Operation &inner : op.getBody()->without_terminator())
    flops += isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
                 math::SqrtOp>(inner);
  return flops;
}

GroupWork pc::estimateWork(GroupOp group, StageKind stage) {
  GroupWork work;
  double flops = 0, flopsPerSample = 0, bytes = 0, bytesPerSample = 0;
  double rows = 1;
  linalg::GenericOp root = getRoot(group);
  int64_t elementBytes = 4;
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    SmallVector<int64_t> space = getSpace(op);
    double elements = 1;
    for (int64_t dim : space)
      elements *= dim;
    elementBytes =
        getElementTypeOrSelf(op.getResult(0)).getIntOrFloatBitWidth() / 8;
    if (!space.empty())
      rows = space[0];
    switch (getStructuredKind(op)) {
    case StructuredKind::Contraction: {
      SmallVector<int64_t> ranges = op.getStaticLoopRanges();
      Tile tile = getTile(op);
      // Every tile reads its rows of one operand and its columns of the other.
      double lines =
          double(ranges[0]) * llvm::divideCeil(ranges[1], tile.columns) +
          double(ranges[1]) * llvm::divideCeil(ranges[0], tile.rows);
      // Threads multiply what is beyond the ends of a tile, too: zeros.
      elements = double(llvm::alignTo(ranges[0], tile.rows)) *
                 llvm::alignTo(ranges[1], tile.columns);
      if (ShapedType::isDynamic(ranges[2])) {
        flopsPerSample += 2 * elements;
        bytesPerSample += lines * elementBytes;
      } else {
        flops += 2 * elements * llvm::alignTo(ranges[2], tile.depth);
        bytes += lines * ranges[2] * elementBytes;
      }
      break;
    }
    case StructuredKind::BatchReduction:
      flopsPerSample += elements * getBodyFlops(op);
      bytesPerSample += elements * elementBytes * op.getNumDpsInputs();
      break;
    case StructuredKind::Elementwise:
    case StructuredKind::RowReduction:
    case StructuredKind::Update:
      flops += elements * getBodyFlops(op);
      break;
    }
  }
  // What points read and write besides.
  auto [space, parallel] = getPoints(group);
  double points = 1;
  for (int64_t dim : space)
    points *= dim;
  llvm::DenseSet<std::pair<Value, AffineMap>> seen;
  for (auto op : group.getBody().getOps<linalg::GenericOp>())
    if (op != root)
      for (OpOperand *input : op.getDpsInputOperands())
        if (isa<BlockArgument>(input->get()) &&
            seen.insert({input->get(), op.getMatchingIndexingMap(input)})
                .second)
          bytes += points * elementBytes;
  for (Type type : group.getResultTypes()) {
    double elements = 1;
    for (int64_t dim : cast<RankedTensorType>(type).getShape())
      elements *= dim;
    bytes += elements * elementBytes;
  }
  if (stage == StageKind::Samples) {
    work.flopsPerSample = flops / rows;
    work.bytesPerSample = bytes / rows;
  } else {
    work = {flops, flopsPerSample, bytes, bytesPerSample};
  }
  return work;
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

namespace {

/// Elements of an array as a linear function of the indices of the space.
struct Access {
  Value pointer;
  Type element;
  SmallVector<int64_t> strides;
  int64_t offset = 0;
};

class GroupEmitter {
public:
  GroupEmitter(GroupOp group, StageKind stage, const GroupBinding &binding,
               LLVM::LLVMFuncOp func);
  void run();

private:
  // Small pieces of code.
  Value number(int64_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value add(Value lhs, Value rhs) {
    return arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value scaled(Value value, int64_t factor) {
    return factor == 1 ? value
                       : arith::MulIOp::create(b, loc, value, number(factor));
  }
  Value divided(Value value, int64_t by) {
    return by == 1 ? value : arith::DivUIOp::create(b, loc, value, number(by));
  }
  Value rest(Value value, int64_t by) {
    return by == 1
               ? number(0)
               : arith::RemUIOp::create(b, loc, value, number(by)).getResult();
  }
  Value isLess(Value lhs, Value rhs) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lhs, rhs);
  }
  Value both(Value lhs, Value rhs) {
    if (!lhs || !rhs)
      return lhs ? lhs : rhs;
    return arith::AndIOp::create(b, loc, lhs, rhs);
  }
  Value zero() {
    return arith::ConstantOp::create(b, loc, b.getZeroAttr(elementType));
  }
  Value elementAt(Value pointer, Type type, Value index) {
    return LLVM::GEPOp::create(b, loc, pointer.getType(), type, pointer,
                               ArrayRef<LLVM::GEPArg>{index});
  }
  Value load(Type type, Value pointer) {
    return LLVM::LoadOp::create(b, loc, type, pointer,
                                type.getIntOrFloatBitWidth() / 8);
  }
  void store(Value value, Value pointer) {
    LLVM::StoreOp::create(b, loc, value, pointer,
                          value.getType().getIntOrFloatBitWidth() / 8);
  }
  SmallVector<Value>
  loop(Value from, Value to, Value step, ValueRange carried,
       function_ref<SmallVector<Value>(Value, ValueRange)> body);
  /// Without a condition always.
  void doIf(Value condition, function_ref<void()> body);
  /// The value, or zero.
  Value valueIf(Value condition, function_ref<Value()> body);
  void barrier() { NVVM::BarrierOp::create(b, loc); }
  Value shuffle(Value value, int32_t lanes);

  // Accesses and bodies.
  Access getAccess(Value pointer, RankedTensorType type, AffineMap map,
                   unsigned rank);
  Value getPointer(Value arrayInGroup);
  Value getAddress(const Access &access, ArrayRef<Value> indices);
  Value getScalar(Value value);
  Value getInitial(linalg::GenericOp reduction);
  SmallVector<Value> emitBody(linalg::GenericOp op, ArrayRef<Value> arguments,
                              ArrayRef<Value> indices);
  void emitPoint(ArrayRef<Value> indices, llvm::DenseMap<Value, Value> known,
                 SmallVectorImpl<Value> *sums = nullptr);

  // Kinds of groups.
  void prepareAccesses();
  void mergeLoops();
  SmallVector<Value> split(Value point, ArrayRef<int64_t> extents);
  /// Runs `body` for the points of `extents` that this thread has.
  void forPoints(ArrayRef<int64_t> extents,
                 function_ref<void(ArrayRef<Value>)> body);
  Value countPoints(ArrayRef<int64_t> extents);
  void emitRowSums();
  void emitBatchSum(ArrayRef<Value> indices);
  void emitUpdates();
  void emitContraction();
  void copySlice(const Access &access, bool left, const Tile &tile, Value first,
                 Value count, Value k, Value depth, Value shared);

  GroupOp group;
  StageKind stage;
  const GroupBinding &binding;
  LLVM::LLVMFuncOp func;
  OpBuilder b;
  Location loc;

  SmallVector<linalg::GenericOp> ops;
  /// The contraction or the sum over samples, if there is one.
  linalg::GenericOp root;
  SmallVector<linalg::GenericOp> rowReductions;
  Type elementType;
  Value first, rows, samples, team, teams, thread;
  SmallVector<int64_t> space;
  unsigned parallel = 0;
  /// The first dimension has the rows of a block of samples.
  bool rowsInFront = false;
  llvm::DenseMap<std::pair<Operation *, unsigned>, Access> operandAccess;
  SmallVector<std::pair<Value, Access>> results;
};

} // namespace

GroupEmitter::GroupEmitter(GroupOp group, StageKind stage,
                           const GroupBinding &binding, LLVM::LLVMFuncOp func)
    : group(group), stage(stage), binding(binding), func(func),
      b(func.getContext()), loc(group.getLoc()), root(getRoot(group)) {
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    ops.push_back(op);
    if (getStructuredKind(op) == StructuredKind::RowReduction)
      rowReductions.push_back(op);
  }
  elementType = getElementTypeOrSelf(ops.front().getResult(0));
  std::tie(space, parallel) = getPoints(group);
  rowsInFront = stage == StageKind::Samples && parallel > 0;
}

//===----------------------------------------------------------------------===//
// Small pieces of code
//===----------------------------------------------------------------------===//

SmallVector<Value>
GroupEmitter::loop(Value from, Value to, Value step, ValueRange carried,
                   function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, loc, from, to, step, carried);
  OpBuilder::InsertionGuard guard(b);
  Block *block = op.getBody();
  // Without carried values the builder made a terminator.
  if (!block->empty())
    block->back().erase();
  b.setInsertionPointToEnd(block);
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return op.getResults();
}

void GroupEmitter::doIf(Value condition, function_ref<void()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

Value GroupEmitter::valueIf(Value condition, function_ref<Value()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(b, loc, TypeRange{elementType}, condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Value value = body();
  scf::YieldOp::create(b, loc, value);
  b.setInsertionPointToStart(branch.elseBlock());
  value = zero();
  scf::YieldOp::create(b, loc, value);
  return branch.getResult(0);
}

/// The value of the lane whose number differs in the bits of `lanes`.
Value GroupEmitter::shuffle(Value value, int32_t lanes) {
  Value all = number(-1), by = number(lanes), clamp = number(kWarp - 1);
  auto exchange = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, loc, word.getType(), all, word, by, clamp,
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (value.getType().isF32())
    return exchange(value);
  assert(value.getType().isF64() && "sums are of f32 or f64");
  auto pair = VectorType::get({2}, b.getI32Type());
  Value words = LLVM::BitcastOp::create(b, loc, pair, value);
  Value result = LLVM::UndefOp::create(b, loc, pair);
  for (int64_t half : {0, 1}) {
    Value word = LLVM::ExtractElementOp::create(b, loc, words, number(half));
    result = LLVM::InsertElementOp::create(b, loc, result, exchange(word),
                                           number(half));
  }
  return LLVM::BitcastOp::create(b, loc, value.getType(), result);
}

//===----------------------------------------------------------------------===//
// Accesses and bodies
//===----------------------------------------------------------------------===//

Access GroupEmitter::getAccess(Value pointer, RankedTensorType type,
                               AffineMap map, unsigned rank) {
  Access access{pointer, type.getElementType(), SmallVector<int64_t>(rank, 0)};
  assert(!type.getEncoding() && "arrays of devices are dense");
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
Value GroupEmitter::getPointer(Value array) {
  auto argument = dyn_cast<BlockArgument>(array);
  if (!argument)
    return {};
  return func.getArgument(binding.operandPointers[argument.getArgNumber()]);
}

Value GroupEmitter::getAddress(const Access &access, ArrayRef<Value> indices) {
  Value index;
  for (auto [value, stride] : llvm::zip_equal(indices, access.strides)) {
    if (stride == 0)
      continue;
    Value term = scaled(value, stride);
    index = index ? add(index, term) : term;
  }
  if (access.offset)
    index = index ? add(index, number(access.offset)) : number(access.offset);
  return index ? elementAt(access.pointer, access.element, index)
               : access.pointer;
}

/// A scalar that a body reads from outside of it: an operand of the group.
Value GroupEmitter::getScalar(Value value) {
  auto argument = cast<BlockArgument>(value);
  assert(argument.getOwner() == &group.getBody().front() &&
         "bodies read scalars of their group only");
  unsigned scalar = binding.pointerCount;
  for (unsigned i = 0; i < argument.getArgNumber(); ++i)
    scalar += binding.operandPointers[i] < 0;
  Value found = func.getArgument(scalar);
  return isa<IndexType>(value.getType())
             ? arith::IndexCastOp::create(b, loc, value.getType(), found)
                   .getResult()
             : found;
}

/// What a reduction's result starts from.
Value GroupEmitter::getInitial(linalg::GenericOp reduction) {
  auto fill = reduction.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  TypedAttr initial;
  bool matched = matchPattern(fill.getInputs()[0], m_Constant(&initial));
  assert(matched && "reductions start from a constant");
  (void)matched;
  return arith::ConstantOp::create(b, loc, initial);
}

SmallVector<Value> GroupEmitter::emitBody(linalg::GenericOp op,
                                          ArrayRef<Value> arguments,
                                          ArrayRef<Value> indices) {
  IRMapping values;
  for (auto [argument, value] :
       llvm::zip(op.getBody()->getArguments(), arguments))
    values.map(argument, value);
  auto bind = [&](Value value) {
    if (values.contains(value))
      return;
    TypedAttr constant;
    if (matchPattern(value, m_Constant(&constant)))
      values.map(value,
                 arith::ConstantOp::create(b, loc, constant).getResult());
    else
      values.map(value, getScalar(value));
  };
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      // Rows count from the batch's first sample.
      Value base = indices[index.getDim()];
      if (index.getDim() == 0 && stage == StageKind::Samples)
        base = add(base, first);
      values.map(index.getResult(),
                 arith::IndexCastOp::create(b, loc, b.getIndexType(), base)
                     .getResult());
      continue;
    }
    for (Value operand : inner.getOperands())
      bind(operand);
    b.clone(inner, values);
  }
  SmallVector<Value> yielded;
  for (Value value : op.getBody()->getTerminator()->getOperands()) {
    bind(value);
    yielded.push_back(values.lookup(value));
  }
  return yielded;
}

/// Computes the element-wise operations for one point and stores results.
/// `known` has the values that roots have there already, `sums` those of the
/// row reductions so far.
void GroupEmitter::emitPoint(ArrayRef<Value> indices,
                             llvm::DenseMap<Value, Value> known,
                             SmallVectorImpl<Value> *sums) {
  llvm::DenseMap<std::pair<Value, AffineMap>, Value> loaded;
  unsigned nextSum = 0;
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
      if (!value) {
        const Access &access = operandAccess[{op, input->getOperandNumber()}];
        value = load(access.element, getAddress(access, indices));
      }
      arguments.push_back(value);
    }
    if (reduction)
      arguments.push_back((*sums)[nextSum]);
    SmallVector<Value> values = emitBody(op, arguments, indices);
    if (reduction) {
      (*sums)[nextSum++] = values.front();
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
      store(known.lookup(result), getAddress(access, indices));
}

//===----------------------------------------------------------------------===//
// Points: element-wise work, row sums, sums over samples
//===----------------------------------------------------------------------===//

void GroupEmitter::prepareAccesses() {
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
}

/// Merges neighbouring dimensions that every access walks through as one, so
/// that points need fewer divisions.
void GroupEmitter::mergeLoops() {
  bool indexed = false;
  group.getBody().walk([&](linalg::IndexOp) { indexed = true; });
  if (indexed)
    return;
  SmallVector<Access *> accesses;
  for (auto &entry : operandAccess)
    accesses.push_back(&entry.second);
  for (auto &[value, access] : results)
    accesses.push_back(&access);
  for (int64_t outer = static_cast<int64_t>(space.size()) - 2; outer >= 0;
       --outer) {
    // The rows of a block of samples are a number of their own.
    if ((outer == 0 && rowsInFront) || unsigned(outer) + 1 == parallel)
      continue;
    int64_t extent = space[outer + 1];
    // A sum over samples has the samples as its first loop.
    auto strideOf = [&](Access *access, unsigned dim) -> int64_t & {
      return access->strides[access->strides.size() - space.size() + dim];
    };
    bool merges = llvm::all_of(accesses, [&](Access *access) {
      return strideOf(access, outer) == strideOf(access, outer + 1) * extent;
    });
    if (!merges)
      continue;
    for (Access *access : accesses)
      access->strides.erase(access->strides.end() - space.size() + outer);
    space[outer + 1] *= space[outer];
    space.erase(space.begin() + outer);
    if (unsigned(outer) < parallel)
      --parallel;
  }
}

/// The indices of the point with this number; the first one is what is left.
SmallVector<Value> GroupEmitter::split(Value point, ArrayRef<int64_t> extents) {
  SmallVector<Value> indices(extents.size());
  for (unsigned dim = extents.size(); dim-- > 1;) {
    indices[dim] = rest(point, extents[dim]);
    point = divided(point, extents[dim]);
  }
  if (!extents.empty())
    indices[0] = point;
  return indices;
}

/// How many points there are; the first dimension may be the block's rows.
Value GroupEmitter::countPoints(ArrayRef<int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents.drop_front(rowsInFront ? 1 : 0))
    count *= extent;
  return rowsInFront ? scaled(rows, count) : number(count);
}

void GroupEmitter::forPoints(ArrayRef<int64_t> extents,
                             function_ref<void(ArrayRef<Value>)> body) {
  Value from = add(scaled(team, kThreads), thread);
  loop(from, countPoints(extents), scaled(teams, kThreads), {},
       [&](Value point, ValueRange) {
         body(split(point, extents));
         return SmallVector<Value>();
       });
}

void GroupEmitter::emitRowSums() {
  ArrayRef<int64_t> dims(space);
  ArrayRef<int64_t> outer = dims.take_front(parallel);
  ArrayRef<int64_t> inner = dims.drop_front(parallel);
  int64_t terms = 1;
  for (int64_t extent : inner)
    terms *= extent;
  Value lane = rest(thread, kWarp);
  Value warp = divided(thread, kWarp);
  constexpr int64_t warps = kThreads / kWarp;
  Value from = add(scaled(team, warps), warp);
  loop(from, countPoints(outer), scaled(teams, warps), {},
       [&](Value unit, ValueRange) {
         SmallVector<Value> at = split(unit, outer);
         SmallVector<Value> sums;
         for (linalg::GenericOp op : rowReductions)
           sums.push_back(getInitial(op));
         sums =
             loop(lane, number(terms), number(kWarp), sums,
                  [&](Value term, ValueRange carried) {
                    SmallVector<Value> next = llvm::to_vector(carried);
                    SmallVector<Value> indices(at);
                    indices.append(split(term, inner));
                    emitPoint(indices, llvm::DenseMap<Value, Value>(), &next);
                    return next;
                  });
         for (auto [op, sum] : llvm::zip_equal(rowReductions, sums)) {
           Operation *last =
               op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
           for (int32_t lanes = kWarp / 2; lanes >= 1; lanes /= 2) {
             Value other = shuffle(sum, lanes);
             if (isa<arith::MaximumFOp>(last))
               sum = arith::MaximumFOp::create(b, loc, sum, other);
             else
               sum = arith::AddFOp::create(b, loc, sum, other);
           }
         }
         Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                               lane, number(0));
         doIf(isFirst, [&]() {
           for (auto [op, sum] : llvm::zip_equal(rowReductions, sums))
             for (auto &[result, access] : results)
               if (result == op.getResult(0)) {
                 Access row = access;
                 row.strides.truncate(parallel);
                 store(sum, getAddress(row, at));
               }
         });
         return SmallVector<Value>();
       });
}

void GroupEmitter::emitBatchSum(ArrayRef<Value> indices) {
  SmallVector<Value> sum = loop(
      number(0), samples, number(1), {zero()},
      [&](Value sample, ValueRange sums) {
        SmallVector<Value> at = {sample};
        at.append(indices.begin(), indices.end());
        SmallVector<Value> arguments;
        for (OpOperand *input : root.getDpsInputOperands()) {
          const Access &access =
              operandAccess[{root, input->getOperandNumber()}];
          arguments.push_back(load(access.element, getAddress(access, at)));
        }
        arguments.push_back(sums.front());
        return emitBody(root, arguments, at);
      });
  llvm::DenseMap<Value, Value> known;
  known[root.getResult(0)] = sum.front();
  emitPoint(indices, known);
}

/// Each operation writes its part; a fill in front of the first one sets the
/// rest.
void GroupEmitter::emitUpdates() {
  auto yield = cast<YieldOp>(group.getBody().front().getTerminator());
  auto type = cast<RankedTensorType>(yield.getValues().front().getType());
  Value pointer = func.getArgument(binding.resultPointers.front());
  for (linalg::GenericOp op : ops) {
    if (op.getDpsInits()[0].getDefiningOp<linalg::FillOp>()) {
      AffineMap identity =
          AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext());
      Access to = getAccess(pointer, type, identity, type.getRank());
      forPoints(type.getShape(), [&](ArrayRef<Value> indices) {
        store(getInitial(op), getAddress(to, indices));
      });
      barrier();
    }
    SmallVector<int64_t> extents = op.getStaticLoopRanges();
    Access to = getAccess(pointer, type,
                          op.getIndexingMapMatchingResult(op->getResult(0)),
                          extents.size());
    forPoints(extents, [&](ArrayRef<Value> indices) {
      SmallVector<Value> arguments;
      for (OpOperand *input : op.getDpsInputOperands()) {
        Access from =
            getAccess(getPointer(input->get()),
                      cast<RankedTensorType>(input->get().getType()),
                      op.getMatchingIndexingMap(input), extents.size());
        arguments.push_back(load(from.element, getAddress(from, indices)));
      }
      store(emitBody(op, arguments, indices).front(), getAddress(to, indices));
    });
    if (op != ops.back())
      barrier();
  }
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

/// Copies the part of an operand that a tile needs for `tile.depth` products
/// from `k` on to shared memory, products outermost; what is beyond `count`
/// lines or `depth` products is zero.
void GroupEmitter::copySlice(const Access &access, bool left, const Tile &tile,
                             Value firstLine, Value count, Value k, Value depth,
                             Value shared) {
  int64_t lines = left ? tile.rows : tile.columns;
  int64_t pitch = left ? tile.rowPitch() : tile.columnPitch();
  int64_t elements = lines * tile.depth;
  int64_t lineStride = access.strides[left ? 0 : 1];
  int64_t termStride = access.strides[2];
  // Neighbouring threads read neighbouring elements.
  bool termsTogether = termStride == 1 && lineStride != 1;
  for (int64_t part = 0; part < elements; part += kThreads) {
    Value element = add(thread, number(part));
    Value line, term;
    if (termsTogether) {
      line = divided(element, tile.depth);
      term = rest(element, tile.depth);
    } else {
      line = rest(element, lines);
      term = divided(element, lines);
    }
    Value inside;
    if (part + kThreads > elements)
      inside = isLess(element, number(elements));
    doIf(inside, [&]() {
      Value there = add(firstLine, line), product = add(k, term);
      Value exists = both(isLess(there, count), isLess(product, depth));
      Value value = valueIf(exists, [&]() {
        Value none = number(0);
        SmallVector<Value> indices{left ? there : none, left ? none : there,
                                   product};
        return load(access.element, getAddress(access, indices));
      });
      store(value,
            elementAt(shared, elementType, add(scaled(term, pitch), line)));
    });
  }
}

void GroupEmitter::emitContraction() {
  SmallVector<int64_t> ranges = root.getStaticLoopRanges();
  Tile tile = getTile(root);
  int64_t perRow = tile.rows / tile.threadRows;
  int64_t perColumn = tile.columns / tile.threadColumns;
  Value rowCount = rowsInFront ? rows : number(ranges[0]);
  Value columnCount = number(ranges[1]);
  Value depth = ShapedType::isDynamic(ranges[2]) ? samples : number(ranges[2]);
  auto operand = [&](unsigned index) {
    OpOperand *use = root.getDpsInputOperand(index);
    return getAccess(getPointer(use->get()),
                     cast<RankedTensorType>(use->get().getType()),
                     root.getMatchingIndexingMap(use), 3);
  };
  Access left = operand(0), right = operand(1);
  auto sharedType = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  Value sharedLeft = LLVM::AddressOfOp::create(b, loc, sharedType, kSharedName);
  Value sharedRight =
      elementAt(sharedLeft, elementType, number(tile.depth * tile.rowPitch()));
  Value threadRow = divided(thread, tile.threadColumns);
  Value threadColumn = rest(thread, tile.threadColumns);

  int64_t tileColumns = llvm::divideCeil(ranges[1], tile.columns);
  Value tileRows = divided(add(rowCount, number(tile.rows - 1)), tile.rows);
  loop(team, scaled(tileRows, tileColumns), teams, {},
       [&](Value index, ValueRange) {
         Value firstRow = scaled(divided(index, tileColumns), tile.rows);
         Value firstColumn = scaled(rest(index, tileColumns), tile.columns);
         SmallVector<Value> sums(perRow * perColumn, zero());
         sums = loop(
             number(0), depth, number(tile.depth), sums,
             [&](Value k, ValueRange carried) {
               copySlice(left, true, tile, firstRow, rowCount, k, depth,
                         sharedLeft);
               copySlice(right, false, tile, firstColumn, columnCount, k, depth,
                         sharedRight);
               barrier();
               SmallVector<Value> next = llvm::to_vector(carried);
               for (int64_t term = 0; term < tile.depth; ++term) {
                 SmallVector<Value> lefts, rights;
                 for (int64_t i = 0; i < perRow; ++i)
                   lefts.push_back(load(
                       elementType,
                       elementAt(sharedLeft, elementType,
                                 add(threadRow, number(term * tile.rowPitch() +
                                                       i * tile.threadRows)))));
                 for (int64_t j = 0; j < perColumn; ++j)
                   rights.push_back(
                       load(elementType,
                            elementAt(sharedRight, elementType,
                                      add(threadColumn,
                                          number(term * tile.columnPitch() +
                                                 j * tile.threadColumns)))));
                 for (int64_t i = 0; i < perRow; ++i)
                   for (int64_t j = 0; j < perColumn; ++j) {
                     Value &sum = next[i * perColumn + j];
                     sum =
                         math::FmaOp::create(b, loc, lefts[i], rights[j], sum);
                   }
               }
               // All have read before the next slices replace these.
               barrier();
               return next;
             });
         for (int64_t i = 0; i < perRow; ++i) {
           Value row =
               add(firstRow, add(threadRow, number(i * tile.threadRows)));
           Value hasRow = isLess(row, rowCount);
           doIf(hasRow, [&]() {
             for (int64_t j = 0; j < perColumn; ++j) {
               Value column =
                   add(firstColumn,
                       add(threadColumn, number(j * tile.threadColumns)));
               Value hasColumn = ranges[1] % tile.columns == 0
                                     ? Value()
                                     : isLess(column, columnCount);
               doIf(hasColumn, [&]() {
                 llvm::DenseMap<Value, Value> known;
                 known[root.getResult(0)] = sums[i * perColumn + j];
                 emitPoint({row, column}, known);
               });
             }
           });
         }
         return SmallVector<Value>();
       });
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

void GroupEmitter::run() {
  Block *entry = func.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  ValueRange numbers = entry->getArguments().take_back(5);
  first = numbers[0];
  rows = numbers[1];
  samples = numbers[2];
  team = numbers[3];
  teams = numbers[4];
  thread = NVVM::ThreadIdXOp::create(b, loc, b.getI32Type());
  if (getStructuredKind(ops.front()) == StructuredKind::Update) {
    // Parts follow each other and what is around them: one block does them all.
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                          team, number(0));
    teams = number(1);
    doIf(isFirst, [&]() { emitUpdates(); });
  } else {
    prepareAccesses();
    if (root && getStructuredKind(root) == StructuredKind::Contraction) {
      emitContraction();
    } else {
      mergeLoops();
      if (!rowReductions.empty())
        emitRowSums();
      else
        forPoints(space, [&](ArrayRef<Value> indices) {
          if (root)
            emitBatchSum(indices);
          else
            emitPoint(indices, llvm::DenseMap<Value, Value>());
        });
    }
  }
  LLVM::ReturnOp::create(b, loc, ValueRange());
}

LLVM::LLVMFuncOp pc::emitGroup(gpu::GPUModuleOp module, StringRef name,
                               GroupOp group, StageKind stage,
                               const GroupBinding &binding) {
  MLIRContext *context = module.getContext();
  OpBuilder end = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> arguments(
      binding.pointerCount, LLVM::LLVMPointerType::get(context, kGlobalSpace));
  for (auto [operand, pointer] :
       llvm::zip_equal(group.getInputs(), binding.operandPointers))
    if (pointer < 0)
      arguments.push_back(isa<IndexType>(operand.getType())
                              ? end.getI64Type()
                              : operand.getType());
  arguments.append(5, end.getI32Type());
  auto func = LLVM::LLVMFuncOp::create(
      end, group.getLoc(), name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments),
      LLVM::Linkage::Internal);
  // Its barriers are for all threads of the block.
  func.setConvergent(true);
  GroupEmitter(group, stage, binding, func).run();
  return func;
}
