//===- EvaluatorTest.cpp - Each operation against its closed form ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Support.h"

#include <cmath>
#include <limits>

using namespace pc;
using namespace pc::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class EvaluatorTest : public testing::Test {
protected:
  /// Wraps one operation on tensors: `body` defines %r of type `result`.
  std::vector<reference::Value>
  run(const std::string &arguments, const std::string &body,
      const std::string &result, std::vector<reference::Value> values,
      int64_t n = 1, reference::Options options = {}) {
    return evaluateText(context,
                        "func.func @f(" + arguments + ") -> " + result +
                            " {\n" + body + "\nfunc.return %r : " + result +
                            "\n}",
                        values, n, options);
  }

  /// An activation of {-2.5, -0.5, 0, 0.3, 2}.
  void expectActivation(const std::string &op, std::vector<double> expected) {
    SCOPED_TRACE(op);
    auto results = run("%x: tensor<5xf64>", "%r = " + op + " : tensor<5xf64>",
                       "tensor<5xf64>", {Tensor({5}, {-2.5, -0.5, 0, 0.3, 2})});
    ASSERT_EQ(results.size(), 1u) << context.messages;
    expectTensor(results[0], {5}, expected, 4e-16);
  }

  /// Checks the message of an evaluation that fails.
  void expectError(const std::vector<reference::Value> &results,
                   const std::string &message) {
    EXPECT_TRUE(results.empty());
    EXPECT_NE(context.messages.find(message), std::string::npos)
        << "found: " << context.messages;
  }

  Context context;
};

TEST_F(EvaluatorTest, Activations) {
  expectActivation("pc.identity %x", {-2.5, -0.5, 0, 0.3, 2});
  expectActivation("pc.detach %x", {-2.5, -0.5, 0, 0.3, 2});
  expectActivation("pc.relu %x", {0, 0, 0, 0.3, 2});
  expectActivation("pc.leaky_relu %x", {-0.025, -0.005, 0, 0.3, 2});
  expectActivation("pc.leaky_relu %x slope(0.2)", {-0.5, -0.1, 0, 0.3, 2});
  expectActivation("pc.gelu %x", {-0.015084266089998577, -0.15428599017485606,
                                  0, 0.18537092354275922, 1.954597694087775});
  expectActivation("pc.gelu %x exact",
                   {-0.015524163314440398, -0.15426876936299344, 0,
                    0.18537342665668577, 1.9544997361036416});
  expectActivation("pc.silu %x", {-0.18964545005310887, -0.1887703343990727, 0,
                                  0.1723327550434977, 1.7615941559557646});
  expectActivation("pc.tanh %x", {-0.9866142981514303, -0.46211715726000974, 0,
                                  0.2913126124515909, 0.9640275800758169});
  expectActivation("pc.hard_tanh %x", {-1, -0.5, 0, 0.3, 1});
  expectActivation("pc.sigmoid %x",
                   {0.07585818002124355, 0.3775406687981454, 0.5,
                    0.574442516811659, 0.8807970779778823});
  expectActivation("pc.softplus %x",
                   {0.07888973429254956, 0.4740769841801067, 0.6931471805599453,
                    0.8543552444685272, 2.1269280110429727});
}

TEST_F(EvaluatorTest, ActivationsAtTheEnds) {
  // No overflow on either side, and NaN stays NaN.
  for (std::string op : {"silu", "sigmoid", "softplus", "tanh", "gelu", "relu",
                         "hard_tanh", "leaky_relu"}) {
    SCOPED_TRACE(op);
    auto results =
        run("%x: tensor<3xf64>", "%r = pc." + op + " %x : tensor<3xf64>",
            "tensor<3xf64>", {Tensor({3}, {-1000, 1000, std::nan("")})});
    ASSERT_EQ(results.size(), 1u) << context.messages;
    const Tensor &y = std::get<Tensor>(results[0]);
    EXPECT_TRUE(std::isfinite(y.data[0]));
    EXPECT_TRUE(std::isfinite(y.data[1]));
    EXPECT_TRUE(std::isnan(y.data[2]));
  }
}

TEST_F(EvaluatorTest, ActivationDerivativesAreSlopes) {
  for (std::string kind : {"relu", "leaky_relu", "gelu", "gelu_exact", "silu",
                           "tanh", "hard_tanh", "sigmoid", "softplus"}) {
    SCOPED_TRACE(kind);
    std::string op =
        kind == "gelu_exact" ? "pc.gelu %x exact" : "pc." + kind + " %x";
    std::string slope = kind == "leaky_relu" ? " slope(0.01)" : "";
    std::string grad = "pc.act_grad " + kind + " %x" + slope;
    std::vector<double> points = {-3.1, -1.7, -0.4, 0.6, 1.3, 2.9};
    auto at = [&](const std::string &op, double shift) {
      Tensor x({6}, points);
      for (double &value : x.data)
        value += shift;
      auto results = run("%x: tensor<6xf64>", "%r = " + op + " : tensor<6xf64>",
                         "tensor<6xf64>", {x});
      EXPECT_EQ(results.size(), 1u) << context.messages;
      return results.empty() ? Tensor() : std::get<Tensor>(results[0]);
    };
    double step = 1e-5;
    Tensor high = at(op, step), low = at(op, -step), slopes = at(grad, 0);
    for (size_t i = 0; i < points.size(); ++i)
      EXPECT_NEAR(slopes.data.at(i),
                  (high.data.at(i) - low.data.at(i)) / (2 * step), 1e-9)
          << "at " << points[i];
  }
}

TEST_F(EvaluatorTest, ActivationDerivativesAtTheKinks) {
  auto slopes = [&](const std::string &op) {
    auto results =
        run("%x: tensor<5xf64>", "%r = pc.act_grad " + op + " : tensor<5xf64>",
            "tensor<5xf64>", {Tensor({5}, {-1, -0.0, 0, 1, 1.5})});
    EXPECT_EQ(results.size(), 1u) << context.messages;
    return results.empty() ? reference::Value() : results[0];
  };
  expectTensor(slopes("relu %x"), {5}, {0, 0, 0, 1, 1});
  expectTensor(slopes("leaky_relu %x slope(0.01)"), {5}, {0.01, 1, 1, 1, 1});
  expectTensor(slopes("hard_tanh %x"), {5}, {1, 1, 1, 1, 0});
}

