//===- EvalTest.cpp - pcx-run eval and predict ----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "pcx/Data/DataSet.h"

using namespace pcx;
using namespace pcx::test;

namespace {
class Eval : public testing::Test {
protected:
  void SetUp() override {
    EXPECT_OK(
        run({"train", softmax(), "--epochs", "2", "--save", params, "-q"}));
  }
  nlohmann::json eval(std::vector<std::string> more) {
    more.insert(more.begin(), {"eval", softmax(), "--json"});
    RunResult result = run(more);
    EXPECT_OK(result);
    return nlohmann::json::parse(result.out, nullptr, false);
  }
  TempDir dir;
  std::string params = dir / "s.safetensors";
};
} // namespace

TEST_F(Eval, AccuracyIsTheShareOfRightArgmax) {
  EXPECT_OK(
      run({"predict", softmax(), "--params", params, "-o", dir / "p.npz"}));
  auto npz = data::NpzFile::open(dir / "p.npz");
  ASSERT_TRUE(npz);
  // Per-sample outputs only.
  EXPECT_EQ(npz->names(), std::vector<std::string>{"prediction"});
  auto rows = npz->read("prediction");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->describe(), "357x10 f32");
  auto digits = data::openDigits();
  ASSERT_TRUE(digits);
  auto labels =
      digits->test.find(data::ColumnKind::Labels)->array.as<int32_t>();
  int right = 0;
  for (int64_t i = 0; i < 357; ++i) {
    int best = 0;
    for (int c = 1; c < 10; ++c)
      if (rows->at(i * 10 + c) > rows->at(i * 10 + best))
        best = c;
    right += best == labels[static_cast<size_t>(i)];
  }
  auto json = eval({"--params", params});
  EXPECT_EQ(json["samples"], 357);
  EXPECT_EQ(json["split"], "test");
  EXPECT_EQ(json["accuracy"], right / 357.0);
  EXPECT_GT(right, 300);
  // The batch size and the threads change nothing.
  EXPECT_EQ(
      eval({"--params", params, "--batch", "5", "--threads", "1"})["accuracy"],
      right / 357.0);
  // A program that says the class itself agrees.
  EXPECT_EQ(eval({"--params", params, "--program", "classify"})["accuracy"],
            right / 357.0);
}

TEST_F(Eval, TextAndSplits) {
  RunResult text = run({"eval", softmax(), "--params", params});
  EXPECT_OK(text);
  EXPECT_THAT(text.out,
              testing::MatchesRegex("digits \\(test\\): 357 samples  accuracy "
                                    "[0-9.]+ %  energy [0-9.]+\n"));
  EXPECT_EQ(eval({"--params", params, "--split", "train"})["samples"], 1440);
}

TEST_F(Eval, TakesDataAndNormalisationFromTheCheckpoint) {
  EXPECT_OK(run({"train", softmax(), "--epochs", "2", "--normalise", "0,1",
                 "--save", params, "-q"}));
  auto implied = eval({"--params", params});
  EXPECT_EQ(implied, eval({"--params", params, "--normalise", "0,1"}));
  EXPECT_NE(implied["energy"],
            eval({"--params", params, "--normalise", "0.5,0.5"})["energy"]);
}

TEST_F(Eval, ParametersFromNpz) {
  auto expected = eval({"--params", params});
  data::Array image = data::Array::zeros(data::DType::F32, {1, 64});
  data::Array label = data::Array::zeros(data::DType::I32, {1});
  ASSERT_TRUE(data::writeNpy(dir / "i.npy", image));
  ASSERT_TRUE(data::writeNpy(dir / "l.npy", label));
  // exec writes params/NAME; a zero rate keeps the weights.
  EXPECT_OK(run({"exec", softmax(), "--params", params, "--set", "w_lr=0",
                 "--input", "image=" + dir / "i.npy", "--input",
                 "label=" + dir / "l.npy", "-o", dir / "e.npz", "-q"}));
  EXPECT_EQ(eval({"--params", dir / "e.npz"}), expected);
  // Plain names, as float64.
  auto npz = data::NpzFile::open(dir / "e.npz");
  ASSERT_TRUE(npz);
  auto weight = npz->read("params/fc.weight");
  ASSERT_TRUE(weight);
  auto wide = data::convert(*weight, data::DType::F64, "");
  ASSERT_TRUE(wide);
  ASSERT_TRUE(data::writeNpz(dir / "f.npz", {{"fc.weight", &*wide}}));
  EXPECT_EQ(eval({"--params", dir / "f.npz"}), expected);

  ASSERT_TRUE(data::writeNpz(dir / "g.npz", {{"fc.weigth", &*wide}}));
  EXPECT_MISTAKE(run({"eval", softmax(), "--params", dir / "g.npz"}),
                 AllOf(HasSubstr("no array 'fc.weight', did you mean "
                                 "'fc.weigth'?"),
                       HasSubstr("model 'softmax' needs it")));
  ASSERT_TRUE(data::writeNpz(dir / "h.npz", {{"fc.weight", &image}}));
  EXPECT_MISTAKE(run({"eval", softmax(), "--params", dir / "h.npz"}),
                 HasSubstr("array 'fc.weight' is 1x64 f32, expected 10x64 "
                           "f32"));
}

