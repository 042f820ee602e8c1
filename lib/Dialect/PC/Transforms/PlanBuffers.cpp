//===- PlanBuffers.cpp - Places of all arrays of a program ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Time is a line of slots: one for each group of a samples stage, one for a
// whole params stage (its groups run at once), one for each end of a loop. A
// value lives from the slot that makes it to the slot of its last reader, or to
// the end of a loop that reads a value from outside.
//
// Values that must lie in one place (a loop's initial value, argument, yielded
// value and result; a persistent array before and after) are merged when their
// lives do not meet. They may meet in one slot, that of the kernel that reads
// the old value and writes the new one element by element. What cannot be
// merged is copied, and planning starts again.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_PLANBUFFERSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

//===----------------------------------------------------------------------===//
// Where an array comes from
//===----------------------------------------------------------------------===//

Value pc::getRootArray(Value value) {
  while (true) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto stage = dyn_cast<StageOp>(argument.getOwner()->getParentOp());
      if (!stage)
        return value;
      value = stage.getInputs()[argument.getArgNumber()];
    } else if (auto stage = value.getDefiningOp<StageOp>()) {
      auto yield = cast<YieldOp>(stage.getBody().front().getTerminator());
      value = yield.getValues()[cast<OpResult>(value).getResultNumber()];
    } else if (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
                   value.getDefiningOp())) {
      value = value.getDefiningOp()->getOperand(0);
    } else {
      return value;
    }
  }
}

bool pc::readsInPlace(GroupOp group, unsigned operandNumber) {
  BlockArgument argument = group.getBody().getArgument(operandNumber);
  return llvm::all_of(argument.getUses(), [](OpOperand &use) {
    auto op = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!op)
      return false;
    StructuredKind kind = getStructuredKind(op);
    return (kind == StructuredKind::Elementwise ||
            kind == StructuredKind::RowReduction) &&
           op.isDpsInput(&use) && readsSameElement(op, use);
  });
}

namespace {

/// The life of an array, in slots, both ends included.
struct Life {
  int64_t start = 0;
  int64_t end = 0;
};

/// Arrays that lie in one place.
struct ArrayClass {
  SmallVector<Value> roots;
  std::optional<BufferAttr> place;
  /// Nothing may be written there.
  bool readOnly = false;
};

bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

/// What was copied for an argument of a loop.
struct LoopCopies {
  bool onEntry = false;
  bool yielded = false;
  bool initial = false;
};

class Planner {
public:
  /// `copied` keeps, from one try to the next, what was copied for the
  /// arguments of loops.
  Planner(func::FuncOp func, llvm::DenseMap<Value, LoopCopies> &copied)
      : func(func), copied(copied), context(func.getContext()),
        sampleBlock(
            func->getAttrOfType<IntegerAttr>(PCDialect::kSampleBlockAttrName)
                .getInt()),
        maxBatch(func->getAttrOfType<IntegerAttr>(PCDialect::kMaxBatchAttrName)
                     .getInt()) {}

  /// Merges what must be in one place. Returns false after it made a copy: the
  /// analysis no longer holds then.
  bool merge();
  void layOut(bool padRows);

private:
  void number(Block &block);
  void collectLives();
  void addUse(Value value, Operation *user, int64_t slot);

  unsigned getClass(Value root) { return classOf.lookup(root); }
  bool meet(Value a, Value b);
  bool isReplacedInPlace(Value old, Value replacement, int64_t slot);
  bool tryMerge(Value a, Value b);
  Value copy(OpBuilder &builder, Location loc, Value value);
  bool copyOnEntry(scf::ForOp loop, OpOperand &yielded);

  /// The type with the block's rows in place of a batch's.
  RankedTensorType getBlockType(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getRank() == 0 || !type.isDynamicDim(0))
      return type;
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = sampleBlock;
    return type.clone(shape);
  }
  StageOp getStage(Value root) {
    Operation *op = root.getParentRegion()->getParentOp();
    while (op && !isa<StageOp, func::FuncOp>(op))
      op = op->getParentOp();
    return dyn_cast_or_null<StageOp>(op);
  }

