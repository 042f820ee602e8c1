//===- FixedPoint.cpp - Loops that can be left early ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One iteration is evaluated with facts in the place of numbers: the candidate
// is zero, every other carried value is itself. Where a select's condition
// follows from that, its result is one of the two; whatever else is computed is
// unknown. The loop stays where it is if it yields what it got.
//
//===----------------------------------------------------------------------===//

#include "FixedPoint.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

namespace {
/// What is known of a value, of all elements of an array.
struct Fact {
  enum Kind { Unknown, Zero, False, Same } kind = Unknown;
  /// Of what it is the same: an iteration argument.
  Value source = {};
  bool operator==(const Fact &) const = default;
};

class Facts {
public:
  void set(Value value, Fact fact) { facts[value] = fact; }
  Fact get(Value value) const {
    if (matchPattern(value, m_AnyZeroFloat()))
      return {Fact::Zero};
    return facts.lookup(value);
  }
  void evaluate(Block &block);

private:
  void evaluate(GroupOp group);
  void evaluate(linalg::GenericOp op);

  llvm::DenseMap<Value, Fact> facts;
};
} // namespace

void Facts::evaluate(GroupOp group) {
  Block &body = group.getBody().front();
  for (auto [argument, input] :
       llvm::zip_equal(body.getArguments(), group.getInputs()))
    set(argument, get(input));
  evaluate(body);
  for (auto [result, value] :
       llvm::zip_equal(group.getResults(), body.getTerminator()->getOperands()))
    set(result, get(value));
}

void Facts::evaluate(linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops())
    return;
  Block &body = op.getRegion().front();
  for (OpOperand &operand : op->getOpOperands()) {
    Fact fact = get(operand.get());
    // Zero is zero wherever it is read. An array is itself only where each
    // element stays in its place.
    if (fact.kind == Fact::Same &&
        !op.getMatchingIndexingMap(&operand).isIdentity())
      fact = {};
    // What the result's array held before is not read: it has no value.
    if (op.isDpsInit(&operand))
      fact = {};
    set(op.getMatchingBlockArgument(&operand), fact);
  }
  evaluate(body);
  for (auto [index, result] : llvm::enumerate(op.getResults())) {
    Fact fact = get(body.getTerminator()->getOperand(index));
    if (fact.kind == Fact::Same &&
        !op.getMatchingIndexingMap(op.getDpsInitOperand(index)).isIdentity())
      fact = {};
    set(result, fact);
  }
}

void Facts::evaluate(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (auto group = dyn_cast<GroupOp>(op)) {
      evaluate(group);
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      evaluate(generic);
    } else if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
      // Of two zeros, whatever their signs.
      arith::CmpFPredicate predicate = compare.getPredicate();
      bool differ = predicate == arith::CmpFPredicate::UNE ||
                    predicate == arith::CmpFPredicate::ONE;
      if (differ && get(compare.getLhs()).kind == Fact::Zero &&
          get(compare.getRhs()).kind == Fact::Zero)
        set(compare, {Fact::False});
    } else if (auto select = dyn_cast<arith::SelectOp>(op)) {
      Fact yes = get(select.getTrueValue()), no = get(select.getFalseValue());
      if (get(select.getCondition()).kind == Fact::False || yes == no)
        set(select, no);
    }
  }
}

std::optional<unsigned> pc::findFixedPoint(scf::ForOp loop) {
  auto yielded = loop.getBody()->getTerminator()->getOperands();
  for (auto [candidate, zero] : llvm::enumerate(loop.getRegionIterArgs())) {
    auto type = dyn_cast<RankedTensorType>(zero.getType());
    if (!type || type.getRank() != 1 || !isa<FloatType>(type.getElementType()))
      continue;
    Facts facts;
    for (Value argument : loop.getRegionIterArgs())
      facts.set(argument, argument == zero ? Fact{Fact::Zero}
                                           : Fact{Fact::Same, argument});
    facts.evaluate(*loop.getBody());
    bool stays = true;
    for (auto [argument, value] :
         llvm::zip_equal(loop.getRegionIterArgs(), yielded))
      stays &=
          facts.get(value) ==
          (argument == zero ? Fact{Fact::Zero} : Fact{Fact::Same, argument});
    if (stays)
      return candidate;
  }
  return std::nullopt;
}
