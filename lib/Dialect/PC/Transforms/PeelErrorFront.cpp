//===- PeelErrorFront.cpp - Peels what exact elimination shortens ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"

namespace pc {
#define GEN_PASS_DEF_PEELERRORFRONTPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {

//===----------------------------------------------------------------------===//
// Cost
//===----------------------------------------------------------------------===//

int64_t getStaticElements(Type type) {
  int64_t count = 1;
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    for (int64_t extent : tensor.getShape())
      count *= ShapedType::isDynamic(extent) ? 1 : extent;
  return count;
}

/// Arithmetic of an operation per sample, roughly: enough to see whether a step
/// became cheaper.
int64_t getCost(Operation *op) {
  if (isa<SplatOp>(op))
    return 0;
  if (auto dense = dyn_cast<DenseOp>(op))
    return 2 * getStaticElements(dense.getWeight().getType());
  int64_t cost = 0;
  for (Type type : op->getResultTypes())
    if (isa<RankedTensorType>(type))
      cost += getStaticElements(type) * (isa<BatchOuterOp>(op) ? 2 : 1);
  return cost;
}

//===----------------------------------------------------------------------===//
// Cloning with folds
//===----------------------------------------------------------------------===//

/// Hashes operations by what they compute.
struct SameComputation : public llvm::DenseMapInfo<Operation *> {
  static unsigned getHashValue(const Operation *op) {
    return OperationEquivalence::computeHash(
        const_cast<Operation *>(op),
        /*hashOperands=*/OperationEquivalence::directHashValue,
        /*hashResults=*/OperationEquivalence::ignoreHashValue,
        OperationEquivalence::IgnoreLocations);
  }
  static bool isEqual(const Operation *lhs, const Operation *rhs) {
    if (lhs == rhs)
      return true;
    if (lhs == getTombstoneKey() || lhs == getEmptyKey() ||
        rhs == getTombstoneKey() || rhs == getEmptyKey())
      return false;
    return OperationEquivalence::isEquivalentTo(
        const_cast<Operation *>(lhs), const_cast<Operation *>(rhs),
        OperationEquivalence::IgnoreLocations);
  }
};

/// Clones operations of a loop to where `builder` stands, folding each at once
/// and reusing what is computed in front of the loop already: linear in the
/// size of the code, however many steps are peeled.
class FoldingCloner {
public:
  FoldingCloner(scf::ForOp loop, OpBuilder builder) : builder(builder) {
    for (Operation &op :
         llvm::make_range(loop->getBlock()->begin(), loop->getIterator()))
      if (isReusable(&op))
        known.insert(&op);
  }

  /// The step that is cloned, for the locations; -1 where it stays in a loop.
  int64_t step = -1;

  /// Clones `op`; maps its results to new or known values.
  void clone(Operation *op, IRMapping &mapping) {
    Operation *copy = builder.clone(*op, mapping);
    if (step >= 0)
      OriginAttr::setStep(copy, step);
    SmallVector<Value> results;
    if (!simplify(copy, results)) {
      if (isReusable(copy)) {
        auto [it, inserted] = known.insert(copy);
        if (!inserted) {
          results.assign((*it)->result_begin(), (*it)->result_end());
          copy->erase();
          mapping.map(op->getResults(), results);
          return;
        }
      }
      created.push_back(copy);
      return;
    }
    copy->erase();
    mapping.map(op->getResults(), results);
  }

  /// Clones a step of a loop, all of its `body`; returns what it yields.
  SmallVector<Value> cloneStep(ArrayRef<Operation *> body, scf::YieldOp yield,
                               IRMapping &mapping) {
    for (Operation *op : body)
      clone(op, mapping);
    return llvm::map_to_vector(yield.getOperands(), [&](Value value) {
      return mapping.lookupOrDefault(value);
    });
  }

