//===- ReverseSweep.cpp - Reverse mode over one block ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/IR/ReverseSweep.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace pc;

/// Only floats, and tensors of them, have cotangents.
static bool isDifferentiable(Type type) {
  return isa<FloatType>(getElementTypeOrSelf(type));
}

/// Calls `visit` with every value from outside that the operation reads,
/// operands and values captured by its regions alike.
static void forEachRead(Operation &op, function_ref<void(Value)> visit) {
  if (op.getNumRegions() == 0) {
    llvm::for_each(op.getOperands(), visit);
    return;
  }
  op.walk(
      [&](Operation *nested) { llvm::for_each(nested->getOperands(), visit); });
}

/// Operations of last's block that it depends on, in their order, itself
/// included. What defines a variable is not looked into.
static SmallVector<Operation *> collectSlice(Operation *last,
                                             const DenseSet<Value> &variables) {
  SetVector<Operation *> slice;
  slice.insert(last);
  for (size_t next = 0; next < slice.size(); ++next)
    forEachRead(*slice[next], [&](Value value) {
      Operation *op = value.getDefiningOp();
      if (op && op->getBlock() == last->getBlock() &&
          !variables.contains(value))
        slice.insert(op);
    });
  SmallVector<Operation *> ops = slice.takeVector();
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

LogicalResult pc::reverseSweep(OpBuilder &builder, Value output, Value seed,
                               ValueRange wrt, AddCotangents add,
                               SmallVectorImpl<Value> &cotangents) {
  assert(output.getType() == seed.getType() &&
         "a cotangent has its value's type");
  DenseMap<Value, Value> adjoints;
  adjoints[output] = seed;

  if (Operation *last = output.getDefiningOp()) {
    DenseSet<Value> variables(wrt.begin(), wrt.end());
    SmallVector<Operation *> ops = collectSlice(last, variables);

    // Values that depend on a variable.
    DenseSet<Value> varied = variables;
    for (Operation *op : ops) {
      bool reads = false;
      forEachRead(*op, [&](Value value) { reads |= varied.contains(value); });
      if (!reads)
        continue;
      for (Value result : op->getResults())
        if (isDifferentiable(result.getType()))
          varied.insert(result);
    }

    // Backwards from the output: an operation with an adjoint of a result is on
    // a path to it.
    for (Operation *op : llvm::reverse(ops)) {
      SmallVector<Value> results;
      bool reached = false;
      for (Value result : op->getResults()) {
        // A variable's cotangent is complete; it does not move on.
        Value adjoint =
            variables.contains(result) ? Value() : adjoints.lookup(result);
        reached |= static_cast<bool>(adjoint);
        results.push_back(adjoint);
      }
      if (!reached)
        continue;
      bool active = false;
      forEachRead(*op, [&](Value value) { active |= varied.contains(value); });
      if (!active)
        continue;
      // differentiate_c3
      auto rule = dyn_cast<DifferentiableOpInterface>(op);
      if (!rule)
        return op->emitError("'")
               << op->getName() << "' has no vector-Jacobian product";
      llvm::SmallBitVector asked(op->getNumOperands());
      for (OpOperand &operand : op->getOpOperands())
        if (varied.contains(operand.get()))
          asked.set(operand.getOperandNumber());
      SmallVector<Value> contributions;
      if (failed(rule.buildVJP(builder, results, asked, contributions)))
        return failure();
      assert(contributions.size() == op->getNumOperands() &&
             "a rule returns one cotangent per operand");
      for (auto [operand, contribution] :
           llvm::zip(op->getOperands(), contributions)) {
        if (!contribution || !varied.contains(operand))
          continue;
        assert(contribution.getType() == operand.getType() &&
               "a cotangent has its value's type");
        Value &adjoint = adjoints[operand];
        adjoint = adjoint ? add(builder, op->getLoc(), adjoint, contribution)
                          : contribution;
      }
    }
  }

  for (Value variable : wrt)
    cotangents.push_back(adjoints.lookup(variable));
  return success();
}
