//===- FilesTest.cpp - Compiled models against the interpreter ------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every program of every model in models/ (some with smaller sizes) and of the
// interpreter's own inputs, in f64 at the lowest and the highest optimisation
// level: all outputs, and all persistent arrays after each call, must be what
// the interpreter of the functional form computes.
//
//===----------------------------------------------------------------------===//

#include "CompiledProgram.h"

#include "test/Support/SmallSizes.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

using namespace pc;
using namespace pc::test;

namespace {

class FilesTest : public testing::TestWithParam<std::string> {};

/// Compares with an allowance of 1e-8 (Adam divides by the size of gradients
/// that are nearly nothing) relative to the largest element, and to 0.01 where
/// all elements are smaller: differences of states of about 1. What is no
/// number must be none in both. An array of states has room for the largest
/// batch; the interpreter keeps the rows of the last one.
void expectClose(const Tensor &found, const Tensor &expected,
                 const std::string &name) {
  ASSERT_GE(found.size(), expected.size()) << name;
  double scale = 1e-2;
  for (double value : expected.data)
    if (std::isfinite(value))
      scale = std::max(scale, std::abs(value));
  for (int64_t i = 0; i < expected.size(); ++i) {
    double a = found.data[i], b = expected.data[i];
    if (std::isfinite(b))
      ASSERT_LE(std::abs(a - b), 1e-8 * scale) << name << " element " << i;
    else
      ASSERT_TRUE(a == b || (std::isnan(a) && std::isnan(b)))
          << name << " element " << i << " is " << a << ", expected " << b;
  }
}

TEST_P(FilesTest, AgreesWithTheInterpreter) {
  std::ifstream file(GetParam());
  ASSERT_TRUE(file);
  std::stringstream source;
  source << file.rdbuf();
  const char *cpu = canRun("x86-64-v4") ? "x86-64-v4" : "x86-64-v3";
  if (!canRun(cpu))
    GTEST_SKIP() << "this CPU cannot run x86-64-v3";
  for (unsigned level : {0u, 3u}) {
    SCOPED_TRACE("-O" + std::to_string(level));
    CompileOptions options;
    options.cpu = cpu;
    options.floatType = "f64";
    options.batch = 11;
    options.optLevel = level;
    options.define = smallSizes(GetParam());
    std::string message;
    auto module = CompiledModule::create(source.str(), options, message);
    ASSERT_TRUE(module) << message;
    auto interpreter = Interpreter::create(module->getFunctional());
    ASSERT_TRUE(mlir::succeeded(interpreter));
    interpreter->initialise(11);
    interpreter->getCounters().totalSteps = 20;
    // The initial rows of states are zero in both.
    auto takeOver = [&] {
      for (auto &[name, value] : interpreter->getStorage()) {
        Tensor &own = module->getStorage().at(name);
        ASSERT_GE(own.size(), value.size()) << name;
        std::copy(value.data.begin(), value.data.end(), own.data.begin());
      }
    };
    takeOver();
    module->workers = 2;
    std::mt19937_64 generator(5);
    // Not a multiple of anything, then the most; moments and counts carry over.
    for (int64_t n : {5, 11})
      for (const std::string &program : interpreter->getProgramNames()) {
        SCOPED_TRACE(program + " n " + std::to_string(n));
        Interpreter::Arrays inputs;
        for (const auto &[name, shape] : interpreter->getInputs(program, n)) {
          Tensor tensor = Tensor::splat(shape, 0);
          for (double &value : tensor.data)
            value = std::normal_distribution<double>()(generator);
          inputs[name] = tensor;
        }
        module->counters = interpreter->getCounters();
        auto expected = interpreter->run(program, n, inputs);
        ASSERT_TRUE(mlir::succeeded(expected));
        int32_t status = -1;
        Arrays found = module->run(program, n, inputs, &status);
        ASSERT_EQ(status, PCX_RUN_OK);
        EXPECT_EQ(found.size(), expected->size());
        for (auto &[name, value] : *expected)
          expectClose(found.at(name), value, name);
        for (auto &[name, value] : interpreter->getStorage())
          expectClose(module->getStorage().at(name), value, name);
        if (HasFatalFailure())
          return;
        // Last bits grow where a step is ill-conditioned: each call starts from
        // the same numbers.
        takeOver();
      }
  }
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

INSTANTIATE_TEST_SUITE_P(Files, FilesTest, testing::ValuesIn(sources()),
                         [](const auto &info) {
                           std::filesystem::path path(info.param);
                           return path.parent_path().stem().string() + "_" +
                                  path.stem().string();
                         });

} // namespace
