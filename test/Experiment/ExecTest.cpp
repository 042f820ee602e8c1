//===- ExecTest.cpp - pcx-run exec ----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"

#include <cmath>

using namespace pcx;
using namespace pcx::test;
using data::Array;
using data::DType;

namespace {
class Exec : public testing::Test {
protected:
  void SetUp() override {
    image = Array::zeros(DType::F64, {3, 8, 8});
    for (int i = 0; i < 192; ++i)
      image.as<double>()[static_cast<size_t>(i)] = std::sin(0.37 * i);
    label = Array::zeros(DType::I64, {3});
    label.as<int64_t>()[0] = 4;
    label.as<int64_t>()[2] = 9;
    ASSERT_TRUE(data::writeNpy(dir / "i.npy", image));
    ASSERT_TRUE(
        data::writeNpz(dir / "d.npz", {{"label", &label}, {"other", &label}}));
  }
  RunResult exec(std::vector<std::string> more, const std::string &out) {
    more.insert(more.begin(), {"exec", softmax()});
    more.insert(more.end(), {"-o", dir / out});
    return run(more);
  }
  std::vector<std::string> inputs() {
    return {"--input", "image=" + dir / "i.npy", "--input",
            "label=" + dir / "d.npz:other"};
  }
  std::vector<std::string> with(std::vector<std::string> more) {
    auto all = inputs();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Array read(const std::string &file, const std::string &name) {
    auto npz = data::NpzFile::open(dir / file);
    EXPECT_TRUE(npz) << messageOf(npz);
    auto array = npz->read(name);
    EXPECT_TRUE(array) << messageOf(array);
    return array ? *array : Array();
  }
  TempDir dir;
  Array image, label;
};
} // namespace

TEST_F(Exec, WritesOutputsAndStorage) {
  // The weights before the step: a call with a zero rate.
  EXPECT_OK(exec(with({"--set", "w_lr=0"}), "before.npz"));
  RunResult result =
      exec(with({"--set", "momentum=0", "--set", "noise=0"}), "after.npz");
  EXPECT_OK(result);
  EXPECT_THAT(result.err,
              HasSubstr("ran 'train' on 3 samples; wrote 9 arrays"));
  Array before = read("before.npz", "params/fc.weight"),
        after = read("after.npz", "params/fc.weight");
  EXPECT_EQ(before.describe(), "10x64 f32");
  EXPECT_EQ(read("after.npz", "params/sgd.count").at(0), 1);
  EXPECT_EQ(read("after.npz", "label.h.0").describe(), "3x10 f32");
  // A warning is an output under its text.
  EXPECT_EQ(read("after.npz", "it is late").at(0), 0);
  // Softmax regression in double: W -= lr * mean((p - y) x^T), energy = mean of
  // -log p[y].
  double energy = 0;
  std::vector<double> gradient(640);
  for (int64_t n = 0; n < 3; ++n) {
    double logits[10], sum = 0;
    for (int64_t c = 0; c < 10; ++c) {
      logits[c] = 0;
      for (int64_t p = 0; p < 64; ++p)
        logits[c] += before.at(c * 64 + p) * image.at(n * 64 + p);
      EXPECT_NEAR(read("after.npz", "label.h.0").at(n * 10 + c), logits[c],
                  1e-5);
      sum += std::exp(logits[c]);
    }
    for (int64_t c = 0; c < 10; ++c) {
      double p = std::exp(logits[c]) / sum;
      double y = label.at(n) == static_cast<double>(c);
      energy -= y * std::log(p) / 3;
      for (int64_t x = 0; x < 64; ++x)
        gradient[static_cast<size_t>(c * 64 + x)] +=
            (p - y) * image.at(n * 64 + x) / 3;
    }
  }
  EXPECT_NEAR(read("after.npz", "energy").at(0), energy, 1e-5);
  for (int64_t i = 0; i < 640; ++i)
    EXPECT_NEAR(after.at(i),
                before.at(i) - 0.05 * gradient[static_cast<size_t>(i)], 1e-6);
}

TEST_F(Exec, ChainsThroughNpz) {
  // Two calls in a row: the optimiser's arrays travel in the archive.
  EXPECT_OK(exec(with({"--set", "noise=0", "--total-steps", "2"}), "1.npz"));
  EXPECT_OK(exec(with({"--set", "noise=0", "--total-steps", "2", "--params",
                       dir / "1.npz"}),
                 "2.npz"));
  EXPECT_EQ(read("2.npz", "params/sgd.count").at(0), 2);
  // The same as a run of two steps.
  auto classes = data::convert(label, DType::I32, "");
  ASSERT_TRUE(
      data::writeNpz(dir / "t.npz", {{"image", &image}, {"label", &*classes}}));
  EXPECT_OK(run({"train", softmax(), "--data", dir / "t.npz", "--epochs", "2",
                 "--no-shuffle", "--batch", "3", "--set", "noise=0", "--save",
                 dir / "s.safetensors", "-q"}));
  EXPECT_OK(exec(with({"--set", "w_lr=0", "--params", dir / "s.safetensors"}),
                 "3.npz"));
  Array chained = read("2.npz", "params/fc.weight"),
        trained = read("3.npz", "params/fc.weight");
  // The epoch counter scales the rate of the second step by 1.001.
  for (int64_t i = 0; i < 640; ++i)
    EXPECT_NEAR(chained.at(i), trained.at(i), 1e-4);
  // A whole checkpoint goes on where it stopped.
  EXPECT_OK(exec(with({"--resume", dir / "s.safetensors"}), "4.npz"));
  EXPECT_EQ(read("4.npz", "params/sgd.count").at(0), 3);
}

TEST_F(Exec, SharedInputsAndOutputs) {
  Array offset = Array::zeros(DType::F32, {3});
  offset.as<float>()[1] = 10;
  ASSERT_TRUE(data::writeNpy(dir / "o.npy", offset));
  EXPECT_OK(exec({"--program", "totals", "--input", "image=" + dir / "i.npy",
                  "--input", "offset=" + dir / "o.npy"},
                 "t.npz"));
  Array total = read("t.npz", "total");
  EXPECT_EQ(total.describe(), "3 f64");
  for (int64_t k = 0; k < 3; ++k)
    EXPECT_NEAR(total.at(k),
                image.at(k) + image.at(64 + k) + image.at(128 + k) +
                    (k == 1 ? 10 : 0),
                1e-6);
}

TEST_F(Exec, SeedDecidesTheInitialParameters) {
  EXPECT_OK(exec(with({"--seed", "3"}), "a.npz"));
  EXPECT_OK(exec(with({"--seed", "3"}), "b.npz"));
  EXPECT_OK(exec(with({"--seed", "4"}), "c.npz"));
  EXPECT_EQ(readText(dir / "a.npz"), readText(dir / "b.npz"));
  EXPECT_NE(readText(dir / "a.npz"), readText(dir / "c.npz"));
}

TEST_F(Exec, Errors) {
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "i.npy"}, "x.npz"),
                 HasSubstr("program 'train' needs the input 'label' (10 f32 a "
                           "sample); pass --input label=FILE"));
  EXPECT_MISTAKE(exec(with({"--input", "lable=" + dir / "i.npy"}), "x.npz"),
                 HasSubstr("--input lable: program 'train' has no such input, "
                           "did you mean 'label'?"));
  EXPECT_MISTAKE(exec(with({"--input", "image=" + dir / "i.npy"}), "x.npz"),
                 HasSubstr("'image' is given twice"));
  EXPECT_MISTAKE(exec({"--input", "image"}, "x.npz"),
                 HasSubstr("expected NAME=FILE.npy or NAME=FILE.npz:ARRAY"));
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "none.npy"}, "x.npz"),
                 HasSubstr("cannot open '" + dir / "none.npy"));
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "d.npz:lable"}, "x.npz"),
                 HasSubstr("no array 'lable', did you mean 'label'?"));
  Array two = Array::zeros(DType::I32, {2});
  ASSERT_TRUE(data::writeNpy(dir / "two.npy", two));
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "i.npy", "--input",
                       "label=" + dir / "two.npy"},
                      "x.npz"),
                 HasSubstr("expected 3 rows, as many as"));
  two.as<int32_t>()[1] = 10;
  ASSERT_TRUE(data::writeNpy(dir / "two.npy", two));
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "i.npy", "--input",
                       "label=" + dir / "two.npy"},
                      "x.npz"),
                 HasSubstr("label out of range: expected 0 to 9, found 10 at "
                           "row 1"));
  Array many = Array::zeros(DType::F32, {33, 64});
  Array manyLabels = Array::zeros(DType::I32, {33});
  ASSERT_TRUE(data::writeNpz(dir / "m.npz",
                             {{"image", &many}, {"label", &manyLabels}}));
  EXPECT_MISTAKE(exec({"--input", "image=" + dir / "m.npz", "--input",
                       "label=" + dir / "m.npz"},
                      "x.npz"),
                 HasSubstr("expected 1 to 32 rows"));
  EXPECT_MISTAKE(exec(with({}), "x.npy"),
                 HasSubstr("expected a name that ends in .npz"));
  EXPECT_FALSE(std::filesystem::exists(dir / "x.npz"));
}
