//===- LowerPrograms.cpp - Programs to functions of batched tensors -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Autodiff/ReverseMode.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Batching.h"
#include "pc/Dialect/PC/Transforms/ModelGraph.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

namespace pc {
#define GEN_PASS_DEF_LOWERPROGRAMSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {

//===----------------------------------------------------------------------===//
// Environment: everything a statement can change
//===----------------------------------------------------------------------===//

/// The values that hold at one moment of a program. Copied when a point is
/// taken, carried around a loop.
struct Environment {
  /// One per node of the model; null while a state has no value.
  SmallVector<Value> states;
  /// Momentum of the state optimiser, one per node; null is zero.
  SmallVector<Value> traces;
  /// One per parameter of the model.
  SmallVector<Value> params;
  /// Moments (tensors) and counts (i64) of the weight optimisers, by name.
  llvm::MapVector<StringAttr, Value> optimiser;

  /// Calls `fn` on every value that is set, in a fixed order.
  void forEach(function_ref<void(Value &)> fn) {
    for (SmallVector<Value> *list : {&states, &traces, &params})
      for (Value &value : *list)
        if (value)
          fn(value);
    for (auto &entry : optimiser)
      fn(entry.second);
  }
};

/// The gradient that a pc.gradient stands for.
struct GradientValues {
  GradientKind kind;
  /// One per node or parameter; null where nothing was asked for.
  SmallVector<Value> values;
};

/// An output of the function, in the order of its creation.
struct ProgramOutput {
  PortAttr port;
  Value value;
};

/// A persistent array that the function takes and may change.
struct StorageArgument {
  PortAttr port;
  Type type;
};

//===----------------------------------------------------------------------===//
// ProgramLowering
//===----------------------------------------------------------------------===//

/// Lowers one program. Statements are visited in order; each reads and writes
/// the environment, so the result is in SSA form from the start.
class ProgramLowering {
public:
  ProgramLowering(ProgramOp program, const ModelGraph &graph,
                  const LowerProgramsPassOptions &options)
      : program(program), graph(graph), options(options),
        builder(program.getContext()), context(program.getContext()) {}

  LogicalResult run();

private:
  // Statements.
  LogicalResult lowerBlock(Block &block);
  LogicalResult lower(Operation *op);
  LogicalResult lowerClamp(Operation *op, StringRef vode, Value value,
                           Value beta);
  LogicalResult lower(ReleaseOp op);
  LogicalResult lower(InitOp op);
  LogicalResult lower(RepeatOp op);
  LogicalResult lower(JointOp op);
  LogicalResult lower(InferOp op);
  LogicalResult lower(LearnOp op);
  LogicalResult lower(BackpropOp op);
  LogicalResult lower(GradientOp op);
  LogicalResult lower(UpdateOp op);
  LogicalResult lower(PredictOp op);
  LogicalResult lower(ReadOp op);
  LogicalResult lower(OutputOp op);
  LogicalResult lower(ReportOp op);
  LogicalResult lower(HyperOp op);
  LogicalResult lower(CounterOp op);
  LogicalResult lower(ScheduleOp op);

  // The model at a point.
  /// An evaluator with all parameters and all states that have values mapped.
  BatchedEvaluator makeEvaluator(const Environment &at);
  /// The batched value of `modelValue`; fails when it needs a state that has no
  /// value, with a diagnostic at `op`.
  Value evaluate(Operation *op, BatchedEvaluator &evaluator, Value modelValue,
                 const Environment &at);
  /// The free energy per sample, of one node or (nullopt) of all.
  Value buildEnergy(Operation *op, const Environment &at,
                    BatchedEvaluator &evaluator, std::optional<unsigned> node);
  FailureOr<GradientValues> buildGradient(Operation *op, GradientKind kind,
                                          const Environment &at,
                                          const BitVector &wanted);
  /// Sets the state of `node` to its prediction, its sources first. `pending`
  /// are the nodes still to be set, `path` those being visited.
  LogicalResult initForward(InitOp op, unsigned node, BitVector &pending,
                            SmallVectorImpl<unsigned> &path);

  // Updates.
  LogicalResult updateStates(Operation *op, const GradientValues &gradient,
                             DictionaryAttr settings, ValueRange numbers);
  LogicalResult updateParams(Operation *op, OptimiserKind kind,
                             const GradientValues &gradient,
                             DictionaryAttr settings, ValueRange numbers,
                             StringRef owner);
  /// Free nodes, restricted to `vodes` when it is given.
  FailureOr<BitVector> getFreeNodes(Operation *op, ArrayAttr vodes);
  FailureOr<BitVector> getSelectedParams(Operation *op, ArrayAttr names);
  FailureOr<unsigned> resolveNode(Operation *op, StringRef name);
  /// Multiplies parameter gradients by 1/n (mean) and `scale`.
  void scaleGradient(Location loc, GradientValues &gradient, ReduceKind reduce,
                     Value scale);

  // Checks.
  LogicalResult checkReachable(Operation *op, const BitVector &free);
  void remarkShortInference();

