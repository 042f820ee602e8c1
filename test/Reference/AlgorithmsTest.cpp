//===- AlgorithmsTest.cpp - Programs against closed forms -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What statements of programs mean, checked against arithmetic written out here
// and against what the literature proves: in double, by the interpreter.
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "mlir/Pass/PassManager.h"
#include "pc/Pipelines/Pipelines.h"

#include <cmath>
#include <random>

using namespace pc;
using namespace pc::test;
using reference::Interpreter;

namespace {

class AlgorithmsTest : public testing::Test {
protected:
  /// Compiles to the simplified phase and creates a session.
  void load(const std::string &text) {
    module = context.parse(text);
    ASSERT_TRUE(module);
    mlir::PassManager passes(&context);
    PipelineOptions options;
    for (const PhaseInfo &info : getPhases())
      if (info.phase <= Phase::Simplified)
        buildPhase(passes, info.phase, options);
    ASSERT_TRUE(mlir::succeeded(passes.run(*module))) << context.messages;
    auto created = Interpreter::create(*module);
    ASSERT_TRUE(mlir::succeeded(created)) << context.messages;
    session.emplace(*created);
    session->initialise(7);
  }

  Interpreter::Arrays run(const std::string &program, int64_t n,
                          const Interpreter::Arrays &inputs = {}) {
    auto outputs = session->run(program, n, inputs);
    EXPECT_TRUE(mlir::succeeded(outputs)) << context.messages;
    return mlir::succeeded(outputs) ? *outputs : Interpreter::Arrays();
  }

  void set(const std::string &name, std::vector<int64_t> shape,
           std::vector<double> values) {
    ASSERT_TRUE(
        mlir::succeeded(session->setStorage(name, Tensor(shape, values))))
        << context.messages;
  }

  double get(const std::string &name, int64_t index = 0) {
    return session->getStorage(name)->data[index];
  }

  Tensor normal(std::vector<int64_t> shape) {
    Tensor tensor = Tensor::splat(shape, 0);
    for (double &value : tensor.data)
      value = std::normal_distribution<double>()(generator);
    return tensor;
  }

  Context context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<Interpreter> session;
  std::mt19937_64 generator{3};
};

/// One hidden number between a clamped input and a clamped output:
/// F = 1/2 (h - w x)^2 + 1/2 (y - v h)^2.
const std::string kScalar = R"(
pc.model @m {
  %x = pc.input @x : tensor<1xf32>
  %u = pc.linear @w %x no_bias : tensor<1xf32> -> tensor<1xf32>
  %h = pc.vode @h %u energy(se) : tensor<1xf32>
  %p = pc.linear @v %h no_bias : tensor<1xf32> -> tensor<1xf32>
  %y = pc.vode @y %p energy(se) : tensor<1xf32>
}
)";

/// A program on it that clamps both ends after a forward pass.
std::string onScalar(const std::string &name, const std::string &body) {
  return "pc.program @" + name +
         R"( on @m (%x: tensor<1xf32>, %y: tensor<1xf32>) {
  pc.clamp @x = %x : tensor<1xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<1xf32>
)" + body +
         R"(
  %state = pc.read @h : tensor<1xf32>
  pc.output "h" = %state : tensor<1xf32>
}
)";
}

/// dF/dh of the scalar model.
struct Scalar {
  double w, v, x, y;
  double gradient(double h) const { return h - w * x - v * (y - v * h); }
};

