//===- PngTest.cpp - Pictures as PNG files --------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Png.h"
#include "TestSupport.h"
#include "test/Support/FullDevice.h"
#include "test/Support/ReadPng.h"

using namespace pcx::data;
using namespace pcx::test;

/// All bytes in turn, which do not compress.
static Image counting(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 167 + i / 256 * 31));
  return image;
}

TEST(Png, ReadsBack) {
  TempDir dir;
  for (int64_t channels : {1, 3})
    for (auto [height, width] :
         {std::pair<int64_t, int64_t>(1, 1), {3, 5}, {300, 200}}) {
      Image image = counting(height, width, channels);
      ASSERT_TRUE(writePng(dir / "a.png", image));
      Image read = readPng(dir / "a.png");
      EXPECT_EQ(read.height, height);
      EXPECT_EQ(read.width, width);
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.pixels, image.pixels);
    }
  // Nothing else stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}),
            1);
}

TEST(Png, EqualPicturesHaveEqualBytes) {
  auto first = formatPng(counting(40, 30, 3));
  auto second = formatPng(counting(40, 30, 3));
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
}

TEST(Png, LargestSide) {
  for (bool tall : {false, true}) {
    Image image{tall ? maxImageSide : 1, tall ? 1 : maxImageSide, 1, {}};
    image.pixels.assign(static_cast<size_t>(maxImageSide), 7);
    TempDir dir;
    auto status = writePng(dir / "a.png", image);
    ASSERT_TRUE(status) << messageOf(status);
    EXPECT_EQ(readPng(dir / "a.png").pixels, image.pixels);
  }
}

TEST(Png, NamesPathAndReason) {
  TempDir dir;
  EXPECT_EQ(messageOf(writePng(dir / "no/such.png", counting(2, 2, 1))),
            "cannot write '" + dir / "no/such.png" +
                "': No such file or directory");
  std::string full = makeFullDevice(dir.path());
  if (full.empty())
    GTEST_SKIP() << "no device that is always full";
  EXPECT_EQ(messageOf(writePng(full, counting(2, 2, 1))),
            "cannot write '" + full + "': No space left on device");
}