TEST_F(Eval, PredictFormats) {
  EXPECT_OK(
      run({"predict", softmax(), "--params", params, "-o", dir / "p.npy"}));
  auto npy = data::readNpy(dir / "p.npy");
  ASSERT_TRUE(npy) << messageOf(npy);
  EXPECT_EQ(npy->describe(), "357x10 f32");
  EXPECT_OK(
      run({"predict", softmax(), "--params", params, "-o", dir / "p.csv"}));
  std::ifstream csv(dir / "p.csv");
  std::string header, row;
  std::getline(csv, header);
  std::getline(csv, row);
  EXPECT_THAT(header, testing::StartsWith("class,prediction.0,prediction.1,"));
  // The shortest digits that read back as the same float.
  std::stringstream fields(row);
  std::string field;
  std::getline(fields, field, ',');
  for (int64_t i = 0; i < 10; ++i) {
    std::getline(fields, field, ',');
    EXPECT_EQ(std::stof(field), npy->as<float>()[static_cast<size_t>(i)]);
  }
  EXPECT_OK(run({"predict", softmax(), "--params", params, "--program",
                 "classify", "-o", dir / "c.csv"}));
  EXPECT_THAT(readText(dir / "c.csv"), testing::StartsWith("class\n"));
  EXPECT_MISTAKE(run({"predict", softmax(), "-o", dir / "p.txt"}),
                 HasSubstr("expected a name that ends in .npz, .npy or .csv"));
  EXPECT_MISTAKE(run({"predict", softmax(), "-o", dir / "no/p.npy"}),
                 HasSubstr("cannot write to"));
  ASSERT_TRUE(data::writeNpy(dir / "i.npy",
                             data::Array::zeros(data::DType::F32, {2, 64})));
  EXPECT_MISTAKE(run({"predict", softmax(), "--program", "totals", "--input",
                      "image=" + dir / "i.npy", "-o", dir / "t.npy"}),
                 HasSubstr("no array 'offset'"));
}

TEST_F(Eval, PredictOnArrays) {
  auto digits = data::openDigits();
  ASSERT_TRUE(digits);
  // The first three test images, normalised as the data set is.
  data::Array image = data::Array::zeros(data::DType::F64, {3, 8, 8});
  for (int64_t i = 0; i < 192; ++i)
    image.as<double>()[static_cast<size_t>(i)] =
        (digits->test.find(data::ColumnKind::Features)->array.at(i) / 16 -
         0.5) /
        0.5;
  ASSERT_TRUE(data::writeNpy(dir / "x.npy", image));
  EXPECT_OK(run({"predict", softmax(), "--params", params, "-o",
                 dir / "all.npy", "--program", "evaluate"}));
  EXPECT_OK(run({"predict", softmax(), "--params", params, "--program",
                 "classify", "--normalise", "0,1", "--input",
                 "image=" + dir / "x.npy", "-o", dir / "c.npy"}));
  auto all = data::readNpy(dir / "all.npy"),
       classes = data::readNpy(dir / "c.npy");
  ASSERT_TRUE(all && classes);
  EXPECT_EQ(classes->describe(), "3 i32");
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t c = 0; c < 10; ++c)
      EXPECT_LE(all->at(row * 10 + c),
                all->at(row * 10 + static_cast<int64_t>(classes->at(row))));
}

TEST_F(Eval, Errors) {
  EXPECT_MISTAKE(run({"eval", softmax(), "--program", "evalaute"}),
                 HasSubstr("did you mean 'evaluate'?"));
  EXPECT_MISTAKE(run({"eval", softmax(), "--params", dir / "none"}),
                 HasSubstr("cannot open"));
  ASSERT_TRUE(data::writeFile(dir / "a.csv", "1,2,3,4,5,0\n"));
  EXPECT_MISTAKE(run({"eval", artifact("pcx-test-softmax5"), "--data",
                      dir / "a.csv", "--split", "test"}),
                 HasSubstr("has no such split"));
}
