//===- InterpreterTest.cpp - Programs, storage, hyper-parameters ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

#include <cmath>

using namespace pc;
using namespace pc::test;
using reference::Interpreter;

namespace {

// w <- w - lr sum_s x_s; steps counts; trace keeps one row a sample.
constexpr const char *kPrograms = R"(
func.func @train(
    %x: tensor<?x2xf32> {pc.port = #pc.port<input "x">},
    %w: tensor<2xf32> {pc.port = #pc.port<parameter "w" {init = #pc.init<constant(1.5)>}>},
    %step: tensor<i64> {pc.port = #pc.port<optimiser "weight_step">},
    %trace: tensor<?x2xf32> {pc.port = #pc.port<state "trace">},
    %lr: f64 {pc.port = #pc.port<hyper "lr" {value = 0.5 : f64, min = 0.0 : f64, max = 1.0 : f64}>},
    %T: f64 {pc.port = #pc.port<hyper "T" {value = 8.0 : f64, integral}>},
    %total: f64 {pc.port = #pc.port<counter "total_steps">},
    %epoch: f64 {pc.port = #pc.port<counter "epoch">},
    %seed: i64 {pc.port = #pc.port<counter "seed">},
    %call: i64 {pc.port = #pc.port<counter "call">})
    -> (tensor<2xf32> {pc.port = #pc.port<parameter "w">},
        tensor<i64> {pc.port = #pc.port<optimiser "weight_step">},
        tensor<?x2xf32> {pc.port = #pc.port<state "trace">},
        f64 {pc.port = #pc.port<output "counters">},
        i64 {pc.port = #pc.port<output "call">})
    attributes {pc.program = #pc.program_info<"m", train, 1>} {
  %g = pc.batch_sum %x : tensor<?x2xf32> -> tensor<2xf32>
  %d = pc.scale %g, %lr : tensor<2xf32>
  %v = pc.sub %w, %d : tensor<2xf32>
  %i = tensor.extract %step[] : tensor<i64>
  %one = arith.constant 1 : i64
  %j = arith.addi %i, %one : i64
  %next = tensor.from_elements %j : tensor<i64>
  %t = pc.add %trace, %x : tensor<?x2xf32>
  %s = arith.sitofp %seed : i64 to f64
  %a = arith.addf %total, %epoch : f64
  %b = arith.addf %a, %s : f64
  %c = arith.mulf %b, %T : f64
  func.return %v, %next, %t, %c, %call
    : tensor<2xf32>, tensor<i64>, tensor<?x2xf32>, f64, i64
}
func.func @read(%w: tensor<2xf32> {pc.port = #pc.port<parameter "w" {init = #pc.init<constant(1.5)>}>},
                %lr: f64 {pc.port = #pc.port<hyper "lr" {value = 0.5 : f64, min = 0.0 : f64, max = 1.0 : f64}>})
    -> (tensor<2xf32> {pc.port = #pc.port<output "w">})
    attributes {pc.program = #pc.program_info<"m", evaluate, 0>} {
  func.return %w : tensor<2xf32>
}
func.func private @helper(%x: f64) -> f64 {
  func.return %x : f64
}
)";

class InterpreterTest : public testing::Test {
protected:
  void SetUp() override {
    module = context.parse(kPrograms);
    ASSERT_TRUE(module);
    auto created = Interpreter::create(*module);
    ASSERT_TRUE(mlir::succeeded(created)) << context.messages;
    interpreter.emplace(*created);
    context.messages.clear();
  }

  /// Checks that `result` failed with the message.
  void expectError(mlir::LogicalResult result, const std::string &message) {
    EXPECT_TRUE(mlir::failed(result));
    EXPECT_NE(context.messages.find(message), std::string::npos)
        << "found: " << context.messages;
    context.messages.clear();
  }

  Context context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<Interpreter> interpreter;
};

TEST_F(InterpreterTest, KeepsStorageBetweenCallsAndPrograms) {
  EXPECT_EQ(interpreter->getProgramNames(),
            (std::vector<std::string>{"train", "read"}));
  using Shapes = std::map<std::string, std::vector<int64_t>>;
  EXPECT_EQ(interpreter->getInputs("train", 7), (Shapes{{"x", {7, 2}}}));
  interpreter->initialise(9);
  ASSERT_TRUE(mlir::succeeded(interpreter->setHyper("lr", 0.25)));
  interpreter->getCounters().totalSteps = 100;
  interpreter->getCounters().epoch = 2;
  for (int call = 0; call < 3; ++call) {
    auto outputs =
        interpreter->run("train", 2, {{"x", Tensor({2, 2}, {1, 2, 3, 4})}});
    ASSERT_TRUE(mlir::succeeded(outputs)) << context.messages;
    EXPECT_EQ(outputs->size(), 2u);
    expectTensor(outputs->at("counters"), {}, {(100 + 2 + 9) * 8.0});
    expectTensor(outputs->at("call"), {}, {double(call)});
  }
  expectTensor(*interpreter->getStorage("w"), {2},
               {1.5 - 3 * 0.25 * 4, 1.5 - 3 * 0.25 * 6});
  expectTensor(*interpreter->getStorage("weight_step"), {}, {3});
  auto outputs = interpreter->run("read", 1, {});
  ASSERT_TRUE(mlir::succeeded(outputs)) << context.messages;
  expectTensor(outputs->at("w"), {2}, {-1.5, -3});
  EXPECT_EQ(interpreter->getCounters().call, 4u);
}

TEST_F(InterpreterTest, StatesGrowAndSmallerBatchesLeaveTheRest) {
  Tensor two({2, 2}, {1, 2, 3, 4}), three({3, 2}, {1, 1, 1, 1, 1, 1});
  ASSERT_TRUE(mlir::succeeded(interpreter->run("train", 2, {{"x", two}})));
  ASSERT_TRUE(mlir::succeeded(interpreter->run("train", 3, {{"x", three}})));
  ASSERT_TRUE(mlir::succeeded(interpreter->run("train", 2, {{"x", two}})));
  expectTensor(*interpreter->getStorage("trace"), {3, 2}, {3, 5, 7, 9, 1, 1});
}

TEST_F(InterpreterTest, SetsStorage) {
  ASSERT_TRUE(
      mlir::succeeded(interpreter->setStorage("w", Tensor({2}, {7, 8}))));
  expectTensor(interpreter->run("read", 1, {})->at("w"), {2}, {7, 8});
  expectError(interpreter->setStorage("w", Tensor({3}, {7, 8, 9})),
              "'w' has shape 2, found 3");
  expectError(interpreter->setStorage("v", Tensor({2}, {7, 8})),
              "no persistent array 'v', there are 'trace', 'w' and "
              "'weight_step'");
  EXPECT_EQ(interpreter->getStorage("v"), nullptr);
}

TEST_F(InterpreterTest, BoundsHyperParameters) {
  expectError(interpreter->setHyper("lr", 1.5), "'lr' must lie between");
  expectError(interpreter->setHyper("lr", std::nan("")),
              "'lr' must lie between");
  expectError(interpreter->setHyper("T", 2.5), "'T' must be whole");
  expectError(interpreter->setHyper("rate", 1),
              "no hyper-parameter 'rate', there are 'T' and 'lr'");
  EXPECT_EQ(interpreter->getHypers().at("lr"), 0.5);
}

TEST_F(InterpreterTest, ChecksInputsAndChangesNothingOnFailure) {
  expectError(interpreter->run("train", 2, {}), "input 'x' is missing");
  expectError(interpreter->run("train", 2, {{"x", Tensor({2}, {1, 2})}}),
              "input 'x' must have shape 2x2, found 2");
  expectError(
      interpreter->run(
          "train", 1, {{"x", Tensor({1, 2}, {1, 2})}, {"y", Tensor({1}, {1})}}),
      "has no input 'y'");
  expectError(interpreter->run("test", 1, {}), "no program 'test'");
  expectError(interpreter->run("helper", 1, {}), "no program 'helper'");
  EXPECT_TRUE(interpreter->getInputs("helper", 1).empty());
  EXPECT_EQ(interpreter->getCounters().call, 0u);
  expectTensor(*interpreter->getStorage("weight_step"), {}, {0});
}

TEST_F(InterpreterTest, Initialisers) {
  auto parsed = context.parse(R"(
    func.func @f(
        %a: tensor<40x25xf64> {pc.port = #pc.port<parameter "fan" {init = #pc.init<fan_in(16)>, stream = 5 : i64}>},
        %b: tensor<40x25xf64> {pc.port = #pc.port<parameter "uniform" {init = #pc.init<uniform(2.0, 4.0)>, stream = 6 : i64}>},
        %c: tensor<40x25xf64> {pc.port = #pc.port<parameter "normal" {init = #pc.init<normal(1.0, 0.5)>, stream = 7 : i64}>},
        %d: tensor<3xf64> {pc.port = #pc.port<parameter "constant" {init = #pc.init<constant(2.5)>}>},
        %e: tensor<3xf64> {pc.port = #pc.port<parameter "zeros" {init = #pc.init<zeros>}>},
        %g: tensor<40x25xf32> {pc.port = #pc.port<parameter "single" {init = #pc.init<fan_in(16)>, stream = 5 : i64}>})
        attributes {pc.program = #pc.program_info<"m", train, 0>} {
      func.return
    })");
  ASSERT_TRUE(parsed);
  auto created = Interpreter::create(*parsed);
  ASSERT_TRUE(mlir::succeeded(created)) << context.messages;
  created->initialise(3);
  struct Moments {
    double low = 1e300, high = -1e300, mean = 0, variance = 0;
  };
  auto moments = [&](const char *name) {
    Moments result;
    const Tensor &x = *created->getStorage(name);
    for (double value : x.data) {
      result.low = std::min(result.low, value);
      result.high = std::max(result.high, value);
      result.mean += value / x.size();
    }
    for (double value : x.data)
      result.variance +=
          (value - result.mean) * (value - result.mean) / x.size();
    return result;
  };
  Moments fan = moments("fan");
  EXPECT_GE(fan.low, -0.25);
  EXPECT_LT(fan.high, 0.25);
  EXPECT_NEAR(fan.mean, 0, 0.02);
  EXPECT_NEAR(fan.variance, 0.25 / 12, 0.002);
  Moments uniform = moments("uniform");
  EXPECT_GE(uniform.low, 2);
  EXPECT_LT(uniform.high, 4);
  EXPECT_NEAR(uniform.mean, 3, 0.06);
  Moments normal = moments("normal");
  EXPECT_NEAR(normal.mean, 1, 0.05);
  EXPECT_NEAR(normal.variance, 0.25, 0.04);
  expectTensor(*created->getStorage("constant"), {3}, {2.5, 2.5, 2.5});
  expectTensor(*created->getStorage("zeros"), {3}, {0, 0, 0});
  // The first elements from the words of block 0: pcx_philox in pcx.h.
  auto [x, y] = reference::philoxPair(3, 5, 0);
  EXPECT_EQ(created->getStorage("fan")->data[0],
            -0.25 + 0.5 * (double(x >> 11) * 0x1p-53));
  EXPECT_EQ(created->getStorage("fan")->data[1],
            -0.25 + 0.5 * (double(y >> 11) * 0x1p-53));
  // f32 arrays hold the same numbers, rounded once.
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(created->getStorage("single")->data[i],
              double(float(created->getStorage("fan")->data[i])));
  // Another seed, other values; the same again with the first.
  Tensor before = *created->getStorage("fan");
  created->initialise(4);
  EXPECT_NE(created->getStorage("fan")->data, before.data);
  created->initialise(3);
  EXPECT_EQ(created->getStorage("fan")->data, before.data);
}

TEST_F(InterpreterTest, RefusesModulesThatDisagree) {
  auto refuse = [&](const std::string &text, const std::string &message) {
    auto parsed = context.parse(text);
    ASSERT_TRUE(parsed);
    auto created = Interpreter::create(*parsed);
    expectError(mlir::failure(mlir::failed(created)), message);
  };
  std::string program =
      " attributes {pc.program = #pc.program_info<\"m\", train, 0>} ";
  refuse("func.func private @f()", "holds no functional program");
  refuse("func.func @f(%x: f64 {pc.port = #pc.port<hyper \"lr\">})" + program +
             "{ func.return }",
         "hyper-parameter 'lr' has no default");
  refuse("func.func @f(%x: f64 {pc.port = #pc.port<output \"y\">})" + program +
             "{ func.return }",
         "argument 0 is an output");
  refuse("func.func @f() -> (f64 {pc.port = #pc.port<input \"y\">})" + program +
             "{ %x = arith.constant 1.0 : f64\n func.return %x : f64 }",
         "result 0 is neither an output nor a persistent array");
  refuse("func.func @f(%x: tensor<2xf64> {pc.port = #pc.port<buffer \"y\">})" +
             program +
             "{ func.return }\n"
             "func.func @g(%x: tensor<3xf64> {pc.port = #pc.port<buffer "
             "\"y\">})" +
             program + "{ func.return }",
         "'y' has type");
  refuse("func.func @f(%x: f64 {pc.port = #pc.port<hyper \"y\" {value = 1.0 : "
         "f64}>})" +
             program +
             "{ func.return }\n"
             "func.func @g(%x: f64 {pc.port = #pc.port<hyper \"y\" {value = "
             "2.0 : f64}>})" +
             program + "{ func.return }",
         "hyper-parameter 'y' differs from another program's");
  auto parsed = context.parse(
      "func.func @f(%x: f64 {pc.port = #pc.port<counter \"day\">})" + program +
      "{ func.return }");
  ASSERT_TRUE(parsed);
  auto created = Interpreter::create(*parsed);
  ASSERT_TRUE(mlir::succeeded(created));
  expectError(created->run("f", 1, {}), "unknown counter 'day'");
}

} // namespace
