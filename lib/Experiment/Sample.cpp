//===- Sample.cpp - pcx-run sample ----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ImageMap.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"
#include "pcx/Experiment/Metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace pcx;
using namespace pcx::experiment;

/// The program's input for a class, if it has one; there may be no other.
static Result<const pcx_port_t *> findLabel(const pcx_program_t &program) {
  if (program.input_count == 0)
    return static_cast<const pcx_port_t *>(nullptr);
  const pcx_port_t &port = program.inputs[0];
  if (program.input_count == 1 && port.per_sample &&
      (port.dtype == PCX_F32 || port.dtype == PCX_F64))
    return &port;
  std::string names;
  for (uint32_t i = 0; i < program.input_count; ++i)
    names += fmt::format("{}'{}' ({})", names.empty() ? "" : ", ",
                         program.inputs[i].name, portShape(program.inputs[i]));
  return Error{fmt::format("program '{}': expected one input at most, a label, "
                           "found {}; `pcx-run predict --input` runs it on "
                           "arrays",
                           program.name, names)};
}

/// The classes to sample, in their order; empty for a program without labels.
static Result<std::vector<int64_t>> chosenClasses(const SampleOptions &options,
                                                  const pcx_program_t &program,
                                                  const pcx_port_t *label) {
  std::vector<int64_t> classes;
  if (!label) {
    if (!options.labels.empty())
      return Error{fmt::format("--label {}: program '{}' takes no label",
                               options.labels.front(), program.name)};
    return classes;
  }
  // One-hot, or the number itself where there is but one element.
  int64_t width = portElements(*label);
  bool number = width == 1;
  std::string expected =
      number ? fmt::format("expected a whole number for input '{}' of program "
                           "'{}'",
                           label->name, program.name)
             : fmt::format("expected 0 to {} or all, as wide as input '{}' of "
                           "program '{}'",
                           width - 1, label->name, program.name);
  if (options.labels.empty())
    return Error{fmt::format("program '{}' takes a label; pass --label: {}",
                             program.name, expected)};
  for (const std::string &text : options.labels) {
    if (text == "all" && !number) {
      for (int64_t i = 0; i < width; ++i)
        classes.push_back(i);
      continue;
    }
    auto value = data::parseInteger(text);
    if (!value || (!number && (*value < 0 || *value >= width)))
      return Error{fmt::format("--label {}: {}", text, expected)};
    classes.push_back(*value);
  }
  return classes;
}

/// Rows of numbers in the shortest form that reads back the same, behind their
/// class if they have one.
static std::string formatCsv(const std::string &name, const data::Array &rows,
                             const std::vector<int64_t> &classes) {
  std::string text = classes.empty() ? "" : "label,";
  int64_t width = rows.rowElements();
  for (int64_t i = 0; i < width; ++i)
    text += fmt::format("{}{}{}", i ? "," : "", name,
                        width > 1 ? fmt::format(".{}", i) : "");
  text += '\n';
  for (int64_t row = 0; row < rows.rows(); ++row) {
    if (!classes.empty())
      text += fmt::format("{},", classes[static_cast<size_t>(row)]);
    for (int64_t i = 0; i < width; ++i) {
      double value = rows.at(row * width + i);
      text += i ? "," : "";
      text += rows.dtype == data::DType::F32
                  ? fmt::format("{}", static_cast<float>(value))
                  : fmt::format("{}", value);
    }
    text += '\n';
  }
  return text;
}

/// Runs the program for rows of classes (or just `total` rows) in batches. A
/// draw depends on the seed, the number of the call and the place in the batch,
/// so all samples differ.
static Result<data::Array> draw(ProgramOverData &run,
                                const pcx_program_t &program,
                                const pcx_port_t *label, uint32_t output,
                                const std::vector<int64_t> &classes,
                                int64_t total, uint64_t seed) {
  const pcx_port_t &port = program.outputs[output];
  std::vector<int64_t> dims = {total};
  dims.insert(dims.end(), port.dims, port.dims + port.rank);
  data::Array rows = data::Array::zeros(toDType(port.dtype), dims);
  pcx_counters_t counters;
  pcx_get_counters(run.session.get(), &counters);
  counters.seed = seed;
  counters.call = 0;
  pcx_set_counters(run.session.get(), &counters);
  std::vector<pcx_array_t> outputs(program.output_count);
  for (uint32_t i = 0; i < program.output_count; ++i)
    outputs[i].dtype = program.outputs[i].dtype;
  size_t rowBytes = rows.bytes.size() / static_cast<size_t>(total);
  for (int64_t first = 0; first < total; first += run.batch) {
    int64_t n = std::min(run.batch, total - first);
    outputs[output].data =
        rows.bytes.data() + static_cast<size_t>(first) * rowBytes;
    outputs[output].bytes = static_cast<size_t>(n) * rowBytes;
    pcx_array_t input = {};
    data::Array oneHot;
    if (label) {
      data::Array indices = data::Array::zeros(data::DType::I64, {n});
      std::copy_n(classes.begin() + first, n, indices.as<int64_t>().begin());
      auto dense = denseInput({label->name, "--label", data::ColumnKind::Labels,
                               std::move(indices), 1.0},
                              *label);
      if (!dense)
        return dense.error();
      oneHot = std::move(*dense);
      input = {oneHot.bytes.data(), oneHot.bytes.size(), label->dtype};
    }
    if (auto status = check(pcx_run(run.session.get(), run.program, n, &input,
                                    program.input_count, outputs.data(),
                                    program.output_count));
        !status)
      return status.error();
  }
  return rows;
}

