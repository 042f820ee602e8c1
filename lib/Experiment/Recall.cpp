//===- Recall.cpp - pcx-run recall ----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ImageMap.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <numbers>

using namespace pcx;
using namespace pcx::experiment;

namespace {
/// What is shown to the program instead of the samples.
struct Shown {
  data::Array values; ///< zero where nothing is known
  data::Array known;  ///< 1 or 0; for programs with a mask
};
} // namespace

static void set(data::Array &array, int64_t index, double value) {
  if (array.dtype == data::DType::F32)
    array.as<float>()[static_cast<size_t>(index)] = static_cast<float>(value);
  else
    array.as<double>()[static_cast<size_t>(index)] = value;
}

/// Adds normal numbers of deviation `sigma`: elements 2b and 2b + 1 those of
/// block (seed, PCX_STREAM_USER, b), by Box and Muller's method.
static void addNoise(data::Array &values, double sigma, uint64_t seed) {
  auto unit = [](uint32_t low, uint32_t high) {
    uint64_t x = low | uint64_t(high) << 32;
    return static_cast<double>(x >> 11) * 0x1p-53;
  };
  for (int64_t i = 0; i < values.elements(); i += 2) {
    uint32_t words[4];
    pcx_philox(seed, PCX_STREAM_USER, static_cast<uint64_t>(i / 2), words);
    double radius = std::sqrt(-2 * std::log1p(-unit(words[0], words[1])));
    double angle = 2 * std::numbers::pi * unit(words[2], words[3]);
    set(values, i, values.at(i) + sigma * radius * std::cos(angle));
    if (i + 1 < values.elements())
      set(values, i + 1, values.at(i + 1) + sigma * radius * std::sin(angle));
  }
}

/// How many of `all` a share is, rounded.
static int64_t shareOf(double share, int64_t all) {
  return std::llround(share * static_cast<double>(all));
}

/// Hides elements: all below the upper rows of the image, or random ones,
/// others for each sample.
static Shown hide(const data::Array &original, const Corruption &corruption,
                  const std::optional<ImageShape> &shape, uint64_t seed) {
  Shown shown{original, data::Array::zeros(original.dtype, original.dims)};
  int64_t width = original.rowElements();
  std::vector<uint32_t> order(static_cast<size_t>(width));
  for (int64_t sample = 0; sample < original.rows(); ++sample) {
    std::vector<bool> known(static_cast<size_t>(width));
    if (corruption.keepTop) {
      int64_t rows = shareOf(*corruption.keepTop, shape->height);
      for (int64_t y = 0; y < rows; ++y)
        for (int64_t x = 0; x < shape->width; ++x)
          for (int64_t c = 0; c < shape->channels; ++c)
            known[static_cast<size_t>(shape->element(y, x, c))] = true;
    } else {
      pcx_permutation(seed, PCX_STREAM_USER + static_cast<uint64_t>(sample),
                      order.data(), width);
      for (int64_t i = shareOf(*corruption.mask, width); i < width; ++i)
        known[order[static_cast<size_t>(i)]] = true;
    }
    for (int64_t i = 0; i < width; ++i) {
      bool is = known[static_cast<size_t>(i)];
      set(shown.known, sample * width + i, is);
      if (!is)
        set(shown.values, sample * width + i, 0);
    }
  }
  return shown;
}

/// Which programs do: what was chosen needs a mask, or must have none.
static MaskUse useOf(const Corruption &corruption) {
  if (corruption.noise)
    return MaskUse::Without;
  return corruption.keepTop || corruption.mask ? MaskUse::With
                                               : MaskUse::Either;
}

