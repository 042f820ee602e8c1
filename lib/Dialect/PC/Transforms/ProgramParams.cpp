//===- ProgramParams.cpp - Learning ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "pc/Autodiff/ReverseMode.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Weight optimisers
//===----------------------------------------------------------------------===//

ProgramLowering::AdamNumbers
ProgramLowering::getAdamNumbers(Location loc, DictionaryAttr settings,
                                ValueRange numbers, Value count) {
  Value b1 = getSetting(loc, settings, numbers, "b1", 0.9);
  Value b2 = getSetting(loc, settings, numbers, "b2", 0.999);
  Value eps = getSetting(loc, settings, numbers, "eps", 1e-8);
  Value one = number(loc, 1.0);
  auto correction = [&](Value b) -> Value {
    Value power = math::PowFOp::create(builder, loc, b, count);
    return arith::SubFOp::create(builder, loc, one, power);
  };
  Value correction1 = correction(b1);
  return {b1, b2, eps, correction1, correction(b2)};
}

ProgramLowering::MomentumStep
ProgramLowering::stepMomentum(Location loc, Value gradient, Value trace,
                              DictionaryAttr settings, ValueRange numbers) {
  Type type = gradient.getType();
  Value momentum = getSetting(loc, settings, numbers, "momentum", 0.0);
  auto carry = [&](Value old) -> Value {
    return AddOp::create(builder, loc, type, gradient,
                         ScaleOp::create(builder, loc, type, old, momentum));
  };
  Value fresh = trace ? carry(trace) : gradient;
  return {fresh, settings.get("nesterov") ? carry(fresh) : fresh};
}

LogicalResult ProgramLowering::updateParams(Operation *op, OptimiserKind kind,
                                            const GradientValues &gradient,
                                            DictionaryAttr settings,
                                            ValueRange numbers, StringRef owner,
                                            ArrayAttr noDecay) {
  Location loc = op->getLoc();
  auto key = [&](const Twine &name) { return builder.getStringAttr(name); };
  Value oneI = arith::ConstantIntOp::create(builder, loc, 1, 64);
  // Statements of one joint step advance a counter together.
  auto advances = [&](StringAttr name) {
    return !joint || jointCounts.insert(name).second;
  };
  auto increment = [&](StringAttr name) {
    Value &count = env.optimiser[name];
    if (advances(name))
      count = arith::AddIOp::create(builder, loc, count, oneI);
    return count;
  };
  BitVector spared(graph.getParams().size());
  if (noDecay) {
    FailureOr<BitVector> named = getSelectedParams(op, noDecay);
    if (failed(named))
      return failure();
    spared = *named;
  }
  // use_c3
  if (learned)
    return op->emitOpError("learns, but pc.use has replaced the parameters by "
                           "averages");
  Value lr = getSetting(loc, settings, numbers, "lr", 0.0);
  if (!joint || !jointCounts.contains(getWeightStepName()))
    weightSteps += repetitions;
  increment(getWeightStepName());
  int64_t traced = learnIndex++;

  AdamNumbers adam;
  Value decay;
  if (kind != OptimiserKind::SGD) {
    decay = getSetting(loc, settings, numbers, "weight_decay",
                       kind == OptimiserKind::AdamW ? 1e-4 : 0.0);
    Value count = increment(key(owner + ".count"));
    Value t =
        arith::SIToFPOp::create(builder, loc, builder.getF64Type(), count);
    adam = getAdamNumbers(loc, settings, numbers, t);
  }
  for (auto [index, value] : llvm::enumerate(gradient.values)) {
    if (!value)
      continue;
    const ModelParam &param = graph.getParams()[index];
    llvm::SaveAndRestore<StringRef> own(share, param.vode);
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
      if (hasMomentum(settings)) {
        Value &trace = env.optimiser[key(owner + ".trace." + param.name)];
        MomentumStep moved = stepMomentum(loc, value, trace, settings, numbers);
        trace = moved.trace;
        step = moved.step;
      }
      target = SubOp::create(builder, loc, type, target,
                             ScaleOp::create(builder, loc, type, step, lr));
      continue;
    }
    Value &m = env.optimiser[key(owner + ".m." + param.name)];
    Value &v = env.optimiser[key(owner + ".v." + param.name)];
    auto update = AdamUpdateOp::create(
        builder, loc, type, type, type, target, value, m, v, lr, adam.b1,
        adam.b2, adam.eps, spared[index] ? number(loc, 0.0) : decay,
        adam.correction1, adam.correction2);
    target = update.getNewParam();
    m = update.getNewM();
    v = update.getNewV();
  }
  // Predictions change with the weights, states do not.
  llvm::fill(env.errors, Value());
  return success();
}

