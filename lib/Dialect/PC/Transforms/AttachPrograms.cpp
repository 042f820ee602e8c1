//===- AttachPrograms.cpp - Standard programs for a model without any -----===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/ModelGraph.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

namespace pc {
#define GEN_PASS_DEF_ATTACHPROGRAMSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
struct AttachProgramsPass
    : public pc::impl::AttachProgramsPassBase<AttachProgramsPass> {
  using AttachProgramsPassBase::AttachProgramsPassBase;
  void runOnOperation() final;
};

/// Writes the standard programs of one model.
class StandardPrograms {
public:
  StandardPrograms(const ModelGraph &graph, unsigned target)
      : graph(graph), target(graph.getNodes()[target]),
        builder(graph.getModel().getContext()), loc(graph.getModel().getLoc()) {
    builder.setInsertionPointAfter(graph.getModel());
  }

  void addEvaluate() {
    Block *body = begin("evaluate", /*withTarget=*/false);
    clampInputs(body);
    InitOp::create(builder, loc, StateInitKind::Forward, FloatAttr(),
                   /*keep_momentum=*/false, ArrayAttr());
    Value prediction =
        PredictOp::create(builder, loc, target.type, target.name);
    OutputOp::create(builder, loc, "prediction", prediction);
  }

  /// Adds @train. Fails with a diagnostic when the algorithm cannot work with
  /// the model.
  LogicalResult addTrain(StringRef algorithm, int64_t steps) {
    if (algorithm == "zil" && failed(findDistances()))
      return failure();
    Block *body = begin("train", /*withTarget=*/true);
    Value label = body->getArguments().back();
    if (algorithm == "bp") {
      Value lr = hyper("w_lr", 1e-3), decay = hyper("weight_decay", 1e-4);
      clampInputs(body);
      BackpropOp::create(
          builder, loc, target.name, label, LossKind::SumOfSquares,
          OptimiserKind::AdamW, ValueRange{lr, decay},
          settings({"lr", "weight_decay"}), /*params=*/ArrayAttr(),
          builder.getStringAttr("loss"), ArrayAttr(), FlatSymbolRefAttr());
      return success();
    }
    if (algorithm != "zil") {
      hLr = hyper("h_lr", algorithm == "epc" ? 0.1 : 0.01);
      hMomentum = hyper("h_momentum", algorithm == "epc" ? 0.0 : 0.5);
    }
    wLr = hyper("w_lr", 1e-3);
    decay = hyper("weight_decay", 1e-4);
    bool nudges = algorithm == "pn" || algorithm == "nn" || algorithm == "cn";
    Value beta, one, zero;
    if (nudges) {
      beta = HyperOp::create(builder, loc, builder.getF64Type(), "beta",
                             APFloat(0.5), builder.getF64FloatAttr(0.0),
                             FloatAttr());
      one = number(1.0);
      zero = number(0.0);
    }
    clampInputs(body);
    InitOp::create(builder, loc, StateInitKind::Forward, FloatAttr(),
                   /*keep_momentum=*/false, ArrayAttr());
    if (algorithm == "zil") {
      addZIL(label);
      return success();
    }
    if (algorithm == "cn") {
      addCentred(label, steps, beta, one, zero);
      return success();
    }
    Value scale;
    if (nudges) {
      if (algorithm == "nn")
        beta = arith::SubFOp::create(builder, loc, zero, beta);
      scale = arith::DivFOp::create(builder, loc, one, beta);
      NudgeOp::create(builder, loc, target.name, label, beta);
    } else {
      ClampOp::create(builder, loc, target.name, label);
    }
    if (algorithm == "ipc") {
      OpBuilder::InsertionGuard guard(builder);
      builder.createBlock(&createRepeat(steps).getBody());
      report();
      auto joint = JointOp::create(builder, loc);
      builder.createBlock(&joint.getBody());
      infer(/*errors=*/false);
      learn(Value());
      return success();
    }
    relax(steps, /*errors=*/algorithm == "epc");
    report();
    learn(scale);
    return success();
  }

private:
  Value number(double value) {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getF64FloatAttr(value));
  }
  RepeatOp createRepeat(int64_t steps) {
    return RepeatOp::create(builder, loc, builder.getI64IntegerAttr(steps),
                            Value(), FlatSymbolRefAttr());
  }
  void infer(bool errors) {
    InferOp::create(builder, loc, OptimiserKind::SGD,
                    ValueRange{hLr, hMomentum}, settings({"lr", "momentum"}),
                    errors, ArrayAttr());
  }
  void relax(int64_t steps, bool errors) {
    OpBuilder::InsertionGuard guard(builder);
    builder.createBlock(&createRepeat(steps).getBody());
    infer(errors);
  }
  void report() {
    ReportOp::create(builder, loc, "energy", Value(), FlatSymbolRefAttr(),
                     ReduceKind::Mean);
  }
  void learn(Value scale) {
    LearnOp::create(builder, loc, OptimiserKind::AdamW, ValueRange{wLr, decay},
                    settings({"lr", "weight_decay"}), ArrayAttr(), scale,
                    ReduceKind::Mean, ArrayAttr(), FlatSymbolRefAttr());
  }
  void update(Value gradient) {
    UpdateOp::create(builder, loc, gradient, OptimiserKind::AdamW,
                     ValueRange{wLr, decay}, settings({"lr", "weight_decay"}),
                     ArrayAttr(), Value(), ArrayAttr(), FlatSymbolRefAttr());
  }
  Value point() { return PointOp::create(builder, loc); }
  Value gradient(Value at, ArrayAttr only) {
    return GradientOp::create(builder, loc, GradientKind::Params, at,
                              ReduceKind::Mean, Value(), only);
  }

