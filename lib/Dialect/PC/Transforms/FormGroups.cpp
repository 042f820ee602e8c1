//===- FormGroups.cpp - Gather structured operations into kernels ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_FORMGROUPSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {

/// Operations that will be one kernel. Runs where `position` stands in the
/// block.
struct Group {
  SmallVector<linalg::GenericOp> ops;
  int64_t position;
  SmallVector<int64_t> space;
  /// Kind of what the group is built around.
  StructuredKind kind;
  bool hasRowReduction = false;
};

/// Gathers the structured operations of one block.
class GroupFormer {
public:
  GroupFormer(Block &block, bool fuse) : block(block), fuse(fuse) {}
  void run();

private:
  /// Where `value` is available: a position in the block, -1 from its start.
  int64_t getPosition(Value value) const;
  /// Last position of what `op` reads, leaving out results of `group`.
  int64_t getReadyPosition(linalg::GenericOp op, const Group *group) const;
  /// Makes the operations of `from` part of `to`, all in the order of the
  /// block.
  void moveOps(Group &from, Group &to);
  /// Puts `group` at the end of `contraction`, whose product is what `group` is
  /// combined with next, if all that it reads is there by then.
  bool joinContraction(Group &group, Group &contraction);
  /// Puts `op` into a group that computes what it reads, if there is one.
  bool joinProducer(linalg::GenericOp op);
  /// Puts `group` into the one group that reads it, if that is possible.
  bool joinConsumer(Group &group);
  void buildGroup(OpBuilder &builder, Group &group);

  Block &block;
  bool fuse;
  /// Kept by index: -1 when merged into another group.
  std::vector<Group> groups;
  llvm::DenseMap<Operation *, unsigned> groupOf;
  llvm::DenseMap<Operation *, int64_t> order;
};

} // namespace

int64_t GroupFormer::getPosition(Value value) const {
  Operation *def = value.getDefiningOp();
  if (!def || def->getBlock() != &block)
    return -1;
  auto group = groupOf.find(def);
  if (group != groupOf.end())
    return groups[group->second].position;
  // What a group initialises its results with goes into the group.
  if (isa<tensor::EmptyOp, linalg::FillOp>(def))
    return -1;
  return order.lookup(def);
}

int64_t GroupFormer::getReadyPosition(linalg::GenericOp op,
                                      const Group *group) const {
  llvm::SetVector<Value> reads(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), reads);
  int64_t position = -1;
  for (Value read : reads) {
    auto def = groupOf.find(read.getDefiningOp());
    if (read.getDefiningOp() && def != groupOf.end() &&
        &groups[def->second] == group)
      continue;
    position = std::max(position, getPosition(read));
  }
  return position;
}

void GroupFormer::moveOps(Group &from, Group &to) {
  unsigned index = &to - groups.data();
  for (linalg::GenericOp op : from.ops) {
    groupOf[op] = index;
    to.ops.push_back(op);
  }
  llvm::sort(to.ops, [&](linalg::GenericOp lhs, linalg::GenericOp rhs) {
    return order.lookup(lhs) < order.lookup(rhs);
  });
  to.hasRowReduction |= from.hasRowReduction;
  from.ops.clear();
}

bool GroupFormer::joinContraction(Group &group, Group &contraction) {
  if (group.kind != StructuredKind::Elementwise || group.hasRowReduction ||
      group.position < contraction.position)
    return false;
  for (linalg::GenericOp op : group.ops) {
    if (getReadyPosition(op, &group) >= contraction.position)
      return false;
  }
  moveOps(group, contraction);
  return true;
}

bool GroupFormer::joinProducer(linalg::GenericOp op) {
  // Rows in pairs are no rows that a kernel passes one by one.
  if (isNarrowing(op))
    return false;
  StructuredKind kind = getStructuredKind(op);
  Group *best = nullptr;
  if (kind == StructuredKind::Update) {
    // Parts of one result: a chain through `outs`.
    auto whole = op.getDpsInits()[0].getDefiningOp<linalg::GenericOp>();
    if (whole && groupOf.contains(whole) &&
        groups[groupOf[whole]].kind == StructuredKind::Update)
      best = &groups[groupOf[whole]];
  } else if (kind == StructuredKind::Elementwise ||
             kind == StructuredKind::RowReduction) {
    SmallVector<int64_t> space = getSpace(op);
    for (OpOperand *input : op.getDpsInputOperands()) {
      auto def = input->get().getDefiningOp<linalg::GenericOp>();
      if (!def || !groupOf.contains(def) || !readsSameElement(op, *input))
        continue;
      Group &group = groups[groupOf[def]];
      if (group.space != space || group.kind == StructuredKind::Update ||
          getStructuredKind(def) == StructuredKind::RowReduction ||
          (kind == StructuredKind::RowReduction &&
           group.kind != StructuredKind::Elementwise))
        continue;
      // The state's own share of its step meets the product in registers.
      if (best && group.kind == StructuredKind::Contraction &&
          joinContraction(*best, group))
        best = &group;
      else if (best && best->kind == StructuredKind::Contraction &&
               joinContraction(group, *best))
        continue;
      else if (!best || group.position > best->position)
        best = &group;
    }
  }
  if (!best)
    return false;
  if (getReadyPosition(op, best) >= best->position &&
      kind != StructuredKind::Update)
    return false;
  if (kind == StructuredKind::Update)
    best->position = std::max(best->position, getReadyPosition(op, best) + 1);
  // Every other read of the group's own results must be of the same element,
  // too: they are in registers, or in another part of memory.
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto def = input->get().getDefiningOp<linalg::GenericOp>();
    if (def && groupOf.contains(def) && &groups[groupOf[def]] == best &&
        (!readsSameElement(op, *input) ||
         getStructuredKind(def) == StructuredKind::RowReduction))
      return false;
  }
  best->ops.push_back(op);
  best->hasRowReduction |= kind == StructuredKind::RowReduction;
  groupOf[op] = best - groups.data();
  return true;
}

