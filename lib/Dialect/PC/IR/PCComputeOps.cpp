//===- PCComputeOps.cpp - Verifiers of the operations that compute --------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each check carries the label of its constraint in docs/spec.md, "Compute
// operations". A dynamic dimension, be it the batch or a named dimension of a
// model, agrees with everything: sizes are checked where they are known.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

/// True if the two sizes can be the same.
static bool agree(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

/// True if the two shapes have one rank and can be the same.
static bool agree(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto sizes) {
           return agree(std::get<0>(sizes), std::get<1>(sizes));
         });
}

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// `shape` as it stands in a tensor type, `?x128`; of rank 0, `scalar`.
static std::string shapeString(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::interleave(
      shape, stream,
      [&](int64_t size) {
        if (ShapedType::isDynamic(size))
          stream << "?";
        else
          stream << size;
      },
      "x");
  return text;
}

/// Checks that all tensors of the operation have the element type of the first.
static LogicalResult verifyElementTypes(Operation *op) {
  Type expected;
  auto check = [&](Type type) -> LogicalResult {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return success();
    if (!expected)
      expected = tensor.getElementType();
    if (tensor.getElementType() != expected)
      return op->emitOpError("expects one element type, but found ")
             << expected << " and " << tensor.getElementType();
    return success();
  };
  for (Type type : op->getOperandTypes())
    if (failed(check(type)))
      return failure();
  for (Type type : op->getResultTypes())
    if (failed(check(type)))
      return failure();
  return success();
}

/// Checks the shape of `value`, called `name` in the message.
static LogicalResult verifyShape(Operation *op, StringRef name, Value value,
                                 ArrayRef<int64_t> expected) {
  ArrayRef<int64_t> found = typeOf(value).getShape();
  if (agree(found, expected))
    return success();
  return op->emitOpError("expects ")
         << name << " of shape " << shapeString(expected) << ", but found "
         << shapeString(found);
}

//===----------------------------------------------------------------------===//
// LeakyReluOp
//===----------------------------------------------------------------------===//

LogicalResult LeakyReluOp::verify() {
  // activation_c3
  double slope = getSlope().convertToDouble();
  if (!isFiniteIn(slope, getType().getElementType()))
    return emitOpError("expects a finite slope, found ") << slope;
  return success();
}

//===----------------------------------------------------------------------===//
// ElementwiseOp
//===----------------------------------------------------------------------===//

LogicalResult ElementwiseOp::verify() {
  // elementwise_c1
  if (getInputs().empty())
    return emitOpError("expects at least one operand");
  // elementwise_c2
  for (Value input : getInputs())
    if (input.getType() != getOutput().getType())
      return emitOpError("expects operands and result of one type, but found ")
             << input.getType() << " and " << getOutput().getType();
  return success();
}

LogicalResult ElementwiseOp::verifyRegions() {
  Block &block = getBody().front();
  Type element = getOutput().getType().getElementType();
  // elementwise_c3
  if (block.getNumArguments() != getInputs().size())
    return emitOpError("expects one region argument per operand, but found ")
           << block.getNumArguments() << " for " << getInputs().size()
           << " operands";
  for (BlockArgument argument : block.getArguments())
    if (argument.getType() != element)
      return emitOpError("expects region arguments of type ")
             << element << ", but found " << argument.getType();
  // elementwise_c4
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().size() != 1 ||
      yield.getValues().front().getType() != element) {
    InFlightDiagnostic diagnostic =
        yield.emitOpError("expects one value of type ") << element;
    if (yield.getValues().empty())
      diagnostic << ", but found none";
    else if (yield.getValues().size() > 1)
      diagnostic << ", but found " << yield.getValues().size() << " values";
    else
      diagnostic << ", but found " << yield.getValues().front().getType();
    return diagnostic;
  }
  for (Operation &op : block.without_terminator()) {
    // elementwise_c5
    bool allowed = isa<arith::ConstantOp>(op) ||
                   (isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
                        op.getDialect()) &&
                    OpTrait::hasElementwiseMappableTraits(&op));
    if (!allowed)
      return op.emitError("'")
             << op.getName() << "' in a 'pc.elementwise' region, expected "
             << "constants and elementwise operations of arith and math";
    for (Type type : op.getResultTypes())
      if (!type.isIntOrFloat())
        return op.emitError("expects scalars in a 'pc.elementwise' region, "
                            "but found ")
               << type;
    // elementwise_c6
    auto fastmath = dyn_cast<arith::ArithFastMathInterface>(op);
    if (fastmath && fastmath.getFastMathFlagsAttr() &&
        fastmath.getFastMathFlagsAttr().getValue() !=
            arith::FastMathFlags::none)
      return op.emitError("expects no fast-math flags in a 'pc.elementwise' "
                          "region");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Products of rounded operands add up in f32.