TEST_F(EvaluatorTest, Arithmetic) {
  std::string two = "%x: tensor<3xf64>, %y: tensor<3xf64>";
  Tensor x({3}, {1, -2, 3}), y({3}, {0.5, 4, -1});
  auto binary = [&](const std::string &op) {
    return run(two, "%r = pc." + op + " %x, %y : tensor<3xf64>",
               "tensor<3xf64>", {x, y})
        .at(0);
  };
  expectTensor(binary("add"), {3}, {1.5, 2, 2});
  expectTensor(binary("sub"), {3}, {0.5, -6, 4});
  expectTensor(binary("mul"), {3}, {0.5, -8, -3});
  expectTensor(run("%x: tensor<3xf64>", "%r = pc.neg %x : tensor<3xf64>",
                   "tensor<3xf64>", {x})
                   .at(0),
               {3}, {-1, 2, -3});
  expectTensor(run("%x: tensor<3xf64>, %s: f64",
                   "%r = pc.scale %x, %s : tensor<3xf64>", "tensor<3xf64>",
                   {x, 0.25})
                   .at(0),
               {3}, {0.25, -0.5, 0.75});
}

TEST_F(EvaluatorTest, PerSampleShapes) {
  // The leading dynamic dimension is n.
  expectTensor(
      run("", "%r = pc.splat 2.5 : tensor<?x2xf32>", "tensor<?x2xf32>", {}, 3)
          .at(0),
      {3, 2}, std::vector<double>(6, 2.5));
  auto size = evaluateText(context, R"(
    func.func @f() -> f64 {
      %n = pc.batch_size
      func.return %n : f64
    })",
                           {}, 7);
  EXPECT_EQ(std::get<double>(size.at(0)), 7.0);
}

TEST_F(EvaluatorTest, Dense) {
  Tensor x({2, 3}, {1, 2, 3, -1, 0, 1}), w({2, 3}, {1, 10, 100, 2, 0, -2});
  expectTensor(run("%x: tensor<?x3xf64>, %w: tensor<2x3xf64>",
                   "%r = pc.dense %x, %w : tensor<?x3xf64>, tensor<2x3xf64> -> "
                   "tensor<?x2xf64>",
                   "tensor<?x2xf64>", {x, w}, 2)
                   .at(0),
               {2, 2}, {321, -4, 99, -4});
  Tensor d({2, 2}, {1, 2, -1, 3});
  expectTensor(
      run("%x: tensor<?x2xf64>, %w: tensor<2x3xf64>",
          "%r = pc.dense %x, %w transposed : tensor<?x2xf64>, tensor<2x3xf64> "
          "-> tensor<?x3xf64>",
          "tensor<?x3xf64>", {d, w}, 2)
          .at(0),
      {2, 3}, {5, 10, 96, 5, -10, -106});
  // Without a batch, as in a model.
  expectTensor(run("%x: tensor<3xf64>, %w: tensor<2x3xf64>",
                   "%r = pc.dense %x, %w : tensor<3xf64>, tensor<2x3xf64> -> "
                   "tensor<2xf64>",
                   "tensor<2xf64>", {Tensor({3}, {1, 2, 3}), w})
                   .at(0),
               {2}, {321, -4});
}

TEST_F(EvaluatorTest, BatchReductions) {
  Tensor d({2, 2}, {1, 2, 3, 4}), x({2, 3}, {1, 0, -1, 2, 5, 7});
  expectTensor(
      run("%d: tensor<?x2xf64>, %x: tensor<?x3xf64>",
          "%r = pc.batch_outer %d, %x : tensor<?x2xf64>, tensor<?x3xf64> -> "
          "tensor<2x3xf64>",
          "tensor<2x3xf64>", {d, x}, 2)
          .at(0),
      {2, 3}, {7, 15, 20, 10, 20, 26});
  expectTensor(run("%x: tensor<?x3xf64>",
                   "%r = pc.batch_sum %x : tensor<?x3xf64> -> tensor<3xf64>",
                   "tensor<3xf64>", {x}, 2)
                   .at(0),
               {3}, {3, 5, 6});
  expectTensor(
      run("%b: tensor<3xf64>",
          "%r = pc.batch_broadcast %b : tensor<3xf64> -> tensor<?x3xf64>",
          "tensor<?x3xf64>", {Tensor({3}, {1, 2, 3})}, 2)
          .at(0),
      {2, 3}, {1, 2, 3, 1, 2, 3});
}

