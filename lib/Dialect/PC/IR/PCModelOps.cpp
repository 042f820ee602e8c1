//===- PCModelOps.cpp - Models: layers, states, energies ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/Suggest.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

bool pc::isComputation(Operation *op) {
  return isPure(op) && (isa_and_nonnull<PCDialect>(op->getDialect()) ||
                        isa<ElementwiseOpInterface>(op));
}

/// A model's body holds model members, computations and constants: nothing that
/// could have an effect or a control flow of its own.
static LogicalResult verifyModelBody(Block &body) {
  for (Operation &op : body) {
    // model_c1
    if (isa<InputOp, ParamOp, LinearOp, VodeOp, StateOp, TermOp, ApplyOp,
            ProbeOp, SizeOp, YieldOp, arith::ConstantOp>(op))
      continue;
    // Numbers: scalings that follow the sizes of a model.
    if (isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
            op.getDialect()) &&
        llvm::all_of(op.getResultTypes(),
                     [](Type type) { return type.isIntOrFloat(); }))
      continue;
    if (isComputation(&op))
      continue;
    return op.emitOpError("cannot stand in a model: expected a layer, a vode, "
                          "an energy, a pure pc operation or a number");
  }
  return success();
}

/// Checks that states and inputs have unique names and that parameters of one
/// name agree.
static LogicalResult verifyModelNames(Block &body) {
  llvm::StringMap<Operation *> nodes, params, layers, probes;
  llvm::StringMap<Operation *> predictions;
  auto addNode = [&](Operation &op, StringRef name) -> LogicalResult {
    // model_c2
    auto [it, inserted] = nodes.try_emplace(name, &op);
    if (inserted)
      return success();
    InFlightDiagnostic diag = op.emitOpError("redefines '@") << name << "'";
    diag.attachNote(it->second->getLoc()) << "first defined here";
    return diag;
  };
  for (Operation &op : body) {
    if (auto input = dyn_cast<InputOp>(op)) {
      if (failed(addNode(op, input.getName())))
        return failure();
    } else if (auto vode = dyn_cast<VodeOp>(op)) {
      if (failed(addNode(op, vode.getName())))
        return failure();
    } else if (auto state = dyn_cast<StateOp>(op)) {
      if (failed(addNode(op, state.getName())))
        return failure();
    } else if (auto probe = dyn_cast<ProbeOp>(op)) {
      // probe_c1
      auto [it, inserted] = probes.try_emplace(probe.getName(), &op);
      if (!inserted) {
        InFlightDiagnostic diag = op.emitOpError("redefines the probe '@")
                                  << probe.getName() << "'";
        diag.attachNote(it->second->getLoc()) << "first defined here";
        return diag;
      }
    } else if (auto param = dyn_cast<ParamOp>(op)) {
      // param_c1: one name, one array.
      auto [it, inserted] = params.try_emplace(param.getName(), &op);
      auto first = cast<ParamOp>(it->second);
      if (!inserted && (first.getType() != param.getType() ||
                        first.getInitAttr() != param.getInitAttr())) {
        InFlightDiagnostic diag =
            op.emitOpError("parameter '@")
            << param.getName() << "' of type " << param.getType()
            << " is declared before with another type or initialiser";
        diag.attachNote(first.getLoc()) << "as " << first.getType() << " here";
        return diag;
      }
    } else if (auto linear = dyn_cast<LinearOp>(op)) {
      // linear_c2: layers of one name share their parameters.
      auto [it, inserted] = layers.try_emplace(linear.getLayer(), &op);
      auto first = cast<LinearOp>(it->second);
      if (!inserted &&
          (first.getInput().getType() != linear.getInput().getType() ||
           first.getType() != linear.getType() ||
           first.getNoBias() != linear.getNoBias())) {
        InFlightDiagnostic diag =
            op.emitOpError("layer '@")
            << linear.getLayer() << "' maps " << linear.getInput().getType()
            << " to " << linear.getType()
            << " but shares its parameters with one of another shape";
        diag.attachNote(first.getLoc()) << first.getInput().getType() << " to "
                                        << first.getType() << " here";
        return diag;
      }
    }
  }
  auto known = [&]() {
    SmallVector<StringRef> names;
    for (auto &entry : nodes)
      names.push_back(entry.getKey());
    llvm::sort(names);
    return names;
  };
  for (Operation &op : body) {
    auto term = dyn_cast<TermOp>(op);
    if (!term)
      continue;
    // term_c1: the vode exists and is a state.
    auto it = nodes.find(term.getVode());
    if (it == nodes.end())
      return op.emitOpError("names the unknown vode '@")
             << term.getVode() << "'" << suggest(term.getVode(), known());
    if (!isa<StateOp>(it->second))
      return op.emitOpError("adds to '@")
             << term.getVode() << "', which is not a pc.state";
    if (!term.getPrediction())
      continue;
    // term_c2: one prediction for a vode.
    auto [prediction, inserted] = predictions.try_emplace(term.getVode(), &op);
    if (!inserted) {
      InFlightDiagnostic diag = op.emitOpError("gives '@")
                                << term.getVode() << "' a second prediction";
      diag.attachNote(prediction->second->getLoc()) << "the first is here";
      return diag;
    }
    Type state = it->second->getResult(0).getType();
    if (term.getPrediction().getType() != state)
      return op.emitOpError("predicts ")
             << term.getPrediction().getType() << " but the state '@"
             << term.getVode() << "' is " << state;
  }
  return success();
}