static LogicalResult verifyNarrow(Operation *op, bool bf16) {
  for (Type type : {op->getOperand(0).getType(), op->getResult(0).getType()})
    if (bf16 && !getElementTypeOrSelf(type).isF32())
      return op->emitOpError("expects f32 sums of 'bf16' products, but found ")
             << type;
  return success();
}

LogicalResult DenseOp::verify() {
  RankedTensorType input = typeOf(getInput()), weight = typeOf(getWeight());
  // dense_c1
  if (input.getRank() != 1 && input.getRank() != 2)
    return emitOpError("expects an input of rank 1, or 2 when batched, but "
                       "found shape ")
           << shapeString(input.getShape());
  // dense_c2
  if (weight.getRank() != 2)
    return emitOpError(
               "expects a weight of rank 2, [out, in], but found shape ")
           << shapeString(weight.getShape());
  // dense_c3
  if (!weight.getElementType().isBF16() && failed(verifyElementTypes(*this)))
    return failure();
  int64_t out = weight.getDimSize(getTransposed() ? 1 : 0);
  int64_t in = weight.getDimSize(getTransposed() ? 0 : 1);
  // dense_c4
  if (!agree(input.getShape().back(), in))
    return emitOpError("expects ")
           << in << " input elements for a "
           << (getTransposed() ? "transposed " : "") << "weight of shape "
           << shapeString(weight.getShape()) << ", but found "
           << input.getShape().back() << " in shape "
           << shapeString(input.getShape());
  // dense_c5
  SmallVector<int64_t> expected(input.getShape());
  expected.back() = out;
  if (failed(verifyShape(*this, "a result", getOutput(), expected)))
    return failure();
  // dense_c6
  if (weight.getElementType().isBF16() && getParts() == 0)
    return emitOpError("expects 'bf16' for a weight of bf16");
  // dense_c7
  if (getParts() < 0 || getParts() > 2)
    return emitOpError("expects an input of one or two parts of bfloat16, but "
                       "found bf16(")
           << getParts() << ')';
  return verifyNarrow(*this, getParts() != 0);
}

LogicalResult BatchOuterOp::verify() {
  RankedTensorType lhs = typeOf(getLhs()), rhs = typeOf(getRhs());
  // batch_outer_c1
  if (lhs.getRank() != 2 || rhs.getRank() != 2)
    return emitOpError("expects operands of rank 2, [samples, elements], but "
                       "found shapes ")
           << shapeString(lhs.getShape()) << " and "
           << shapeString(rhs.getShape());
  // batch_outer_c2
  if (failed(verifyElementTypes(*this)))
    return failure();
  // batch_outer_c3
  if (!agree(lhs.getDimSize(0), rhs.getDimSize(0)))
    return emitOpError("expects operands with one number of samples, but found "
                       "shapes ")
           << shapeString(lhs.getShape()) << " and "
           << shapeString(rhs.getShape());
  // batch_outer_c4
  if (failed(verifyShape(*this, "a result", getOutput(),
                         {lhs.getDimSize(1), rhs.getDimSize(1)})))
    return failure();
  // batch_outer_c5
  return verifyNarrow(*this, getBf16());
}

//===----------------------------------------------------------------------===//
// Sums and their adjoints
//===----------------------------------------------------------------------===//

LogicalResult BatchSumOp::verify() {
  RankedTensorType input = typeOf(getInput());
  // batch_sum_c1
  if (input.getRank() == 0)
    return emitOpError("expects an operand with a batch dimension, but found a "
                       "scalar");
  // batch_sum_c2
  if (failed(verifyElementTypes(*this)))
    return failure();
  // batch_sum_c3
  return verifyShape(*this, "a result", getOutput(),
                     input.getShape().drop_front());
}

LogicalResult BatchBroadcastOp::verify() {
  RankedTensorType output = typeOf(getOutput());
  // batch_broadcast_c1
  if (output.getRank() == 0)
    return emitOpError("expects a result with a batch dimension, but found a "
                       "scalar");
  // batch_broadcast_c2
  if (failed(verifyElementTypes(*this)))
    return failure();
  // batch_broadcast_c3
  return verifyShape(*this, "an operand", getInput(),
                     output.getShape().drop_front());
}