TEST_F(EvaluatorTest, SumAndBroadcast) {
  Tensor x({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  expectTensor(run("%x: tensor<?x2x2xf64>",
                   "%r = pc.sum %x : tensor<?x2x2xf64> -> tensor<?xf64>",
                   "tensor<?xf64>", {x}, 2)
                   .at(0),
               {2}, {10, 26});
  expectTensor(run("%x: tensor<?x2x2xf64>",
                   "%r = pc.sum %x : tensor<?x2x2xf64> -> tensor<?x2xf64>",
                   "tensor<?x2xf64>", {x}, 2)
                   .at(0),
               {2, 2}, {3, 7, 11, 15});
  expectTensor(run("%x: tensor<?xf64>",
                   "%r = pc.broadcast %x : tensor<?xf64> -> tensor<?x3xf64>",
                   "tensor<?x3xf64>", {Tensor({2}, {1, 2})}, 2)
                   .at(0),
               {2, 3}, {1, 1, 1, 2, 2, 2});
  expectTensor(run("%x: tensor<3xf64>",
                   "%r = pc.sum %x : tensor<3xf64> -> tensor<f64>",
                   "tensor<f64>", {Tensor({3}, {1, 2, 4})})
                   .at(0),
               {}, {7});
}

TEST_F(EvaluatorTest, Shapes) {
  Tensor x({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  expectTensor(run("%x: tensor<?x2x3xf64>",
                   "%r = pc.reshape %x : tensor<?x2x3xf64> -> tensor<?x6xf64>",
                   "tensor<?x6xf64>", {x})
                   .at(0),
               {1, 6}, {1, 2, 3, 4, 5, 6});
  // Along the middle axis and along the last.
  expectTensor(run("%x: tensor<?x2x3xf64>, %y: tensor<?x1x3xf64>",
                   "%r = pc.concat %y, %x axis(-2) : tensor<?x1x3xf64>, "
                   "tensor<?x2x3xf64> -> tensor<?x3x3xf64>",
                   "tensor<?x3x3xf64>", {x, Tensor({1, 1, 3}, {7, 8, 9})})
                   .at(0),
               {1, 3, 3}, {7, 8, 9, 1, 2, 3, 4, 5, 6});
  expectTensor(run("%x: tensor<?x2x3xf64>, %y: tensor<?x2x1xf64>",
                   "%r = pc.concat %x, %y axis(-1) : tensor<?x2x3xf64>, "
                   "tensor<?x2x1xf64> -> tensor<?x2x4xf64>",
                   "tensor<?x2x4xf64>", {x, Tensor({1, 2, 1}, {7, 8})})
                   .at(0),
               {1, 2, 4}, {1, 2, 3, 7, 4, 5, 6, 8});
  expectTensor(run("%x: tensor<?x2x3xf64>",
                   "%r = pc.slice %x axis(-1) offset(1) : tensor<?x2x3xf64> "
                   "-> tensor<?x2x2xf64>",
                   "tensor<?x2x2xf64>", {x})
                   .at(0),
               {1, 2, 2}, {2, 3, 5, 6});
  expectTensor(run("%x: tensor<?x2x3xf64>",
                   "%r = pc.slice %x axis(-2) offset(1) : tensor<?x2x3xf64> "
                   "-> tensor<?x1x3xf64>",
                   "tensor<?x1x3xf64>", {x})
                   .at(0),
               {1, 1, 3}, {4, 5, 6});
  expectTensor(run("%x: tensor<?x2x3xf64>",
                   "%r = pc.pad %x axis(-1) offset(2) : tensor<?x2x3xf64> -> "
                   "tensor<?x2x6xf64>",
                   "tensor<?x2x6xf64>", {x})
                   .at(0),
               {1, 2, 6}, {0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0});
  expectTensor(run("%x: tensor<2x3xf64>",
                   "%r = pc.transpose %x : tensor<2x3xf64> -> tensor<3x2xf64>",
                   "tensor<3x2xf64>", {Tensor({2, 3}, {1, 2, 3, 4, 5, 6})})
                   .at(0),
               {3, 2}, {1, 4, 2, 5, 3, 6});
}

TEST_F(EvaluatorTest, Rows) {
  // The second row is the first shifted by 1000: the same softmax.
  Tensor x({2, 3}, {0, std::log(2.0), std::log(5.0), 1000, 1000 + std::log(2.0),
                    1000 + std::log(5.0)});
  expectTensor(run("%x: tensor<?x3xf64>",
                   "%r = pc.softmax %x : tensor<?x3xf64>", "tensor<?x3xf64>",
                   {x}, 2)
                   .at(0),
               {2, 3}, {0.125, 0.25, 0.625, 0.125, 0.25, 0.625}, 1e-13);
  expectTensor(run("%x: tensor<?x3xf64>",
                   "%r = pc.log_softmax %x : tensor<?x3xf64>",
                   "tensor<?x3xf64>", {x}, 2)
                   .at(0),
               {2, 3},
               {std::log(0.125), std::log(0.25), std::log(0.625),
                std::log(0.125), std::log(0.25), std::log(0.625)},
               1e-13);
}

TEST_F(EvaluatorTest, Energies) {
  std::string two = "%h: tensor<?x2xf64>, %u: tensor<?x2xf64>";
  expectTensor(run(two,
                   "%r = pc.se_energy %h, %u : tensor<?x2xf64> -> "
                   "tensor<?xf64>",
                   "tensor<?xf64>",
                   {Tensor({2, 2}, {1, 2, 3, 4}), Tensor({2, 2}, {0, 4, 3, 1})},
                   2)
                   .at(0),
               {2}, {2.5, 4.5});
  // Logits 0 and log 3: log probabilities log 1/4 and log 3/4. The second
  // target does not sum to one.
  expectTensor(
      run(two, "%r = pc.ce_energy %h, %u : tensor<?x2xf64> -> tensor<?xf64>",
          "tensor<?xf64>",
          {Tensor({2, 2}, {0, 1, 0.5, 2}),
           Tensor({2, 2}, {0, std::log(3.0), 0, std::log(3.0)})},
          2)
          .at(0),
      {2},
      {std::log(4.0 / 3.0), 0.5 * std::log(4.0) + 2 * std::log(4.0 / 3.0)});
}

TEST_F(EvaluatorTest, AdamUpdate) {
  // The first step of optax.adamw from p = 1, g = 0.5: the moments are
  // (0.05, 0.00025), corrected (0.5, 0.25).
  auto results = evaluateText(context, R"(
    func.func @f(%p: tensor<2xf64>, %g: tensor<2xf64>, %m: tensor<2xf64>,
                 %v: tensor<2xf64>) -> (tensor<2xf64>, tensor<2xf64>,
                 tensor<2xf64>) {
      %lr = arith.constant 0.1 : f64
      %b1 = arith.constant 0.9 : f64
      %b2 = arith.constant 0.999 : f64
      %eps = arith.constant 1.0e-8 : f64
      %wd = arith.constant 0.01 : f64
      %c1 = arith.constant 0.1 : f64
      %c2 = arith.constant 0.001 : f64
      %q, %mm, %vv = pc.adam_update %p, %g, %m, %v lr(%lr) b1(%b1) b2(%b2)
        eps(%eps) weight_decay(%wd) corrections(%c1, %c2) : tensor<2xf64>
      func.return %q, %mm, %vv : tensor<2xf64>, tensor<2xf64>, tensor<2xf64>
    })",
                              {Tensor({2}, {1, 1}), Tensor({2}, {0.5, 0}),
                               Tensor({2}, {0, 0.2}), Tensor({2}, {0, 0.004})});
  ASSERT_EQ(results.size(), 3u) << context.messages;
  // The second element has no gradient, yet its moments move it.
  double first = 1 - 0.1 * (0.5 / (0.5 + 1e-8) + 0.01);
  double second =
      1 - 0.1 * (1.8 / (std::sqrt(0.004 * 0.999 / 0.001) + 1e-8) + 0.01);
  expectTensor(results[0], {2}, {first, second});
  expectTensor(results[1], {2}, {0.05, 0.18});
  expectTensor(results[2], {2}, {0.00025, 0.003996});
}

TEST_F(EvaluatorTest, Elementwise) {
  // Huber: quadratic inside of 1, linear outside.
  expectTensor(run("%x: tensor<4xf64>", R"(
    %r = pc.elementwise %x : (tensor<4xf64>) -> tensor<4xf64> {
    ^bb0(%a: f64):
      %half = arith.constant 0.5 : f64
      %one = arith.constant 1.0 : f64
      %abs = math.absf %a : f64
      %square = arith.mulf %a, %a : f64
      %inside = arith.mulf %square, %half : f64
      %outside = arith.subf %abs, %half : f64
      %small = arith.cmpf ole, %abs, %one : f64
      %v = arith.select %small, %inside, %outside : f64
      pc.yield %v : f64
    })",
                   "tensor<4xf64>", {Tensor({4}, {-3, -0.5, 1, 2})})
                   .at(0),
               {4}, {2.5, 0.125, 0.5, 1.5});
  // Two operands, and an argument that is yielded as it is.
  expectTensor(run("%x: tensor<2xf64>, %y: tensor<2xf64>", R"(
    %r = pc.elementwise %x, %y : (tensor<2xf64>, tensor<2xf64>)
        -> tensor<2xf64> {
    ^bb0(%a: f64, %b: f64):
      pc.yield %b : f64
    })",
                   "tensor<2xf64>", {Tensor({2}, {1, 2}), Tensor({2}, {3, 4})})
                   .at(0),
               {2}, {3, 4});
}

TEST_F(EvaluatorTest, RoundsToTheElementType) {
  reference::Options single;
  single.roundToElementType = true;
  auto third = [&](const std::string &type, reference::Options options) {
    auto results =
        run("%x: tensor<1x" + type + ">, %s: f64",
            "%r = pc.scale %x, %s : tensor<1x" + type + ">",
            "tensor<1x" + type + ">", {Tensor({1}, {1}), 1.0 / 3}, 1, options);
    return std::get<Tensor>(results.at(0)).data.at(0);
  };
  EXPECT_EQ(third("f32", {}), 1.0 / 3);
  EXPECT_EQ(third("f64", single), 1.0 / 3);
  EXPECT_EQ(third("f32", single), static_cast<double>(1.0f / 3));
}

//===----------------------------------------------------------------------===//
// Numbers and control flow
//===----------------------------------------------------------------------===//

/// One scalar operation: its text with operands %a, %b, %c of type `type`, the
/// values of those, and the result, of type `result` (or `type`).
struct ScalarCase {
  const char *op;
  const char *type;
  std::vector<double> operands;
  double expected;
  const char *result = nullptr;
};

void PrintTo(const ScalarCase &test, std::ostream *stream) {
  *stream << test.op;
}

class ScalarTest : public EvaluatorTest,
                   public testing::WithParamInterface<ScalarCase> {};

TEST_P(ScalarTest, ComputesTheClosedForm) {
  const ScalarCase &test = GetParam();
  std::string type = test.type;
  bool real = type[0] == 'f';
  std::string arguments;
  std::vector<reference::Value> values;
  for (size_t i = 0; i < test.operands.size(); ++i) {
    arguments +=
        (i ? ", %" : "%") + std::string(1, char('a' + i)) + ": " + type;
    if (real)
      values.push_back(test.operands[i]);
    else
      values.push_back(static_cast<int64_t>(test.operands[i]));
  }
  auto results = run(arguments, "%r = " + std::string(test.op),
                     test.result ? test.result : test.type, values);
  ASSERT_EQ(results.size(), 1u) << context.messages;
  double found = std::holds_alternative<double>(results[0])
                     ? std::get<double>(results[0])
                     : static_cast<double>(std::get<int64_t>(results[0]));
  if (std::isnan(test.expected))
    EXPECT_TRUE(std::isnan(found)) << found;
  else if (std::isinf(test.expected) || test.expected == 0)
    EXPECT_EQ(found, test.expected);
  else
    EXPECT_NEAR(found, test.expected, 4e-16 * std::abs(test.expected));
}

constexpr double kE = 2.718281828459045235, kPi = 3.141592653589793238;
const double kNaN = std::nan("");

INSTANTIATE_TEST_SUITE_P(
    Real, ScalarTest,
    testing::Values(
        ScalarCase{"arith.negf %a : f64", "f64", {2}, -2},
        ScalarCase{"arith.addf %a, %b : f64", "f64", {2, 0.5}, 2.5},
        ScalarCase{"arith.subf %a, %b : f64", "f64", {2, 0.5}, 1.5},
        ScalarCase{"arith.mulf %a, %b : f64", "f64", {2, 0.5}, 1},
        ScalarCase{"arith.divf %a, %b : f64", "f64", {2, 0.5}, 4},
        ScalarCase{"arith.divf %a, %b : f64", "f64", {1, 0}, kInfinity},
        ScalarCase{"arith.remf %a, %b : f64", "f64", {-5.5, 2}, -1.5},
        ScalarCase{"arith.maximumf %a, %b : f64", "f64", {2, kNaN}, kNaN},
        ScalarCase{"arith.maximumf %a, %b : f64", "f64", {2, 3}, 3},
        ScalarCase{"arith.minimumf %a, %b : f64", "f64", {2, kNaN}, kNaN},
        ScalarCase{"arith.minimumf %a, %b : f64", "f64", {2, 3}, 2},
        ScalarCase{"arith.maxnumf %a, %b : f64", "f64", {2, kNaN}, 2},
        ScalarCase{"arith.minnumf %a, %b : f64", "f64", {kNaN, 3}, 3},
        ScalarCase{"arith.extf %a : f32 to f64", "f32", {0.5}, 0.5, "f64"},
        ScalarCase{"arith.truncf %a : f64 to f32", "f64", {0.1}, 0.1, "f32"},
        ScalarCase{"math.absf %a : f64", "f64", {-2}, 2},
        ScalarCase{"math.acos %a : f64", "f64", {-1}, kPi},
        ScalarCase{"math.acosh %a : f64", "f64", {1.25}, 0.6931471805599453},
        ScalarCase{"math.asin %a : f64", "f64", {1}, kPi / 2},
        ScalarCase{"math.asinh %a : f64", "f64", {0.75}, 0.6931471805599453},
        ScalarCase{"math.atan %a : f64", "f64", {1}, kPi / 4},
        ScalarCase{"math.atanh %a : f64", "f64", {0.6}, 0.6931471805599453},
        ScalarCase{"math.atan2 %a, %b : f64", "f64", {-1, -1}, -0.75 * kPi},
        ScalarCase{"math.cbrt %a : f64", "f64", {-27}, -3},
        ScalarCase{"math.ceil %a : f64", "f64", {1.2}, 2},
        ScalarCase{"math.clampf %a to [%b, %c] : f64", "f64", {3, 0, 1}, 1},
        ScalarCase{"math.clampf %a to [%b, %c] : f64", "f64", {-3, 0, 1}, 0},
        ScalarCase{"math.copysign %a, %b : f64", "f64", {2, -1}, -2},
        ScalarCase{"math.cos %a : f64", "f64", {kPi}, -1},
        ScalarCase{"math.cosh %a : f64", "f64", {1}, (kE + 1 / kE) / 2},
        ScalarCase{"math.erf %a : f64", "f64", {0.5}, 0.5204998778130465},
        ScalarCase{"math.erfc %a : f64", "f64", {0.5}, 0.4795001221869535},
        ScalarCase{"math.exp %a : f64", "f64", {1}, kE},
        ScalarCase{"math.exp2 %a : f64", "f64", {-3}, 0.125},
        ScalarCase{"math.expm1 %a : f64", "f64", {1e-20}, 1e-20},
        ScalarCase{"math.floor %a : f64", "f64", {-1.2}, -2},
        ScalarCase{"math.fma %a, %b, %c : f64", "f64", {2, 3, 4}, 10},
        ScalarCase{"math.log %a : f64", "f64", {kE}, 1},
        ScalarCase{"math.log10 %a : f64", "f64", {1000}, 3},
        ScalarCase{"math.log1p %a : f64", "f64", {1e-20}, 1e-20},
        ScalarCase{"math.log2 %a : f64", "f64", {0.125}, -3},
        ScalarCase{
            "math.powf %a, %b : f64", "f64", {2, 0.5}, 1.4142135623730951},
        ScalarCase{"math.round %a : f64", "f64", {2.5}, 3},
        ScalarCase{"math.roundeven %a : f64", "f64", {2.5}, 2},
        ScalarCase{"math.rsqrt %a : f64", "f64", {16}, 0.25},
        ScalarCase{"math.sin %a : f64", "f64", {kPi / 6}, 0.5},
        ScalarCase{"math.sinh %a : f64", "f64", {1}, (kE - 1 / kE) / 2},
        ScalarCase{"math.sqrt %a : f64", "f64", {2.25}, 1.5},
        ScalarCase{"math.tan %a : f64", "f64", {kPi / 4}, 1},
        ScalarCase{"math.tanh %a : f64", "f64", {0.5}, 0.46211715726000974},
        ScalarCase{"math.trunc %a : f64", "f64", {-1.7}, -1},
        ScalarCase{"math.isnan %a : f64", "f64", {kNaN}, 1, "i1"},
        ScalarCase{"math.isinf %a : f64", "f64", {-kInfinity}, 1, "i1"},
        ScalarCase{"math.isfinite %a : f64", "f64", {kInfinity}, 0, "i1"}));

INSTANTIATE_TEST_SUITE_P(
    Compare, ScalarTest,
    testing::Values(
        ScalarCase{"arith.cmpf oeq, %a, %b : f64", "f64", {1, 1}, 1, "i1"},
        ScalarCase{"arith.cmpf oeq, %a, %b : f64", "f64", {1, kNaN}, 0, "i1"},
        ScalarCase{"arith.cmpf ogt, %a, %b : f64", "f64", {2, 1}, 1, "i1"},
        ScalarCase{"arith.cmpf oge, %a, %b : f64", "f64", {1, 1}, 1, "i1"},
        ScalarCase{"arith.cmpf olt, %a, %b : f64", "f64", {1, 1}, 0, "i1"},
        ScalarCase{"arith.cmpf ole, %a, %b : f64", "f64", {1, 1}, 1, "i1"},
        ScalarCase{"arith.cmpf one, %a, %b : f64", "f64", {1, kNaN}, 0, "i1"},
        ScalarCase{"arith.cmpf ord, %a, %b : f64", "f64", {1, 2}, 1, "i1"},
        ScalarCase{"arith.cmpf ueq, %a, %b : f64", "f64", {1, kNaN}, 1, "i1"},
        ScalarCase{"arith.cmpf ugt, %a, %b : f64", "f64", {1, 2}, 0, "i1"},
        ScalarCase{"arith.cmpf uge, %a, %b : f64", "f64", {1, kNaN}, 1, "i1"},
        ScalarCase{"arith.cmpf ult, %a, %b : f64", "f64", {1, kNaN}, 1, "i1"},
        ScalarCase{"arith.cmpf ule, %a, %b : f64", "f64", {2, 1}, 0, "i1"},
        ScalarCase{"arith.cmpf une, %a, %b : f64", "f64", {1, kNaN}, 1, "i1"},
        ScalarCase{"arith.cmpf uno, %a, %b : f64", "f64", {1, 1}, 0, "i1"},
        ScalarCase{"arith.cmpi eq, %a, %b : i64", "i64", {3, 3}, 1, "i1"},
        ScalarCase{"arith.cmpi ne, %a, %b : i64", "i64", {3, 3}, 0, "i1"},
        ScalarCase{"arith.cmpi slt, %a, %b : i64", "i64", {-1, 3}, 1, "i1"},
        ScalarCase{"arith.cmpi sle, %a, %b : i64", "i64", {3, 3}, 1, "i1"},
        ScalarCase{"arith.cmpi sgt, %a, %b : i64", "i64", {-1, 3}, 0, "i1"},
        ScalarCase{"arith.cmpi sge, %a, %b : i64", "i64", {3, 4}, 0, "i1"},
        ScalarCase{"arith.cmpi ult, %a, %b : i64", "i64", {-1, 3}, 0, "i1"},
        ScalarCase{"arith.cmpi ule, %a, %b : i32", "i32", {-1, 3}, 0, "i1"},
        ScalarCase{"arith.cmpi ugt, %a, %b : i32", "i32", {-1, 3}, 1, "i1"},
        ScalarCase{
            "arith.cmpi uge, %a, %b : index", "index", {4, 3}, 1, "i1"}));

INSTANTIATE_TEST_SUITE_P(
    Integer, ScalarTest,
    testing::Values(
        ScalarCase{"arith.addi %a, %b : i64", "i64", {5, -7}, -2},
        ScalarCase{"arith.addi %a, %b : i8", "i8", {127, 1}, -128},
        ScalarCase{"arith.subi %a, %b : i64", "i64", {5, 7}, -2},
        ScalarCase{"arith.muli %a, %b : index", "index", {5, 7}, 35},
        ScalarCase{"arith.divsi %a, %b : i64", "i64", {-7, 2}, -3},
        ScalarCase{"arith.remsi %a, %b : i64", "i64", {-7, 2}, -1},
        ScalarCase{"arith.divui %a, %b : i8", "i8", {-1, 2}, 127},
        ScalarCase{"arith.remui %a, %b : i8", "i8", {-1, 2}, 1},
        ScalarCase{"arith.ceildivsi %a, %b : i64", "i64", {7, 2}, 4},
        ScalarCase{"arith.ceildivsi %a, %b : i64", "i64", {-7, 2}, -3},
        ScalarCase{"arith.floordivsi %a, %b : i64", "i64", {-7, 2}, -4},
        ScalarCase{"arith.floordivsi %a, %b : i64", "i64", {7, 2}, 3},
        ScalarCase{"arith.ceildivui %a, %b : i64", "i64", {7, 2}, 4},
        ScalarCase{"arith.andi %a, %b : i64", "i64", {12, 10}, 8},
        ScalarCase{"arith.ori %a, %b : i64", "i64", {12, 10}, 14},
        ScalarCase{"arith.xori %a, %b : i64", "i64", {12, 10}, 6},
        ScalarCase{"arith.shli %a, %b : i64", "i64", {3, 4}, 48},
        ScalarCase{"arith.shrsi %a, %b : i64", "i64", {-16, 2}, -4},
        ScalarCase{"arith.shrui %a, %b : i8", "i8", {-16, 2}, 60},
        ScalarCase{"arith.maxsi %a, %b : i64", "i64", {-1, 3}, 3},
        ScalarCase{"arith.minsi %a, %b : i64", "i64", {-1, 3}, -1},
        ScalarCase{"arith.maxui %a, %b : i64", "i64", {-1, 3}, -1},
        ScalarCase{"arith.minui %a, %b : i64", "i64", {-1, 3}, 3},
        ScalarCase{"arith.extsi %a : i1 to i64", "i1", {1}, -1, "i64"},
        ScalarCase{"arith.extui %a : i8 to i64", "i8", {-1}, 255, "i64"},
        ScalarCase{"arith.trunci %a : i64 to i8", "i64", {300}, 44, "i8"},
        ScalarCase{
            "arith.index_cast %a : i64 to index", "i64", {9}, 9, "index"},
        ScalarCase{
            "arith.index_castui %a : i8 to index", "i8", {-1}, 255, "index"},
        ScalarCase{"arith.sitofp %a : i64 to f64", "i64", {-9}, -9, "f64"},
        ScalarCase{"arith.sitofp %a : i1 to f64", "i1", {1}, -1, "f64"},
        ScalarCase{"arith.uitofp %a : i1 to f64", "i1", {1}, 1, "f64"},
        ScalarCase{"arith.fptosi %a : f64 to i64", "f64", {-2.7}, -2, "i64"},
        ScalarCase{"arith.fptoui %a : f64 to i64", "f64", {2.7}, 2, "i64"},
        ScalarCase{"math.absi %a : i64", "i64", {-4}, 4},
        ScalarCase{"math.ipowi %a, %b : i64", "i64", {-3, 3}, -27},
        ScalarCase{"math.ipowi %a, %b : i64", "i64", {2, -1}, 0}));

TEST_F(EvaluatorTest, SelectsBetweenNumbers) {
  auto results = evaluateText(context, R"(
    func.func @f(%c: i1, %a: f64, %n: i64) -> (f64, i64, f64) {
      %zero = arith.constant 0.0 : f64
      %one = arith.constant -1 : i64
      %x = arith.select %c, %a, %zero : f64
      %y = arith.select %c, %one, %n : i64
      %z = math.fpowi %a, %n : f64, i64
      func.return %x, %y, %z : f64, i64, f64
    })",
                              {int64_t{1}, 2.0, int64_t{10}});
  ASSERT_EQ(results.size(), 3u) << context.messages;
  EXPECT_EQ(std::get<double>(results[0]), 2.0);
  EXPECT_EQ(std::get<int64_t>(results[1]), -1);
  EXPECT_EQ(std::get<double>(results[2]), 1024.0);
}

