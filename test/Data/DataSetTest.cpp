//===- DataSetTest.cpp - Data sets by name, folder or file ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/DataSet.h"
#include "TestSupport.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Idx.h"
#include "pcx/Data/Npy.h"

#include <algorithm>
#include <numeric>

using namespace pcx::data;
using namespace pcx::test;

/// Writes an IDX pair with `count` 2x2 images and labels first, first + 1, ...
static void writePair(const TempDir &dir, const std::string &split, int count,
                      int first, bool packed) {
  Array images = Array::zeros(DType::U8, {count, 2, 2});
  Array labels = Array::zeros(DType::U8, {count});
  for (int i = 0; i < count; ++i) {
    images.as<uint8_t>()[static_cast<size_t>(i) * 4] =
        static_cast<uint8_t>(10 * i);
    labels.as<uint8_t>()[static_cast<size_t>(i)] =
        static_cast<uint8_t>(first + i);
  }
  auto write = [&](const std::string &name, const Array &array) {
    auto bytes = formatIdx(array);
    if (packed)
      bytes = gzip(bytes);
    ASSERT_TRUE(
        writeFile(dir / (name + (packed ? ".gz" : "")), {Bytes(bytes)}));
  };
  write(split + "-images-idx3-ubyte", images);
  write(split + "-labels-idx1-ubyte", labels);
}

TEST(DataSet, DigitsAreWhatTheirReadmeSays) {
  auto set = openDataSet("digits");
  ASSERT_TRUE(set) << messageOf(set);
  EXPECT_EQ(set->train.samples, 1440);
  EXPECT_EQ(set->test.samples, 357);
  const Column *images = set->train.find(ColumnKind::Features);
  const Column *labels = set->train.find(ColumnKind::Labels);
  ASSERT_TRUE(images && labels);
  EXPECT_EQ(images->array.describe(), "1440x8x8 u8");
  EXPECT_EQ(images->scale, 1.0 / 16);
  auto pixels = images->array.as<uint8_t>();
  EXPECT_EQ(*std::max_element(pixels.begin(), pixels.end()), 16);
  // The first image of the UCI test set, a zero, begins 0 0 5 13 9 1 0 0.
  EXPECT_EQ(std::vector<uint8_t>(pixels.begin(), pixels.begin() + 8),
            (std::vector<uint8_t>{0, 0, 5, 13, 9, 1, 0, 0}));
  EXPECT_EQ(labels->array.at(0), 0);
  // 178 182 177 183 181 182 181 179 174 180 of each digit, as published.
  std::vector<int> counts(10), testCounts(10);
  for (const Split *split : {&set->train, &set->test})
    for (int32_t label : split->find(ColumnKind::Labels)->array.as<int32_t>()) {
      ++counts[static_cast<size_t>(label)];
      testCounts[static_cast<size_t>(label)] += split == &set->test;
    }
  EXPECT_EQ(counts, (std::vector<int>{178, 182, 177, 183, 181, 182, 181, 179,
                                      174, 180}));
  auto [low, high] = std::minmax_element(testCounts.begin(), testCounts.end());
  EXPECT_EQ(*low, 33);
  EXPECT_EQ(*high, 39);
  // Sample 40 of the file is the first of the test split: the training split
  // continues with 50 at position 40.
  EXPECT_EQ(set->train.find(ColumnKind::Features)->array.rows(), 1440);
}

TEST(DataSet, FolderOfIdx) {
  for (bool packed : {false, true}) {
    TempDir dir;
    writePair(dir, "train", 3, 0, packed);
    writePair(dir, "t10k", 2, 1, packed);
    auto set = openDataSet(dir.path());
    ASSERT_TRUE(set) << messageOf(set);
    EXPECT_EQ(set->train.samples, 3);
    EXPECT_EQ(set->test.samples, 2);
    EXPECT_EQ(set->mean, 0.5);
    EXPECT_EQ(set->train.find("images")->scale, 1.0 / 255);
    EXPECT_EQ(set->test.find("labels")->array.at(1), 2);
  }
}

TEST(DataSet, FolderWithOneSplitAndAPrefix) {
  TempDir dir;
  writePair(dir, "emnist-letters-test", 3, 1, true);
  auto set = openDataSet(dir.path());
  ASSERT_TRUE(set) << messageOf(set);
  EXPECT_EQ(set->train.samples, 0);
  EXPECT_EQ(set->test.samples, 3);
  const Column *labels = set->test.find(ColumnKind::Labels);
  EXPECT_EQ(messageOf(checkLabels(*labels, 3)),
            dir / "emnist-letters-test-labels-idx1-ubyte.gz" +
                ": label out of range: expected 0 to 2, found 3 at row 2; the "
                "labels start at 1, pass --label-offset 1");
  DataOptions options;
  options.labelOffset = 1;
  set = openDataSet(dir.path(), options);
  ASSERT_TRUE(set);
  EXPECT_TRUE(checkLabels(*set->test.find(ColumnKind::Labels), 3));
  options.labelOffset = 2;
  set = openDataSet(dir.path(), options);
  ASSERT_TRUE(set);
  EXPECT_NE(messageOf(checkLabels(*set->test.find(ColumnKind::Labels), 3))
                .find("expected 0 to 2, found -1 at row 0"),
            std::string::npos);
}

