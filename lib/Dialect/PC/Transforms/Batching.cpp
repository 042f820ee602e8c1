//===- Batching.cpp - Evaluates a model's values for a whole batch --------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/Batching.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace pc;

RankedTensorType pc::getBatchedType(RankedTensorType perSample) {
  SmallVector<int64_t> shape = {ShapedType::kDynamic};
  llvm::append_range(shape, perSample.getShape());
  return RankedTensorType::get(shape, perSample.getElementType());
}

/// True if `value`, the batched or shared form of a value of per-sample type
/// `perSample`, has the leading dimension.
static bool isBatched(Value value, Type perSample) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type &&
         type.getRank() == cast<RankedTensorType>(perSample).getRank() + 1;
}

Value BatchedEvaluator::getBatched(Value value, RankedTensorType perSample) {
  if (isBatched(value, perSample))
    return value;
  return BatchBroadcastOp::create(builder, value.getLoc(),
                                  getBatchedType(perSample), value);
}

LogicalResult BatchedEvaluator::clone(Operation *op) {
  // A dense layer's weight is the one operand that stays shared.
  auto isSharedOperand = [&](OpOperand &operand) {
    return isa<DenseOp>(op) && operand.getOperandNumber() == 1;
  };
  bool batched = isa<DenseOp>(op);
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    bool operandBatched =
        isBatched(values.lookup(operand.get()), operand.get().getType());
    if (isSharedOperand(operand)) {
      // dense_c4
      if (operandBatched)
        return op->emitOpError("expects a weight that all samples share, but "
                               "it depends on a state or an input");
      continue;
    }
    batched |= operandBatched;
  }
  IRMapping mapping;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = values.lookup(operand.get());
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (batched && type && !isSharedOperand(operand))
      value = getBatched(value, type);
    mapping.map(operand.get(), value);
  }
  Operation *copy = builder.clone(*op, mapping);
  for (auto [original, result] :
       llvm::zip_equal(op->getResults(), copy->getResults())) {
    if (auto type = dyn_cast<RankedTensorType>(original.getType());
        batched && type)
      result.setType(getBatchedType(type));
    values[original] = result;
  }
  return success();
}

Value BatchedEvaluator::evaluate(Value modelValue) {
  // An explicit stack: models can be thousands of layers deep.
  SmallVector<Value> stack = {modelValue};
  while (!stack.empty()) {
    Value next = stack.back();
    if (values.lookup(next)) {
      stack.pop_back();
      continue;
    }
    Operation *op = next.getDefiningOp();
    assert(op && "a leaf without a value");
    bool ready = true;
    for (Value operand : llvm::reverse(op->getOperands()))
      if (!values.lookup(operand)) {
        stack.push_back(operand);
        ready = false;
      }
    if (!ready)
      continue;
    if (failed(clone(op)))
      return nullptr;
    stack.pop_back();
  }
  return values.lookup(modelValue);
}