TEST_F(EvaluatorTest, LoopsCarryTensorsAndNumbers) {
  // x <- x + x and the sum of 0..4.
  auto results = evaluateText(context, R"(
    func.func @f(%x: tensor<2xf64>, %c: i1) -> (tensor<2xf64>, f64, f64) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c5 = arith.constant 5 : index
      %zero = arith.constant 0.0 : f64
      %y, %s = scf.for %i = %c0 to %c5 step %c1
          iter_args(%a = %x, %b = %zero) -> (tensor<2xf64>, f64) {
        %twice = pc.add %a, %a : tensor<2xf64>
        %j = arith.index_cast %i : index to i64
        %k = arith.sitofp %j : i64 to f64
        %t = arith.addf %b, %k : f64
        scf.yield %twice, %t : tensor<2xf64>, f64
      }
      %u = scf.if %c -> (f64) {
        scf.yield %s : f64
      } else {
        scf.yield %zero : f64
      }
      func.return %y, %s, %u : tensor<2xf64>, f64, f64
    })",
                              {Tensor({2}, {1, -3}), int64_t{0}});
  ASSERT_EQ(results.size(), 3u) << context.messages;
  expectTensor(results[0], {2}, {32, -96});
  EXPECT_EQ(std::get<double>(results[1]), 10.0);
  EXPECT_EQ(std::get<double>(results[2]), 0.0);
}