/// Checks that the dimensions of `part` are the first ones of `whole`.
static LogicalResult verifyPrefix(Operation *op, Value part, Value whole,
                                  StringRef partName, StringRef wholeName) {
  ArrayRef<int64_t> partShape = typeOf(part).getShape();
  ArrayRef<int64_t> wholeShape = typeOf(whole).getShape();
  if (partShape.size() <= wholeShape.size() &&
      agree(partShape, wholeShape.take_front(partShape.size())))
    return success();
  return op->emitOpError("expects the dimensions of the ")
         << partName << " in front of those of the " << wholeName
         << ", but found " << shapeString(partShape) << " and "
         << shapeString(wholeShape);
}

LogicalResult SumOp::verify() {
  // sum_c1
  if (failed(verifyElementTypes(*this)))
    return failure();
  // sum_c2
  return verifyPrefix(*this, getOutput(), getInput(), "result", "operand");
}

LogicalResult BroadcastOp::verify() {
  // broadcast_c1
  if (failed(verifyElementTypes(*this)))
    return failure();
  // broadcast_c2
  return verifyPrefix(*this, getInput(), getOutput(), "operand", "result");
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// Number of elements if all sizes are known, but for a leading dynamic one
/// which stands for the batch.
static std::optional<int64_t> countElements(ArrayRef<int64_t> shape,
                                            bool &batched) {
  batched = !shape.empty() && ShapedType::isDynamic(shape.front());
  if (batched)
    shape = shape.drop_front();
  if (llvm::any_of(shape, ShapedType::isDynamic))
    return std::nullopt;
  return ShapedType::getNumElements(shape);
}

LogicalResult ReshapeOp::verify() {
  // reshape_c1
  if (failed(verifyElementTypes(*this)))
    return failure();
  RankedTensorType input = typeOf(getInput()), output = typeOf(getOutput());
  bool inputBatched, outputBatched;
  std::optional<int64_t> in = countElements(input.getShape(), inputBatched);
  std::optional<int64_t> out = countElements(output.getShape(), outputBatched);
  // reshape_c2. With a dynamic dimension on one side only, or not in front, the
  // dimension is one that a model names, and is checked once it has a value.
  if (in && out && inputBatched == outputBatched && *in != *out)
    return emitOpError("expects as many elements in the result as in the "
                       "operand, but found ")
           << shapeString(output.getShape()) << " and "
           << shapeString(input.getShape());
  return success();
}

/// Checks an axis that counts from the end, and returns its index from the
/// front.
static FailureOr<int64_t> verifyAxis(Operation *op, int64_t axis,
                                     RankedTensorType type) {
  if (axis >= 0 || axis < -type.getRank())
    return op->emitOpError("expects an axis from ")
           << -type.getRank() << " to -1 for shape "
           << shapeString(type.getShape()) << ", but found " << axis;
  return axis + type.getRank();
}

LogicalResult ConcatOp::verify() {
  // concat_c1
  if (getInputs().empty())
    return emitOpError("expects at least one operand");
  // concat_c2
  if (failed(verifyElementTypes(*this)))
    return failure();
  // concat_c3
  RankedTensorType first = typeOf(getInputs().front());
  FailureOr<int64_t> axis = verifyAxis(*this, getAxis(), first);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> expected(first.getShape());
  int64_t size = 0;
  for (Value input : getInputs()) {
    SmallVector<int64_t> shape(typeOf(input).getShape());
    // concat_c4
    if (shape.size() != expected.size())
      return emitOpError("expects operands of one rank, but found shapes ")
             << shapeString(first.getShape()) << " and " << shapeString(shape);
    if (ShapedType::isDynamic(shape[*axis]) || ShapedType::isDynamic(size))
      size = ShapedType::kDynamic;
    else
      size += shape[*axis];
    expected[*axis] = shape[*axis];
    if (!agree(shape, expected))
      return emitOpError("expects operands that differ along axis ")
             << static_cast<int64_t>(getAxis()) << " only, but found shapes "
             << shapeString(first.getShape()) << " and " << shapeString(shape);
  }
  // concat_c5
  expected[*axis] = size;
  return verifyShape(*this, "a result", getOutput(), expected);
}

/// Checks that `part` is a part of `whole` along the axis, at the offset.
static LogicalResult verifyPart(Operation *op, Value part, Value whole,
                                int64_t axis, int64_t offset,
                                StringRef partName, StringRef wholeName) {
  RankedTensorType partType = typeOf(part), wholeType = typeOf(whole);
  // slice_c2, pad_c2
  FailureOr<int64_t> index = verifyAxis(op, axis, wholeType);
  if (failed(index))
    return failure();
  // slice_c3, pad_c3
  SmallVector<int64_t> expected(wholeType.getShape());
  if (partType.getRank() == wholeType.getRank())
    expected[*index] = partType.getDimSize(*index);
  if (!agree(partType.getShape(), expected))
    return op->emitOpError("expects ")
           << partName << " and " << wholeName << " that differ along axis "
           << axis << " only, but found shapes "
           << shapeString(partType.getShape()) << " and "
           << shapeString(wholeType.getShape());
  // slice_c4, pad_c4
  int64_t partSize = partType.getDimSize(*index);
  int64_t wholeSize = wholeType.getDimSize(*index);
  if (offset < 0 ||
      (!ShapedType::isDynamic(partSize) && !ShapedType::isDynamic(wholeSize) &&
       (offset > wholeSize || partSize > wholeSize - offset)))
    return op->emitOpError("expects ") << partSize << " elements at offset "
                                       << offset << " within " << wholeSize;
  return success();
}

LogicalResult SliceOp::verify() {
  // slice_c1
  if (failed(verifyElementTypes(*this)))
    return failure();
  return verifyPart(*this, getOutput(), getInput(), getAxis(), getOffset(),
                    "result", "operand");
}

LogicalResult PadOp::verify() {
  // pad_c1
  if (failed(verifyElementTypes(*this)))
    return failure();
  return verifyPart(*this, getInput(), getOutput(), getAxis(), getOffset(),
                    "operand", "result");
}

LogicalResult TransposeOp::verify() {
  RankedTensorType input = typeOf(getInput());
  // transpose_c1
  if (input.getRank() != 2)
    return emitOpError("expects a matrix, but found shape ")
           << shapeString(input.getShape());
  // transpose_c2
  if (failed(verifyElementTypes(*this)))
    return failure();
  // transpose_c3
  return verifyShape(*this, "a result", getOutput(),
                     {input.getDimSize(1), input.getDimSize(0)});
}

//===----------------------------------------------------------------------===//
// Rows and energies
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxOp::verify() {
  // softmax_c1
  if (typeOf(getInput()).getRank() == 0)
    return emitOpError("expects an axis to sum over, but found a scalar");
  return success();
}

LogicalResult LogSoftmaxOp::verify() {
  // log_softmax_c1
  if (typeOf(getInput()).getRank() == 0)
    return emitOpError("expects an axis to sum over, but found a scalar");
  return success();
}

/// Checks that an energy has no dimension, or the batch of its operands alone,
/// and that at least `rank` per-sample dimensions are left to sum over.
static LogicalResult verifyEnergy(Operation *op, Value state, Value energy,
                                  int64_t rank) {
  if (failed(verifyElementTypes(op)))
    return failure();
  ArrayRef<int64_t> stateShape = typeOf(state).getShape();
  ArrayRef<int64_t> energyShape = typeOf(energy).getShape();
  if (energyShape.size() <= 1 &&
      energyShape.size() + rank <= stateShape.size() &&
      agree(energyShape, stateShape.take_front(energyShape.size())))
    return success();
  return op->emitOpError("expects one energy per sample for a state of shape ")
         << shapeString(stateShape) << ", but found shape "
         << shapeString(energyShape);
}

LogicalResult SquaredErrorOp::verify() {
  // se_energy_c1 (one type of state and prediction) is a trait.
  // se_energy_c2, se_energy_c3
  return verifyEnergy(*this, getState(), getEnergy(), 0);
}

LogicalResult CrossEntropyOp::verify() {
  // ce_energy_c1 (one type of state and prediction) is a trait.
  // ce_energy_c2, ce_energy_c3
  return verifyEnergy(*this, getState(), getEnergy(), 1);
}

//===----------------------------------------------------------------------===//
// LinearMapOpInterface
//===----------------------------------------------------------------------===//

#define PC_ZERO_PRESERVING(OP)                                                 \
  bool OP::isZeroPreserving(unsigned) { return true; }
PC_ZERO_PRESERVING(IdentityOp)
PC_ZERO_PRESERVING(MulOp)
PC_ZERO_PRESERVING(NegOp)
PC_ZERO_PRESERVING(ScaleOp)
PC_ZERO_PRESERVING(DetachOp)
PC_ZERO_PRESERVING(DenseOp)
PC_ZERO_PRESERVING(BatchOuterOp)
PC_ZERO_PRESERVING(BatchSumOp)
PC_ZERO_PRESERVING(BatchBroadcastOp)
PC_ZERO_PRESERVING(SumOp)
PC_ZERO_PRESERVING(BroadcastOp)
PC_ZERO_PRESERVING(ReshapeOp)
PC_ZERO_PRESERVING(SliceOp)
PC_ZERO_PRESERVING(PadOp)
PC_ZERO_PRESERVING(TransposeOp)
#undef PC_ZERO_PRESERVING

/// Linear in all operands together: one zero among several leaves the others.
bool ConcatOp::isZeroPreserving(unsigned) { return getInputs().size() == 1; }
