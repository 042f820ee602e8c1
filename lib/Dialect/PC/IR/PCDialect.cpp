//===- PCDialect.cpp - The pc dialect, its attributes and types -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Bytecode/BytecodeImplementation.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace pc;

#include "pc/Dialect/PC/IR/PCDialect.cpp.inc"
#include "pc/Dialect/PC/IR/PCEnums.cpp.inc"
#include "pc/Dialect/PC/IR/PCInterfaces.cpp.inc"

// The details of a port: a dictionary in braces, or nothing.
static ParseResult parsePortDetails(AsmParser &parser,
                                    DictionaryAttr &details) {
  NamedAttrList attributes;
  if (parser.parseOptionalAttrDict(attributes))
    return failure();
  details = attributes.empty() ? DictionaryAttr()
                               : attributes.getDictionary(parser.getContext());
  return success();
}

static void printPortDetails(AsmPrinter &printer, DictionaryAttr details) {
  if (details && !details.empty())
    printer << " " << details;
}

#define GET_ATTRDEF_CLASSES
#include "pc/Dialect/PC/IR/PCAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "pc/Dialect/PC/IR/PCTypes.cpp.inc"

//===----------------------------------------------------------------------===//
// Dialect interfaces
//===----------------------------------------------------------------------===//

namespace {
struct PCVersion : public DialectVersion {
  PCVersion(uint64_t value) : value(value) {}
  uint64_t value;
};

/// Stamps bytecode with the dialect's version, so that a later compiler can
/// upgrade it and an older one can refuse it.
struct PCBytecodeInterface : public BytecodeDialectInterface {
  PCBytecodeInterface(Dialect *dialect) : BytecodeDialectInterface(dialect) {}

  void writeVersion(DialectBytecodeWriter &writer) const override {
    writer.writeVarInt(PCDialect::kBytecodeVersion);
  }

  std::unique_ptr<DialectVersion>
  readVersion(DialectBytecodeReader &reader) const override {
    uint64_t version;
    if (failed(reader.readVarInt(version)))
      return nullptr;
    if (version > PCDialect::kBytecodeVersion) {
      reader.emitError("pc bytecode of version ")
          << version << " is newer than the " << PCDialect::kBytecodeVersion
          << " that this compiler reads";
      return nullptr;
    }
    return std::make_unique<PCVersion>(version);
  }
};

struct PCInlinerInterface : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final {
    return true;
  }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final {
    return true;
  }
};
} // namespace

void PCDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "pc/Dialect/PC/IR/PCAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "pc/Dialect/PC/IR/PCTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "pc/Dialect/PC/IR/PCOps.cpp.inc"
      >();
  addInterfaces<PCBytecodeInterface, PCInlinerInterface>();
}

Operation *PCDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                          Type type, Location loc) {
  auto number = dyn_cast<FloatAttr>(value);
  if (!number)
    return nullptr;
  if (isa<RankedTensorType>(type))
    return SplatOp::create(builder, loc, type,
                           builder.getF64FloatAttr(number.getValueAsDouble()));
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

//===----------------------------------------------------------------------===//
// Functional programs
//===----------------------------------------------------------------------===//

/// Checks that all arguments and results have ports, and that what a program
/// changes is an argument, too.
static LogicalResult verifyProgramFunction(func::FuncOp func) {
  llvm::StringSet<> storage;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    auto port = func.getArgAttrOfType<PortAttr>(i, PCDialect::kPortAttrName);
    // port_c1
    if (!port)
      return func.emitOpError("is a pc.program, but its argument #")
             << i << " has no pc.port";
    if (port.isStorage())
      storage.insert(port.getName().getValue());
  }
  for (unsigned i = 0; i < func.getNumResults(); ++i) {
    auto port = func.getResultAttrOfType<PortAttr>(i, PCDialect::kPortAttrName);
    // port_c1
    if (!port)
      return func.emitOpError("is a pc.program, but its result #")
             << i << " has no pc.port";
    // port_c2
    if (port.isStorage() && !storage.contains(port.getName().getValue()))
      return func.emitOpError("changes ")
             << port.getName() << ", which is none of its arguments";
  }
  return success();
}

