//===- ExpandLayers.cpp - Explicit parameters, states and energies --------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

namespace pc {
#define GEN_PASS_DEF_EXPANDLAYERSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
/// Floor of a learned log sigma: a precision of at most exp(20).
constexpr double kMinLogSigma = -10.0;

struct ExpandLayersPass
    : public pc::impl::ExpandLayersPassBase<ExpandLayersPass> {
  void runOnOperation() final;
};
} // namespace

/// The initialiser with its fan-in, if it takes it from the layer.
static InitAttr resolveFanIn(MLIRContext *context, std::optional<InitAttr> init,
                             int64_t fanIn) {
  if (!init || init->takesFanInOfLayer())
    return InitAttr::get(context, InitKind::FanIn, static_cast<double>(fanIn));
  return *init;
}

/// W x + b with its parameters.
static void expandLinear(LinearOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto input = op.getInput().getType();
  auto output = op.getType();
  int64_t fanIn = input.getDimSize(0);
  Type element = output.getElementType();
  StringRef layer = op.getLayer();
  auto weight = ParamOp::create(
      builder, loc,
      RankedTensorType::get({output.getDimSize(0), fanIn}, element),
      (layer + ".weight").str(),
      resolveFanIn(op.getContext(), op.getWeightInit(), fanIn));
  Value result = DenseOp::create(builder, loc, output, op.getInput(), weight,
                                 /*transposed=*/false);
  if (!op.getNoBias()) {
    auto bias =
        ParamOp::create(builder, loc, output, (layer + ".bias").str(),
                        resolveFanIn(op.getContext(), op.getBiasInit(), fanIn));
    result = AddOp::create(builder, loc, output, result, bias);
  }
  op.replaceAllUsesWith(result);
  op.erase();
}

/// Energy of a vode per sample, before the precision; null for energy(zero).
static FailureOr<Value> buildVodeEnergy(OpBuilder &builder, VodeOp op,
                                        Value state, SymbolTable &symbols) {
  Location loc = op.getLoc();
  Type type = state.getType();
  Type scalar = RankedTensorType::get({}, op.getType().getElementType());
  Value prediction = op.getPrediction();
  if (auto kind = dyn_cast<EnergyKindAttr>(op.getEnergy())) {
    switch (kind.getValue()) {
    case EnergyKind::Zero:
      return Value();
    case EnergyKind::CrossEntropy:
      return CrossEntropyOp::create(builder, loc, scalar, state, prediction)
          .getResult();
    case EnergyKind::SquaredError:
      break;
    }
    Value logSigma = op.getLogSigma();
    if (!logSigma)
      return SquaredErrorOp::create(builder, loc, scalar, state, prediction)
          .getResult();
    // One number stands for all elements.
    if (logSigma.getType() != type)
      logSigma = BroadcastOp::create(builder, loc, type, logSigma);
    // sum 1/2 ((h - u) exp(-s))^2 + s, with s floored.
    Type element = op.getType().getElementType();
    auto error = SubOp::create(builder, loc, type, state, prediction);
    auto terms =
        ElementwiseOp::create(builder, loc, type, ValueRange{error, logSigma});
    {
      OpBuilder::InsertionGuard guard(builder);
      Block *body = builder.createBlock(&terms.getBody(), {},
                                        {element, element}, {loc, loc});
      auto constant = [&](double value) {
        return buildFloat(builder, loc, element, value);
      };
      Value s = arith::MaximumFOp::create(builder, loc, body->getArgument(1),
                                          constant(kMinLogSigma));
      Value scale = math::ExpOp::create(builder, loc,
                                        arith::NegFOp::create(builder, loc, s));
      Value z =
          arith::MulFOp::create(builder, loc, body->getArgument(0), scale);
      Value half =
          arith::MulFOp::create(builder, loc, constant(0.5),
                                arith::MulFOp::create(builder, loc, z, z));
      YieldOp::create(builder, loc,
                      ValueRange{arith::AddFOp::create(builder, loc, half, s)});
    }
    return SumOp::create(builder, loc, scalar, terms).getResult();
  }
  // A user's energy: inlined at the vode.
  auto name = cast<FlatSymbolRefAttr>(op.getEnergy());
  auto energy = symbols.lookup<EnergyOp>(name.getAttr());
  if (!energy) {
    // vode_c5
    SmallVector<StringRef> known;
    for (EnergyOp other : cast<ModuleOp>(symbols.getOp()).getOps<EnergyOp>())
      known.push_back(other.getSymName());
    op.emitOpError("names the unknown energy '@")
        << name.getValue() << "'" << suggest(name.getValue(), known);
    return failure();
  }
  Block &body = energy.getBody().front();
  // vode_c6
  if (body.getArgument(0).getType() != type) {
    InFlightDiagnostic diag = op.emitOpError("has a state of type ")
                              << type << " but its energy '@" << name.getValue()
                              << "' takes " << body.getArgument(0).getType();
    diag.attachNote(energy.getLoc()) << "the energy is here";
    return failure();
  }
  IRMapping mapping;
  mapping.map(body.getArgument(0), state);
  mapping.map(body.getArgument(1), prediction);
  for (Operation &inner : body.without_terminator())
    builder.clone(inner, mapping);
  return mapping.lookup(cast<YieldOp>(body.back()).getValues().front());
}

