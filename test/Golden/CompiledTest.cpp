//===- CompiledTest.cpp - Compiled code against PCX -----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compiled.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace pcx::test;

namespace {

struct Parameter {
  std::string golden; ///< empty: there are no golden files
  Build build;
};

void PrintTo(const Parameter &parameter, std::ostream *stream) {
  *stream << parameter.golden << " " << parameter.build.name();
}

class CompiledTest : public testing::TestWithParam<Parameter> {};

void compare(const Parameter &parameter) {
  if (parameter.golden.empty())
    GTEST_SKIP() << "no golden files: set PCX_SHARED_DIR";
  std::string error;
  auto file = readGolden(parameter.golden, error);
  ASSERT_TRUE(file) << error;
  auto compiled = Compiled::create(sourceText(*file), parameter.build, error);
  if (!compiled && error.empty())
    GTEST_SKIP() << "this CPU cannot run " << parameter.build.cpu;
  ASSERT_TRUE(compiled) << error;
  Policy policy;
  policy.single = parameter.build.type == "f32";
  if (parameter.build.precision == "tf32")
    policy.operandRounding = 0x1p-11;
  if (parameter.build.precision == "bf16")
    policy.operandRounding = 0x1p-8;
  // What takes seconds a batch. With iPC one has many weight steps.
  if (!parameter.build.device.empty())
    policy.mostBatches = file->setting.algorithm == "ipc" ? 1 : 2;
  compareWithGolden(*file, *compiled, policy);
}

TEST_P(CompiledTest, AgreesWithPCX) { compare(GetParam()); }

std::vector<Parameter> parameters() {
  std::vector<std::string> names = goldenNames();
  if (names.empty())
    return {{"", {"f64", "-O3", "x86-64-v3"}}};
  std::vector<Parameter> result;
  for (const std::string &name : names)
    for (const char *type : {"f64", "f32"})
      for (const char *level : {"-O0", "-O3"})
        for (const char *cpu : {"x86-64-v3", "x86-64-v4"})
          result.push_back({name, {type, level, cpu}});
  return result;
}

//===----------------------------------------------------------------------===//
// On the simulated device
//===----------------------------------------------------------------------===//

/// What the simulator does in about a minute: not the benchmark's network, runs
/// in f32, whose second batch reads moments, and steps in f64, those with the
/// squared error in f32 as well; all with operands in tf32 and bf16. A launch
/// for every group of operations is simulated in less time than one kernel
/// whose blocks wait for each other, which one file has.
std::vector<Parameter> deviceParameters() {
  std::vector<Parameter> result;
  auto add = [&](const std::string &name, const char *type,
                 const char *strategy, const char *precision = "") {
    Build build = {type, "-O3",      "x86-64-v3", true,
                   32,   {strategy}, "sim",       precision};
    result.push_back({name, build});
  };
  for (const std::string &name : goldenNames()) {
    if (name == "mlp_paper_pc_se")
      continue;
    bool isRun = name.starts_with("run_");
    if (!isRun)
      add(name, "f64",
          name == "mlp_small_pc_se_leaky_relu" ? "--gpu-strategy=persistent"
                                               : "--gpu-strategy=graph");
    if (isRun || name.find("_se_") != std::string::npos)
      add(name, "f32", "--gpu-strategy=graph");
    for (const char *precision : {"tf32", "bf16"})
      add(name, "f32", "--gpu-strategy=graph", precision);
  }
  if (result.empty())
    add("", "f64", "--gpu-strategy=graph");
  return result;
}

class DeviceTest : public CompiledTest {
protected:
  void SetUp() override {
#ifndef PCX_TEST_SIMULATOR
    GTEST_SKIP() << "the simulated device was not built";
#endif
    // Each thread of a grid whose blocks wait has a stack.
    setenv("PCX_SIM_SMS", "2", 1);
  }
  void TearDown() override { unsetenv("PCX_SIM_SMS"); }
};

TEST_P(DeviceTest, AgreesWithPCX) { compare(GetParam()); }

/// States that go on from call to call: a sample's slot that a call does not
/// use keeps what it held, although blocks of eight compute on it.
TEST(CarriedStatesTest, SlotsPastTheBatchKeepTheirStates) {
  const char *source = R"(
pc.model @net {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<6xf32>
  %u = pc.tanh %a : tensor<6xf32>
  %h = pc.vode @h %u energy(se) : tensor<6xf32>
  %b = pc.linear @fc2 %h : tensor<6xf32> -> tensor<2xf32>
  %y = pc.vode @y %b energy(se) : tensor<2xf32>
}
pc.program @train on @net (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.clamp @y = %y : tensor<2xf32>
  pc.init carried
  pc.infer sgd(lr = 0.125, momentum = 0.5)
  %h = pc.read @h : tensor<6xf32>
  pc.output "h" = %h : tensor<6xf32>
})";
  auto values = [](int64_t rows, int64_t width) {
    Numbers numbers{{rows, width}, {}};
    for (int64_t i = 0; i < rows * width; ++i)
      numbers.data.push_back(0.25 * static_cast<double>(i % 7) - 0.5);
    return numbers;
  };
  std::vector<Numbers> found;
  for (const char *block : {"--sample-block=1", "--sample-block=8"}) {
    std::string error;
    auto compiled = Compiled::create(
        source, {"f32", "-O1", "x86-64-v3", false, 11, {block}}, error);
    if (!compiled && error.empty())
      GTEST_SKIP() << "this CPU cannot run x86-64-v3";
    ASSERT_TRUE(compiled) << error;
    // The first five slots, all, three, all: with blocks of one row nothing is
    // computed past the batch.
    for (int64_t n : {5, 11, 3, 11})
      found.push_back(
          compiled->train(n, {{"x", values(n, 4)}, {"y", values(n, 2)}})["h"]);
    found.push_back(compiled->getStorage("h.state"));
    EXPECT_EQ(found.back().dims, (std::vector<int64_t>{11, 6}));
  }
  ASSERT_EQ(found.size(), 10u);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(found[i].data, found[i + 5].data) << "call " << i;
}

std::string nameOf(const testing::TestParamInfo<Parameter> &info) {
  return (info.param.golden.empty() ? "none" : info.param.golden) + "_" +
         info.param.build.name();
}

INSTANTIATE_TEST_SUITE_P(Golden, CompiledTest, testing::ValuesIn(parameters()),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Golden, DeviceTest,
                         testing::ValuesIn(deviceParameters()), nameOf);

} // namespace
