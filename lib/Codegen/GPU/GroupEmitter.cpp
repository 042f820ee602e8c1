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
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Structured.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

static linalg::GenericOp getRoot(GroupOp group) {
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    StructuredKind kind = getStructuredKind(op);
    if (kind == StructuredKind::Contraction ||
        kind == StructuredKind::BatchReduction)
      return op;
  }
  return {};
}

static bool isContraction(linalg::GenericOp root) {
  return root && getStructuredKind(root) == StructuredKind::Contraction;
}

linalg::GenericOp pc::getContraction(GroupOp group) {
  linalg::GenericOp root = getRoot(group);
  return isContraction(root) ? root : linalg::GenericOp();
}

static ContractionPlan planGroup(linalg::GenericOp contraction, StageKind stage,
                                 const GroupChoices &choices,
                                 const GroupBinding &binding) {
  auto place = [&](unsigned index) {
    auto array =
        cast<BlockArgument>(contraction.getDpsInputOperand(index)->get());
    return binding.places[binding.operandPointers[array.getArgNumber()]];
  };
  return planContraction(contraction, stage, choices, place(0), place(1),
                         binding.stages);
}

int64_t pc::getSliceBytes(GroupOp group, StageKind stage,
                          const GroupChoices &choices,
                          const GroupBinding &binding) {
  linalg::GenericOp root = getContraction(group);
  return root ? planGroup(root, stage, choices, binding).getSharedBytes() : 0;
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

/// Neighbouring points that a thread has of an element-wise group.
static int64_t getNeighbours(GroupOp group, StageKind stage) {
  auto [space, parallel] = getPoints(group);
  // The first dimension may be the rows of a block of samples.
  if (getRoot(group) || parallel < space.size() ||
      space.size() < (stage == StageKind::Samples ? 2 : 1))
    return 1;
  int64_t together = kVectorBytes;
  for (Type type : group.getResultTypes())
    together = std::min<int64_t>(
        together,
        kVectorBytes * 8 / getElementTypeOrSelf(type).getIntOrFloatBitWidth());
  while (space.back() % together)
    together /= 2;
  return together;
}

/// Whether blocks that share a group's parts can take some rows each: every
/// part has all rows, in the order of its first loop.
static bool updatesByRows(GroupOp group, StageKind stage,
                          const GroupChoices &choices) {
  if (choices.persistent && stage == StageKind::Samples)
    return false;
  auto type = cast<RankedTensorType>(group.getResultTypes().front());
  return type.getRank() > 1 &&
         llvm::all_of(group.getBody().getOps<linalg::GenericOp>(),
                      [&](linalg::GenericOp op) {
                        AffineMap map =
                            op.getIndexingMapMatchingResult(op->getResult(0));
                        return map.getResult(0) ==
                                   getAffineDimExpr(0, op.getContext()) &&
                               op.getStaticLoopRanges()[0] ==
                                   type.getDimSize(0);
                      });
}

/// Whether the group writes parts of arrays, one operation after the other.
static bool updates(GroupOp group) {
  return llvm::any_of(group.getBody().getOps<linalg::GenericOp>(),
                      [](linalg::GenericOp op) {
                        return getStructuredKind(op) == StructuredKind::Update;
                      });
}

int64_t pc::getBlocks(GroupOp group, StageKind stage,
                      const GroupChoices &choices, int64_t rows) {
  auto [space, parallel] = getPoints(group);
  if (stage == StageKind::Samples && parallel > 0)
    space[0] = rows;
  linalg::GenericOp root = getRoot(group);
  if (isContraction(root))
    return planContraction(root, stage, choices).getTiles(space[0]);
  int64_t units = llvm::product_of(ArrayRef(space).take_front(parallel));
  bool reduces = parallel < space.size();
  if (updates(group))
    return updatesByRows(group, stage, choices) ? space[0] : 1;
  return llvm::divideCeil(
      units, reduces ? kWarps : kThreads * getNeighbours(group, stage));
}

int64_t pc::getThreadsOfPoints(GroupOp group, StageKind stage) {
  auto [space, parallel] = getPoints(group);
  if (getRoot(group) || updates(group) || parallel < space.size())
    return 0;
  int64_t points = llvm::product_of(space);
  if (stage == StageKind::Samples)
    points /= space[0];
  return points / getNeighbours(group, stage);
}

namespace {
/// The bodies of a group on the neighbouring points that a thread has, as one
/// block: what two bodies or two points have in common is there once.
class PointBlock {
public:
  PointBlock(MLIRContext *context, Location loc)
      : loc(loc), b(context),
        func(func::FuncOp::create(loc, "point", b.getFunctionType({}, {}))),
        block(func->addEntryBlock()) {
    b.setInsertionPointToEnd(block);
  }

  /// Appends the body of `op` on the `number`-th of neighbours, for `owner`.
  void append(linalg::GenericOp op, int64_t number, Operation *owner);
  /// Ends the block. Arithmetic on what differs between points, by owner:
  /// additions, products and quotients one, fused multiply-adds two.
  llvm::DenseMap<Operation *, int64_t> countFlops();

private:
  Value load(linalg::GenericOp op, OpOperand &operand, int64_t number);
  void bind(Value value, IRMapping &values);
  void shareUpperBits(arith::ShRUIOp shift, IRMapping &values, int64_t number);

  Location loc;
  OpBuilder b;
  OwningOpRef<func::FuncOp> func;
  Block *block;
  llvm::DenseMap<Operation *, Operation *> owners;
  /// Results, and elements of arrays, of each point.
  llvm::DenseMap<std::pair<Value, int64_t>, Value> known;
  llvm::DenseMap<std::tuple<Value, AffineMap, int64_t>, Value> loaded;
  llvm::DenseMap<Value, Value> scalars;
  /// Of the first point, by dimension.
  llvm::DenseMap<int64_t, Value> indices;
  llvm::DenseSet<Value> varying;
};
} // namespace

Value PointBlock::load(linalg::GenericOp op, OpOperand &operand,
                       int64_t number) {
  if (Value result = known.lookup({operand.get(), number}))
    return result;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  // One element of all neighbours?
  if (op.getNumLoops() == 0 || !map.isFunctionOfDim(op.getNumLoops() - 1))
    number = 0;
  Value &element = loaded[{operand.get(), map, number}];
  if (!element)
    element = block->addArgument(
        op.getMatchingBlockArgument(&operand).getType(), loc);
  return element;
}

/// Finds what a body reads beside elements: a constant, or the same for all.
void PointBlock::bind(Value value, IRMapping &values) {
  if (values.contains(value))
    return;
  TypedAttr constant;
  if (matchPattern(value, m_Constant(&constant))) {
    values.map(value, arith::ConstantOp::create(b, loc, constant));
    return;
  }
  Value &scalar = scalars[value];
  if (!scalar)
    scalar = block->addArgument(value.getType(), loc);
  values.map(value, scalar);
}

/// The first index of neighbours is a multiple of how many they are: upper bits
/// are the same for those that have these in common, as are random numbers that
/// are made several at a time.
void PointBlock::shareUpperBits(arith::ShRUIOp shift, IRMapping &values,
                                int64_t number) {
  Operation *cast = shift.getLhs().getDefiningOp<arith::IndexCastOp>();
  Value index = cast ? cast->getOperand(0) : shift.getLhs();
  auto sum = values.lookupOrDefault(index).getDefiningOp<arith::AddIOp>();
  APInt bits;
  if (!index.getDefiningOp<linalg::IndexOp>() || !sum ||
      !matchPattern(shift.getRhs(), m_ConstantInt(&bits)) || bits.uge(32))
    return;
  int64_t upper = number >> bits.getZExtValue() << bits.getZExtValue();
  IRMapping inner;
  inner.map(index, arith::AddIOp::create(
                       b, loc, sum.getLhs(),
                       arith::ConstantIndexOp::create(b, loc, upper)));
  values.map(shift.getLhs(),
             cast ? b.clone(*cast, inner)->getResult(0) : inner.lookup(index));
}

void PointBlock::append(linalg::GenericOp op, int64_t number,
                        Operation *owner) {
  IRMapping values;
  for (OpOperand &operand : op->getOpOperands()) {
    Value element = load(op, operand, number);
    varying.insert(element);
    values.map(op.getMatchingBlockArgument(&operand), element);
  }
  for (Operation &inner : op.getBody()->without_terminator()) {
    for (Value operand : inner.getOperands())
      bind(operand, values);
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      Value &first = indices[index.getDim()];
      if (!first) {
        first = block->addArgument(b.getIndexType(), loc);
        varying.insert(first);
      }
      Value here = first;
      if (index.getDim() + 1 == op.getNumLoops())
        here = arith::AddIOp::create(
            b, loc, first, arith::ConstantIndexOp::create(b, loc, number));
      values.map(index.getResult(), here);
      continue;
    }
    IRMapping operands(values);
    if (auto shift = dyn_cast<arith::ShRUIOp>(inner))
      shareUpperBits(shift, operands, number);
    Operation *clone = b.clone(inner, operands);
    owners[clone] = owner;
    values.map(inner.getResults(), clone->getResults());
  }
  for (auto [result, yielded] : llvm::zip_equal(
           op->getResults(), op.getBody()->getTerminator()->getOperands())) {
    bind(yielded, values);
    known[{result, number}] = values.lookup(yielded);
  }
}

