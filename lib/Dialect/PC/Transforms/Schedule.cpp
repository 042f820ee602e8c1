//===- Schedule.cpp - Cut programs into stages ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A functional program is a pure graph, so its operations may run in any order
// of dependence. List scheduling takes, in turn, all parameter work that is
// ready, then all per-sample work that is ready: as few barriers as the
// dependences allow. A loop over per-sample values alone is per-sample work
// itself; a loop that moves shared values stays in the function and its body is
// scheduled the same way.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {

/// What an operation of the functional form is to the schedule.
enum class Work {
  Constant, ///< cloned into every stage that reads it
  Host,     ///< scalars and single numbers: the entry function
  Samples,  ///< independent per sample
  Params,   ///< parallel over the elements of a shared result
  Loop      ///< a loop that moves shared values: stages inside
};

/// True for a tensor with one row for each sample.
bool isPerSample(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && tensor.isDynamicDim(0);
}

/// True for a tensor of floats, which stages compute; tensors of integers are
/// counters, which the entry function does.
bool isArray(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType());
}

Work classify(Operation *op) {
  if (isa<SplatOp>(op) || op->hasTrait<OpTrait::ConstantLike>())
    return Work::Constant;
  if (isa<tensor::ExtractOp, tensor::FromElementsOp>(op))
    return Work::Host;
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    bool samples = false, shared = false;
    for (Type type : loop.getResultTypes()) {
      samples |= isPerSample(type);
      shared |= isa<RankedTensorType>(type) && !isPerSample(type);
    }
    loop.getBody()->walk([&](Operation *inner) {
      if (isa<scf::ForOp>(inner) || inner->hasTrait<OpTrait::IsTerminator>())
        return;
      Work work = classify(inner);
      samples |= work == Work::Samples;
      shared |= work == Work::Params ||
                isa<tensor::ExtractOp, tensor::FromElementsOp>(inner);
    });
    return shared ? Work::Loop : samples ? Work::Samples : Work::Host;
  }
  if (llvm::none_of(op->getResultTypes(), isArray))
    return Work::Host;
  return llvm::any_of(op->getResultTypes(), isPerSample) ? Work::Samples
                                                         : Work::Params;
}

/// Values that `op` and its regions read from outside of it.
llvm::SetVector<Value> getReads(Operation *op) {
  llvm::SetVector<Value> reads(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), reads);
  return reads;
}

class Scheduler {
public:
  Scheduler(int64_t sampleBlock) : sampleBlock(sampleBlock) {}

  LogicalResult run(Block &block);

private:
  /// Moves `ops` into one stage, in front of the terminator of `block`.
  void buildStage(Block &block, StageKind kind, ArrayRef<Operation *> ops);

  /// The type of `type` inside a samples stage.
  Type getBlockType(Type type) const {
    if (!isPerSample(type))
      return type;
    auto tensor = cast<RankedTensorType>(type);
    SmallVector<int64_t> shape(tensor.getShape());
    shape[0] = sampleBlock;
    return tensor.clone(shape);
  }

  int64_t sampleBlock;
};

} // namespace

void Scheduler::buildStage(Block &block, StageKind kind,
                           ArrayRef<Operation *> ops) {
  llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
  llvm::SetVector<Value> inputs;
  llvm::SetVector<Operation *> constants;
  SmallVector<Value> outputs;
  for (Operation *op : ops) {
    for (Value read : getReads(op)) {
      Operation *def = read.getDefiningOp();
      if (def && inside.contains(def))
        continue;
      if (def && classify(def) == Work::Constant)
        constants.insert(def);
      else
        inputs.insert(read);
    }
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !inside.contains(block.findAncestorOpInBlock(*user));
          }))
        outputs.push_back(result);
  }

  OpBuilder builder(block.getTerminator());
  SmallVector<Location> locs;
  for (Operation *op : ops)
    locs.push_back(op->getLoc());
  auto stage = StageOp::create(builder, builder.getFusedLoc(locs),
                               TypeRange(ValueRange(outputs)), kind,
                               inputs.getArrayRef());
  Block *body = builder.createBlock(&stage.getBody());
  bool samples = kind == StageKind::Samples;
  auto innerType = [&](Type type) {
    return samples ? getBlockType(type) : type;
  };
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input,
                body->addArgument(innerType(input.getType()), input.getLoc()));
  builder.setInsertionPointToEnd(body);
  for (Operation *constant : constants) {
    Operation *clone = builder.clone(*constant);
    mapping.map(constant->getResults(), clone->getResults());
  }
  auto yield = YieldOp::create(builder, stage.getLoc(), outputs);
  for (Operation *op : ops)
    op->moveBefore(yield);
  for (auto [outer, result] : llvm::zip_equal(outputs, stage.getResults()))
    outer.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !stage->isAncestor(use.getOwner());
    });
  for (auto [outer, inner] : mapping.getValueMap())
    outer.replaceUsesWithIf(inner, [&](OpOperand &use) {
      return use.getOwner() != stage && stage->isAncestor(use.getOwner());
    });
  if (!samples)
    return;
  stage.getBody().walk([&](Operation *op) {
    for (Value result : op->getResults())
      result.setType(innerType(result.getType()));
    for (Region &region : op->getRegions())
      for (BlockArgument argument : region.getArguments())
        argument.setType(innerType(argument.getType()));
  });
}