TEST_F(EvaluatorTest, NumbersInTensors) {
  auto results = evaluateText(context, R"(
    func.func @f(%t: tensor<i64>) -> (tensor<i64>, tensor<f64>, f64) {
      %i = tensor.extract %t[] : tensor<i64>
      %c1 = arith.constant 1 : i64
      %j = arith.addi %i, %c1 : i64
      %next = tensor.from_elements %j : tensor<i64>
      %x = arith.sitofp %j : i64 to f64
      %y = tensor.from_elements %x : tensor<f64>
      %k = arith.constant 1 : index
      %table = arith.constant dense<[1.5, 2.5]> : tensor<2xf64>
      %z = tensor.extract %table[%k] : tensor<2xf64>
      func.return %next, %y, %z : tensor<i64>, tensor<f64>, f64
    })",
                              {Tensor::scalar(41)});
  ASSERT_EQ(results.size(), 3u) << context.messages;
  expectTensor(results[0], {}, {42});
  expectTensor(results[1], {}, {42});
  EXPECT_EQ(std::get<double>(results[2]), 2.5);
}

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

TEST_F(EvaluatorTest, PhiloxKnownAnswers) {
  // The known answers that accompany Random123.
  using Pair = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(reference::philoxPair(0, 0, 0),
            Pair(0xe169c58d6627e8d5, 0x9b00dbd8bc57ac4c));
  EXPECT_EQ(reference::philoxPair(~0ull, ~0ull, ~0ull),
            Pair(0x41c83b0e408f276d, 0x6d5451fda20bc7c6));
  EXPECT_EQ(reference::philoxPair(0x299f31d0a4093822, 0x0370734413198a2e,
                                  0x85a308d3243f6a88),
            Pair(0x94fdccebd16cfe09, 0x24126ea15001e420));
}