/// Parses `(%x: type, ...)` into arguments.
static ParseResult
parseArguments(OpAsmParser &parser,
               SmallVectorImpl<OpAsmParser::Argument> &arguments) {
  return parser.parseArgumentList(arguments, AsmParser::Delimiter::Paren,
                                  /*allowType=*/true);
}

static void printArguments(OpAsmPrinter &printer, Block &block) {
  printer << "(";
  llvm::interleaveComma(
      block.getArguments(), printer,
      [&](BlockArgument argument) { printer.printRegionArgument(argument); });
  printer << ")";
}

static LogicalResult verifyYieldTypes(Operation *op, TypeRange expected) {
  Block &body = op->getRegion(0).front();
  auto yield = dyn_cast_or_null<YieldOp>(body.empty() ? nullptr : &body.back());
  if (!yield)
    return op->emitOpError("expects a body that ends with pc.yield");
  if (yield.getValues().getTypes() == expected)
    return success();
  return yield.emitOpError("yields (")
         << yield.getValues().getTypes() << "), expected (" << expected << ")";
}

//===----------------------------------------------------------------------===//
// ModelOp
//===----------------------------------------------------------------------===//

LogicalResult ModelOp::verifyRegions() {
  Block &body = getBody().front();
  if (failed(verifyModelBody(body)) || failed(verifyModelNames(body)))
    return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// BlockOp
//===----------------------------------------------------------------------===//

ParseResult BlockOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> outputs;
  if (parser.parseSymbolName(name) || parseArguments(parser, arguments) ||
      parser.parseOptionalArrowTypeList(outputs) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  SmallVector<Type> inputs = llvm::map_to_vector(
      arguments, [](OpAsmParser::Argument &argument) { return argument.type; });
  auto &properties = result.getOrAddProperties<Properties>();
  properties.sym_name = name;
  properties.function_type =
      TypeAttr::get(parser.getBuilder().getFunctionType(inputs, outputs));
  return parser.parseRegion(*result.addRegion(), arguments);
}

void BlockOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printArguments(printer, getBody().front());
  printer.printOptionalArrowTypeList(getFunctionType().getResults());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"sym_name", "function_type"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult BlockOp::verifyRegions() {
  Block &body = getBody().front();
  // block_c1
  if (body.getArgumentTypes() != TypeRange(getFunctionType().getInputs()))
    return emitOpError("has arguments (")
           << body.getArgumentTypes() << ") but its type says ("
           << getFunctionType().getInputs() << ")";
  // block_c2
  if (failed(verifyYieldTypes(*this, getFunctionType().getResults())))
    return failure();
  if (failed(verifyModelBody(body)) || failed(verifyModelNames(body)))
    return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// ParamOp
//===----------------------------------------------------------------------===//

/// Checks that the numbers of an initialiser are finite in the element type.
static LogicalResult verifyInit(Operation *op, std::optional<InitAttr> init,
                                RankedTensorType type) {
  if (!init)
    return success();
  // initialiser_c5
  for (double number : {init->getArg0(), init->getArg1()})
    if (!isFiniteIn(number, type.getElementType()))
      return op->emitOpError("initialises ")
             << type.getElementType() << " values with " << number
             << ", which is too large for them";
  return success();
}

LogicalResult ParamOp::verify() {
  std::optional<InitAttr> init = getInit();
  // initialiser_c6
  if (init && init->takesFanInOfLayer())
    return emitOpError("belongs to no layer whose inputs fan_in could count: "
                       "write fan_in(k)");
  return verifyInit(*this, init, getType());
}

//===----------------------------------------------------------------------===//
// LinearOp
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto output = cast<RankedTensorType>(getType());
  // linear_c1: vectors in, vectors out.
  if (input.getRank() != 1 || output.getRank() != 1)
    return emitOpError("maps a vector to a vector, found ")
           << input << " to " << output
           << "; flatten the input with pc.reshape";
  // linear_c3
  if (input.getElementType() != output.getElementType())
    return emitOpError("expects input and output of one element type, found ")
           << input << " and " << output;
  // linear_c4
  if (getNoBias() && getBiasInit())
    return emitOpError("has an initialiser for the bias that no_bias removes");
  if (failed(verifyInit(*this, getWeightInit(), output)))
    return failure();
  return verifyInit(*this, getBiasInit(), output);
}

//===----------------------------------------------------------------------===//
// VodeOp
//===----------------------------------------------------------------------===//

LogicalResult VodeOp::verify() {
  auto kind = dyn_cast<EnergyKindAttr>(getEnergy());
  if (Value logSigma = getLogSigma()) {
    // vode_c1
    if (!kind || kind.getValue() != EnergyKind::SquaredError)
      return emitOpError("log_sigma needs energy(se)");
    // vode_c2
    RankedTensorType state = getState().getType();
    auto scalar = RankedTensorType::get({}, state.getElementType());
    if (logSigma.getType() != state && logSigma.getType() != scalar)
      return emitOpError("log_sigma has type ")
             << logSigma.getType() << ", expected that of the state, " << state
             << ", or " << scalar;
    if (getPrecision())
      return emitOpError("takes precision or log_sigma, not both");
  }
  if (std::optional<APFloat> precision = getPrecision()) {
    // vode_c3
    if (!precision->isFiniteNonZero() || precision->isNegative())
      return emitOpError("expects a positive precision, found ")
             << precision->convertToDouble();
    if (kind && kind.getValue() == EnergyKind::Zero)
      return emitOpError("energy(zero) has no precision");
  }
  // vode_c4: a distribution over the last axis needs one.
  if (kind && kind.getValue() == EnergyKind::CrossEntropy &&
      getState().getType().getRank() < 1)
    return emitOpError("energy(ce) needs a tensor of rank 1 or more, found ")
           << getState().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// TermOp
//===----------------------------------------------------------------------===//

LogicalResult TermOp::verify() {
  // term_c3
  if (!getPrediction() && !getEnergy())
    return emitOpError("expects a prediction, an energy or both");
  // term_c4
  if (getEnergy() && getEnergy().getType().getRank() != 0)
    return emitOpError("expects one energy per sample (a tensor of rank 0), "
                       "found ")
           << getEnergy().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// EnergyOp
//===----------------------------------------------------------------------===//

ParseResult EnergyOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> arguments;
  if (parser.parseSymbolName(name) || parseArguments(parser, arguments) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  result.getOrAddProperties<Properties>().sym_name = name;
  return parser.parseRegion(*result.addRegion(), arguments);
}

void EnergyOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printArguments(printer, getBody().front());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"sym_name"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult EnergyOp::verifyRegions() {
  Block &body = getBody().front();
  // energy_c1
  if (body.getNumArguments() != 2 ||
      body.getArgument(0).getType() != body.getArgument(1).getType())
    return emitOpError("takes a state and a prediction of one type, found (")
           << body.getArgumentTypes() << ")";
  auto state = dyn_cast<RankedTensorType>(body.getArgument(0).getType());
  if (!state)
    return emitOpError("takes tensors, found ")
           << body.getArgument(0).getType();
  // energy_c2
  Type scalar = RankedTensorType::get({}, state.getElementType());
  if (failed(verifyYieldTypes(*this, scalar)))
    return failure();
  // energy_c3
  for (Operation &op : body.without_terminator())
    if (!isa<arith::ConstantOp>(op) && !isComputation(&op))
      return op.emitOpError(
          "cannot stand in an energy: expected a pure pc operation");
  return success();
}