static LogicalResult expandVode(VodeOp op, SymbolTable &symbols) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  Value state = StateOp::create(builder, loc, op.getType(), op.getName());
  FailureOr<Value> energy = buildVodeEnergy(builder, op, state, symbols);
  if (failed(energy))
    return failure();
  if (std::optional<APFloat> precision = op.getPrecision();
      precision && *energy && precision->convertToDouble() != 1.0) {
    Value factor = arith::ConstantOp::create(
        builder, loc, builder.getF64FloatAttr(precision->convertToDouble()));
    *energy = ScaleOp::create(builder, loc, energy->getType(), *energy, factor);
  }
  TermOp::create(builder, loc, op.getName(), op.getPrediction(), *energy);
  op.getState().replaceAllUsesWith(state);
  op.erase();
  return success();
}

/// Checks that the parameters of one name in a file are one array.
static LogicalResult checkSharedParams(ModuleOp module) {
  llvm::StringMap<ParamOp> params;
  bool failedAny = false;
  for (ModelOp model : module.getOps<ModelOp>())
    for (ParamOp param : model.getBody().front().getOps<ParamOp>()) {
      auto [it, inserted] = params.try_emplace(param.getName(), param);
      ParamOp first = it->second;
      auto owner = cast<ModelOp>(first->getParentOp());
      // param_c1; the verifier compares those of one model.
      if (inserted || owner == model ||
          (first.getType() == param.getType() &&
           first.getInitAttr() == param.getInitAttr()))
        continue;
      InFlightDiagnostic diag =
          param.emitError("parameter '@")
          << param.getName() << "' of type " << param.getType()
          << " is that of model '@" << owner.getSymName()
          << "', where it has another type or initialiser; models of a file "
             "share parameters of one name: call the layer otherwise";
      diag.attachNote(first.getLoc()) << "as " << first.getType() << " here";
      failedAny = true;
    }
  return failure(failedAny);
}

void ExpandLayersPass::runOnOperation() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  bool failedAny = false;
  for (ModelOp model : module.getOps<ModelOp>()) {
    for (Operation &op : llvm::make_early_inc_range(model.getBody().front())) {
      if (auto linear = dyn_cast<LinearOp>(op))
        expandLinear(linear);
      else if (auto vode = dyn_cast<VodeOp>(op))
        failedAny |= failed(expandVode(vode, symbols));
    }
    // param_c2: what no energy and no prediction reads will never learn.
    llvm::StringMap<Operation *> unused;
    for (ParamOp param : model.getBody().front().getOps<ParamOp>())
      unused.try_emplace(param.getName(), param);
    for (ParamOp param : model.getBody().front().getOps<ParamOp>())
      if (!param->use_empty())
        unused.erase(param.getName());
    for (ParamOp param : model.getBody().front().getOps<ParamOp>())
      if (unused.lookup(param.getName()) == param)
        param.emitWarning("parameter '@") << param.getName() << "' is not used";
  }
  failedAny |= failed(checkSharedParams(module));
  if (failedAny)
    signalPassFailure();
}
