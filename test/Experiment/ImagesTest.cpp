//===- ImagesTest.cpp - Samples as a grid of images -----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Images.h"
#include "ImageMap.h"
#include "TestSupport.h"

#include <limits>

using namespace pcx;
using namespace pcx::experiment;
using pcx::data::Array;
using pcx::test::messageOf;

/// "2x3x1", "2x3x3 planar" or "none".
static std::string describe(const std::optional<ImageShape> &shape) {
  if (!shape)
    return "none";
  return std::to_string(shape->height) + "x" + std::to_string(shape->width) +
         "x" + std::to_string(shape->channels) +
         (shape->planar ? " planar" : "");
}

static pcx_port_t port(std::vector<int64_t> dims) {
  pcx_port_t out = {};
  out.struct_size = sizeof(out);
  out.name = "x";
  out.per_sample = 1;
  out.rank = static_cast<uint32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), out.dims);
  return out;
}

TEST(Images, ParsesShapes) {
  EXPECT_EQ(describe(parseImageShape("2x3")), "2x3x1");
  EXPECT_EQ(describe(parseImageShape("2x4x3")), "2x4x3");
  EXPECT_EQ(describe(parseImageShape("2x4x1")), "2x4x1");
  EXPECT_EQ(describe(parseImageShape("3x2x4")), "2x4x3 planar");
  EXPECT_EQ(describe(parseImageShape("1x2x4")), "2x4x1 planar");
  // Where both fit, the channels stand behind.
  EXPECT_EQ(describe(parseImageShape("3x2x3")), "3x2x3");
  for (const char *bad : {"", "x", "4", "2x", "x2", "2x4x5", "0x4", "-2x3",
                          "2x3x3x3", "axb", "2 x3", "2x9999999999"})
    EXPECT_EQ(describe(parseImageShape(bad)), "none") << bad;
}

TEST(Images, FindsShapes) {
  auto find = [](std::vector<int64_t> dims, std::vector<int64_t> sample = {},
                 std::optional<std::string> size = {}) {
    auto shape = findImageShape(size, port(dims), sample, "output 'x'");
    return shape ? describe(*shape) : shape.error().message;
  };
  // The port's own shape, then the data's, then squares.
  EXPECT_EQ(find({2, 6}, {4, 3}), "2x6x1");
  EXPECT_EQ(find({3, 2, 2}), "2x2x3 planar");
  EXPECT_EQ(find({16}, {2, 8}), "2x8x1");
  EXPECT_EQ(find({12}, {2, 2, 3}), "2x2x3");
  EXPECT_EQ(find({16}, {16}), "4x4x1");
  EXPECT_EQ(find({16}, {2, 2}), "4x4x1"); // of another input
  EXPECT_EQ(find({12}), "2x2x3 planar");
  EXPECT_EQ(find({1}), "1x1x1");
  // A number for each sample is a pixel.
  EXPECT_EQ(find({}), "1x1x1");
  EXPECT_EQ(find({2, 6}, {}, "2x2x3"), "2x2x3");
  EXPECT_EQ(find({6}), "output 'x' (6) has 6 values, which are no square "
                       "image, grey or of three planes; pass --size HxW, HxWxC "
                       "or CxHxW");
  EXPECT_EQ(
      find({6}, {}, "2x4"),
      "--size 2x4: expected 6 values, as many as output 'x' has, found 8");
}

TEST(Images, PixelsOfValues) {
  PixelRange range = rangeOf({0.5, 0.25});
  EXPECT_EQ(range.low, -2);
  EXPECT_EQ(range.high, 2);
  EXPECT_EQ(pixelOf(-2, range), 0);
  EXPECT_EQ(pixelOf(2, range), 255);
  EXPECT_EQ(pixelOf(0, range), 128); // 127.5, rounded
  EXPECT_EQ(pixelOf(-100, range), 0);
  EXPECT_EQ(pixelOf(std::numeric_limits<double>::max(), range), 255);
  EXPECT_EQ(pixelOf(0, {1, 0}), 255);
  EXPECT_EQ(pixelOf(0.8, {1, 0}), 51);
}

