//===- PCScheduleOps.cpp - Stages and groups ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Shared syntax: ins(%a, %b : t, t) -> (t, t) { ^bb0(...): ... }
//===----------------------------------------------------------------------===//

static ParseResult parseInsAndBody(OpAsmParser &parser,
                                   OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> inputs;
  SmallVector<Type> inputTypes, outputTypes;
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("ins"))) {
    if (parser.parseLParen() || parser.parseOperandList(inputs) ||
        parser.parseColonTypeList(inputTypes) || parser.parseRParen())
      return failure();
  }
  if (parser.parseOptionalArrowTypeList(outputTypes) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.resolveOperands(inputs, inputTypes, loc, result.operands))
    return failure();
  result.addTypes(outputTypes);
  return parser.parseRegion(*result.addRegion());
}

static void printInsAndBody(OpAsmPrinter &printer, Operation *op,
                            ArrayRef<StringRef> elided) {
  if (op->getNumOperands() > 0) {
    printer << " ins(";
    printer.printOperands(op->getOperands());
    printer << " : ";
    llvm::interleaveComma(op->getOperandTypes(), printer);
    printer << ")";
  }
  if (op->getNumResults() > 0)
    printer.printArrowTypeList(op->getResultTypes());
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(), elided);
  printer << " ";
  printer.printRegion(op->getRegion(0));
}

static LogicalResult verifyYield(Operation *op, TypeRange expected,
                                 function_ref<bool(Type, Type)> matches) {
  Block &body = op->getRegion(0).front();
  auto yield = dyn_cast_or_null<YieldOp>(body.empty() ? nullptr : &body.back());
  if (!yield)
    return op->emitOpError("expects a body that ends with pc.yield");
  if (yield.getValues().size() != expected.size())
    return yield.emitOpError("yields ")
           << yield.getValues().size() << " values, expected "
           << expected.size();
  for (auto [value, type] : llvm::zip_equal(yield.getValues(), expected))
    if (!matches(value.getType(), type))
      return yield.emitOpError("yields ")
             << value.getType() << " where the result is " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// StageOp
//===----------------------------------------------------------------------===//

ParseResult StageOp::parse(OpAsmParser &parser, OperationState &result) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<StageKind> kind = symbolizeStageKind(keyword);
  if (!kind)
    return parser.emitError(loc, "expected 'samples' or 'params', found '")
           << keyword << "'";
  result.getOrAddProperties<Properties>().kind =
      StageKindAttr::get(parser.getContext(), *kind);
  return parseInsAndBody(parser, result);
}

void StageOp::print(OpAsmPrinter &printer) {
  printer << " " << stringifyStageKind(getKind());
  printInsAndBody(printer, *this, {"kind"});
}

/// True if `inner` is `outer`, or one sample block of it.
static bool isSameOrBlock(Type inner, Type outer) {
  if (inner == outer)
    return true;
  auto block = dyn_cast<RankedTensorType>(inner);
  auto batch = dyn_cast<RankedTensorType>(outer);
  return block && batch && batch.getRank() > 0 &&
         block.getRank() == batch.getRank() && batch.isDynamicDim(0) &&
         !block.isDynamicDim(0) &&
         block.getElementType() == batch.getElementType() &&
         block.getShape().drop_front() == batch.getShape().drop_front();
}

LogicalResult StageOp::verifyRegions() {
  // stage_c1: one argument per input, whole or (samples) one block of it.
  Block &body = getBody().front();
  if (body.getNumArguments() != getInputs().size())
    return emitOpError("has ") << getInputs().size() << " inputs but "
                               << body.getNumArguments() << " arguments";
  bool samples = getKind() == StageKind::Samples;
  auto matches = [&](Type inner, Type outer) {
    return samples ? isSameOrBlock(inner, outer) : inner == outer;
  };
  for (auto [argument, input] :
       llvm::zip_equal(body.getArguments(), getInputs()))
    if (!matches(argument.getType(), input.getType()))
      return emitOpError("argument ")
             << argument.getArgNumber() << " has type " << argument.getType()
             << " but the input has " << input.getType();
  // stage_c2: the results likewise.
  return verifyYield(*this, getResultTypes(), matches);
}

//===----------------------------------------------------------------------===//
// GroupOp
//===----------------------------------------------------------------------===//

ParseResult GroupOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseInsAndBody(parser, result);
}

void GroupOp::print(OpAsmPrinter &printer) {
  printInsAndBody(printer, *this, {});
}

LogicalResult GroupOp::verifyRegions() {
  // group_c1: arguments are the inputs.
  Block &body = getBody().front();
  if (body.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("expects its arguments to have the types of its inputs");
  // group_c2: results are what the body yields.
  return verifyYield(*this, getResultTypes(),
                     [](Type inner, Type outer) { return inner == outer; });
}

//===----------------------------------------------------------------------===//
// NarrowOp
//===----------------------------------------------------------------------===//

LogicalResult NarrowOp::verify() {
  RankedTensorType input = getInput().getType(), output = getOutput().getType();
  // narrow_c1
  if (input.getRank() != 2 || !input.getElementType().isF32())
    return emitOpError("expects a matrix of f32, but found ") << input;
  // narrow_c2
  SmallVector<int64_t> expected(input.getShape());
  if (getTransposed())
    std::swap(expected[0], expected[1]);
  if (output.getShape() != ArrayRef(expected))
    return emitOpError("expects a result of the ")
           << (getTransposed() ? "transpose's" : "operand's")
           << " shape, but found " << input << " and " << output;
  return success();
}

//===----------------------------------------------------------------------===//
// RelayoutOp
//===----------------------------------------------------------------------===//

LogicalResult RelayoutOp::verify() {
  RankedTensorType input = getInput().getType(), output = getOutput().getType();
  // relayout_c1
  if (input.getRank() != 2)
    return emitOpError("expects a matrix, but found ") << input;
  // relayout_c2
  if (input.getShape() != output.getShape() ||
      input.getElementType() != output.getElementType())
    return emitOpError("expects one shape and one element type, but found ")
           << input << " and " << output;
  return success();
}
