//===- PCOps.cpp - Assembly formats that the operations share -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/Suggest.h"

using namespace mlir;
using namespace pc;

namespace pc {
// Defined with the attribute, which has the same syntax.
ParseResult parseInit(AsmParser &parser, InitAttr &init);
void printInitBody(AsmPrinter &printer, InitAttr init);
} // namespace pc

//===----------------------------------------------------------------------===//
// custom<Keyword>: an enum attribute as a bare word
//===----------------------------------------------------------------------===//

template <typename AttrT>
static ParseResult parseKeyword(OpAsmParser &parser, AttrT &attr) {
  using EnumT = decltype(attr.getValue());
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  if (std::optional<EnumT> value = symbolizeEnum<EnumT>(keyword)) {
    attr = AttrT::get(parser.getContext(), *value);
    return success();
  }
  SmallVector<StringRef> names;
  for (uint32_t i = 0;; ++i) {
    StringRef name = stringifyEnum(static_cast<EnumT>(i));
    if (name.empty() || !symbolizeEnum<EnumT>(name))
      break;
    names.push_back(name);
  }
  InFlightDiagnostic diag = parser.emitError(loc, "unknown '")
                            << keyword << "', expected ";
  llvm::interleave(names, diag, [&](StringRef name) { diag << name; }, ", ");
  diag << suggest(keyword, names);
  return diag;
}

template <typename AttrT>
static void printKeyword(OpAsmPrinter &printer, Operation *, AttrT attr) {
  printer << stringifyEnum(attr.getValue());
}

//===----------------------------------------------------------------------===//
// custom<Settings>: lr = %lr, momentum = 0.65
//===----------------------------------------------------------------------===//

// A number that is written out is a FloatAttr; a unit stands for an operand; a
// name alone is a flag, a BoolAttr. Operands come in the order of the
// dictionary, which is alphabetical.
static ParseResult
parseSettings(OpAsmParser &parser,
              SmallVectorImpl<OpAsmParser::UnresolvedOperand> &numbers,
              DictionaryAttr &settings) {
  struct Setting {
    StringAttr name;
    Attribute value;
    OpAsmParser::UnresolvedOperand operand;
  };
  SmallVector<Setting> list;
  Builder &builder = parser.getBuilder();
  auto parseOne = [&]() -> ParseResult {
    Setting setting;
    std::string name;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeywordOrString(&name))
      return failure();
    setting.name = builder.getStringAttr(name);
    if (llvm::any_of(
            list, [&](Setting &other) { return other.name == setting.name; }))
      return parser.emitError(loc, "setting '") << name << "' is given twice";
    if (failed(parser.parseOptionalEqual())) {
      setting.value = builder.getBoolAttr(true);
      list.push_back(setting);
      return success();
    }
    OptionalParseResult operand = parser.parseOptionalOperand(setting.operand);
    if (operand.has_value()) {
      setting.value = builder.getUnitAttr();
      list.push_back(setting);
      return *operand;
    }
    double number;
    if (parser.parseFloat(number))
      return failure();
    setting.value = builder.getF64FloatAttr(number);
    list.push_back(setting);
    return success();
  };
  if (succeeded(parser.parseOptionalRParen())) {
    settings = builder.getDictionaryAttr({});
    return parser.emitError(
        parser.getNameLoc(),
        "expected the optimiser's settings, e.g. lr = 0.01");
  }
  if (parser.parseCommaSeparatedList(parseOne))
    return failure();
  llvm::sort(list, [](const Setting &a, const Setting &b) {
    return a.name.getValue() < b.name.getValue();
  });
  SmallVector<NamedAttribute> attributes;
  for (Setting &setting : list) {
    attributes.emplace_back(setting.name, setting.value);
    if (isa<UnitAttr>(setting.value))
      numbers.push_back(setting.operand);
  }
  settings = builder.getDictionaryAttr(attributes);
  return success();
}

static void printSettings(OpAsmPrinter &printer, Operation *,
                          OperandRange numbers, DictionaryAttr settings) {
  auto number = numbers.begin();
  llvm::interleaveComma(settings, printer, [&](NamedAttribute setting) {
    printer << setting.getName().getValue();
    if (isa<BoolAttr>(setting.getValue()))
      return;
    printer << " = ";
    if (isa<UnitAttr>(setting.getValue()))
      printer << *number++;
    else
      printer.printAttributeWithoutType(setting.getValue());
  });
}

//===----------------------------------------------------------------------===//
// Small directives
//===----------------------------------------------------------------------===//