  func::FuncOp func;
  llvm::DenseMap<Value, LoopCopies> &copied;
  MLIRContext *context;
  int64_t sampleBlock, maxBatch;
  int64_t slots = 0;
  /// Slot of an operation; of loops and samples stages, their first and last.
  llvm::DenseMap<Operation *, Life> times;
  llvm::MapVector<Value, Life> lives;
  llvm::DenseMap<Value, SmallVector<OpOperand *>> reads;
  /// Values that are one value in a slot: what enters or leaves a loop.
  llvm::DenseSet<std::tuple<Value, Value, int64_t>> related;
  std::vector<ArrayClass> classes;
  llvm::DenseMap<Value, unsigned> classOf;
};

} // namespace

//===----------------------------------------------------------------------===//
// Lives
//===----------------------------------------------------------------------===//

void Planner::number(Block &block) {
  for (Operation &op : block) {
    if (auto stage = dyn_cast<StageOp>(op)) {
      if (stage.getKind() == StageKind::Params) {
        int64_t slot = slots++;
        op.walk([&](Operation *inner) { times[inner] = {slot, slot}; });
        continue;
      }
      int64_t start = slots++;
      number(stage.getBody().front());
      times[&op] = {start, slots++};
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      int64_t start = slots++;
      number(*loop.getBody());
      times[&op] = {start, slots++};
    } else {
      int64_t slot = slots++;
      times[&op] = {slot, slot};
    }
  }
}

void Planner::addUse(Value value, Operation *user, int64_t slot) {
  Value root = getRootArray(value);
  Life &life = lives[root];
  life.end = std::max(life.end, slot);
  // A loop reads what it did not make until its end.
  for (Operation *op = user->getParentOp(); op != func; op = op->getParentOp())
    if (isa<scf::ForOp>(op) &&
        !op->getRegion(0).isAncestor(root.getParentRegion()))
      life.end = std::max(life.end, times[op].end);
}

void Planner::collectLives() {
  number(func.getBody().front());
  auto define = [&](Value root, int64_t slot) { lives[root] = {slot, slot}; };
  for (BlockArgument argument : func.getArguments())
    if (isTensor(argument))
      define(argument, -1);
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (auto [argument, result] :
           llvm::zip_equal(loop.getRegionIterArgs(), loop.getResults()))
        if (isTensor(result)) {
          define(argument, times[op].start);
          define(result, times[op].end);
        }
    } else if (isa<GroupOp, tensor::FromElementsOp>(op)) {
      for (Value result : op->getResults())
        define(result, times[op].start);
    }
    // A group's body holds no arrays of its own.
    return isa<GroupOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      Operation *yield = loop.getBody()->getTerminator();
      for (auto [index, init] : llvm::enumerate(loop.getInitArgs())) {
        if (!isTensor(init))
          continue;
        Life time = times[op];
        Value argument = loop.getRegionIterArg(index);
        Value yielded = yield->getOperand(index);
        addUse(init, op, time.start);
        addUse(yielded, yield, time.end);
        related.insert({getRootArray(init), argument, time.start});
        related.insert(
            {getRootArray(yielded), loop.getResult(index), time.end});
      }
    } else if (isa<GroupOp, tensor::ExtractOp, func::ReturnOp>(op)) {
      for (OpOperand &operand : op->getOpOperands())
        if (isTensor(operand.get())) {
          addUse(operand.get(), op, times[op].start);
          reads[getRootArray(operand.get())].push_back(&operand);
        }
    }
    return isa<GroupOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

/// True if the group that makes `replacement` in `slot` is all that reads `old`
/// then, each element before it writes the same element.
bool Planner::isReplacedInPlace(Value old, Value replacement, int64_t slot) {
  auto group = replacement.getDefiningOp<GroupOp>();
  if (!group || times[group].start != slot || lives[old].end != slot ||
      lives[old].start == slot)
    return false;
  return llvm::all_of(reads[old], [&](OpOperand *use) {
    return times[use->getOwner()].start != slot ||
           (use->getOwner() == group &&
            readsInPlace(group, use->getOperandNumber()));
  });
}

bool Planner::meet(Value a, Value b) {
  int64_t start = std::max(lives[a].start, lives[b].start);
  int64_t end = std::min(lives[a].end, lives[b].end);
  if (start > end)
    return false;
  if (start < end)
    return true;
  return !related.contains({a, b, start}) && !related.contains({b, a, start}) &&
         !isReplacedInPlace(a, b, start) && !isReplacedInPlace(b, a, start);
}

