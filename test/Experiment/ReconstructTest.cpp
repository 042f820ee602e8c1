//===- ReconstructTest.cpp - pcx-run reconstruct --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "test/Support/FullDevice.h"
#include "test/Support/ReadPng.h"

#include <algorithm>
#include <limits>

using namespace pcx;
using namespace pcx::test;
using data::Array;

namespace {
class Reconstruct : public testing::Test {
protected:
  void SetUp() override { write("d.npz", {0, 1, 0.5, 1, 1, 1, 0, 0}); }
  /// Samples of four values.
  void write(const std::string &name, std::vector<float> values,
             const std::string &array = "image") {
    Array x = Array::of({static_cast<int64_t>(values.size() / 4), 4},
                        std::span<const float>(values));
    ASSERT_TRUE(data::writeNpz(dir / name, {{array, &x}}));
  }
  RunResult reconstruct(std::vector<std::string> more,
                        const std::string &data = "d.npz",
                        const std::string &name = "pcx-test-images") {
    more.insert(more.begin(),
                {"reconstruct", artifact(name), "--data", dir / data});
    return run(more);
  }
  TempDir dir;
};
} // namespace

TEST_F(Reconstruct, ErrorOverTheSplit) {
  RunResult result = reconstruct({"--json"});
  EXPECT_OK(result);
  auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["split"], "train");
  EXPECT_EQ(json["samples"], 2);
  EXPECT_EQ(json["program"], "reconstruct");
  EXPECT_EQ(json["output"], "half");
  // Halves are wrong by half: (0 + 1 + 1/4 + 1 + 1 + 1) / 4 of 8 values.
  EXPECT_EQ(json["mse"], 4.25 / 4 / 8);
  // The values of a pixel differ by 1, 0, 1/2 and 1, the mean by half of that.
  EXPECT_EQ(json["mse_mean_image"], (1 + 0 + 0.25 + 1) / 4 / 4);
  result = reconstruct({"--samples", "1"});
  EXPECT_OK(result);
  EXPECT_THAT(
      result.out,
      HasSubstr("d.npz (train): 1 samples  mean squared error 0.140625  "
                "of the mean image 0\n"));
  // In the units that the program sees.
  result = reconstruct({"--normalise", "0,2", "--json"});
  EXPECT_OK(result);
  EXPECT_EQ(nlohmann::json::parse(result.out)["mse"], 4.25 / 4 / 8 / 4);
}

TEST_F(Reconstruct, Grid) {
  EXPECT_OK(reconstruct({"--normalise", "0.5,0.5", "-o", dir / "r.png"}));
  data::Image image = readPng(dir / "r.png");
  ASSERT_EQ(image.height, 5);
  ASSERT_EQ(image.width, 5);
  // Behind the normalisation -1 is halved to -0.5, a quarter of the range.
  const std::vector<uint8_t> pixels = {0,   255, 128, 255, 255, //
                                       128, 255, 128, 0,   0,   //
                                       128, 128, 128, 128, 128, //
                                       64,  191, 128, 191, 191, //
                                       128, 191, 128, 64,  64};
  EXPECT_EQ(image.pixels, pixels);
}

TEST_F(Reconstruct, Arrays) {
  EXPECT_OK(reconstruct({"--count", "1", "-o", dir / "r.npz"}));
  auto npz = data::NpzFile::open(dir / "r.npz");
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_EQ(npz->names(),
            (std::vector<std::string>{"original", "reconstruction"}));
  auto rows = npz->read("reconstruction");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->describe(), "2x4 f32");
  EXPECT_EQ(rows->at(1), 0.5);
}

TEST_F(Reconstruct, OtherInputsComeFromTheData) {
  std::vector<float> pixels = {0, 1, 0.5, 1, 1, 1, 0, 0};
  Array image = Array::of({2, 4}, std::span<const float>(pixels));
  Array label = Array::zeros(data::DType::I32, {2});
  label.as<int32_t>()[1] = 1;
  ASSERT_TRUE(data::writeNpz(dir / "labelled.npz",
                             {{"image", &image}, {"label", &label}}));
  EXPECT_OK(reconstruct({"--program", "classed", "-o", dir / "r.npz"},
                        "labelled.npz", "pcx-test-images-several"));
  auto npz = data::NpzFile::open(dir / "r.npz");
  ASSERT_TRUE(npz) << messageOf(npz);
  auto rows = npz->read("reconstruction");
  ASSERT_TRUE(rows);
  const std::vector<float> wanted = {0, 0.5, 0.25, 0.5, 1.5, 1.5, 1, 1};
  EXPECT_TRUE(std::ranges::equal(rows->as<float>(), wanted));
}