  /// Both signs of beta from one start; the gradients' difference over 2 beta.
  void addCentred(Value label, int64_t steps, Value beta, Value one,
                  Value zero) {
    Value minus = arith::SubFOp::create(builder, loc, zero, beta);
    Value twice = arith::AddFOp::create(builder, loc, beta, beta);
    Value plusScale = arith::DivFOp::create(builder, loc, one, twice);
    Value minusScale = arith::SubFOp::create(builder, loc, zero, plusScale);
    Value start = point();
    NudgeOp::create(builder, loc, target.name, label, beta);
    relax(steps, /*errors=*/false);
    report();
    Value towards = gradient(point(), ArrayAttr());
    ReleaseOp::create(builder, loc, target.name);
    RestoreOp::create(builder, loc, start);
    NudgeOp::create(builder, loc, target.name, label, minus);
    relax(steps, /*errors=*/false);
    Value away = gradient(point(), ArrayAttr());
    update(CombineOp::create(builder, loc, ValueRange{towards, away},
                             ValueRange{plusScale, minusScale}));
  }

  /// The distance of every predicted vode from the target, for Z-IL: it must be
  /// one, whatever the path.
  LogicalResult findDistances() {
    ArrayRef<ModelNode> nodes = graph.getNodes();
    distances.assign(nodes.size(), -1);
    unsigned first = &target - nodes.data();
    distances[first] = 0;
    paramSteps.assign(graph.getParams().size(), -1);
    SmallVector<unsigned> queue = {first};
    for (size_t head = 0; head < queue.size(); ++head) {
      const ModelNode &node = nodes[queue[head]];
      int64_t distance = distances[queue[head]];
      // algorithm_c5
      if (&node != &target && !hasUnitSquaredError(node))
        return emitError(node.op->getLoc())
               << "zil equals backpropagation where hidden vodes have the "
                  "squared error with precision 1 as their only energy: '@"
               << node.name << "' has another";
      SetVector<unsigned> sources, params;
      if (node.prediction)
        graph.getDependences(node.prediction, sources, params);
      for (unsigned param : params) {
        // algorithm_c6
        if (paramSteps[param] >= 0 && paramSteps[param] != distance)
          return graph.getModel().emitOpError(
                     "zil takes the gradient of a parameter in one step, but "
                     "layers at distances ")
                 << paramSteps[param] << " and " << distance
                 << " from the output share '" << graph.getParams()[param].name
                 << "'";
        paramSteps[param] = distance;
      }
      for (unsigned source : sources) {
        if (nodes[source].isInput)
          continue;
        // algorithm_c4: a cycle has no one length either.
        if (distances[source] >= 0) {
          if (distances[source] == distance + 1)
            continue;
          return emitError(nodes[source].op->getLoc())
                 << "zil needs paths of one length from a vode to the output: "
                    "'@"
                 << nodes[source].name << "' is at distances "
                 << distances[source] << " and " << distance + 1;
        }
        distances[source] = distance + 1;
        queue.push_back(source);
      }
    }
    return success();
  }

  static bool hasUnitSquaredError(const ModelNode &node) {
    if (node.terms.size() != 1)
      return false;
    TermOp term = node.terms[0];
    auto energy = term.getEnergy().getDefiningOp<SquaredErrorOp>();
    return energy && energy.getState() == node.op->getResult(0) &&
           energy.getPrediction() == node.prediction;
  }