bool Planner::tryMerge(Value a, Value b) {
  unsigned first = getClass(getRootArray(a)),
           second = getClass(getRootArray(b));
  if (first == second)
    return true;
  ArrayClass &into = classes[first], &from = classes[second];
  if (into.readOnly || from.readOnly || (into.place && from.place) ||
      getBlockType(into.roots.front()) != getBlockType(from.roots.front()))
    return false;
  for (Value left : into.roots)
    for (Value right : from.roots)
      if (meet(left, right))
        return false;
  for (Value root : from.roots)
    classOf[root] = first;
  into.roots.append(from.roots);
  if (from.place)
    into.place = from.place;
  from.roots.clear();
  return true;
}

Value Planner::copy(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!isa<FloatType>(type.getElementType())) {
    Value number = tensor::ExtractOp::create(builder, loc, value, ValueRange());
    return tensor::FromElementsOp::create(builder, loc, type, number);
  }
  auto group = [&](Value source) -> Value {
    auto blockType = cast<RankedTensorType>(source.getType());
    auto group = GroupOp::create(builder, loc, blockType, source);
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&group.getBody());
    BlockArgument argument = body->addArgument(blockType, loc);
    auto generic = buildCopy(builder, loc, blockType, argument);
    YieldOp::create(builder, loc, generic.getResults());
    return group.getResult(0);
  };
  Operation *parent = builder.getInsertionBlock()->getParentOp();
  if (isa<StageOp>(parent) || parent->getParentOfType<StageOp>())
    return group(value);
  bool samples = type.getRank() > 0 && type.isDynamicDim(0);
  auto stage =
      StageOp::create(builder, loc, type,
                      samples ? StageKind::Samples : StageKind::Params, value);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&stage.getBody());
  Value result = group(body->addArgument(getBlockType(value), loc));
  YieldOp::create(builder, loc, result);
  return stage.getResult(0);
}

/// Ends the life of a loop's argument where a stage first reads it, if that
/// lets `yielded` replace it: the stage copies its rows, and all else reads the
/// copy. So a step that needs the old states after it made the new ones, as
/// iPC's weight gradients do, has no stage, and no barrier, that only copies.
bool Planner::copyOnEntry(scf::ForOp loop, OpOperand &yielded) {
  BlockArgument argument = loop.getRegionIterArg(yielded.getOperandNumber());
  auto type = cast<RankedTensorType>(argument.getType());
  if (type.getRank() == 0 || !type.isDynamicDim(0) ||
      loop->getParentOfType<StageOp>() || argument.use_empty())
    return false;
  Operation *first = *llvm::min_element(
      argument.getUsers(), [](Operation *lhs, Operation *rhs) {
        return lhs->getBlock() == rhs->getBlock() && lhs->isBeforeInBlock(rhs);
      });
  auto stage = dyn_cast<StageOp>(first);
  if (!stage || stage->getBlock() != loop.getBody() ||
      stage.getKind() != StageKind::Samples ||
      lives[getRootArray(yielded.get())].start <= times[stage].start)
    return false;
  if (std::exchange(copied[argument].onEntry, true))
    return false; // it did not help

  OpBuilder builder(stage);
  auto result =
      StageOp::create(builder, stage.getLoc(),
                      llvm::to_vector(llvm::concat<const Type>(
                          stage.getResultTypes(), ArrayRef<Type>(type))),
                      stage.getKind(), stage.getInputs());
  result.getBody().takeBody(stage.getBody());
  stage.replaceAllUsesWith(
      result.getResults().take_front(stage.getNumResults()));
  stage->erase();

  Block &body = result.getBody().front();
  builder.setInsertionPointToStart(&body);
  Value old;
  for (auto [input, local] :
       llvm::zip_equal(result.getInputs(), body.getArguments())) {
    if (input != argument)
      continue;
    if (!old)
      old = copy(builder, loop.getLoc(), local);
    local.replaceAllUsesExcept(old, old.getDefiningOp());
  }
  body.getTerminator()->insertOperands(body.getTerminator()->getNumOperands(),
                                       old);
  argument.replaceAllUsesExcept(result.getResults().back(), result);
  return true;
}

