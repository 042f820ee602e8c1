//===- AdamTest.cpp - AdamW alone from PCX's gradients --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In f32 the weights after a step say little about the optimiser: Adam's first
// step is +-lr whatever the size of the gradient, so the noise of a small
// gradient is a full step. Here the gradient itself is given.
//
// With the energy sum(h u) of a layer u = W x, dE/dW of a sample is h x^T: in
// the batch whose k-th sample has the k-th unit vector as x and column k of a
// golden gradient as h, the gradient is the golden one to the bit. A bias is a
// layer with one input.
//
//===----------------------------------------------------------------------===//

#include "Compiled.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <sstream>

using namespace pcx::test;

namespace {

/// Output and input width of the layer that holds parameter `index`.
struct Shape {
  int64_t out, in;
};

Shape getShape(const GoldenFile &file, int64_t index) {
  const std::vector<int64_t> &dims =
      file.arrays.at("w_before_" + std::to_string(index)).dims;
  return {dims[0], dims.size() > 1 ? dims[1] : 1};
}

/// One layer for each parameter, and one step of AdamW on the given gradients.
std::string injectedSource(const GoldenFile &file) {
  const Setting &s = file.setting;
  auto vector = [](int64_t width) {
    return "tensor<" + std::to_string(width) + "xf32>";
  };
  std::ostringstream energies, model, inputs, clamps;
  for (int64_t i = 0; i < s.parameters(); ++i) {
    auto [out, in] = getShape(file, i);
    std::string to = vector(out), from = vector(in);
    energies << "pc.energy @product" << i << "(%h: " << to << ", %u: " << to
             << ") {\n  %p = pc.mul %h, %u : " << to
             << "\n  %e = pc.sum %p : " << to
             << " -> tensor<f32>\n  pc.yield %e : tensor<f32>\n}\n";
    model << "  %x" << i << " = pc.input @x" << i << " : " << from << "\n  %u"
          << i << " = pc.linear @w" << i << " %x" << i << " no_bias : " << from
          << " -> " << to << "\n  %h" << i << " = pc.vode @h" << i << " %u" << i
          << " energy(@product" << i << ") : " << to << "\n";
    inputs << (i ? ", " : "") << "%x" << i << ": " << from << ", %g" << i
           << ": " << to;
    clamps << "  pc.clamp @x" << i << " = %x" << i << " : " << from
           << "\n  pc.clamp @h" << i << " = %g" << i << " : " << to << "\n";
  }
  std::ostringstream source;
  source << energies.str() << "pc.model @net {\n"
         << model.str() << "}\npc.program @train on @net (" << inputs.str()
         << ") {\n"
         << clamps.str() << "  pc.learn adamw(lr = " << literal(s.weightRate)
         << ", weight_decay = " << literal(s.weightDecay) << ") over sum\n}\n";
  return source.str();
}

/// The greatest |found - expected| / |expected| of all elements.
double relativeError(const std::vector<double> &found,
                     const std::vector<double> &expected) {
  EXPECT_EQ(found.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    double distance = std::abs(found[i] - expected[i]);
    if (distance == 0)
      continue;
    // NaN counts, and so does anything where zero is expected.
    double error = distance / std::abs(expected[i]);
    worst = error <= worst ? worst : error;
  }
  return worst;
}

struct Parameter {
  std::string golden; ///< empty: there are no golden files
  Build build;
};

void PrintTo(const Parameter &parameter, std::ostream *stream) {
  *stream << parameter.golden << " " << parameter.build.name();
}

class AdamTest : public testing::TestWithParam<Parameter> {};

TEST_P(AdamTest, MakesTheGoldenStepOfTheGoldenGradient) {
  Parameter parameter = GetParam();
  if (parameter.golden.empty())
    GTEST_SKIP() << "no golden files: set PCX_SHARED_DIR";
  std::string error;
  auto file = readGolden(parameter.golden, error);
  ASSERT_TRUE(file) << error;
  const Setting &s = file->setting;
  int64_t samples = 1;
  for (int64_t i = 0; i < s.parameters(); ++i)
    samples = std::max(samples, getShape(*file, i).in);
  parameter.build.batch = samples;
  parameter.build.trace = false;
  auto compiled =
      Compiled::create(injectedSource(*file), parameter.build, error);
  if (!compiled && error.empty())
    GTEST_SKIP() << "this CPU cannot run " << parameter.build.cpu;
  ASSERT_TRUE(compiled) << error;

  // Numbers as the compiled code gets them: f32 rounds them.
  const bool single = parameter.build.type == "f32";
  auto rounded = [&](double value) {
    return single ? static_cast<double>(static_cast<float>(value)) : value;
  };
  auto weight = [](int64_t i) { return "w" + std::to_string(i) + ".weight"; };
  auto golden = [&](const char *name,
                    int64_t i) -> const std::vector<double> & {
    return file->arrays.at(name + std::to_string(i)).data;
  };
  Arrays inputs;
  std::vector<std::vector<double>> gradients;
  for (int64_t i = 0; i < s.parameters(); ++i) {
    auto [out, in] = getShape(*file, i);
    Numbers x{{samples, in}, std::vector<double>(samples * in, 0)};
    Numbers g{{samples, out}, std::vector<double>(samples * out, 0)};
    gradients.emplace_back();
    for (double sum : golden("gw_sum_", i))
      gradients.back().push_back(
          rounded(sum / (static_cast<double>(s.batch) * s.beta)));
    for (int64_t k = 0; k < in; ++k) {
      x.data[k * in + k] = 1;
      for (int64_t row = 0; row < out; ++row)
        g.data[k * out + row] = gradients.back()[row * in + k];
    }
    std::string index = std::to_string(i);
    inputs["x" + index] = x;
    inputs["g" + index] = g;
  }

  const double unit = single ? 0x1p-24 : 0x1p-53;
  const double b1 = 0.9, b2 = 0.999, eps = 1e-8;
  // From the golden weights, and from zero, where nothing hides the step.
  for (bool zero : {false, true}) {
    compiled->reset();
    for (int64_t i = 0; i < s.parameters(); ++i) {
      auto [out, in] = getShape(*file, i);
      std::vector<double> before = golden("w_before_", i);
      if (zero)
        std::fill(before.begin(), before.end(), 0);
      compiled->setStorage(weight(i), {{out, in}, before});
    }
    compiled->train(samples, inputs);
    for (int64_t i = 0; i < s.parameters(); ++i) {
      SCOPED_TRACE(file->name + ": " + weight(i) + (zero ? " from zero" : ""));
      const std::vector<double> &gradient = gradients[i];
      std::vector<double> m, v;
      for (double g : gradient) {
        m.push_back((1 - b1) * g);
        v.push_back((1 - b2) * g * g);
      }
      // A rounded factor and one or two products. A 1 - b2 from a rounded b2
      // is 200 roundings off.
      EXPECT_LE(
          relativeError(compiled->getStorage("adamw.m." + weight(i)).data, m),
          3 * unit);
      std::vector<double> foundV =
          compiled->getStorage("adamw.v." + weight(i)).data;
      for (size_t k = 0; k < v.size(); ++k)
        if (single && v[k] < 1e-37)
          foundV[k] = v[k]; // the square leaves the normal numbers
      EXPECT_LE(relativeError(foundV, v), 4 * unit);

      std::vector<double> found = compiled->getStorage(weight(i)).data;
      const std::vector<double> &before = golden("w_before_", i);
      const std::vector<double> &after = golden("w_after_", i);
      if (zero) {
        std::vector<double> step;
        for (size_t k = 0; k < before.size(); ++k) {
          double g = gradient[k];
          step.push_back(-s.weightRate * (g / (std::abs(g) + eps)));
        }
        // Reciprocals, moments, root, sum, quotient, rate: a dozen roundings.
        EXPECT_LE(relativeError(found, step), 12 * unit);
        continue;
      }
      // PCX's own step, from its unrounded gradient and weight: two roundings
      // of the weight (as it comes and as it leaves), a dozen of the step.
      ASSERT_EQ(found.size(), after.size());
      double worst = 0;
      for (size_t k = 0; k < after.size(); ++k) {
        double bound = unit * (2.5 * std::abs(after[k]) + 16 * s.weightRate) +
                       unit * std::abs(before[k]);
        worst = std::max(worst, std::abs(found[k] - after[k]) / bound);
      }
      EXPECT_LE(worst, 1);
    }
  }
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> result;
  for (const std::string &name : goldenNames())
    if (name.rfind("mlp_", 0) == 0)
      for (const char *type : {"f64", "f32"})
        for (const char *cpu : {"x86-64-v3", "x86-64-v4"})
          result.push_back({name, {type, "-O3", cpu}});
  if (result.empty())
    return {{"", {"f64", "-O3", "x86-64-v3"}}};
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Golden, AdamTest, testing::ValuesIn(parameters()), [](const auto &info) {
      return (info.param.golden.empty() ? "none" : info.param.golden) + "_" +
             info.param.build.name();
    });

} // namespace
