//===- PeelLastStep.cpp - Drop what the last step does for nobody ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"

namespace pc {
#define GEN_PASS_DEF_PEELLASTSTEPPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

/// The operations of the loop's body that results which are read depend on, in
/// one step.
static DenseSet<Operation *> getNeeded(scf::ForOp loop) {
  DenseSet<Operation *> needed;
  SmallVector<Value> worklist;
  Operation *yield = loop.getBody()->getTerminator();
  for (auto [result, value] :
       llvm::zip_equal(loop.getResults(), yield->getOperands()))
    if (!result.use_empty())
      worklist.push_back(value);
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val().getDefiningOp();
    if (!op || op->getBlock() != loop.getBody() || !needed.insert(op).second)
      continue;
    llvm::append_range(worklist, op->getOperands());
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::append_range(worklist, captured);
  }
  return needed;
}

/// True if the loop moves what all samples share, such as weights: it is cut
/// into stages. Another loop is one part of a stage: code of its own for its
/// last step is longer and saves no meeting of threads.
static bool movesShared(scf::ForOp loop) {
  return llvm::any_of(loop.getResultTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa<FloatType>(tensor.getElementType()) &&
           (tensor.getRank() == 0 || !tensor.isDynamicDim(0));
  });
}

/// Makes the last step its own code, without what no one reads.
static void peel(scf::ForOp loop) {
  std::optional<int64_t> lower = getConstantIntValue(loop.getLowerBound()),
                         upper = getConstantIntValue(loop.getUpperBound()),
                         step = getConstantIntValue(loop.getStep());
  if (!lower || !upper || step != 1 || *upper <= *lower || !movesShared(loop))
    return;
  DenseSet<Operation *> needed = getNeeded(loop);
  unsigned dead = 0;
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (!isMemoryEffectFree(&op))
      return;
    dead += isa<DenseOp, BatchOuterOp>(op) && !needed.contains(&op);
  }
  if (dead == 0)
    return;

  OpBuilder builder(loop);
  Value last =
      arith::ConstantIndexOp::create(builder, loop.getLoc(), *upper - 1);
  builder.setInsertionPointAfter(loop);
  IRMapping mapping;
  mapping.map(loop.getInductionVar(), last);
  mapping.map(loop.getRegionIterArgs(), loop.getResults());
  DenseSet<Operation *> copies;
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (!needed.contains(&op))
      continue;
    Operation *copy = builder.clone(op, mapping);
    OriginAttr::setStep(copy, *upper - 1);
    copies.insert(copy);
  }
  Operation *yield = loop.getBody()->getTerminator();
  for (auto [result, value] :
       llvm::zip_equal(loop.getResults(), yield->getOperands())) {
    // What a step takes over from the one before it is a result itself.
    Value replacement = mapping.lookupOrDefault(value);
    result.replaceUsesWithIf(replacement, [&](OpOperand &use) {
      Operation *user = use.getOwner();
      while (user && user->getBlock() != loop->getBlock())
        user = user->getParentOp();
      return !copies.contains(user);
    });
  }
  loop.getUpperBoundMutable().assign(last);
  remark::passed(
      loop.getLoc(),
      remark::RemarkOpts::name("LastStep").category("pc-peel-last-step"))
      << llvm::formatv("{0} products of the last step are dropped: nothing "
                       "reads what they would move",
                       dead)
             .str();
}

namespace {
struct PeelLastStepPass
    : public pc::impl::PeelLastStepPassBase<PeelLastStepPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops)
      peel(loop);
  }
};
} // namespace
