//===- AnalysisTest.cpp - Numbers about inference -------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Analysis.h"
#include "RunSupport.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace pcx;
using namespace pcx::test;
using namespace pcx::experiment;

/// Eigenvalue k = 1, ..., n of the second difference with zeros at both ends.
static double ofSecondDifference(int64_t n, int64_t k) {
  return 2 - 2 * std::cos(double(k) * std::numbers::pi / double(n + 1));
}

TEST(Tridiagonal, SecondDifference) {
  for (int64_t n : {1, 2, 3, 10, 200}) {
    std::vector<double> diagonal(n, 2.0), beside(n - 1, -1.0);
    auto [smallest, largest] = tridiagonalExtremes(diagonal, beside);
    EXPECT_NEAR(smallest, ofSecondDifference(n, 1), 1e-12) << n;
    EXPECT_NEAR(largest, ofSecondDifference(n, n), 1e-12) << n;
  }
}

TEST(Tridiagonal, NegativeSplitAndZero) {
  auto [a, b] = tridiagonalExtremes(std::vector<double>{-3, 5, 1},
                                    std::vector<double>{0, 0});
  EXPECT_NEAR(a, -3, 1e-12);
  EXPECT_NEAR(b, 5, 1e-12);
  auto [c, d] =
      tridiagonalExtremes(std::vector<double>{0, 0}, std::vector<double>{0});
  EXPECT_EQ(c, 0);
  EXPECT_EQ(d, 0);
}

/// Lanczos on a diagonal matrix.
static Spectrum ofDiagonal(const std::vector<double> &entries, int64_t most,
                           double tolerance) {
  auto spectrum = lanczos(
      static_cast<int64_t>(entries.size()),
      [&](std::span<const double> v, std::span<double> out) -> Status {
        for (size_t i = 0; i < v.size(); ++i)
          out[i] = entries[i] * v[i];
        return success();
      },
      most, tolerance);
  EXPECT_TRUE(spectrum);
  return *spectrum;
}

TEST(Lanczos, FindsTheExtremesOfManyBlocks) {
  // As many samples, each with the same few eigenvalues but one.
  std::vector<double> entries;
  for (int i = 0; i < 500; ++i)
    entries.push_back(1 + i % 7);
  entries[123] = 9.5;
  entries[321] = -2.25;
  Spectrum spectrum = ofDiagonal(entries, 100, 1e-10);
  EXPECT_NEAR(spectrum.largest, 9.5, 1e-9);
  EXPECT_NEAR(spectrum.smallest, -2.25, 1e-9);
  EXPECT_TRUE(spectrum.converged);
  // Nine different eigenvalues span the space.
  EXPECT_LE(spectrum.steps, 12);
}

TEST(Lanczos, StaysInsideOfTheSpectrum) {
  std::vector<double> entries;
  for (int64_t k = 1; k <= 1000; ++k)
    entries.push_back(ofSecondDifference(1000, k));
  for (int64_t most : {1, 2, 5, 20}) {
    Spectrum spectrum = ofDiagonal(entries, most, 0);
    EXPECT_EQ(spectrum.steps, most);
    EXPECT_FALSE(spectrum.converged);
    EXPECT_LE(spectrum.largest, entries.back());
    EXPECT_GE(spectrum.smallest, entries.front());
  }
}

TEST(Lanczos, SmallAndDegenerate) {
  Spectrum one = ofDiagonal({4}, 10, 1e-10);
  EXPECT_NEAR(one.largest, 4, 1e-14);
  EXPECT_NEAR(one.smallest, 4, 1e-14);
  EXPECT_TRUE(one.converged);
  Spectrum zero = ofDiagonal({0, 0, 0}, 10, 1e-10);
  EXPECT_EQ(zero.largest, 0);
  EXPECT_TRUE(zero.converged);
  // The same start vector in every run.
  EXPECT_EQ(ofDiagonal({1, 2, 3, 5}, 2, 0).largest,
            ofDiagonal({1, 2, 3, 5}, 2, 0).largest);
}

TEST(Lanczos, PassesOnWhatTheOperatorSays) {
  auto failed = lanczos(
      3,
      [](std::span<const double>, std::span<double>) -> Status {
        return Error{"no product"};
      },
      10, 0);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "no product");
}

/// Whether 5000 steps from 1 on lambda / 2 h^2 stay bounded.
static bool settles(const InferenceRule &rule, double lambda) {
  double h = 1, m = 0;
  for (int t = 0; t < 5000; ++t) {
    double g = lambda * h;
    if (rule.heun) {
      h -= rule.rate / 2 * (g + lambda * (h - rule.rate * g));
      continue;
    }
    m = g + rule.momentum * m;
    h -= rule.rate * (rule.nesterov ? g + rule.momentum * m : m);
  }
  return std::abs(h) < 1;
}

TEST(LargestStableRate, IsWhereDescentStopsToSettle) {
  for (double lambda : {0.5, 3.0, 20.0})
    for (double momentum : {0.0, 0.5, 0.9})
      for (int kind : {0, 1, 2}) {
        InferenceRule rule{0, momentum, kind == 1, kind == 2};
        if (rule.heun && momentum != 0)
          continue;
        double bound = rule.largestStableRate(lambda);
        rule.rate = 0.99 * bound;
        EXPECT_TRUE(settles(rule, lambda)) << lambda << " " << momentum;
        rule.rate = 1.01 * bound;
        EXPECT_FALSE(settles(rule, lambda)) << lambda << " " << momentum;
      }
  EXPECT_TRUE(std::isinf(InferenceRule{}.largestStableRate(0)));
  EXPECT_TRUE(std::isinf(InferenceRule{}.largestStableRate(-1)));
}

TEST(Cosine, OfVectors) {
  std::vector<double> a{3, 4}, b{-4, 3}, c{-6, -8}, zero{0, 0};
  EXPECT_NEAR(*cosine(a, a), 1, 1e-15);
  EXPECT_NEAR(*cosine(a, b), 0, 1e-15);
  EXPECT_NEAR(*cosine(a, c), -1, 1e-15);
  EXPECT_FALSE(cosine(a, zero));
}

TEST(Analyse, Mistakes) {
  EXPECT_MISTAKE(run({"analyse", softmax(), "--data", "digits"}),
                 HasSubstr("the artifact has no analysis of program 'train'; "
                           "compile the model with `pcc --analysis`"));
  TempDir dir;
  std::string file = dir / "file";
  std::ofstream(file) << "x";
  EXPECT_MISTAKE(run({"analyse", softmax(), "-o", file + "/folder"}),
                 HasSubstr("cannot make the folder"));
  EXPECT_EQ(run({"analyse", softmax(), "--every", "0"}).code, 2);
}