/// Takes from `pending` the parameter work that can run at once: between
/// operations of one stage only element-wise steps over one array may pass,
/// because they become one kernel.
static SmallVector<Operation *>
selectParams(ArrayRef<Operation *> pending,
             llvm::function_ref<bool(Value)> isAvailable,
             llvm::function_ref<bool(Operation *)> isDeferred) {
  SmallVector<Operation *> selected;
  llvm::EquivalenceClasses<Operation *> arrays;
  // Operations of a class that are not element-wise: at most one.
  llvm::DenseMap<Operation *, unsigned> roots;
  for (Operation *op : pending) {
    if (classify(op) != Work::Params || isDeferred(op))
      continue;
    bool elementwise = isa<ElementwiseOpInterface>(op);
    llvm::SmallSetVector<Operation *, 4> joined;
    bool fits = llvm::all_of(getReads(op), [&](Value read) {
      if (isAvailable(read))
        return true;
      Operation *def = read.getDefiningOp();
      if (!def || !elementwise ||
          arrays.findLeader(def) == arrays.member_end() ||
          read.getType() != op->getResult(0).getType())
        return false;
      joined.insert(arrays.getLeaderValue(def));
      return true;
    });
    unsigned count = elementwise ? 0 : 1;
    for (Operation *leader : joined)
      count += roots.lookup(leader);
    if (!fits || count > 1)
      continue;
    arrays.insert(op);
    for (Operation *leader : joined)
      arrays.unionSets(op, leader);
    roots[arrays.getLeaderValue(op)] = count;
    selected.push_back(op);
  }
  return selected;
}

/// Computes the numbers that a loop of a stage carries, such as how often a
/// state has moved, in a loop of their own if anything reads them behind it:
/// they are known to the host before the stage begins.
static void separateNumbers(scf::ForOp loop) {
  SmallVector<unsigned> numbers;
  SmallVector<Value> inits;
  bool read = false;
  for (auto [index, result] : llvm::enumerate(loop.getResults()))
    if (!isa<RankedTensorType>(result.getType())) {
      numbers.push_back(index);
      inits.push_back(loop.getInitArgs()[index]);
      read |= !result.use_empty();
    }
  if (!read || classify(loop) != Work::Samples)
    return;
  OpBuilder builder(loop);
  auto separate =
      scf::ForOp::create(builder, loop.getLoc(), loop.getLowerBound(),
                         loop.getUpperBound(), loop.getStep(), inits);
  IRMapping mapping;
  mapping.map(loop.getInductionVar(), separate.getInductionVar());
  for (auto [index, argument] :
       llvm::zip_equal(numbers, separate.getRegionIterArgs()))
    mapping.map(loop.getRegionIterArg(index), argument);
  auto body = OpBuilder::atBlockEnd(separate.getBody());
  for (Operation &op : loop.getBody()->without_terminator())
    if (Work work = classify(&op);
        work == Work::Host || (work == Work::Constant && !isa<SplatOp>(op)))
      body.clone(op, mapping);
  SmallVector<Value> yielded;
  for (unsigned index : numbers)
    yielded.push_back(mapping.lookupOrDefault(
        loop.getBody()->getTerminator()->getOperand(index)));
  scf::YieldOp::create(body, loop.getLoc(), yielded);
  for (auto [index, result] : llvm::zip_equal(numbers, separate.getResults()))
    loop.getResult(index).replaceAllUsesWith(result);
}

