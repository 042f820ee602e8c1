//===- RandomTest.cpp - Known answers and distributions -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Random.h"
#include "Fixtures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace pcx;
using namespace pcx::test;

using Words = std::array<uint32_t, 4>;

// The three vectors of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, TakesSeedAsKeyAndIndexThenStreamAsCounter) {
  uint32_t words[4];
  pcx_philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, words);
  EXPECT_THAT(words, testing::ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420,
                                          0x24126ea1));
}

namespace {
pcx_storage_t initialiser(pcx_init_kind_t kind, double arg0, double arg1,
                          uint64_t stream = 0) {
  pcx_storage_t storage = {};
  storage.init = kind;
  storage.init_arg0 = arg0;
  storage.init_arg1 = arg1;
  storage.init_stream = stream;
  return storage;
}

std::vector<double> draw(const pcx_storage_t &storage, size_t count,
                         uint64_t seed = 1) {
  std::vector<double> values(count);
  initialiserValues(storage, seed, 0, values);
  return values;
}

/// Largest distance between the empirical and a given distribution function
/// (Kolmogorov, Smirnov), times the root of the count: above 2 with probability
/// 2 exp(-8) < 0.001.
template <typename Cdf>
double distance(std::vector<double> values, Cdf cdf) {
  std::sort(values.begin(), values.end());
  double n = double(values.size()), most = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double exact = cdf(values[i]);
    most = std::max({most, exact - double(i) / n, double(i + 1) / n - exact});
  }
  return most * std::sqrt(n);
}
} // namespace

TEST(Initialiser, UniformValuesAreTheDocumentedBitsOfTheBlock) {
  // The words of the first known answer.
  double x = double(0xe169c58d6627e8d5 >> 11) * 0x1p-53;
  double y = double(0x9b00dbd8bc57ac4c >> 11) * 0x1p-53;
  EXPECT_EQ(draw(initialiser(PCX_INIT_UNIFORM, 0, 1), 2, 0),
            (std::vector<double>{x, y}));
  EXPECT_EQ(draw(initialiser(PCX_INIT_UNIFORM, -3, 5), 1, 0)[0], -3 + 8 * x);
}

TEST(Initialiser, NormalValuesAreBoxAndMullersOfTheSameBits) {
  double x = double(0xe169c58d6627e8d5 >> 11) * 0x1p-53;
  double y = double(0x9b00dbd8bc57ac4c >> 11) * 0x1p-53;
  double radius = std::sqrt(-2 * std::log1p(-x));
  auto values = draw(initialiser(PCX_INIT_NORMAL, 10, 3), 2, 0);
  EXPECT_NEAR(values[0], 10 + 3 * radius * std::cos(2 * M_PI * y), 1e-13);
  EXPECT_NEAR(values[1], 10 + 3 * radius * std::sin(2 * M_PI * y), 1e-13);
}

TEST(Initialiser, ValueOfAnElementDoesNotDependOnWhereTheDrawBegins) {
  pcx_storage_t storage = initialiser(PCX_INIT_NORMAL, 0, 1, 7);
  auto all = draw(storage, 101);
  for (int64_t first : {1, 2, 37, 100}) {
    std::vector<double> part(all.size() - size_t(first));
    initialiserValues(storage, 1, first, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + first))
        << first;
  }
}

TEST(Initialiser, SeedsAndStreamsDiffer) {
  auto one = draw(initialiser(PCX_INIT_UNIFORM, 0, 1, 5), 64, 1);
  EXPECT_NE(one, draw(initialiser(PCX_INIT_UNIFORM, 0, 1, 5), 64, 2));
  EXPECT_NE(one, draw(initialiser(PCX_INIT_UNIFORM, 0, 1, 6), 64, 1));
  EXPECT_NE(one,
            draw(initialiser(PCX_INIT_UNIFORM, 0, 1, 5 + (1ull << 32)), 64, 1));
}

TEST(Initialiser, UniformValuesAreUniform) {
  constexpr size_t count = 100000;
  auto values = draw(initialiser(PCX_INIT_UNIFORM, -0.25, 0.75), count);
  EXPECT_GE(*std::min_element(values.begin(), values.end()), -0.25);
  EXPECT_LT(*std::max_element(values.begin(), values.end()), 0.75);
  EXPECT_LT(distance(values, [](double v) { return v + 0.25; }), 2);
  // Mean and variance within five standard errors of 1/4 and 1/12.
  double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  EXPECT_NEAR(mean, 0.25, 5 * std::sqrt(1.0 / 12 / count));
  double square = 0;
  for (double v : values)
    square += (v - 0.25) * (v - 0.25);
  EXPECT_NEAR(square / count, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / count));
}

