//===- Evaluator.cpp - Evaluation of one function, operation by operation -===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Formulas.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Reference/Interpreter.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace pc;
using namespace pc::reference;

using RuntimeValue = pc::reference::Value;
using SSAValue = mlir::Value;

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

static int64_t product(ArrayRef<int64_t> shape) {
  int64_t size = 1;
  for (int64_t dim : shape)
    size *= dim;
  return size;
}

Tensor Tensor::splat(ArrayRef<int64_t> shape, double value) {
  return Tensor(shape.vec(), std::vector<double>(product(shape), value));
}

std::string reference::formatShape(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (int64_t dim : shape)
    text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

namespace {

/// A shape as seen along one axis: element (o, a, i) lies at
/// (o * extent + a) * inner + i.
struct AxisView {
  AxisView(ArrayRef<int64_t> shape, int64_t axisFromEnd) {
    int64_t axis = static_cast<int64_t>(shape.size()) + axisFromEnd;
    outer = product(shape.take_front(axis));
    extent = shape[axis];
    inner = product(shape.drop_front(axis + 1));
  }
  int64_t outer, extent, inner;
};

//===----------------------------------------------------------------------===//
// Evaluator
//===----------------------------------------------------------------------===//

/// Evaluates regions. Every value of the function has its place in one map: a
/// loop's body overwrites the values of the iteration before.
class Evaluator {
public:
  Evaluator(int64_t n, const Options &options) : n(n), options(options) {}

  /// Binds the block's arguments, runs it, and returns the operands of its
  /// terminator.
  LogicalResult runBlock(Block &block, ArrayRef<RuntimeValue> arguments,
                         std::vector<RuntimeValue> &results);

private:
  LogicalResult run(Operation *op);

  // Operations with regions or without tensors.
  LogicalResult runConstant(arith::ConstantOp op);
  LogicalResult runFor(scf::ForOp op);
  LogicalResult runIf(scf::IfOp op);
  LogicalResult runElementwise(ElementwiseOp op);
  LogicalResult runStage(StageOp op);
  LogicalResult runSampleBlocks(StageOp op, ArrayRef<RuntimeValue> inputs,
                                int64_t rows);
  LogicalResult runScalar(Operation *op, ScalarFunction function);

  // Tensors.
  LogicalResult runDense(DenseOp op);
  LogicalResult runBatchOuter(BatchOuterOp op);
  LogicalResult runNarrow(NarrowOp op);
  LogicalResult runRows(Operation *op, bool logarithm);
  LogicalResult runAdamUpdate(AdamUpdateOp op);
  LogicalResult runRandomNormal(RandomNormalOp op);
  LogicalResult runConcat(ConcatOp op);
  template <typename OpTy>
  LogicalResult runSlice(OpTy op, bool pad);
  LogicalResult runEnergy(Operation *op, bool crossEntropy);
  LogicalResult runExtract(tensor::ExtractOp op);
  LogicalResult mapUnary(Operation *op, function_ref<double(double)> function);
  LogicalResult mapBinary(Operation *op,
                          function_ref<double(double, double)> function);

  const Tensor &tensor(SSAValue value) {
    return std::get<Tensor>(values.find(value)->second);
  }
  double number(SSAValue value) {
    return std::get<double>(values.find(value)->second);
  }
  int64_t integer(SSAValue value) {
    return std::get<int64_t>(values.find(value)->second);
  }

  /// Shape of a tensor type with n for a leading dynamic dimension.
  FailureOr<std::vector<int64_t>> resolveShape(Operation *op, Type type);
  /// Checks a value against the type of `result`, rounds it if asked to, and
  /// makes it the result's.
  LogicalResult define(SSAValue result, RuntimeValue value, Operation *op);
  /// `value` rounded to a type's precision, if asked to.
  double round(double value, Type type) const {
    return options.roundToElementType && getElementTypeOrSelf(type).isF32()
               ? static_cast<double>(static_cast<float>(value))
               : value;
  }

  /// Samples of this call, and the slot of the first sample in view: that of
  /// the block inside of a samples stage.
  int64_t n;
  int64_t firstSample = 0;
  const Options &options;
  llvm::DenseMap<SSAValue, RuntimeValue> values;
};

} // namespace

FailureOr<std::vector<int64_t>> Evaluator::resolveShape(Operation *op,
                                                        Type type) {
  auto tensorType = cast<RankedTensorType>(type);
  std::vector<int64_t> shape = tensorType.getShape().vec();
  for (auto [index, dim] : llvm::enumerate(shape)) {
    if (!ShapedType::isDynamic(dim))
      continue;
    if (index != 0)
      return op->emitError() << "cannot evaluate " << type
                             << ": only the leading dimension may be dynamic";
    dim = n;
  }
  return shape;
}

LogicalResult Evaluator::define(SSAValue result, RuntimeValue value,
                                Operation *op) {
  Type type = result.getType();
  if (auto *array = std::get_if<Tensor>(&value)) {
    if (!isa<RankedTensorType>(type))
      return op->emitError()
             << "expected a value of type " << type
             << ", found a tensor of shape " << formatShape(array->shape);
    FailureOr<std::vector<int64_t>> shape = resolveShape(op, type);
    if (failed(shape))
      return failure();
    if (*shape != array->shape)
      return op->emitError()
             << "expected a tensor of shape " << formatShape(*shape)
             << ", found " << formatShape(array->shape);
    assert(product(array->shape) == array->size() && "inconsistent tensor");
    if (options.roundToElementType && getElementTypeOrSelf(type).isF32())
      for (double &element : array->data)
        element = static_cast<float>(element);
  } else if (auto *real = std::get_if<double>(&value)) {
    if (!isa<FloatType>(type))
      return op->emitError()
             << "expected a value of type " << type << ", found a real number";
    *real = round(*real, type);
  } else {
    if (!type.isIntOrIndex())
      return op->emitError()
             << "expected a value of type " << type << ", found an integer";
    auto &whole = std::get<int64_t>(value);
    whole = wrapInteger(whole, type);
  }
  values[result] = std::move(value);
  return success();
}

LogicalResult Evaluator::runBlock(Block &block,
                                  ArrayRef<RuntimeValue> arguments,
                                  std::vector<RuntimeValue> &results) {
  assert(arguments.size() == block.getNumArguments() && "argument count");
  Operation *parent = block.getParentOp();
  for (auto [argument, value] :
       llvm::zip_equal(block.getArguments(), arguments))
    if (failed(define(argument, value, parent)))
      return failure();
  for (Operation &op : block.without_terminator())
    if (failed(run(&op)))
      return failure();
  results.clear();
  for (SSAValue operand : block.getTerminator()->getOperands())
    results.push_back(values.find(operand)->second);
  return success();
}

LogicalResult Evaluator::run(Operation *op) {
  assert(llvm::all_of(op->getOperands(),
                      [&](SSAValue value) { return values.count(value); }) &&
         "values dominate their uses");
  return TypeSwitch<Operation *, LogicalResult>(op)
      // Numbers and control flow.
      .Case([&](arith::ConstantOp op) { return runConstant(op); })
      .Case([&](scf::ForOp op) { return runFor(op); })
      .Case([&](scf::IfOp op) { return runIf(op); })
      .Case([&](StageOp op) { return runStage(op); })
      .Case([&](BatchSizeOp op) {
        return define(op.getSize(), static_cast<double>(n), op);
      })
      .Case([&](tensor::ExtractOp op) { return runExtract(op); })
      .Case([&](tensor::FromElementsOp op) -> LogicalResult {
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        Tensor result(*shape, {});
        for (SSAValue element : op.getElements())
          result.data.push_back(isa<FloatType>(element.getType())
                                    ? number(element)
                                    : static_cast<double>(integer(element)));
        return define(op.getResult(), std::move(result), op);
      })
      // Element-wise operations.
      .Case([&](SplatOp op) -> LogicalResult {
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        return define(op.getOutput(),
                      Tensor::splat(*shape, op.getValue().convertToDouble()),
                      op);
      })
      .Case<IdentityOp, DetachOp>([&](Operation *op) {
        return mapUnary(op, [](double x) { return x; });
      })
      .Case<ReluOp, LeakyReluOp, GeluOp, SiluOp, TanhOp, HardTanhOp, SigmoidOp,
            SoftplusOp>([&](auto op) {
        ActivationKind kind = op.getActivationKind();
        double slope = op.getActivationSlope();
        return mapUnary(op,
                        [=](double x) { return activation(kind, slope, x); });
      })
      .Case([&](ActGradOp op) {
        ActivationKind kind = op.getKind();
        double slope = op.getSlope().convertToDouble();
        return mapUnary(
            op, [=](double x) { return activationGrad(kind, slope, x); });
      })
      .Case([&](AddOp op) {
        return mapBinary(op, [](double x, double y) { return x + y; });
      })
      .Case([&](SubOp op) {
        return mapBinary(op, [](double x, double y) { return x - y; });
      })
      .Case([&](MulOp op) {
        return mapBinary(op, [](double x, double y) { return x * y; });
      })
      .Case([&](NegOp op) { return mapUnary(op, [](double x) { return -x; }); })
      .Case([&](ScaleOp op) {
        double factor = round(number(op.getFactor()), op.getType());
        return mapUnary(op, [=](double x) { return x * factor; });
      })
      .Case([&](ElementwiseOp op) { return runElementwise(op); })
      .Case([&](AdamUpdateOp op) { return runAdamUpdate(op); })
      // Linear maps between shapes.
      .Case([&](DenseOp op) { return runDense(op); })
      .Case([&](BatchOuterOp op) { return runBatchOuter(op); })
      .Case([&](NarrowOp op) { return runNarrow(op); })
      .Case([&](BatchSumOp op) -> LogicalResult {
        const Tensor &input = tensor(op.getInput());
        assert(!input.shape.empty() && "batch_sum_c1");
        Tensor result = Tensor::splat(ArrayRef(input.shape).drop_front(), 0.0);
        for (int64_t i = 0; i < input.size(); ++i)
          result.data[i % result.size()] += input.data[i];
        return define(op.getOutput(), std::move(result), op);
      })
      .Case([&](BatchBroadcastOp op) -> LogicalResult {
        const Tensor &input = tensor(op.getInput());
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        Tensor result = Tensor::splat(*shape, 0.0);
        for (int64_t i = 0; i < result.size(); ++i)
          result.data[i] = input.data[i % input.size()];
        return define(op.getOutput(), std::move(result), op);
      })
      .Case([&](SumOp op) -> LogicalResult {
        const Tensor &input = tensor(op.getInput());
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        Tensor result = Tensor::splat(*shape, 0.0);
        int64_t group = input.size() / std::max<int64_t>(result.size(), 1);
        for (int64_t i = 0; i < input.size(); ++i)
          result.data[i / group] += input.data[i];
        return define(op.getOutput(), std::move(result), op);
      })
      .Case([&](BroadcastOp op) -> LogicalResult {
        const Tensor &input = tensor(op.getInput());
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        Tensor result = Tensor::splat(*shape, 0.0);
        int64_t group = result.size() / std::max<int64_t>(input.size(), 1);
        for (int64_t i = 0; i < result.size(); ++i)
          result.data[i] = input.data[i / group];
        return define(op.getOutput(), std::move(result), op);
      })
      .Case([&](ReshapeOp op) -> LogicalResult {
        FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
        if (failed(shape))
          return failure();
        const Tensor &input = tensor(op.getInput());
        if (product(*shape) != input.size())
          return op->emitError()
                 << "cannot reshape " << formatShape(input.shape) << " to "
                 << formatShape(*shape);
        return define(op.getOutput(), Tensor(*shape, input.data), op);
      })
      .Case([&](ConcatOp op) { return runConcat(op); })
      .Case([&](SliceOp op) { return runSlice(op, /*pad=*/false); })
      .Case([&](PadOp op) { return runSlice(op, /*pad=*/true); })
      .Case([&](TransposeOp op) -> LogicalResult {
        const Tensor &input = tensor(op.getInput());
        assert(input.shape.size() == 2 && "transpose_c1");
        int64_t rows = input.shape[0], columns = input.shape[1];
        Tensor result = Tensor::splat({columns, rows}, 0.0);
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j)
            result.data[j * rows + i] = input.data[i * columns + j];
        return define(op.getOutput(), std::move(result), op);
      })
      // Rows, energies, random numbers.
      .Case([&](SoftmaxOp op) { return runRows(op, /*logarithm=*/false); })
      .Case([&](LogSoftmaxOp op) { return runRows(op, /*logarithm=*/true); })
      .Case([&](SquaredErrorOp op) {
        return runEnergy(op, /*crossEntropy=*/false);
      })
      .Case([&](CrossEntropyOp op) {
        return runEnergy(op, /*crossEntropy=*/true);
      })
      .Case([&](RandomNormalOp op) { return runRandomNormal(op); })
      .Default([&](Operation *op) -> LogicalResult {
        if (ScalarFunction function = lookupScalarFunction(op))
          return runScalar(op, function);
        return op->emitError()
               << "the reference interpreter has no '" << op->getName() << "'";
      });
}