llvm::DenseMap<Operation *, int64_t> PointBlock::countFlops() {
  func::ReturnOp::create(b, loc, llvm::map_to_vector(known, [](auto &entry) {
                           return entry.second;
                         }));
  IRRewriter rewriter(b.getContext());
  DominanceInfo dominance(*func);
  eliminateCommonSubExpressions(rewriter, dominance, *func);

  llvm::DenseMap<Operation *, int64_t> flops;
  for (Operation &inner : block->without_terminator()) {
    if (llvm::none_of(inner.getOperands(),
                      [&](Value operand) { return varying.contains(operand); }))
      continue;
    varying.insert(inner.result_begin(), inner.result_end());
    int64_t own = 2 * isa<math::FmaOp>(inner);
    own +=
        isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp>(inner);
    flops[owners.lookup(&inner)] += own;
  }
  return flops;
}

/// Arithmetic of each operation of a group on one of `neighbours` points that a
/// thread has, as the simulated device counts it, with functions written as
/// `pc-expand-math` will write them.
static llvm::DenseMap<Operation *, double> getPointFlops(GroupOp group,
                                                         int64_t neighbours) {
  OwningOpRef<GroupOp> expanded(group.clone());
  RewritePatternSet patterns(group.getContext());
  populateExpandMathPatterns(patterns);
  walkAndApplyPatterns(*expanded, std::move(patterns));

  PointBlock points(group.getContext(), group.getLoc());
  for (auto [original, op] :
       llvm::zip_equal(group.getBody().getOps<linalg::GenericOp>(),
                       expanded->getBody().getOps<linalg::GenericOp>()))
    for (int64_t number = 0; number < neighbours; ++number)
      points.append(op, number, original);
  llvm::DenseMap<Operation *, double> flops;
  for (auto [op, all] : points.countFlops())
    flops[op] = double(all) / neighbours;
  return flops;
}