  /// What the results of `op` are, if that is nothing new: known values, or
  /// constants that live until finishStep(). Else nothing.
  SmallVector<Value> evaluate(Operation *op, const IRMapping &mapping) {
    // Of what it reads alone: cloning maps the results and all of the regions,
    // which do not stay.
    IRMapping reads;
    auto read = [&](Value value) {
      reads.map(value, mapping.lookupOrDefault(value));
    };
    llvm::for_each(op->getOperands(), read);
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::for_each(captured, read);
    Operation *copy = builder.clone(*op, reads);
    SmallVector<Value> results;
    if (!simplify(copy, results)) {
      results.clear();
      if (auto found = known.find(copy);
          isReusable(copy) && found != known.end())
        llvm::append_range(results, (*found)->getResults());
    }
    copy->erase();
    return results;
  }

  /// Erases what was created since the last call and `live` does not need;
  /// returns the cost of the rest.
  int64_t finishStep(ArrayRef<Value> live) {
    DenseSet<Operation *> needed;
    for (Value value : live)
      if (Operation *op = value.getDefiningOp())
        needed.insert(op);
    int64_t cost = 0;
    for (Operation *op : llvm::reverse(created)) {
      if (!needed.contains(op) && op->use_empty() && isMemoryEffectFree(op)) {
        known.erase(op);
        op->erase();
        continue;
      }
      cost += getCost(op);
    }
    created.clear();
    return cost;
  }

private:
  static bool isReusable(Operation *op) {
    return op->getNumResults() > 0 && isMemoryEffectFree(op) &&
           op->getNumRegions() <= 1;
  }

  Value getConstant(Attribute value, Type type, Operation *op) {
    Operation *constant = op->getDialect()->materializeConstant(
        builder, value, type, op->getLoc());
    if (!constant)
      if (auto *dialect = builder.getContext()->getLoadedDialect<PCDialect>())
        constant =
            dialect->materializeConstant(builder, value, type, op->getLoc());
    if (!constant)
      return nullptr;
    auto [it, inserted] = known.insert(constant);
    if (!inserted)
      constant->erase();
    else
      created.push_back(constant);
    return (*it)->getResult(0);
  }

  /// Folds `op`. On success `results` has its values, and `op` can go.
  bool simplify(Operation *op, SmallVectorImpl<Value> &results) {
    // Zeros through linear maps: all that exact elimination is.
    if (auto map = dyn_cast<LinearMapOpInterface>(op))
      for (OpOperand &operand : op->getOpOperands())
        if (isZeroSplat(operand.get()) &&
            map.isZeroPreserving(operand.getOperandNumber())) {
          for (Type type : op->getResultTypes())
            results.push_back(
                getConstant(builder.getF64FloatAttr(0.0), type, op));
          return true;
        }
    SmallVector<OpFoldResult> folded;
    if (op->hasTrait<OpTrait::ConstantLike>() || failed(op->fold(folded)) ||
        folded.empty())
      return false;
    for (auto [fold, type] : llvm::zip_equal(folded, op->getResultTypes())) {
      Value value = dyn_cast<Value>(fold);
      if (!value)
        value = getConstant(cast<Attribute>(fold), type, op);
      if (!value)
        return false;
      results.push_back(value);
    }
    return true;
  }

  OpBuilder builder;
  llvm::DenseSet<Operation *, SameComputation> known;
  SmallVector<Operation *> created;
};

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

struct PeelErrorFrontPass
    : public pc::impl::PeelErrorFrontPassBase<PeelErrorFrontPass> {
  using PeelErrorFrontPassBase::PeelErrorFrontPassBase;
  void runOnOperation() final;

private:
  void peel(scf::ForOp loop);
  int64_t peelSteps(scf::ForOp loop, int64_t first, int64_t last, int64_t full,
                    SmallVector<Value> &carried, BitVector &unmoved);
  int64_t cutFront(scf::ForOp loop, int64_t first, int64_t last, int64_t full,
                   ArrayRef<int64_t> arrivals, SmallVector<Value> &carried,
                   BitVector &unmoved);
  bool hoistUnmoved(scf::ForOp loop, BitVector unmoved, int64_t full);
};
} // namespace