bool GroupFormer::joinConsumer(Group &group) {
  if (group.kind != StructuredKind::Elementwise)
    return false;
  // The first consumer takes the group; the others come after it.
  Group *target = nullptr;
  int64_t first = std::numeric_limits<int64_t>::max();
  SmallVector<OpOperand *> uses;
  for (linalg::GenericOp op : group.ops)
    for (OpOperand &use : op->getUses()) {
      Operation *user = block.findAncestorOpInBlock(*use.getOwner());
      if (groupOf.contains(user) && &groups[groupOf[user]] == &group)
        continue;
      uses.push_back(&use);
      int64_t position = groupOf.contains(user) ? groups[groupOf[user]].position
                                                : order.lookup(user);
      if (position < first) {
        first = position;
        target = groupOf.contains(user) ? &groups[groupOf[user]] : nullptr;
      }
    }
  if (!target || target->space != group.space ||
      (target->kind != StructuredKind::Elementwise &&
       target->kind != StructuredKind::Contraction) ||
      (group.hasRowReduction && target->kind == StructuredKind::Contraction))
    return false;
  for (OpOperand *use : uses) {
    Operation *user = block.findAncestorOpInBlock(*use->getOwner());
    if (!groupOf.contains(user) || &groups[groupOf[user]] != target)
      continue;
    auto reader = cast<linalg::GenericOp>(user);
    StructuredKind kind = getStructuredKind(reader);
    auto def = use->get().getDefiningOp<linalg::GenericOp>();
    if (kind == StructuredKind::Contraction ||
        !readsSameElement(reader, *use) ||
        getStructuredKind(def) == StructuredKind::RowReduction)
      return false;
  }
  moveOps(group, *target);
  return true;
}

void GroupFormer::buildGroup(OpBuilder &builder, Group &group) {
  llvm::SmallPtrSet<Operation *, 8> inside;
  for (linalg::GenericOp op : group.ops)
    inside.insert(op);
  llvm::SetVector<Value> inputs;
  llvm::SetVector<Operation *> initialisers;
  SmallVector<Value> outputs;
  SmallVector<Location> locs;
  std::function<void(Operation *)> addInitialiser = [&](Operation *op) {
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def &&
          (isa<tensor::EmptyOp>(def) || def->hasTrait<OpTrait::ConstantLike>()))
        addInitialiser(def);
      else
        inputs.insert(operand);
    }
    initialisers.insert(op);
  };
  for (linalg::GenericOp op : group.ops) {
    locs.push_back(op.getLoc());
    llvm::SetVector<Value> reads(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), reads);
    for (Value read : reads) {
      Operation *def = read.getDefiningOp();
      if (def && inside.contains(def))
        continue;
      if (def && (isa<tensor::EmptyOp, linalg::FillOp>(def) ||
                  def->hasTrait<OpTrait::ConstantLike>()))
        addInitialiser(def);
      else
        inputs.insert(read);
    }
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !inside.contains(block.findAncestorOpInBlock(*user));
          }))
        outputs.push_back(result);
  }

  Location loc = builder.getFusedLoc(locs);
  // Constants that became arrays have no line.
  if (!loc->findInstanceOf<FileLineColLoc>())
    loc = block.getParent()->getParentOfType<func::FuncOp>().getLoc();
  auto op = GroupOp::create(builder, loc, TypeRange(ValueRange(outputs)),
                            inputs.getArrayRef());
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&op.getBody());
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
  for (Operation *initialiser : initialisers)
    builder.clone(*initialiser, mapping);
  for (linalg::GenericOp member : group.ops)
    builder.clone(*member, mapping);
  SmallVector<Value> yielded;
  for (Value output : outputs)
    yielded.push_back(mapping.lookup(output));
  YieldOp::create(builder, op.getLoc(), yielded);
  for (auto [outer, result] : llvm::zip_equal(outputs, op.getResults()))
    outer.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !inside.contains(block.findAncestorOpInBlock(*use.getOwner()));
    });
}

