//===- ProgramPoint.cpp - The model at a point --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "pc/Autodiff/ReverseMode.h"

using namespace mlir;
using namespace pc;

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
    op->emitOpError("vode '@")
        << graph.getNodes()[*only].name << "' has no energy";
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
// Gradients and updates
//===----------------------------------------------------------------------===//

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
