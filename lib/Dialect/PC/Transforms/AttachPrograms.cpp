//===- AttachPrograms.cpp - Standard programs for a model without any
//-------------===//
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

  void addTrain(StringRef algorithm, int64_t steps) {
    Block *body = begin("train", /*withTarget=*/true);
    if (algorithm == "bp") {
      Value lr = hyper("w_lr", 1e-3), decay = hyper("weight_decay", 1e-4);
      clampInputs(body);
      BackpropOp::create(
          builder, loc, target.name, body->getArguments().back(),
          LossKind::SumOfSquares, OptimiserKind::AdamW, ValueRange{lr, decay},
          settings({"lr", "weight_decay"}), builder.getStringAttr("loss"),
          ArrayAttr(), FlatSymbolRefAttr());
      return;
    }
    Value hLr = hyper("h_lr", 0.01), momentum = hyper("h_momentum", 0.5);
    Value wLr = hyper("w_lr", 1e-3), decay = hyper("weight_decay", 1e-4);
    clampInputs(body);
    InitOp::create(builder, loc, StateInitKind::Forward, FloatAttr(),
                   /*keep_momentum=*/false, ArrayAttr());
    ClampOp::create(builder, loc, target.name, body->getArguments().back());
    auto infer = [&]() {
      InferOp::create(builder, loc, OptimiserKind::SGD,
                      ValueRange{hLr, momentum}, settings({"lr", "momentum"}),
                      /*errors=*/false, ArrayAttr());
    };
    auto report = [&]() {
      ReportOp::create(builder, loc, "energy", Value(), FlatSymbolRefAttr(),
                       ReduceKind::Mean);
    };
    auto learn = [&]() {
      LearnOp::create(builder, loc, OptimiserKind::AdamW,
                      ValueRange{wLr, decay}, settings({"lr", "weight_decay"}),
                      ArrayAttr(), Value(), ReduceKind::Mean, ArrayAttr(),
                      FlatSymbolRefAttr());
    };
    auto repeat = RepeatOp::create(builder, loc,
                                   builder.getI64IntegerAttr(steps), Value(),
                                   FlatSymbolRefAttr());
    OpBuilder::InsertionGuard guard(builder);
    builder.createBlock(&repeat.getBody());
    if (algorithm == "pc") {
      infer();
      builder.setInsertionPointAfter(repeat);
      report();
      learn();
      return;
    }
    report();
    auto joint = JointOp::create(builder, loc);
    builder.createBlock(&joint.getBody());
    infer();
    learn();
  }

private:
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
        builder.getArrayAttr(names));
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
};
} // namespace

void AttachProgramsPass::runOnOperation() {
  if (algorithm.empty())
    return;
  ModuleOp module = getOperation();
  static constexpr StringRef known[] = {"pc", "ipc", "bp"};
  // algorithm_c1
  if (!llvm::is_contained(known, algorithm)) {
    module.emitError("unknown algorithm '")
        << algorithm << "', expected pc, ipc or bp"
        << suggest(algorithm, known);
    return signalPassFailure();
  }
  llvm::DenseSet<StringAttr> served;
  for (ProgramOp program : module.getOps<ProgramOp>())
    served.insert(program.getModelAttr().getAttr());
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
    programs.addTrain(algorithm, steps > 0 ? steps : predicted + 1);
  }
}