  // Numbers.
  Value number(Location loc, double value) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF64FloatAttr(value));
  }
  /// Value of a setting: written, operand, or `fallback`.
  Value getSetting(Location loc, DictionaryAttr settings, ValueRange numbers,
                   StringRef name, double fallback);
  /// The setting if it is written as a number.
  static std::optional<double> getWritten(DictionaryAttr settings,
                                          StringRef name);
  Value mapped(Value value) { return scalars.lookupOrDefault(value); }
  Value splat(Location loc, Type type, double value) {
    return SplatOp::create(builder, loc, type,
                           builder.getF64FloatAttr(value));
  }
  Value getBatchReduced(Location loc, Value value, ReduceKind reduce);
  Value getInverseBatch(Location loc);

  // The function's interface.
  Value getHyper(HyperOp op);
  Value getCounter(Location loc, StringRef name, Type type);
  Value addArgument(Type type, PortAttr port, Location loc);
  PortAttr makePort(PortKind kind, StringRef name,
                    ArrayRef<NamedAttribute> details = {});
  NamedAttribute detail(StringRef name, Attribute value) {
    return builder.getNamedAttr(name, value);
  }
  void addOutput(PortAttr port, Value value) {
    outputs.push_back({port, value});
  }
  /// Creates the storage of a weight optimiser before the body is lowered, so
  /// that loops can carry it.
  void declareOptimiser(OptimiserKind kind, DictionaryAttr settings,
                        StringRef owner, const BitVector &params);
  LogicalResult declareStorage();
  /// Count of weight steps, an i64 in the environment.
  StringAttr getWeightStepName() {
    return builder.getStringAttr("weight_step");
  }
  static std::string getOwner(OptimiserKind kind,
                              std::optional<StringRef> owner) {
    return owner ? owner->str() : stringifyOptimiserKind(kind).str();
  }

  PortAttr makeReportPort(StringRef name, ReduceKind reduce, bool shown);
  /// `shown` marks what a user asked for; the rest is there for diagnoses.
  void addReport(StringRef name, ReduceKind reduce, Value value, bool shown);
  /// Gives the reports of a loop a value that the loop can carry.
  void declareReports(Operation *loop);

  // Trace.
  LogicalResult traceStates(Operation *op);

  ProgramOp program;
  const ModelGraph &graph;
  const LowerProgramsPassOptions &options;
  OpBuilder builder;
  MLIRContext *context;

  func::FuncOp function;
  Environment env;
  /// Where gradients are taken inside pc.joint; null elsewhere.
  const Environment *joint = nullptr;
  BitVector clamped;
  /// Program values to function values: inputs, numbers, per-sample values.
  IRMapping scalars;
  llvm::DenseMap<Value, Environment> points;
  llvm::DenseMap<Value, GradientValues> gradients;
  llvm::StringMap<Value> namedArguments;
  SmallVector<ProgramOutput> outputs;
  /// Reports inside loops: their values are in the environment.
  SmallVector<ProgramOutput> loopReports;
  /// Persistent arrays in the order of the arguments.
  SmallVector<StorageArgument> storage;
  int64_t weightSteps = 0;
  /// Product of the bounds of the loops around the statement.
  int64_t repetitions = 1;
  int64_t traceStep = 0;
  int64_t learnIndex = 0;
  /// First stream of random numbers of a pc.init normal, and the next free one.
  llvm::DenseMap<Operation *, int64_t> streams;
  int64_t nextStream = 0;
  /// Static number of inference steps, for the depth remark; -1: unknown.
  int64_t inferSteps = 0;
  bool forwardInitialised = false;
  Operation *firstInfer = nullptr;
};

} // namespace

//===----------------------------------------------------------------------===//
// The function's interface
//===----------------------------------------------------------------------===//

PortAttr ProgramLowering::makePort(PortKind kind, StringRef name,
                                   ArrayRef<NamedAttribute> details) {
  return PortAttr::get(context, kind, builder.getStringAttr(name),
                       details.empty() ? DictionaryAttr()
                                       : builder.getDictionaryAttr(details));
}

Value ProgramLowering::addArgument(Type type, PortAttr port, Location loc) {
  unsigned index = function.getNumArguments();
  (void)function.insertArgument(
      index, type,
      builder.getDictionaryAttr(
          builder.getNamedAttr(PCDialect::kPortAttrName, port)),
      loc);
  return function.getArgument(index);
}

Value ProgramLowering::getHyper(HyperOp op) {
  Value &value = namedArguments["hyper." + op.getName().str()];
  if (!value) {
    SmallVector<NamedAttribute> details = {detail("value", op.getValueAttr())};
    if (op.getMinAttr())
      details.push_back(detail("min", op.getMinAttr()));
    if (op.getMaxAttr())
      details.push_back(detail("max", op.getMaxAttr()));
    value = addArgument(builder.getF64Type(),
                        makePort(PortKind::Hyper, op.getName(), details),
                        op.getLoc());
  }
  return value;
}

Value ProgramLowering::getCounter(Location loc, StringRef name, Type type) {
  Value &value = namedArguments[("counter." + name).str()];
  if (!value)
    value = addArgument(type, makePort(PortKind::Counter, name), loc);
  return value;
}

void ProgramLowering::declareOptimiser(OptimiserKind kind,
                                       DictionaryAttr settings,
                                       StringRef owner,
                                       const BitVector &params) {
  InitAttr zeros = InitAttr::get(context, InitKind::Zeros);
  auto declare = [&](const Twine &name, Type type) {
    StringAttr key = builder.getStringAttr(name);
    if (env.optimiser.count(key))
      return;
    PortAttr port = makePort(PortKind::Optimiser, key.getValue(),
                             {detail("init", zeros),
                              detail("stream", builder.getI64IntegerAttr(0))});
    storage.push_back({port, type});
    env.optimiser[key] = addArgument(type, port, program.getLoc());
  };
  Type count = RankedTensorType::get({}, builder.getI64Type());
  declare("weight_step", count);
  if (kind != OptimiserKind::SGD)
    declare(owner + ".count", count);
  for (unsigned index : params.set_bits()) {
    const ModelParam &param = graph.getParams()[index];
    if (kind == OptimiserKind::SGD) {
      if (std::optional<double> momentum = getWritten(settings, "momentum");
          settings.get("momentum") && momentum != 0.0)
        declare(owner + ".trace." + param.name, param.type);
      continue;
    }
    declare(owner + ".m." + param.name, param.type);
    declare(owner + ".v." + param.name, param.type);
  }
}

