//===- PhasesTest.cpp - Every phase computes the same ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the phases after `functional` do is exact: interpreted, their programs
// give the same numbers, compared with ==, on random weights and inputs.
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "mlir/Pass/PassManager.h"
#include "pc/Pipelines/Pipelines.h"
#include "test/Support/SmallSizes.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

using namespace pc;
using namespace pc::test;
using reference::Interpreter;

namespace {

class PhasesTest : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    std::ifstream file(GetParam());
    ASSERT_TRUE(file) << GetParam();
    std::stringstream stream;
    stream << file.rdbuf();
    text = stream.str();
  }

  /// The programs of the file at a phase.
  mlir::OwningOpRef<mlir::ModuleOp> lower(Phase phase, bool trace = false,
                                          int64_t sampleBlock = 0) {
    auto module = context.parse(text);
    if (!module)
      return module;
    PipelineOptions options;
    options.trace = trace;
    options.sampleBlock = sampleBlock;
    for (const std::string &definition : smallSizes(GetParam()))
      options.define.push_back(definition);
    mlir::PassManager passes(&context);
    for (const PhaseInfo &info : getPhases())
      if (info.phase <= phase)
        buildPhase(passes, info.phase, options);
    EXPECT_TRUE(mlir::succeeded(passes.run(*module))) << context.messages;
    return module;
  }

  Tensor random(const std::vector<int64_t> &shape, std::mt19937_64 &generator) {
    Tensor tensor = Tensor::splat(shape, 0);
    for (double &value : tensor.data)
      value = std::normal_distribution<double>()(generator);
    return tensor;
  }

  /// Runs every program twice, one after the other; all outputs and what is in
  /// storage after each run.
  std::map<std::string, Tensor> runAll(mlir::ModuleOp module,
                                       bool roundToElementType) {
    std::map<std::string, Tensor> numbers;
    reference::Options options;
    options.roundToElementType = roundToElementType;
    auto interpreter = Interpreter::create(module, options);
    EXPECT_TRUE(mlir::succeeded(interpreter)) << context.messages;
    if (mlir::failed(interpreter))
      return numbers;
    interpreter->initialise(11);
    interpreter->getCounters().totalSteps = 20;
    std::mt19937_64 generator(5);
    // Not a multiple of anything.
    constexpr int64_t n = 5;
    for (int repetition = 0; repetition < 2; ++repetition)
      for (const std::string &program : interpreter->getProgramNames()) {
        Interpreter::Arrays inputs;
        for (const auto &[name, shape] : interpreter->getInputs(program, n))
          inputs[name] = random(shape, generator);
        auto outputs = interpreter->run(program, n, inputs);
        EXPECT_TRUE(mlir::succeeded(outputs)) << program << context.messages;
        if (mlir::failed(outputs))
          return numbers;
        std::string run = program + "#" + std::to_string(repetition);
        for (auto &[name, tensor] : *outputs)
          numbers[run + " output " + name] = tensor;
        for (const auto &[name, tensor] : interpreter->getStorage())
          numbers[run + " storage " + name] = tensor;
      }
    return numbers;
  }

  /// Checks that the second has all numbers of the first, all finite.
  void expectEqual(const std::map<std::string, Tensor> &expected,
                   const std::map<std::string, Tensor> &found) {
    for (const auto &[name, tensor] : expected) {
      SCOPED_TRACE(name);
      auto it = found.find(name);
      ASSERT_NE(it, found.end()) << "not computed";
      ASSERT_EQ(it->second.shape, tensor.shape);
      for (int64_t i = 0; i < tensor.size(); ++i) {
        ASSERT_TRUE(std::isfinite(tensor.data[i])) << "element " << i;
        ASSERT_EQ(it->second.data[i], tensor.data[i]) << "element " << i;
      }
    }
  }

  Context context;
  std::string text;
};

TEST_P(PhasesTest, SimplifiedEqualsFunctional) {
  auto functional = lower(Phase::Functional);
  auto simplified = lower(Phase::Simplified);
  ASSERT_TRUE(functional && simplified);
  for (bool round : {false, true}) {
    SCOPED_TRACE(round ? "rounded" : "in double");
    auto expected = runAll(*functional, round);
    ASSERT_FALSE(expected.empty());
    expectEqual(expected, runAll(*simplified, round));
  }
}

TEST_P(PhasesTest, TracesChangeNothing) {
  if (text.find(" max ") != std::string::npos &&
      text.find("pc.repeat %") != std::string::npos)
    GTEST_SKIP() << "a bound that is known at run time only";
  auto functional = lower(Phase::Functional);
  auto traced = lower(Phase::Simplified, /*trace=*/true);
  ASSERT_TRUE(functional && traced);
  auto expected = runAll(*functional, false);
  ASSERT_FALSE(expected.empty());
  expectEqual(expected, runAll(*traced, false));
}

std::vector<std::string> sources() {
  std::vector<std::string> paths;
  for (const char *folder : {PC_MODELS_DIR, PC_REFERENCE_INPUTS})
    for (const auto &entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".pcir")
        paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Files, PhasesTest, testing::ValuesIn(sources()),
                         [](const auto &info) {
                           // A model and a test input may share a name.
                           std::filesystem::path path(info.param);
                           return path.parent_path().filename().string() + "_" +
                                  path.stem().string();
                         });

} // namespace
