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
#include "pc/Dialect/PC/IR/Settings.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

namespace pc {
#define GEN_PASS_DEF_LOWERPROGRAMSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Environment
//===----------------------------------------------------------------------===//

ArrayRef<Environment::List> Environment::getLists() {
  static constexpr List lists[] = {
      &Environment::states,  &Environment::errors, &Environment::traces,
      &Environment::seconds, &Environment::counts, &Environment::precisions,
      &Environment::params};
  return lists;
}

void Environment::forEach(function_ref<void(Value &)> fn) {
  for (List list : getLists())
    for (Value &value : this->*list)
      if (value)
        fn(value);
  for (auto &entry : optimiser)
    fn(entry.second);
  if (running)
    fn(running);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Steps that may be unrolled; the rest of the compiler sees each of them.
static constexpr int64_t maxUnrolled = 4096;
/// Repetitions that an f64 counts.
static constexpr int64_t maxRepetitions = int64_t(1) << 53;

LogicalResult ProgramLowering::lower(RepeatOp op) {
  Location loc = op.getLoc();
  Block &body = op.getBody().front();
  bool dynamic = static_cast<bool>(op.getDynamicCount());
  // repeat_c3
  if (dynamic && (options.trace || options.unroll))
    return op.emitOpError("has a bound that is known at run time only, so its "
                          "steps cannot be unrolled");
  APFloat constant(0.0);
  // repeat_c9
  if (dynamic &&
      matchPattern(op.getDynamicCount(), m_ConstantFloat(&constant)) &&
      constant.isNaN())
    return op.emitOpError("expects a number of repetitions, found ")
           << constant.convertToDouble();
  bool unrolls = options.trace || options.unroll;
  int64_t savedRepetitions = repetitions, savedUnrolled = unrolled;
  int64_t count = op.getCount();
  // repeat_c7
  if (unrolls &&
      (llvm::MulOverflow(unrolled, count, unrolled) || unrolled > maxUnrolled))
    return op.emitOpError("is unrolled, because every step is kept, and "
                          "expects at most ")
           << maxUnrolled << " steps, those of the loops around it counted, "
           << "found " << count << "; trace fewer steps";
  // repeat_c8
  if (llvm::MulOverflow(repetitions, count, repetitions) ||
      repetitions > maxRepetitions)
    return op.emitOpError("expects at most 2^53 repetitions, those of the "
                          "loops around it counted, found ")
           << count;
  BitVector clampedBefore = clamped;
  SmallVector<Value> masksBefore = masks;

  int64_t savedRange = drawRange;
  Value savedIndex = drawIndex;
  drawRange *= op.getCount();
  // Repetitions of all loops around, counted through.
  auto setDrawIndex = [&](Value t) {
    drawIndex = t;
    if (!savedIndex)
      return;
    Value count = arith::ConstantIntOp::create(builder, loc, op.getCount(), 64);
    drawIndex = arith::AddIOp::create(
        builder, loc, arith::MulIOp::create(builder, loc, savedIndex, count),
        t);
  };
  auto leave = [&]() {
    repetitions = savedRepetitions;
    unrolled = savedUnrolled;
    drawRange = savedRange;
    drawIndex = savedIndex;
  };

  bool stops = llvm::any_of(
      body, [](Operation &statement) { return isa<StopOp>(statement); });
  if (unrolls) {
    repetitions = savedRepetitions;
    Value outerRunning = env.running;
    if (stops && !env.running)
      env.running = splat(loc, getRunningType(), 1.0);
    for (int64_t t = 0, end = op.getCount(); t < end; ++t) {
      setDrawIndex(arith::ConstantIntOp::create(builder, loc, t, 64));
      if (body.getNumArguments() == 1)
        scalars.map(body.getArgument(0), number(loc, static_cast<double>(t)));
      if (failed(lowerBlock(body)))
        return failure();
    }
    leave();
    if (stops)
      env.running = outerRunning;
    return success();
  }

  if (failed(prepareLoop(op)))
    return failure();
  declareReports(op);
  // What stops in the loop around takes no part in this one.
  Value outerRunning = env.running;
  if (stops && !env.running)
    env.running = splat(loc, getRunningType(), 1.0);

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
  Value t = arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                       loop.getInductionVar());
  setDrawIndex(t);
  if (body.getNumArguments() == 1) {
    scalars.map(body.getArgument(0),
                arith::SIToFPOp::create(builder, loc, builder.getF64Type(), t));
  }
  Environment entry = env;
  if (failed(lowerBlock(body)))
    return failure();
  leave();
  // repeat_c4: what is clamped is the same before and after a step.
  if (clamped != clampedBefore || masks != masksBefore)
    return op.emitOpError("clamps or releases a vode for the rest of the "
                          "program; do so outside");
  // A state that a step set otherwise has another error after it.
  BitVector stale(graph.getNodes().size());
  for (unsigned index = 0; index < stale.size(); ++index)
    stale[index] = entry.errors[index] && !env.errors[index];
  if (stale.any() && failed(materialiseErrors(op, env, stale)))
    return failure();
  SmallVector<Value> yielded;
  for (Environment::List list : Environment::getLists())
    for (auto [index, old] : llvm::enumerate(entry.*list)) {
      Value updated = (env.*list)[index];
      // repeat_c5
      if (!old && updated && list == &Environment::states)
        return op.emitOpError("gives '@")
               << graph.getNodes()[index].name
               << "' its first value; initialise it before the loop";
      if (!old)
        continue;
      // What was reset is zero.
      if (!updated)
        updated = isa<RankedTensorType>(old.getType())
                      ? splat(loc, old.getType(), 0.0)
                      : number(loc, 0.0);
      yielded.push_back(updated);
    }
  for (auto &item : env.optimiser)
    yielded.push_back(item.second);
  if (env.running)
    yielded.push_back(env.running);
  scf::YieldOp::create(builder, loc, yielded);
  env = entry;
  position = 0;
  env.forEach([&](Value &value) { value = loop.getResult(position++); });
  // A loop that stops samples of its own leaves those of the one around alone.
  if (stops)
    env.running = outerRunning;
  return success();
}

LogicalResult ProgramLowering::prepareLoop(RepeatOp loop) {
  Location loc = loop.getLoc();
  bool traces = false, seconds = false, errors = false;
  auto count = [&](OptimiserKind kind, DictionaryAttr settings) {
    bool adam = kind == OptimiserKind::Adam;
    traces |= adam || hasMomentum(settings);
    seconds |= adam;
  };
  WalkResult result = loop.getBody().walk([&](Operation *op) {
    if (auto infer = dyn_cast<InferOp>(op)) {
      count(infer.getOptimiser(), infer.getSettings());
      errors |= infer.getErrors();
    } else if (auto update = dyn_cast<UpdateOp>(op)) {
      std::optional<GradientKind> kind = getGradientKind(update.getGradient());
      if (kind != GradientKind::Params)
        count(update.getOptimiser(), update.getSettings());
      errors |= kind == GradientKind::Errors;
    } else if (auto precision = dyn_cast<PrecisionOp>(op)) {
      FailureOr<unsigned> node = resolveNode(op, precision.getVode());
      if (failed(node))
        return WalkResult::interrupt();
      if (!env.precisions[*node])
        env.precisions[*node] = number(loc, 1.0);
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  BitVector derived(graph.getNodes().size());
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (node.isInput || clamped[index] || !env.states[index])
      continue;
    Type type = env.states[index].getType();
    if (traces && !env.traces[index])
      env.traces[index] = splat(loc, type, 0.0);
    if (seconds && !env.seconds[index])
      env.seconds[index] = splat(loc, type, 0.0);
    if (seconds && !env.counts[index])
      env.counts[index] = number(loc, 0.0);
    derived[index] = errors && node.prediction;
  }
  return errors ? materialiseErrors(loop, env, derived) : success();
}

LogicalResult ProgramLowering::lower(JointOp op) {
  // joint_c1
  if (joint)
    return op.emitOpError("cannot stand in another pc.joint");
  Environment point = env;
  joint = &point;
  jointCounts.clear();
  LogicalResult result = lowerBlock(op.getBody().front());
  joint = nullptr;
  return result;
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

/// The settings that are constants of the program; the verifier has seen those
/// that are written.
static LogicalResult checkConstantSettings(Operation *op, OptimiserKind kind,
                                           DictionaryAttr settings,
                                           OperandRange numbers) {
  size_t operand = 0;
  for (NamedAttribute setting : settings) {
    if (!isa<UnitAttr>(setting.getValue()))
      continue;
    APFloat value(0.0);
    // optimiser_c6
    if (matchPattern(numbers[operand++], m_ConstantFloat(&value)) &&
        failed(checkSetting(op, kind, setting.getName().getValue(),
                            value.convertToDouble())))
      return failure();
  }
  return success();
}

void ProgramLowering::OriginListener::notifyOperationInserted(
    Operation *op, OpBuilder::InsertPoint previous) {
  Operation *statement = lowering.statement;
  // What moves keeps its origin.
  if (previous.isSet() || !statement)
    return;
  Builder builder(op->getContext());
  // Operations of the model, and their gradients, know their vode.
  OriginAttr known = OriginAttr::of(op->getLoc());
  StringAttr vode =
      known ? known.getVode() : builder.getStringAttr(lowering.share);
  op->setLoc(OriginAttr::get(
                 op->getContext(),
                 builder.getStringAttr(statement->getName().stripDialect()),
                 vode, /*step=*/-1)
                 .attachTo(op->getLoc()));
}

LogicalResult ProgramLowering::lower(Operation *op) {
  llvm::SaveAndRestore<Operation *> current(statement, op);
  LogicalResult checked =
      llvm::TypeSwitch<Operation *, LogicalResult>(op)
          .Case<InferOp, LearnOp, BackpropOp, UpdateOp>([](auto statement) {
            return checkConstantSettings(statement, statement.getOptimiser(),
                                         statement.getSettings(),
                                         statement.getNumbers());
          })
          .Default([](Operation *) { return success(); });
  if (failed(checked))
    return failure();
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<ReleaseOp, InitOp, RepeatOp, JointOp, InferOp, LearnOp, BackpropOp,
            GradientOp, CurvatureOp, CombineOp, ClipOp, ReadGradientOp,
            RestoreOp, SetOp, PrecisionOp, StopOp, NormOp, FreeEnergyOp,
            EvaluateOp, AverageOp, UseOp, UpdateOp, PredictOp, ReadOp, OutputOp,
            ReportOp, WarnOp, HyperOp, CounterOp, ScheduleOp>(
          [&](auto statement) { return lower(statement); })
      .Case([&](ClampOp clamp) {
        return lowerClamp(op, clamp.getVode(), clamp.getValue(),
                          /*beta=*/Value(), clamp.getMask());
      })
      .Case([&](NudgeOp nudge) {
        return lowerClamp(op, nudge.getVode(), nudge.getValue(),
                          nudge.getBeta(), /*mask=*/Value());
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
  unsigned count = graph.getNodes().size();
  for (Environment::List list : Environment::getLists())
    if (list != &Environment::params)
      (env.*list).resize(count);
  masks.resize(count);
  predicted.resize(count);
  clamped.resize(count);
  given.resize(count);

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
    Value value;
    if (index < paramCount)
      value = learned ? (*learned)[index] : env.params[index];
    else if (!array.node)
      value = env.optimiser[array.port.getName()];
    else if (!(value = array.momentum ? env.traces[*array.node]
                                      : env.states[*array.node]))
      value = splat(loc, array.type, 0.0);
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
    for (auto &[name, graph] : graphs)
      graph.nameOrigins();
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
      LowerProgramsPassOptions own = options;
      own.trace |= program.getTrace();
      // One broken program does not hide the errors of the others.
      if (failed(ProgramLowering(program, graph->second, own).run()))
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
