//===- ProgramStates.cpp - Clamping, initialisation and inference ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Clamping and initialisation
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::lowerClamp(Operation *op, StringRef vode,
                                          Value value, Value beta, Value mask) {
  FailureOr<unsigned> index = resolveNode(op, vode);
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // clamp_c1
  if (value.getType() != node.type)
    return op->emitOpError("sets '@")
           << vode << "' of type " << node.type << " to a value of type "
           << value.getType();
  Location loc = op->getLoc();
  Value state = perSample(value);
  masks[*index] = Value();
  if (mask) {
    // clamp_c2
    if (node.isInput)
      return op->emitOpError("'@")
             << vode << "' is an input: nothing would move what the mask frees";
    // clamp_c3
    if (mask.getType() != node.type)
      return op->emitOpError("masks '@")
             << vode << "' of type " << node.type << " by a value of type "
             << mask.getType();
    masks[*index] = perSample(mask);
    Value free = env.states[*index]
                     ? env.states[*index]
                     : splat(loc, getBatchedType(node.type), 0.0);
    state = hold(loc, *index, state, free);
  }
  if (beta) {
    // nudge_c1
    if (!node.prediction)
      return op->emitOpError("vode '@") << vode << "' has no prediction";
    BatchedEvaluator evaluator = makeEvaluator(env);
    Value prediction = evaluate(op, evaluator, node.prediction, env);
    if (!prediction)
      return failure();
    Type type = state.getType();
    Value towards = SubOp::create(builder, loc, type, state, prediction);
    towards = ScaleOp::create(builder, loc, type, towards, mapped(beta));
    state = AddOp::create(builder, loc, type, prediction, towards);
  }
  // The runtime shows inputs that clamp a predicted vode as targets.
  if (auto argument = dyn_cast<BlockArgument>(value);
      argument && argument.getOwner() == &program.getBody().front() &&
      node.prediction) {
    PortAttr port =
        makePort(PortKind::Input, program.getInputName(argument.getArgNumber()),
                 {detail("target", builder.getUnitAttr())});
    function.setArgAttr(argument.getArgNumber(), PCDialect::kPortAttrName,
                        port);
  }
  env.setState(*index, state);
  env.resetOptimiser(*index);
  // Where only a part is held the rest moves.
  clamped[*index] = !mask;
  predicted.reset(*index);
  given.set(*index);
  return success();
}

LogicalResult ProgramLowering::lower(ReleaseOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  // release_c1
  if (graph.getNodes()[*index].isInput)
    return op.emitOpError("'@")
           << op.getVode() << "' is an input: it has no energy to move by";
  if (!clamped[*index] && !masks[*index])
    return op.emitOpError("'@") << op.getVode() << "' is not clamped";
  clamped.reset(*index);
  masks[*index] = Value();
  return success();
}

