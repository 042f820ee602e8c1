//===- InlineBlocks.cpp - Inlines blocks at their applications ------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

namespace pc {
#define GEN_PASS_DEF_INLINEBLOCKSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
struct InlineBlocksPass
    : public pc::impl::InlineBlocksPassBase<InlineBlocksPass> {
  void runOnOperation() final;
};
} // namespace

/// Puts `prefix` in front of the names that the operation defines or refers to.
static void addPrefix(Operation *op, StringRef prefix) {
  if (prefix.empty())
    return;
  auto renamed = [&](StringRef name) { return (prefix + "." + name).str(); };
  if (auto linear = dyn_cast<LinearOp>(op))
    linear.setLayer(renamed(linear.getLayer()));
  else if (auto vode = dyn_cast<VodeOp>(op))
    vode.setName(renamed(vode.getName()));
  else if (auto state = dyn_cast<StateOp>(op))
    state.setName(renamed(state.getName()));
  else if (auto param = dyn_cast<ParamOp>(op))
    param.setName(renamed(param.getName()));
  else if (auto term = dyn_cast<TermOp>(op))
    term.setVode(renamed(term.getVode()));
  else if (auto probe = dyn_cast<ProbeOp>(op))
    probe.setName(renamed(probe.getName()));
  else if (auto apply = dyn_cast<ApplyOp>(op))
    apply.setName(apply.getName() ? renamed(*apply.getName()) : prefix.str());
}

/// Replaces one application; nested ones are put on `worklist`. `active` are
/// the blocks being expanded around it.
static LogicalResult inlineApply(ApplyOp apply, SymbolTable &symbols,
                                 SmallVectorImpl<ApplyOp> &nested) {
  auto block = symbols.lookup<BlockOp>(apply.getCalleeAttr().getAttr());
  // apply_c1
  if (!block) {
    SmallVector<StringRef> known;
    for (BlockOp other : cast<ModuleOp>(symbols.getOp()).getOps<BlockOp>())
      known.push_back(other.getSymName());
    return apply.emitOpError("applies the unknown block '@")
           << apply.getCallee() << "'" << suggest(apply.getCallee(), known);
  }
  FunctionType type = block.getFunctionType();
  // apply_c2
  if (TypeRange(type.getInputs()) != TypeRange(apply.getInputs()) ||
      TypeRange(type.getResults()) != TypeRange(apply.getOutputs())) {
    InFlightDiagnostic diag = apply.emitOpError("maps (")
                              << apply.getInputs().getTypes() << ") to ("
                              << apply.getOutputs().getTypes()
                              << ") but block '@" << apply.getCallee()
                              << "' has type " << type;
    diag.attachNote(block.getLoc()) << "the block is here";
    return diag;
  }
  std::optional<int64_t> times;
  if (Attribute count = apply.getTimesAttr()) {
    auto number = dyn_cast<IntegerAttr>(count);
    // apply_c3
    if (!number)
      return apply.emitOpError("is stacked ")
             << count << " times, which is no parameter of the model";
    times = number.getInt();
    // apply_c4
    if (*times < 1)
      return apply.emitOpError("is stacked ")
             << *times << " times, expected at least once";
    // apply_c5
    if (*times > 1 && type.getInputs() != type.getResults())
      return apply.emitOpError("can be stacked only if results and arguments "
                               "have the same types, found ")
             << type;
  }
  OpBuilder builder(apply);
  SmallVector<Value> values(apply.getInputs());
  Block &body = block.getBody().front();
  for (int64_t i = 0, end = times.value_or(1); i < end; ++i) {
    std::string prefix = apply.getName().value_or("").str();
    if (times && !prefix.empty())
      prefix += "." + std::to_string(i);
    IRMapping mapping;
    mapping.map(body.getArguments(), values);
    for (Operation &op : body.without_terminator()) {
      Operation *copy = builder.clone(op, mapping);
      // Errors point at the block's line and say where it is applied.
      copy->setLoc(CallSiteLoc::get(op.getLoc(), apply.getLoc()));
      addPrefix(copy, prefix);
      if (auto inner = dyn_cast<ApplyOp>(copy))
        nested.push_back(inner);
    }
    values.clear();
    for (Value value : cast<YieldOp>(body.back()).getValues())
      values.push_back(mapping.lookup(value));
  }
  apply.replaceAllUsesWith(values);
  apply.erase();
  return success();
}