/// A step that saves less than this share of its work is a whole one: a copy of
/// the loop's body costs more than it brings.
static constexpr int64_t kLeastShare = 64;

static SmallVector<Operation *> getBody(scf::ForOp loop) {
  return llvm::map_to_vector(loop.getBody()->without_terminator(),
                             [](Operation &op) { return &op; });
}

/// The arrival of what no step moves.
static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

/// For each value that the loop carries the first step that moves it, counted
/// from 0. A step is evaluated with the initial values of all that has not
/// moved before, and anything for the rest; from one step to the next only what
/// depends on values that have moved in between: linear in the size of the
/// loop, however many steps the front takes to pass it.
static SmallVector<int64_t> findArrivals(scf::ForOp loop) {
  Block *body = loop.getBody();
  auto yield = cast<scf::YieldOp>(body->getTerminator());
  SmallVector<Operation *> ops = getBody(loop);
  DenseMap<Operation *, unsigned> order;
  for (auto [index, op] : llvm::enumerate(ops))
    order[op] = index;
  BitVector pending(ops.size(), true);
  auto revisitUsers = [&](Value value) {
    for (Operation *user : value.getUsers())
      if (Operation *op = body->findAncestorOpInBlock(*user); op != yield)
        pending.set(order.lookup(op));
  };

  FoldingCloner cloner(loop, OpBuilder(yield));
  IRMapping mapping;
  mapping.map(loop.getRegionIterArgs(), loop.getInitArgs());
  SmallVector<int64_t> arrivals(loop.getNumRegionIterArgs(), kNever);
  for (int64_t step = 0;; ++step) {
    // Users stand behind what they use, so one pass is enough.
    for (int index = pending.find_first(); index >= 0;
         index = pending.find_next(index)) {
      pending.reset(index);
      SmallVector<Value> results = cloner.evaluate(ops[index], mapping);
      for (auto [number, result] : llvm::enumerate(ops[index]->getResults())) {
        Value before = mapping.lookupOrNull(result);
        Value now = results.empty() ? Value() : results[number];
        if (now == before)
          continue;
        if (now)
          mapping.map(result, now);
        else
          mapping.erase(result);
        revisitUsers(result);
      }
    }
    SmallVector<unsigned> moved;
    for (auto [index, value] : llvm::enumerate(yield.getOperands()))
      if (arrivals[index] == kNever &&
          mapping.lookupOrDefault(value) != loop.getInitArgs()[index])
        moved.push_back(index);
    for (unsigned index : moved) {
      arrivals[index] = step;
      mapping.erase(loop.getRegionIterArg(index));
      revisitUsers(loop.getRegionIterArg(index));
    }
    if (moved.empty())
      break;
  }
  (void)cloner.finishStep({});
  return arrivals;
}

/// Takes out of the loop what it carries but does not move: a vode that no
/// error reaches, and all that follows from its error being zero. `unmoved` are
/// the iteration arguments that kept their values in the step before. By
/// induction: if they have their initial values before a step and, with that
/// known, folding shows them unchanged after it, they have them in all. Returns
/// false if nothing is shown.
bool PeelErrorFrontPass::hoistUnmoved(scf::ForOp loop, BitVector unmoved,
                                      int64_t full) {
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  SmallVector<Operation *> body = getBody(loop);
  while (unmoved.any()) {
    FoldingCloner cloner(loop, OpBuilder(yield));
    IRMapping mapping;
    for (auto [index, argument, init] :
         llvm::enumerate(loop.getRegionIterArgs(), loop.getInitArgs()))
      mapping.map(argument, unmoved[index] ? init : Value(argument));
    SmallVector<Value> next = cloner.cloneStep(body, yield, mapping);
    BitVector moved(unmoved.size());
    for (auto [index, value] : llvm::enumerate(next))
      moved[index] = unmoved[index] && value != loop.getInitArgs()[index];
    if (moved.any()) {
      (void)cloner.finishStep({});
      unmoved.reset(moved);
      continue;
    }
    yield->setOperands(next);
    int64_t cost = cloner.finishStep(next);
    if (cost < full)
      remark::passed(
          loop.getLoc(),
          remark::RemarkOpts::name("Unmoved").category("pc-peel-error-front"))
          << llvm::formatv("{0} of {1} operations a sample are provably "
                           "nothing in every step: no error reaches what "
                           "they would move",
                           full - cost, full)
                 .str();
    return true;
  }
  return false;
}