TEST_F(AlgorithmsTest, NesterovLooksAhead) {
  load(kScalar + onScalar("p", R"(
  pc.repeat 4 { pc.infer sgd(lr = 0.1, momentum = 0.8, nesterov) }
  pc.learn sgd(lr = 0.5, momentum = 0.9, nesterov) params(@v))"));
  Scalar f{0.7, -1.3, 1.5, 0.4};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  double h = f.w * f.x, m = 0, v = f.v, trace = 0;
  for (int batch = 0; batch < 3; ++batch) {
    Scalar now{f.w, v, f.x, f.y};
    h = f.w * f.x, m = 0;
    for (int t = 0; t < 4; ++t) {
      double g = now.gradient(h);
      m = g + 0.8 * m;
      h -= 0.1 * (g + 0.8 * m);
    }
    auto outputs = run(
        "p", 1, {{"x", Tensor({1, 1}, {f.x})}, {"y", Tensor({1, 1}, {f.y})}});
    expectTensor(outputs.at("h"), {1, 1}, {h}, 1e-13);
    double g = -(f.y - v * h) * h;
    trace = g + 0.9 * trace;
    v -= 0.5 * (g + 0.9 * trace);
    EXPECT_NEAR(get("v.weight"), v, 1e-13);
  }
}

TEST_F(AlgorithmsTest, AdamMovesStates) {
  load(kScalar + onScalar("p", R"(
  pc.repeat 6 { pc.infer adam(lr = 0.1, b1 = 0.8, b2 = 0.95, eps = 0.001) })"));
  Scalar f{0.7, -1.3, 1.5, 0.4};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  double h = f.w * f.x, m = 0, s = 0;
  for (int t = 1; t <= 6; ++t) {
    double g = f.gradient(h);
    m = 0.8 * m + 0.2 * g;
    s = 0.95 * s + 0.05 * g * g;
    h -= 0.1 * (m / (1 - std::pow(0.8, t))) /
         (std::sqrt(s / (1 - std::pow(0.95, t))) + 0.001);
  }
  // Twice: a forward initialisation resets the moments.
  for (int repetition = 0; repetition < 2; ++repetition)
    expectTensor(
        run("p", 1,
            {{"x", Tensor({1, 1}, {f.x})}, {"y", Tensor({1, 1}, {f.y})}})
            .at("h"),
        {1, 1}, {h}, 1e-13);
}

TEST_F(AlgorithmsTest, HeunIsOfSecondOrder) {
  load(kScalar + onScalar("p", "  pc.repeat 5 { pc.infer heun(lr = 0.2) }"));
  Scalar f{0.7, -1.3, 1.5, 0.4};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  // h - h* decays by 1 - z + z^2 / 2 a step, z = lr (1 + v^2).
  double curvature = 1 + f.v * f.v;
  double fixed = (f.w * f.x + f.v * f.y) / curvature, z = 0.2 * curvature;
  double h = fixed + (f.w * f.x - fixed) * std::pow(1 - z + z * z / 2, 5);
  expectTensor(
      run("p", 1, {{"x", Tensor({1, 1}, {f.x})}, {"y", Tensor({1, 1}, {f.y})}})
          .at("h"),
      {1, 1}, {h}, 1e-13);
}

// Covariance of position and velocity of the discrete chain, momentum included,
// from its Lyapunov equation; mean from dF/dh = 0.
TEST_F(AlgorithmsTest, LangevinReachesTheStationaryDistributionOfItsChain) {
  for (auto [lr, momentum] :
       {std::pair{0.2, 0.0}, std::pair{0.3, 0.5}, std::pair{0.01, 0.0}}) {
    SCOPED_TRACE(lr);
    const double variance = 0.6;
    load(kScalar +
         onScalar("p", "  pc.repeat " + std::to_string(lr < 0.1 ? 400 : 60) +
                           " { pc.infer langevin(lr = " + std::to_string(lr) +
                           ", momentum = " + std::to_string(momentum) +
                           ", variance = 0.6) }"));
    Scalar f{0.7, -1.3, 1.5, 0.4};
    set("w.weight", {1, 1}, {f.w});
    set("v.weight", {1, 1}, {f.v});
    double a = 1 + f.v * f.v, mean = (f.w * f.x + f.v * f.y) / a;
    double eta = 2 * variance * (1 - momentum) / lr;
    double hh = 0, hv = 0, vv = 0;
    for (int i = 0; i < 100000; ++i) {
      // (h, v) <- (h - lr v', v'), v' = m v + a h + sqrt(eta) xi
      double nextVV =
          momentum * momentum * vv + 2 * momentum * a * hv + a * a * hh + eta;
      double hNext = momentum * hv + a * hh; // E[h v']
      double nextHV = hNext - lr * nextVV;
      double nextHH = hh - 2 * lr * hNext + lr * lr * nextVV;
      hh = nextHH, hv = nextHV, vv = nextVV;
    }
    constexpr int64_t n = 20000;
    auto outputs = run(
        "p", n,
        {{"x", Tensor::splat({n, 1}, f.x)}, {"y", Tensor::splat({n, 1}, f.y)}});
    double sum = 0, squares = 0;
    for (double h : outputs.at("h").data)
      sum += h;
    sum /= n;
    for (double h : outputs.at("h").data)
      squares += (h - sum) * (h - sum);
    squares /= n - 1;
    // Five standard errors.
    EXPECT_NEAR(sum, mean, 5 * std::sqrt(hh / n));
    EXPECT_NEAR(squares, hh, 5 * hh * std::sqrt(2.0 / n));
    // The chain tends to the posterior as the rate goes to 0.
    if (lr < 0.1)
      EXPECT_NEAR(hh, variance / a, 0.02 * hh);
  }
}

TEST_F(AlgorithmsTest, NoiseIsFreshInEveryStepAndCall) {
  load(kScalar + onScalar("p", R"(
  pc.repeat 2 {
    pc.repeat 3 {
      pc.init normal(1.0)
      %n = pc.read @h : tensor<1xf32>
      %s = pc.sum %n : tensor<1xf32> -> tensor<f32>
      pc.report "last" = %s : tensor<f32>
    }
  })"));
  Interpreter::Arrays inputs = {{"x", Tensor({1, 1}, {0})},
                                {"y", Tensor({1, 1}, {0})}};
  double first = run("p", 1, inputs).at("last").data[0];
  double second = run("p", 1, inputs).at("last").data[0];
  EXPECT_NE(first, second);
}

/// 3-4-4-2, tanh in front of the hidden vodes.
const std::string kNet = R"(
pc.model @net {
  %x = pc.input @x : tensor<3xf32>
  %a1 = pc.linear @fc1 %x : tensor<3xf32> -> tensor<4xf32>
  %u1 = pc.tanh %a1 : tensor<4xf32>
  %h1 = pc.vode @h1 %u1 energy(se) : tensor<4xf32>
  %a2 = pc.linear @fc2 %h1 : tensor<4xf32> -> tensor<4xf32>
  %u2 = pc.tanh %a2 : tensor<4xf32>
  %h2 = pc.vode @h2 %u2 energy(se) : tensor<4xf32>
  %a3 = pc.linear @fc3 %h2 : tensor<4xf32> -> tensor<2xf32>
  %y = pc.vode @y %a3 energy(se) : tensor<2xf32>
}
)";

std::string onNet(const std::string &name, const std::string &body) {
  return "pc.program @" + name +
         R"( on @net (%x: tensor<3xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<3xf32>
  pc.init forward
)" + body +
         "}\n";
}

TEST_F(AlgorithmsTest, ZILIsBackpropagation) {
  // The weights of the layer at distance t from the output take their gradient
  // at inference step t, rate 1.
  load(kNet + onNet("zil", R"(
  pc.clamp @y = %y : tensor<2xf32>
  %p0 = pc.point
  %g3 = pc.gradient params at %p0 only(@fc3)
  pc.infer sgd(lr = 1.0)
  %p1 = pc.point
  %g2 = pc.gradient params at %p1 only(@fc2)
  pc.infer sgd(lr = 1.0)
  %p2 = pc.point
  %g1 = pc.gradient params at %p2 only(@fc1)
  %g = pc.combine %g1, %g2, %g3
  pc.update %g adam(lr = 0.01)
)") + onNet("bp", R"(
  pc.backprop @y = %y loss(se) adam(lr = 0.01) : tensor<2xf32>
)"));
  Interpreter::Arrays inputs = {{"x", normal({5, 3})}, {"y", normal({5, 2})}};
  auto train = [&](const std::string &program) {
    session->initialise(7);
    for (int batch = 0; batch < 4; ++batch)
      run(program, 5, inputs);
    return session->getStorage();
  };
  Interpreter::Arrays zil = train("zil"), bp = train("bp");
  for (const char *name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
                           "fc3.weight", "fc3.bias"})
    for (int64_t i = 0; i < bp.at(name).size(); ++i)
      EXPECT_NEAR(zil.at(name).data[i], bp.at(name).data[i], 1e-13) << name;
}

TEST_F(AlgorithmsTest, ErrorsAndStatesHaveOneFixedPoint) {
  load(kNet + onNet("states", R"(
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 4000 { pc.infer sgd(lr = 0.2) }
  %a = pc.read @h1 : tensor<4xf32>
  %b = pc.read @h2 : tensor<4xf32>
  pc.output "h1" = %a : tensor<4xf32>
  pc.output "h2" = %b : tensor<4xf32>
)") + onNet("errors", R"(
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 2000 { pc.infer sgd(lr = 0.2) errors }
  %a = pc.read @h1 : tensor<4xf32>
  %b = pc.read @h2 : tensor<4xf32>
  pc.output "h1" = %a : tensor<4xf32>
  pc.output "h2" = %b : tensor<4xf32>
)"));
  Interpreter::Arrays inputs = {{"x", normal({3, 3})}, {"y", normal({3, 2})}};
  auto states = run("states", 3, inputs), errors = run("errors", 3, inputs);
  for (const char *name : {"h1", "h2"})
    for (int64_t i = 0; i < states.at(name).size(); ++i)
      EXPECT_NEAR(states.at(name).data[i], errors.at(name).data[i], 1e-10);
}

TEST_F(AlgorithmsTest, OneStepOfErrorsIsARateTimesBackpropagation) {
  // From eps = 0 one step gives eps = -rate t; the local weight gradients are
  // then rate times backpropagation's, up to the square of the rate.
  load(kNet + onNet("errors", R"(
  pc.clamp @y = %y : tensor<2xf32>
  pc.infer sgd(lr = 1.0e-6) errors
  pc.learn sgd(lr = 1.0e6) params(@fc1, @fc2)
)") + onNet("bp", R"(
  pc.backprop @y = %y loss(se) sgd(lr = 1.0) : tensor<2xf32>
)"));
  Interpreter::Arrays inputs = {{"x", normal({5, 3})}, {"y", normal({5, 2})}};
  run("errors", 5, inputs);
  Interpreter::Arrays errors = session->getStorage();
  session->initialise(7);
  run("bp", 5, inputs);
  for (const char *name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"})
    for (int64_t i = 0; i < errors.at(name).size(); ++i)
      EXPECT_NEAR(errors.at(name).data[i], get(name, i), 1e-5) << name;
}

TEST_F(AlgorithmsTest, TargetsTakePredictionsFromTheForwardPass) {
  // dF/dW3 = -(y - W3 h2^0 - b3) h2^0T, dF/dW1 with h1 settled and u1 as it is.
  load(kNet + onNet("p", R"(
  %start = pc.point
  %forward = pc.read @h2 : tensor<4xf32>
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 3 { pc.infer sgd(lr = 0.3) }
  %settled = pc.point
  %after = pc.read @h2 : tensor<4xf32>
  %g = pc.gradient params at %start targets(%settled)
  pc.update %g sgd(lr = 1.0)
  pc.output "h2.forward" = %forward : tensor<4xf32>
  pc.output "h2.settled" = %after : tensor<4xf32>
)"));
  Interpreter::Arrays inputs = {{"x", normal({1, 3})}, {"y", normal({1, 2})}};
  Interpreter::Arrays before = session->getStorage();
  auto outputs = run("p", 1, inputs);
  const auto &h2 = outputs.at("h2.forward").data;
  EXPECT_NE(h2, outputs.at("h2.settled").data);
  for (int n = 0; n < 2; ++n) {
    double error = inputs.at("y").data[n] - before.at("fc3.bias").data[n];
    for (int k = 0; k < 4; ++k)
      error -= before.at("fc3.weight").data[4 * n + k] * h2[k];
    EXPECT_NEAR(get("fc3.bias", n), before.at("fc3.bias").data[n] + error,
                1e-13);
    for (int k = 0; k < 4; ++k)
      EXPECT_NEAR(get("fc3.weight", 4 * n + k),
                  before.at("fc3.weight").data[4 * n + k] + error * h2[k],
                  1e-13);
  }
}

TEST_F(AlgorithmsTest, ClipBoundsTheNormOfAllParametersTogether) {
  load(kNet + onNet("p", R"(
  %most = pc.hyper "most" default 0.125
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 3 { pc.infer sgd(lr = 0.3) }
  %p = pc.point
  %g = pc.gradient params at %p over sum
  %c = pc.clip %g norm(%most)
  pc.update %c sgd(lr = 1.0)
)") + onNet("free", R"(
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 3 { pc.infer sgd(lr = 0.3) }
  pc.learn sgd(lr = 1.0) over sum
)"));
  Interpreter::Arrays inputs = {{"x", normal({5, 3})}, {"y", normal({5, 2})}};
  Interpreter::Arrays before = session->getStorage();
  auto step = [&](const std::string &program) {
    for (auto &[name, tensor] : before)
      ASSERT_TRUE(mlir::succeeded(session->setStorage(name, tensor)));
    run(program, 5, inputs);
  };
  auto norm = [&]() {
    double squares = 0;
    for (auto &[name, tensor] : before)
      if (name != "weight_step")
        for (int64_t i = 0; i < tensor.size(); ++i)
          squares += std::pow(get(name, i) - tensor.data[i], 2);
    return std::sqrt(squares);
  };
  step("free");
  double whole = norm(), one = get("fc3.bias") - before.at("fc3.bias").data[0];
  ASSERT_GT(whole, 0.125);
  step("p");
  EXPECT_NEAR(norm(), 0.125, 1e-9);
  EXPECT_NEAR(get("fc3.bias") - before.at("fc3.bias").data[0],
              one * 0.125 / whole, 1e-9);
  // Within the bound nothing changes, to the bit.
  ASSERT_TRUE(mlir::succeeded(session->setHyper("most", 1e6)));
  step("p");
  EXPECT_EQ(get("fc3.bias") - before.at("fc3.bias").data[0], one);
}

TEST_F(AlgorithmsTest, MaskedElementsStayAndTheRestIsInferred) {
  // Linear from a latent: what is not known becomes its prediction, and the
  // latent the ridge regression on what is known.
  load(R"(
pc.model @m {
  %zero = pc.splat 0.0 : tensor<2xf32>
  %z = pc.vode @z %zero energy(se) : tensor<2xf32>
  %u = pc.linear @w %z no_bias : tensor<2xf32> -> tensor<3xf32>
  %x = pc.vode @x %u energy(se) : tensor<3xf32>
}
pc.program @fill on @m (%x: tensor<3xf32>, %known: tensor<3xf32>) role(other) {
  pc.clamp @x = %x mask(%known : tensor<3xf32>) : tensor<3xf32>
  pc.init forward
  pc.repeat 3000 { pc.infer sgd(lr = 0.1, momentum = 0.5) }
  %filled = pc.read @x : tensor<3xf32>
  pc.output "x" = %filled : tensor<3xf32>
  %z = pc.read @z : tensor<2xf32>
  pc.output "z" = %z : tensor<2xf32>
})");
  std::vector<double> w = {1.0, 0.5, -0.3, 0.8, 0.6, -1.1};
  set("w.weight", {3, 2}, w);
  auto outputs = run("fill", 1,
                     {{"x", Tensor({1, 3}, {0.9, -0.4, 77})},
                      {"known", Tensor({1, 3}, {1, 1, 0})}});
  // (I + A^T A) z = A^T x with A the rows that are known.
  double a = 1 + w[0] * w[0] + w[2] * w[2], b = w[0] * w[1] + w[2] * w[3],
         d = 1 + w[1] * w[1] + w[3] * w[3];
  double r0 = w[0] * 0.9 - w[2] * 0.4, r1 = w[1] * 0.9 - w[3] * 0.4;
  double z0 = (d * r0 - b * r1) / (a * d - b * b),
         z1 = (a * r1 - b * r0) / (a * d - b * b);
  expectTensor(outputs.at("z"), {1, 2}, {z0, z1}, 1e-12);
  expectTensor(outputs.at("x"), {1, 3}, {0.9, -0.4, w[4] * z0 + w[5] * z1},
               1e-12);
  EXPECT_EQ(outputs.at("x").data[0], 0.9);
}

TEST_F(AlgorithmsTest, PrecisionsWeighEnergies) {
  load(kScalar + onScalar("p", R"(
  %two = arith.constant 2.0 : f64
  pc.repeat 3 index(%t) {
    %p = arith.addf %t, %two : f64
    pc.precision @h = %p
    pc.infer sgd(lr = 0.1)
  }
  pc.report "energy" = energy)"));
  Scalar f{0.7, -1.3, 1.5, 0.4};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  double h = f.w * f.x;
  for (int t = 0; t < 3; ++t)
    h -= 0.1 * ((t + 2) * (h - f.w * f.x) - f.v * (f.y - f.v * h));
  auto outputs =
      run("p", 1, {{"x", Tensor({1, 1}, {f.x})}, {"y", Tensor({1, 1}, {f.y})}});
  expectTensor(outputs.at("h"), {1, 1}, {h}, 1e-13);
  double energy =
      4 * 0.5 * std::pow(h - f.w * f.x, 2) + 0.5 * std::pow(f.y - f.v * h, 2);
  EXPECT_NEAR(outputs.at("energy").data[0], energy, 1e-13);
}

/// Three numbers around a bias, with a learned precision of the given type.
std::string learnedPrecision(const std::string &type) {
  return R"(
pc.model @m {
  %b = pc.param @b : tensor<3xf32>
  %s = pc.param @s : )" +
         type + R"(
  %y = pc.vode @y %b energy(se) log_sigma(%s : )" +
         type + R"() : tensor<3xf32>
}
pc.program @learn on @m (%y: tensor<3xf32>) {
  pc.clamp @y = %y : tensor<3xf32>
  pc.report "energy" = energy
  pc.learn sgd(lr = 0.1)
}
)";
}

// At a minimum of the mean free energy the bias is the mean and exp(s) the root
// of the mean squared error: of each element, or of all of them.
TEST_F(AlgorithmsTest, LearnedPrecisionsFindTheVarianceOfTheData) {
  constexpr int64_t n = 500;
  for (bool diagonal : {false, true}) {
    SCOPED_TRACE(diagonal ? "diagonal" : "one for all");
    const std::vector<double> sigma = diagonal
                                          ? std::vector<double>{0.5, 0.8, 2.0}
                                          : std::vector<double>{0.7, 0.7, 0.7};
    load(learnedPrecision(diagonal ? "tensor<3xf32>" : "tensor<f32>"));
    Tensor y = normal({n, 3});
    for (int64_t i = 0; i < y.size(); ++i)
      y.data[i] = 1.5 - i % 3 + sigma[i % 3] * y.data[i];
    for (int step = 0; step < 900; ++step)
      run("learn", n, {{"y", y}});
    double all = 0;
    for (int64_t k = 0; k < 3; ++k) {
      double mean = 0, square = 0;
      for (int64_t i = k; i < y.size(); i += 3)
        mean += y.data[i] / n;
      for (int64_t i = k; i < y.size(); i += 3)
        square += std::pow(y.data[i] - mean, 2) / n;
      all += square / 3;
      EXPECT_NEAR(get("b", k), mean, 1e-9);
      if (!diagonal)
        continue;
      EXPECT_NEAR(get("s", k), 0.5 * std::log(square), 1e-9);
      // Five standard errors.
      EXPECT_NEAR(get("s", k), std::log(sigma[k]), 5 / std::sqrt(2.0 * n));
    }
    if (diagonal)
      continue;
    ASSERT_EQ(session->getStorage("s")->size(), 1);
    EXPECT_NEAR(get("s"), 0.5 * std::log(all), 1e-9);
    EXPECT_NEAR(get("s"), std::log(sigma[0]), 5 / std::sqrt(2.0 * 3 * n));
  }
}

TEST_F(AlgorithmsTest, OneLearnedPrecisionCountsForEveryElement) {
  load(learnedPrecision("tensor<f32>"));
  const std::vector<double> y = {0.3, -0.2, 0.9}, b = {0.1, 0.4, -0.5};
  // The second is below the floor, where the gradient by s is zero.
  for (double s : {-0.4, -12.0}) {
    SCOPED_TRACE(s);
    set("b", {3}, b);
    set("s", {}, {s});
    double floored = std::max(s, -10.0), energy = 0, gradient = 0;
    for (int k = 0; k < 3; ++k) {
      double z = (y[k] - b[k]) * std::exp(-floored);
      energy += 0.5 * z * z + floored;
      gradient += s < -10 ? 0 : 1 - z * z;
    }
    auto outputs = run("learn", 1, {{"y", Tensor({1, 3}, y)}});
    EXPECT_NEAR(outputs.at("energy").data[0], energy, 1e-13 * std::abs(energy));
    EXPECT_NEAR(get("s"), s - 0.1 * gradient, 1e-13);
  }
}

TEST_F(AlgorithmsTest, SchedulesFollowTheRun) {
  load(kScalar + onScalar("p", R"(
  %base = arith.constant 0.5 : f64
  %c = pc.schedule cosine(%base) end(0.1)
  %s = pc.schedule step(%base) every(0.25) by(0.1)
  %one = pc.splat 1.0 : tensor<f32>
  %cosine = pc.scale %one, %c : tensor<f32>
  %steps = pc.scale %one, %s : tensor<f32>
  pc.report "cosine" = %cosine : tensor<f32>
  pc.report "step" = %steps : tensor<f32>
  pc.learn sgd(lr = 0.1))"));
  session->getCounters().totalSteps = 8;
  for (int step = 0; step < 8; ++step) {
    auto outputs =
        run("p", 1, {{"x", Tensor({1, 1}, {1})}, {"y", Tensor({1, 1}, {1})}});
    EXPECT_NEAR(outputs.at("cosine").data[0],
                0.5 * (0.9 * 0.5 * (1 + std::cos(M_PI * step / 8)) + 0.1),
                1e-12);
    EXPECT_NEAR(outputs.at("step").data[0],
                0.5 * std::pow(0.1, std::floor(step / 2.0)), 1e-12);
  }
}

TEST_F(AlgorithmsTest, WarningsFollowTheirNumbers) {
  load(kScalar + onScalar("p", R"(
  %beta = pc.hyper "beta" default 0.5
  %epoch = pc.counter epoch
  %steps = pc.counter weight_step
  %quarter = arith.constant 0.25 : f64
  %one = arith.constant 1.0 : f64
  %growth = arith.mulf %quarter, %epoch : f64
  %size = arith.addf %beta, %growth : f64
  %whole = arith.cmpf oge, %size, %one : f64
  pc.warn %whole "whole"
  %first = arith.cmpf oeq, %steps, %epoch : f64
  pc.warn %first "a step an epoch"
  pc.learn sgd(lr = 0.1))"));
  for (int call = 0; call < 4; ++call) {
    session->getCounters().epoch = call;
    // Not a mean over samples: it is one number.
    auto outputs = run(
        "p", 3,
        {{"x", Tensor::splat({3, 1}, 0.1)}, {"y", Tensor::splat({3, 1}, 0.2)}});
    expectTensor(outputs.at("whole"), {}, {call >= 2 ? 1.0 : 0.0}, 0);
    expectTensor(outputs.at("a step an epoch"), {}, {1.0}, 0);
  }
}

TEST_F(AlgorithmsTest, NoDecaySparesAndOneJointIsOneStep) {
  // With a zero gradient only the decay moves a parameter.
  load(kNet + onNet("p", R"(
  pc.joint {
    pc.learn adamw(lr = 0.1, weight_decay = 0.5) params(@fc1) no_decay(@fc1.bias)
    pc.learn adamw(lr = 0.2, weight_decay = 0.5) params(@fc2)
  }
)"));
  Interpreter::Arrays before = session->getStorage();
  for (int call = 0; call < 2; ++call)
    run("p", 2, {{"x", normal({2, 3})}, {"y", normal({2, 2})}});
  EXPECT_NEAR(get("fc1.weight"), before.at("fc1.weight").data[0] * 0.95 * 0.95,
              1e-13);
  EXPECT_EQ(get("fc1.bias"), before.at("fc1.bias").data[0]);
  EXPECT_NEAR(get("fc2.bias"), before.at("fc2.bias").data[0] * 0.9 * 0.9,
              1e-13);
  EXPECT_EQ(get("fc3.weight"), before.at("fc3.weight").data[0]);
  EXPECT_EQ(get("weight_step"), 2);
  EXPECT_EQ(get("adamw.count"), 2);
}

TEST_F(AlgorithmsTest, CarriedStatesGoOnWithTheirMomentum) {
  load(kScalar + R"(
pc.program @stream on @m (%x: tensor<1xf32>, %y: tensor<1xf32>) {
  pc.clamp @x = %x : tensor<1xf32>
  pc.clamp @y = %y : tensor<1xf32>
  pc.init carried
  pc.repeat 2 { pc.infer sgd(lr = 0.1, momentum = 0.8) }
  %state = pc.read @h : tensor<1xf32>
  pc.output "h" = %state : tensor<1xf32>
}
)" + onScalar("fresh", R"(
  pc.repeat 2 { pc.infer sgd(lr = 0.1, momentum = 0.8) })"));
  Scalar f{0.7, -1.3, 1.5, 0.4};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  Interpreter::Arrays inputs = {{"x", Tensor({1, 1}, {f.x})},
                                {"y", Tensor({1, 1}, {f.y})}};
  double h = 0, m = 0;
  for (int call = 0; call < 3; ++call) {
    for (int t = 0; t < 2; ++t)
      h -= 0.1 * (m = f.gradient(h) + 0.8 * m);
    expectTensor(run("stream", 1, inputs).at("h"), {1, 1}, {h}, 1e-13);
    // A program that carries nothing touches nothing.
    run("fresh", 1, inputs);
  }
  EXPECT_NEAR(get("h.state"), h, 1e-13);
  EXPECT_NEAR(get("h.momentum"), m, 1e-13);
}

TEST_F(AlgorithmsTest, EachSampleStopsByItself) {
  const std::string body = R"(
  %tolerance = arith.constant 0.25 : f64
  pc.repeat 40 {
    %p = pc.point
    %g = pc.gradient states at %p
    %norm = pc.norm %g : tensor<f32>
    pc.stop %norm below(%tolerance) OVER : tensor<f32>
    pc.update %g sgd(lr = 0.1, momentum = 0.5)
  })";
  auto over = [&](std::string text) {
    std::string copy = body;
    return copy.replace(copy.find("OVER"), 4, text);
  };
  load(kScalar + onScalar("each", over("")) +
       onScalar("mean", over("over mean")));
  Scalar f{0.7, -1.3, 0, 0};
  set("w.weight", {1, 1}, {f.w});
  set("v.weight", {1, 1}, {f.v});
  std::vector<double> xs = {1.5, 0.1, -3.0}, ys = {0.4, 0.2, 2.0};
  Interpreter::Arrays inputs = {{"x", Tensor({3, 1}, xs)},
                                {"y", Tensor({3, 1}, ys)}};
  std::vector<double> h(3), m(3), both(3), trace(3);
  std::vector<int> steps(3);
  int common = 0;
  for (int i = 0; i < 3; ++i) {
    f.x = xs[i], f.y = ys[i];
    h[i] = both[i] = f.w * f.x;
    while (std::abs(f.gradient(h[i])) >= 0.25 && steps[i] < 40) {
      m[i] = f.gradient(h[i]) + 0.5 * m[i];
      h[i] -= 0.1 * m[i];
      ++steps[i];
    }
  }
  for (; common < 40; ++common) {
    double mean = 0;
    for (int i = 0; i < 3; ++i)
      mean += std::abs(Scalar{f.w, f.v, xs[i], ys[i]}.gradient(both[i])) / 3;
    if (mean < 0.25)
      break;
    for (int i = 0; i < 3; ++i) {
      trace[i] =
          Scalar{f.w, f.v, xs[i], ys[i]}.gradient(both[i]) + 0.5 * trace[i];
      both[i] -= 0.1 * trace[i];
    }
  }
  // The samples differ, and none runs to the bound.
  EXPECT_NE(steps[0], steps[2]);
  EXPECT_NE(steps[0], steps[1]);
  EXPECT_LT(std::max(steps[0], steps[2]), 40);
  EXPECT_LT(common, 40);
  expectTensor(run("each", 3, inputs).at("h"), {3, 1}, h, 1e-13);
  expectTensor(run("mean", 3, inputs).at("h"), {3, 1}, both, 1e-13);
}

TEST_F(AlgorithmsTest, AveragesFollowTheParameters) {
  load(kScalar + onScalar("train", R"(
  %decay = arith.constant 0.75 : f64
  pc.learn sgd(lr = 0.1)
  pc.average @ema decay(%decay) params(@v))") +
       R"(
pc.program @evaluate on @m (%x: tensor<1xf32>) {
  pc.use @ema
  pc.clamp @x = %x : tensor<1xf32>
  pc.init forward
  %y = pc.predict @y : tensor<1xf32>
  pc.output "y" = %y : tensor<1xf32>
})");
  Interpreter::Arrays inputs = {{"x", Tensor({1, 1}, {1.5})},
                                {"y", Tensor({1, 1}, {0.4})}};
  double average = get("v.weight");
  EXPECT_EQ(get("ema.v.weight"), average) << "starts as the parameter";
  for (int step = 0; step < 3; ++step) {
    run("train", 1, inputs);
    average = 0.75 * average + 0.25 * get("v.weight");
    EXPECT_NEAR(get("ema.v.weight"), average, 1e-14);
  }
  double v = get("v.weight");
  expectTensor(run("evaluate", 1, {{"x", Tensor({1, 1}, {1.5})}}).at("y"),
               {1, 1}, {average * get("w.weight") * 1.5}, 1e-13);
  EXPECT_EQ(get("v.weight"), v) << "averages do not replace what is learned";
}

TEST_F(AlgorithmsTest, SizesScaleTheModel) {
  load(R"(
pc.model @m (width = 9) {
  %x = pc.input @x : tensor<2xf32>
  %n = pc.size @width
  %root = math.sqrt %n : f64
  %u = pc.scale %x, %root : tensor<2xf32>
  pc.probe @scaled = %u : tensor<2xf32>
  %h = pc.vode @h %u energy(se) : tensor<2xf32>
}
pc.program @p on @m (%x: tensor<2xf32>) role(other) {
  pc.clamp @x = %x : tensor<2xf32>
  %u = pc.evaluate @scaled : tensor<2xf32>
  pc.output "u" = %u : tensor<2xf32>
})");
  expectTensor(run("p", 1, {{"x", Tensor({1, 2}, {2, -1})}}).at("u"), {1, 2},
               {6, -3});
}

/// muPC (arXiv:2505.13124), or standard parametrisation: a residual network of
/// `blocks` + 2 layers without biases, 6 inputs and 2 outputs. The activation
/// is an operation of the dialect.
std::string deepNet(bool scaled, const std::string &activation, int width,
                    int blocks) {
  std::string h = "tensor<" + std::to_string(width) + "xf32>";
  // One call writes a layer: W, its scale and where it starts.
  auto layer = [&](const std::string &out, const std::string &in,
                   const std::string &from, const std::string &to, int fanIn,
                   double scale) {
    std::string init =
        scaled ? "normal(0.0, 1.0)"
               : "normal(0.0, " + std::to_string(1 / std::sqrt(double(fanIn))) +
                     ")";
    return "  %w" + out + " = pc.linear @fc" + out + " " + in +
           " no_bias weight_init(" + init + ") : " + from + " -> " + to +
           "\n  %s" + out + " = arith.constant " +
           std::to_string(scaled ? scale : 1.0) + " : f64\n  %a" + out +
           " = pc.scale %w" + out + ", %s" + out + " : " + to + "\n";
  };
  int layers = blocks + 2;
  std::string text =
      "pc.model @m {\n  %x = pc.input @x : tensor<6xf32>\n" +
      layer("0", "%x", "tensor<6xf32>", h, 6, 1 / std::sqrt(6.0)) +
      "  %h0 = pc.vode @h0 %a0 energy(se) : " + h + "\n";
  for (int l = 1; l <= blocks; ++l) {
    std::string i = std::to_string(l), below = "%h" + std::to_string(l - 1);
    text += "  %f" + i + " = " + activation + " " + below + " : " + h + "\n" +
            layer(i, "%f" + i, h, h, width, 1 / std::sqrt(width * layers)) +
            "  %u" + i + " = pc.add " + below + ", %a" + i + " : " + h +
            "\n  %h" + i + " = pc.vode @h" + i + " %u" + i +
            " energy(se) : " + h + "\n";
  }
  std::string last = std::to_string(blocks + 1);
  text += "  %f = " + activation + " %h" + std::to_string(blocks) + " : " + h +
          "\n" + layer(last, "%f", h, "tensor<2xf32>", width, 1.0 / width) +
          "  %y = pc.vode @y %a" + last + " energy(se) : tensor<2xf32>\n}\n";
  return text;
}

TEST_F(AlgorithmsTest, LinearNetworksSettleAtTheClosedForm) {
  // F* = 1/2 (y - u)^T S^-1 (y - u), S = I + sum of P_l P_l^T, u the prediction
  // of the forward pass and P_l the product of the maps above the hidden vode l
  // (Innocenti et al., 2505.13124 and 2412.03676).
  constexpr int kWidth = 5, kBlocks = 3;
  for (bool scaled : {true, false}) {
    SCOPED_TRACE(scaled ? "muPC" : "standard");
    load(deepNet(scaled, "pc.identity", kWidth, kBlocks) + R"(
pc.program @relax on @m (%x: tensor<6xf32>, %y: tensor<2xf32>) role(other) {
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  %u = pc.predict @y : tensor<2xf32>
  pc.output "u" = %u : tensor<2xf32>
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 4000 { pc.infer sgd(lr = 0.1) }
  %F = pc.free_energy : tensor<f32>
  pc.output "F" = %F : tensor<f32>
})");
    Interpreter::Arrays inputs = {{"x", normal({3, 6})}, {"y", normal({3, 2})}};
    auto outputs = run("relax", 3, inputs);

    // P is [2, width], from the output downwards.
    auto weight = [&](int l) {
      return session->getStorage("fc" + std::to_string(l) + ".weight")->data;
    };
    std::vector<double> p = weight(kBlocks + 1);
    for (double &value : p)
      value *= scaled ? 1.0 / kWidth : 1.0;
    double s[3] = {1, 0, 1}; // xx, xy, yy
    for (int l = kBlocks;; --l) {
      for (int j = 0; j < kWidth; ++j) {
        s[0] += p[j] * p[j];
        s[1] += p[j] * p[kWidth + j];
        s[2] += p[kWidth + j] * p[kWidth + j];
      }
      if (l == 0)
        break;
      auto w = weight(l);
      double scale = scaled ? 1 / std::sqrt(kWidth * (kBlocks + 2.0)) : 1.0;
      std::vector<double> next = p;
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < kWidth; ++j)
          for (int k = 0; k < kWidth; ++k)
            next[i * kWidth + j] +=
                p[i * kWidth + k] * scale * w[k * kWidth + j];
      p = next;
    }
    double determinant = s[0] * s[2] - s[1] * s[1];
    for (int n = 0; n < 3; ++n) {
      double a = inputs.at("y").data[2 * n] - outputs.at("u").data[2 * n];
      double b =
          inputs.at("y").data[2 * n + 1] - outputs.at("u").data[2 * n + 1];
      double expected =
          (s[2] * a * a - 2 * s[1] * a * b + s[0] * b * b) / (2 * determinant);
      EXPECT_NEAR(outputs.at("F").data[n], expected, 1e-10);
      EXPECT_GT(expected, 1e-5);
    }
  }
}

TEST_F(AlgorithmsTest, MuPCRatesTransfer) {
  // The rate of the weights that is best for a small network, on a grid of
  // factors of four, is as good on one four times as wide, as deep and both:
  // with muPC, and not in the standard parametrisation.
  constexpr double kRates[] = {0.001, 0.004, 0.016, 0.064, 0.256, 1.024};
  Interpreter::Arrays inputs = {{"x", normal({16, 6})}, {"y", normal({16, 2})}};
  // Energies before inference, the mean over the last ten of 40 batches.
  auto energies = [&](bool scaled, int width, int blocks) {
    load(deepNet(scaled, "pc.tanh", width, blocks) + R"(
pc.program @train on @m (%x: tensor<6xf32>, %y: tensor<2xf32>) {
  %w_lr = pc.hyper "w_lr" default 0.1
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.report "energy" = energy
  pc.repeat )" +
         std::to_string(blocks + 2) + R"( { pc.infer sgd(lr = 0.1) }
  pc.learn adam(lr = %w_lr)
})");
    std::vector<double> found;
    for (double rate : kRates) {
      session->initialise(7);
      EXPECT_TRUE(mlir::succeeded(session->setHyper("w_lr", rate)));
      double sum = 0;
      for (int step = 0; step < 40; ++step) {
        double energy = run("train", 16, inputs).at("energy").data[0];
        sum += step < 30 ? 0 : energy / 10;
      }
      found.push_back(sum);
    }
    return found;
  };
  auto transfers = [&](bool scaled) {
    std::vector<double> small = energies(scaled, 8, 2);
    size_t best = std::min_element(small.begin(), small.end()) - small.begin();
    EXPECT_TRUE(best > 0 && best + 1 < small.size()) << "outside of the grid";
    double worst = 0;
    for (auto [width, blocks] : {std::pair(32, 2), {8, 8}, {32, 8}}) {
      std::vector<double> large = energies(scaled, width, blocks);
      worst = std::max(
          worst, large[best] / *std::min_element(large.begin(), large.end()));
    }
    return worst;
  };
  EXPECT_LT(transfers(true), 2);
  EXPECT_GT(transfers(false), 10);
}

TEST_F(AlgorithmsTest, ARecurrentNetworkRecallsPatterns) {
  // A Hopfield-like network, h = W tanh(2 h): one vode that predicts itself.
  // From W = 0 its weights stay in the span of the patterns and find the
  // projection on it, so a pattern of which some elements are wrong, or only
  // half is known, falls back to the pattern, and the trivial solution W = 1 is
  // not learnt.
  constexpr int kSize = 24, kPatterns = 3;
  load(R"(
pc.model @m {
  %h = pc.state @h : tensor<24xf32>
  %w = pc.param @lateral.weight : tensor<24x24xf32>
  %two = arith.constant 2.0 : f64
  %steep = pc.scale %h, %two : tensor<24xf32>
  %f = pc.tanh %steep : tensor<24xf32>
  %u = pc.dense %f, %w : tensor<24xf32>, tensor<24x24xf32> -> tensor<24xf32>
  %e = pc.se_energy %h, %u : tensor<24xf32> -> tensor<f32>
  pc.term @h prediction(%u : tensor<24xf32>) energy(%e : tensor<f32>)
}
pc.program @memorise on @m (%h: tensor<24xf32>) {
  pc.clamp @h = %h : tensor<24xf32>
  pc.report "energy" = energy
  pc.learn sgd(lr = 0.02)
}
pc.program @recall_noise on @m (%h: tensor<24xf32>) role(other) {
  pc.set @h = %h : tensor<24xf32>
  pc.repeat 200 { pc.infer sgd(lr = 0.2) }
  %found = pc.read @h : tensor<24xf32>
  pc.output "found" = %found : tensor<24xf32>
}
pc.program @recall_half on @m (%h: tensor<24xf32>, %known: tensor<24xf32>) role(other) {
  pc.clamp @h = %h mask(%known : tensor<24xf32>) : tensor<24xf32>
  pc.init zero
  pc.repeat 200 { pc.infer sgd(lr = 0.2) }
  %found = pc.read @h : tensor<24xf32>
  pc.output "found" = %found : tensor<24xf32>
})");
  Tensor patterns = normal({kPatterns, kSize});
  for (double &value : patterns.data)
    value = value > 0 ? 1 : -1;
  double energy = 0;
  for (int step = 0; step < 300; ++step)
    energy = run("memorise", kPatterns, {{"h", patterns}}).at("energy").data[0];
  EXPECT_LT(energy, 1e-6);
  EXPECT_LT(get("lateral.weight"), 0.5) << "W = 1 is no memory";

  Tensor noisy = patterns, known = Tensor::splat({kPatterns, kSize}, 0);
  for (int pattern = 0; pattern < kPatterns; ++pattern) {
    for (int wrong : {1, 8, 17})
      noisy.data[pattern * kSize + wrong] *= -1;
    for (int i = 0; i < kSize / 2; ++i)
      known.data[pattern * kSize + i] = 1;
  }
  auto fromNoise = run("recall_noise", kPatterns, {{"h", noisy}});
  auto fromHalf =
      run("recall_half", kPatterns, {{"h", patterns}, {"known", known}});
  for (int64_t i = 0; i < patterns.size(); ++i) {
    EXPECT_NEAR(fromNoise.at("found").data[i], patterns.data[i], 0.1) << i;
    EXPECT_NEAR(fromHalf.at("found").data[i], patterns.data[i], 0.1) << i;
  }
}

//===----------------------------------------------------------------------===//
// Several models in one program
//===----------------------------------------------------------------------===//

/// x = v z and z = w x, one number each.
const std::string kGenerator = R"(
pc.model @gen {
  %z = pc.state @z : tensor<1xf32>
  %u = pc.linear @v %z no_bias : tensor<1xf32> -> tensor<1xf32>
  %x = pc.vode @x %u energy(se) : tensor<1xf32>
}
pc.model @rec {
  %x = pc.input @x : tensor<1xf32>
  %u = pc.linear @w %x no_bias : tensor<1xf32> -> tensor<1xf32>
  %z = pc.vode @z %u energy(se) : tensor<1xf32>
}
)";

TEST_F(AlgorithmsTest, ARecogniserProposesAndLearnsWhatIsFound) {
  load(kGenerator + R"(
pc.program @train on @gen, @rec (%x: tensor<1xf32>) {
  pc.clamp @rec.x = %x : tensor<1xf32>
  pc.init forward vodes(@rec)
  %guess = pc.read @rec.z : tensor<1xf32>
  pc.clamp @gen.x = %x : tensor<1xf32>
  pc.set @gen.z = %guess : tensor<1xf32>
  %proposed = pc.point
  pc.repeat 3 { pc.infer sgd(lr = 0.25) vodes(@gen) }
  %found = pc.read @gen.z : tensor<1xf32>
  pc.clamp @rec.z = %found : tensor<1xf32>
  pc.report "energy" = energy
  %settled = pc.point
  %a = pc.gradient params at %settled only(@gen)
  %b = pc.gradient params at %proposed targets(%settled) only(@rec)
  %g = pc.combine %a, %b
  pc.update %g sgd(lr = 0.5)
  pc.output "z" = %found : tensor<1xf32>
}
)");
  double w = 0.7, v = -1.3;
  set("w.weight", {1, 1}, {w});
  set("v.weight", {1, 1}, {v});
  for (double x : {1.5, -0.4, 0.9}) {
    double guess = w * x, z = guess;
    for (int t = 0; t < 3; ++t)
      z += 0.25 * v * (x - v * z);
    auto outputs = run("train", 1, {{"x", Tensor({1, 1}, {x})}});
    expectTensor(outputs.at("z"), {1, 1}, {z}, 1e-13);
    double inGenerator = x - v * z, inRecogniser = z - guess;
    expectTensor(
        outputs.at("energy"), {},
        {0.5 * inGenerator * inGenerator + 0.5 * inRecogniser * inRecogniser},
        1e-13);
    v += 0.5 * inGenerator * z;
    w += 0.5 * inRecogniser * x;
    EXPECT_NEAR(get("v.weight"), v, 1e-13);
    EXPECT_NEAR(get("w.weight"), w, 1e-13);
  }
}

TEST_F(AlgorithmsTest, TwoModelsLearnBesideEachOther) {
  // kNet by predictive coding and another network by backpropagation, in one
  // program and in one program each.
  load(kNet + R"(
pc.model @bp {
  %x = pc.input @x : tensor<3xf32>
  %a1 = pc.linear @bp1 %x : tensor<3xf32> -> tensor<4xf32>
  %u1 = pc.tanh %a1 : tensor<4xf32>
  %h1 = pc.vode @h1 %u1 energy(se) : tensor<4xf32>
  %a2 = pc.linear @bp2 %h1 : tensor<4xf32> -> tensor<2xf32>
  %y = pc.vode @y %a2 energy(se) : tensor<2xf32>
}
)" + onNet("pc", R"(
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 5 { pc.infer sgd(lr = 0.1, momentum = 0.5) }
  pc.learn adamw(lr = 0.01)
)") + R"(
pc.program @backprop on @bp (%x: tensor<3xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<3xf32>
  pc.backprop @y = %y loss(se) adamw(lr = 0.02) as @other : tensor<2xf32>
}
pc.program @both on @net, @bp (%x: tensor<3xf32>, %y: tensor<2xf32>) {
  pc.clamp @net.x = %x : tensor<3xf32>
  pc.clamp @bp.x = %x : tensor<3xf32>
  pc.init forward
  pc.clamp @net.y = %y : tensor<2xf32>
  pc.repeat 5 { pc.infer sgd(lr = 0.1, momentum = 0.5) vodes(@net) }
  pc.learn adamw(lr = 0.01) params(@net)
  pc.backprop @bp.y = %y loss(se) adamw(lr = 0.02) params(@bp) as @other : tensor<2xf32>
}
)");
  Interpreter::Arrays inputs = {{"x", normal({5, 3})}, {"y", normal({5, 2})}};
  for (int batch = 0; batch < 3; ++batch) {
    run("pc", 5, inputs);
    run("backprop", 5, inputs);
  }
  Interpreter::Arrays apart = session->getStorage();
  session->initialise(7);
  for (int batch = 0; batch < 3; ++batch)
    run("both", 5, inputs);
  Interpreter::Arrays together = session->getStorage();
  ASSERT_EQ(together.size(), apart.size());
  for (auto &[name, array] : apart)
    EXPECT_EQ(together.at(name).data, array.data) << name;
}

TEST_F(AlgorithmsTest, ModelsOfAFileDoNotStartAlike) {
  // Shared parameters are one, others draw from streams of their own, whichever
  // models a program is on.
  const std::string models = R"(
pc.model @a {
  %x = pc.input @x : tensor<3xf32>
  %u = pc.linear @a %x no_bias : tensor<3xf32> -> tensor<3xf32>
  %v = pc.linear @shared %u no_bias : tensor<3xf32> -> tensor<3xf32>
  %h = pc.vode @h %v energy(se) : tensor<3xf32>
}
pc.model @b {
  %x = pc.input @x : tensor<3xf32>
  %u = pc.linear @b %x no_bias : tensor<3xf32> -> tensor<3xf32>
  %v = pc.linear @shared %u no_bias : tensor<3xf32> -> tensor<3xf32>
  %h = pc.vode @h %v energy(se) : tensor<3xf32>
}
)";
  auto program = [](const std::string &model, const std::string &name) {
    return "pc.program @" + name + " on @" + model +
           R"( (%x: tensor<3xf32>) {
  pc.clamp @x = %x : tensor<3xf32>
  pc.init forward
  pc.learn sgd(lr = 0.1)
}
)";
  };
  load(models + program("b", "q"));
  Interpreter::Arrays alone = session->getStorage();
  load(models + program("a", "p") + program("b", "q"));
  Interpreter::Arrays both = session->getStorage();
  EXPECT_NE(both.at("a.weight").data, both.at("b.weight").data);
  for (const char *name : {"b.weight", "shared.weight"})
    EXPECT_EQ(alone.at(name).data, both.at(name).data) << name;
}

} // namespace