TEST_F(EvaluatorTest, RandomNormalDependsOnItsCounterAlone) {
  std::string text = R"(
    func.func @f(%seed: i64, %call: i64) -> tensor<?x50xf64> {
      %r = pc.random_normal seed(%seed) call(%call) stream(3) : tensor<?x50xf64>
      func.return %r : tensor<?x50xf64>
    })";
  auto draw = [&](int64_t seed, int64_t call, int64_t n) {
    auto results = evaluateText(context, text, {seed, call}, n);
    return results.empty() ? Tensor() : std::get<Tensor>(results[0]);
  };
  Tensor x = draw(1, 0, 200);
  ASSERT_EQ(x.size(), 10000) << context.messages;
  double mean = 0, square = 0;
  for (double value : x.data) {
    mean += value / 10000;
    square += value * value / 10000;
  }
  EXPECT_NEAR(mean, 0, 0.04);
  EXPECT_NEAR(square, 1, 0.06);
  // A smaller batch has the same first samples; another seed or call has
  // others.
  Tensor few = draw(1, 0, 3);
  ASSERT_EQ(few.size(), 150);
  EXPECT_TRUE(std::equal(few.data.begin(), few.data.end(), x.data.begin()));
  EXPECT_NE(draw(2, 0, 200).data, x.data);
  EXPECT_NE(draw(1, 1, 200).data, x.data);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