/// Bytes that the points of a group read and write beside its contraction or
/// sum over samples, in the device's memory.
static double getPointBytes(GroupOp group, StageKind stage,
                            const GroupBinding &binding) {
  auto [space, parallel] = getPoints(group);
  double points = 1;
  for (int64_t dim : space)
    points *= dim;
  double together = getNeighbours(group, stage);
  double bytes = 0;
  auto isShared = [&](int pointer) { return binding.places[pointer].shared; };
  auto add = [&](Type type, AffineMap map) {
    LinearAccess access =
        getLinearAccess(cast<RankedTensorType>(type), map, map.getNumDims());
    // What neighbours share is read once.
    bool shared = together > 1 && access.strides.back() == 0;
    bytes += points / (shared ? together : 1) *
             access.element.getIntOrFloatBitWidth() / 8;
  };
  llvm::DenseSet<std::pair<Value, AffineMap>> seen;
  for (auto op : group.getBody().getOps<linalg::GenericOp>())
    for (OpOperand *input : op.getDpsInputOperands()) {
      auto array = dyn_cast<BlockArgument>(input->get());
      AffineMap map = op.getMatchingIndexingMap(input);
      if (op == getRoot(group) || !array ||
          isShared(binding.operandPointers[array.getArgNumber()]) ||
          !seen.insert({array, map}).second)
        continue;
      add(array.getType(), map);
    }
  for (auto [type, pointer] :
       llvm::zip_equal(group.getResultTypes(), binding.resultPointers)) {
    if (isShared(pointer))
      continue;
    double elements = 1;
    for (int64_t dim : cast<RankedTensorType>(type).getShape())
      elements *= dim;
    bytes += elements * getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8;
  }
  return bytes;
}

