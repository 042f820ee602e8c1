//===- LowerPrograms.cpp - Programs to functions of batched tensors -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

namespace pc {
#define GEN_PASS_DEF_LOWERPROGRAMSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lower(RepeatOp op) {
  Location loc = op.getLoc();
  Block &body = op.getBody().front();
  bool dynamic = static_cast<bool>(op.getDynamicCount());
  // repeat_c3
  if (dynamic && (options.trace || options.unroll))
    return op.emitOpError("has a bound that is known at run time only, so its "
                          "steps cannot be unrolled");
  int64_t savedRepetitions = repetitions;
  repetitions *= op.getCount();
  BitVector clampedBefore = clamped;

  if (options.trace || options.unroll) {
    repetitions = savedRepetitions;
    for (int64_t t = 0, end = op.getCount(); t < end; ++t) {
      if (body.getNumArguments() == 1)
        scalars.map(body.getArgument(0), number(loc, static_cast<double>(t)));
      if (failed(lowerBlock(body)))
        return failure();
    }
    return success();
  }

  // Momentum that the body makes must be there for the loop to carry.
  bool momentum = false;
  body.walk([&](Operation *nested) {
    DictionaryAttr settings;
    if (auto infer = dyn_cast<InferOp>(nested))
      settings = infer.getSettings();
    else if (auto update = dyn_cast<UpdateOp>(nested))
      settings = update.getSettings();
    if (settings && settings.get("momentum") &&
        getWritten(settings, "momentum") != 0.0)
      momentum = true;
  });
  if (momentum)
    for (auto [index, node] : llvm::enumerate(graph.getNodes()))
      if (!node.isInput && !clamped[index] && env.states[index] &&
          !env.traces[index])
        env.traces[index] = splat(loc, env.states[index].getType(), 0.0);

  declareReports(op);

  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value bound;
  if (dynamic) {
    Value limit = number(loc, static_cast<double>(op.getCount()));
    Value count = arith::MinimumFOp::create(
        builder, loc, mapped(op.getDynamicCount()), limit);
    count = arith::MaximumFOp::create(builder, loc, count, number(loc, 0.0));
    count = arith::FPToSIOp::create(builder, loc, builder.getI64Type(), count);
    bound =
        arith::IndexCastOp::create(builder, loc, builder.getIndexType(), count);
  } else {
    bound = arith::ConstantIndexOp::create(builder, loc, op.getCount());
  }

  // A state that two nodes share (both clamped to one value) is carried twice.
  SmallVector<Value> carried;
  env.forEach([&](Value &value) { carried.push_back(value); });
  auto loop = scf::ForOp::create(builder, loc, zero, bound, one, carried);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  unsigned position = 0;
  env.forEach([&](Value &value) { value = loop.getRegionIterArg(position++); });
  if (body.getNumArguments() == 1) {
    Value t = arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                         loop.getInductionVar());
    scalars.map(body.getArgument(0),
                arith::SIToFPOp::create(builder, loc, builder.getF64Type(), t));
  }
  Environment entry = env;
  if (failed(lowerBlock(body)))
    return failure();
  repetitions = savedRepetitions;
  // repeat_c4: what is clamped is the same before and after a step.
  if (clamped != clampedBefore)
    return op.emitOpError("clamps or releases a vode for the rest of the "
                          "program; do so outside");
  SmallVector<Value> yielded;
  auto collect = [&](SmallVector<Value> &before, SmallVector<Value> &after,
                     StringRef what) -> LogicalResult {
    for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(before, after))) {
      auto [old, updated] = pair;
      if (!old && updated)
        // repeat_c5
        return op.emitOpError("gives '@")
               << graph.getNodes()[index].name << "' its first " << what
               << "; initialise it before the loop";
      if (old)
        yielded.push_back(updated ? updated : splat(loc, old.getType(), 0.0));
    }
    return success();
  };
  if (failed(collect(entry.states, env.states, "value")) ||
      failed(collect(entry.traces, env.traces, "momentum")) ||
      failed(collect(entry.params, env.params, "value")))
    return failure();
  for (auto &item : env.optimiser)
    yielded.push_back(item.second);
  scf::YieldOp::create(builder, loc, yielded);
  env = entry;
  position = 0;
  env.forEach([&](Value &value) { value = loop.getResult(position++); });
  return success();
}