TEST_F(Reconstruct, ImagesKnowTheirSize) {
  // Three images of 1x4 bytes in a folder.
  std::filesystem::create_directory(dir / "idx");
  const char images[] = "\0\0\x08\x03\0\0\0\x03\0\0\0\x01\0\0\0\x04"
                        "\xff\0\0\0\0\xff\0\0\0\0\xff";
  const char labels[] = "\0\0\x08\x01\0\0\0\x03\0\x01";
  ASSERT_TRUE(data::writeFile(dir / "idx/t10k-images-idx3-ubyte",
                              std::string_view(images, sizeof(images))));
  ASSERT_TRUE(data::writeFile(dir / "idx/t10k-labels-idx1-ubyte",
                              std::string_view(labels, sizeof(labels))));
  EXPECT_OK(reconstruct({"--columns", "2", "-o", dir / "r.png"}, "idx"));
  data::Image image = readPng(dir / "r.png");
  EXPECT_EQ(image.width, 9);
  EXPECT_EQ(image.height, 7);
  EXPECT_EQ(image.pixels[0], 255);
  EXPECT_EQ(image.pixels[6], 255);
}

TEST_F(Reconstruct, Errors) {
  const std::string several = "pcx-test-images-several";
  EXPECT_MISTAKE(
      reconstruct({}, "d.npz", several),
      HasSubstr("model 'images' has more than one program that takes data, no "
                "mask, and outputs values of their shape; choose one with "
                "--program: 'reconstruct', 'noisy', 'classed'"));
  EXPECT_MISTAKE(reconstruct({"--program", "masked"}, "d.npz", several),
                 HasSubstr("program 'masked': expected one that takes data, no "
                           "mask, and"));
  EXPECT_MISTAKE(reconstruct({"--program", "pair"}, "d.npz", several),
                 HasSubstr("program 'pair': expected one input with an output "
                           "of the same shape, found 'first', 'second'"));
  EXPECT_MISTAKE(reconstruct({"--program", "sample"}),
                 HasSubstr("program 'sample' has no input for data with an "
                           "output of the same shape"));
  EXPECT_MISTAKE(reconstruct({"--program", "reconstrct"}),
                 HasSubstr("did you mean 'reconstruct'?"));
  EXPECT_MISTAKE(reconstruct({"--output", "code"}),
                 HasSubstr("--output code: program 'reconstruct' has no such "
                           "output of the shape of input 'image' (4)"));
  EXPECT_MISTAKE(run({"reconstruct", softmax()}),
                 HasSubstr("has no program, beside those that train or sample, "
                           "that takes data"));
  EXPECT_MISTAKE(reconstruct({"--samples", "3"}),
                 HasSubstr("--samples 3: expected at most 2"));
  EXPECT_MISTAKE(
      reconstruct({"--samples", "1", "--count", "2", "-o", dir / "r.png"}),
      HasSubstr("--count 2: expected at most 1"));
  EXPECT_MISTAKE(reconstruct({"--size", "1x2", "-o", dir / "r.png"}),
                 HasSubstr("--size 1x2: expected 4 values, as many as input "
                           "'image' of program 'reconstruct' has, found 2"));
  EXPECT_MISTAKE(reconstruct({"-o", dir / "r.csv"}),
                 HasSubstr("expected a name that ends in .png or .npz"));
  write("other.npz", {1, 2, 3, 4}, "picture");
  EXPECT_MISTAKE(reconstruct({}, "other.npz"),
                 HasSubstr("no array 'image' for the input of program"));
  write("nan.npz",
        {1, 2, 3, 4, 1, std::numeric_limits<float>::quiet_NaN(), 1, 1});
  EXPECT_MISTAKE(
      reconstruct({"-o", dir / "r.png"}, "nan.npz"),
      HasSubstr("array 'image': expected finite values, found nan in "
                "sample 1"));
  write("high.npz", {1, 2, 3, 4, 100, 0, 0, 0});
  EXPECT_MISTAKE(reconstruct({"-o", dir / "r.png"}, "high.npz"),
                 HasSubstr("output 'half' of program 'reconstruct' is nan for "
                           "sample 1 of data set"));
  EXPECT_FALSE(std::filesystem::exists(dir / "r.png"));
}

TEST_F(Reconstruct, FullDisk) {
  std::string full = makeFullDevice(dir.path());
  if (full.empty())
    GTEST_SKIP() << "no device that is always full";
  std::filesystem::create_symlink(full, dir / "r.png");
  RunResult result = reconstruct({"-o", dir / "r.png"});
  EXPECT_MISTAKE(result, HasSubstr("No space left on device"));
  EXPECT_EQ(result.out, "");
}