LogicalResult ProgramLowering::initForward(InitOp op, unsigned index,
                                           BitVector &pending,
                                           SmallVectorImpl<unsigned> &path,
                                           ArrayRef<Value> before) {
  const ModelNode &node = graph.getNodes()[index];
  if (auto it = llvm::find(path, index); it != path.end()) {
    // init_c3: no cycle under forward initialisation.
    InFlightDiagnostic diag = op.emitOpError(
        "forward needs an order, but predictions form a cycle: ");
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
    if (pending[source] &&
        failed(initForward(op, source, pending, path, before)))
      return failure();
  path.pop_back();
  BatchedEvaluator evaluator = makeEvaluator(env);
  Value prediction = evaluate(op, evaluator, node.prediction, env);
  if (!prediction)
    return failure();
  env.states[index] = before[index];
  assign(op.getLoc(), index, prediction);
  predicted.set(index);
  pending.reset(index);
  return success();
}

LogicalResult ProgramLowering::lower(InitOp op) {
  FailureOr<BitVector> free = getFreeNodes(op, op.getVodesAttr());
  if (failed(free))
    return failure();
  Location loc = op.getLoc();
  for (unsigned index : free->set_bits()) {
    env.resetOptimiser(index);
    if (!op.getKeepMomentum() && op.getKind() != StateInitKind::Carried)
      continue;
    // init_c6
    if (usesAdam)
      return op.emitOpError(
          "keeps the momentum of sgd and langevin, but states "
          "of this program move by adam");
    if (usesMomentum)
      env.traces[index] = getCarried(op, index, /*momentum=*/true);
  }
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
    SmallVector<Value> before = env.states;
    for (unsigned index : pending.set_bits())
      env.states[index] = Value();
    for (unsigned index : free->set_bits()) {
      SmallVector<unsigned> path;
      if (pending[index] &&
          failed(initForward(op, index, pending, path, before)))
        return failure();
    }
    return success();
  }
  forwardInitialised = false;
  unsigned position = 0;
  for (unsigned index : free->set_bits()) {
    Type type = getBatchedType(graph.getNodes()[index].type);
    Value state;
    if (op.getKind() == StateInitKind::Carried)
      state = getCarried(op, index, /*momentum=*/false);
    else if (op.getKind() == StateInitKind::Zero)
      state = splat(loc, type, 0.0);
    else
      state =
          ScaleOp::create(builder, loc, type, drawNormal(op, type, position++),
                          number(loc, op.getDeviation()->convertToDouble()));
    assign(loc, index, state);
    predicted.reset(index);
  }
  return success();
}

Value ProgramLowering::getCarried(InitOp op, unsigned node, bool momentum) {
  const ModelNode &target = graph.getNodes()[node];
  std::string name = target.name.str() + (momentum ? ".momentum" : ".state");
  Value &value = namedArguments["carried." + name];
  if (!value) {
    PortAttr port =
        makePort(PortKind::State, name,
                 {detail("init", InitAttr::get(context, InitKind::Zeros)),
                  detail("stream", builder.getI64IntegerAttr(0))});
    Type type = getBatchedType(target.type);
    storage.push_back({port, type, node, momentum});
    value = addArgument(type, port, op.getLoc());
  }
  return value;
}

void ProgramLowering::assign(Location loc, unsigned node, Value value) {
  Value old = env.states[node];
  env.setState(node, keepStopped(loc, old, hold(loc, node, old, value)));
}

Value ProgramLowering::keepStopped(Location loc, Value old, Value fresh) {
  if (!env.running || !old)
    return fresh;
  Value running =
      BroadcastOp::create(builder, loc, fresh.getType(), env.running);
  return buildSelect(builder, loc, running, fresh, old);
}

LogicalResult ProgramLowering::lower(StopOp op) {
  Location loc = op.getLoc();
  Value value = perSample(op.getValue());
  Type type = value.getType();
  if (std::optional<ReduceKind> reduce = op.getReduce())
    value = BatchBroadcastOp::create(builder, loc, type,
                                     getBatchReduced(loc, value, *reduce));
  Value bound = fill(loc, type, mapped(op.getBound()));
  env.running = buildElementwise(
      builder, loc, type, {env.running, value, bound},
      [](OpBuilder &inner, Location loc, ValueRange e) -> Value {
        Value zero = buildFloat(inner, loc, e[0].getType(), 0.0);
        Value below = arith::CmpFOp::create(
            inner, loc, arith::CmpFPredicate::OLT, e[1], e[2]);
        return arith::SelectOp::create(inner, loc, below, zero, e[0]);
      });
  return success();
}

Value ProgramLowering::drawNormal(Operation *op, Type type, unsigned position) {
  Location loc = op->getLoc();
  // One stream for each node that the statement could draw for.
  auto [first, inserted] = streams.try_emplace(op, nextStream);
  if (inserted)
    nextStream += graph.getNodes().size();
  Type i64 = builder.getI64Type();
  Value seed = getCounter(loc, "seed", i64);
  Value call = getCounter(loc, "call", i64);
  // The number of the call, and in loops of the repetition; an unrolled loop
  // draws what the loop would.
  if (drawIndex) {
    Value range = arith::ConstantIntOp::create(builder, loc, drawRange, 64);
    call = arith::AddIOp::create(
        builder, loc, arith::MulIOp::create(builder, loc, call, range),
        drawIndex);
  }
  return RandomNormalOp::create(
      builder, loc, type, seed, call,
      builder.getI64IntegerAttr(first->second + position));
}