LogicalResult PCDialect::verifyOperationAttribute(Operation *op,
                                                  NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (name == kProgramAttrName) {
    auto func = dyn_cast<func::FuncOp>(op);
    // port_c3
    if (!func || !isa<ProgramInfoAttr>(attribute.getValue()))
      return op->emitOpError("expects pc.program to be #pc.program_info, on a "
                             "func.func");
    return verifyProgramFunction(func);
  }
  if (name != kSampleBlockAttrName && name != kMaxBatchAttrName)
    return success();
  auto rows = dyn_cast<IntegerAttr>(attribute.getValue());
  // port_c4
  if (!rows || rows.getValue().getSignificantBits() > 64 || rows.getInt() < 1)
    return op->emitOpError("expects ")
           << name << " to be at least 1, found " << attribute.getValue();
  if (!op->hasAttr(kProgramAttrName) || !op->hasAttr(kSampleBlockAttrName) ||
      !op->hasAttr(kMaxBatchAttrName))
    return op->emitOpError("expects pc.program, pc.max_batch and "
                           "pc.sample_block together");
  return success();
}

//===----------------------------------------------------------------------===//
// Bounds of tensors
//===----------------------------------------------------------------------===//

bool pc::isFiniteIn(double value, Type element) {
  APFloat number(value);
  bool losesInfo;
  number.convert(cast<FloatType>(element).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &losesInfo);
  return number.isFinite();
}

/// What is wrong with the sizes of `type`, in a place where tensors have at
/// most `maxRank` dimensions; empty if nothing is.
static std::string getExcess(Type type, int64_t maxRank) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return text;
  // tensor_c3
  if (tensor.getRank() > maxRank) {
    os << "tensors of at most " << maxRank << " dimensions, found '" << tensor
       << "'; pc.reshape joins dimensions";
    return text;
  }
  Type element = tensor.getElementType();
  int64_t bytes = element.isIntOrFloat()
                      ? llvm::divideCeil(element.getIntOrFloatBitWidth(), 8)
                      : 8;
  for (int64_t size : tensor.getShape()) {
    if (ShapedType::isDynamic(size))
      continue;
    // tensor_c4
    if (size < 1 || size > PCDialect::kMaxSize) {
      os << "sizes from 1 to " << PCDialect::kMaxSize << ", found '" << tensor
         << "'";
      return text;
    }
    // tensor_c5
    if (llvm::MulOverflow(bytes, size, bytes) || bytes > PCDialect::kMaxBytes) {
      os << "arrays of at most 2^46 bytes, found '" << tensor << "'";
      return text;
    }
  }
  return text;
}

LogicalResult pc::verifyTensorBounds(Operation *op) {
  auto isPerSample = [](Operation *op) {
    return isa<ModelOp, BlockOp, EnergyOp, ProgramOp>(op);
  };
  bool perSample = isPerSample(op);
  for (Operation *parent = op->getParentOp(); parent && !perSample;
       parent = parent->getParentOp())
    perSample = isPerSample(parent);
  // Elsewhere there is a leading dimension.
  int64_t maxRank = PCDialect::kMaxRank + (perSample ? 0 : 1);
  for (Value operand : op->getOperands()) {
    std::string excess = getExcess(operand.getType(), maxRank);
    if (excess.empty())
      continue;
    // Said where the value is made, once for all that read it.
    Operation *maker = operand.getDefiningOp();
    if (!maker)
      maker = operand.getParentBlock()->getParentOp();
    if (maker && isa_and_nonnull<PCDialect>(maker->getDialect()))
      return failure();
    return op->emitOpError("expects ") << excess;
  }
  for (Type type : op->getResultTypes())
    if (std::string excess = getExcess(type, maxRank); !excess.empty())
      return op->emitOpError("expects ") << excess;
  for (Region &region : op->getRegions())
    for (BlockArgument argument : region.getArguments())
      if (std::string excess = getExcess(argument.getType(), maxRank);
          !excess.empty())
        return emitError(argument.getLoc(), "expected ") << excess;
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

// #pc.dims<width, depth>
Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> names;
  auto parseName = [&]() -> ParseResult {
    std::string name;
    if (parser.parseKeywordOrString(&name))
      return failure();
    names.push_back(StringAttr::get(parser.getContext(), name));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                     parseName))
    return {};
  return DimsAttr::get(parser.getContext(), names);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getNames(), printer, [&](StringAttr name) {
    printer.printKeywordOrString(name.getValue());
  });
  printer << ">";
}

