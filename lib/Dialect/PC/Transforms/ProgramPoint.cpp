//===- ProgramPoint.cpp - The model at a point ----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
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
      if (Value precision = at.precisions[index])
        energy = ScaleOp::create(builder, op->getLoc(), energy.getType(),
                                 energy, precision);
      accumulate(op->getLoc(), total, energy);
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

Value ProgramLowering::buildTargetEnergy(Operation *op, GradientPoint point) {
  Value total;
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (node.terms.empty())
      continue;
    // gradient_c2
    SetVector<unsigned> sources, params;
    if (node.prediction)
      graph.getDependences(node.prediction, sources, params);
    if (sources.contains(index)) {
      op->emitOpError("takes the state of '@")
          << node.name
          << "' from its targets, but its prediction depends on it";
      return nullptr;
    }
    Environment mixed = point.at;
    mixed.states[index] = point.targets->states[index];
    BatchedEvaluator evaluator = makeEvaluator(mixed);
    Value energy = buildEnergy(op, mixed, evaluator, index);
    if (!energy)
      return nullptr;
    accumulate(op->getLoc(), total, energy);
  }
  // program_c9
  if (!total)
    op->emitOpError("model '@") << program.getModel() << "' has no energy";
  return total;
}

FailureOr<GradientValues>
ProgramLowering::differentiateEnergy(GradientKind kind, Value energy,
                                     ArrayRef<Value> wrt,
                                     const BitVector &wanted) {
  FailureOr<SmallVector<Value>> result =
      differentiate(builder, energy, /*seed=*/Value(), wrt);
  if (failed(result))
    return failure();
  GradientValues gradient;
  gradient.kind = kind;
  gradient.values.resize(wanted.size());
  gradient.variables.resize(wanted.size());
  for (auto [index, value, variable] :
       llvm::zip_equal(wanted.set_bits(), *result, wrt)) {
    gradient.values[index] = value;
    gradient.variables[index] = variable;
  }
  return gradient;
}

FailureOr<GradientValues>
ProgramLowering::buildGradient(Operation *op, GradientKind kind,
                               GradientPoint point, const BitVector &wanted) {
  if (kind == GradientKind::Errors)
    return buildErrorGradient(op, point.at, wanted);
  // Two states can hold one SSA value (both zero, say): differentiate with
  // respect to copies that are told apart. They fold away.
  Environment copies = point.at;
  SmallVector<Value> &list =
      kind == GradientKind::States ? copies.states : copies.params;
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
  Value energy;
  if (point.targets) {
    energy = buildTargetEnergy(op, {copies, point.targets});
  } else {
    BatchedEvaluator evaluator = makeEvaluator(copies);
    energy = buildEnergy(op, copies, evaluator, std::nullopt);
  }
  if (!energy)
    return failure();
  return differentiateEnergy(kind, energy, wrt, wanted);
}

//===----------------------------------------------------------------------===//
// Error coordinates
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::materialiseErrors(Operation *op, Environment &at,
                                                 const BitVector &wanted) {
  BatchedEvaluator evaluator = makeEvaluator(at);
  for (unsigned index : wanted.set_bits()) {
    const ModelNode &node = graph.getNodes()[index];
    if (!node.prediction || !at.states[index] || at.errors[index])
      continue;
    Value prediction = evaluate(op, evaluator, node.prediction, at);
    if (!prediction)
      return failure();
    at.errors[index] =
        SubOp::create(builder, op->getLoc(), prediction.getType(),
                      at.states[index], prediction);
  }
  return success();
}

FailureOr<SmallVector<unsigned>>
ProgramLowering::getErrorOrder(Operation *op, const BitVector &wanted) {
  SmallVector<unsigned> order, path;
  BitVector done(wanted.size());
  std::function<LogicalResult(unsigned)> visit =
      [&](unsigned index) -> LogicalResult {
    const ModelNode &node = graph.getNodes()[index];
    // infer_c4
    if (auto it = llvm::find(path, index); it != path.end()) {
      InFlightDiagnostic diag = op->emitOpError(
          "derives states from errors, which needs an order, but predictions "
          "form a cycle: ");
      for (unsigned member : llvm::make_range(it, path.end()))
        diag << "@" << graph.getNodes()[member].name << " <- ";
      return diag << "@" << node.name;
    }
    if (done[index])
      return success();
    path.push_back(index);
    SetVector<unsigned> sources, params;
    graph.getDependences(node.prediction, sources, params);
    for (unsigned source : sources)
      if (wanted[source] && graph.getNodes()[source].prediction &&
          failed(visit(source)))
        return failure();
    path.pop_back();
    done.set(index);
    order.push_back(index);
    return success();
  };
  for (unsigned index : wanted.set_bits())
    if (graph.getNodes()[index].prediction && failed(visit(index)))
      return failure();
  return order;
}