Result<int> experiment::recall(const RecallOptions &options,
                               const Console &console) {
  const PictureOptions &picture = options.picture;
  if (!picture.file.empty())
    if (auto status = checkPictureFile(picture, {".png", ".npz"}); !status)
      return status.error();
  ImageMap map;
  ProgramOverData run;
  auto choose =
      [&](const Module &module,
          const std::optional<std::string> &name) -> Result<uint32_t> {
    auto found =
        findImageMap(module, name, options.output, useOf(options.corruption),
                     /*alone=*/true, ", or with --noise, --keep-top or --mask");
    if (!found)
      return found.error();
    map = *found;
    return map.program;
  };
  if (auto status = openProgram(options.eval, choose, run); !status)
    return status.error();
  // What was learned is what can be recalled.
  if (auto status = openSplit(options.eval, /*training=*/true, run); !status)
    return status.error();
  Corruption corruption = options.corruption;
  if (useOf(corruption) == MaskUse::Either) {
    if (map.mask)
      corruption.keepTop = 0.5;
    else
      corruption.noise = 0.2;
  }
  const pcx_program_t &program =
      pcx_module_info(run.module.get())->programs[map.program];
  const pcx_port_t &input = program.inputs[map.data];
  auto column = featureColumn(*run.split, input, program, run.set.name);
  if (!column)
    return column.error();
  auto count =
      chosenCount(picture.count, 16, (*column)->array.rows(), "--count", run);
  if (!count)
    return count.error();
  auto original = inputRows(**column, input, run.normalisation, *count);
  if (!original)
    return original.error();
  if (auto status = checkData(*original, **column); !status)
    return status.error();
  bool draws = picture.file.ends_with(".png");
  std::optional<ImageShape> shape;
  if (draws || corruption.keepTop) {
    auto found = dataImageShape(picture, **column, input, program);
    if (!found)
      return found.error();
    shape = *found;
  }
  std::optional<ImageGrid> grid;
  if (draws) {
    auto made = ImageGrid::create(
        picture, *shape, dataRange(**column, input, run.normalisation),
        /*strips=*/1, /*rows=*/3, *count, /*columns=*/*count);
    if (!made)
      return made.error();
    grid = std::move(*made);
  }

  // The program sees arrays that are normalised already.
  Shown shown;
  if (corruption.noise) {
    shown.values = *original;
    addNoise(shown.values, *corruption.noise, options.eval.seed);
  } else {
    shown = hide(*original, corruption, shape, options.eval.seed);
  }
  data::Split split;
  split.samples = *count;
  split.columns.push_back({input.name, (*column)->file, data::ColumnKind::Named,
                           shown.values, 1.0});
  if (map.mask)
    split.columns.push_back({program.inputs[*map.mask].name, "the mask",
                             data::ColumnKind::Named, shown.known, 1.0});
  auto bound = bindData(run.session.get(), run.module, run.program, split,
                        run.set.name, Normalisation());
  if (!bound)
    return bound.error();
  auto recalled = runImageMap(map, run, *bound, *count);
  if (!recalled)
    return recalled.error();
  double shownError = meanSquaredError(*original, shown.values);
  double error = meanSquaredError(*original, *recalled);

  if (auto status = writeRows(picture, grid,
                              {{"original", &*original},
                               {"shown", &shown.values},
                               {"recalled", &*recalled}});
      !status)
    return status.error();
  const char *what = corruption.noise     ? "noise"
                     : corruption.keepTop ? "keep_top"
                                          : "mask";
  double much = corruption.noise     ? *corruption.noise
                : corruption.keepTop ? *corruption.keepTop
                                     : *corruption.mask;
  if (options.eval.json) {
    nlohmann::ordered_json json;
    json["data"] = run.set.name;
    json["split"] = run.splitName;
    json["samples"] = *count;
    json["program"] = program.name;
    json["output"] = program.outputs[map.output].name;
    json[what] = much;
    json["mse_shown"] = shownError;
    json["mse"] = error;
    fmt::print(console.out, "{}\n", json.dump());
    return int(ExitOk);
  }
  fmt::print(console.out,
             "{} ({}): {} samples  {} {:g}  mean squared error shown {:.6g}  "
             "recalled {:.6g}\n",
             run.set.name, run.splitName, *count,
             corruption.keepTop ? "upper part" : what, much, shownError, error);
  return int(ExitOk);
}
