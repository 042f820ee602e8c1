//===- AttachAnalysis.cpp - Programs that look at inference ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `pcx-run analyse` needs of a training program is written in the language
// itself, so the runtime needs no compiler: a traced copy, and programs that
// share the statements in front of the first inference step. What is clamped
// while states move is thereby what the program clamps.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/Transforms/ModelGraph.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/ADT/BitVector.h"

namespace pc {
#define GEN_PASS_DEF_ATTACHANALYSISPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

/// A trace unrolls the program: beyond this many steps its code is too large.
static constexpr int64_t kMostTracedSteps = 256;

/// Whether a statement takes gradients of states or of errors.
static bool isInference(Operation *op) {
  if (auto gradient = dyn_cast<GradientOp>(op))
    return gradient.getKind() != GradientKind::Params;
  return isa<InferOp>(op);
}

/// Whether a statement moves parameters, or says something to the outside:
/// what a copy of the statements in front of inference leaves out.
static bool isLeftOut(Operation *op) {
  if (auto update = dyn_cast<UpdateOp>(op))
    return getGradientKind(update.getGradient()) == GradientKind::Params;
  return isa<LearnOp, BackpropOp, AverageOp, ReportOp, WarnOp, OutputOp,
             StopOp>(op);
}

namespace {
struct AttachAnalysisPass
    : public pc::impl::AttachAnalysisPassBase<AttachAnalysisPass> {
  void runOnOperation() final;
};

/// Writes the analysis programs of one training program.
class AnalysisPrograms {
public:
  AnalysisPrograms(ProgramOp program, const ModelGraph &graph)
      : program(program), graph(graph), builder(program.getContext()),
        loc(program.getLoc()), moved(graph.getNodes().size()),
        clamped(graph.getNodes().size()) {
    builder.setInsertionPointAfter(program);
    findStart();
    findMoved();
  }