FailureOr<BatchedEvaluator>
ProgramLowering::deriveStates(Operation *op, Environment &at,
                              ArrayRef<unsigned> order) {
  Environment sources = at;
  for (unsigned index : order)
    sources.states[index] = Value();
  BatchedEvaluator evaluator = makeEvaluator(sources);
  for (unsigned index : order) {
    const ModelNode &node = graph.getNodes()[index];
    Value prediction = evaluate(op, evaluator, node.prediction, sources);
    if (!prediction)
      return failure();
    Location loc = op->getLoc();
    Value state = AddOp::create(builder, loc, prediction.getType(), prediction,
                                at.errors[index]);
    state = hold(loc, index, at.states[index], state);
    at.states[index] = sources.states[index] = state;
    evaluator.map(node.op->getResult(0), state);
  }
  return evaluator;
}

FailureOr<GradientValues>
ProgramLowering::buildErrorGradient(Operation *op, const Environment &at,
                                    const BitVector &wanted) {
  Location loc = op->getLoc();
  FailureOr<SmallVector<unsigned>> order = getErrorOrder(op, wanted);
  Environment point = at;
  if (failed(order))
    return failure();
  for (unsigned index : wanted.set_bits())
    // program_c8
    if (!point.states[index])
      return op->emitOpError("moves '@")
             << graph.getNodes()[index].name
             << "', which has no value yet; pc.init must come before";
  if (failed(materialiseErrors(op, point, wanted)))
    return failure();
  SmallVector<Value> wrt;
  for (unsigned index : wanted.set_bits()) {
    Value &variable = graph.getNodes()[index].prediction ? point.errors[index]
                                                         : point.states[index];
    variable = IdentityOp::create(builder, loc, variable);
    wrt.push_back(variable);
  }
  FailureOr<BatchedEvaluator> evaluator = deriveStates(op, point, *order);
  if (failed(evaluator))
    return failure();
  // h - u is eps by definition: the squared error of a vode needs neither. With
  // a mask what is held is not derived from its error.
  for (unsigned index : *order) {
    const ModelNode &node = graph.getNodes()[index];
    if (masks[index])
      continue;
    for (Operation *user : node.op->getResult(0).getUsers()) {
      auto energy = dyn_cast<SquaredErrorOp>(user);
      if (!energy || energy.getState() != node.op->getResult(0) ||
          energy.getPrediction() != node.prediction)
        continue;
      Value eps = point.errors[index];
      auto type =
          getBatchedType(cast<RankedTensorType>(energy.getEnergy().getType()));
      evaluator->map(energy.getEnergy(),
                     SquaredErrorOp::create(builder, loc, type, eps,
                                            splat(loc, eps.getType(), 0.0)));
    }
  }
  Value energy = buildEnergy(op, point, *evaluator, std::nullopt);
  if (!energy)
    return failure();
  return differentiateEnergy(GradientKind::Errors, energy, wrt, wanted);
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
  bool params = op.getKind() == GradientKind::Params;
  FailureOr<BitVector> wanted = params ? getSelectedParams(op, op.getOnlyAttr())
                                       : getFreeNodes(op, op.getOnlyAttr());
  if (failed(wanted) || (!params && failed(checkReachable(op, *wanted))))
    return failure();
  GradientPoint where{point->second};
  if (op.getTargets())
    where.targets = &points.find(op.getTargets())->second;
  FailureOr<GradientValues> gradient =
      buildGradient(op, op.getKind(), where, *wanted);
  if (failed(gradient))
    return failure();
  warnOfCrossEntropy(op, params ? BitVector(graph.getNodes().size()) : *wanted);
  if (params)
    scaleGradient(op.getLoc(), *gradient, op.getReduce(), Value());
  gradients[op.getResult()] = *gradient;
  return success();
}

