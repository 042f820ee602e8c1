//===- RecallTest.cpp - pcx-run recall ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "test/Support/ReadPng.h"

#include <cmath>

using namespace pcx;
using namespace pcx::test;
using data::Array;

namespace {
class Recall : public testing::Test {
protected:
  void SetUp() override {
    write("ones.npz", std::vector<float>(400, 1));
    write("zeros.npz", std::vector<float>(4000, 0));
  }
  /// Samples of four values.
  void write(const std::string &name, const std::vector<float> &values) {
    Array x = Array::of({static_cast<int64_t>(values.size() / 4), 4},
                        std::span<const float>(values));
    ASSERT_TRUE(data::writeNpz(dir / name, {{"image", &x}}));
  }
  RunResult recall(std::vector<std::string> more,
                   const std::string &data = "ones.npz",
                   const std::string &name = "pcx-test-images-several") {
    more.insert(more.begin(), {"recall", artifact(name), "--data", dir / data});
    return run(more);
  }
  nlohmann::json json(std::vector<std::string> more,
                      const std::string &data = "ones.npz") {
    more.push_back("--json");
    RunResult result = recall(more, data);
    EXPECT_OK(result);
    return nlohmann::json::parse(result.out);
  }
  Array read(const std::string &name) {
    auto npz = data::NpzFile::open(dir / "r.npz");
    EXPECT_TRUE(npz) << messageOf(npz);
    auto array = npz ? npz->read(name) : Array();
    EXPECT_TRUE(array) << messageOf(array);
    return array ? *array : Array();
  }
  TempDir dir;
};
} // namespace

TEST_F(Recall, NoiseIsNormal) {
  auto result = json({"--program", "noisy", "--noise", "0.5", "--count", "1000",
                      "-o", dir / "r.npz"},
                     "zeros.npz");
  EXPECT_EQ(result["program"], "noisy");
  EXPECT_EQ(result["output"], "recalled");
  EXPECT_EQ(result["samples"], 1000);
  EXPECT_EQ(result["noise"], 0.5);
  Array shown = read("shown");
  EXPECT_EQ(shown.describe(), "1000x4 f32");
  double sum = 0, squares = 0, fourth = 0, neighbours = 0;
  for (int64_t i = 0; i < 4000; ++i) {
    sum += shown.at(i);
    squares += std::pow(shown.at(i), 2);
    fourth += std::pow(shown.at(i), 4);
    neighbours += i ? shown.at(i) * shown.at(i - 1) : 0;
  }
  // Within four standard errors of N(0, 1/4): mean 0, variance 1/4, fourth
  // moment 3/16, neighbours uncorrelated.
  double n = 4000;
  EXPECT_NEAR(sum / n, 0, 4 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 0.25, 4 * 0.25 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3.0 / 16, 4 * std::sqrt(96.0 / n) / 16);
  EXPECT_NEAR(neighbours / n, 0, 4 * 0.25 / std::sqrt(n));
  EXPECT_NEAR(result["mse_shown"], squares / n, 1e-12);
  // The program halves what it sees, and what it should see is zero.
  EXPECT_NEAR(result["mse"], squares / n / 4, 1e-12);
  // Another seed, other noise; the same one, the same.
  std::vector<std::string> same = {"--program", "noisy",   "--noise",
                                   "0.5",       "--count", "1000"};
  EXPECT_EQ(json(same, "zeros.npz")["mse"], result["mse"]);
  same.insert(same.end(), {"--seed", "1"});
  EXPECT_NE(json(same, "zeros.npz")["mse"], result["mse"]);
}

TEST_F(Recall, Defaults) {
  auto result = json({"--program", "noisy"});
  EXPECT_EQ(result["noise"], 0.2);
  EXPECT_EQ(result["samples"], 16);
  result = json({"--program", "masked"});
  EXPECT_EQ(result["keep_top"], 0.5);
  // A mask chooses the program that takes one.
  EXPECT_EQ(json({"--mask", "0.5"})["program"], "masked");
}

TEST_F(Recall, TrainingSplitUnlessSaid) {
  Array train = Array::zeros(data::DType::F32, {2, 4});
  Array test = Array::zeros(data::DType::F32, {3, 4});
  ASSERT_TRUE(data::writeNpz(dir / "both.npz",
                             {{"train_image", &train}, {"test_image", &test}}));
  auto result = json({"--mask", "0.5"}, "both.npz");
  EXPECT_EQ(result["split"], "train");
  // As many as there are.
  EXPECT_EQ(result["samples"], 2);
  result = json({"--mask", "0.5", "--split", "test"}, "both.npz");
  EXPECT_EQ(result["split"], "test");
  EXPECT_EQ(result["samples"], 3);
  ASSERT_TRUE(data::writeNpz(dir / "test.npz", {{"test_image", &test}}));
  EXPECT_EQ(json({"--mask", "0.5"}, "test.npz")["split"], "test");
}