static ParseResult parseSymbols(OpAsmParser &parser, ArrayAttr &symbols) {
  SmallVector<Attribute> list;
  auto parseOne = [&]() -> ParseResult {
    StringAttr name;
    if (parser.parseSymbolName(name))
      return failure();
    list.push_back(FlatSymbolRefAttr::get(name));
    return success();
  };
  if (parser.parseCommaSeparatedList(parseOne))
    return failure();
  symbols = parser.getBuilder().getArrayAttr(list);
  return success();
}

static void printSymbols(OpAsmPrinter &printer, Operation *,
                         ArrayAttr symbols) {
  llvm::interleaveComma(symbols, printer, [&](Attribute symbol) {
    printer.printAttribute(symbol);
  });
}

// (width = 128, depth = 3), or nothing.
static ParseResult parseConstants(OpAsmParser &parser,
                                  DictionaryAttr &constants) {
  SmallVector<NamedAttribute> list;
  Builder &builder = parser.getBuilder();
  auto parseOne = [&]() -> ParseResult {
    std::string name;
    int64_t value;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeywordOrString(&name) || parser.parseEqual() ||
        parser.parseInteger(value))
      return failure();
    if (llvm::any_of(list, [&](NamedAttribute other) {
          return other.getName().getValue() == name;
        }))
      return parser.emitError(loc, "model parameter '")
             << name << "' is declared twice";
    list.emplace_back(builder.getStringAttr(name),
                      builder.getI64IntegerAttr(value));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::OptionalParen,
                                     parseOne))
    return failure();
  if (!list.empty())
    constants = builder.getDictionaryAttr(list);
  return success();
}

static void printConstants(OpAsmPrinter &printer, Operation *,
                           DictionaryAttr constants) {
  if (!constants || constants.empty())
    return;
  printer << "(";
  llvm::interleaveComma(constants, printer, [&](NamedAttribute constant) {
    printer << constant.getName().getValue() << " = "
            << cast<IntegerAttr>(constant.getValue()).getInt();
  });
  printer << ")";
}

static ParseResult parseCount(OpAsmParser &parser, Attribute &count) {
  int64_t number;
  OptionalParseResult literal = parser.parseOptionalInteger(number);
  if (literal.has_value()) {
    count = parser.getBuilder().getI64IntegerAttr(number);
    return *literal;
  }
  StringAttr name;
  if (parser.parseSymbolName(name))
    return failure();
  count = FlatSymbolRefAttr::get(name);
  return success();
}

static void printCount(OpAsmPrinter &printer, Operation *, Attribute count) {
  if (auto number = dyn_cast<IntegerAttr>(count))
    printer << number.getInt();
  else
    printer.printAttribute(count);
}

static ParseResult parseEnergy(OpAsmParser &parser, Attribute &energy) {
  StringAttr name;
  if (succeeded(parser.parseOptionalSymbolName(name))) {
    energy = FlatSymbolRefAttr::get(name);
    return success();
  }
  EnergyKindAttr kind;
  if (parseKeyword(parser, kind))
    return failure();
  energy = kind;
  return success();
}

static void printEnergy(OpAsmPrinter &printer, Operation *op,
                        Attribute energy) {
  if (auto kind = dyn_cast<EnergyKindAttr>(energy))
    printKeyword(printer, op, kind);
  else
    printer.printAttribute(energy);
}

static void printInit(OpAsmPrinter &printer, Operation *, InitAttr init) {
  printInitBody(printer, init);
}

// energy | energy(@h1) | %v : tensor<f32>
static ParseResult
parseReported(OpAsmParser &parser,
              std::optional<OpAsmParser::UnresolvedOperand> &value, Type &type,
              FlatSymbolRefAttr &vode) {
  if (succeeded(parser.parseOptionalKeyword("energy"))) {
    if (failed(parser.parseOptionalLParen()))
      return success();
    StringAttr name;
    if (parser.parseSymbolName(name) || parser.parseRParen())
      return failure();
    vode = FlatSymbolRefAttr::get(name);
    return success();
  }
  value.emplace();
  return failure(parser.parseOperand(*value) || parser.parseColonType(type));
}

static void printReported(OpAsmPrinter &printer, Operation *, Value value,
                          Type type, FlatSymbolRefAttr vode) {
  if (value) {
    printer << value << " : " << type;
    return;
  }
  printer << "energy";
  if (vode)
    printer << "(" << vode << ")";
}

#define GET_OP_CLASSES
#include "pc/Dialect/PC/IR/PCOps.cpp.inc"