LogicalResult ProgramLowering::lower(CurvatureOp op) {
  // The Hessian is symmetric: H d is the gradient of <g, d>.
  Location loc = op.getLoc();
  const GradientValues &gradient = gradients.find(op.getGradient())->second;
  BitVector wanted(gradient.values.size());
  SmallVector<Value> wrt;
  for (auto [index, variable] : llvm::enumerate(gradient.variables))
    if (variable) {
      wanted.set(index);
      wrt.push_back(variable);
    }
  Value product;
  for (auto [name, direction] : llvm::zip_equal(
           op.getVodes().getAsRange<FlatSymbolRefAttr>(), op.getDirections())) {
    FailureOr<unsigned> index = resolveNode(op, name.getValue());
    if (failed(index))
      return failure();
    // curvature_c4
    if (!wanted[*index])
      return op.emitOpError("the gradient was not taken of '@")
             << name.getValue() << "'";
    // curvature_c5
    if (direction.getType() != graph.getNodes()[*index].type)
      return op.emitOpError("has a direction of type ")
             << direction.getType() << " but '@" << name.getValue() << "' is "
             << graph.getNodes()[*index].type;
    Value value = gradient.values[*index];
    auto type = cast<RankedTensorType>(value.getType());
    Value products =
        MulOp::create(builder, loc, type, value, perSample(direction));
    accumulate(loc, product,
               SumOp::create(builder, loc,
                             type.clone(type.getShape().take_front(1)),
                             products));
  }
  GradientValues curvature{gradient.kind, {}};
  curvature.values.resize(wanted.size());
  if (product) {
    FailureOr<GradientValues> derived =
        differentiateEnergy(gradient.kind, product, wrt, wanted);
    if (failed(derived))
      return failure();
    curvature.values = derived->values;
  } else {
    for (unsigned index : wanted.set_bits())
      curvature.values[index] =
          splat(loc, gradient.values[index].getType(), 0.0);
  }
  gradients[op.getResult()] = curvature;
  return success();
}

LogicalResult ProgramLowering::lower(CombineOp op) {
  Location loc = op.getLoc();
  GradientValues sum;
  for (auto [index, value] : llvm::enumerate(op.getGradients())) {
    GradientValues part = gradients.find(value)->second;
    if (!op.getScales().empty())
      scaleGradient(loc, part, ReduceKind::Sum, op.getScales()[index]);
    if (index == 0) {
      sum = part;
      continue;
    }
    for (auto [total, more] : llvm::zip_equal(sum.values, part.values))
      if (more)
        accumulate(loc, total, more);
  }
  gradients[op.getResult()] = sum;
  return success();
}

Value ProgramLowering::buildElementwise(
    OpBuilder &builder, Location loc, Type type, ValueRange inputs,
    function_ref<Value(OpBuilder &, Location, ValueRange)> build) {
  auto op = ElementwiseOp::create(builder, loc, type, inputs);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&op.getBody());
  for (Value input : inputs)
    body->addArgument(cast<RankedTensorType>(input.getType()).getElementType(),
                      loc);
  Value result = build(builder, loc, body->getArguments());
  YieldOp::create(builder, loc, result);
  return op.getOutput();
}

Value ProgramLowering::buildSelect(OpBuilder &builder, Location loc, Value mask,
                                   Value set, Value unset) {
  return buildElementwise(
      builder, loc, set.getType(), {mask, set, unset},
      [](OpBuilder &inner, Location loc, ValueRange e) -> Value {
        Value zero = buildFloat(inner, loc, e[0].getType(), 0.0);
        Value isSet = arith::CmpFOp::create(
            inner, loc, arith::CmpFPredicate::UNE, e[0], zero);
        return arith::SelectOp::create(inner, loc, isSet, e[1], e[2]);
      });
}

Value ProgramLowering::hold(Location loc, unsigned node, Value held,
                            Value fresh) {
  Value mask = masks[node];
  return mask ? buildSelect(builder, loc, mask, held, fresh) : fresh;
}

Value ProgramLowering::sumSquares(Location loc,
                                  const GradientValues &gradient) {
  Value total;
  for (Value value : gradient.values) {
    if (!value)
      continue;
    auto type = cast<RankedTensorType>(value.getType());
    Type sumType = type.clone(gradient.kind == GradientKind::Params
                                  ? ArrayRef<int64_t>()
                                  : type.getShape().take_front(1));
    Value squares = MulOp::create(builder, loc, type, value, value);
    Value sum = SumOp::create(builder, loc, sumType, squares);
    accumulate(loc, total, sum);
  }
  return total;
}