LogicalResult
DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                         function_ref<InFlightDiagnostic()> emitError) const {
  // dims_c1
  int64_t dynamic = llvm::count_if(shape, ShapedType::isDynamic);
  if (dynamic != static_cast<int64_t>(getNames().size()))
    return emitError() << "#pc.dims names " << getNames().size()
                       << " dimensions but the shape has " << dynamic
                       << " dynamic ones";
  return success();
}

LogicalResult
PanelsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                           function_ref<InFlightDiagnostic()> emitError) const {
  // panels_c1
  if (getColumns() < 1)
    return emitError() << "#pc.panels expects at least one column, but found "
                       << getColumns();
  // panels_c2
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape))
    return emitError() << "#pc.panels expects a matrix of known size";
  return success();
}

LogicalResult
PairsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                          function_ref<InFlightDiagnostic()> emitError) const {
  // pairs_c1
  if (getColumns() < 1)
    return emitError() << "#pc.pairs expects at least one column, but found "
                       << getColumns();
  // pairs_c2
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape))
    return emitError() << "#pc.pairs expects a matrix of known size";
  return success();
}

int64_t PairsAttr::getStoredElements(ArrayRef<int64_t> shape) const {
  return llvm::alignTo(shape[0], kRowUnit) *
         llvm::alignTo(shape[1], getColumns());
}

OriginAttr OriginAttr::of(Location loc) {
  OriginAttr origin;
  loc->walk([&](Location inner) {
    if (auto fused = dyn_cast<FusedLoc>(inner))
      origin = dyn_cast_if_present<OriginAttr>(fused.getMetadata());
    return origin ? WalkResult::interrupt() : WalkResult::advance();
  });
  return origin;
}

Location OriginAttr::attachTo(Location loc) const {
  auto fused = dyn_cast<FusedLoc>(loc);
  if (fused && isa_and_present<OriginAttr>(fused.getMetadata()))
    return FusedLoc::get(getContext(), fused.getLocations(), *this);
  return FusedLoc::get(getContext(), loc, *this);
}

void OriginAttr::setStep(Operation *op, int64_t step) {
  if (OriginAttr origin = of(op->getLoc()))
    op->setLoc(
        get(op->getContext(), origin.getStatement(), origin.getVode(), step)
            .attachTo(op->getLoc()));
}

/// Number of numbers in parentheses after an initialiser's name.
static unsigned getInitArity(InitKind kind) {
  switch (kind) {
  case InitKind::Zeros:
    return 0;
  case InitKind::Constant:
  case InitKind::FanIn:
    return 1;
  case InitKind::Uniform:
  case InitKind::Normal:
    return 2;
  }
  llvm_unreachable("unknown initialiser");
}

namespace pc {
ParseResult parseInit(AsmParser &parser, InitAttr &init);
void printInitBody(AsmPrinter &printer, InitAttr init);
} // namespace pc