LogicalResult ProgramLowering::lower(JointOp op) {
  // joint_c1
  if (joint)
    return op.emitOpError("cannot stand in another pc.joint");
  Environment point = env;
  joint = &point;
  LogicalResult result = lowerBlock(op.getBody().front());
  joint = nullptr;
  return result;
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lower(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<ReleaseOp, InitOp, RepeatOp, JointOp, InferOp, LearnOp, BackpropOp,
            GradientOp, UpdateOp, PredictOp, ReadOp, OutputOp, ReportOp,
            HyperOp, CounterOp, ScheduleOp>(
          [&](auto statement) { return lower(statement); })
      .Case([&](ClampOp clamp) {
        return lowerClamp(op, clamp.getVode(), clamp.getValue(), Value());
      })
      .Case([&](NudgeOp nudge) {
        return lowerClamp(op, nudge.getVode(), nudge.getValue(),
                          nudge.getBeta());
      })
      .Case([&](PointOp point) {
        points[point.getResult()] = joint ? *joint : env;
        return success();
      })
      .Default([&](Operation *pure) -> LogicalResult {
        // Numbers, and pure operations on per-sample values.
        BatchedEvaluator evaluator(builder);
        for (Value operand : pure->getOperands())
          evaluator.map(operand, mapped(operand));
        if (failed(evaluator.clone(pure)))
          return failure();
        for (Value result : pure->getResults())
          scalars.map(result, evaluator.lookup(result));
        return success();
      });
}

LogicalResult ProgramLowering::lowerBlock(Block &block) {
  for (Operation &op : block)
    if (failed(lower(&op)))
      return failure();
  return success();
}

LogicalResult ProgramLowering::run() {
  builder.setInsertionPoint(program);
  function =
      func::FuncOp::create(builder, program.getLoc(), program.getSymName(),
                           builder.getFunctionType({}, {}));
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  env.states.resize(graph.getNodes().size());
  env.traces.resize(graph.getNodes().size());
  clamped.resize(graph.getNodes().size());

  for (BlockArgument argument : program.getBody().front().getArguments())
    scalars.map(
        argument,
        addArgument(getBatchedType(cast<RankedTensorType>(argument.getType())),
                    makePort(PortKind::Input,
                             program.getInputName(argument.getArgNumber())),
                    argument.getLoc()));
  if (failed(declareStorage()) || failed(lowerBlock(program.getBody().front())))
    return failure();
  remarkShortInference();

  for (ProgramOutput &report : loopReports)
    addOutput(report.port, env.optimiser[builder.getStringAttr(
                               "report." + report.port.getName().getValue())]);

  // Results: outputs, then the arrays that changed.
  SmallVector<Value> results;
  SmallVector<PortAttr> ports;
  llvm::StringSet<> names;
  for (ProgramOutput &output : outputs) {
    // output_c2
    if (!names.insert(output.port.getName().getValue()).second)
      return program.emitOpError("has two outputs named '")
             << output.port.getName().getValue() << "'";
    results.push_back(output.value);
    ports.push_back(output.port);
  }
  Location loc = program.getLoc();
  unsigned paramCount = graph.getParams().size();
  for (auto [index, array] : llvm::enumerate(storage)) {
    Value value = index < paramCount ? env.params[index]
                                     : env.optimiser[array.port.getName()];
    if (isa<BlockArgument>(value))
      continue;
    if (auto extract = value.getDefiningOp<tensor::ExtractOp>();
        extract && isa<BlockArgument>(extract.getTensor()))
      continue;
    if (!isa<RankedTensorType>(value.getType()))
      value = tensor::FromElementsOp::create(builder, loc, array.type, value);
    results.push_back(value);
    ports.push_back(array.port);
  }
  func::ReturnOp::create(builder, loc, results);
  function.setType(builder.getFunctionType(function.getArgumentTypes(),
                                           ValueRange(results).getTypes()));
  for (auto [index, port] : llvm::enumerate(ports))
    function.setResultAttr(index, PCDialect::kPortAttrName, port);
  function->setAttr(
      PCDialect::kProgramAttrName,
      ProgramInfoAttr::get(context, program.getModelAttr().getAttr(),
                           program.getEffectiveRole(), weightSteps));
  return success();
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

/// One name is one number in all programs of a file.
static LogicalResult checkHypers(ModuleOp module) {
  llvm::StringMap<HyperOp> hypers;
  bool failedAny = false;
  module.walk([&](HyperOp op) {
    auto [it, inserted] = hypers.try_emplace(op.getName(), op);
    HyperOp first = it->second;
    if (inserted || first.getProperties() == op.getProperties())
      return;
    // hyper_c2
    InFlightDiagnostic diag = op.emitOpError("'")
                              << op.getName()
                              << "' has another default or other bounds here "
                                 "than before";
    diag.attachNote(first.getLoc()) << "first defined here";
    failedAny = true;
  });
  return failure(failedAny);
}

namespace {
struct LowerProgramsPass
    : public pc::impl::LowerProgramsPassBase<LowerProgramsPass> {
  using LowerProgramsPassBase::LowerProgramsPassBase;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    LowerProgramsPassOptions options;
    options.trace = trace;
    options.unroll = unroll;
    llvm::MapVector<StringAttr, ModelGraph> graphs;
    for (ModelOp model : module.getOps<ModelOp>())
      graphs.insert({model.getSymNameAttr(), ModelGraph(model)});
    bool failedAny = failed(checkHypers(module));
    SmallVector<ProgramOp> programs(module.getOps<ProgramOp>());
    for (ProgramOp program : programs) {
      auto graph = graphs.find(program.getModelAttr().getAttr());
      if (graph == graphs.end()) {
        // program_c10
        program.emitOpError("is on the unknown model '@")
            << program.getModel() << "'"
            << suggest(program.getModel(),
                       llvm::map_range(graphs, [](auto &entry) {
                         return entry.first.getValue();
                       }));
        failedAny = true;
        continue;
      }
      // One broken program does not hide the errors of the others.
      if (failed(ProgramLowering(program, graph->second, options).run()))
        failedAny = true;
    }
    if (failedAny)
      return signalPassFailure();
    for (ProgramOp program : programs)
      program.erase();
    for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
      if (isa<ModelOp, EnergyOp, BlockOp>(op))
        op.erase();
  }
};
} // namespace