TEST_F(EvaluatorTest, StagesComputeWhatTheFunctionComputes) {
  // Five samples in blocks of two: the last block is padded.
  std::string scheduled = R"(
    func.func @f(%x: tensor<?x2xf64>, %w: tensor<2x2xf64>, %seed: i64)
        -> (tensor<?x2xf64>, tensor<2x2xf64>, tensor<?x3xf64>) {
      %h, %z = pc.stage samples ins(%x, %w, %seed : tensor<?x2xf64>,
          tensor<2x2xf64>, i64) -> (tensor<?x2xf64>, tensor<?x3xf64>) {
      ^bb0(%xb: tensor<2x2xf64>, %w0: tensor<2x2xf64>, %s: i64):
        %y = pc.dense %xb, %w0 : tensor<2x2xf64>, tensor<2x2xf64>
          -> tensor<2x2xf64>
        %t = pc.tanh %y : tensor<2x2xf64>
        %z = pc.random_normal seed(%s) call(%s) stream(1) : tensor<2x3xf64>
        pc.yield %t, %z : tensor<2x2xf64>, tensor<2x3xf64>
      }
      %g = pc.stage params ins(%h, %x : tensor<?x2xf64>, tensor<?x2xf64>)
          -> (tensor<2x2xf64>) {
      ^bb0(%a: tensor<?x2xf64>, %b: tensor<?x2xf64>):
        %o = pc.batch_outer %a, %b : tensor<?x2xf64>, tensor<?x2xf64>
          -> tensor<2x2xf64>
        pc.yield %o : tensor<2x2xf64>
      }
      func.return %h, %g, %z : tensor<?x2xf64>, tensor<2x2xf64>, tensor<?x3xf64>
    })";
  std::string functional = R"(
    func.func @f(%x: tensor<?x2xf64>, %w: tensor<2x2xf64>, %seed: i64)
        -> (tensor<?x2xf64>, tensor<2x2xf64>, tensor<?x3xf64>) {
      %y = pc.dense %x, %w : tensor<?x2xf64>, tensor<2x2xf64> -> tensor<?x2xf64>
      %h = pc.tanh %y : tensor<?x2xf64>
      %z = pc.random_normal seed(%seed) call(%seed) stream(1) : tensor<?x3xf64>
      %g = pc.batch_outer %h, %x : tensor<?x2xf64>, tensor<?x2xf64>
        -> tensor<2x2xf64>
      func.return %h, %g, %z : tensor<?x2xf64>, tensor<2x2xf64>, tensor<?x3xf64>
    })";
  Tensor x({5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}),
      w({2, 2}, {.1, .2, .3, -.1});
  auto found = evaluateText(context, scheduled, {x, w, int64_t{7}}, 5);
  ASSERT_EQ(found.size(), 3u) << context.messages;
  auto expected = evaluateText(context, functional, {x, w, int64_t{7}}, 5);
  ASSERT_EQ(expected.size(), 3u) << context.messages;
  for (int i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    const Tensor &tensor = std::get<Tensor>(expected[i]);
    expectTensor(found[i], tensor.shape, tensor.data, 0);
  }
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

