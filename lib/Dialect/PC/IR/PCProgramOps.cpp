//===- PCProgramOps.cpp - Programs: algorithms on models ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/Settings.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// ProgramOp
//===----------------------------------------------------------------------===//

// pc.program @train on @mlp[, @other ...] (%image: tensor<784xf32>,
//     %y as "label": ...) [role(train)] {
ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  auto &properties = result.getOrAddProperties<Properties>();
  StringAttr name, model;
  if (parser.parseSymbolName(name) || parser.parseKeyword("on") ||
      parser.parseSymbolName(model))
    return failure();
  properties.sym_name = name;
  properties.model = FlatSymbolRefAttr::get(model);
  SmallVector<Attribute> others;
  while (succeeded(parser.parseOptionalComma())) {
    if (parser.parseSymbolName(model))
      return failure();
    others.push_back(FlatSymbolRefAttr::get(model));
  }
  if (!others.empty())
    properties.other_models = builder.getArrayAttr(others);

  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<StringRef> names;
  SmallVector<std::string> storage;
  storage.reserve(64);
  auto parseOne = [&]() -> ParseResult {
    OpAsmParser::Argument &argument = arguments.emplace_back();
    if (parser.parseArgument(argument))
      return failure();
    std::string input = argument.ssaName.name.drop_front().str();
    if (succeeded(parser.parseOptionalKeyword("as")) &&
        parser.parseString(&input))
      return failure();
    storage.push_back(input);
    return parser.parseColonType(argument.type);
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::OptionalParen,
                                     parseOne))
    return failure();
  for (std::string &input : storage)
    names.push_back(input);
  properties.input_names = builder.getStrArrayAttr(names);

  if (succeeded(parser.parseOptionalKeyword("role"))) {
    StringRef keyword;
    if (parser.parseLParen())
      return failure();
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return failure();
    std::optional<Role> role = symbolizeRole(keyword);
    if (!role)
      return parser.emitError(loc, "unknown role '")
             << keyword << "', expected train, evaluate, sample or other";
    if (parser.parseRParen())
      return failure();
    properties.role = RoleAttr::get(parser.getContext(), *role);
  }
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, arguments))
    return failure();
  if (body->empty())
    body->emplaceBlock();
  return success();
}

void ProgramOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printer << " on ";
  llvm::interleaveComma(getModels(), printer, [&](StringAttr model) {
    printer.printSymbolName(model);
  });
  printer << " (";
  Block &body = getBody().front();
  llvm::interleaveComma(
      body.getArguments(), printer, [&](BlockArgument argument) {
        std::string value;
        llvm::raw_string_ostream os(value);
        printer.printOperand(argument, os);
        StringRef name = getInputName(argument.getArgNumber());
        printer << value;
        if (StringRef(value).drop_front() != name)
          printer << " as \"" << name << "\"";
        printer << ": " << argument.getType();
      });
  printer << ")";
  if (std::optional<Role> role = getRole())
    printer << " role(" << stringifyRole(*role) << ")";
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {"sym_name", "model", "role", "input_names", "other_models"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

SmallVector<StringAttr> ProgramOp::getModels() {
  SmallVector<StringAttr> models = {getModelAttr().getAttr()};
  if (ArrayAttr others = getOtherModelsAttr())
    for (auto other : others.getAsRange<FlatSymbolRefAttr>())
      models.push_back(other.getAttr());
  return models;
}

StringRef ProgramOp::getInputName(unsigned index) {
  return cast<StringAttr>((*getInputNames())[index]).getValue();
}

void ProgramOp::getAsmBlockArgumentNames(Region &region,
                                         OpAsmSetValueNameFn setName) {
  for (BlockArgument argument : region.getArguments())
    if (getInputNames() && argument.getArgNumber() < getInputNames()->size())
      setName(argument, getInputName(argument.getArgNumber()));
}

Role ProgramOp::getEffectiveRole() {
  if (std::optional<Role> role = getRole())
    return *role;
  bool learns = false, predicts = false;
  walk([&](Operation *op) {
    if (isa<LearnOp, BackpropOp>(op))
      learns = true;
    if (auto update = dyn_cast<UpdateOp>(op))
      learns |= getGradientKind(update.getGradient()) == GradientKind::Params;
    predicts |= isa<PredictOp>(op);
  });
  return learns ? Role::Train : predicts ? Role::Evaluate : Role::Other;
}

LogicalResult ProgramOp::verifyRegions() {
  Block &body = getBody().front();
  // program_c11
  llvm::DenseSet<StringAttr> models;
  for (StringAttr model : getModels())
    if (!models.insert(model).second)
      return emitOpError("is on '@") << model.getValue() << "' twice";
  // program_c1
  if (!getInputNames() || getInputNames()->size() != body.getNumArguments())
    return emitOpError("expects one name for each of its ")
           << body.getNumArguments() << " inputs";
  llvm::StringSet<> names;
  for (BlockArgument argument : body.getArguments()) {
    StringRef name = getInputName(argument.getArgNumber());
    // program_c2
    if (!names.insert(name).second)
      return emitOpError("has two inputs named '") << name << "'";
    // program_c3
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !isa<Float32Type, Float64Type>(type.getElementType()))
      return emitOpError("input '")
             << name << "' has type " << argument.getType()
             << ", expected a tensor of f32 or f64, per sample";
  }
  // program_c4: statements, numbers and pure tensor operations.
  WalkResult result = walk([&](Operation *op) {
    if (op == getOperation())
      return WalkResult::advance();
    Dialect *dialect = op->getDialect();
    if (isa_and_nonnull<arith::ArithDialect, math::MathDialect>(dialect)) {
      for (Type type : op->getResultTypes())
        if (!type.isIntOrFloat()) {
          op->emitOpError("computes with numbers in a program, found ") << type;
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    }
    if (isa_and_nonnull<PCDialect>(dialect) &&
        !isa<InputOp, ParamOp, LinearOp, VodeOp, StateOp, TermOp, ApplyOp,
             ProbeOp>(op))
      return WalkResult::advance();
    if (!isa_and_nonnull<PCDialect>(dialect) && isComputation(op))
      return WalkResult::advance();
    op->emitOpError("cannot stand in a program");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// RepeatOp
//===----------------------------------------------------------------------===//

ParseResult RepeatOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  int64_t count = 0;
  StringAttr size;
  OptionalParseResult literal = parser.parseOptionalInteger(count);
  if (!literal.has_value() && succeeded(parser.parseOptionalSymbolName(size))) {
    // Its value is that of the model's parameter once that is bound.
    result.getOrAddProperties<Properties>().size = FlatSymbolRefAttr::get(size);
  } else if (literal.has_value()) {
    if (failed(*literal))
      return failure();
  } else {
    OpAsmParser::UnresolvedOperand bound;
    if (parser.parseOperand(bound) || parser.parseKeyword("max") ||
        parser.parseInteger(count) ||
        parser.resolveOperand(bound, builder.getF64Type(), result.operands))
      return failure();
  }
  result.getOrAddProperties<Properties>().count =
      builder.getI64IntegerAttr(count);
  OpAsmParser::Argument index;
  index.type = builder.getF64Type();
  SmallVector<OpAsmParser::Argument, 1> arguments;
  if (succeeded(parser.parseOptionalKeyword("index"))) {
    if (parser.parseLParen() || parser.parseArgument(index) ||
        parser.parseRParen())
      return failure();
    arguments.push_back(index);
  }
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, arguments))
    return failure();
  if (body->empty())
    body->emplaceBlock();
  return success();
}

void RepeatOp::print(OpAsmPrinter &printer) {
  printer << " ";
  if (Value bound = getDynamicCount())
    printer << bound << " max ";
  if (FlatSymbolRefAttr size = getSizeAttr())
    printer << size;
  else
    printer << getCount();
  Block &body = getBody().front();
  if (body.getNumArguments() == 1)
    printer << " index(" << body.getArgument(0) << ")";
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"count", "size"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult RepeatOp::verify() {
  // repeat_c1
  if (static_cast<int64_t>(getCount()) < 0)
    return emitOpError("expects a count of at least 0, found ")
           << static_cast<int64_t>(getCount());
  // repeat_c2
  Block &body = getBody().front();
  if (body.getNumArguments() > 1 ||
      (body.getNumArguments() == 1 && !body.getArgument(0).getType().isF64()))
    return emitOpError("takes at most one index, an f64");
  return success();
}

//===----------------------------------------------------------------------===//
// Optimisers
//===----------------------------------------------------------------------===//

/// The settings that an optimiser knows.
static ArrayRef<StringRef> getKnownSettings(OptimiserKind kind) {
  static constexpr StringRef sgd[] = {"lr", "momentum", "nesterov"};
  static constexpr StringRef adam[] = {"lr", "b1", "b2", "eps"};
  static constexpr StringRef adamw[] = {"lr", "b1", "b2", "eps",
                                        "weight_decay"};
  static constexpr StringRef langevin[] = {"lr", "momentum", "variance"};
  static constexpr StringRef heun[] = {"lr"};
  switch (kind) {
  case OptimiserKind::SGD:
    return sgd;
  case OptimiserKind::Adam:
    return adam;
  case OptimiserKind::AdamW:
    return adamw;
  case OptimiserKind::Langevin:
    return langevin;
  case OptimiserKind::Heun:
    return heun;
  }
  llvm_unreachable("an optimiser without settings");
}

LogicalResult pc::checkSetting(Operation *op, OptimiserKind kind,
                               StringRef name, double value) {
  // optimiser_c6; a NaN fails as well.
  bool fraction = name == "momentum" || name == "b1" || name == "b2";
  bool divides = name == "lr" && kind == OptimiserKind::Langevin;
  if (fraction ? value >= 0.0 && value < 1.0
               : (divides ? value > 0.0 : value >= 0.0))
    return success();
  return op->emitOpError("setting '") << name << "' expects a number "
                                      << (fraction  ? "in [0, 1)"
                                          : divides ? "above 0"
                                                    : "of at least 0")
                                      << ", found " << value;
}

/// Checks the settings of an optimiser: known names, a rate, as many operands
/// as settings that need one.
static LogicalResult verifySettings(Operation *op, OptimiserKind kind,
                                    DictionaryAttr settings,
                                    OperandRange numbers) {
  ArrayRef<StringRef> known = getKnownSettings(kind);
  size_t dynamic = 0;
  for (NamedAttribute setting : settings) {
    StringRef name = setting.getName().getValue();
    // optimiser_c1
    if (!llvm::is_contained(known, name)) {
      InFlightDiagnostic diag = op->emitOpError("optimiser ")
                                << stringifyOptimiserKind(kind)
                                << " has no setting '" << name
                                << "', expected one of ";
      llvm::interleave(
          known, diag, [&](StringRef known) { diag << known; }, ", ");
      return diag << suggest(name, known);
    }
    // optimiser_c5
    if (isa<BoolAttr>(setting.getValue()) != (name == "nesterov"))
      return name == "nesterov"
                 ? op->emitOpError("setting 'nesterov' is a flag and takes no "
                                   "number")
                 : op->emitOpError("setting '")
                       << name << "' expects a number: " << name << " = ...";
    if (isa<BoolAttr>(setting.getValue()))
      continue;
    if (isa<UnitAttr>(setting.getValue())) {
      ++dynamic;
      continue;
    }
    auto number = dyn_cast<FloatAttr>(setting.getValue());
    // optimiser_c2
    if (!number || !number.getValue().isFinite())
      return op->emitOpError("setting '")
             << name << "' expects a finite number, found "
             << setting.getValue();
    if (failed(checkSetting(op, kind, name, number.getValueAsDouble())))
      return failure();
  }
  // optimiser_c3
  if (!settings.get("lr"))
    return op->emitOpError("optimiser ")
           << stringifyOptimiserKind(kind) << " needs a rate: lr = ...";
  // optimiser_c4
  if (dynamic != numbers.size())
    return op->emitOpError("has ") << numbers.size() << " operands for "
                                   << dynamic << " settings that take one";
  return success();
}

/// Checks that an optimiser moves what it can move.
static LogicalResult verifyMovable(Operation *op, OptimiserKind kind,
                                   bool states) {
  bool decays = kind == OptimiserKind::AdamW;
  bool statesOnly =
      kind == OptimiserKind::Langevin || kind == OptimiserKind::Heun;
  if (states && decays)
    return op->emitOpError(
               "moves states by sgd, adam, langevin or heun, found ")
           << stringifyOptimiserKind(kind);
  if (!states && statesOnly)
    return op->emitOpError("moves parameters by sgd, adam or adamw, found ")
           << stringifyOptimiserKind(kind);
  return success();
}

/// Checks that `no_decay` stands with an optimiser that decays.
static LogicalResult verifyNoDecay(Operation *op, OptimiserKind kind,
                                   ArrayAttr noDecay) {
  if (noDecay && kind != OptimiserKind::AdamW)
    return op->emitOpError("takes no_decay only with adamw, found ")
           << stringifyOptimiserKind(kind);
  return success();
}

LogicalResult InferOp::verify() {
  // infer_c1
  if (failed(verifyMovable(*this, getOptimiser(), /*states=*/true)))
    return failure();
  // infer_c3
  if (getErrors() && (getOptimiser() == OptimiserKind::Langevin ||
                      getOptimiser() == OptimiserKind::Heun))
    return emitOpError("moves errors by sgd or adam, found ")
           << stringifyOptimiserKind(getOptimiser());
  return verifySettings(*this, getOptimiser(), getSettings(), getNumbers());
}

LogicalResult LearnOp::verify() {
  // learn_c1, learn_c2
  if (failed(verifyMovable(*this, getOptimiser(), /*states=*/false)) ||
      failed(verifyNoDecay(*this, getOptimiser(), getNoDecayAttr())))
    return failure();
  return verifySettings(*this, getOptimiser(), getSettings(), getNumbers());
}

LogicalResult BackpropOp::verify() {
  // learn_c1, learn_c2
  if (failed(verifyMovable(*this, getOptimiser(), /*states=*/false)) ||
      failed(verifyNoDecay(*this, getOptimiser(), getNoDecayAttr())))
    return failure();
  return verifySettings(*this, getOptimiser(), getSettings(), getNumbers());
}

std::optional<GradientKind> pc::getGradientKind(Value gradient) {
  // A combination has the kind of its parts.
  while (Operation *op = gradient.getDefiningOp()) {
    if (auto leaf = dyn_cast<GradientOp>(op))
      return leaf.getKind();
    if (auto clip = dyn_cast<ClipOp>(op))
      gradient = clip.getGradient();
    else if (auto curvature = dyn_cast<CurvatureOp>(op))
      gradient = curvature.getGradient();
    else if (auto combine = dyn_cast<CombineOp>(op);
             combine && !combine.getGradients().empty())
      gradient = combine.getGradients().front();
    else
      break;
  }
  return std::nullopt;
}

LogicalResult UpdateOp::verify() {
  if (std::optional<GradientKind> kind = getGradientKind(getGradient())) {
    bool states = *kind != GradientKind::Params;
    // update_c1
    if (failed(verifyMovable(*this, getOptimiser(), states)))
      return failure();
    // update_c2
    if (states && getOwner())
      return emitOpError("names an owner, but the optimiser of states belongs "
                         "to the program");
    // update_c3
    if (getOptimiser() == OptimiserKind::Heun)
      return emitOpError("has one gradient, heun takes two: use pc.infer heun");
  }
  // learn_c2
  if (failed(verifyNoDecay(*this, getOptimiser(), getNoDecayAttr())))
    return failure();
  return verifySettings(*this, getOptimiser(), getSettings(), getNumbers());
}

LogicalResult GradientOp::verify() {
  // gradient_c1
  if (getTargets() && getKind() != GradientKind::Params)
    return emitOpError("takes targets only of parameters, found ")
           << stringifyGradientKind(getKind());
  return success();
}

LogicalResult CurvatureOp::verify() {
  // curvature_c1
  auto gradient = getGradient().getDefiningOp<GradientOp>();
  if (!gradient || gradient.getKind() == GradientKind::Params)
    return emitOpError("expects what a pc.gradient of states or errors made");
  // curvature_c2
  if (gradient->getBlock() != (*this)->getBlock())
    return emitOpError("does not stand beside its gradient, but in another "
                       "region");
  // curvature_c3
  if (getVodes().size() != getDirections().size())
    return emitOpError("names ") << getVodes().size() << " vodes for "
                                 << getDirections().size() << " directions";
  return success();
}

LogicalResult CombineOp::verify() {
  // combine_c1
  if (getGradients().empty())
    return emitOpError("expects at least one gradient");
  // combine_c2
  if (!getScales().empty() && getScales().size() != getGradients().size())
    return emitOpError("has ") << getScales().size() << " scales for "
                               << getGradients().size() << " gradients";
  // combine_c3
  std::optional<GradientKind> first = getGradientKind(getGradients().front());
  for (Value gradient : getGradients().drop_front()) {
    std::optional<GradientKind> kind = getGradientKind(gradient);
    if (first && kind && *kind != *first)
      return emitOpError("adds a gradient of ")
             << stringifyGradientKind(*kind) << " to one of "
             << stringifyGradientKind(*first);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Other statements
//===----------------------------------------------------------------------===//

LogicalResult HyperOp::verify() {
  double value = getValue().convertToDouble();
  // hyper_c3
  if (!std::isfinite(value))
    return emitOpError("expects a finite default, found ") << value;
  double min = getMin() ? getMin()->convertToDouble() : value;
  double max = getMax() ? getMax()->convertToDouble() : value;
  // hyper_c1
  if (!(min <= value && value <= max))
    return emitOpError("default ") << value << " is outside of its bounds ["
                                   << min << ", " << max << "]";
  return success();
}

LogicalResult ScheduleOp::verify() {
  double warmup = getWarmup().convertToDouble();
  // schedule_c1
  if (!(warmup >= 0.0 && warmup < 1.0))
    return emitOpError("expects a warm-up fraction in [0, 1), found ")
           << warmup;
  // schedule_c2
  if (!(getPeak().convertToDouble() > 0.0 && getPeak().isFinite()))
    return emitOpError("expects a positive peak factor, found ")
           << getPeak().convertToDouble();
  bool steps = getKind() == ScheduleKind::Step;
  // schedule_c3
  if (steps != getEvery().has_value() || steps != getBy().has_value())
    return steps ? emitOpError("step needs every(...) and by(...)")
                 : emitOpError("takes every and by only with step, found ")
                       << stringifyScheduleKind(getKind());
  // schedule_c4
  if (steps && !(getEvery()->convertToDouble() > 0.0 && getEvery()->isFinite()))
    return emitOpError(
               "expects a positive fraction of the run in every, found ")
           << getEvery()->convertToDouble();
  // schedule_c5
  for (auto [name, factor] :
       {std::pair("end", std::optional<APFloat>(getEnd())),
        std::pair("by", getBy())})
    if (factor && !(factor->isFinite() && factor->convertToDouble() >= 0.0))
      return emitOpError("expects a finite factor of at least 0 in ")
             << name << ", found " << factor->convertToDouble();
  return success();
}

LogicalResult InitOp::verify() {
  bool normal = getKind() == StateInitKind::Normal;
  // init_c1
  if (normal && !getDeviation())
    return emitOpError("normal needs a standard deviation: normal(0.05)");
  if (!normal && getDeviation())
    return emitOpError("takes a standard deviation only with normal");
  // init_c5
  if (getKind() == StateInitKind::Carried && getKeepMomentum())
    return emitOpError(
        "carried keeps the momentum as it is: keep_momentum says "
        "nothing more");
  // init_c2
  if (normal &&
      !(getDeviation()->isFinite() && getDeviation()->convertToDouble() >= 0.0))
    return emitOpError("expects a finite standard deviation of at least 0, "
                       "found ")
           << getDeviation()->convertToDouble();
  return success();
}

LogicalResult StopOp::verify() {
  // stop_c1
  if (getValue().getType().getRank() != 0)
    return emitOpError("compares one number per sample (a tensor of rank 0), "
                       "found ")
           << getValue().getType();
  return success();
}

LogicalResult WarnOp::verify() {
  // warn_c1
  if (!isa<ProgramOp>((*this)->getParentOp()))
    return emitOpError("cannot stand in a loop or in pc.joint: it warns of "
                       "the whole call");
  // warn_c2
  if (getMessage().trim().empty())
    return emitOpError("has no text");
  if (llvm::any_of(getMessage(), [](unsigned char c) { return c < 0x20; }))
    return emitOpError("expects one line of text, without control characters");
  return success();
}

LogicalResult ReportOp::verify() {
  // report_c1
  if (getValue() && getValue().getType().getRank() != 0)
    return emitOpError("reports one number per sample (a tensor of rank 0), "
                       "found ")
           << getValue().getType();
  return success();
}
