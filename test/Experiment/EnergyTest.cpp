//===- EnergyTest.cpp - pcx-run energy ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "pcx/Experiment/Metrics.h"

#include <cmath>
#include <limits>

using namespace pcx;
using namespace pcx::test;
using data::Array;
using experiment::rocAuc;

static double auc(std::vector<double> low, std::vector<double> high) {
  return rocAuc(low, high);
}

TEST(RocAuc, CountsPairsAndHalvesTies) {
  EXPECT_EQ(auc({1, 2}, {3, 4}), 1);
  EXPECT_EQ(auc({3, 4}, {1, 2}), 0);
  EXPECT_EQ(auc({5, 5, 5}, {5, 5}), 0.5);
  // Pairs in order: 1 below all three, 2 ties once and is below two, 3 below 4.
  EXPECT_EQ(auc({3, 1, 2}, {2, 4, 2.5}), (3 + 2.5 + 1) / 9);
  double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(auc({-inf, 0}, {0, inf}), (2 + 1.5) / 4);
}

TEST(RocAuc, ClosedFormOfExponentials) {
  // P(Y > X) of X ~ Exp(3), Y ~ Exp(1) is 3 / (3 + 1): at the midpoints of
  // equal shares of probability the sum is that integral, to O(1 / n^2).
  const int n = 2000;
  std::vector<double> low, high;
  for (int i = 0; i < n; ++i) {
    double tail = -std::log1p(-(i + 0.5) / n);
    low.push_back(tail / 3);
    high.push_back(tail);
  }
  EXPECT_NEAR(rocAuc(low, high), 0.75, 1e-4);
  EXPECT_NEAR(rocAuc(high, low), 0.25, 1e-4);
}

namespace {
class Energy : public testing::Test {
protected:
  void SetUp() override {
    write("a.npz", {1, 2, 3, 4, 5, 6, 7, 8});
    write("b.npz", {8, 2, 9, 10});
    write("same.npz", {1, 2, 3, 4, 5, 6, 7, 8});
  }
  /// Samples of two values; the second is 0.
  void write(const std::string &name, std::vector<float> first) {
    std::vector<float> values;
    for (float value : first)
      values.insert(values.end(), {value, 0.0f});
    Array x = Array::of({static_cast<int64_t>(first.size()), 2},
                        std::span<const float>(values));
    ASSERT_TRUE(data::writeNpz(dir / name, {{"x", &x}}));
  }
  RunResult energy(std::vector<std::string> more,
                   const std::string &name = "pcx-test-energy") {
    more.insert(more.begin(),
                {"energy", artifact(name), "--data", dir / "a.npz"});
    return run(more);
  }
  TempDir dir;
};
} // namespace

TEST_F(Energy, MeanDeviationAndAuc) {
  RunResult result = energy(
      {"--against", dir / "b.npz", "--against", dir / "same.npz", "--json"});
  EXPECT_OK(result);
  auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["output"], "energy");
  auto sets = json["sets"];
  ASSERT_EQ(sets.size(), 3u);
  // 1 to 8 above the bias of 100: variance n (n + 1) / 12.
  EXPECT_EQ(sets[0]["samples"], 8);
  EXPECT_EQ(sets[0]["mean"], 104.5);
  EXPECT_NEAR(sets[0]["sd"].get<double>(), std::sqrt(6.0), 1e-12);
  EXPECT_FALSE(sets[0].contains("auc"));
  // The values 8, 2, 9, 10 against 1 to 8: 7.5 + 1.5 + 8 + 8 of 32 pairs.
  EXPECT_EQ(sets[1]["auc"], 25.0 / 32);
  // Against 1 and 2: 2 + 1.5 + 2 + 2 of 8.
  EXPECT_EQ(sets[1]["auc_lowest_quarter"], 7.5 / 8);
  // The state that calls leave behind reaches no other set.
  EXPECT_EQ(sets[1]["mean"], 107.25);
  EXPECT_EQ(sets[2]["mean"], 104.5);
  EXPECT_EQ(sets[2]["auc"], 0.5);
}