TEST(Images, RangesOfData) {
  auto range = [](data::ColumnKind kind, double scale, uint32_t flags) {
    data::Column column{"x", "x", kind, {}, scale};
    pcx_port_t input = port({4});
    input.flags = flags;
    PixelRange found = dataRange(column, input, {0.5, 0.25});
    return std::pair(found.low, found.high);
  };
  using enum data::ColumnKind;
  EXPECT_EQ(range(Features, 1.0 / 255, 0), std::pair(-2.0, 2.0));
  EXPECT_EQ(range(Features, 1.0 / 16, PCX_PORT_TARGET), std::pair(-2.0, 2.0));
  EXPECT_EQ(range(Named, 1, 0), std::pair(-2.0, 2.0));
  // Targets of their own name are fed as they are, bytes up to 255.
  EXPECT_EQ(range(Named, 1, PCX_PORT_TARGET), std::pair(0.0, 1.0));
  EXPECT_EQ(range(Named, 1.0 / 255, PCX_PORT_TARGET), std::pair(0.0, 255.0));
}

/// A grid as rows of digits: 0 to 8 for their bytes, "." for grey.
static std::vector<std::string> show(const data::Image &image) {
  std::vector<std::string> rows;
  for (int64_t y = 0; y < image.height; ++y) {
    rows.emplace_back();
    for (int64_t i = 0; i < image.width * image.channels; ++i) {
      uint8_t pixel = image.pixels[static_cast<size_t>(
          y * image.width * image.channels + i)];
      rows.back() += pixel == 128 ? '.' : static_cast<char>('0' + pixel);
    }
  }
  return rows;
}

TEST(ImageGrid, StripsGoOnBelow) {
  // Two strips of two rows of three images of 1x2, two beside each other.
  auto grid = ImageGrid::create({}, {1, 2}, {0, 255}, 2, 2, 3, 2);
  ASSERT_TRUE(grid) << messageOf(grid);
  std::vector<float> a = {0, 1, 2, 3, 4, 5}, b = {9, 9, 5, 6, 7, 8, 1, 2};
  Array first = Array::of({3, 2}, std::span<const float>(a));
  Array second = Array::of({4, 2}, std::span<const float>(b));
  grid->draw(0, 0, first);
  grid->draw(0, 1, second, 1);
  grid->draw(1, 1, first);
  EXPECT_EQ(show(grid->image()), (std::vector<std::string>{
                                     "01.23", //
                                     ".....", //
                                     "56.78", //
                                     ".....", //
                                     "45...", //
                                     ".....", //
                                     "12...", //
                                     ".....", //
                                     ".....", //
                                     ".....", //
                                     "01.23", //
                                     ".....", //
                                     ".....", //
                                     ".....", //
                                     "45...", //
                                 }));
}

TEST(ImageGrid, EnlargesEverything) {
  PictureOptions options;
  options.scale = 2;
  options.columns = 1;
  options.range = PixelRange{0, 510};
  auto grid = ImageGrid::create(options, {1, 2}, {0, 255}, 1, 1, 2, 2);
  ASSERT_TRUE(grid) << messageOf(grid);
  std::vector<double> values = {0, 2, 4, 6};
  grid->draw(0, 0, Array::of({2, 2}, std::span<const double>(values)));
  EXPECT_EQ(show(grid->image()),
            (std::vector<std::string>{"0011", "0011", "....", "....", "2233",
                                      "2233"}));
}

TEST(ImageGrid, ColoursInEitherOrder) {
  // Red 0 to 3, green 4 to 7, blue 8 and 9.
  std::vector<float> planes = {0, 1, 4, 5, 8, 9}, pixels = {0, 4, 8, 1, 5, 9};
  for (bool planar : {false, true}) {
    auto grid = ImageGrid::create({}, {1, 2, 3, planar}, {0, 255}, 1, 1, 1, 1);
    ASSERT_TRUE(grid) << messageOf(grid);
    EXPECT_EQ(grid->image().channels, 3);
    grid->draw(
        0, 0,
        Array::of({1, 6}, std::span<const float>(planar ? planes : pixels)));
    EXPECT_EQ(show(grid->image()), (std::vector<std::string>{"048159"}));
  }
}

TEST(ImageGrid, RefusesTooLarge) {
  PictureOptions options;
  options.file = "a.png";
  options.scale = 1000;
  EXPECT_EQ(messageOf(ImageGrid::create(options, {28, 28}, {0, 1}, 10, 1,
                                        int64_t(1) << 40, 40)),
            "-o a.png: a picture of 1159000 by 7971459301549000 pixels is "
            "larger than 1000000 on a side; choose another --count, --columns "
            "or --scale");
}