LogicalResult ProgramLowering::declareStorage() {
  for (const ModelParam &param : graph.getParams()) {
    PortAttr port =
        makePort(PortKind::Parameter, param.name,
                 {detail("init", param.init),
                  detail("stream", builder.getI64IntegerAttr(param.stream))});
    storage.push_back({port, param.type});
    env.params.push_back(addArgument(param.type, port, param.loc));
  }
  // Optimisers, in the order of the program; what a loop carries must exist
  // before it.
  WalkResult result = program.walk([&](Operation *op) {
    FailureOr<BitVector> params = failure();
    if (auto learn = dyn_cast<LearnOp>(op)) {
      if (failed(params = getSelectedParams(op, learn.getParamsAttr())))
        return WalkResult::interrupt();
      declareOptimiser(learn.getOptimiser(), learn.getSettings(),
                       getOwner(learn.getOptimiser(), learn.getOwner()),
                       *params);
    } else if (auto backprop = dyn_cast<BackpropOp>(op)) {
      declareOptimiser(backprop.getOptimiser(), backprop.getSettings(),
                       getOwner(backprop.getOptimiser(), backprop.getOwner()),
                       BitVector(graph.getParams().size(), true));
    } else if (auto update = dyn_cast<UpdateOp>(op)) {
      auto gradient = update.getGradient().getDefiningOp<GradientOp>();
      if (!gradient || gradient.getKind() != GradientKind::Params)
        return WalkResult::advance();
      if (failed(params = getSelectedParams(op, update.getOnlyAttr())))
        return WalkResult::interrupt();
      declareOptimiser(update.getOptimiser(), update.getSettings(),
                       getOwner(update.getOptimiser(), update.getOwner()),
                       *params);
    } else if (isa<ScheduleOp, CounterOp>(op)) {
      declareOptimiser(OptimiserKind::SGD, builder.getDictionaryAttr({}), "",
                       BitVector());
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  // Counts are numbers inside the function.
  for (auto &[name, value] : env.optimiser)
    if (cast<RankedTensorType>(value.getType()).getElementType().isInteger(64))
      value = tensor::ExtractOp::create(builder, program.getLoc(), value,
                                        ValueRange());
  return success();
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

std::optional<double> ProgramLowering::getWritten(DictionaryAttr settings,
                                                  StringRef name) {
  if (auto number = settings.getAs<FloatAttr>(name))
    return number.getValueAsDouble();
  return std::nullopt;
}

Value ProgramLowering::getSetting(Location loc, DictionaryAttr settings,
                                  ValueRange numbers, StringRef name,
                                  double fallback) {
  size_t operand = 0;
  for (NamedAttribute setting : settings) {
    bool isOperand = isa<UnitAttr>(setting.getValue());
    if (setting.getName().getValue() == name)
      return isOperand ? mapped(numbers[operand])
                       : number(loc, cast<FloatAttr>(setting.getValue())
                                         .getValueAsDouble());
    operand += isOperand;
  }
  return number(loc, fallback);
}

Value ProgramLowering::getInverseBatch(Location loc) {
  Value size = BatchSizeOp::create(builder, loc, builder.getF64Type());
  return arith::DivFOp::create(builder, loc, number(loc, 1.0), size);
}

Value ProgramLowering::getBatchReduced(Location loc, Value value,
                                       ReduceKind reduce) {
  auto type = cast<RankedTensorType>(value.getType());
  Value sum = BatchSumOp::create(
      builder, loc,
      RankedTensorType::get(type.getShape().drop_front(),
                            type.getElementType()),
      value);
  if (reduce == ReduceKind::Sum)
    return sum;
  return ScaleOp::create(builder, loc, sum.getType(), sum,
                         getInverseBatch(loc));
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

FailureOr<unsigned> ProgramLowering::resolveNode(Operation *op,
                                                 StringRef name) {
  // program_c5
  if (std::optional<unsigned> node = graph.findNode(name))
    return *node;
  InFlightDiagnostic diag = op->emitOpError("names the unknown vode '@")
                            << name << "' of model '@" << program.getModel()
                            << "'" << graph.suggestNode(name);
  diag.attachNote(graph.getModel()->getLoc()) << "the model is here";
  return diag;
}

FailureOr<BitVector> ProgramLowering::getFreeNodes(Operation *op,
                                                   ArrayAttr vodes) {
  BitVector free(graph.getNodes().size());
  if (!vodes) {
    for (auto [index, node] : llvm::enumerate(graph.getNodes()))
      free[index] = !node.isInput && !clamped[index];
    return free;
  }
  for (auto symbol : vodes.getAsRange<FlatSymbolRefAttr>()) {
    FailureOr<unsigned> node = resolveNode(op, symbol.getValue());
    if (failed(node))
      return failure();
    // program_c6
    if (graph.getNodes()[*node].isInput || clamped[*node])
      return op->emitOpError("moves '@")
             << symbol.getValue() << "', which is "
             << (graph.getNodes()[*node].isInput ? "an input" : "clamped");
    free.set(*node);
  }
  return free;
}

FailureOr<BitVector> ProgramLowering::getSelectedParams(Operation *op,
                                                        ArrayAttr names) {
  BitVector selected(graph.getParams().size(), !names);
  if (!names)
    return selected;
  for (auto symbol : names.getAsRange<FlatSymbolRefAttr>()) {
    // A parameter, or a layer: all parameters in its name space.
    StringRef name = symbol.getValue();
    bool found = false;
    for (auto [index, param] : llvm::enumerate(graph.getParams())) {
      StringRef rest = param.name;
      if (!rest.consume_front(name) || !(rest.empty() || rest[0] == '.'))
        continue;
      selected.set(index);
      found = true;
    }
    // program_c7
    if (!found)
      return op->emitOpError("names the unknown parameter '@")
             << name << "'"
             << suggest(name, llvm::map_range(graph.getParams(),
                                              [](const ModelParam &param) {
                                                return param.name;
                                              }));
  }
  return selected;
}

//===----------------------------------------------------------------------===//
// The model at a point
//===----------------------------------------------------------------------===//

BatchedEvaluator ProgramLowering::makeEvaluator(const Environment &at) {
  BatchedEvaluator evaluator(builder);
  for (Operation &op : graph.getModel().getBody().front()) {
    if (auto param = dyn_cast<ParamOp>(op))
      evaluator.map(param.getResult(), at.params[*graph.getParamOf(param)]);
    else if (isa<StateOp, InputOp>(op))
      if (Value state = at.states[*graph.getNodeOf(op.getResult(0))])
        evaluator.map(op.getResult(0), state);
  }
  return evaluator;
}

Value ProgramLowering::evaluate(Operation *op, BatchedEvaluator &evaluator,
                                Value modelValue, const Environment &at) {
  SetVector<unsigned> nodes, params;
  graph.getDependences(modelValue, nodes, params);
  for (unsigned index : nodes) {
    const ModelNode &node = graph.getNodes()[index];
    if (evaluator.lookup(node.op->getResult(0)))
      continue;
    // program_c8
    InFlightDiagnostic diag = op->emitOpError("needs '@")
                              << node.name << "', which has no value yet";
    diag << (node.isInput ? "; clamp it first: pc.clamp @"
                          : "; pc.init or pc.clamp must come before: @")
         << node.name;
    diag.attachNote(node.op->getLoc()) << "declared here";
    return nullptr;
  }
  Value value = evaluator.evaluate(modelValue);
  if (!value)
    return nullptr;
  return evaluator.getBatched(value,
                              cast<RankedTensorType>(modelValue.getType()));
}

Value ProgramLowering::buildEnergy(Operation *op, const Environment &at,
                                   BatchedEvaluator &evaluator,
                                   std::optional<unsigned> only) {
  Value total;
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (only && *only != index)
      continue;
    for (TermOp term : node.terms) {
      Value energy = evaluate(op, evaluator, term.getEnergy(), at);
      if (!energy)
        return nullptr;
      total = total ? AddOp::create(builder, op->getLoc(), energy.getType(),
                                    total, energy)
                          .getResult()
                    : energy;
    }
  }
  if (total)
    return total;
  // program_c9
  if (only)
    op->emitOpError("vode '@") << graph.getNodes()[*only].name
                               << "' has no energy";
  else
    op->emitOpError("model '@") << program.getModel() << "' has no energy";
  return nullptr;
}

FailureOr<GradientValues>
ProgramLowering::buildGradient(Operation *op, GradientKind kind,
                               const Environment &at, const BitVector &wanted) {
  // Two states can hold one SSA value (both zero, say): differentiate with
  // respect to copies that are told apart. They fold away.
  Environment point = at;
  SmallVector<Value> &list =
      kind == GradientKind::States ? point.states : point.params;
  SmallVector<Value> wrt;
  for (unsigned index : wanted.set_bits()) {
    if (!list[index]) {
      const ModelNode &node = graph.getNodes()[index];
      // program_c8
      return op->emitOpError("moves '@")
             << node.name
             << "', which has no value yet; pc.init must come before";
    }
    list[index] = IdentityOp::create(builder, op->getLoc(), list[index]);
    wrt.push_back(list[index]);
  }
  BatchedEvaluator evaluator = makeEvaluator(point);
  Value energy = buildEnergy(op, point, evaluator, std::nullopt);
  if (!energy)
    return failure();
  FailureOr<SmallVector<Value>> result =
      differentiate(builder, energy, /*seed=*/Value(), wrt);
  if (failed(result))
    return failure();
  GradientValues gradient;
  gradient.kind = kind;
  gradient.values.resize(list.size());
  for (auto [index, value] : llvm::zip_equal(wanted.set_bits(), *result))
    gradient.values[index] = value;
  return gradient;
}

void ProgramLowering::scaleGradient(Location loc, GradientValues &gradient,
                                    ReduceKind reduce, Value scale) {
  Value factor;
  if (reduce == ReduceKind::Mean)
    factor = getInverseBatch(loc);
  if (scale)
    factor = factor ? arith::MulFOp::create(builder, loc, factor, mapped(scale))
                          .getResult()
                    : mapped(scale);
  if (!factor)
    return;
  for (Value &value : gradient.values)
    if (value)
      value = ScaleOp::create(builder, loc, value.getType(), value, factor);
}

//===----------------------------------------------------------------------===//
// Clamping and initialisation
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lowerClamp(Operation *op, StringRef vode,
                                          Value value, Value beta) {
  FailureOr<unsigned> index = resolveNode(op, vode);
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // clamp_c1
  if (value.getType() != node.type)
    return op->emitOpError("sets '@")
           << vode << "' of type " << node.type << " to a value of type "
           << value.getType();
  Value state = mapped(value);
  if (beta) {
    // nudge_c1
    if (!node.prediction)
      return op->emitOpError("vode '@") << vode << "' has no prediction";
    BatchedEvaluator evaluator = makeEvaluator(env);
    Value prediction = evaluate(op, evaluator, node.prediction, env);
    if (!prediction)
      return failure();
    Location loc = op->getLoc();
    Type type = state.getType();
    Value towards = SubOp::create(builder, loc, type, state, prediction);
    towards = ScaleOp::create(builder, loc, type, towards, mapped(beta));
    state = AddOp::create(builder, loc, type, prediction, towards);
  }
  // The runtime shows inputs that clamp a predicted vode as targets.
  if (auto argument = dyn_cast<BlockArgument>(value);
      argument && argument.getOwner() == &program.getBody().front() &&
      node.prediction) {
    PortAttr port = makePort(
        PortKind::Input, program.getInputName(argument.getArgNumber()),
        {detail("target", builder.getUnitAttr())});
    function.setArgAttr(argument.getArgNumber(), PCDialect::kPortAttrName,
                        port);
  }
  env.states[*index] = state;
  env.traces[*index] = Value();
  clamped.set(*index);
  return success();
}

LogicalResult ProgramLowering::lower(ReleaseOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  // release_c1
  if (graph.getNodes()[*index].isInput)
    return op.emitOpError("'@") << op.getVode()
                                << "' is an input: it has no energy to move by";
  if (!clamped[*index])
    return op.emitOpError("'@") << op.getVode() << "' is not clamped";
  clamped.reset(*index);
  return success();
}

LogicalResult ProgramLowering::initForward(InitOp op, unsigned index,
                                           BitVector &pending,
                                           SmallVectorImpl<unsigned> &path) {
  const ModelNode &node = graph.getNodes()[index];
  if (auto it = llvm::find(path, index); it != path.end()) {
    // init_c3: no cycle under forward initialisation.
    InFlightDiagnostic diag =
        op.emitOpError("forward needs an order, but predictions form a cycle: ");
    for (unsigned member : llvm::make_range(it, path.end()))
      diag << "@" << graph.getNodes()[member].name << " <- ";
    return diag << "@" << node.name
                << "; set one of them first (pc.init zero vodes(@" << node.name
                << ")) and name the others in pc.init forward vodes(...)";
  }
  path.push_back(index);
  SetVector<unsigned> sources, params;
  graph.getDependences(node.prediction, sources, params);
  for (unsigned source : sources)
    if (pending[source] && failed(initForward(op, source, pending, path)))
      return failure();
  path.pop_back();
  BatchedEvaluator evaluator = makeEvaluator(env);
  Value prediction = evaluate(op, evaluator, node.prediction, env);
  if (!prediction)
    return failure();
  env.states[index] = prediction;
  pending.reset(index);
  return success();
}

LogicalResult ProgramLowering::lower(InitOp op) {
  FailureOr<BitVector> free = getFreeNodes(op, op.getVodesAttr());
  if (failed(free))
    return failure();
  Location loc = op.getLoc();
  for (unsigned index : free->set_bits())
    env.traces[index] = Value();
  if (op.getKind() == StateInitKind::Forward) {
    forwardInitialised = true;
    BitVector pending = *free;
    for (unsigned index : free->set_bits()) {
      const ModelNode &node = graph.getNodes()[index];
      if (node.prediction)
        continue;
      pending.reset(index);
      // init_c4: a free latent keeps the value it has.
      if (!env.states[index])
        return op.emitOpError("forward cannot set '@")
               << node.name
               << "', which has no prediction; before it, say pc.init zero "
                  "vodes(@"
               << node.name << ")";
    }
    // A state that is still to be set has no value while its sources are.
    for (unsigned index : pending.set_bits())
      env.states[index] = Value();
    for (unsigned index : free->set_bits()) {
      SmallVector<unsigned> path;
      if (pending[index] && failed(initForward(op, index, pending, path)))
        return failure();
    }
    return success();
  }
  forwardInitialised = false;
  // An unrolled loop draws what the loop would.
  auto [firstStream, inserted] = streams.try_emplace(op, nextStream);
  if (inserted)
    nextStream += free->count();
  int64_t stream = firstStream->second;
  for (unsigned index : free->set_bits()) {
    Type type = getBatchedType(graph.getNodes()[index].type);
    if (op.getKind() == StateInitKind::Zero) {
      env.states[index] = splat(loc, type, 0.0);
      continue;
    }
    Value seed = getCounter(loc, "seed", builder.getI64Type());
    Value call = getCounter(loc, "call", builder.getI64Type());
    Value noise = RandomNormalOp::create(
        builder, loc, type, seed, call,
        builder.getI64IntegerAttr(stream++));
    env.states[index] =
        ScaleOp::create(builder, loc, type, noise,
                        number(loc, op.getDeviation()->convertToDouble()));
  }
  return success();
}

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
        scalars.map(body.getArgument(0),
                    number(loc, static_cast<double>(t)));
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
    bound = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                       count);
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
  env.forEach(
      [&](Value &value) { value = loop.getRegionIterArg(position++); });
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
        yielded.push_back(updated ? updated
                                  : splat(loc, old.getType(), 0.0));
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
// Updates
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::updateStates(Operation *op,
                                            const GradientValues &gradient,
                                            DictionaryAttr settings,
                                            ValueRange numbers) {
  Location loc = op->getLoc();
  Value lr = getSetting(loc, settings, numbers, "lr", 0.0);
  bool momentum =
      settings.get("momentum") && getWritten(settings, "momentum") != 0.0;
  Value mu = getSetting(loc, settings, numbers, "momentum", 0.0);
  for (auto [index, value] : llvm::enumerate(gradient.values)) {
    if (!value)
      continue;
    Value &state = env.states[index];
    Type type = state.getType();
    Value step = value;
    if (momentum) {
      // optax.trace: m <- g + mu m.
      if (Value trace = env.traces[index])
        step = AddOp::create(builder, loc, type, value,
                             ScaleOp::create(builder, loc, type, trace, mu));
      env.traces[index] = step;
    }
    state = SubOp::create(builder, loc, type, state,
                          ScaleOp::create(builder, loc, type, step, lr));
  }
  return success();
}

LogicalResult ProgramLowering::updateParams(Operation *op, OptimiserKind kind,
                                            const GradientValues &gradient,
                                            DictionaryAttr settings,
                                            ValueRange numbers,
                                            StringRef owner) {
  Location loc = op->getLoc();
  auto key = [&](const Twine &name) { return builder.getStringAttr(name); };
  Value oneI = arith::ConstantIntOp::create(builder, loc, 1, 64);
  auto increment = [&](StringAttr name) {
    Value &count = env.optimiser[name];
    count = arith::AddIOp::create(builder, loc, count, oneI);
    return count;
  };
  Value lr = getSetting(loc, settings, numbers, "lr", 0.0);
  increment(getWeightStepName());
  weightSteps += repetitions;
  int64_t traced = learnIndex++;

  Value mu, b1, b2, eps, decay, correction1, correction2;
  bool momentum =
      settings.get("momentum") && getWritten(settings, "momentum") != 0.0;
  if (kind == OptimiserKind::SGD) {
    mu = getSetting(loc, settings, numbers, "momentum", 0.0);
  } else {
    b1 = getSetting(loc, settings, numbers, "b1", 0.9);
    b2 = getSetting(loc, settings, numbers, "b2", 0.999);
    eps = getSetting(loc, settings, numbers, "eps", 1e-8);
    decay = getSetting(loc, settings, numbers, "weight_decay",
                       kind == OptimiserKind::AdamW ? 1e-4 : 0.0);
    Value count = increment(key(owner + ".count"));
    Value t = arith::SIToFPOp::create(builder, loc, builder.getF64Type(), count);
    Value one = number(loc, 1.0);
    auto correction = [&](Value b) -> Value {
      Value power = math::PowFOp::create(builder, loc, b, t);
      return arith::SubFOp::create(builder, loc, one, power);
    };
    correction1 = correction(b1);
    correction2 = correction(b2);
  }
  for (auto [index, value] : llvm::enumerate(gradient.values)) {
    if (!value)
      continue;
    const ModelParam &param = graph.getParams()[index];
    Value &target = env.params[index];
    Type type = target.getType();
    if (options.trace)
      addOutput(makePort(PortKind::Output,
                         (param.name + ".grad." + Twine(traced)).str(),
                         {detail("trace", builder.getUnitAttr()),
                          detail("last", builder.getUnitAttr())}),
                value);
    if (kind == OptimiserKind::SGD) {
      Value step = value;
      if (momentum) {
        Value &trace = env.optimiser[key(owner + ".trace." + param.name)];
        step = AddOp::create(builder, loc, type, value,
                             ScaleOp::create(builder, loc, type, trace, mu));
        trace = step;
      }
      target = SubOp::create(builder, loc, type, target,
                             ScaleOp::create(builder, loc, type, step, lr));
      continue;
    }
    Value &m = env.optimiser[key(owner + ".m." + param.name)];
    Value &v = env.optimiser[key(owner + ".v." + param.name)];
    auto update = AdamUpdateOp::create(builder, loc, type, type, type, target,
                                       value, m, v, lr, b1, b2, eps, decay,
                                       correction1, correction2);
    target = update.getNewParam();
    m = update.getNewM();
    v = update.getNewV();
  }
  return success();
}

LogicalResult ProgramLowering::traceStates(Operation *op) {
  // With a joint step the last statement of the region closes the step.
  std::string suffix = "." + std::to_string(traceStep);
  BatchedEvaluator evaluator = makeEvaluator(env);
  auto trace = builder.getUnitAttr();
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (node.isInput || !env.states[index])
      continue;
    addOutput(makePort(PortKind::Output, (node.name + ".h" + suffix).str(),
                       {detail("trace", trace)}),
              env.states[index]);
    if (node.terms.empty())
      continue;
    Value energy = buildEnergy(op, env, evaluator, index);
    if (!energy)
      return failure();
    addOutput(makePort(PortKind::Output, (node.name + ".energy" + suffix).str(),
                       {detail("trace", trace)}),
              energy);
  }
  return success();
}

LogicalResult ProgramLowering::lower(InferOp op) {
  FailureOr<BitVector> free = getFreeNodes(op, op.getVodesAttr());
  if (failed(free) || failed(checkReachable(op, *free)))
    return failure();
  if (!firstInfer)
    firstInfer = op;
  inferSteps += repetitions;
  if (options.trace && traceStep == 0 && failed(traceStates(op)))
    return failure();
  FailureOr<GradientValues> gradient =
      buildGradient(op, GradientKind::States, joint ? *joint : env, *free);
  if (failed(gradient))
    return failure();
  if (options.trace) {
    for (auto [index, value] : llvm::enumerate(gradient->values))
      if (value)
        addOutput(makePort(PortKind::Output,
                           (graph.getNodes()[index].name + ".grad." +
                            Twine(traceStep))
                               .str(),
                           {detail("trace", builder.getUnitAttr())}),
                  value);
    ++traceStep;
  }
  if (failed(updateStates(op, *gradient, op.getSettings(), op.getNumbers())))
    return failure();
  return options.trace ? traceStates(op) : success();
}

LogicalResult ProgramLowering::lower(LearnOp op) {
  FailureOr<BitVector> params = getSelectedParams(op, op.getParamsAttr());
  if (failed(params))
    return failure();
  FailureOr<GradientValues> gradient =
      buildGradient(op, GradientKind::Params, joint ? *joint : env, *params);
  if (failed(gradient))
    return failure();
  scaleGradient(op.getLoc(), *gradient, op.getReduce(), op.getScale());
  return updateParams(op, op.getOptimiser(), *gradient, op.getSettings(),
                      op.getNumbers(),
                      getOwner(op.getOptimiser(), op.getOwner()));
}

LogicalResult ProgramLowering::lower(BackpropOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // backprop_c1
  if (!node.prediction)
    return op.emitOpError("vode '@") << op.getVode() << "' has no prediction";
  // backprop_c2
  if (op.getValue().getType() != node.type)
    return op.emitOpError("compares '@")
           << op.getVode() << "' of type " << node.type
           << " with a value of type " << op.getValue().getType();
  // Every free state becomes its prediction; what is clamped stays.
  Location loc = op.getLoc();
  Environment point = env;
  SmallVector<Value> wrt;
  for (Value &param : point.params) {
    param = IdentityOp::create(builder, loc, param);
    wrt.push_back(param);
  }
  for (auto [i, other] : llvm::enumerate(graph.getNodes()))
    if (!other.isInput && !clamped[i])
      point.states[i] = Value();
  SmallVector<unsigned> path;
  // Evaluates the prediction of a node with its sources' predictions.
  std::function<Value(unsigned)> predict = [&](unsigned current) -> Value {
    const ModelNode &target = graph.getNodes()[current];
    if (!target.prediction) {
      // backprop_c3
      op.emitOpError("needs a prediction of '@")
          << target.name << "', which is a free latent";
      return nullptr;
    }
    if (llvm::is_contained(path, current)) {
      // backprop_c4
      op.emitOpError("needs an order, but the predictions form a cycle "
                     "through '@")
          << target.name << "'";
      return nullptr;
    }
    path.push_back(current);
    SetVector<unsigned> sources, params;
    graph.getDependences(target.prediction, sources, params);
    for (unsigned source : sources) {
      if (point.states[source] || graph.getNodes()[source].isInput)
        continue;
      if (!(point.states[source] = predict(source)))
        return nullptr;
    }
    path.pop_back();
    BatchedEvaluator evaluator = makeEvaluator(point);
    return evaluate(op, evaluator, target.prediction, point);
  };
  Value prediction = predict(*index);
  if (!prediction)
    return failure();
  Value value = mapped(op.getValue());
  auto lossType = getBatchedType(
      RankedTensorType::get({}, node.type.getElementType()));
  Value loss;
  if (op.getLoss() == LossKind::CrossEntropy)
    loss = CrossEntropyOp::create(builder, loc, lossType, value, prediction);
  else
    loss = SquaredErrorOp::create(builder, loc, lossType, value, prediction);
  if (op.getLoss() == LossKind::SumOfSquares)
    loss = ScaleOp::create(builder, loc, lossType, loss, number(loc, 2.0));
  if (op.getReport())
    addReport(*op.getReport(), ReduceKind::Mean,
              getBatchReduced(loc, loss, ReduceKind::Mean), /*shown=*/true);
  FailureOr<SmallVector<Value>> result =
      differentiate(builder, loss, /*seed=*/Value(), wrt);
  if (failed(result))
    return failure();
  GradientValues gradient{GradientKind::Params, *result};
  scaleGradient(loc, gradient, ReduceKind::Mean, Value());
  return updateParams(op, op.getOptimiser(), gradient, op.getSettings(),
                      op.getNumbers(),
                      getOwner(op.getOptimiser(), op.getOwner()));
}

LogicalResult ProgramLowering::lower(GradientOp op) {
  auto point = points.find(op.getPoint());
  assert(point != points.end() && "pc.point alone makes points");
  BitVector wanted(graph.getParams().size(), true);
  if (op.getKind() == GradientKind::States) {
    FailureOr<BitVector> free = getFreeNodes(op, ArrayAttr());
    if (failed(free) || failed(checkReachable(op, *free)))
      return failure();
    wanted = *free;
  }
  FailureOr<GradientValues> gradient =
      buildGradient(op, op.getKind(), point->second, wanted);
  if (failed(gradient))
    return failure();
  if (op.getKind() == GradientKind::Params)
    scaleGradient(op.getLoc(), *gradient, op.getReduce(), Value());
  gradients[op.getResult()] = *gradient;
  return success();
}

LogicalResult ProgramLowering::lower(UpdateOp op) {
  auto found = gradients.find(op.getGradient());
  assert(found != gradients.end() && "pc.gradient alone makes gradients");
  GradientValues gradient = found->second;
  if (gradient.kind == GradientKind::States) {
    FailureOr<BitVector> free = getFreeNodes(op, op.getOnlyAttr());
    if (failed(free))
      return failure();
    for (auto [index, value] : llvm::enumerate(gradient.values))
      if (!(*free)[index])
        value = Value();
    scaleGradient(op.getLoc(), gradient, ReduceKind::Sum, op.getScale());
    if (!firstInfer)
      firstInfer = op;
    inferSteps += repetitions;
    return updateStates(op, gradient, op.getSettings(), op.getNumbers());
  }
  FailureOr<BitVector> params = getSelectedParams(op, op.getOnlyAttr());
  if (failed(params))
    return failure();
  for (auto [index, value] : llvm::enumerate(gradient.values))
    if (!(*params)[index])
      value = Value();
  scaleGradient(op.getLoc(), gradient, ReduceKind::Sum, op.getScale());
  return updateParams(op, op.getOptimiser(), gradient, op.getSettings(),
                      op.getNumbers(),
                      getOwner(op.getOptimiser(), op.getOwner()));
}

//===----------------------------------------------------------------------===//
// Results and numbers
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lower(PredictOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // predict_c1
  if (!node.prediction)
    return op.emitOpError("vode '@") << op.getVode() << "' has no prediction";
  // predict_c2
  if (op.getType() != node.type)
    return op.emitOpError("has type ") << op.getType() << " but '@"
                                       << op.getVode() << "' is " << node.type;
  BatchedEvaluator evaluator = makeEvaluator(env);
  Value prediction = evaluate(op, evaluator, node.prediction, env);
  if (!prediction)
    return failure();
  scalars.map(op.getResult(), prediction);
  return success();
}

LogicalResult ProgramLowering::lower(ReadOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // read_c1
  if (op.getType() != node.type)
    return op.emitOpError("has type ") << op.getType() << " but '@"
                                       << op.getVode() << "' is " << node.type;
  // program_c8
  if (!env.states[*index])
    return op.emitOpError("needs '@")
           << op.getVode() << "', which has no value yet";
  scalars.map(op.getResult(), env.states[*index]);
  return success();
}

LogicalResult ProgramLowering::lower(OutputOp op) {
  // output_c1
  if (op->getParentOp() != program)
    return op.emitOpError("cannot stand in a loop: it would have many values");
  addOutput(makePort(PortKind::Output, op.getName()), mapped(op.getValue()));
  return success();
}

LogicalResult ProgramLowering::lower(ReportOp op) {
  Value value;
  if (op.getValue()) {
    value = mapped(op.getValue());
  } else {
    std::optional<unsigned> node;
    if (op.getVode()) {
      FailureOr<unsigned> index = resolveNode(op, *op.getVode());
      if (failed(index))
        return failure();
      node = *index;
    }
    const Environment &at = joint ? *joint : env;
    BatchedEvaluator evaluator = makeEvaluator(at);
    if (!(value = buildEnergy(op, at, evaluator, node)))
      return failure();
  }
  Value reduced = getBatchReduced(op.getLoc(), value, op.getReduce());
  addReport(op.getName(), op.getReduce(), reduced, /*shown=*/true);
  if (op.getValue() || op.getVode())
    return success();
  // The terms of a total cost nothing more and say which vode it was when the
  // total is no number.
  const Environment &at = joint ? *joint : env;
  BatchedEvaluator evaluator = makeEvaluator(at);
  for (auto [index, node] : llvm::enumerate(graph.getNodes()))
    if (!node.terms.empty())
      addReport((op.getName() + "." + node.name).str(), op.getReduce(),
                getBatchReduced(op.getLoc(),
                                buildEnergy(op, at, evaluator, index),
                                op.getReduce()),
                /*shown=*/false);
  return success();
}

PortAttr ProgramLowering::makeReportPort(StringRef name, ReduceKind reduce,
                                         bool shown) {
  SmallVector<NamedAttribute> details = {
      detail("reduce", ReduceKindAttr::get(context, reduce))};
  if (shown)
    details.push_back(detail("report", builder.getUnitAttr()));
  return makePort(PortKind::Output, name, details);
}

void ProgramLowering::addReport(StringRef name, ReduceKind reduce, Value value,
                                bool shown) {
  // The last value counts. In a loop it is carried like a state.
  StringAttr key = builder.getStringAttr("report." + name);
  if (env.optimiser.count(key)) {
    env.optimiser[key] = value;
    return;
  }
  PortAttr port = makeReportPort(name, reduce, shown);
  for (ProgramOutput &output : outputs)
    if (output.port.getName().getValue() == name) {
      // What the user asked for under this name stays what it is.
      if (shown || !output.port.getDetail("report"))
        output = {port, value};
      return;
    }
  addOutput(port, value);
}

void ProgramLowering::declareReports(Operation *loop) {
  Location loc = loop->getLoc();
  auto declare = [&](StringRef name, ReduceKind reduce, bool shown) {
    StringAttr key = builder.getStringAttr("report." + name);
    if (env.optimiser.count(key) || graph.getNodes().empty()) {
      for (ProgramOutput &report : loopReports)
        if (shown && report.port.getName().getValue() == name)
          report.port = makeReportPort(name, reduce, shown);
      return;
    }
    Type type = RankedTensorType::get(
        {}, graph.getNodes().front().type.getElementType());
    env.optimiser[key] = splat(loc, type, 0.0);
    loopReports.push_back({makeReportPort(name, reduce, shown), Value()});
  };
  loop->walk([&](Operation *op) {
    if (auto report = dyn_cast<ReportOp>(op)) {
      declare(report.getName(), report.getReduce(), true);
      if (report.getValue() || report.getVode())
        return;
      for (const ModelNode &node : graph.getNodes())
        if (!node.terms.empty())
          declare((report.getName() + "." + node.name).str(),
                  report.getReduce(), false);
    } else if (auto backprop = dyn_cast<BackpropOp>(op);
             backprop && backprop.getReport()) {
      declare(*backprop.getReport(), ReduceKind::Mean, true);
    }
  });
}

LogicalResult ProgramLowering::lower(HyperOp op) {
  scalars.map(op.getResult(), getHyper(op));
  return success();
}

LogicalResult ProgramLowering::lower(CounterOp op) {
  Location loc = op.getLoc();
  if (op.getKind() == CounterKind::WeightStep) {
    Value count = env.optimiser[getWeightStepName()];
    scalars.map(op.getResult(), arith::SIToFPOp::create(
                                    builder, loc, builder.getF64Type(), count));
    return success();
  }
  scalars.map(op.getResult(),
              getCounter(loc, stringifyCounterKind(op.getKind()),
                         builder.getF64Type()));
  return success();
}

LogicalResult ProgramLowering::lower(ScheduleOp op) {
  Location loc = op.getLoc();
  Value base = mapped(op.getBase());
  if (op.getKind() == ScheduleKind::Constant) {
    scalars.map(op.getResult(), base);
    return success();
  }
  // optax.warmup_cosine_decay_schedule.
  Type f64 = builder.getF64Type();
  auto mul = [&](Value a, Value b) -> Value {
    return arith::MulFOp::create(builder, loc, a, b);
  };
  auto sub = [&](Value a, Value b) -> Value {
    return arith::SubFOp::create(builder, loc, a, b);
  };
  auto add = [&](Value a, Value b) -> Value {
    return arith::AddFOp::create(builder, loc, a, b);
  };
  auto div = [&](Value a, Value b) -> Value {
    return arith::DivFOp::create(builder, loc, a, b);
  };
  double peakFactor = op.getPeak().convertToDouble();
  Value one = number(loc, 1.0);
  Value count = arith::SIToFPOp::create(builder, loc, f64,
                                        env.optimiser[getWeightStepName()]);
  Value total = getCounter(loc, "total_steps", f64);
  Value warmup = math::FloorOp::create(
      builder, loc,
      mul(number(loc, op.getWarmup().convertToDouble()), total));
  Value peak = mul(base, number(loc, peakFactor));
  Value alpha = number(loc, op.getEnd().convertToDouble() / peakFactor);
  // Linear from base to peak while count < warmup.
  Value fraction = div(count, arith::MaximumFOp::create(builder, loc, warmup,
                                                        one));
  Value linear = add(base, mul(sub(peak, base), fraction));
  // Cosine from peak to end after it.
  Value span = arith::MaximumFOp::create(builder, loc, sub(total, warmup), one);
  Value past = arith::MinimumFOp::create(builder, loc, sub(count, warmup), span);
  Value cosine = math::CosOp::create(
      builder, loc,
      mul(number(loc, 3.14159265358979323846), div(past, span)));
  Value decay = mul(number(loc, 0.5), add(one, cosine));
  Value decayed = mul(peak, add(mul(sub(one, alpha), decay), alpha));
  Value warming = arith::CmpFOp::create(
      builder, loc, arith::CmpFPredicate::OLT, count, warmup);
  Value rate =
      arith::SelectOp::create(builder, loc, warming, linear, decayed);
  // Outside of a run (total_steps = 0) the rate is the base.
  Value inRun = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT,
                                      total, number(loc, 0.0));
  scalars.map(op.getResult(),
              arith::SelectOp::create(builder, loc, inRun, rate, base));
  return success();
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::checkReachable(Operation *op,
                                              const BitVector &free) {
  // infer_c2: every vode that moves is tied, through terms, to a clamped one.
  llvm::EquivalenceClasses<unsigned> classes;
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    classes.insert(index);
    for (TermOp term : node.terms) {
      SetVector<unsigned> nodes, params;
      graph.getDependences(term.getEnergy(), nodes, params);
      for (unsigned other : nodes)
        classes.unionSets(index, other);
    }
  }
  llvm::DenseSet<unsigned> driven;
  for (auto [index, node] : llvm::enumerate(graph.getNodes()))
    if (clamped[index])
      driven.insert(classes.getLeaderValue(index));
  for (unsigned index : free.set_bits()) {
    if (driven.contains(classes.getLeaderValue(index)))
      continue;
    InFlightDiagnostic diag =
        op->emitOpError("moves '@")
        << graph.getNodes()[index].name
        << "', which no energy ties to a clamped vode";
    diag.attachNote(graph.getNodes()[index].op->getLoc()) << "declared here";
    return diag;
  }
  return success();
}

void ProgramLowering::remarkShortInference() {
  if (!firstInfer || !forwardInitialised || weightSteps == 0)
    return;
  // Distances from the clamped vodes that are predicted: the error starts there.
  SmallVector<int64_t> distance(graph.getNodes().size(), -1);
  SmallVector<unsigned> queue;
  for (auto [index, node] : llvm::enumerate(graph.getNodes()))
    if (clamped[index] && node.prediction) {
      distance[index] = 0;
      queue.push_back(index);
    }
  for (size_t head = 0; head < queue.size(); ++head)
    for (TermOp term : graph.getNodes()[queue[head]].terms) {
      SetVector<unsigned> nodes, params;
      graph.getDependences(term.getEnergy(), nodes, params);
      for (unsigned other : nodes)
        if (distance[other] < 0 && !clamped[other]) {
          distance[other] = distance[queue[head]] + 1;
          queue.push_back(other);
        }
    }
  SmallVector<StringRef> idle;
  for (auto [index, node] : llvm::enumerate(graph.getNodes()))
    if (!node.isInput && distance[index] > inferSteps)
      idle.push_back(node.name);
  if (idle.empty())
    return;
  InFlightDiagnostic diag = firstInfer->emitRemark()
                            << inferSteps
                            << " inference steps are fewer than the distance "
                               "to the clamped output: the predictions of ";
  llvm::interleave(
      idle, diag, [&](StringRef name) { diag << "@" << name; }, ", ");
  diag << " never learn";
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
  function = func::FuncOp::create(builder, program.getLoc(),
                                  program.getSymName(),
                                  builder.getFunctionType({}, {}));
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  env.states.resize(graph.getNodes().size());
  env.traces.resize(graph.getNodes().size());
  clamped.resize(graph.getNodes().size());

  for (BlockArgument argument : program.getBody().front().getArguments())
    scalars.map(argument,
                addArgument(getBatchedType(
                                cast<RankedTensorType>(argument.getType())),
                            makePort(PortKind::Input,
                                     program.getInputName(
                                         argument.getArgNumber())),
                            argument.getLoc()));
  if (failed(declareStorage()) ||
      failed(lowerBlock(program.getBody().front())))
    return failure();
  remarkShortInference();

  for (ProgramOutput &report : loopReports)
    addOutput(report.port,
              env.optimiser[builder.getStringAttr(
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
  function->setAttr(PCDialect::kProgramAttrName,
                    ProgramInfoAttr::get(context, program.getModelAttr().getAttr(),
                                         program.getEffectiveRole(),
                                         weightSteps));
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