  /// The parameters at distance t take their gradient at step t.
  void addZIL(Value label) {
    ClampOp::create(builder, loc, target.name, label);
    report();
    int64_t last = *llvm::max_element(paramSteps);
    SmallVector<Value> parts;
    for (int64_t step = 0; step <= last; ++step) {
      if (step > 0)
        InferOp::create(builder, loc, OptimiserKind::SGD, ValueRange(),
                        builder.getDictionaryAttr(builder.getNamedAttr(
                            "lr", builder.getF64FloatAttr(1.0))),
                        /*errors=*/false, ArrayAttr());
      SmallVector<Attribute> names;
      for (auto [index, param] : llvm::enumerate(graph.getParams()))
        if (paramSteps[index] == step)
          names.push_back(
              FlatSymbolRefAttr::get(builder.getContext(), param.name));
      if (!names.empty())
        parts.push_back(gradient(point(), builder.getArrayAttr(names)));
    }
    update(CombineOp::create(builder, loc, parts, ValueRange()));
  }

  Block *begin(StringRef name, bool withTarget) {
    builder.setInsertionPointAfter(graph.getModel());
    SmallVector<Attribute> names;
    SmallVector<Type> types;
    for (const ModelNode &node : graph.getNodes())
      if (node.isInput) {
        names.push_back(builder.getStringAttr(node.name));
        types.push_back(node.type);
      }
    if (withTarget) {
      names.push_back(builder.getStringAttr(target.name));
      types.push_back(target.type);
    }
    auto program = ProgramOp::create(
        builder, loc, builder.getStringAttr(name), StringAttr(),
        FlatSymbolRefAttr::get(graph.getModel().getSymNameAttr()), RoleAttr(),
        builder.getArrayAttr(names), /*other_models=*/ArrayAttr());
    return builder.createBlock(&program.getBody(), {}, types,
                               SmallVector<Location>(types.size(), loc));
  }

  void clampInputs(Block *body) {
    unsigned argument = 0;
    for (const ModelNode &node : graph.getNodes())
      if (node.isInput)
        ClampOp::create(builder, loc, node.name, body->getArgument(argument++));
  }

  Value hyper(StringRef name, double value) {
    return HyperOp::create(builder, loc, builder.getF64Type(), name,
                           APFloat(value), FloatAttr(), FloatAttr());
  }

  DictionaryAttr settings(ArrayRef<StringRef> names) {
    return builder.getDictionaryAttr(
        llvm::map_to_vector(names, [&](StringRef name) {
          return builder.getNamedAttr(name, builder.getUnitAttr());
        }));
  }

  const ModelGraph &graph;
  const ModelNode &target;
  OpBuilder builder;
  Location loc;
  /// Rates of the program that is being built.
  Value hLr, hMomentum, wLr, decay;
  /// Z-IL: steps from the output of nodes and of parameters; -1 for none.
  SmallVector<int64_t> distances, paramSteps;
};
} // namespace

void AttachProgramsPass::runOnOperation() {
  if (algorithm.empty())
    return;
  ModuleOp module = getOperation();
  static constexpr StringRef known[] = {"pc",  "ipc", "bp", "zil",
                                        "epc", "pn",  "nn", "cn"};
  // algorithm_c1
  if (!llvm::is_contained(known, algorithm)) {
    module.emitError("unknown algorithm '")
        << algorithm << "', expected pc, ipc, bp, zil, epc, pn, nn or cn"
        << suggest(algorithm, known);
    return signalPassFailure();
  }
  llvm::DenseSet<StringAttr> served;
  for (ProgramOp program : module.getOps<ProgramOp>())
    served.insert_range(program.getModels());
  SmallVector<ModelOp> models;
  for (ModelOp model : module.getOps<ModelOp>())
    if (!served.contains(model.getSymNameAttr()))
      models.push_back(model);
  if (models.size() > 1) {
    // algorithm_c2: the programs of two models would have the same names.
    InFlightDiagnostic diag = models[1].emitOpError(
        "has no program, like another model: write programs for all but one");
    diag.attachNote(models[0].getLoc()) << "the other one is here";
    return signalPassFailure();
  }
  for (ModelOp model : models) {
    ModelGraph graph(model);
    std::optional<unsigned> target;
    int64_t predicted = 0;
    for (auto [index, node] : llvm::enumerate(graph.getNodes()))
      if (node.prediction) {
        target = index;
        ++predicted;
      }
    // algorithm_c3
    if (!target) {
      model.emitOpError("has no vode with a prediction to train");
      return signalPassFailure();
    }
    StandardPrograms programs(graph, *target);
    programs.addEvaluate();
    if (failed(programs.addTrain(algorithm, steps > 0 ? steps : predicted + 1)))
      return signalPassFailure();
  }
}