/// A constant that leaves the block, or enters a loop that stays in the
/// function, needs a place in memory: some stage must write it.
static void materialiseConstants(Block &block) {
  for (Operation &op : block)
    if (op.hasTrait<OpTrait::IsTerminator>() || classify(&op) == Work::Loop)
      for (OpOperand &operand : op.getOpOperands())
        if (auto splat = operand.get().getDefiningOp<SplatOp>()) {
          OpBuilder builder(&op);
          operand.set(IdentityOp::create(builder, splat.getLoc(),
                                         splat.getType(), splat));
        }
}

LogicalResult Scheduler::run(Block &block) {
  materialiseConstants(block);
  SmallVector<Operation *> pending;
  for (Operation &op : block.without_terminator()) {
    Work work = classify(&op);
    if (work == Work::Loop && failed(run(*cast<scf::ForOp>(op).getBody())))
      return failure();
    if (work != Work::Constant)
      pending.push_back(&op);
  }
  llvm::SmallPtrSet<Operation *, 32> waiting(pending.begin(), pending.end());
  auto isAvailable = [&](Value value) {
    Operation *def = value.getDefiningOp();
    return !def || !waiting.contains(def);
  };
  auto take = [&](ArrayRef<Operation *> ops) {
    for (Operation *op : ops)
      waiting.erase(op);
    llvm::erase_if(pending,
                   [&](Operation *op) { return !waiting.contains(op); });
  };
  auto isReady = [&](Operation *op) {
    return llvm::all_of(getReads(op), isAvailable);
  };

  while (!pending.empty()) {
    // Scalars as early as they can: stages take them as inputs.
    SmallVector<Operation *> host;
    for (Operation *op : pending)
      if (classify(op) == Work::Host && isReady(op)) {
        op->moveBefore(block.getTerminator());
        waiting.erase(op);
        host.push_back(op);
      }
    take(host);
    if (!host.empty())
      continue;
    // An update waits until all else that reads the old array has done so: it
    // can then replace it in place. Numbers (a rate) are not replaced.
    auto isDeferred = [&](Operation *op) {
      return isa<AdamUpdateOp>(op) &&
             llvm::any_of(op->getOperands(), [&](Value value) {
               return isa<BlockArgument>(value) &&
                      isa<RankedTensorType>(value.getType()) &&
                      llvm::any_of(value.getUsers(), [&](Operation *user) {
                        Operation *reader = block.findAncestorOpInBlock(*user);
                        return reader && reader != op &&
                               waiting.contains(reader);
                      });
             });
    };
    auto buildParams =
        [&](llvm::function_ref<bool(Operation *)> deferred) -> bool {
      SmallVector<Operation *> params =
          selectParams(pending, isAvailable, deferred);
      if (params.empty())
        return false;
      buildStage(block, StageKind::Params, params);
      take(params);
      return true;
    };
    if (buildParams(isDeferred))
      continue;
    SmallVector<Operation *> samples;
    for (Operation *op : pending)
      if (classify(op) == Work::Samples && isReady(op)) {
        waiting.erase(op);
        samples.push_back(op);
      }
    if (!samples.empty()) {
      buildStage(block, StageKind::Samples, samples);
      take(samples);
      continue;
    }
    if (buildParams([](Operation *) { return false; }))
      continue;
    auto *loop = llvm::find_if(pending, isReady);
    assert(loop != pending.end() && "a block without cycles has a ready op");
    (*loop)->moveBefore(block.getTerminator());
    take(*loop);
  }
  return success();
}

namespace {
struct SchedulePass : public pc::impl::SchedulePassBase<SchedulePass> {
  using Base::Base;

  void runOnOperation() final {
    func::FuncOp func = getOperation();
    if (!func->hasAttr(PCDialect::kProgramAttrName) || func.isDeclaration())
      return;
    if (maxBatch < 1 || sampleBlock < 0) {
      func.emitError(
          "expected a largest batch of at least 1 and a sample block "
          "of at least 0, found ")
          << maxBatch.getValue() << " and " << sampleBlock.getValue();
      return signalPassFailure();
    }
    WalkResult products = func.walk([&](DenseOp dense) {
      if (dense.getTransposed() || anyLayout)
        return WalkResult::advance();
      dense.emitOpError("reads its weight by columns; run pc-choose-layouts "
                        "before pc-schedule");
      return WalkResult::interrupt();
    });
    if (products.wasInterrupted())
      return signalPassFailure();
    int64_t rows =
        sampleBlock ? roundToTiles(sampleBlock) : chooseSampleBlock(func);
    Builder builder(&getContext());
    func->setAttr(PCDialect::kMaxBatchAttrName,
                  builder.getI64IntegerAttr(maxBatch));
    func->setAttr(PCDialect::kSampleBlockAttrName,
                  builder.getI64IntegerAttr(rows));
    // Inner loops first: what they compute is then the host's in outer ones.
    func.walk([](scf::ForOp loop) { separateNumbers(loop); });
    if (failed(Scheduler(rows).run(func.getBody().front())))
      return signalPassFailure();
    // Constants that only stages read now stand in the stages.
    func.walk([](Operation *op) {
      if (classify(op) == Work::Constant && op->use_empty())
        op->erase();
    });
  }