TEST_F(Recall, UpperPart) {
  auto result =
      json({"--keep-top", "0.5", "--count", "2", "-o", dir / "r.png"});
  // Half of the ones is 0 when shown and 1/4 when recalled.
  EXPECT_EQ(result["mse_shown"], 0.5);
  EXPECT_EQ(result["mse"], 0.5 * 0.75 * 0.75);
  data::Image image = readPng(dir / "r.png");
  ASSERT_EQ(image.width, 5);
  const std::vector<uint8_t> pixels = {255, 255, 128, 255, 255, // original
                                       255, 255, 128, 255, 255, //
                                       128, 128, 128, 128, 128, //
                                       255, 255, 128, 255, 255, // shown
                                       0,   0,   128, 0,   0,   //
                                       128, 128, 128, 128, 128, //
                                       255, 255, 128, 255, 255, // recalled
                                       64,  64,  128, 64,  64};
  EXPECT_EQ(image.pixels, pixels);
  EXPECT_EQ(json({"--keep-top", "1"})["mse_shown"], 0);
  EXPECT_EQ(json({"--keep-top", "0"})["mse_shown"], 1);
  // 0 and 1 after the normalisation, which does not touch the mask.
  EXPECT_EQ(json({"--keep-top", "0.5", "--normalise", "0,0.5"})["mse_shown"],
            2);
  RunResult text = recall({"--keep-top", "0.5"});
  EXPECT_OK(text);
  EXPECT_THAT(text.out,
              HasSubstr("ones.npz (train): 16 samples  upper part 0.5  mean "
                        "squared error shown 0.5  recalled 0.28125\n"));
}

TEST_F(Recall, RandomMask) {
  auto result = json({"--mask", "0.25", "--count", "100", "-o", dir / "r.npz"});
  EXPECT_EQ(result["mask"], 0.25);
  // One of four elements in each sample, each of them in some samples.
  EXPECT_EQ(result["mse_shown"], 0.25);
  Array shown = read("shown");
  std::vector<int> hidden(4);
  for (int64_t i = 0; i < 100; ++i) {
    int count = 0;
    for (int64_t p = 0; p < 4; ++p)
      if (shown.at(4 * i + p) == 0) {
        ++count;
        ++hidden[static_cast<size_t>(p)];
      }
    EXPECT_EQ(count, 1);
  }
  for (int times : hidden)
    EXPECT_GT(times, 8); // 25 on average, deviation 4.3
}

TEST_F(Recall, Errors) {
  EXPECT_MISTAKE(
      recall({}),
      HasSubstr("model 'images' has more than one program that takes data and "
                "outputs values of their shape; choose one with --program, or "
                "with --noise, --keep-top or --mask: 'reconstruct', 'noisy', "
                "'masked'"));
  EXPECT_MISTAKE(recall({"--noise", "1", "--program", "masked"}),
                 HasSubstr("program 'masked': expected one that takes data, no "
                           "mask"));
  EXPECT_MISTAKE(
      recall({"--mask", "0.5", "--program", "noisy"}),
      HasSubstr("program 'noisy': expected one that takes data and a "
                "mask of their shape, called 'known' or 'mask'"));
  EXPECT_MISTAKE(recall({"--mask", "0.5"}, "ones.npz", "pcx-test-images"),
                 HasSubstr("has no program, beside those that train or sample, "
                           "that takes data and a mask"));
  EXPECT_MISTAKE(
      recall({"--noise", "1", "--output", "recall", "--program", "noisy"}),
      HasSubstr("did you mean 'recalled'?"));
  EXPECT_MISTAKE(recall({"--program", "classed"}),
                 HasSubstr("program 'classed': expected no input beside the "
                           "data and a mask, found 'label'"));
  EXPECT_MISTAKE(recall({"--mask", "0.5", "--count", "101"}),
                 HasSubstr("--count 101: expected at most 100 samples"));
  EXPECT_MISTAKE(recall({"--mask", "0.5", "--split", "test"}),
                 HasSubstr("has no such split"));
  EXPECT_MISTAKE(recall({"--mask", "0.5", "-o", dir / "no/such.png"}),
                 HasSubstr("cannot write to"));
  EXPECT_EQ(recall({"--mask", "0.5", "--noise", "1"}).code, 2);
  EXPECT_EQ(recall({"--mask", "0.5", "--keep-top", "1"}).code, 2);
  EXPECT_EQ(recall({"--mask", "1.5"}).code, 2);
  EXPECT_EQ(recall({"--noise", "-1"}).code, 2);
}
