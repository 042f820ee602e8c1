//===- ProgramStates.cpp - Clamping, initialisation and inference ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace pc;

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
    PortAttr port =
        makePort(PortKind::Input, program.getInputName(argument.getArgNumber()),
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
    return op.emitOpError("'@")
           << op.getVode() << "' is an input: it has no energy to move by";
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
    Value noise = RandomNormalOp::create(builder, loc, type, seed, call,
                                         builder.getI64IntegerAttr(stream++));
    env.states[index] =
        ScaleOp::create(builder, loc, type, noise,
                        number(loc, op.getDeviation()->convertToDouble()));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Inference
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
    InFlightDiagnostic diag = op->emitOpError("moves '@")
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
