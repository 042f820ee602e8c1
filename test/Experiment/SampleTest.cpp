//===- SampleTest.cpp - pcx-run sample ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "test/Support/FullDevice.h"
#include "test/Support/ReadPng.h"

using namespace pcx;
using namespace pcx::test;
using data::Array;

namespace {
class Sample : public testing::Test {
protected:
  RunResult sample(std::vector<std::string> more,
                   const std::string &name = "pcx-test-images") {
    more.insert(more.begin(), {"sample", artifact(name)});
    return run(more);
  }
  Array read(const std::string &file, const std::string &name) {
    auto npz = data::NpzFile::open(dir / file);
    EXPECT_TRUE(npz) << messageOf(npz);
    auto array = npz ? npz->read(name) : Array();
    EXPECT_TRUE(array) << messageOf(array);
    return array ? *array : Array();
  }
  /// Byte `channel` of the pixel at (y, x).
  static int at(const data::Image &image, int64_t y, int64_t x,
                int64_t channel = 0) {
    return image.pixels[static_cast<size_t>(
        (y * image.width + x) * image.channels + channel)];
  }
  TempDir dir;
};
} // namespace

TEST_F(Sample, ClassesInBatches) {
  RunResult result = sample(
      {"--label", "2,0", "--count", "3", "--seed", "5", "-o", dir / "s.npz"});
  EXPECT_OK(result);
  EXPECT_THAT(result.err, HasSubstr("wrote 6 samples of 'sample' to "));
  Array rows = read("s.npz", "sample"), label = read("s.npz", "label");
  EXPECT_EQ(rows.describe(), "6x4 f32");
  EXPECT_EQ(label.describe(), "6 i64");
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(label.at(i), i < 3 ? 2 : 0);
    // The class that the program saw, the call, the place in it, the seed.
    EXPECT_EQ(rows.at(4 * i), i < 3 ? 2 : 0);
    EXPECT_EQ(rows.at(4 * i + 1), i / 4);
    EXPECT_EQ(rows.at(4 * i + 2), i % 4);
    EXPECT_EQ(rows.at(4 * i + 3), 5);
  }
  // The threads change nothing, the batch what is drawn.
  EXPECT_OK(sample({"--label", "2", "--label", "0", "--count", "3", "--seed",
                    "5", "--threads", "3", "-o", dir / "t.npz", "-q"}));
  EXPECT_EQ(readText(dir / "t.npz"), readText(dir / "s.npz"));
  EXPECT_OK(sample(
      {"--label", "1", "--count", "3", "--batch", "2", "-o", dir / "b.npz"}));
  EXPECT_EQ(read("b.npz", "sample").at(4 * 2 + 1), 1);
}

TEST_F(Sample, Csv) {
  EXPECT_OK(sample({"--label", "all", "--count", "1", "--seed", "7", "-o",
                    dir / "s.csv", "-q"}));
  EXPECT_EQ(readText(dir / "s.csv"),
            "label,sample.0,sample.1,sample.2,sample.3\n"
            "0,0,0,0,7\n1,1,0,1,7\n2,2,0,2,7\n");
}

TEST_F(Sample, LabelsOfOneElementAreNumbers) {
  const std::string several = "pcx-test-images-several";
  EXPECT_OK(sample({"--program", "graded", "--label", "7,-2", "--count", "1",
                    "-o", dir / "s.csv", "-q"},
                   several));
  EXPECT_EQ(readText(dir / "s.csv"), "label,sample.0,sample.1,sample.2,"
                                     "sample.3\n7,7,0,0,0\n-2,-2,0,0,0\n");
  EXPECT_MISTAKE(
      sample({"--program", "graded", "--label", "all", "-o", dir / "s.csv"},
             several),
      HasSubstr("--label all: expected a whole number for input "
                "'grade' of program 'graded'"));
}

TEST_F(Sample, GridOfClasses) {
  EXPECT_OK(sample({"--label", "all", "--count", "2", "--range", "0,2", "-o",
                    dir / "s.png"}));
  data::Image image = readPng(dir / "s.png");
  EXPECT_EQ(image.channels, 1);
  // Three rows of two images of 2x2.
  ASSERT_EQ(image.height, 8);
  ASSERT_EQ(image.width, 5);
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t column = 0; column < 2; ++column) {
      int64_t i = 2 * row + column;
      EXPECT_EQ(at(image, 3 * row, 3 * column), row == 1 ? 128 : row / 2 * 255);
      EXPECT_EQ(at(image, 3 * row, 3 * column + 1), i < 4 ? 0 : 128);
      int place = static_cast<int>(i % 4);
      EXPECT_EQ(at(image, 3 * row + 1, 3 * column), place == 0   ? 0
                                                    : place == 1 ? 128
                                                                 : 255);
    }
  EXPECT_EQ(at(image, 2, 0), 128);
  EXPECT_EQ(at(image, 0, 2), 128);
}