TEST_F(EvaluatorTest, NamesTheShapesThatDisagree) {
  expectError(run("%x: tensor<?x2xf64>", "%r = pc.neg %x : tensor<?x2xf64>",
                  "tensor<?x2xf64>", {Tensor({4, 2}, std::vector<double>(8))},
                  3),
              "expected a tensor of shape 3x2, found 4x2");
  expectError(run("%x: tensor<2xf64>", "%r = pc.neg %x : tensor<2xf64>",
                  "tensor<2xf64>", {1.0}),
              "found a real number");
  expectError(
      run("%x: f64", "%r = math.exp %x : f64", "f64", {Tensor({1}, {1})}),
      "found a tensor of shape 1");
  expectError(run("%x: f64", "%r = math.exp %x : f64", "f64", {int64_t{1}}),
              "found an integer");
}

TEST_F(EvaluatorTest, NamesSizesThatOnlyTheBatchDecides) {
  // A dynamic size agrees with every other until there is a number of samples.
  auto zeros = [](std::vector<int64_t> shape) {
    int64_t size = 1;
    for (int64_t dim : shape)
      size *= dim;
    return Tensor(shape, std::vector<double>(size));
  };
  expectError(run("%x: tensor<?xf64>, %w: tensor<2x3xf64>",
                  "%r = pc.dense %x, %w : tensor<?xf64>, tensor<2x3xf64> -> "
                  "tensor<2xf64>",
                  "tensor<2xf64>", {zeros({2}), zeros({2, 3})}, 2),
              "cannot multiply 2 with a weight of 2x3");
  expectError(run("%x: tensor<?x2xf64>, %y: tensor<3x3xf64>",
                  "%r = pc.batch_outer %x, %y : tensor<?x2xf64>, "
                  "tensor<3x3xf64> -> tensor<2x3xf64>",
                  "tensor<2x3xf64>", {zeros({2, 2}), zeros({3, 3})}, 2),
              "expected two vectors per sample, found 2x2 and 3x3");
  expectError(run("%x: tensor<?x2xf64>, %y: tensor<3x1xf64>",
                  "%r = pc.concat %x, %y axis(-1) : tensor<?x2xf64>, "
                  "tensor<3x1xf64> -> tensor<?x3xf64>",
                  "tensor<?x3xf64>", {zeros({2, 2}), zeros({3, 1})}, 2),
              "operand of shape 3x1 does not fit into 2x3");
  expectError(run("%x: tensor<?x2xf64>",
                  "%r = pc.concat %x axis(-2) : tensor<?x2xf64> -> "
                  "tensor<4x2xf64>",
                  "tensor<4x2xf64>", {zeros({2, 2})}, 2),
              "expected parts of 4 elements in all along the axis, found 2");
  expectError(run("%x: tensor<?x2xf64>",
                  "%r = pc.slice %x axis(-2) offset(1) : tensor<?x2xf64> -> "
                  "tensor<2x2xf64>",
                  "tensor<2x2xf64>", {zeros({2, 2})}, 2),
              "part of 2 elements at 1 is outside of 2");
  expectError(run("%x: tensor<?x3xf64>",
                  "%r = pc.reshape %x : tensor<?x3xf64> -> tensor<9xf64>",
                  "tensor<9xf64>", {zeros({2, 3})}, 2),
              "cannot reshape 2x3 to 9");
}

TEST_F(EvaluatorTest, RefusesStagesWithoutBlocks) {
  auto stage = [&](const std::string &block, const std::string &result,
                   const std::string &yielded) {
    return run("%x: tensor<?x2xf64>, %w: " + yielded,
               "%r = pc.stage samples ins(%x, %w : tensor<?x2xf64>, " +
                   yielded + ") -> (" + result + ") {\n^bb0(%b: " + block +
                   ", %v: " + yielded + "):\npc.yield %v : " + yielded + "\n}",
               result,
               {Tensor({2, 2}, {1, 2, 3, 4}), Tensor({2, 2}, {1, 2, 3, 4})}, 2);
  };
  expectError(stage("tensor<?x2xf64>", "tensor<?x2xf64>", "tensor<?x2xf64>"),
              "expected sample blocks of a static size");
  expectError(stage("tensor<1x2xf64>", "tensor<2x2xf64>", "tensor<2x2xf64>"),
              "expected per-sample results of a samples stage, found "
              "'tensor<2x2xf64>'");
}

TEST_F(EvaluatorTest, CountsArgumentsAndSamples) {
  expectError(run("%x: f64", "%r = math.exp %x : f64", "f64", {}),
              "expected 1 arguments, found 0");
  expectError(run("%x: f64", "%r = math.exp %x : f64", "f64", {1.0}, 0),
              "expected at least one sample, found 0");
}

TEST_F(EvaluatorTest, RefusesWhatItDoesNotKnow) {
  expectError(run("%x: f64",
                  "%t = tensor.from_elements %x : tensor<1xf64>\n"
                  "%r = tensor.expand_shape %t [[0, 1]] "
                  "output_shape [1, 1] : tensor<1xf64> into "
                  "tensor<1x1xf64>",
                  "tensor<1x1xf64>", {1.0}),
              "the reference interpreter has no 'tensor.expand_shape'");
  expectError(run("",
                  "%r = arith.constant dense<(1.0, 2.0)> : "
                  "tensor<1xcomplex<f64>>",
                  "tensor<1xcomplex<f64>>", {}),
              "the reference interpreter has no such constant");
  expectError(evaluateText(context, "func.func private @f()", {}),
              "needs a body of one block");
  expectError(run("%x: tensor<2x?xf64>", "%r = pc.neg %x : tensor<2x?xf64>",
                  "tensor<2x?xf64>", {Tensor({2, 1}, {1, 1})}),
              "only the leading dimension may be dynamic");
}

TEST_F(EvaluatorTest, RefusesIndicesAndStepsOutOfRange) {
  expectError(run("%t: tensor<2xf64>, %i: index",
                  "%r = tensor.extract %t[%i] : tensor<2xf64>", "f64",
                  {Tensor({2}, {1, 2}), int64_t{2}}),
              "index 2 is outside of 2");
  expectError(run("%i: index",
                  "%x = arith.constant 1.0 : f64\n"
                  "%r = scf.for %k = %i to %i step %i iter_args(%y = %x) -> "
                  "(f64) { scf.yield %y : f64 }",
                  "f64", {int64_t{0}}),
              "expected a positive step, found 0");
}

} // namespace