TEST_F(Energy, Text) {
  RunResult result = energy({"--against", dir / "b.npz"});
  EXPECT_OK(result);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("a.npz (train): 8 samples  energy mean 104.5  sd "
                              "2.44949\n"),
                    HasSubstr("AUC 0.7812  AUC of the lowest quarter "
                              "0.9375\n")));
}

TEST_F(Energy, SavesTheEnergies) {
  EXPECT_OK(energy({"--against", dir / "b.npz", "--save", dir / "e.npz"}));
  auto npz = data::NpzFile::open(dir / "e.npz");
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_EQ(npz->names(), (std::vector<std::string>{"data", "against.1"}));
  auto scores = npz->read("against.1");
  ASSERT_TRUE(scores);
  EXPECT_EQ(scores->describe(), "4 f64");
  EXPECT_EQ(scores->at(1), 102);
  EXPECT_OK(energy({"--against", dir / "b.npz", "--save", dir / "e.csv"}));
  EXPECT_THAT(readText(dir / "e.csv"),
              AllOf(testing::StartsWith("set,sample,energy\n0,0,101\n"),
                    HasSubstr("\n1,1,102\n")));
}

TEST_F(Energy, OneNormalisationForAll) {
  // A folder of images implies 0.5,0.5; floats alone would imply 0,1. One
  // image of 1x2 bytes, 255 and 0, in a training split.
  std::filesystem::create_directory(dir / "idx");
  const char images[] = "\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02\xff";
  const char labels[] = "\0\0\x08\x01\0\0\0\x01";
  ASSERT_TRUE(data::writeFile(dir / "idx/train-images-idx3-ubyte",
                              std::string_view(images, sizeof(images))));
  ASSERT_TRUE(data::writeFile(dir / "idx/train-labels-idx1-ubyte",
                              std::string_view(labels, sizeof(labels))));
  write("floats.npz", {0.75f});
  auto means = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"energy", artifact("pcx-test-energy"), "--data", dir / "idx",
                 "--against", dir / "floats.npz", "--json"});
    RunResult result = run(more);
    EXPECT_OK(result);
    auto sets = nlohmann::json::parse(result.out)["sets"];
    return std::pair<double, double>(sets[0]["mean"], sets[1]["mean"]);
  };
  EXPECT_EQ(means({}), std::pair(101.0, 100.5));
  EXPECT_EQ(means({"--normalise", "0,1"}), std::pair(101.0, 100.75));
}

TEST_F(Energy, Errors) {
  const std::string many = "pcx-test-energies";
  EXPECT_MISTAKE(energy({}, many),
                 HasSubstr("several programs with a number for each sample; "
                           "choose one with --program: 'score', 'several'"));
  EXPECT_MISTAKE(energy({"--program", "several"}, many),
                 HasSubstr("program 'several' has several numbers for each "
                           "sample; choose one with --output: 'value', 'log'"));
  EXPECT_OK(energy({"--program", "several", "--output", "log"}, many));
  EXPECT_MISTAKE(energy({"--output", "energi"}),
                 HasSubstr("--output energi: program 'score' has no such "
                           "number for each sample, did you mean 'energy'?"));
  EXPECT_MISTAKE(energy({"--save", dir / "e.txt"}),
                 HasSubstr("expected a name that ends in .npz or .csv"));
  EXPECT_MISTAKE(energy({"--against", dir / "none.npz"}),
                 HasSubstr("none.npz"));
  write("zero.npz", {1, 0});
  EXPECT_MISTAKE(energy({"--program", "several", "--output", "log", "--against",
                         dir / "zero.npz", "--save", dir / "e.npz"},
                        many),
                 HasSubstr("output 'log' of program 'several' is -inf for "
                           "sample 1 of data set"));
  EXPECT_FALSE(std::filesystem::exists(dir / "e.npz"));
  EXPECT_MISTAKE(run({"energy", softmax()}),
                 HasSubstr("has no program with a number for each sample"));
}
