//===- Png.h - Pictures as PNG files ----------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_PNG_H
#define PCX_DATA_PNG_H

#include "pcx/Data/Result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pcx::data {

/// A picture of 8-bit samples.
struct Image {
  int64_t height = 0, width = 0;
  int64_t channels = 1; ///< 1: grey; 3: red, green, blue
  /// height x width x channels, row major; 0 is black.
  std::vector<uint8_t> pixels;
};

/// The largest width and height of an Image: what libpng writes and reads
/// unless it is told otherwise.
inline constexpr int64_t maxImageSide = 1000000;

/// The bytes of a PNG file; equal pictures have equal bytes. Width and height
/// are 1 to maxImageSide. Errors: what libpng says (out of memory, above
/// 4 GiB).
Result<std::vector<std::byte>> formatPng(const Image &image);
/// Writes it (a temporary, then renamed). Errors also: unwritable path, full
/// disk.
Status writePng(const std::string &path, const Image &image);

} // namespace pcx::data

#endif // PCX_DATA_PNG_H
