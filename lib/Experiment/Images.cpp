//===- Images.cpp - Samples as a grid of images ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Images.h"
#include "Inputs.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace pcx;
using namespace pcx::experiment;

/// Of the line between images and of places without one.
static constexpr uint8_t background = 128;

static bool areChannels(int64_t count) { return count == 1 || count == 3; }

std::optional<ImageShape>
experiment::imageShapeOf(std::span<const int64_t> dims) {
  if (std::any_of(dims.begin(), dims.end(), [](int64_t d) { return d < 1; }))
    return std::nullopt;
  if (dims.size() == 2)
    return ImageShape{dims[0], dims[1]};
  if (dims.size() == 3 && areChannels(dims[2]))
    return ImageShape{dims[0], dims[1], dims[2]};
  if (dims.size() == 3 && areChannels(dims[0]))
    return ImageShape{dims[1], dims[2], dims[0], true};
  return std::nullopt;
}

std::optional<ImageShape> experiment::parseImageShape(const std::string &text) {
  std::vector<int64_t> dims;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('x', begin), text.size());
    auto size =
        data::parseInteger(std::string_view(text).substr(begin, end - begin));
    // The bound keeps products of three within 64 bits.
    if (!size || *size < 1 || *size > data::maxImageSide)
      return std::nullopt;
    dims.push_back(*size);
    begin = end + 1;
  }
  return imageShapeOf(dims);
}

/// The whole square root, if there is one.
static std::optional<int64_t> exactRoot(int64_t square) {
  int64_t root = std::llround(std::sqrt(static_cast<double>(square)));
  if (root * root == square)
    return root;
  return std::nullopt;
}

Result<ImageShape> experiment::findImageShape(
    const std::optional<std::string> &size, const pcx_port_t &port,
    std::span<const int64_t> sampleDims, const std::string &what) {
  int64_t elements = portElements(port);
  auto fits = [&](const std::optional<ImageShape> &shape) {
    return shape && shape->height * shape->width * shape->channels == elements;
  };
  if (size) {
    auto shape = parseImageShape(*size);
    assert(shape && "the command line has checked it");
    if (!fits(shape))
      return Error{fmt::format("--size {}: expected {} values, as many as {} "
                               "has, found {}",
                               *size, elements, what,
                               shape->height * shape->width * shape->channels)};
    return *shape;
  }
  if (auto shape = imageShapeOf(std::span(port.dims, port.rank)); fits(shape))
    return *shape;
  if (auto shape = imageShapeOf(sampleDims); fits(shape))
    return *shape;
  if (auto side = exactRoot(elements))
    return ImageShape{*side, *side};
  if (elements % 3 == 0)
    if (auto side = exactRoot(elements / 3))
      return ImageShape{*side, *side, 3, true};
  return Error{fmt::format("{} ({}) has {} values, which are no square image, "
                           "grey or of three planes; pass --size HxW, HxWxC or "
                           "CxHxW",
                           what, portShape(port), elements)};
}

PixelRange experiment::rangeOf(const Normalisation &normalisation) {
  return {(0 - normalisation.mean) / normalisation.std,
          (1 - normalisation.mean) / normalisation.std};
}

uint8_t experiment::pixelOf(double value, const PixelRange &range) {
  double share = (value - range.low) / (range.high - range.low);
  return static_cast<uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0)));
}

Result<ImageGrid> ImageGrid::create(const PictureOptions &options,
                                    const ImageShape &shape,
                                    const PixelRange &range, int64_t strips,
                                    int64_t rows, int64_t count,
                                    int64_t columns) {
  ImageGrid grid;
  grid.shape = shape;
  grid.range = options.range.value_or(range);
  grid.rows = rows;
  grid.count = count;
  grid.columns = std::min(options.columns.value_or(columns), count);
  grid.scale = options.scale;
  // In doubles: the products may be anything.
  auto side = [&](double images, int64_t length) {
    return (images * static_cast<double>(length + 1) - 1) *
           static_cast<double>(grid.scale);
  };
  double height = side(static_cast<double>(strips * rows) *
                           std::ceil(static_cast<double>(count) /
                                     static_cast<double>(grid.columns)),
                       shape.height);
  double width = side(static_cast<double>(grid.columns), shape.width);
  if (height > static_cast<double>(data::maxImageSide) ||
      width > static_cast<double>(data::maxImageSide))
    return Error{fmt::format("-o {}: a picture of {:.0f} by {:.0f} pixels is "
                             "larger than {} on a side; choose another "
                             "--count, --columns or --scale",
                             options.file, width, height, data::maxImageSide)};
  grid.picture.height = static_cast<int64_t>(height);
  grid.picture.width = static_cast<int64_t>(width);
  grid.picture.channels = shape.channels;
  grid.picture.pixels.assign(
      static_cast<size_t>(grid.picture.height * grid.picture.width *
                          shape.channels),
      background);
  return grid;
}

void ImageGrid::draw(int64_t strip, int64_t row, const data::Array &samples,
                     int64_t first) {
  int64_t blocks = (count + columns - 1) / columns;
  for (int64_t i = 0; i < count; ++i)
    drawImage((strip * blocks + i / columns) * rows + row, i % columns, samples,
              first + i);
}

void ImageGrid::drawImage(int64_t row, int64_t column,
                          const data::Array &samples, int64_t sample) {
  int64_t first = sample * shape.height * shape.width * shape.channels;
  int64_t top = row * (shape.height + 1) * scale;
  int64_t left = column * (shape.width + 1) * scale;
  for (int64_t y = 0; y < shape.height * scale; ++y)
    for (int64_t x = 0; x < shape.width * scale; ++x)
      for (int64_t c = 0; c < shape.channels; ++c) {
        int64_t to =
            ((top + y) * picture.width + left + x) * shape.channels + c;
        picture.pixels[static_cast<size_t>(to)] = pixelOf(
            samples.at(first + shape.element(y / scale, x / scale, c)), range);
      }
}

Status experiment::writeRows(
    const PictureOptions &options, std::optional<ImageGrid> &grid,
    const std::vector<std::pair<std::string, const data::Array *>> &arrays) {
  if (options.file.empty())
    return success();
  if (options.file.ends_with(".npz"))
    return data::writeNpz(options.file, arrays);
  assert(grid && "a picture needs its grid");
  for (size_t row = 0; row < arrays.size(); ++row)
    grid->draw(0, static_cast<int64_t>(row), *arrays[row].second);
  return data::writePng(options.file, grid->image());
}

Status
experiment::checkPictureFile(const PictureOptions &options,
                             std::initializer_list<const char *> endings) {
  std::string names;
  for (const char *ending : endings) {
    if (options.file.ends_with(ending))
      return checkWritable(options.file, "-o");
    names += fmt::format("{}{}", names.empty() ? "" : " or ", ending);
  }
  return Error{fmt::format("-o {}: expected a name that ends in {}",
                           options.file, names)};
}