/// Whether a reduction of rows keeps the largest number, not the sum.
static bool takesLargest(linalg::GenericOp reduction) {
  Value last = reduction.getBody()->getTerminator()->getOperand(0);
  return isa_and_nonnull<arith::MaximumFOp>(last.getDefiningOp());
}

GroupWork pc::estimateWork(GroupOp group, StageKind stage,
                           const GroupChoices &choices,
                           const GroupBinding &binding, int64_t batch) {
  GroupWork work;
  KernelUnits &units = work.units;
  // Of a call without the part that grows with the samples, and that part.
  double flops = 0, flopsPerSample = 0, bytesPerSample = 0;
  double bytes = getPointBytes(group, stage, binding);
  linalg::GenericOp root = getRoot(group);
  int64_t neighbours = getNeighbours(group, stage);
  if (isContraction(root))
    neighbours = planGroup(root, stage, choices, binding).getNeighbours();
  llvm::DenseMap<Operation *, double> pointFlops =
      getPointFlops(group, neighbours);
  int64_t rows = 1;
  double tensorFlops = 0;
  // What is read from shared memory is there at once.
  units.trips = bytes > 0;
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    SmallVector<int64_t> space = getSpace(op);
    double elements = 1;
    for (int64_t dim : space)
      elements *= dim;
    if (!space.empty())
      rows = space[0];
    switch (getStructuredKind(op)) {
    case StructuredKind::Contraction: {
      ContractionPlan plan = planGroup(op, stage, choices, binding);
      bool dynamic = ShapedType::isDynamic(plan.k);
      int64_t terms = dynamic ? batch : plan.k;
      // Of a batch's rows, whose last block may have few.
      auto ofRows = [&](auto get) -> double {
        if (stage != StageKind::Samples)
          return get(plan.m);
        int64_t whole = batch / plan.m, rest = batch % plan.m;
        double sum = whole * get(plan.m) + (rest ? get(rest) : 0);
        return sum / batch * plan.m;
      };
      double all =
          ofRows([&](int64_t rows) { return plan.getFlops(rows, terms); });
      if (dynamic) {
        flopsPerSample += all / terms;
        bytesPerSample += plan.getBytes(plan.m, 1);
      } else {
        flops += all;
        bytes +=
            ofRows([&](int64_t rows) { return plan.getBytes(rows, plan.k); });
      }
      if (plan.multiply != Multiply::Exact) {
        tensorFlops = all;
        units.bits = plan.multiply == Multiply::TF32 ? 19 : 16;
      }
      units.count = plan.getTiles(plan.m);
      units.sharedPasses = plan.getSharedPasses(terms);
      units.turns = plan.getTurns(terms);
      units.chain = plan.getChain(terms);
      units.trips += plan.getWaits(terms);
      break;
    }
    case StructuredKind::BatchReduction:
      flopsPerSample += elements * pointFlops.lookup(op);
      for (OpOperand *input : op.getDpsInputOperands())
        bytesPerSample += elements *
                          getElementTypeOrSelf(input->get().getType())
                              .getIntOrFloatBitWidth() /
                          8;
      break;
    case StructuredKind::RowReduction: {
      // The lanes' sums are added pairwise, every lane doing it, but for the
      // last sum, which one lane needs. A largest number takes no arithmetic.
      double sums = elements;
      for (int64_t dim : ArrayRef(space).drop_front(op.getNumParallelLoops()))
        sums /= dim;
      if (!takesLargest(op))
        flops += sums * (kWarp * (llvm::Log2_64(kWarp) - 1) + 1);
      [[fallthrough]];
    }
    case StructuredKind::Elementwise:
    case StructuredKind::Update:
      flops += elements * pointFlops.lookup(op);
      break;
    }
  }
  if (stage == StageKind::Samples) {
    work.flopsPerSample = flops / rows;
    work.bytesPerSample = bytes / rows;
  } else {
    work.flopsBase = flops;
    work.flopsPerSample = flopsPerSample;
    work.bytesBase = bytes;
    work.bytesPerSample = bytesPerSample;
  }
  bool byBlock = choices.persistent && stage == StageKind::Samples;
  if (byBlock)
    units.blocksOfSamples = llvm::divideCeil(batch, rows);
  if (!isContraction(root)) {
    units.count = byBlock ? 1 : getBlocks(group, stage, choices, rows);
    // One addition of a sum waits for the one before, and for its operand.
    if (root)
      units.trips += batch / 8.0;
  }
  double all = flops + flopsPerSample * batch - tensorFlops;
  units.flops = all / units.count;
  units.tensorFlops = tensorFlops / units.count;
  units.bytes = (bytes + bytesPerSample * batch) / units.count;
  return work;
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