/// The grid of `groups` rows of `count` samples.
static Result<ImageGrid> makeGrid(const PictureOptions &picture,
                                  const DataChoice &choice,
                                  const pcx_program_t &program,
                                  const pcx_port_t &port, int64_t groups,
                                  int64_t count, bool classes) {
  auto shape = findImageShape(
      picture.size, port, {},
      fmt::format("output '{}' of program '{}'", port.name, program.name));
  if (!shape)
    return shape.error();
  if (!picture.range && !choice.normalise)
    return Error{fmt::format(
        "-o {}: nothing says which values are black and white: pass "
        "--normalise MEAN,STD as in training, a checkpoint, which knows it, or "
        "--range LOW,HIGH",
        picture.file)};
  PixelRange range =
      picture.range ? *picture.range : rangeOf(*choice.normalise);
  // Without classes about as many rows as columns.
  double side = std::ceil(std::sqrt(static_cast<double>(count)));
  return ImageGrid::create(picture, *shape, range, groups, /*rows=*/1, count,
                           classes ? count : static_cast<int64_t>(side));
}

Result<int> experiment::sample(const SampleOptions &options,
                               const Console &console) {
  const PictureOptions &picture = options.picture;
  if (auto status = checkPictureFile(picture, {".png", ".npz", ".csv"});
      !status)
    return status.error();
  ProgramOverData run;
  auto choose = [](const Module &module,
                   const std::optional<std::string> &name) {
    return findProgram(module, name, PCX_ROLE_SAMPLE, "--program");
  };
  if (auto status = openProgram(options.eval, choose, run); !status)
    return status.error();
  const pcx_program_t &program =
      pcx_module_info(run.module.get())->programs[run.program];
  auto label = findLabel(program);
  if (!label)
    return label.error();
  auto chosen = chosenClasses(options, program, *label);
  if (!chosen)
    return chosen.error();
  auto output =
      findImageOutput(program, options.output, "output of numbers a sample",
                      [](const pcx_port_t &) { return true; });
  if (!output)
    return output.error();
  const pcx_port_t &port = program.outputs[*output];
  // One row of `count` samples for each class.
  int64_t count = picture.count.value_or(16);
  int64_t groups = std::max<int64_t>(1, static_cast<int64_t>(chosen->size()));
  int64_t total;
  if (__builtin_mul_overflow(count, groups, &total) ||
      total > INT64_MAX / (8 * portElements(port)))
    return Error{fmt::format("--count {}: too many samples", count)};
  std::optional<ImageGrid> grid;
  if (picture.file.ends_with(".png")) {
    auto made = makeGrid(picture, run.choice, program, port, groups, count,
                         /*classes=*/*label != nullptr);
    if (!made)
      return made.error();
    grid = std::move(*made);
  }

  std::vector<int64_t> classes;
  for (int64_t value : *chosen)
    classes.insert(classes.end(), static_cast<size_t>(count), value);
  auto rows =
      draw(run, program, *label, *output, classes, total, options.eval.seed);
  if (!rows)
    return rows.error();
  if (auto status = checkFinite(*rows, port.name, program, ""); !status)
    return status.error();

  Status written = success();
  if (grid) {
    for (int64_t group = 0; group < groups; ++group)
      grid->draw(group, 0, *rows, group * count);
    written = data::writePng(picture.file, grid->image());
  } else if (picture.file.ends_with(".npz")) {
    data::Array indices = data::Array::zeros(
        data::DType::I64, {static_cast<int64_t>(classes.size())});
    std::copy(classes.begin(), classes.end(), indices.as<int64_t>().begin());
    std::vector<std::pair<std::string, const data::Array *>> arrays = {
        {port.name, &*rows}};
    if (*label)
      arrays.emplace_back(
          std::string_view(port.name) == "label" ? "class" : "label", &indices);
    written = data::writeNpz(picture.file, arrays);
  } else {
    written =
        data::writeFile(picture.file, formatCsv(port.name, *rows, classes));
  }
  if (!written)
    return written.error();
  if (!console.quiet)
    fmt::print(console.err, "wrote {} {} of '{}' to {}\n", total,
               total == 1 ? "sample" : "samples", program.name, picture.file);
  return int(ExitOk);
}