TEST_F(Sample, RowsOfClassesBreakAtTheColumns) {
  auto size = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--label", "0,1", "--count", "5", "--range", "0,2",
                             "-o", dir / "s.png"});
    EXPECT_OK(sample(more));
    data::Image image = readPng(dir / "s.png");
    return std::pair(image.height, image.width);
  };
  EXPECT_EQ(size({}), std::pair(int64_t(5), int64_t(14)));
  // The second class starts a row of its own.
  EXPECT_EQ(size({"--columns", "4"}), std::pair(int64_t(11), int64_t(11)));
}

TEST_F(Sample, GridWithoutClasses) {
  EXPECT_OK(sample({"--program", "free", "--output", "other", "--count", "5",
                    "--normalise", "0,2", "--scale", "3", "-o", dir / "s.png"},
                   "pcx-test-images-several"));
  data::Image image = readPng(dir / "s.png");
  // Two rows of three places, the last one empty: 1 is beyond 0.5, white.
  ASSERT_EQ(image.height, 15);
  ASSERT_EQ(image.width, 24);
  EXPECT_EQ(at(image, 0, 0), 255);
  EXPECT_EQ(at(image, 14, 14), 255);
  EXPECT_EQ(at(image, 14, 15), 128);
  EXPECT_EQ(at(image, 14, 23), 128);
  EXPECT_OK(
      sample({"--program", "free", "--output", "other", "--count", "5",
              "--normalise", "0,2", "--columns", "1", "-o", dir / "s.png"},
             "pcx-test-images-several"));
  EXPECT_EQ(readPng(dir / "s.png").width, 2);
}

TEST_F(Sample, Colours) {
  EXPECT_OK(sample({"--label", "1", "--count", "1", "--range", "0,1", "--size",
                    "2x2x3", "-o", dir / "s.png"},
                   "pcx-test-images12"));
  data::Image image = readPng(dir / "s.png");
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(at(image, 0, 0, 0), 255);
  EXPECT_EQ(at(image, 0, 0, 1), 0);
  // Three planes without --size: the class is red of the first pixel, the seed
  // red of the last.
  EXPECT_OK(sample({"--label", "1", "--count", "1", "--range", "0,1", "--seed",
                    "1", "-o", dir / "s.png"},
                   "pcx-test-images12"));
  image = readPng(dir / "s.png");
  EXPECT_EQ(at(image, 0, 0, 0), 255);
  EXPECT_EQ(at(image, 1, 1, 0), 255);
  EXPECT_EQ(at(image, 1, 1, 1), 0);
}

TEST_F(Sample, CheckpointsKnowTheNormalisation) {
  Array image = Array::zeros(data::DType::F32, {4, 4});
  Array label = Array::zeros(data::DType::I32, {4});
  ASSERT_TRUE(
      data::writeNpz(dir / "d.npz", {{"image", &image}, {"label", &label}}));
  EXPECT_OK(run({"train", artifact("pcx-test-images"), "--data", dir / "d.npz",
                 "--normalise", "0,0.5", "--epochs", "1", "--save",
                 dir / "c.safetensors", "-q"}));
  // White is 1 / 0.5; the class is 1.
  EXPECT_OK(sample({"--params", dir / "c.safetensors", "--label", "1",
                    "--count", "1", "-o", dir / "s.png"}));
  EXPECT_EQ(at(readPng(dir / "s.png"), 0, 0), 128);
  EXPECT_OK(sample({"--params", dir / "c.safetensors", "--label", "1",
                    "--count", "1", "--range", "1,0", "-o", dir / "s.png"}));
  EXPECT_EQ(at(readPng(dir / "s.png"), 0, 0), 0);
}