//===----------------------------------------------------------------------===//
// Numbers and control flow
//===----------------------------------------------------------------------===//

LogicalResult Evaluator::runConstant(arith::ConstantOp op) {
  Attribute value = op.getValue();
  if (auto real = dyn_cast<FloatAttr>(value))
    return define(op, real.getValueAsDouble(), op);
  if (auto whole = dyn_cast<IntegerAttr>(value))
    return define(op, whole.getValue().getSExtValue(), op);
  if (auto elements = dyn_cast<DenseElementsAttr>(value)) {
    Tensor result(elements.getType().getShape().vec(), {});
    Type element = elements.getElementType();
    if (isa<FloatType>(element)) {
      for (const APFloat &x : elements.getValues<APFloat>()) {
        // A copy, because conversion changes the number in place.
        APFloat wide = x;
        bool inexact;
        wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                     &inexact);
        result.data.push_back(wide.convertToDouble());
      }
      return define(op, std::move(result), op);
    }
    if (element.isIntOrIndex()) {
      for (const APInt &x : elements.getValues<APInt>())
        result.data.push_back(static_cast<double>(x.getSExtValue()));
      return define(op, std::move(result), op);
    }
  }
  return op->emitError("the reference interpreter has no such constant");
}

LogicalResult Evaluator::runScalar(Operation *op, ScalarFunction function) {
  SmallVector<Scalar, 4> operands;
  for (SSAValue operand : op->getOperands()) {
    Scalar scalar;
    if (isa<FloatType>(operand.getType()))
      scalar.f = number(operand);
    else
      scalar.i = integer(operand);
    operands.push_back(scalar);
  }
  Scalar result = function(op, operands.data());
  if (isa<FloatType>(op->getResult(0).getType()))
    return define(op->getResult(0), result.f, op);
  return define(op->getResult(0), result.i, op);
}

