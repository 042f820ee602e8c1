//===- Reconstruct.cpp - pcx-run reconstruct ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ImageMap.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace pcx;
using namespace pcx::experiment;

/// The error of always answering with the samples' mean.
static double errorOfMean(const data::Array &samples) {
  int64_t rows = samples.rows(), width = samples.rowElements();
  std::vector<double> mean(static_cast<size_t>(width));
  for (int64_t i = 0; i < samples.elements(); ++i)
    mean[static_cast<size_t>(i % width)] +=
        samples.at(i) / static_cast<double>(rows);
  double sum = 0;
  for (int64_t i = 0; i < samples.elements(); ++i) {
    double error = samples.at(i) - mean[static_cast<size_t>(i % width)];
    sum += error * error;
  }
  return sum / static_cast<double>(samples.elements());
}

Result<int> experiment::reconstruct(const ReconstructOptions &options,
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
    auto found = findImageMap(module, name, options.output, MaskUse::Without,
                              /*alone=*/false, "");
    if (!found)
      return found.error();
    map = *found;
    return map.program;
  };
  if (auto status = prepare(options.eval, {}, choose, run); !status)
    return status.error();
  const pcx_program_t &program =
      pcx_module_info(run.module.get())->programs[map.program];
  const pcx_port_t &input = program.inputs[map.data];
  auto column = featureColumn(*run.split, input, program, run.set.name);
  if (!column)
    return column.error();
  auto samples = chosenCount(options.samples, run.binding.samples,
                             run.binding.samples, "--samples", run);
  if (!samples)
    return samples.error();
  auto count = chosenCount(picture.count, 16, *samples, "--count", run);
  if (!count)
    return count.error();
  std::optional<ImageGrid> grid;
  if (picture.file.ends_with(".png")) {
    auto shape = dataImageShape(picture, **column, input, program);
    if (!shape)
      return shape.error();
    auto made = ImageGrid::create(
        picture, *shape, dataRange(**column, input, run.normalisation),
        /*strips=*/1, /*rows=*/2, *count, /*columns=*/*count);
    if (!made)
      return made.error();
    grid = std::move(*made);
  }

  auto original = inputRows(**column, input, run.normalisation, *samples);
  if (!original)
    return original.error();
  if (auto status = checkData(*original, **column); !status)
    return status.error();
  auto reconstruction = runImageMap(map, run, run.binding, *samples);
  if (!reconstruction)
    return reconstruction.error();
  double error = meanSquaredError(*original, *reconstruction);
  double ofMean = errorOfMean(*original);

  if (auto status = writeRows(
          picture, grid,
          {{"original", &*original}, {"reconstruction", &*reconstruction}});
      !status)
    return status.error();
  if (options.eval.json) {
    nlohmann::ordered_json json;
    json["data"] = run.set.name;
    json["split"] = run.splitName;
    json["samples"] = *samples;
    json["program"] = program.name;
    json["output"] = program.outputs[map.output].name;
    json["mse"] = error;
    json["mse_mean_image"] = ofMean;
    fmt::print(console.out, "{}\n", json.dump());
    return int(ExitOk);
  }
  fmt::print(console.out,
             "{} ({}): {} samples  mean squared error {:.6g}  of the mean "
             "image {:.6g}\n",
             run.set.name, run.splitName, *samples, error, ofMean);
  return int(ExitOk);
}
