//===- Images.h - Samples as a grid of images -------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_IMAGES_H
#define PCX_LIB_EXPERIMENT_IMAGES_H

#include "pcx/Data/Png.h"
#include "pcx/Experiment/Commands.h"

#include <span>

namespace pcx::experiment {

/// How the elements of a sample are an image.
struct ImageShape {
  int64_t height = 0, width = 0;
  int64_t channels = 1; ///< 1 or 3
  bool planar = false;  ///< one plane a channel (CxHxW), not HxWxC

  /// Where the element is that is `channel` of the pixel at (y, x).
  int64_t element(int64_t y, int64_t x, int64_t channel) const {
    return planar ? (channel * height + y) * width + x
                  : (y * width + x) * channels + channel;
  }
};

/// The image that an array of these dimensions is: HxW, HxWxC or CxHxW with one
/// or three channels; HxWxC where both fit. Nothing for any other.
std::optional<ImageShape> imageShapeOf(std::span<const int64_t> dims);

/// "28x28", "64x64x3" or "3x64x64" as imageShapeOf() understands it.
std::optional<ImageShape> parseImageShape(const std::string &text);

/// The image in a port: what `size` (--size) says; else what the port's
/// dimensions say; else those of the data's samples, if there are data; else a
/// square of grey pixels or three square planes of as many elements. `what`
/// names the values in messages. Errors: `size` has another number of elements,
/// or nothing says what the image is.
Result<ImageShape> findImageShape(const std::optional<std::string> &size,
                                  const pcx_port_t &port,
                                  std::span<const int64_t> sampleDims,
                                  const std::string &what);

/// The range that pixels of [0, 1] have behind a normalisation: (0 - mean) /
/// std to (1 - mean) / std.
PixelRange rangeOf(const Normalisation &normalisation);

/// The byte of a value: `low` is 0, `high` is 255, what lies beyond is clipped.
/// low > high makes a negative.
uint8_t pixelOf(double value, const PixelRange &range);

/// Images of one shape in a grid, with a grey line of one pixel between them,
/// then enlarged. The grid is made of strips below each other, a strip of rows
/// that belong together, such as samples and what became of them.
class ImageGrid {
public:
  /// `strips` strips of `rows` rows of `count` images. A strip with more than
  /// options.columns (else `columns`) images a row goes on below its start.
  /// Errors: more than maxImageSide pixels on a side.
  static Result<ImageGrid> create(const PictureOptions &options,
                                  const ImageShape &shape,
                                  const PixelRange &range, int64_t strips,
                                  int64_t rows, int64_t count, int64_t columns);

  /// Draws rows `first`, `first` + 1, ... of `samples` (floats, none NaN) into
  /// row `row` of strip `strip`. Places where nothing is drawn stay grey.
  void draw(int64_t strip, int64_t row, const data::Array &samples,
            int64_t first = 0);
  const data::Image &image() const { return picture; }

private:
  void drawImage(int64_t row, int64_t column, const data::Array &samples,
                 int64_t sample);

  ImageShape shape;
  PixelRange range;
  int64_t rows = 0, count = 0, columns = 0, scale = 1;
  data::Image picture;
};

/// Writes arrays with one row a sample, by the name of `options.file`: an .npz
/// with all of them, or a .png with one strip, an array a row, in `grid`.
/// Nothing without a name.
Status writeRows(
    const PictureOptions &options, std::optional<ImageGrid> &grid,
    const std::vector<std::pair<std::string, const data::Array *>> &arrays);

/// Fails unless `options.file` ends in one of `endings` (".png", ...) and can
/// be made.
Status checkPictureFile(const PictureOptions &options,
                        std::initializer_list<const char *> endings);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_IMAGES_H