LogicalResult Evaluator::runFor(scf::ForOp op) {
  int64_t lower = integer(op.getLowerBound());
  int64_t upper = integer(op.getUpperBound());
  int64_t step = integer(op.getStep());
  if (step <= 0)
    return op->emitError() << "expected a positive step, found " << step;
  std::vector<RuntimeValue> carried;
  for (SSAValue init : op.getInitArgs())
    carried.push_back(values.find(init)->second);
  for (int64_t i = lower; i < upper; i += step) {
    std::vector<RuntimeValue> arguments = {i};
    llvm::append_range(arguments, std::move(carried));
    if (failed(runBlock(*op.getBody(), arguments, carried)))
      return failure();
  }
  for (auto [result, value] : llvm::zip_equal(op.getResults(), carried))
    if (failed(define(result, std::move(value), op)))
      return failure();
  return success();
}

LogicalResult Evaluator::runIf(scf::IfOp op) {
  Region &region =
      integer(op.getCondition()) ? op.getThenRegion() : op.getElseRegion();
  std::vector<RuntimeValue> results;
  if (!region.empty() && failed(runBlock(region.front(), {}, results)))
    return failure();
  for (auto [result, value] : llvm::zip_equal(op.getResults(), results))
    if (failed(define(result, std::move(value), op)))
      return failure();
  return success();
}