  /// Larger blocks gain nothing: a weight that is read is used 64 times.
  static constexpr uint64_t kMostRows = 64;

  /// Kernels work on whole tiles of rows, a power of two up to eight: a block
  /// has no part of one.
  static int64_t roundToTiles(int64_t rows) {
    return rows < 8 ? llvm::PowerOf2Ceil(rows) : llvm::alignTo(rows, 8);
  }

  /// Bytes of the matrices that products over samples read, in the block of
  /// code that has the most: a step that updates a weight reads another value
  /// of it than the next one.
  static uint64_t getWeightBytes(func::FuncOp func) {
    llvm::DenseMap<Block *, uint64_t> bytes;
    llvm::DenseSet<std::pair<Block *, Value>> seen;
    uint64_t most = 0;
    func.walk([&](DenseOp dense) {
      Value weight = dense.getWeight();
      if (!seen.insert({dense->getBlock(), weight}).second)
        return;
      auto type = cast<RankedTensorType>(weight.getType());
      uint64_t &sum = bytes[dense->getBlock()];
      sum += type.getNumElements() * type.getElementTypeBitWidth() / 8;
      most = std::max(most, sum);
    });
    return most;
  }

  /// Rows of a sample block: as many as keep what lives at one time in half of
  /// the target's second-level cache, or the most if that moves less memory; a
  /// power of two, and no more than the largest batch needs.
  int64_t chooseSampleBlock(func::FuncOp func) {
    llvm::DenseMap<Operation *, int64_t> first, last;
    int64_t time = 0;
    std::function<void(Operation *)> number = [&](Operation *op) {
      first[op] = time++;
      for (Region &region : op->getRegions())
        for (Operation &inner : region.getOps())
          number(&inner);
      last[op] = time++;
    };
    number(func);
    // Bytes per sample that come (and go) at each time.
    SmallVector<int64_t> change(time + 1, 0);
    auto count = [&](Value value, int64_t start) {
      if (!isPerSample(value.getType()))
        return;
      int64_t end = start;
      for (Operation *user : value.getUsers())
        if (Operation *local =
                value.getParentRegion()->findAncestorOpInRegion(*user))
          end = std::max(end, last[local]);
      auto type = cast<RankedTensorType>(value.getType());
      int64_t bytes = type.getElementTypeBitWidth() / 8;
      for (int64_t dim : type.getShape().drop_front())
        bytes *= dim;
      change[start] += bytes;
      change[end] -= bytes;
    };
    for (BlockArgument argument : func.getArguments())
      count(argument, 0);
    func.walk([&](Operation *op) {
      // Broadcasts and constants take no memory, nor what one step reads.
      if (op == func || isa<SplatOp, BatchBroadcastOp, BroadcastOp>(op) ||
          (isa<ElementwiseOpInterface>(op) && op->hasOneUse()))
        return;
      for (Value result : op->getResults())
        count(result, last[op]);
      for (Region &region : op->getRegions())
        for (BlockArgument argument : region.getArguments())
          count(argument, first[op]);
    });
    int64_t live = 0;
    uint64_t most = 1;
    for (int64_t bytes : change)
      most = std::max<uint64_t>(most, live += bytes);
    uint64_t rows = llvm::bit_floor(
        std::clamp<uint64_t>(cacheBytes / 2 / most, 8, kMostRows));
    // Weights that do not fit come from beyond that cache once for each block,
    // whatever its size: rows are what pays for them. So it is with weights far
    // beyond it, and with those of deep networks, whose samples have many
    // arrays, where even if these leave the cache, to be written and read
    // again, less than half as much moves.
    uint64_t weights = getWeightBytes(func);
    if (weights > 4 * cacheBytes ||
        (weights > cacheBytes &&
         weights / rows > 2 * (weights / kMostRows + 2 * most)))
      rows = kMostRows;
    return std::min<int64_t>(rows, llvm::PowerOf2Ceil(maxBatch));
  }
};
} // namespace