//===----------------------------------------------------------------------===//
// Averages
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lower(AverageOp op) {
  Location loc = op.getLoc();
  FailureOr<BitVector> params = getSelectedParams(op, op.getParamsAttr());
  if (failed(params))
    return failure();
  // average_c1
  if (learned)
    return op.emitOpError("averages the parameters, but pc.use has replaced "
                          "them");
  // average_c2
  APFloat constant(0.0);
  if (matchPattern(op.getDecay(), m_ConstantFloat(&constant)) &&
      !(constant.convertToDouble() >= 0.0 && constant.convertToDouble() <= 1.0))
    return op.emitOpError("expects a decay in [0, 1], found ")
           << constant.convertToDouble();
  Value decay = mapped(op.getDecay());
  Value rest = arith::SubFOp::create(builder, loc, number(loc, 1.0), decay);
  for (unsigned index : params->set_bits()) {
    const ModelParam &param = graph.getParams()[index];
    Value &average =
        env.optimiser[builder.getStringAttr(op.getName() + "." + param.name)];
    Type type = param.type;
    Value old = ScaleOp::create(builder, loc, type, average, decay);
    Value fresh = ScaleOp::create(builder, loc, type, env.params[index], rest);
    average = AddOp::create(builder, loc, type, old, fresh);
  }
  return success();
}

LogicalResult ProgramLowering::lower(UseOp op) {
  // use_c1
  if (op->getParentOp() != program)
    return op.emitOpError("holds until the end of the program and cannot stand "
                          "in a loop");
  // use_c2
  if (learned)
    return op.emitOpError("cannot follow another pc.use");
  learned = env.params;
  for (auto [index, param] : llvm::enumerate(graph.getParams())) {
    auto it = env.optimiser.find(
        builder.getStringAttr(op.getName() + "." + param.name));
    if (it != env.optimiser.end())
      env.params[index] = it->second;
  }
  llvm::fill(env.errors, Value());
  return success();
}

//===----------------------------------------------------------------------===//
// Learning
//===----------------------------------------------------------------------===//

/// Whether a gradient is zero by its form: reverse mode reached nothing.
static bool isNothing(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto splat = dyn_cast_or_null<SplatOp>(op))
    return splat.getValue().isZero();
  if (auto scale = dyn_cast_or_null<ScaleOp>(op))
    return isNothing(scale.getInput());
  if (auto add = dyn_cast_or_null<AddOp>(op))
    return isNothing(add.getLhs()) && isNothing(add.getRhs());
  return false;
}

void ProgramLowering::warnOfNoGradient(Operation *op,
                                       const GradientValues &gradient) {
  SmallVector<StringRef> idle;
  for (auto [index, value] : llvm::enumerate(gradient.values))
    // What is nowhere read has a warning of its own, param_c2.
    if (value && isNothing(value))
      idle.push_back(graph.getParams()[index].name);
  if (idle.empty() || program.getTrace() || !warned.insert({op, 0}).second)
    return;
  // learn_c3
  InFlightDiagnostic diag = op->emitWarning("moves ");
  llvm::interleave(
      idle, diag, [&](StringRef name) { diag << "@" << name; }, ", ");
  diag << " by a gradient that is zero: no energy depends on "
       << (idle.size() == 1 ? "it" : "them");
}

LogicalResult ProgramLowering::lower(LearnOp op) {
  FailureOr<BitVector> params = getSelectedParams(op, op.getParamsAttr());
  if (failed(params))
    return failure();
  FailureOr<GradientValues> gradient =
      buildGradient(op, GradientKind::Params, {joint ? *joint : env}, *params);
  if (failed(gradient))
    return failure();
  warnOfCrossEntropy(op, BitVector(graph.getNodes().size()));
  warnOfNoGradient(op, *gradient);
  scaleGradient(op.getLoc(), *gradient, op.getReduce(), op.getScale());
  return updateParams(
      op, op.getOptimiser(), *gradient, op.getSettings(), op.getNumbers(),
      getOwner(op.getOptimiser(), op.getOwner()), op.getNoDecayAttr());
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
  FailureOr<BitVector> params = getSelectedParams(op, op.getParamsAttr());
  if (failed(params))
    return failure();
  // Every free state becomes its prediction; what is clamped stays.
  Location loc = op.getLoc();
  Environment point = env;
  SmallVector<Value> wrt;
  for (unsigned param : params->set_bits()) {
    point.params[param] = IdentityOp::create(builder, loc, point.params[param]);
    wrt.push_back(point.params[param]);
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
  Value value = perSample(op.getValue());
  auto lossType =
      getBatchedType(RankedTensorType::get({}, node.type.getElementType()));
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
  FailureOr<GradientValues> gradient =
      differentiateEnergy(GradientKind::Params, loss, wrt, *params);
  if (failed(gradient))
    return failure();
  // Of all parameters, a loss leaves out those that are not on its way.
  if (op.getParams())
    warnOfNoGradient(op, *gradient);
  scaleGradient(loc, *gradient, ReduceKind::Mean, Value());
  return updateParams(
      op, op.getOptimiser(), *gradient, op.getSettings(), op.getNumbers(),
      getOwner(op.getOptimiser(), op.getOwner()), op.getNoDecayAttr());
}