namespace {

class GroupEmitter : ThreadCode {
public:
  GroupEmitter(GroupOp group, StageKind stage, const GroupChoices &choices,
               const GroupBinding &binding, LLVM::LLVMFuncOp func);
  void run();

private:
  Value shuffle(Value value, int32_t lanes);

  // Accesses and bodies.
  Value getPointer(Value arrayInGroup);
  int64_t getAlignment(const Access &access);
  int64_t getPitch(Value pointer);
  Value getScalar(Value value);
  Value getInitial(linalg::GenericOp reduction);
  SmallVector<Value> emitBody(linalg::GenericOp op, ArrayRef<Value> arguments,
                              ArrayRef<Value> indices);
  /// A point of the space and what is known of it: the values that roots have
  /// there already.
  struct Point {
    explicit Point(ArrayRef<Value> indices) : indices(indices) {}
    SmallVector<Value> indices;
    llvm::DenseMap<Value, Value> known;
  };
  SmallVector<Value> loadPoints(const Access &access, ArrayRef<Point> points,
                                bool neighbours);
  void computePoints(MutableArrayRef<Point> points, bool neighbours,
                     SmallVectorImpl<Value> *sums = nullptr);
  void storePoints(ArrayRef<Point> points, bool neighbours);
  void emitPoints(MutableArrayRef<Point> points, bool neighbours);

  // Kinds of groups.
  void prepareAccesses();
  void mergeLoops();
  SmallVector<Value> split(Value point, ArrayRef<int64_t> extents);
  /// Runs `body` for the points of `extents` that this thread has.
  void forPoints(ArrayRef<int64_t> extents,
                 function_ref<void(ArrayRef<Value>)> body);
  Value countPoints(ArrayRef<int64_t> extents);
  void emitElements();
  void emitRowSums();
  void emitBatchSum(ArrayRef<Value> indices);
  void emitUpdates();
  void emitUpdates(
      function_ref<void(ArrayRef<int64_t>, function_ref<void(ArrayRef<Value>)>)>
          each);
  void emitContraction();
  void emitZeros();

