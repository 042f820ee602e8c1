//===- ReadPng.h - Reading pictures back, for tests ---------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_SUPPORT_READPNG_H
#define PCX_TEST_SUPPORT_READPNG_H

#include "pcx/Data/Png.h"

#include <gtest/gtest.h>
#include <png.h>

#include <string>

namespace pcx::test {
/// The picture in a PNG file, grey or RGB as the file has it.
inline data::Image readPng(const std::string &path) {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  data::Image image;
  if (!png_image_begin_read_from_file(&png, path.c_str())) {
    ADD_FAILURE() << path << ": " << png.message;
    return image;
  }
  image.channels = png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  image.height = png.height;
  image.width = png.width;
  image.pixels.resize(PNG_IMAGE_SIZE(png));
  EXPECT_TRUE(
      png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr))
      << png.message;
  return image;
}
} // namespace pcx::test

#endif // PCX_TEST_SUPPORT_READPNG_H