LogicalResult Evaluator::runExtract(tensor::ExtractOp op) {
  const Tensor &source = tensor(op.getTensor());
  int64_t offset = 0;
  for (auto [index, dim] : llvm::zip_equal(op.getIndices(), source.shape)) {
    int64_t position = integer(index);
    if (position < 0 || position >= dim)
      return op->emitError() << "index " << position << " is outside of "
                             << formatShape(source.shape);
    offset = offset * dim + position;
  }
  double element = source.data[offset];
  if (isa<FloatType>(op.getType()))
    return define(op.getResult(), element, op);
  return define(op.getResult(), static_cast<int64_t>(element), op);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

/// True if a value is per sample outside of a stage.
static bool isBatched(Type type) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  return tensorType && tensorType.getRank() > 0 && tensorType.isDynamicDim(0);
}

LogicalResult Evaluator::runStage(StageOp op) {
  std::vector<RuntimeValue> inputs, results;
  for (SSAValue input : op.getInputs())
    inputs.push_back(values.find(input)->second);
  Block &body = op.getBody().front();

  if (op.getKind() == StageKind::Params) {
    if (failed(runBlock(body, inputs, results)))
      return failure();
    for (auto [result, value] : llvm::zip_equal(op.getOutputs(), results))
      if (failed(define(result, std::move(value), op)))
        return failure();
    return success();
  }

  // The rows of a block: the leading dimension of a per-sample argument, or of
  // a per-sample result when no operand is per sample.
  int64_t rows = 0;
  auto note = [&](Type outside, Type inside) {
    if (isBatched(outside))
      rows = cast<RankedTensorType>(inside).getDimSize(0);
  };
  for (auto [input, argument] :
       llvm::zip_equal(op.getInputs(), body.getArguments()))
    note(input.getType(), argument.getType());
  for (auto [result, yielded] :
       llvm::zip_equal(op.getOutputs(), body.getTerminator()->getOperands()))
    note(result.getType(), yielded.getType());
  if (rows <= 0)
    return op->emitError("expected sample blocks of a static size");
  return runSampleBlocks(op, inputs, rows);
}