void GroupFormer::run() {
  // Scalars first: they hold nothing back then.
  Operation *front = &block.front();
  llvm::SmallPtrSet<Operation *, 16> hoisted;
  for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
    if (op.getNumRegions() > 0 || isa<tensor::EmptyOp>(op) || !isPure(&op) ||
        llvm::any_of(op.getResultTypes(), llvm::IsaPred<TensorType>))
      continue;
    bool available = llvm::all_of(op.getOperands(), [&](Value operand) {
      Operation *def = operand.getDefiningOp();
      return !def || def->getBlock() != &block || hoisted.contains(def);
    });
    if (!available)
      continue;
    hoisted.insert(&op);
    if (&op == front)
      front = op.getNextNode();
    else
      op.moveBefore(front);
  }

  // Positions leave room: parts of a result move their group back.
  int64_t position = 0;
  SmallVector<Operation *> plain;
  SmallVector<Operation *> dead;
  for (Operation &op : block.without_terminator())
    order[&op] = position++ * 2;
  order[block.getTerminator()] = position * 2;
  groups.reserve(block.getOperations().size());
  for (Operation &op : block.without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      dead.push_back(&op);
      StructuredKind kind = getStructuredKind(generic);
      if ((fuse || kind == StructuredKind::Update) && joinProducer(generic))
        continue;
      Group group;
      group.ops.push_back(generic);
      group.position = order[&op];
      group.space = getSpace(generic);
      group.hasRowReduction = kind == StructuredKind::RowReduction;
      group.kind = kind == StructuredKind::RowReduction
                       ? StructuredKind::Elementwise
                       : kind;
      groupOf[&op] = groups.size();
      groups.push_back(std::move(group));
    } else if (isa<tensor::EmptyOp, linalg::FillOp>(op)) {
      dead.push_back(&op);
    } else {
      plain.push_back(&op);
    }
  }
  if (fuse)
    for (Group &group : llvm::reverse(groups))
      joinConsumer(group);

  // Units in their order: operations that are in no group, and groups.
  llvm::erase_if(groups, [](const Group &group) { return group.ops.empty(); });
  llvm::sort(groups, [&](const Group &lhs, const Group &rhs) {
    return std::pair(lhs.position, order.lookup(lhs.ops.front())) <
           std::pair(rhs.position, order.lookup(rhs.ops.front()));
  });
  OpBuilder builder(block.getTerminator());
  auto *next = plain.begin();
  for (Group &group : groups) {
    for (; next != plain.end() && order[*next] < group.position; ++next)
      (*next)->moveBefore(block.getTerminator());
    buildGroup(builder, group);
  }
  for (; next != plain.end(); ++next)
    (*next)->moveBefore(block.getTerminator());
  for (Operation *op : llvm::reverse(dead))
    op->erase();
}

/// Gives each array that is written in parts writes of its own, in its block:
/// two that begin with the same part, as CSE leaves them, are two arrays.
static void separateUpdates(StageOp stage) {
  SmallVector<linalg::GenericOp> updates;
  stage.walk([&](linalg::GenericOp op) {
    if (getStructuredKind(op) == StructuredKind::Update)
      updates.push_back(op);
  });
  for (linalg::GenericOp op : updates)
    while (auto whole =
               op.getDpsInits()[0].getDefiningOp<linalg::GenericOp>()) {
      if (getStructuredKind(whole) != StructuredKind::Update)
        break;
      if (whole->hasOneUse() && whole->getBlock() == op->getBlock()) {
        op = whole;
        continue;
      }
      OpBuilder builder(op);
      auto own = cast<linalg::GenericOp>(builder.clone(*whole));
      op.getDpsInitsMutable()[0].set(own.getResult(0));
      op = own;
    }
  for (linalg::GenericOp op : llvm::reverse(updates))
    if (op.use_empty())
      op.erase();
}

namespace {
struct FormGroupsPass : public pc::impl::FormGroupsPassBase<FormGroupsPass> {
  using Base::Base;

  void runOnOperation() final {
    getOperation().walk([this](StageOp stage) {
      stage.getBody().walk([](RelayoutOp relayout) {
        OpBuilder builder(relayout);
        auto copy = buildCopy(builder, relayout.getLoc(), relayout.getType(),
                              relayout.getInput());
        relayout.replaceAllUsesWith(copy.getResult(0));
        relayout.erase();
      });
      separateUpdates(stage);
      SmallVector<Block *> blocks;
      stage.getBody().walk(
          [&](scf::ForOp loop) { blocks.push_back(loop.getBody()); });
      blocks.push_back(&stage.getBody().front());
      for (Block *block : blocks)
        GroupFormer(*block, fuse).run();
    });
  }
};
} // namespace
