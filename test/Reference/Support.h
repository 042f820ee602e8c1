//===- Support.h - Helpers of tests that evaluate MLIR text ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_TEST_REFERENCE_SUPPORT_H
#define PC_TEST_REFERENCE_SUPPORT_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Reference/Interpreter.h"
#include "gtest/gtest.h"

#include <string>
#include <vector>

namespace pc::test {

using reference::Tensor;

/// A context with every dialect of the functional form, which keeps what
/// diagnostics say.
class Context {
public:
  Context() {
    mlir::DialectRegistry registry;
    registry.insert<PCDialect, mlir::arith::ArithDialect,
                    mlir::func::FuncDialect, mlir::math::MathDialect,
                    mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
    registerScalarDifferentiableModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    context.getDiagEngine().registerHandler(
        [this](mlir::Diagnostic &diagnostic) {
          messages += diagnostic.str() + "\n";
          return mlir::success();
        });
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text) {
    messages.clear();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << messages;
    return module;
  }

  mlir::MLIRContext *operator&() { return &context; }

  std::string messages;

private:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

/// Evaluates the first function of `text`; no results when that fails, and
/// `context.messages` says why.
inline std::vector<reference::Value>
evaluateText(Context &context, llvm::StringRef text,
             llvm::ArrayRef<reference::Value> arguments, int64_t n = 1,
             const reference::Options &options = {}) {
  auto module = context.parse(text);
  if (!module)
    return {};
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  auto results = reference::evaluate(function, arguments, n, options);
  return mlir::failed(results) ? std::vector<reference::Value>() : *results;
}

/// Checks shape and elements, the latter to `tolerance` relative to 1 or to
/// the expected value, whichever is larger.
inline void expectTensor(const reference::Value &value,
                         std::vector<int64_t> shape,
                         std::vector<double> expected,
                         double tolerance = 1e-15) {
  const auto *tensor = std::get_if<Tensor>(&value);
  ASSERT_TRUE(tensor) << "not a tensor";
  EXPECT_EQ(tensor->shape, shape);
  ASSERT_EQ(tensor->data.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(tensor->data[i], expected[i],
                tolerance * std::max(1.0, std::abs(expected[i])))
        << "element " << i;
}

} // namespace pc::test

#endif // PC_TEST_REFERENCE_SUPPORT_H