LogicalResult Evaluator::runSampleBlocks(StageOp op,
                                         ArrayRef<RuntimeValue> inputs,
                                         int64_t rows) {
  Block &body = op.getBody().front();
  std::vector<Tensor> outputs;
  for (SSAValue result : op.getOutputs()) {
    if (!isBatched(result.getType()))
      return op->emitError()
             << "expected per-sample results of a samples stage, found "
             << result.getType();
    FailureOr<std::vector<int64_t>> shape = resolveShape(op, result.getType());
    if (failed(shape))
      return failure();
    outputs.push_back(Tensor::splat(*shape, 0.0));
  }

  int64_t outerFirst = firstSample;
  std::vector<RuntimeValue> arguments, results;
  for (int64_t first = 0; first < n; first += rows) {
    int64_t present = std::min(rows, n - first);
    arguments.clear();
    for (auto [input, value] : llvm::zip_equal(op.getInputs(), inputs)) {
      if (!isBatched(input.getType())) {
        arguments.push_back(value);
        continue;
      }
      const Tensor &whole = std::get<Tensor>(value);
      int64_t width = product(ArrayRef(whole.shape).drop_front());
      std::vector<int64_t> shape = whole.shape;
      shape[0] = rows;
      // Rows past the last sample hold what nothing may depend on.
      Tensor block =
          Tensor::splat(shape, std::numeric_limits<double>::quiet_NaN());
      std::copy_n(whole.data.begin() + first * width, present * width,
                  block.data.begin());
      arguments.push_back(std::move(block));
    }
    firstSample = outerFirst + first;
    if (failed(runBlock(body, arguments, results)))
      return failure();
    for (auto [output, value] : llvm::zip_equal(outputs, results)) {
      const Tensor &block = std::get<Tensor>(value);
      if (block.shape.front() != rows)
        return op->emitError()
               << "expected blocks of " << rows << " samples as results, found "
               << formatShape(block.shape);
      int64_t width = product(ArrayRef(block.shape).drop_front());
      assert((first + present) * width <= output.size() && "stage_c2");
      std::copy_n(block.data.begin(), present * width,
                  output.data.begin() + first * width);
    }
  }
  firstSample = outerFirst;
  for (auto [result, value] : llvm::zip_equal(op.getOutputs(), outputs))
    if (failed(define(result, std::move(value), op)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Element-wise operations
//===----------------------------------------------------------------------===//

LogicalResult Evaluator::mapUnary(Operation *op,
                                  function_ref<double(double)> function) {
  Tensor result = tensor(op->getOperand(0));
  for (double &element : result.data)
    element = function(element);
  return define(op->getResult(0), std::move(result), op);
}

LogicalResult
Evaluator::mapBinary(Operation *op,
                     function_ref<double(double, double)> function) {
  Tensor result = tensor(op->getOperand(0));
  const Tensor &other = tensor(op->getOperand(1));
  assert(result.shape == other.shape && "operands of one type");
  for (auto [left, right] : llvm::zip_equal(result.data, other.data))
    left = function(left, right);
  return define(op->getResult(0), std::move(result), op);
}

LogicalResult Evaluator::runElementwise(ElementwiseOp op) {
  // The region as a list of instructions over numbered slots.
  struct Instruction {
    Operation *op;
    ScalarFunction function;
    SmallVector<unsigned, 3> operands;
    unsigned result;
  };
  Block &body = op.getBody().front();
  llvm::DenseMap<SSAValue, unsigned> slotOf;
  std::vector<Scalar> slots;
  auto addSlot = [&](SSAValue value, Scalar initial = {}) {
    slotOf[value] = slots.size();
    slots.push_back(initial);
  };
  for (SSAValue argument : body.getArguments())
    addSlot(argument);
  std::vector<Instruction> instructions;
  for (Operation &inner : body.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      Scalar scalar;
      if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
        scalar.f = round(real.getValueAsDouble(), real.getType());
      else if (auto whole = dyn_cast<IntegerAttr>(constant.getValue()))
        scalar.i =
            wrapInteger(whole.getValue().getSExtValue(), whole.getType());
      else
        llvm_unreachable("elementwise_c5");
      addSlot(constant, scalar);
      continue;
    }
    Instruction instruction{&inner, lookupScalarFunction(&inner), {}, 0};
    if (!instruction.function)
      return inner.emitError()
             << "the reference interpreter has no '" << inner.getName() << "'";
    for (SSAValue operand : inner.getOperands())
      instruction.operands.push_back(slotOf.at(operand));
    instruction.result = slots.size();
    addSlot(inner.getResult(0));
    instructions.push_back(std::move(instruction));
  }
  unsigned yielded = slotOf.at(body.getTerminator()->getOperand(0));

  FailureOr<std::vector<int64_t>> shape =
      resolveShape(op, op.getOutput().getType());
  if (failed(shape))
    return failure();
  Tensor result = Tensor::splat(*shape, 0.0);
  SmallVector<const Tensor *> inputs;
  for (SSAValue input : op.getInputs()) {
    inputs.push_back(&tensor(input));
    assert(inputs.back()->shape == *shape && "elementwise_c2");
  }
  SmallVector<Scalar, 4> operands;
  for (int64_t i = 0; i < result.size(); ++i) {
    for (auto [index, input] : llvm::enumerate(inputs))
      slots[index].f = input->data[i];
    for (const Instruction &instruction : instructions) {
      operands.clear();
      for (unsigned slot : instruction.operands)
        operands.push_back(slots[slot]);
      Scalar value = instruction.function(instruction.op, operands.data());
      Type type = instruction.op->getResult(0).getType();
      value.f = round(value.f, type);
      value.i = wrapInteger(value.i, type);
      slots[instruction.result] = value;
    }
    result.data[i] = slots[yielded].f;
  }
  return define(op.getOutput(), std::move(result), op);
}

LogicalResult Evaluator::runAdamUpdate(AdamUpdateOp op) {
  Tensor param = tensor(op.getParam());
  Tensor m = tensor(op.getM()), v = tensor(op.getV());
  const Tensor &gradient = tensor(op.getGradient());
  // What is made of numbers alone is rounded to the element type once.
  Type type = op.getParam().getType();
  auto rounded = [&](SSAValue value) { return round(number(value), type); };
  double lr = rounded(op.getLr()), eps = rounded(op.getEps());
  double b1 = rounded(op.getB1()), b2 = rounded(op.getB2());
  double a1 = round(1 - number(op.getB1()), type);
  double a2 = round(1 - number(op.getB2()), type);
  double decay = rounded(op.getWeightDecay());
  double inverse1 = round(1 / number(op.getCorrection1()), type);
  double inverse2 = round(1 / number(op.getCorrection2()), type);
  assert(gradient.shape == param.shape && m.shape == param.shape &&
         v.shape == param.shape && "arrays of one type");
  for (int64_t i = 0; i < param.size(); ++i) {
    double g = gradient.data[i];
    m.data[i] = b1 * m.data[i] + a1 * g;
    v.data[i] = b2 * v.data[i] + a2 * g * g;
    double direction =
        m.data[i] * inverse1 / (std::sqrt(v.data[i] * inverse2) + eps);
    param.data[i] -= lr * (direction + decay * param.data[i]);
  }
  return failure(failed(define(op.getNewParam(), std::move(param), op)) ||
                 failed(define(op.getNewM(), std::move(m), op)) ||
                 failed(define(op.getNewV(), std::move(v), op)));
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

/// `value` rounded to bfloat16: to nearest, ties to even.
static double toBF16(double value) {
  llvm::APFloat number(value);
  bool lost;
  number.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven,
                 &lost);
  return number.convertToDouble();
}

/// An operand of a product, each element as the sum of so many numbers of
/// bfloat16; as it is if that is none.
static Tensor getFactors(const Tensor &operand, int64_t parts) {
  Tensor factors = operand;
  if (parts > 0)
    for (double &value : factors.data) {
      double sum = 0.0;
      for (int64_t part = 0; part < parts; ++part)
        sum += toBF16(value - sum);
      value = sum;
    }
  return factors;
}

LogicalResult Evaluator::runDense(DenseOp op) {
  Tensor input = getFactors(tensor(op.getInput()), op.getParts());
  Tensor weight =
      getFactors(tensor(op.getWeight()), std::min<int64_t>(op.getParts(), 1));
  bool transposed = op.getTransposed();
  assert(weight.shape.size() == 2 && !input.shape.empty() &&
         "dense_c1, dense_c2");
  int64_t out = weight.shape[transposed ? 1 : 0];
  int64_t in = weight.shape[transposed ? 0 : 1];
  if (input.shape.back() != in)
    return op->emitError() << "cannot multiply " << formatShape(input.shape)
                           << " with a weight of " << formatShape(weight.shape);
  std::vector<int64_t> shape = input.shape;
  shape.back() = out;
  Tensor result = Tensor::splat(shape, 0.0);
  int64_t rows = product(ArrayRef(shape).drop_back());
  int64_t outStride = transposed ? 1 : in, inStride = transposed ? out : 1;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0.0;
      for (int64_t k = 0; k < in; ++k)
        sum += input.data[row * in + k] *
               weight.data[o * outStride + k * inStride];
      result.data[row * out + o] = sum;
    }
  return define(op.getOutput(), std::move(result), op);
}

LogicalResult Evaluator::runNarrow(NarrowOp op) {
  const Tensor &input = tensor(op.getInput());
  int64_t rows = input.shape[0], columns = input.shape[1];
  bool transposed = op.getTransposed();
  Tensor result = Tensor::splat(op.getType().getShape(), 0.0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result.data[transposed ? j * rows + i : i * columns + j] =
          toBF16(input.data[i * columns + j]);
  return define(op.getOutput(), std::move(result), op);
}

LogicalResult Evaluator::runBatchOuter(BatchOuterOp op) {
  Tensor lhs = getFactors(tensor(op.getLhs()), op.getBf16() ? 1 : 0);
  Tensor rhs = getFactors(tensor(op.getRhs()), op.getBf16() ? 1 : 0);
  assert(lhs.shape.size() == 2 && rhs.shape.size() == 2 && "batch_outer_c1");
  if (lhs.shape[0] != rhs.shape[0])
    return op->emitError() << "expected two vectors per sample, found "
                           << formatShape(lhs.shape) << " and "
                           << formatShape(rhs.shape);
  int64_t samples = lhs.shape[0], rows = lhs.shape[1], columns = rhs.shape[1];
  Tensor result = Tensor::splat({rows, columns}, 0.0);
  for (int64_t s = 0; s < samples; ++s)
    for (int64_t i = 0; i < rows; ++i) {
      double left = lhs.data[s * rows + i];
      for (int64_t j = 0; j < columns; ++j)
        result.data[i * columns + j] += left * rhs.data[s * columns + j];
    }
  return define(op.getOutput(), std::move(result), op);
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

LogicalResult Evaluator::runConcat(ConcatOp op) {
  FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
  if (failed(shape))
    return failure();
  int64_t axis = op.getAxis(), rank = shape->size();
  assert(axis < 0 && axis >= -rank && "concat_c3");
  Tensor result = Tensor::splat(*shape, 0.0);
  AxisView to(*shape, axis);
  int64_t offset = 0;
  for (SSAValue operand : op.getInputs()) {
    const Tensor &input = tensor(operand);
    assert(static_cast<int64_t>(input.shape.size()) == rank && "concat_c4");
    AxisView from(input.shape, axis);
    if (from.outer != to.outer || from.inner != to.inner ||
        offset + from.extent > to.extent)
      return op->emitError() << "operand of shape " << formatShape(input.shape)
                             << " does not fit into " << formatShape(*shape);
    for (int64_t o = 0; o < from.outer; ++o)
      for (int64_t a = 0; a < from.extent; ++a)
        for (int64_t i = 0; i < from.inner; ++i)
          result.data[(o * to.extent + offset + a) * to.inner + i] =
              input.data[(o * from.extent + a) * from.inner + i];
    offset += from.extent;
  }
  if (offset != to.extent)
    return op->emitError() << "expected parts of " << to.extent
                           << " elements in all along the axis, found "
                           << offset;
  return define(op.getOutput(), std::move(result), op);
}

/// A slice copies the part at `offset` out of the operand, a pad copies the
/// operand to there.
template <typename OpTy>
LogicalResult Evaluator::runSlice(OpTy op, bool pad) {
  FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
  if (failed(shape))
    return failure();
  const Tensor &input = tensor(op.getInput());
  int64_t axis = op.getAxis(), offset = op.getOffset(), rank = shape->size();
  assert(axis < 0 && axis >= -rank &&
         static_cast<int64_t>(input.shape.size()) == rank &&
         "slice_c2, slice_c3, pad_c2, pad_c3");
  Tensor result = Tensor::splat(*shape, 0.0);
  AxisView from(input.shape, axis), to(*shape, axis);
  const AxisView &part = pad ? from : to, &whole = pad ? to : from;
  if (from.outer != to.outer || from.inner != to.inner || offset < 0 ||
      offset + part.extent > whole.extent)
    return op->emitError() << "part of " << part.extent << " elements at "
                           << offset << " is outside of " << whole.extent;
  for (int64_t o = 0; o < part.outer; ++o)
    for (int64_t a = 0; a < part.extent; ++a)
      for (int64_t i = 0; i < part.inner; ++i) {
        int64_t inPart = (o * part.extent + a) * part.inner + i;
        int64_t inWhole = (o * whole.extent + offset + a) * whole.inner + i;
        result.data[pad ? inWhole : inPart] =
            input.data[pad ? inPart : inWhole];
      }
  return define(op.getOutput(), std::move(result), op);
}

//===----------------------------------------------------------------------===//
// Rows, energies, random numbers
//===----------------------------------------------------------------------===//

/// Replaces rows of `width` elements by their softmax or its logarithm.
static void softmaxRows(Tensor &array, int64_t width, bool logarithm) {
  for (int64_t row = 0; row < array.size(); row += width) {
    double *x = array.data.data() + row;
    double shift = *std::max_element(x, x + width), sum = 0.0;
    for (int64_t i = 0; i < width; ++i)
      sum += std::exp(x[i] - shift);
    for (int64_t i = 0; i < width; ++i)
      x[i] = logarithm ? x[i] - shift - std::log(sum)
                       : std::exp(x[i] - shift) / sum;
  }
}

LogicalResult Evaluator::runRows(Operation *op, bool logarithm) {
  Tensor result = tensor(op->getOperand(0));
  assert(!result.shape.empty() && "softmax_c1");
  softmaxRows(result, result.shape.back(), logarithm);
  return define(op->getResult(0), std::move(result), op);
}

LogicalResult Evaluator::runEnergy(Operation *op, bool crossEntropy) {
  const Tensor &state = tensor(op->getOperand(0));
  Tensor prediction = tensor(op->getOperand(1));
  FailureOr<std::vector<int64_t>> shape =
      resolveShape(op, op->getResult(0).getType());
  if (failed(shape))
    return failure();
  assert(state.shape == prediction.shape && "se_energy_c1, ce_energy_c1");
  Tensor result = Tensor::splat(*shape, 0.0);
  int64_t group = state.size() / std::max<int64_t>(result.size(), 1);
  if (crossEntropy)
    softmaxRows(prediction, state.shape.back(), /*logarithm=*/true);
  for (int64_t i = 0; i < state.size(); ++i) {
    double h = state.data[i], u = prediction.data[i];
    result.data[i / group] += crossEntropy ? -h * u : 0.5 * (h - u) * (h - u);
  }
  return define(op->getResult(0), std::move(result), op);
}

LogicalResult Evaluator::runRandomNormal(RandomNormalOp op) {
  FailureOr<std::vector<int64_t>> shape = resolveShape(op, op.getType());
  if (failed(shape))
    return failure();
  uint64_t seed = integer(op.getSeed()), call = integer(op.getCall());
  Tensor result = Tensor::splat(*shape, 0.0);
  int64_t width = shape->empty() ? 1 : product(ArrayRef(*shape).drop_front());
  for (int64_t i = 0; i < result.size(); ++i)
    result.data[i] = randomNormal(seed, call, op.getStream(),
                                  firstSample + i / width, i % width);
  return define(op.getOutput(), std::move(result), op);
}

//===----------------------------------------------------------------------===//
// Entry point
//===----------------------------------------------------------------------===//

FailureOr<std::vector<RuntimeValue>>
reference::evaluate(func::FuncOp function, ArrayRef<RuntimeValue> arguments,
                    int64_t n, const Options &options) {
  if (n < 1)
    return function.emitError() << "expected at least one sample, found " << n;
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return function.emitError(
        "the reference interpreter needs a body of one block");
  if (arguments.size() != function.getNumArguments())
    return function.emitError() << "expected " << function.getNumArguments()
                                << " arguments, found " << arguments.size();
  Evaluator evaluator(n, options);
  std::vector<RuntimeValue> results;
  if (failed(
          evaluator.runBlock(function.getBody().front(), arguments, results)))
    return failure();
  return results;
}