bool Planner::merge() {
  collectLives();
  for (auto &[root, life] : lives) {
    classOf[root] = classes.size();
    classes.push_back({{root}, std::nullopt, false});
  }
  // Arguments are where the caller put them.
  llvm::StringMap<Value> storage;
  llvm::StringSet<> changed;
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    if (auto port =
            func.getResultAttrOfType<PortAttr>(i, PCDialect::kPortAttrName))
      if (port.isStorage())
        changed.insert(port.getName().getValue());
  int64_t inputs = 0, arrays = 0, outputs = 0;
  for (BlockArgument argument : func.getArguments()) {
    auto port = func.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                PCDialect::kPortAttrName);
    if (port.isStorage()) {
      ArrayClass &array = classes[getClass(argument)];
      array.place = BufferAttr::get(context, BufferSpace::Storage, arrays++);
      array.readOnly = !changed.contains(port.getName().getValue());
      storage[port.getName().getValue()] = argument;
    } else if (port.getKind() == PortKind::Input) {
      ArrayClass &array = classes[getClass(argument)];
      array.place = BufferAttr::get(context, BufferSpace::Input, inputs++);
      array.readOnly = true;
    }
  }

  // Persistent arrays first: an output has no place of its own to keep.
  Operation *exit = func.getBody().front().getTerminator();
  auto getResultPort = [&](OpOperand &operand) {
    return func.getResultAttrOfType<PortAttr>(operand.getOperandNumber(),
                                              PCDialect::kPortAttrName);
  };
  SmallVector<OpOperand *> stuckResults, stuckStorage;
  for (OpOperand &operand : exit->getOpOperands())
    if (PortAttr port = getResultPort(operand); port.isStorage())
      if (!tryMerge(storage[port.getName().getValue()], operand.get())) {
        stuckResults.push_back(&operand);
        stuckStorage.push_back(&operand);
      }
  for (OpOperand &operand : exit->getOpOperands()) {
    if (getResultPort(operand).isStorage())
      continue;
    ArrayClass &array = classes[getClass(getRootArray(operand.get()))];
    if (array.place)
      stuckResults.push_back(&operand);
    else
      array.place = BufferAttr::get(context, BufferSpace::Output, outputs);
    ++outputs;
  }
  // All are read before any persistent array is written: two may change places.
  if (!stuckResults.empty()) {
    OpBuilder builder(exit);
    for (OpOperand *operand : stuckResults)
      operand->set(copy(builder, exit->getLoc(), operand->get()));
    for (OpOperand *operand : stuckStorage)
      operand->set(copy(builder, exit->getLoc(), operand->get()));
    return false;
  }

  bool complete = true;
  func.walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
    Operation *yield = loop.getBody()->getTerminator();
    SmallVector<OpOperand *> stuck;
    // All that a round finds it mends: each one plans anew.
    bool mended = false;
    for (auto [index, init] : llvm::enumerate(loop.getInitArgsMutable())) {
      if (!isTensor(init.get()))
        continue;
      Value argument = loop.getRegionIterArg(index);
      OpOperand &yielded = yield->getOpOperand(index);
      bool begins = tryMerge(argument, init.get());
      if (begins && tryMerge(argument, yielded.get()) &&
          tryMerge(argument, loop.getResult(index)))
        continue;
      LoopCopies &copies = copied[argument];
      // An initial value that is read later on keeps its place. So does one
      // that is made while the array that the loop ends in, say the old
      // weights, is still read: a copy of what the loop yields does not help.
      if (!begins || lives[getRootArray(init.get())].end > times[loop].start ||
          (copies.yielded && !std::exchange(copies.initial, true))) {
        OpBuilder builder(loop);
        init.set(copy(builder, loop.getLoc(), init.get()));
        mended = true;
        continue;
      }
      // The array that the loop ends in is read until the loop begins.
      if (copies.initial) {
        OpBuilder builder(loop->getContext());
        builder.setInsertionPointAfter(loop);
        Value result = loop.getResult(index);
        SmallVector<OpOperand *> uses =
            llvm::to_vector(llvm::make_pointer_range(result.getUses()));
        Value moved = copy(builder, loop.getLoc(), result);
        for (OpOperand *use : uses)
          use->set(moved);
        mended = true;
        continue;
      }
      stuck.push_back(&yielded);
    }
    if (stuck.empty() && !mended)
      return WalkResult::advance();
    complete = false;
    if (mended)
      return WalkResult::interrupt();
    bool moved = false;
    for (OpOperand *operand : stuck)
      moved |= copyOnEntry(loop, *operand);
    if (moved)
      return WalkResult::interrupt();
    // All are read before any is written: values may change places.
    OpBuilder builder(yield);
    for (OpOperand *operand : stuck) {
      copied[loop.getRegionIterArg(operand->getOperandNumber())].yielded = true;
      operand->set(copy(builder, loop.getLoc(), operand->get()));
    }
    for (OpOperand *operand : stuck)
      operand->set(copy(builder, loop.getLoc(), operand->get()));
    return WalkResult::interrupt();
  });
  if (!complete)
    return false;

  // In place where it is free: less memory to move through the caches.
  func.walk([&](GroupOp group) {
    for (Value result : group.getResults())
      for (OpOperand &operand : group->getOpOperands()) {
        Value root = getRootArray(operand.get());
        if (!isTensor(operand.get()) || getStage(root) != getStage(result) ||
            classes[getClass(root)].place || classes[getClass(result)].place ||
            operand.get().getType() != result.getType())
          continue;
        if (tryMerge(result, operand.get()))
          break;
      }
  });
  return true;
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