TEST_F(Sample, Errors) {
  const std::string several = "pcx-test-images-several";
  const std::string png = dir / "s.png", npz = dir / "s.npz";
  EXPECT_MISTAKE(
      sample({"--label", "3", "-o", npz}),
      HasSubstr("--label 3: expected 0 to 2 or all, as wide as input "
                "'label' of program 'sample'"));
  EXPECT_MISTAKE(sample({"--label", "1,cat", "-o", npz}),
                 HasSubstr("--label cat: expected 0 to 2 or all"));
  EXPECT_MISTAKE(sample({"-o", npz}),
                 HasSubstr("program 'sample' takes a label; pass --label"));
  EXPECT_MISTAKE(sample({"-o", npz}, several),
                 HasSubstr("several programs with the role sample; choose one "
                           "with --program: 'sample', 'free'"));
  EXPECT_MISTAKE(sample({"--program", "fre", "-o", npz}, several),
                 HasSubstr("did you mean 'free'?"));
  EXPECT_MISTAKE(sample({"--program", "free", "-o", npz}, several),
                 HasSubstr("program 'free' has more than one output of numbers "
                           "a sample; choose one with --output: 'sample', "
                           "'other'"));
  EXPECT_MISTAKE(
      sample({"--program", "free", "--output", "othr", "-o", npz}, several),
      HasSubstr("--output othr: program 'free' has no such output of numbers a "
                "sample, did you mean 'other'?"));
  EXPECT_MISTAKE(
      sample({"--program", "free", "--label", "1", "-o", npz}, several),
      HasSubstr("--label 1: program 'free' takes no label"));
  EXPECT_MISTAKE(
      sample({"--program", "masked", "-o", npz}, several),
      HasSubstr("program 'masked': expected one input at most, a label, found "
                "'image' (4), 'known' (4); `pcx-run predict --input`"));
  EXPECT_MISTAKE(sample({"--label", "1", "-o", png}),
                 HasSubstr("nothing says which values are black and white"));
  EXPECT_MISTAKE(
      sample({"--label", "1", "--range", "0,1", "-o", png}, "pcx-test-images6"),
      HasSubstr("output 'sample' of program 'sample' (6) has 6 values, which "
                "are no square image"));
  EXPECT_MISTAKE(
      sample({"--label", "1", "--range", "0,1", "--size", "2x3", "-o", png}),
      HasSubstr("--size 2x3: expected 4 values"));
  EXPECT_MISTAKE(sample({"--label", "1", "--seed", "13", "-o", npz}),
                 HasSubstr("output 'sample' of program 'sample' is nan for "
                           "sample 0; a smaller inference rate"));
  EXPECT_MISTAKE(sample({"--label", "1", "--batch", "5", "-o", npz}),
                 HasSubstr("--batch 5: expected 1 to 4"));
  EXPECT_MISTAKE(
      sample({"--label", "all", "--count", "9223372036854775807", "-o", npz}),
      HasSubstr("too many samples"));
  EXPECT_MISTAKE(sample({"--label", "1", "-o", dir / "s.jpg"}),
                 HasSubstr("expected a name that ends in .png or .npz or "
                           ".csv"));
  EXPECT_MISTAKE(sample({"--label", "1", "-o", dir / "no/such.png"}),
                 HasSubstr("cannot write to"));
  EXPECT_MISTAKE(run({"sample", softmax(), "-o", npz}),
                 HasSubstr("has no program with the role sample"));
  // Nothing is left of what failed.
  EXPECT_FALSE(std::filesystem::exists(png));
  EXPECT_FALSE(std::filesystem::exists(npz));
  EXPECT_EQ(sample({"--label", "1"}).code, 2);
  for (const char *bad : {"1", "1,1", "a,b", "0,inf", "0,nan"})
    EXPECT_EQ(sample({"--range", bad, "-o", png}).code, 2) << bad;
  for (const char *bad : {"2", "2x2x2", "2x", "0x4"})
    EXPECT_EQ(sample({"--size", bad, "-o", png}).code, 2) << bad;
  for (const char *flag : {"--count", "--columns", "--scale"})
    EXPECT_EQ(sample({flag, "0", "-o", png}).code, 2) << flag;
}

TEST_F(Sample, FullDisk) {
  std::string full = makeFullDevice(dir.path());
  if (full.empty())
    GTEST_SKIP() << "no device that is always full";
  for (const char *name : {"s.png", "s.npz", "s.csv"}) {
    std::filesystem::create_symlink(full, dir / name);
    EXPECT_MISTAKE(sample({"--label", "1", "--range", "0,1", "-o", dir / name}),
                   HasSubstr("No space left on device"));
  }
}