LogicalResult ProgramLowering::lower(SetOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  const ModelNode &node = graph.getNodes()[*index];
  // set_c1
  if (node.isInput || clamped[*index])
    return op.emitOpError("sets '@")
           << op.getVode() << "', which is "
           << (node.isInput ? "an input: clamp it"
                            : "clamped: release it first");
  // set_c2
  if (op.getValue().getType() != node.type)
    return op.emitOpError("sets '@")
           << op.getVode() << "' of type " << node.type
           << " to a value of type " << op.getValue().getType();
  assign(op.getLoc(), *index, perSample(op.getValue()));
  env.resetOptimiser(*index);
  given.set(*index);
  predicted.reset(*index);
  return success();
}

LogicalResult ProgramLowering::lower(PrecisionOp op) {
  FailureOr<unsigned> index = resolveNode(op, op.getVode());
  if (failed(index))
    return failure();
  // precision_c1
  if (graph.getNodes()[*index].terms.empty())
    return op.emitOpError("vode '@") << op.getVode() << "' has no energy";
  // precision_c2
  APFloat value(0.0);
  if (matchPattern(op.getPrecision(), m_ConstantFloat(&value)) &&
      !(value.isFinite() && value.convertToDouble() >= 0.0))
    return op.emitOpError("expects a precision of at least 0, found ")
           << value.convertToDouble();
  env.precisions[*index] = mapped(op.getPrecision());
  return success();
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

Value ProgramLowering::stepState(Operation *op, OptimiserKind kind,
                                 unsigned node, Value value, Value gradient,
                                 DictionaryAttr settings, ValueRange numbers) {
  Location loc = op->getLoc();
  Type type = value.getType();
  Value lr = getSetting(loc, settings, numbers, "lr", 0.0);
  if (kind == OptimiserKind::Adam) {
    Value zero = splat(loc, type, 0.0);
    Value one = number(loc, 1.0);
    Value count = env.counts[node];
    count = count ? arith::AddFOp::create(builder, loc, count, one).getResult()
                  : one;
    AdamNumbers adam = getAdamNumbers(loc, settings, numbers, count);
    auto update = AdamUpdateOp::create(
        builder, loc, type, type, type, value, gradient,
        env.traces[node] ? env.traces[node] : zero,
        env.seconds[node] ? env.seconds[node] : zero, lr, adam.b1, adam.b2,
        adam.eps, number(loc, 0.0), adam.correction1, adam.correction2);
    env.traces[node] = keepStopped(loc, env.traces[node], update.getNewM());
    env.seconds[node] = keepStopped(loc, env.seconds[node], update.getNewV());
    env.counts[node] = count;
    return update.getNewParam();
  }
  Value step = gradient;
  if (hasMomentum(settings)) {
    MomentumStep moved =
        stepMomentum(loc, gradient, env.traces[node], settings, numbers);
    env.traces[node] = keepStopped(loc, env.traces[node], moved.trace);
    step = moved.step;
  }
  return SubOp::create(builder, loc, type, value,
                       ScaleOp::create(builder, loc, type, step, lr));
}

LogicalResult ProgramLowering::updateStates(Operation *op, OptimiserKind kind,
                                            const GradientValues &gradient,
                                            DictionaryAttr settings,
                                            ValueRange numbers) {
  Location loc = op->getLoc();
  bool errors = gradient.kind == GradientKind::Errors;
  BitVector moved(graph.getNodes().size());
  for (auto [index, value] : llvm::enumerate(gradient.values))
    moved[index] = static_cast<bool>(value);
  FailureOr<SmallVector<unsigned>> order = SmallVector<unsigned>();
  if (errors && (failed(order = getErrorOrder(op, moved)) ||
                 failed(materialiseErrors(op, env, moved))))
    return failure();
  Value noise;
  if (kind == OptimiserKind::Langevin) {
    // sqrt(2 variance (1 - momentum) / lr): PCX's chain(add_noise, trace,
    // scale).
    Value lr = getSetting(loc, settings, numbers, "lr", 0.0);
    Value mu = getSetting(loc, settings, numbers, "momentum", 0.0);
    Value variance = getSetting(loc, settings, numbers, "variance", 1.0);
    Value twice =
        arith::MulFOp::create(builder, loc, number(loc, 2.0), variance);
    Value rest = arith::SubFOp::create(builder, loc, number(loc, 1.0), mu);
    Value eta = arith::DivFOp::create(
        builder, loc, arith::MulFOp::create(builder, loc, twice, rest), lr);
    noise = math::SqrtOp::create(builder, loc, eta);
  }
  unsigned position = 0;
  SmallVector<std::pair<unsigned, Value>> fresh;
  for (auto [index, value] : llvm::enumerate(gradient.values)) {
    if (!value)
      continue;
    llvm::SaveAndRestore<StringRef> own(share, graph.getNodes()[index].name);
    Type type = value.getType();
    Value step = value;
    if (noise)
      step = AddOp::create(builder, loc, type, step,
                           ScaleOp::create(builder, loc, type,
                                           drawNormal(op, type, position++),
                                           noise));
    // What a mask holds gathers no momentum.
    step = hold(loc, index, splat(loc, type, 0.0), step);
    bool byError = errors && graph.getNodes()[index].prediction;
    Value before = byError ? env.errors[index] : env.states[index];
    Value after = stepState(op, kind, index, before, step, settings, numbers);
    if (byError)
      env.errors[index] = keepStopped(loc, before, after);
    else
      fresh.emplace_back(index, after);
  }
  SmallVector<Value> old = env.states;
  SmallVector<Value> movedErrors = env.errors;
  for (auto [index, value] : fresh)
    assign(loc, index, value);
  if (!errors)
    return success();
  // The errors are what moved; the states follow from them.
  env.errors = movedErrors;
  if (failed(deriveStates(op, env, *order)))
    return failure();
  for (unsigned index : *order)
    env.states[index] = keepStopped(loc, old[index], env.states[index]);
  return success();
}

LogicalResult ProgramLowering::inferByHeun(InferOp op, const BitVector &free) {
  // h* = h - lr g(h); h <- h - lr/2 (g(h) + g(h*)).
  Location loc = op.getLoc();
  Environment start = joint ? *joint : env;
  Value lr = getSetting(loc, op.getSettings(), op.getNumbers(), "lr", 0.0);
  Value half = arith::MulFOp::create(builder, loc, number(loc, 0.5), lr);
  auto moved = [&](unsigned index, Value old, Value gradient, Value rate) {
    Value step =
        ScaleOp::create(builder, loc, gradient.getType(), gradient, rate);
    return hold(loc, index, old,
                SubOp::create(builder, loc, old.getType(), old, step));
  };
  FailureOr<GradientValues> first =
      buildGradient(op, GradientKind::States, {start}, free);
  if (failed(first))
    return failure();
  Environment ahead = start;
  for (unsigned index : free.set_bits())
    ahead.setState(index,
                   moved(index, start.states[index], first->values[index], lr));
  FailureOr<GradientValues> second =
      buildGradient(op, GradientKind::States, {ahead}, free);
  if (failed(second))
    return failure();
  for (unsigned index : free.set_bits()) {
    Value sum = AddOp::create(builder, loc, first->values[index].getType(),
                              first->values[index], second->values[index]);
    assign(loc, index, moved(index, env.states[index], sum, half));
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
    if (node.prediction) {
      Value error = env.errors[index];
      if (!error) {
        Value prediction = evaluate(op, evaluator, node.prediction, env);
        if (!prediction)
          return failure();
        error = SubOp::create(builder, op->getLoc(), prediction.getType(),
                              env.states[index], prediction);
      }
      addOutput(makePort(PortKind::Output,
                         (node.name + ".error" + suffix).str(),
                         {detail("trace", trace)}),
                error);
    }
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
  infersErrors |= op.getErrors();
  warnOfCrossEntropy(op, *free);
  if (op.getOptimiser() == OptimiserKind::Heun) {
    if (failed(inferByHeun(op, *free)))
      return failure();
    traceStep += options.trace;
    return options.trace ? traceStates(op) : success();
  }
  FailureOr<GradientValues> gradient = buildGradient(
      op, op.getErrors() ? GradientKind::Errors : GradientKind::States,
      {joint ? *joint : env}, *free);
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
  if (failed(updateStates(op, op.getOptimiser(), *gradient, op.getSettings(),
                          op.getNumbers())))
    return failure();
  return options.trace ? traceStates(op) : success();
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::checkReachable(Operation *op,
                                              const BitVector &free) {
  // infer_c2: every vode that moves is tied, through terms, to one that is or
  // was clamped or set: a memory falls from what it is given.
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
    if (given.test(index))
      driven.insert(classes.getLeaderValue(index));
  for (unsigned index : free.set_bits()) {
    if (driven.contains(classes.getLeaderValue(index)))
      continue;
    InFlightDiagnostic diag = op->emitOpError("moves '@")
                              << graph.getNodes()[index].name
                              << "', which no energy ties to a clamped vode";
    diag.attachNote(graph.getNodes()[index].op->getLoc()) << "declared here";
    return diag;
  }
  return success();
}

/// The cross entropies that take a node's own state for a distribution; whether
/// nothing but them reads it.
static SmallVector<CrossEntropyOp> getOwnCrossEntropies(const ModelNode &node,
                                                        bool &only) {
  SmallVector<CrossEntropyOp> found;
  Value state = node.op->getResult(0);
  only = true;
  for (Operation *user : state.getUsers()) {
    auto entropy = dyn_cast<CrossEntropyOp>(user);
    if (entropy && entropy.getState() == state &&
        entropy.getPrediction() != state)
      found.push_back(entropy);
    else
      only &= isa<ProbeOp>(user);
  }
  return found;
}

void ProgramLowering::warnOfCrossEntropy(Operation *op,
                                         const BitVector &moved) {
  // The programs of an analysis are copies: they would say it again.
  if (program.getTrace())
    return;
  for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
    if (node.isInput || clamped[index])
      continue;
    bool only = false;
    SmallVector<CrossEntropyOp> entropies = getOwnCrossEntropies(node, only);
    if (entropies.empty() || !warned.insert({op, index}).second)
      continue;
    // infer_c5: -h log p has no minimum in h.
    if (moved[index] && only) {
      InFlightDiagnostic diag = op->emitWarning("moves '@")
                                << node.name
                                << "', which nothing but its cross entropy "
                                   "reads: that is linear in the state and has "
                                   "no minimum; clamp it, or leave it out of "
                                   "vodes(...)";
      diag.attachNote(node.op->getLoc()) << "declared here";
      continue;
    }
    // infer_c6: logits are no distribution.
    if (predicted[index] && !node.prediction.getDefiningOp<SoftmaxOp>()) {
      InFlightDiagnostic diag =
          op->emitWarning("takes the prediction of '@")
          << node.name
          << "', which pc.init forward has made its state, for a distribution: "
             "its cross entropy expects probabilities; clamp it, or predict by "
             "pc.softmax";
      diag.attachNote(node.op->getLoc()) << "declared here";
    }
  }
}

void ProgramLowering::remarkShortInference() {
  if (!firstInfer || !forwardInitialised || infersErrors || weightSteps == 0)
    return;
  // Distances from the clamped vodes that are predicted: the error starts
  // there.
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
