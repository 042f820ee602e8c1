//===- ProgramResults.cpp - What a program returns ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"

using namespace mlir;
using namespace pc;

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
    return op.emitOpError("has type ")
           << op.getType() << " but '@" << op.getVode() << "' is " << node.type;
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
    return op.emitOpError("has type ")
           << op.getType() << " but '@" << op.getVode() << "' is " << node.type;
  // program_c8
  if (!env.states[*index])
    return op.emitOpError("needs '@")
           << op.getVode() << "', which has no value yet";
  scalars.map(op.getResult(), env.states[*index]);
  return success();
}

LogicalResult ProgramLowering::lower(EvaluateOp op) {
  Value value = graph.findProbe(op.getProbe());
  // evaluate_c1
  if (!value)
    return op.emitOpError("names the unknown probe '@")
           << op.getProbe() << "' of model '@" << program.getModel() << "'"
           << graph.suggestProbe(op.getProbe());
  // evaluate_c2
  if (op.getType() != value.getType())
    return op.emitOpError("has type ")
           << op.getType() << " but '@" << op.getProbe() << "' is "
           << value.getType();
  BatchedEvaluator evaluator = makeEvaluator(env);
  Value result = evaluate(op, evaluator, value, env);
  if (!result)
    return failure();
  scalars.map(op.getResult(), result);
  return success();
}

Value ProgramLowering::getEnergyNow(Operation *op,
                                    std::optional<StringRef> vode) {
  std::optional<unsigned> node;
  if (vode) {
    FailureOr<unsigned> index = resolveNode(op, *vode);
    if (failed(index))
      return nullptr;
    node = *index;
  }
  const Environment &at = joint ? *joint : env;
  BatchedEvaluator evaluator = makeEvaluator(at);
  return buildEnergy(op, at, evaluator, node);
}

LogicalResult ProgramLowering::lower(FreeEnergyOp op) {
  Value energy = getEnergyNow(op, op.getVode());
  if (!energy)
    return failure();
  // free_energy_c1
  if (getBatchedType(cast<RankedTensorType>(op.getType())) != energy.getType())
    return op.emitOpError("has type ")
           << op.getType()
           << ", expected a tensor of rank 0 of the model's "
              "element type";
  scalars.map(op.getResult(), energy);
  return success();
}

LogicalResult ProgramLowering::lower(OutputOp op) {
  // output_c1
  if (op->getParentOp() != program)
    return op.emitOpError("cannot stand in a loop: it would have many values");
  SmallVector<NamedAttribute> details;
  if (program.getTrace())
    details.push_back(detail("trace", builder.getUnitAttr()));
  addOutput(makePort(PortKind::Output, op.getName(), details),
            perSample(op.getValue()));
  return success();
}

LogicalResult ProgramLowering::lower(ReportOp op) {
  Value value =
      op.getValue() ? perSample(op.getValue()) : getEnergyNow(op, op.getVode());
  if (!value)
    return failure();
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

LogicalResult ProgramLowering::lower(WarnOp op) {
  Location loc = op.getLoc();
  Value held = arith::SelectOp::create(builder, loc, mapped(op.getCondition()),
                                       number(loc, 1.0), number(loc, 0.0));
  // Summed over calls: how many of them it held in.
  addOutput(
      makePort(PortKind::Output, op.getMessage(),
               {detail("reduce", ReduceKindAttr::get(context, ReduceKind::Sum)),
                detail("warning", builder.getUnitAttr())}),
      fill(loc, getScalarType(), held));
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
    env.optimiser[key] = splat(loc, getScalarType(), 0.0);
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