  /// Fails with a diagnostic when a name is taken.
  LogicalResult add() {
    if (failed(addTrace()) || failed(addStart()) || failed(addBackprop()))
      return failure();
    if (moved.none())
      return success();
    if (program
            .walk([](ClampOp clamp) {
              return clamp.getMask() ? WalkResult::interrupt()
                                     : WalkResult::advance();
            })
            .wasInterrupted()) {
      program.emitRemark("no curvature in the analysis: a mask clamps a part "
                         "of a vode");
      return success();
    }
    if (failed(addStates()))
      return failure();
    return addErrors();
  }

private:
  /// The first inference step or, in a program without any, the first statement
  /// that learns.
  void findStart() {
    program.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isInference(op)) {
        start = op;
        return WalkResult::interrupt();
      }
      if (!start && isa<LearnOp, BackpropOp, GradientOp>(op))
        start = op;
      return WalkResult::advance();
    });
    assert(start && "a program that trains learns");
  }

  /// The vodes that inference moves, from its first step to where something
  /// else is clamped or set free.
  void findMoved() {
    for (auto [index, node] : llvm::enumerate(graph.getNodes()))
      clamped[index] = node.isInput;
    bool reached = false;
    auto names = [&](ArrayAttr vodes) {
      if (!vodes) {
        moved |= BitVector(clamped).flip();
        return;
      }
      for (auto name : vodes.getAsRange<FlatSymbolRefAttr>())
        if (std::optional<unsigned> node = graph.findNode(name.getValue()))
          moved.set(*node);
    };
    program.walk<WalkOrder::PreOrder>([&](Operation *op) {
      reached |= op == start;
      auto clamp = dyn_cast<ClampOp>(op);
      auto nudge = dyn_cast<NudgeOp>(op);
      auto release = dyn_cast<ReleaseOp>(op);
      if (clamp || nudge || release) {
        if (reached)
          return WalkResult::interrupt();
        std::optional<unsigned> node =
            graph.findNode(clamp   ? clamp.getVode()
                           : nudge ? nudge.getVode()
                                   : release.getVode());
        if (node)
          clamped[*node] = !release && !(clamp && clamp.getMask());
      }
      if (!reached || !isInference(op))
        return WalkResult::advance();
      if (auto infer = dyn_cast<InferOp>(op))
        names(infer.getVodesAttr());
      else
        names(cast<GradientOp>(op).getOnlyAttr());
      return WalkResult::advance();
    });
  }

  /// A program `<program>.<suffix>` with the program's inputs and one more for
  /// each pair, at whose end the builder then stands; null, with a diagnostic,
  /// when the name is taken.
  ProgramOp begin(StringRef suffix,
                  ArrayRef<std::pair<std::string, Type>> more) {
    FailureOr<std::string> name = getFreeName(suffix);
    if (failed(name))
      return nullptr;
    SmallVector<Attribute> names(program.getInputNames()->getValue());
    Block &body = program.getBody().front();
    SmallVector<Type> types(body.getArgumentTypes());
    for (const auto &[input, type] : more) {
      names.push_back(builder.getStringAttr(input));
      types.push_back(type);
    }
    builder.setInsertionPointAfter(program);
    auto added =
        ProgramOp::create(builder, loc, builder.getStringAttr(*name),
                          StringAttr(), program.getModelAttr(),
                          RoleAttr::get(builder.getContext(), Role::Other),
                          builder.getArrayAttr(names),
                          /*other_models=*/ArrayAttr());
    added.setTrace(true);
    Block *block = builder.createBlock(
        &added.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
    mapping.clear();
    targets.clear();
    for (BlockArgument argument : body.getArguments())
      mapping.map(argument, block->getArgument(argument.getArgNumber()));
    copyUntilStart(body);
    return added;
  }

  FailureOr<std::string> getFreeName(StringRef suffix) {
    std::string name = (program.getSymName() + "." + suffix).str();
    auto module = program->getParentOfType<ModuleOp>();
    // analysis_c1
    if (Operation *other = module.lookupSymbol(name)) {
      InFlightDiagnostic diag = other->emitOpError("is named '@")
                                << name
                                << "', like a program that --analysis adds";
      diag.attachNote(loc) << "to look at this one";
      return failure();
    }
    return name;
  }

  /// Copies the statements in front of the first inference step, of loops
  /// around it those of the first repetition.
  void copyUntilStart(Block &block) {
    for (Operation &op : block) {
      if (&op == start)
        return;
      if (op.isProperAncestor(start)) {
        Block &body = op.getRegion(0).front();
        if (body.getNumArguments() == 1)
          mapping.map(body.getArgument(0), number(0.0));
        return copyUntilStart(body);
      }
      if (isLeftOut(&op))
        continue;
      Operation *copy = builder.clone(op, mapping);
      copy->walk([&](Operation *inner) {
        if (inner != copy && isLeftOut(inner))
          inner->erase();
      });
      if (auto clamp = dyn_cast<ClampOp>(copy))
        targets[clamp.getVode()] = clamp.getMask() ? Value() : clamp.getValue();
      else if (auto nudge = dyn_cast<NudgeOp>(copy))
        targets[nudge.getVode()] = nudge.getValue();
      else if (auto release = dyn_cast<ReleaseOp>(copy))
        targets.erase(release.getVode());
    }
  }

  Value number(double value) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF64FloatAttr(value));
  }
  void output(const Twine &name, Value value) {
    OutputOp::create(builder, loc, builder.getStringAttr(name), value);
  }
  /// A number as an output, the same for every sample.
  void outputNumber(StringRef name, Value value) {
    auto type = RankedTensorType::get(
        {}, graph.getNodes().front().type.getElementType());
    Value one =
        SplatOp::create(builder, loc, type, builder.getF64FloatAttr(1.0));
    output(name, ScaleOp::create(builder, loc, type, one, value));
  }
  /// The moved vodes as `vodes(...)` names them.
  ArrayAttr getMovedNames() {
    SmallVector<Attribute> names;
    for (unsigned index : moved.set_bits())
      names.push_back(FlatSymbolRefAttr::get(builder.getContext(),
                                             graph.getNodes()[index].name));
    return builder.getArrayAttr(names);
  }

  /// The program with all that its steps leave.
  LogicalResult addTrace() {
    int64_t steps = 0;
    bool dynamic = false;
    program.walk([&](Operation *op) {
      if (auto repeat = dyn_cast<RepeatOp>(op))
        dynamic |= static_cast<bool>(repeat.getDynamicCount());
      if (!isInference(op))
        return;
      int64_t product = 1;
      for (Operation *around = op->getParentOp(); around != program;
           around = around->getParentOp())
        if (auto repeat = dyn_cast<RepeatOp>(around))
          product *= std::max<int64_t>(repeat.getCount(), 1);
      steps += product;
    });
    if (dynamic || steps > kMostTracedSteps) {
      InFlightDiagnostic diag = program.emitRemark(
          "no energies by step and no weight gradients in the analysis: ");
      if (dynamic)
        diag << "a loop has a bound that is known at run time only";
      else
        diag << steps << " inference steps are more than " << kMostTracedSteps;
      return success();
    }
    FailureOr<std::string> name = getFreeName("trace");
    if (failed(name))
      return failure();
    builder.setInsertionPointAfter(program);
    auto copy = cast<ProgramOp>(builder.clone(*program));
    copy.setSymName(*name);
    copy.setRole(Role::Other);
    copy.setTrace(true);
    return success();
  }

  /// Where inference starts and with which settings.
  LogicalResult addStart() {
    ProgramOp added = begin("start", {});
    if (!added)
      return failure();
    for (BlockArgument argument : added.getBody().getArguments())
      output("input." + added.getInputName(argument.getArgNumber()), argument);
    for (unsigned index : moved.set_bits()) {
      const ModelNode &node = graph.getNodes()[index];
      Value state = ReadOp::create(builder, loc, node.type, node.name);
      output(node.name + ".h", state);
      if (!node.prediction)
        continue;
      Value prediction = PredictOp::create(builder, loc, node.type, node.name);
      output(node.name + ".error",
             SubOp::create(builder, loc, node.type, state, prediction));
    }
    if (moved.any())
      outputSettings();
    return success();
  }

  /// Rate and momentum of the first step; nothing for what has no such bound
  /// (adam), or where a rule of the program's own moves states.
  void outputSettings() {
    Operation *step = nullptr;
    program.walk<WalkOrder::PreOrder>([&](Operation *op) {
      auto update = dyn_cast<UpdateOp>(op);
      if (!isa<InferOp>(op) &&
          !(update &&
            getGradientKind(update.getGradient()) != GradientKind::Params))
        return WalkResult::advance();
      step = op;
      return WalkResult::interrupt();
    });
    if (!step)
      return;
    auto infer = dyn_cast<InferOp>(step);
    auto update = dyn_cast<UpdateOp>(step);
    OptimiserKind kind = infer ? infer.getOptimiser() : update.getOptimiser();
    DictionaryAttr settings =
        infer ? infer.getSettings() : update.getSettings();
    ValueRange numbers = infer ? infer.getNumbers() : update.getNumbers();
    bool errors =
        infer ? infer.getErrors()
              : getGradientKind(update.getGradient()) == GradientKind::Errors;
    outputNumber("errors", number(errors));
    outputNumber("repeated",
                 number(step->getParentOfType<RepeatOp>() != nullptr));
    if (kind == OptimiserKind::Adam)
      return;
    Value rate, momentum = number(0.0);
    size_t operand = 0;
    for (NamedAttribute setting : settings) {
      Value value;
      if (isa<UnitAttr>(setting.getValue()))
        value = mapping.lookupOrNull(numbers[operand++]);
      else if (auto written = dyn_cast<FloatAttr>(setting.getValue()))
        value = number(written.getValueAsDouble());
      if (setting.getName() == "lr")
        rate = value;
      else if (setting.getName() == "momentum")
        momentum = value;
    }
    if (!rate || !momentum)
      return;
    outputNumber("rate", rate);
    outputNumber("momentum", momentum);
    outputNumber("nesterov", number(settings.get("nesterov") != nullptr));
    outputNumber("heun", number(kind == OptimiserKind::Heun));
  }

  /// Adds the inputs `<vode>.along`, a direction.
  void addDirections(SmallVectorImpl<std::pair<std::string, Type>> &inputs) {
    for (unsigned index : moved.set_bits())
      inputs.emplace_back((graph.getNodes()[index].name + ".along").str(),
                          graph.getNodes()[index].type);
  }
  /// Gradients of the moved vodes after they were set, and their derivatives
  /// along the direction that the last arguments are, as outputs.
  void outputGradients(GradientKind kind, Block &body) {
    Value point = PointOp::create(builder, loc);
    Value gradient = GradientOp::create(
        builder, loc, kind, point, ReduceKind::Mean, Value(), getMovedNames());
    for (unsigned index : moved.set_bits()) {
      const ModelNode &node = graph.getNodes()[index];
      output(
          node.name + ".grad",
          ReadGradientOp::create(builder, loc, node.type, gradient, node.name));
    }
    ValueRange directions = body.getArguments().take_back(moved.count());
    Value curvature =
        CurvatureOp::create(builder, loc, gradient.getType(), gradient,
                            getMovedNames(), directions);
    for (unsigned index : moved.set_bits()) {
      const ModelNode &node = graph.getNodes()[index];
      output(node.name + ".curvature",
             ReadGradientOp::create(builder, loc, node.type, curvature,
                                    node.name));
    }
  }

  /// States in, their gradients and those along a direction out.
  LogicalResult addStates() {
    SmallVector<std::pair<std::string, Type>> inputs;
    for (unsigned index : moved.set_bits())
      inputs.emplace_back((graph.getNodes()[index].name + ".h").str(),
                          graph.getNodes()[index].type);
    addDirections(inputs);
    ProgramOp added = begin("states", inputs);
    if (!added)
      return failure();
    unsigned argument = program.getBody().getNumArguments();
    for (unsigned index : moved.set_bits())
      SetOp::create(builder, loc, graph.getNodes()[index].name,
                    added.getBody().getArgument(argument++));
    outputGradients(GradientKind::States, added.getBody().front());
    return success();
  }

  /// The moved vodes, those that others are predicted from first; nothing if
  /// predictions form a cycle.
  std::optional<SmallVector<unsigned>> getErrorOrder() {
    SmallVector<unsigned> order;
    BitVector done(moved.size()), open(moved.size());
    std::function<bool(unsigned)> visit = [&](unsigned index) {
      if (done[index])
        return true;
      if (open[index])
        return false;
      open.set(index);
      SetVector<unsigned> sources, params;
      if (Value prediction = graph.getNodes()[index].prediction)
        graph.getDependences(prediction, sources, params);
      for (unsigned source : sources)
        if (moved[source] && !visit(source))
          return false;
      done.set(index);
      order.push_back(index);
      return true;
    };
    for (unsigned index : moved.set_bits())
      if (!visit(index))
        return std::nullopt;
    return order;
  }

  /// Errors in (of a vode without a prediction its state), their gradients out.
  LogicalResult addErrors() {
    std::optional<SmallVector<unsigned>> order = getErrorOrder();
    if (!order) {
      program.emitRemark("no error coordinates in the analysis: predictions "
                         "form a cycle");
      return success();
    }
    SmallVector<std::pair<std::string, Type>> inputs;
    SmallVector<unsigned> position(moved.size());
    for (unsigned index : moved.set_bits()) {
      const ModelNode &node = graph.getNodes()[index];
      position[index] = program.getBody().getNumArguments() + inputs.size();
      inputs.emplace_back(
          (node.name + (node.prediction ? ".error" : ".h")).str(), node.type);
    }
    addDirections(inputs);
    ProgramOp added = begin("errors", inputs);
    if (!added)
      return failure();
    for (unsigned index : *order) {
      const ModelNode &node = graph.getNodes()[index];
      Value value = added.getBody().getArgument(position[index]);
      if (node.prediction) {
        Value prediction =
            PredictOp::create(builder, loc, node.type, node.name);
        value = AddOp::create(builder, loc, node.type, prediction, value);
      }
      SetOp::create(builder, loc, node.name, value);
    }
    outputGradients(GradientKind::Errors, added.getBody().front());
    return success();
  }

  /// Why backpropagation cannot stand beside the program, and what it would
  /// fit: the one vode with a prediction that is clamped.
  std::optional<unsigned> findTarget(LossKind &loss, StringRef &why) {
    if (auto backprop = dyn_cast<BackpropOp>(start)) {
      loss = backprop.getLoss();
      return graph.findNode(backprop.getVode());
    }
    std::optional<unsigned> target;
    for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
      if (node.isInput || !node.prediction || !clamped[index])
        continue;
      if (target) {
        why = "several vodes with a prediction are clamped";
        return std::nullopt;
      }
      target = index;
    }
    if (!target) {
      why = "no vode with a prediction is clamped";
      return std::nullopt;
    }
    const ModelNode &node = graph.getNodes()[*target];
    Operation *energy =
        node.terms.size() == 1
            ? TermOp(node.terms.front()).getEnergy().getDefiningOp()
            : nullptr;
    Value state = node.op->getResult(0);
    auto squared = dyn_cast_or_null<SquaredErrorOp>(energy);
    auto entropy = dyn_cast_or_null<CrossEntropyOp>(energy);
    if (squared && squared.getState() == state &&
        squared.getPrediction() == node.prediction) {
      loss = LossKind::SquaredError;
    } else if (entropy && entropy.getState() == state &&
               entropy.getPrediction() == node.prediction) {
      loss = LossKind::CrossEntropy;
    } else {
      why = "the clamped vode's energy is neither se nor ce";
      return std::nullopt;
    }
    BitVector open(moved.size());
    std::function<bool(unsigned)> visit = [&](unsigned index) {
      const ModelNode &node = graph.getNodes()[index];
      if (!node.prediction || open[index])
        return false;
      open.set(index);
      SetVector<unsigned> sources, params;
      graph.getDependences(node.prediction, sources, params);
      bool good = llvm::all_of(sources, [&](unsigned source) {
        return clamped[source] || visit(source);
      });
      open.reset(index);
      return good;
    };
    if (!visit(*target)) {
      why = "not every state on the way is predicted, in an order";
      return std::nullopt;
    }
    return target;
  }

  /// Backpropagation's gradient of the parameters: a step of rate 0.
  LogicalResult addBackprop() {
    StringRef why;
    LossKind loss;
    std::optional<unsigned> target = findTarget(loss, why);
    if (!target) {
      program.emitRemark("no comparison with backpropagation in the analysis: ")
          << why;
      return success();
    }
    ProgramOp added = begin("backprop", {});
    if (!added)
      return failure();
    StringRef name = graph.getNodes()[*target].name;
    Value value = targets.lookup(name);
    if (auto own = dyn_cast<BackpropOp>(start))
      value = mapping.lookup(own.getValue());
    BackpropOp::create(
        builder, loc, name, value, loss, OptimiserKind::SGD, ValueRange(),
        builder.getDictionaryAttr(
            builder.getNamedAttr("lr", builder.getF64FloatAttr(0.0))),
        /*params=*/ArrayAttr(), StringAttr(), ArrayAttr(), FlatSymbolRefAttr());
    return success();
  }

  ProgramOp program;
  const ModelGraph &graph;
  OpBuilder builder;
  Location loc;
  /// The first inference step, or the first that learns.
  Operation *start = nullptr;
  /// Nodes that inference moves, and that are clamped while it does.
  BitVector moved, clamped;
  /// Of the program that is being built: its copies of values, and what its
  /// clamped vodes are held at, or nudged to.
  IRMapping mapping;
  llvm::StringMap<Value> targets;
};
} // namespace

void AttachAnalysisPass::runOnOperation() {
  ModuleOp module = getOperation();
  llvm::MapVector<StringAttr, ModelGraph> graphs;
  for (ModelOp model : module.getOps<ModelOp>())
    graphs.insert({model.getSymNameAttr(), ModelGraph(model)});
  for (ProgramOp program : llvm::to_vector(module.getOps<ProgramOp>())) {
    auto graph = graphs.find(program.getModelAttr().getAttr());
    // pc-lower-programs reports a program on no model.
    if (program.getEffectiveRole() != Role::Train || graph == graphs.end())
      continue;
    if (failed(AnalysisPrograms(program, graph->second).add()))
      return signalPassFailure();
  }
}
