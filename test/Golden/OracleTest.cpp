//===- OracleTest.cpp - The reference interpreter against PCX -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Golden.h"
#include "Support.h"
#include "mlir/Pass/PassManager.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

#include <gtest/gtest.h>

using namespace pc;
using namespace pcx::test;
using pc::test::Context;
using reference::Interpreter;

namespace {

/// Runs programs on the interpreter.
class OracleProvider : public Provider {
public:
  OracleProvider(Interpreter &interpreter, Context &context)
      : interpreter(interpreter), context(context) {}

  void reset() override { interpreter.initialise(0); }
  void setStorage(const std::string &name, const Numbers &value) override {
    EXPECT_TRUE(
        mlir::succeeded(interpreter.setStorage(name, {value.dims, value.data})))
        << context.messages;
  }
  Numbers getStorage(const std::string &name) override {
    const reference::Tensor *array = interpreter.getStorage(name);
    return array ? Numbers{array->shape, array->data} : Numbers();
  }
  void setTotalSteps(double steps) override {
    interpreter.getCounters().totalSteps = steps;
  }
  Arrays train(int64_t samples, const Arrays &inputs) override {
    Interpreter::Arrays tensors;
    for (const auto &[name, value] : inputs)
      tensors[name] = {value.dims, value.data};
    auto outputs = interpreter.run("train", samples, tensors);
    EXPECT_TRUE(mlir::succeeded(outputs)) << context.messages;
    Arrays result;
    if (mlir::succeeded(outputs))
      for (const auto &[name, tensor] : *outputs)
        result[name] = {tensor.shape, tensor.data};
    return result;
  }

private:
  Interpreter &interpreter;
  Context &context;
};

/// One golden file, with or without the trace of every step.
class OracleTest
    : public testing::TestWithParam<std::pair<std::string, std::string>> {
protected:
  /// Lowers the programs of the text to functions.
  mlir::OwningOpRef<mlir::ModuleOp> lower(const std::string &text,
                                          const std::string &type) {
    auto module = context.parse(text);
    if (!module)
      return module;
    mlir::PassManager passes(&context);
    passes.addPass(createBindConstantsPass());
    passes.addPass(createInlineBlocksPass());
    passes.addPass(createConvertFloatPass({type}));
    passes.addPass(createExpandLayersPass());
    LowerProgramsPassOptions options;
    options.trace = true;
    passes.addPass(createLowerProgramsPass(options));
    EXPECT_TRUE(mlir::succeeded(passes.run(*module))) << context.messages;
    return module;
  }

  Context context;
};

TEST_P(OracleTest, AgreesWithPCX) {
  const auto &[name, type] = GetParam();
  if (name.empty())
    GTEST_SKIP() << "no golden files: set PCX_SHARED_DIR";
  std::string error;
  auto file = readGolden(name, error);
  ASSERT_TRUE(file) << error;
  auto module = lower(sourceText(*file), type);
  ASSERT_TRUE(module);
  reference::Options options;
  options.roundToElementType = true;
  auto interpreter = Interpreter::create(*module, options);
  ASSERT_TRUE(mlir::succeeded(interpreter)) << context.messages;
  OracleProvider provider(*interpreter, context);
  Policy policy;
  policy.single = type == "f32";
  compareWithGolden(*file, provider, policy);
}

std::vector<std::pair<std::string, std::string>> parameters() {
  std::vector<std::string> names = goldenNames();
  // One that says that it is skipped.
  if (names.empty())
    names.push_back("");
  std::vector<std::pair<std::string, std::string>> result;
  for (const std::string &name : names)
    for (const char *type : {"f64", "f32"})
      result.emplace_back(name, type);
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Golden, OracleTest, testing::ValuesIn(parameters()), [](const auto &info) {
      return (info.param.first.empty() ? "none" : info.param.first) + "_" +
             info.param.second;
    });

} // namespace
