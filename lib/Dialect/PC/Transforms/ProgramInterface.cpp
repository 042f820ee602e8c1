//===- ProgramInterface.cpp - The function that a program becomes ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramLowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/IR/Suggest.h"

using namespace mlir;
using namespace pc;

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
  (void)function.insertArgument(index, type,
                                builder.getDictionaryAttr(builder.getNamedAttr(
                                    PCDialect::kPortAttrName, port)),
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
                                       DictionaryAttr settings, StringRef owner,
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
      if (hasMomentum(settings))
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
  // Averages: for all programs on the model, a name means one set.
  llvm::StringMap<BitVector> averages;
  cast<ModuleOp>(program->getParentOp()).walk([&](AverageOp op) {
    if (op->getParentOfType<ProgramOp>().getModel() == program.getModel()) {
      BitVector &set = averages[op.getName()];
      set.resize(graph.getParams().size());
      set |= findParams(op.getParamsAttr());
    }
  });
  auto declareAverage = [&](StringRef name) {
    auto set = averages.find(name);
    if (set == averages.end())
      return false;
    for (unsigned index : set->second.set_bits()) {
      const ModelParam &param = graph.getParams()[index];
      StringAttr key = builder.getStringAttr(name + "." + param.name);
      if (env.optimiser.count(key))
        continue;
      // Starts as the parameter does.
      PortAttr port =
          makePort(PortKind::Buffer, key.getValue(),
                   {detail("init", param.init),
                    detail("stream", builder.getI64IntegerAttr(param.stream))});
      storage.push_back({port, param.type});
      env.optimiser[key] = addArgument(param.type, port, param.loc);
    }
    return true;
  };
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
      if (failed(params = getSelectedParams(op, backprop.getParamsAttr())))
        return WalkResult::interrupt();
      declareOptimiser(backprop.getOptimiser(), backprop.getSettings(),
                       getOwner(backprop.getOptimiser(), backprop.getOwner()),
                       *params);
    } else if (auto update = dyn_cast<UpdateOp>(op)) {
      if (getGradientKind(update.getGradient()) != GradientKind::Params) {
        usesAdam |= update.getOptimiser() == OptimiserKind::Adam;
        usesMomentum |= hasMomentum(update.getSettings());
        return WalkResult::advance();
      }
      if (failed(params = getSelectedParams(op, update.getOnlyAttr())))
        return WalkResult::interrupt();
      declareOptimiser(update.getOptimiser(), update.getSettings(),
                       getOwner(update.getOptimiser(), update.getOwner()),
                       *params);
    } else if (auto average = dyn_cast<AverageOp>(op)) {
      declareAverage(average.getName());
    } else if (auto use = dyn_cast<UseOp>(op)) {
      // use_c4
      if (!declareAverage(use.getName())) {
        use.emitOpError("names the unknown average '@")
            << use.getName() << "'" << suggest(use.getName(), averages.keys());
        return WalkResult::interrupt();
      }
    } else if (auto infer = dyn_cast<InferOp>(op)) {
      usesAdam |= infer.getOptimiser() == OptimiserKind::Adam;
      usesMomentum |= hasMomentum(infer.getSettings());
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
      return isOperand
                 ? mapped(numbers[operand])
                 : number(
                       loc,
                       cast<FloatAttr>(setting.getValue()).getValueAsDouble());
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
  Value sum =
      BatchSumOp::create(builder, loc,
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
    // A name space: of a model of the program, or of an applied block.
    std::string space = (symbol.getValue() + ".").str();
    bool isSpace = false, moves = false;
    if (!graph.findNode(symbol.getValue()))
      for (auto [index, node] : llvm::enumerate(graph.getNodes())) {
        if (!node.name.starts_with(space))
          continue;
        isSpace = true;
        if (node.isInput || clamped[index])
          continue;
        moves = true;
        free.set(index);
      }
    // program_c6
    if (isSpace && !moves)
      return op->emitOpError("moves '@")
             << symbol.getValue() << "', in which every vode is clamped";
    if (isSpace)
      continue;
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

BitVector ProgramLowering::findParams(ArrayAttr names) const {
  BitVector found(graph.getParams().size(), !names);
  if (names)
    for (auto symbol : names.getAsRange<FlatSymbolRefAttr>())
      for (auto [index, param] : llvm::enumerate(graph.getParams()))
        // A parameter, or a layer: all parameters in its name space.
        if (StringRef rest = param.name;
            rest.consume_front(symbol.getValue()) &&
            (rest.empty() || rest[0] == '.'))
          found.set(index);
  return found;
}

FailureOr<BitVector> ProgramLowering::getSelectedParams(Operation *op,
                                                        ArrayAttr names) {
  if (!names)
    return findParams(names);
  for (auto symbol : names.getAsRange<FlatSymbolRefAttr>()) {
    // program_c7
    if (findParams(builder.getArrayAttr(symbol)).none())
      return op->emitOpError("names the unknown parameter '@")
             << symbol.getValue() << "'"
             << suggest(symbol.getValue(),
                        llvm::map_range(graph.getParams(),
                                        [](const ModelParam &param) {
                                          return param.name;
                                        }));
  }
  return findParams(names);
}

//===----------------------------------------------------------------------===//
// Numbers that the runtime gives
//===----------------------------------------------------------------------===//

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
  Value one = number(loc, 1.0);
  Value count = arith::SIToFPOp::create(builder, loc, f64,
                                        env.optimiser[getWeightStepName()]);
  Value total = getCounter(loc, "total_steps", f64);
  // Outside of a run (total_steps = 0) the rate is the base.
  auto define = [&](Value rate) {
    Value inRun = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT,
                                        total, number(loc, 0.0));
    scalars.map(op.getResult(),
                arith::SelectOp::create(builder, loc, inRun, rate, base));
    return success();
  };
  if (op.getKind() == ScheduleKind::Step) {
    Value period = mul(number(loc, op.getEvery()->convertToDouble()), total);
    Value passed = math::FloorOp::create(builder, loc, div(count, period));
    return define(mul(
        base, math::PowFOp::create(builder, loc,
                                   number(loc, op.getBy()->convertToDouble()),
                                   passed)));
  }
  double peakFactor = op.getPeak().convertToDouble();
  Value warmup = math::FloorOp::create(
      builder, loc, mul(number(loc, op.getWarmup().convertToDouble()), total));
  Value peak = mul(base, number(loc, peakFactor));
  Value alpha = number(loc, op.getEnd().convertToDouble() / peakFactor);
  // Linear from base to peak while count < warmup.
  Value fraction =
      div(count, arith::MaximumFOp::create(builder, loc, warmup, one));
  Value linear = add(base, mul(sub(peak, base), fraction));
  // Cosine from peak to end after it.
  Value span = arith::MaximumFOp::create(builder, loc, sub(total, warmup), one);
  Value past =
      arith::MinimumFOp::create(builder, loc, sub(count, warmup), span);
  Value cosine = math::CosOp::create(
      builder, loc, mul(number(loc, 3.14159265358979323846), div(past, span)));
  Value decay = mul(number(loc, 0.5), add(one, cosine));
  Value decayed = mul(peak, add(mul(sub(one, alpha), decay), alpha));
  Value warming = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT,
                                        count, warmup);
  Value rate = arith::SelectOp::create(builder, loc, warming, linear, decayed);
  return define(rate);
}