namespace {
/// Something to place: bytes that are in use from `start` to `end`.
struct Part {
  unsigned array;
  int64_t bytes;
  int64_t start, end;
  int64_t offset = 0;
};
} // namespace

/// Elements in memory of an array of type `type`.
static int64_t getStoredElements(RankedTensorType type) {
  auto pairs = dyn_cast_or_null<PairsAttr>(type.getEncoding());
  return pairs ? pairs.getStoredElements(type.getShape())
               : type.getNumElements();
}

int64_t pc::getPaddedRow(RankedTensorType type) {
  int64_t elements = type.getNumElements() / type.getDimSize(0);
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  return llvm::alignTo(elements, kRowUnit) + 16 / bytes;
}

/// Whether all reshapes in stages over samples keep rows as they are.
static bool keepsRows(func::FuncOp func) {
  WalkResult result = func.walk([](Operation *op) {
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      return WalkResult::advance();
    auto from = cast<RankedTensorType>(op->getOperand(0).getType());
    auto to = cast<RankedTensorType>(op->getResult(0).getType());
    bool keeps = from.getRank() > 1 && to.getRank() > 1 &&
                 from.getDimSize(0) == to.getDimSize(0);
    return keeps ? WalkResult::advance() : WalkResult::interrupt();
  });
  return !result.wasInterrupted();
}

/// Places the largest parts first, each at the lowest offset that is free while
/// it lives. Returns the bytes in use.
static int64_t placeParts(MutableArrayRef<Part> parts) {
  llvm::sort(parts, [](const Part &lhs, const Part &rhs) {
    return std::tuple(-lhs.bytes, lhs.start, lhs.array) <
           std::tuple(-rhs.bytes, rhs.start, rhs.array);
  });
  int64_t total = 0;
  for (unsigned i = 0; i < parts.size(); ++i) {
    Part &part = parts[i];
    SmallVector<const Part *> busy;
    for (const Part &other : parts.take_front(i))
      if (other.start <= part.end && part.start <= other.end)
        busy.push_back(&other);
    llvm::sort(busy, [](const Part *lhs, const Part *rhs) {
      return lhs->offset < rhs->offset;
    });
    for (const Part *other : busy)
      if (part.offset < other->offset + other->bytes &&
          other->offset < part.offset + part.bytes)
        part.offset = other->offset + other->bytes;
    total = std::max(total, part.offset + part.bytes);
  }
  return total;
}