/// Peels the steps of a short front one by one. Returns the step with which the
/// loop goes on from `carried`.
int64_t PeelErrorFrontPass::peelSteps(scf::ForOp loop, int64_t first,
                                      int64_t last, int64_t full,
                                      SmallVector<Value> &carried,
                                      BitVector &unmoved) {
  OpBuilder builder(loop);
  FoldingCloner cloner(loop, builder);
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  SmallVector<Operation *> body = getBody(loop);
  SmallVector<Value> before;
  SmallVector<int64_t> costs;
  int64_t t = first;
  for (; t < last && t - first < maxSteps; ++t) {
    IRMapping mapping;
    mapping.map(loop.getInductionVar(),
                arith::ConstantIndexOp::create(builder, loop.getLoc(), t));
    mapping.map(loop.getRegionIterArgs(), carried);
    cloner.step = t;
    SmallVector<Value> next = cloner.cloneStep(body, yield, mapping);
    int64_t cost = cloner.finishStep(next);
    for (auto [index, value] : llvm::enumerate(next))
      unmoved[index] = value == carried[index];
    // A whole step belongs to the loop. What was cloned for it is dead.
    if (cost > full - full / kLeastShare)
      break;
    // The front has passed when two steps are alike: both belong to the loop.
    if (!costs.empty() && cost == costs.back()) {
      costs.pop_back();
      carried = before;
      --t;
      break;
    }
    costs.push_back(cost);
    before = std::exchange(carried, next);
  }
  for (auto [index, cost] : llvm::enumerate(costs))
    remark::passed(
        loop.getLoc(),
        remark::RemarkOpts::name("ErrorFront").category("pc-peel-error-front"))
        << llvm::formatv("step {0} is peeled: {1} of {2} operations a sample "
                         "are provably nothing before the error front arrives",
                         first + static_cast<int64_t>(index), full - cost, full)
               .str();
  return t;
}

/// Cuts a long front into `maxSteps` pieces of as many steps each, so that code
/// does not grow with it: a piece is a loop that does what its last step has
/// to. Earlier steps of it do that too, on values that the front has not
/// reached, which it leaves as they are. Returns the step with which the loop
/// goes on from `carried`.
int64_t PeelErrorFrontPass::cutFront(scf::ForOp loop, int64_t first,
                                     int64_t last, int64_t full,
                                     ArrayRef<int64_t> arrivals,
                                     SmallVector<Value> &carried,
                                     BitVector &unmoved) {
  OpBuilder builder(loop);
  Location loc = loop.getLoc();
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  SmallVector<Operation *> body = getBody(loop);
  int64_t begin = 0;
  for (int64_t piece = 1; piece <= maxSteps; ++piece) {
    int64_t end = (last - first) * piece / maxSteps;
    auto part = scf::ForOp::create(
        builder, loc,
        arith::ConstantIndexOp::create(builder, loc, first + begin),
        arith::ConstantIndexOp::create(builder, loc, first + end),
        loop.getStep(), carried);
    auto inside = OpBuilder::atBlockEnd(part.getBody());
    FoldingCloner cloner(part, inside);
    if (end - begin == 1)
      cloner.step = first + begin;
    IRMapping mapping;
    mapping.map(loop.getInductionVar(), part.getInductionVar());
    for (auto [index, argument] : llvm::enumerate(loop.getRegionIterArgs()))
      mapping.map(argument, arrivals[index] >= end - 1
                                ? loop.getInitArgs()[index]
                                : Value(part.getRegionIterArg(index)));
    SmallVector<Value> next = cloner.cloneStep(body, yield, mapping);
    for (auto [index, arrival] : llvm::enumerate(arrivals))
      if (arrival >= end)
        next[index] = loop.getInitArgs()[index];
    int64_t cost = cloner.finishStep(next);
    if (cost > full - full / kLeastShare) {
      part.erase();
      break;
    }
    // What moves in the last step replaces the carried value, not the initial
    // one, which is the same: so it can be updated in place.
    for (auto [index, arrival] : llvm::enumerate(arrivals))
      if (Value init = loop.getInitArgs()[index];
          arrival == end - 1 && !matchPattern(init, m_Constant()))
        init.replaceUsesWithIf(part.getRegionIterArg(index),
                               [&](OpOperand &use) {
                                 return part->isProperAncestor(use.getOwner());
                               });
    scf::YieldOp::create(inside, yield.getLoc(), next);
    remark::passed(
        loc,
        remark::RemarkOpts::name("ErrorFront").category("pc-peel-error-front"))
        << llvm::formatv("steps {0} to {1} are a loop of their own: {2} of {3} "
                         "operations a sample are provably nothing before the "
                         "error front arrives",
                         first + begin, first + end - 1, full - cost, full)
               .str();
    for (auto [index, arrival] : llvm::enumerate(arrivals))
      carried[index] = arrival >= end ? loop.getInitArgs()[index]
                                      : Value(part.getResult(index));
    begin = end;
  }
  for (auto [index, arrival] : llvm::enumerate(arrivals))
    unmoved[index] = arrival == kNever;
  return first + begin;
}

