//===- TestDifferentiate.cpp - Differentiates functions in tests ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../TestPasses.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "pc/Autodiff/ReverseMode.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;

namespace {

/// Turns every function (arguments) -> energy into
/// (arguments) -> (energy, d energy / d argument ...), one gradient per
/// argument that is a tensor of floats, in their order. The energy is the
/// function's first result: one float per sample, or one float. A second
/// result, if there is one, is the energy's cotangent, and is dropped.
struct TestDifferentiatePass
    : public PassWrapper<TestDifferentiatePass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDifferentiatePass)

  StringRef getArgument() const final { return "test-pc-differentiate"; }
  StringRef getDescription() const final {
    return "Append the gradients of a function's energy to its results";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<pc::PCDialect>();
  }

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    auto ret = cast<func::ReturnOp>(function.front().getTerminator());
    if (ret.getNumOperands() != 1 && ret.getNumOperands() != 2) {
      ret.emitOpError("expects an energy and at most a cotangent, but found ")
          << ret.getNumOperands() << " values";
      return signalPassFailure();
    }
    Value energy = ret.getOperand(0);
    Value seed = ret.getNumOperands() == 2 ? ret.getOperand(1) : Value();
    SmallVector<Value> variables;
    for (BlockArgument argument : function.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (type && isa<FloatType>(type.getElementType()))
        variables.push_back(argument);
    }
    for (Operation &op : function.front())
      if (op.hasAttr("test.variable"))
        llvm::append_range(variables, op.getResults());
    OpBuilder builder(ret);
    FailureOr<SmallVector<Value>> gradients =
        pc::differentiate(builder, energy, seed, variables);
    if (failed(gradients))
      return signalPassFailure();
    SmallVector<Value> results{energy};
    llvm::append_range(results, *gradients);
    ret.getOperandsMutable().assign(results);
    function.setType(FunctionType::get(
        &getContext(), function.getArgumentTypes(), ValueRange(results)));
  }
};

} // namespace

void pc::test::registerTestDifferentiatePass() {
  PassRegistration<TestDifferentiatePass>();
}