/// A number, whole or not: `16` and `-0.5`.
static ParseResult parseNumber(AsmParser &parser, double &number) {
  SMLoc loc = parser.getCurrentLocation();
  Attribute attribute;
  if (parser.parseAttribute(attribute))
    return failure();
  if (auto real = dyn_cast<FloatAttr>(attribute))
    number = real.getValueAsDouble();
  else if (auto whole = dyn_cast<IntegerAttr>(attribute))
    number = whole.getValue().signedRoundToDouble();
  else
    return parser.emitError(loc, "expected a number");
  return success();
}

LogicalResult InitAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               InitKind kind, DenseF64ArrayAttr args) {
  if (args.size() != 2)
    return emitError() << "expected two numbers of an initialiser, found "
                       << args.size();
  double first = args[0], second = args[1];
  // initialiser_c1
  for (double number : {first, second, second - first})
    if (!std::isfinite(number))
      return emitError() << stringifyInitKind(kind)
                         << " expects finite numbers, found " << number;
  switch (kind) {
  case InitKind::Zeros:
  case InitKind::Constant:
    break;
  case InitKind::Uniform:
    // initialiser_c2
    if (first > second)
      return emitError() << "uniform expects the lower bound first, found "
                         << first << " and " << second;
    break;
  case InitKind::Normal:
    // initialiser_c3
    if (second < 0.0)
      return emitError()
             << "normal expects a standard deviation of at least 0, found "
             << second;
    break;
  case InitKind::FanIn:
    // initialiser_c4
    if (first != 0.0 && first < 1.0)
      return emitError() << "fan_in expects at least 1 input, found " << first
                         << "; fan_in alone takes those of the layer";
    break;
  }
  return success();
}

ParseResult pc::parseInit(AsmParser &parser, InitAttr &init) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<InitKind> kind = symbolizeInitKind(keyword);
  if (!kind)
    return parser.emitError(loc, "unknown initialiser '")
           << keyword
           << "', expected zeros, constant, uniform, normal or fan_in";
  double args[2] = {0.0, 0.0};
  unsigned arity = getInitArity(*kind);
  // fan_in alone takes the fan-in of its layer.
  if (arity > 0 &&
      !(*kind == InitKind::FanIn && failed(parser.parseOptionalLParen()))) {
    if (*kind != InitKind::FanIn && parser.parseLParen())
      return failure();
    for (unsigned i = 0; i < arity; ++i)
      if ((i > 0 && parser.parseComma()) || parseNumber(parser, args[i]))
        return failure();
    if (parser.parseRParen())
      return failure();
    // initialiser_c4: zero is what fan_in alone stands for.
    if (*kind == InitKind::FanIn && args[0] == 0.0)
      return parser.emitError(loc, "fan_in expects at least 1 input, found 0; "
                                   "fan_in alone takes those of the layer");
  }
  init = InitAttr::getChecked([&]() { return parser.emitError(loc); },
                              parser.getContext(), *kind, args[0], args[1]);
  return success(init != nullptr);
}

/// Prints a double so that it parses back to the same bits.
static void printDouble(AsmPrinter &printer, MLIRContext *context,
                        double value) {
  printer.printAttributeWithoutType(
      FloatAttr::get(Float64Type::get(context), value));
}

void pc::printInitBody(AsmPrinter &printer, InitAttr init) {
  printer << stringifyInitKind(init.getKind());
  unsigned arity = getInitArity(init.getKind());
  if (arity == 0 || init.takesFanInOfLayer())
    return;
  printer << "(";
  printDouble(printer, init.getContext(), init.getArg0());
  if (arity > 1) {
    printer << ", ";
    printDouble(printer, init.getContext(), init.getArg1());
  }
  printer << ")";
}

Attribute InitAttr::parse(AsmParser &parser, Type) {
  InitAttr init;
  if (parser.parseLess() || parseInit(parser, init) || parser.parseGreater())
    return {};
  return init;
}

void InitAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printInitBody(printer, *this);
  printer << ">";
}
