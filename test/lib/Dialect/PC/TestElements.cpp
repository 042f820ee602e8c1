//===- TestElements.cpp - Expands elementwise operations in tests ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../../TestPasses.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;

namespace {

/// Rewrites a function of elementwise operations on tensors of one static shape
/// into the same function of one element: tensors become floats, or vectors of
/// `width` floats, splats become constants, and f64 numbers are repeated.
struct TestElementsPass
    : public PassWrapper<TestElementsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestElementsPass)

  TestElementsPass() = default;
  TestElementsPass(const TestElementsPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "test-pc-elements"; }
  StringRef getDescription() const final {
    return "Expand elementwise operations into the arithmetic of one element";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect,
                    vector::VectorDialect>();
  }

  Type convert(Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return type;
    Type element = tensor.getElementType();
    return width == 0 ? element : VectorType::get({width}, element);
  }

  /// The element of a converted operand: itself, or a number repeated.
  Value convertNumber(OpBuilder &builder, Location loc, Value value) {
    if (width == 0 || isa<VectorType>(value.getType()))
      return value;
    auto type = VectorType::get({width}, value.getType());
    return vector::BroadcastOp::create(builder, loc, type, value);
  }

  LogicalResult rewrite(func::FuncOp function) {
    OpBuilder builder(function);
    SmallVector<Type> arguments, results;
    for (Type type : function.getArgumentTypes())
      arguments.push_back(convert(type));
    for (Type type : function.getResultTypes())
      results.push_back(convert(type));
    auto scalar =
        func::FuncOp::create(builder, function.getLoc(), function.getName(),
                             builder.getFunctionType(arguments, results));
    Block *entry = scalar.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    IRMapping mapping;
    mapping.map(function.getArguments(), entry->getArguments());
    for (Operation &op : function.front()) {
      if (auto splat = dyn_cast<pc::SplatOp>(op)) {
        mapping.map(splat.getOutput(),
                    pc::buildFloat(builder, op.getLoc(),
                                   convert(splat.getType()),
                                   splat.getValue().convertToDouble()));
        continue;
      }
      auto elementwise = dyn_cast<pc::ElementwiseOpInterface>(op);
      if (!elementwise) {
        if (!isa<func::ReturnOp, arith::ConstantOp>(op))
          return op.emitError("expects elementwise operations only");
        builder.clone(op, mapping);
        continue;
      }
      SmallVector<Value> operands, values;
      for (Value operand : op.getOperands())
        operands.push_back(
            convertNumber(builder, op.getLoc(), mapping.lookup(operand)));
      elementwise.buildElement(builder, op.getLoc(), operands, values);
      mapping.map(op.getResults(), values);
    }
    function.erase();
    return success();
  }

  void runOnOperation() override {
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (failed(rewrite(function)))
        return signalPassFailure();
  }

  Option<int64_t> width{*this, "width",
                        llvm::cl::desc("elements of a vector; 0 for scalars"),
                        llvm::cl::init(0)};
};

} // namespace

void pc::test::registerTestElementsPass() {
  PassRegistration<TestElementsPass>();
}
