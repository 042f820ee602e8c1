//===- ImageMap.h - Programs from data to data of their shape ---*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_IMAGEMAP_H
#define PCX_LIB_EXPERIMENT_IMAGEMAP_H

#include "Images.h"
#include "ProgramOverData.h"

#include <functional>

namespace pcx::experiment {

/// A program that takes data and has an output of their shape: it reconstructs
/// or recalls them.
struct ImageMap {
  uint32_t program = 0;
  uint32_t data = 0;            ///< input
  std::optional<uint32_t> mask; ///< input: not zero where the data are known
  uint32_t output = 0;
};

/// What a verb wants of the mask: an input called "known" or "mask" of the
/// data's shape.
enum class MaskUse {
  Without, ///< the program has none
  With,    ///< it has one
  Either
};

/// The program called `name` or, without a name, the only one beside those that
/// train or sample with exactly one input for data, the widest one, and a mask
/// as `use` says. `alone`: there is no input beside these. Its output is the
/// one called `output` or, without a name, the only one of the data's shape.
/// `flags` are what else chooses among programs ("--noise, ..."; "" for
/// nothing). Errors name the candidates.
Result<ImageMap> findImageMap(const Module &module,
                              const std::optional<std::string> &name,
                              const std::optional<std::string> &output,
                              MaskUse use, bool alone, const char *flags);

/// The per-sample output of floats, no trace, that `fits`: the one called
/// `name`, else the only one. `what` describes it in messages, as in "output of
/// the shape of input 'image'".
Result<uint32_t>
findImageOutput(const pcx_program_t &program,
                const std::optional<std::string> &name, const std::string &what,
                const std::function<bool(const pcx_port_t &)> &fits);

/// How many samples of the split to take: what `flag` said, at most `most`,
/// else `usual` or as many as there are.
Result<int64_t> chosenCount(const std::optional<int64_t> &count, int64_t usual,
                            int64_t most, const char *flag,
                            const ProgramOverData &run);

/// Fails if rows of a column, as they are fed, hold a number that is not
/// finite.
Status checkData(const data::Array &rows, const data::Column &column);

/// Runs the map over the first `count` samples of a binding and returns its
/// output, one row a sample. Fails if a number of it is not finite.
Result<data::Array> runImageMap(const ImageMap &map, const ProgramOverData &run,
                                const Binding &binding, int64_t count);

/// The range of the values that bindData() feeds to an input: where the
/// normalisation of the column's unit, [0, 1] for images, puts its ends.
PixelRange dataRange(const data::Column &column, const pcx_port_t &port,
                     const Normalisation &normalisation);

/// The image in an input for data, from the data's own shape where it has one.
Result<ImageShape> dataImageShape(const PictureOptions &options,
                                  const data::Column &column,
                                  const pcx_port_t &port,
                                  const pcx_program_t &program);

/// Mean over all elements of (a - b)^2; both have as many.
double meanSquaredError(const data::Array &a, const data::Array &b);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_IMAGEMAP_H