void PeelErrorFrontPass::peel(scf::ForOp loop) {
  APInt lower, upper, step;
  if (!matchPattern(loop.getLowerBound(), m_ConstantInt(&lower)) ||
      !matchPattern(loop.getUpperBound(), m_ConstantInt(&upper)) ||
      !matchPattern(loop.getStep(), m_ConstantInt(&step)) ||
      step.getSExtValue() != 1) {
    remark::missed(
        loop.getLoc(),
        remark::RemarkOpts::name("ErrorFront").category("pc-peel-error-front"))
        << "no step is peeled: the number of steps is known at run time only";
    return;
  }
  int64_t first = lower.getSExtValue(), last = upper.getSExtValue();
  if (first >= last || maxSteps < 1)
    return;

  int64_t full = 0;
  for (Operation &op : loop.getBody()->without_terminator())
    full += getCost(&op);

  // The end of the front, where it may take too many steps to peel.
  SmallVector<int64_t> arrivals;
  if (last - first > maxSteps)
    arrivals = findArrivals(loop);
  int64_t front = first;
  for (int64_t arrival : arrivals)
    if (arrival != kNever)
      front = std::max(front, std::min(last, first + arrival + 1));

  SmallVector<Value> carried(loop.getInitArgs());
  // What no step seems to move.
  BitVector unmoved(carried.size());
  int64_t t =
      front - first > maxSteps
          ? cutFront(loop, first, front, full, arrivals, carried, unmoved)
          : peelSteps(loop, first, last, full, carried, unmoved);
  if (t == last) {
    loop.replaceAllUsesWith(carried);
    loop.erase();
    return;
  }
  if (t != first) {
    OpBuilder builder(loop);
    loop.getLowerBoundMutable().assign(
        arith::ConstantIndexOp::create(builder, loop.getLoc(), t));
    loop.getInitArgsMutable().assign(carried);
  }
  bool hoisted = hoistUnmoved(loop, unmoved, full);
  if (t == first && !hoisted)
    remark::missed(
        loop.getLoc(),
        remark::RemarkOpts::name("ErrorFront").category("pc-peel-error-front"))
        << "no step is peeled: the first step is as much work as any (weights "
           "move, noise, or no forward initialisation)";
}

void PeelErrorFrontPass::runOnOperation() {
  // Loops at the top of the function only: what surrounds an inner one is not
  // known.
  for (auto loop :
       llvm::to_vector(getOperation().getBody().getOps<scf::ForOp>()))
    peel(loop);
}