TEST(Initialiser, NormalValuesAreNormal) {
  constexpr size_t count = 100000;
  auto values = draw(initialiser(PCX_INIT_NORMAL, 1, 2), count);
  auto cdf = [](double v) {
    return 0.5 * std::erfc(-(v - 1) / 2 / std::sqrt(2));
  };
  EXPECT_LT(distance(values, cdf), 2);
  double moments[5] = {};
  for (double v : values)
    for (int k = 1; k <= 4; ++k)
      moments[k] += std::pow((v - 1) / 2, k) / count;
  // 0, 1, 0, 3 with standard errors sqrt(1, 2, 15, 96 over count).
  EXPECT_NEAR(moments[1], 0, 5 * std::sqrt(1.0 / count));
  EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2.0 / count));
  EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15.0 / count));
  EXPECT_NEAR(moments[4], 3, 5 * std::sqrt(96.0 / count));
}

TEST(Initialiser, NeighboursAreNotCorrelated) {
  constexpr size_t count = 100000;
  auto values = draw(initialiser(PCX_INIT_NORMAL, 0, 1), count);
  for (size_t lag : {1, 2, 3, 128}) {
    double sum = 0;
    for (size_t i = lag; i < count; ++i)
      sum += values[i] * values[i - lag];
    EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(double(count))) << lag;
  }
}

TEST(Initialiser, UniformValueNeverRoundsToItsUpperBound) {
  pcx_storage_t storage = initialiser(PCX_INIT_UNIFORM, 0, 1);
  float rounded = roundInitialiser(storage, std::nextafter(1.0, 0.0));
  EXPECT_EQ(rounded, std::nextafterf(1, 0));
  // A bound that is no float: the next float above it is out of range too.
  storage.init_arg1 = 0.1;
  ASSERT_GT(double(0.1f), 0.1);
  EXPECT_LT(double(roundInitialiser(storage, std::nextafter(0.1, 0.0))), 0.1);
}

TEST(Permutation, HoldsEveryIndexOnce) {
  for (int64_t count : {0, 1, 2, 3, 10, 60000}) {
    std::vector<uint32_t> order(static_cast<size_t>(count));
    pcx_permutation(3, PCX_STREAM_SHUFFLE, order.data(), count);
    std::vector<uint32_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i)
      ASSERT_EQ(sorted[i], i);
  }
}

TEST(Permutation, IsFisherAndYatesOnTheDocumentedNumbers) {
  constexpr uint64_t seed = 9, stream = PCX_STREAM_SHUFFLE + 4;
  for (int64_t count : {7, 8}) {
    std::vector<uint32_t> expected(static_cast<size_t>(count));
    std::iota(expected.begin(), expected.end(), 0u);
    for (int64_t i = count - 1; i > 0; --i) {
      uint32_t w[4];
      pcx_philox(seed, stream, uint64_t(i) / 2, w);
      uint64_t x =
          i % 2 ? w[2] + (uint64_t(w[3]) << 32) : w[0] + (uint64_t(w[1]) << 32);
      auto j = size_t((unsigned __int128)x * uint64_t(i + 1) >> 64);
      std::swap(expected[size_t(i)], expected[j]);
    }
    std::vector<uint32_t> order(static_cast<size_t>(count));
    pcx_permutation(seed, stream, order.data(), count);
    EXPECT_EQ(order, expected);
  }
}

TEST(Permutation, EveryOrderOfThreeIsAsLikely) {
  std::map<std::vector<uint32_t>, int> seen;
  constexpr int draws = 60000;
  for (uint64_t stream = 0; stream < draws; ++stream) {
    std::vector<uint32_t> order(3);
    pcx_permutation(1, stream, order.data(), 3);
    ++seen[order];
  }
  ASSERT_EQ(seen.size(), 6u);
  // Binomial with p = 1/6: five standard deviations are 456.
  for (const auto &[order, count] : seen)
    EXPECT_NEAR(count, draws / 6, 456);
}