  GroupOp group;
  StageKind stage;
  const GroupChoices &choices;
  const GroupBinding &binding;
  LLVM::LLVMFuncOp func;

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
                           const GroupChoices &choices,
                           const GroupBinding &binding, LLVM::LLVMFuncOp func)
    : ThreadCode(OpBuilder(func.getContext()), group.getLoc()), group(group),
      stage(stage), choices(choices), binding(binding), func(func),
      root(getRoot(group)) {
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    ops.push_back(op);
    if (getStructuredKind(op) == StructuredKind::RowReduction)
      rowReductions.push_back(op);
  }
  elementType = getElementTypeOrSelf(ops.front().getResult(0));
  std::tie(space, parallel) = getPoints(group);
  rowsInFront = stage == StageKind::Samples && parallel > 0;
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

/// The pointer of an array that the group reads, null when the group made it.
Value GroupEmitter::getPointer(Value array) {
  auto argument = dyn_cast<BlockArgument>(array);
  if (!argument)
    return {};
  return func.getArgument(binding.operandPointers[argument.getArgNumber()]);
}

/// Bytes that the address of an array is a multiple of.
int64_t GroupEmitter::getAlignment(const Access &access) {
  return binding.alignments[cast<BlockArgument>(access.pointer).getArgNumber()];
}

int64_t GroupEmitter::getPitch(Value pointer) {
  return binding.places[cast<BlockArgument>(pointer).getArgNumber()].pitch;
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

/// Whether elements of neighbouring points, the first of which has a number
/// that is a multiple of `count`, can be accessed with one instruction.
static bool isVector(const Access &access, int64_t alignment, int64_t count) {
  int64_t bytes = count * access.element.getIntOrFloatBitWidth() / 8;
  if (count < 2 || !llvm::isPowerOf2_64(count) || bytes > kVectorBytes ||
      alignment % bytes || access.strides.back() != 1)
    return false;
  return access.offset % count == 0 &&
         llvm::all_of(ArrayRef(access.strides).drop_back(),
                      [&](int64_t stride) { return stride % count == 0; });
}

SmallVector<Value> GroupEmitter::loadPoints(const Access &access,
                                            ArrayRef<Point> points,
                                            bool neighbours) {
  auto address = [&](const Point &point) {
    return getAddress(access, point.indices);
  };
  if (neighbours && access.strides.back() == 0)
    return SmallVector<Value>(points.size(),
                              load(access.element, address(points.front())));
  if (neighbours && isVector(access, getAlignment(access), points.size()))
    return loadMany(access.element, points.size(), address(points.front()));
  return llvm::map_to_vector(points, [&](const Point &point) {
    return load(access.element, address(point));
  });
}

/// Computes the element-wise operations for some points, which may be
/// neighbours along the last dimension. `sums` has those of the row reductions
/// so far.
void GroupEmitter::computePoints(MutableArrayRef<Point> points, bool neighbours,
                                 SmallVectorImpl<Value> *sums) {
  llvm::DenseMap<std::pair<Value, AffineMap>, SmallVector<Value>> loaded;
  unsigned nextSum = 0;
  for (linalg::GenericOp op : ops) {
    if (op == root)
      continue;
    bool reduction = getStructuredKind(op) == StructuredKind::RowReduction;
    SmallVector<SmallVector<Value>> arguments(points.size());
    for (OpOperand *input : op.getDpsInputOperands()) {
      bool known = points.front().known.contains(input->get());
      SmallVector<Value> &values =
          loaded[{input->get(), op.getMatchingIndexingMap(input)}];
      if (!known && values.empty())
        values = loadPoints(operandAccess[{op, input->getOperandNumber()}],
                            points, neighbours);
      for (auto [index, point] : llvm::enumerate(points))
        arguments[index].push_back(known ? point.known.lookup(input->get())
                                         : values[index]);
    }
    for (auto [point, inputs] : llvm::zip_equal(points, arguments)) {
      if (reduction)
        inputs.push_back((*sums)[nextSum]);
      SmallVector<Value> values = emitBody(op, inputs, point.indices);
      if (reduction)
        (*sums)[nextSum] = values.front();
      else
        for (auto [result, value] : llvm::zip_equal(op->getResults(), values))
          point.known[result] = value;
    }
    nextSum += reduction;
  }
}

void GroupEmitter::storePoints(ArrayRef<Point> points, bool neighbours) {
  for (auto &[result, access] : results) {
    if (getStructuredKind(result.getDefiningOp<linalg::GenericOp>()) ==
        StructuredKind::RowReduction)
      continue;
    auto address = [&](const Point &point) {
      return getAddress(access, point.indices);
    };
    if (neighbours && isVector(access, getAlignment(access), points.size()))
      storeMany(llvm::map_to_vector(
                    points,
                    [&](const Point &point) { return point.known.at(result); }),
                address(points.front()));
    else
      for (const Point &point : points)
        store(point.known.at(result), address(point));
  }
}

/// Everything is read before anything is written: results may replace what they
/// were computed from.
void GroupEmitter::emitPoints(MutableArrayRef<Point> points, bool neighbours) {
  computePoints(points, neighbours);
  storePoints(points, neighbours);
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
        operandAccess[{op, input->getOperandNumber()}] = {
            getLinearAccess(cast<RankedTensorType>(input->get().getType()),
                            op.getMatchingIndexingMap(input),
                            batch ? rank + 1 : rank, getPitch(pointer)),
            pointer};
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
        {value,
         {getLinearAccess(cast<RankedTensorType>(value.getType()), map, rank,
                          binding.places[binding.resultPointers[index]].pitch),
          func.getArgument(binding.resultPointers[index])}});
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

/// A thread has neighbours that it reads and writes with one instruction, or a
/// sum over samples.
void GroupEmitter::emitElements() {
  int64_t together = getNeighbours(group, stage);
  SmallVector<int64_t> extents(space);
  if (together > 1)
    extents.back() /= together;
  forPoints(extents, [&](ArrayRef<Value> indices) {
    if (root)
      return emitBatchSum(indices);
    SmallVector<Point> points;
    for (int64_t i = 0; i < together; ++i) {
      Point &point = points.emplace_back(indices);
      if (together > 1)
        point.indices.back() = add(scaled(indices.back(), together), number(i));
    }
    emitPoints(points, /*neighbours=*/together > 1);
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
  Value from = add(scaled(team, kWarps), warp);
  loop(from, countPoints(outer), scaled(teams, kWarps), {},
       [&](Value unit, ValueRange) {
         SmallVector<Value> at = split(unit, outer);
         SmallVector<Value> sums;
         for (linalg::GenericOp op : rowReductions)
           sums.push_back(getInitial(op));
         sums = loop(lane, number(terms), number(kWarp), sums,
                     [&](Value term, ValueRange carried) {
                       SmallVector<Value> next = llvm::to_vector(carried);
                       Point point(at);
                       point.indices.append(split(term, inner));
                       computePoints(point, false, &next);
                       storePoints(point, false);
                       return next;
                     });
         for (auto [op, sum] : llvm::zip_equal(rowReductions, sums)) {
           for (int32_t lanes = kWarp / 2; lanes >= 1; lanes /= 2) {
             Value other = shuffle(sum, lanes);
             if (takesLargest(op))
               sum = arith::MaximumFOp::create(b, loc, sum, other);
             else
               sum = arith::AddFOp::create(b, loc, sum, other);
           }
         }
         Value isFirst = isEqual(lane, number(0));
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
  Value none = arith::ConstantOp::create(b, loc, b.getZeroAttr(elementType));
  SmallVector<Value> sum = loop(
      number(0), samples, number(1), {none},
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
  Point point(indices);
  point.known[root.getResult(0)] = sum.front();
  emitPoints(point, /*neighbours=*/false);
}

/// Each operation writes its part; a fill in front of the first one sets the
/// rest. Parts follow each other and what is around them: one block does all of
/// them, or, where they keep to rows, all of some rows.
void GroupEmitter::emitUpdates() {
  if (!updatesByRows(group, stage, choices)) {
    Value isFirst = isEqual(team, number(0));
    teams = number(1);
    return doIf(isFirst, [&]() {
      emitUpdates([&](ArrayRef<int64_t> extents,
                      function_ref<void(ArrayRef<Value>)> body) {
        forPoints(extents, body);
      });
    });
  }
  Value count = rowsInFront ? rows : number(space[0]);
  loop(team, count, teams, {}, [&](Value row, ValueRange) {
    emitUpdates([&](ArrayRef<int64_t> extents,
                    function_ref<void(ArrayRef<Value>)> body) {
      ArrayRef<int64_t> inner = extents.drop_front();
      Value points = number(ShapedType::getNumElements(inner));
      loop(thread, points, number(kThreads), {}, [&](Value point, ValueRange) {
        SmallVector<Value> indices{row};
        indices.append(split(point, inner));
        body(indices);
        return SmallVector<Value>();
      });
    });
    return SmallVector<Value>();
  });
}

/// `each` runs its second argument for the points, of a space of the first,
/// that the thread has of what its block does.
void GroupEmitter::emitUpdates(
    function_ref<void(ArrayRef<int64_t>, function_ref<void(ArrayRef<Value>)>)>
        each) {
  auto yield = cast<YieldOp>(group.getBody().front().getTerminator());
  auto type = cast<RankedTensorType>(yield.getValues().front().getType());
  Value pointer = func.getArgument(binding.resultPointers.front());
  for (linalg::GenericOp op : ops) {
    if (op.getDpsInits()[0].getDefiningOp<linalg::FillOp>()) {
      AffineMap identity =
          AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext());
      Access to{
          getLinearAccess(type, identity, type.getRank(), getPitch(pointer)),
          pointer};
      each(type.getShape(), [&](ArrayRef<Value> indices) {
        store(getInitial(op), getAddress(to, indices));
      });
      barrier();
    }
    SmallVector<int64_t> extents = op.getStaticLoopRanges();
    Access to{getLinearAccess(type,
                              op.getIndexingMapMatchingResult(op->getResult(0)),
                              extents.size(), getPitch(pointer)),
              pointer};
    each(extents, [&](ArrayRef<Value> indices) {
      SmallVector<Value> arguments;
      for (OpOperand *input : op.getDpsInputOperands()) {
        Value array = getPointer(input->get());
        Access from{
            getLinearAccess(cast<RankedTensorType>(input->get().getType()),
                            op.getMatchingIndexingMap(input), extents.size(),
                            getPitch(array)),
            array};
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

void GroupEmitter::emitContraction() {
  ContractionPlan plan = planGroup(root, stage, choices, binding);
  auto sharedType = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  ContractionArguments arguments;
  arguments.left = getPointer(root.getDpsInputOperand(0)->get());
  arguments.right = getPointer(root.getDpsInputOperand(1)->get());
  arguments.rows = rowsInFront ? rows : number(plan.m);
  arguments.terms = ShapedType::isDynamic(plan.k) ? samples : number(plan.k);
  arguments.thread = thread;
  arguments.team = team;
  arguments.teams = teams;
  arguments.shared = LLVM::AddressOfOp::create(b, loc, sharedType, kSharedName);
  if (binding.sliceOffset)
    arguments.shared =
        elementAt(arguments.shared, b.getI8Type(), number(binding.sliceOffset));
  pc::emitContraction(
      b, loc, plan, arguments,
      [&](OpBuilder &inner, const ContractionElements &elements) {
        OpBuilder::InsertionGuard guard(b);
        b.restoreInsertionPoint(inner.saveInsertionPoint());
        SmallVector<Point> points;
        for (auto [column, sum] :
             llvm::zip_equal(elements.columns, elements.sums)) {
          Point &point =
              points.emplace_back(ArrayRef<Value>{elements.row, column});
          point.known[root.getResult(0)] = sum;
        }
        emitPoints(points, elements.neighbours);
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
    emitUpdates();
  } else {
    prepareAccesses();
    if (isContraction(root)) {
      emitContraction();
    } else {
      mergeLoops();
      if (!rowReductions.empty())
        emitRowSums();
      else
        emitElements();
    }
  }
  emitZeros();
  LLVM::ReturnOp::create(b, loc, ValueRange());
}

/// Products read rows in shared memory up to a multiple of 16 elements.
void GroupEmitter::emitZeros() {
  for (auto [type, pointer] :
       llvm::zip_equal(group.getResultTypes(), binding.resultPointers)) {
    ArrayPlace place = binding.places[pointer];
    if (!place.shared || !place.pitch)
      continue;
    auto array = cast<RankedTensorType>(type);
    int64_t row = array.getNumElements() / array.getDimSize(0);
    int64_t beyond = llvm::alignTo(row, kRowUnit) - row;
    if (beyond == 0)
      continue;
    Value zero = arith::ConstantOp::create(
        b, loc, b.getZeroAttr(array.getElementType()));
    Value end = number(array.getDimSize(0) * beyond);
    loop(thread, end, number(kThreads), {}, [&](Value point, ValueRange) {
      Value at = add(scaled(divided(point, beyond), place.pitch),
                     add(rest(point, beyond), number(row)));
      store(zero,
            elementAt(func.getArgument(pointer), array.getElementType(), at));
      return SmallVector<Value>();
    });
  }
}

LLVM::LLVMFuncOp pc::emitGroup(gpu::GPUModuleOp module, StringRef name,
                               GroupOp group, StageKind stage,
                               const GroupChoices &choices,
                               const GroupBinding &binding) {
  MLIRContext *context = module.getContext();
  OpBuilder end = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> arguments;
  for (ArrayPlace place : binding.places)
    arguments.push_back(LLVM::LLVMPointerType::get(
        context, place.shared ? kSharedSpace : kGlobalSpace));
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
  GroupEmitter(group, stage, choices, binding, func).run();
  return func;
}
