//===- Png.cpp - Pictures as PNG files ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Png.h"
#include "pcx/Data/File.h"

#include <fmt/format.h>
#include <png.h>

using namespace pcx::data;

// libpng's simplified interface keeps its longjmp to itself; that of the full
// one would pass over destructors.
Result<std::vector<std::byte>> pcx::data::formatPng(const Image &image) {
  assert(image.width >= 1 && image.width <= maxImageSide && image.height >= 1 &&
         image.height <= maxImageSide && "no size of a picture");
  assert((image.channels == 1 || image.channels == 3) && "grey or RGB");
  assert(static_cast<int64_t>(image.pixels.size()) ==
             image.height * image.width * image.channels &&
         "a byte for each channel of each pixel");
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  // Room for what does not compress at all.
  std::vector<std::byte> bytes(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&png, bytes.data(), &size,
                                 /*convert_to_8_bit=*/0, image.pixels.data(),
                                 /*row_stride=*/0, /*colormap=*/nullptr))
    return Error{fmt::format("cannot make a PNG of {}x{} pixels: {}",
                             image.width, image.height, png.message)};
  bytes.resize(size);
  return bytes;
}

Status pcx::data::writePng(const std::string &path, const Image &image) {
  auto bytes = formatPng(image);
  if (!bytes)
    return bytes.error();
  return writeFile(path, {Bytes(*bytes)});
}