TEST(DataSet, FolderErrors) {
  TempDir dir;
  EXPECT_EQ(messageOf(openDataSet(dir.path())),
            dir.path() +
                ": expected IDX files ({train,t10k}-images-idx3-ubyte[.gz] and "
                "-labels-idx1-ubyte[.gz]), found none in the folder");
  writePair(dir, "train", 3, 0, false);
  std::filesystem::remove(dir / "train-labels-idx1-ubyte");
  EXPECT_EQ(messageOf(openDataSet(dir.path())),
            dir.path() + ": found 'train-images-idx3-ubyte' but no "
                         "labels-idx1-ubyte of the same split");
  writePair(dir, "t10k", 2, 0, false);
  std::filesystem::rename(dir / "t10k-labels-idx1-ubyte",
                          dir / "train-labels-idx1-ubyte");
  std::filesystem::remove(dir / "t10k-images-idx3-ubyte");
  EXPECT_EQ(messageOf(openDataSet(dir.path())),
            dir / "train-labels-idx1-ubyte" +
                ": expected 3 labels, as many as " +
                dir / "train-images-idx3-ubyte" + " has images, found 2");
  writePair(dir, "other-train", 2, 0, false);
  EXPECT_NE(messageOf(openDataSet(dir.path()))
                .find("expected one data set in the folder, found both"),
            std::string::npos);
}

TEST(DataSet, UnknownNames) {
  EXPECT_EQ(messageOf(openDataSet("fashion-mnits")),
            "data set 'fashion-mnits': expected a name (digits, "
            "fashion-mnist), a folder of IDX files, an .npz or a .csv file, "
            "found no such file, did you mean 'fashion-mnist'?");
  TempDir dir;
  ASSERT_TRUE(writeFile(dir / "a.txt", ""));
  EXPECT_EQ(messageOf(openDataSet(dir / "a.txt")),
            "data set '" + dir / "a.txt" +
                "': expected a folder of IDX files, an .npz or a .csv file, "
                "found '.txt'");
}

TEST(DataSet, NpzSplitsByPrefix) {
  TempDir dir;
  Array image = Array::zeros(DType::U8, {4, 2, 2});
  Array label = Array::zeros(DType::I64, {4});
  Array few = Array::zeros(DType::F32, {3, 4});
  ASSERT_TRUE(writeNpz(
      dir / "a.npz",
      {{"image", &image}, {"train_label", &label}, {"test_image", &few}}));
  auto set = openDataSet(dir / "a.npz");
  ASSERT_TRUE(set) << messageOf(set);
  EXPECT_EQ(set->train.samples, 4);
  EXPECT_EQ(set->test.samples, 3);
  ASSERT_TRUE(set->train.find("image") && set->train.find("label"));
  EXPECT_EQ(set->train.find("image")->scale, 1.0 / 255);
  EXPECT_EQ(set->test.find("image")->scale, 1.0);
  EXPECT_EQ(set->mean, 0.0);
  EXPECT_EQ(set->std, 1.0);
  ASSERT_TRUE(
      writeNpz(dir / "b.npz", {{"image", &image}, {"train_image", &image}}));
  EXPECT_EQ(messageOf(openDataSet(dir / "b.npz")),
            dir / "b.npz" + ": arrays 'image' and 'train_image' mean the same");
  ASSERT_TRUE(writeNpz(dir / "c.npz", {}));
  EXPECT_NE(messageOf(openDataSet(dir / "c.npz")).find("found none"),
            std::string::npos);
}

TEST(DataSet, Csv) {
  TempDir dir;
  ASSERT_TRUE(writeFile(dir / "a.csv", "label,w,h\n2,0.5,1\n0,1.5,2\n"));
  auto set = openDataSet(dir / "a.csv");
  ASSERT_TRUE(set) << messageOf(set);
  EXPECT_EQ(set->train.samples, 2);
  EXPECT_EQ(set->train.find("images")->array.at(2), 1.5);
  EXPECT_EQ(set->train.find("labels")->array.at(0), 2);
  DataOptions options;
  options.labelColumn = "h";
  set = openDataSet(dir / "a.csv", options);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->train.find("labels")->array.at(1), 2);
  EXPECT_EQ(set->train.find("images")->array.at(0), 2.0);
  options.labelColumn = "w";
  EXPECT_EQ(messageOf(openDataSet(dir / "a.csv", options)),
            dir / "a.csv" + ": label column 'w': expected whole numbers that "
                            "fit i64, found 0.5 at element 0");
  ASSERT_TRUE(writeFile(dir / "b.csv", "1\n2\n"));
  EXPECT_EQ(messageOf(openDataSet(dir / "b.csv")),
            dir / "b.csv" +
                ": expected features and a label column, found 1 column");
}

TEST(DataSet, FashionMnist) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  auto set = openDataSet("fashion-mnist");
  ASSERT_TRUE(set) << messageOf(set);
  EXPECT_EQ(set->train.find("images")->array.describe(), "60000x28x28 u8");
  EXPECT_EQ(set->test.find("images")->array.describe(), "10000x28x28 u8");
  // 6000 and 1000 of each class, as published.
  for (auto [split, expected] :
       {std::pair(&set->train, 6000), std::pair(&set->test, 1000)}) {
    std::vector<int> counts(10);
    for (int32_t label : split->find("labels")->array.as<int32_t>())
      ++counts[static_cast<size_t>(label)];
    EXPECT_EQ(counts, std::vector<int>(10, expected));
  }
}