void Planner::layOut(bool padRows) {
  // Values that leave a samples stage, and rows of a batch.
  llvm::DenseSet<Value> crossing;
  llvm::DenseSet<Value> perSample;
  SmallVector<Life> stages;
  func.walk([&](StageOp stage) {
    stages.push_back(times[stage]);
    for (Value value :
         llvm::concat<Value>(stage.getInputs(), stage.getOutputs()))
      if (isTensor(value)) {
        Value root = getRootArray(value);
        crossing.insert(root);
        auto type = cast<RankedTensorType>(value.getType());
        if (type.getRank() > 0 && type.isDynamicDim(0))
          perSample.insert(root);
      }
  });

  constexpr int64_t alignment = 64;
  SmallVector<Part> workspace;
  llvm::MapVector<Operation *, SmallVector<Part>> scratch;
  for (auto [index, array] : llvm::enumerate(classes)) {
    if (array.roots.empty() || array.place)
      continue;
    RankedTensorType type = getBlockType(array.roots.front());
    int64_t elements = getStoredElements(type);
    Part part{static_cast<unsigned>(index), 0, lives[array.roots.front()].start,
              lives[array.roots.front()].end};
    StageOp stage = getStage(array.roots.front());
    bool local = stage && stage.getKind() == StageKind::Samples;
    bool batched = false;
    for (Value root : array.roots) {
      local &= getStage(root) == stage && !crossing.contains(root);
      batched |= perSample.contains(root);
      part.start = std::min(part.start, lives[root].start);
      part.end = std::max(part.end, lives[root].end);
    }
    if (padRows && local && type.getRank() > 1)
      elements = type.getDimSize(0) * getPaddedRow(type);
    if (batched)
      elements = elements / sampleBlock * llvm::alignTo(maxBatch, sampleBlock);
    part.bytes =
        llvm::alignTo(elements * type.getElementTypeBitWidth() / 8, alignment);
    if (local) {
      scratch[stage].push_back(part);
      continue;
    }
    // Blocks of a stage are at different slots at one time.
    for (Life time : stages)
      if (time.start <= part.end && part.start <= time.end) {
        part.start = std::min(part.start, time.start);
        part.end = std::max(part.end, time.end);
      }
    workspace.push_back(part);
  }

  Builder builder(context);
  auto setPlaces = [&](ArrayRef<Part> parts, BufferSpace space) {
    for (const Part &part : parts)
      classes[part.array].place = BufferAttr::get(context, space, part.offset);
  };
  int64_t workspaceBytes = placeParts(workspace), workerBytes = 0;
  setPlaces(workspace, BufferSpace::Workspace);
  for (auto &[stage, parts] : scratch) {
    workerBytes = std::max(workerBytes, placeParts(parts));
    setPlaces(parts, BufferSpace::Scratch);
  }
  func->setAttr(PCDialect::kWorkspaceAttrName,
                builder.getI64IntegerAttr(workspaceBytes));
  func->setAttr(PCDialect::kWorkerAttrName,
                builder.getI64IntegerAttr(workerBytes));
  func.walk([&](Operation *op) {
    if (!isa<GroupOp, tensor::FromElementsOp>(op))
      return;
    SmallVector<Attribute> places;
    for (Value result : op->getResults())
      places.push_back(*classes[getClass(result)].place);
    op->setAttr(PCDialect::kBuffersAttrName, builder.getArrayAttr(places));
  });
}

namespace {
struct PlanBuffersPass : public pc::impl::PlanBuffersPassBase<PlanBuffersPass> {
  using Base::Base;

  void runOnOperation() final {
    func::FuncOp func = getOperation();
    if (!func->hasAttr(PCDialect::kSampleBlockAttrName))
      return;
    // Each round that fails made one more copy; there are only so many values.
    int64_t rounds = 0;
    func.walk([&](Operation *op) { rounds += op->getNumOperands() + 1; });
    llvm::DenseMap<Value, LoopCopies> copied;
    for (; rounds > 0; --rounds) {
      Planner planner(func, copied);
      if (!planner.merge())
        continue;
      bool pads = padRows && keepsRows(func);
      planner.layOut(pads);
      if (pads)
        func->setAttr(PCDialect::kPaddedAttrName, UnitAttr::get(&getContext()));
      return;
    }
    func.emitError("has no plan of buffers: copies do not resolve what two "
                   "arrays want from one place");
    signalPassFailure();
  }
};
} // namespace