LogicalResult ProgramLowering::lower(ClipOp op) {
  Location loc = op.getLoc();
  // clip_c1
  APFloat constant(0.0);
  if (matchPattern(op.getBound(), m_ConstantFloat(&constant)) &&
      !(constant.convertToDouble() >= 0.0))
    return op.emitOpError("expects a bound of at least 0, found ")
           << constant.convertToDouble();
  GradientValues gradient = gradients.find(op.getGradient())->second;
  // The bound as a tensor: a number that the element type rounds.
  auto bound = [&](Type type) {
    return fill(loc, type, mapped(op.getBound()));
  };
  if (op.getKind() == ClipKind::Value) {
    for (Value &value : gradient.values)
      if (value)
        value = buildElementwise(
            builder, loc, value.getType(), {value, bound(value.getType())},
            [](OpBuilder &inner, Location loc, ValueRange e) -> Value {
              Value least = arith::NegFOp::create(inner, loc, e[1]);
              Value above = arith::MaximumFOp::create(inner, loc, e[0], least);
              return arith::MinimumFOp::create(inner, loc, above, e[1]);
            });
    gradients[op.getResult()] = gradient;
    return success();
  }
  Value square = sumSquares(loc, gradient);
  if (square) {
    Value factor = buildElementwise(
        builder, loc, square.getType(), {square, bound(square.getType())},
        [](OpBuilder &inner, Location loc, ValueRange e) -> Value {
          // Within the bound the factor is exactly 1.
          Value norm = math::SqrtOp::create(inner, loc, e[0]);
          Value ratio = arith::DivFOp::create(inner, loc, e[1], norm);
          Value one = buildFloat(inner, loc, norm.getType(), 1.0);
          Value within = arith::CmpFOp::create(
              inner, loc, arith::CmpFPredicate::OLE, norm, e[1]);
          return arith::SelectOp::create(inner, loc, within, one, ratio);
        });
    for (Value &value : gradient.values)
      if (value) {
        Value spread =
            BroadcastOp::create(builder, loc, value.getType(), factor);
        value = MulOp::create(builder, loc, value.getType(), value, spread);
      }
  }
  gradients[op.getResult()] = gradient;
  return success();
}

LogicalResult ProgramLowering::lower(NormOp op) {
  const GradientValues &gradient = gradients.find(op.getGradient())->second;
  // norm_c1
  if (gradient.kind == GradientKind::Params)
    return op.emitOpError("is per sample: expected a gradient of states or "
                          "errors, found one of params");
  Value square = sumSquares(op.getLoc(), gradient);
  // norm_c2
  if (!square)
    return op.emitOpError("of a gradient of nothing: no vode is free");
  // norm_c3
  if (getBatchedType(cast<RankedTensorType>(op.getType())) != square.getType())
    return op.emitOpError("has type ")
           << op.getType()
           << ", expected a tensor of rank 0 of the model's "
              "element type";
  scalars.map(op.getResult(),
              buildElementwise(
                  builder, op.getLoc(), square.getType(), square,
                  [](OpBuilder &inner, Location loc, ValueRange e) -> Value {
                    return math::SqrtOp::create(inner, loc, e[0]);
                  }));
  return success();
}

LogicalResult ProgramLowering::lower(ReadGradientOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  const GradientValues &gradient = gradients.find(op.getGradient())->second;
  // read_gradient_c1
  if (gradient.kind == GradientKind::Params)
    return op.emitOpError("reads the gradient of a state, found one of params");
  // read_gradient_c2
  if (!gradient.values[*index])
    return op.emitOpError("the gradient was not taken of '@")
           << op.getVode() << "'";
  // read_gradient_c3
  if (op.getType() != graph.getNodes()[*index].type)
    return op.emitOpError("has type ")
           << op.getType() << " but '@" << op.getVode() << "' is "
           << graph.getNodes()[*index].type;
  scalars.map(op.getResult(), gradient.values[*index]);
  return success();
}

LogicalResult ProgramLowering::lower(RestoreOp op) {
  const Environment &point = points.find(op.getPoint())->second;
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (node.isInput || clamped[index])
      continue;
    if (point.states[index])
      assign(op.getLoc(), index, point.states[index]);
    env.resetOptimiser(index);
  }
  return success();
}

LogicalResult ProgramLowering::lower(UpdateOp op) {
  GradientValues gradient = gradients.find(op.getGradient())->second;
  bool params = gradient.kind == GradientKind::Params;
  FailureOr<BitVector> selected = params
                                      ? getSelectedParams(op, op.getOnlyAttr())
                                      : getFreeNodes(op, op.getOnlyAttr());
  if (failed(selected))
    return failure();
  for (auto [index, value] : llvm::enumerate(gradient.values))
    if (!(*selected)[index])
      value = Value();
  if (params)
    warnOfNoGradient(op, gradient);
  scaleGradient(op.getLoc(), gradient, ReduceKind::Sum, op.getScale());
  if (params)
    return updateParams(
        op, op.getOptimiser(), gradient, op.getSettings(), op.getNumbers(),
        getOwner(op.getOptimiser(), op.getOwner()), op.getNoDecayAttr());
  if (!firstInfer)
    firstInfer = op;
  inferSteps += repetitions;
  infersErrors |= gradient.kind == GradientKind::Errors;
  return updateStates(op, op.getOptimiser(), gradient, op.getSettings(),
                      op.getNumbers());
}