/// Operations of an inlined model: more than networks have, and few enough for
/// the rest of the compiler.
static constexpr uint64_t maxOperations = 1 << 16;

/// Operations that `body` becomes, no more than 2^64. `sizes` keeps those of
/// blocks, which do not apply themselves; `excess` becomes the first
/// application of `body` that goes beyond the bound.
static uint64_t measure(Block &body, SymbolTable &symbols,
                        llvm::DenseMap<Operation *, uint64_t> &sizes,
                        ApplyOp &excess) {
  uint64_t size = 0;
  for (Operation &op : body) {
    auto apply = dyn_cast<ApplyOp>(op);
    auto block = apply
                     ? symbols.lookup<BlockOp>(apply.getCalleeAttr().getAttr())
                     : BlockOp();
    if (!block) {
      ++size;
      continue;
    }
    if (!sizes.contains(block)) {
      ApplyOp ignored;
      uint64_t own = measure(block.getBody().front(), symbols, sizes, ignored);
      sizes[block] = own;
    }
    auto times = dyn_cast_or_null<IntegerAttr>(apply.getTimesAttr());
    uint64_t copies = times ? std::max<int64_t>(times.getInt(), 0) : 1;
    size = llvm::SaturatingMultiplyAdd(sizes[block], copies, size);
    if (size > maxOperations && !excess)
      excess = apply;
  }
  return size;
}

/// Fails if `model` is too large once its blocks are inlined.
static LogicalResult checkSize(ModelOp model, SymbolTable &symbols) {
  llvm::DenseMap<Operation *, uint64_t> sizes;
  ApplyOp excess;
  measure(model.getBody().front(), symbols, sizes, excess);
  // apply_c6
  if (excess)
    return excess.emitOpError("makes the model larger than ")
           << maxOperations << " operations; stack fewer blocks, here or in '@"
           << excess.getCallee() << "'";
  return success();
}

/// Fails if a block applies itself, directly or through others.
static LogicalResult checkRecursion(ModuleOp module, SymbolTable &symbols) {
  DenseMap<Operation *, int> status;
  std::function<LogicalResult(BlockOp)> visit =
      [&](BlockOp block) -> LogicalResult {
    int &mark = status[block];
    if (mark == 2)
      return success();
    // block_c3
    if (mark == 1)
      return block.emitOpError("applies itself");
    mark = 1;
    for (ApplyOp apply : block.getBody().getOps<ApplyOp>())
      if (auto inner = symbols.lookup<BlockOp>(apply.getCalleeAttr().getAttr()))
        if (failed(visit(inner)))
          return failure();
    status[block] = 2;
    return success();
  };
  for (BlockOp block : module.getOps<BlockOp>())
    if (failed(visit(block)))
      return failure();
  return success();
}

void InlineBlocksPass::runOnOperation() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  if (failed(checkRecursion(module, symbols)))
    return signalPassFailure();
  bool failedAny = false;
  for (ModelOp model : module.getOps<ModelOp>()) {
    if (failed(checkSize(model, symbols))) {
      failedAny = true;
      continue;
    }
    SmallVector<ApplyOp> worklist(model.getBody().getOps<ApplyOp>());
    while (!worklist.empty()) {
      ApplyOp apply = worklist.pop_back_val();
      failedAny |= failed(inlineApply(apply, symbols, worklist));
    }
  }
  if (failedAny)
    return signalPassFailure();
  for (BlockOp block : llvm::make_early_inc_range(module.getOps<BlockOp>()))
    block.erase();
}
