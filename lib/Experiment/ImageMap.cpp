//===- ImageMap.cpp - Programs from data to data of their shape -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ImageMap.h"
#include "pcx/Data/Text.h"
#include "pcx/Experiment/Metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace pcx;
using namespace pcx::experiment;

static bool isImagePort(const pcx_port_t &port) {
  return port.per_sample && !(port.flags & PCX_PORT_TRACE) &&
         (port.dtype == PCX_F32 || port.dtype == PCX_F64);
}

static bool sameShape(const pcx_port_t &a, const pcx_port_t &b) {
  return std::equal(a.dims, a.dims + a.rank, b.dims, b.dims + b.rank);
}

static bool isMaskName(std::string_view name) {
  return name == "known" || name == "mask";
}

/// "'a', 'b'"
static std::string quoted(const std::vector<std::string> &names) {
  std::string out;
  for (const std::string &name : names)
    out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  return out;
}

Result<uint32_t> experiment::findImageOutput(
    const pcx_program_t &program, const std::optional<std::string> &name,
    const std::string &what,
    const std::function<bool(const pcx_port_t &)> &fits) {
  std::vector<std::string> names;
  uint32_t found = 0;
  for (uint32_t i = 0; i < program.output_count; ++i) {
    const pcx_port_t &port = program.outputs[i];
    if (!isImagePort(port) || !fits(port))
      continue;
    if (name && *name == port.name)
      return i;
    found = i;
    names.push_back(port.name);
  }
  if (names.empty())
    return Error{fmt::format("program '{}' has no {}; write one with pc.output",
                             program.name, what)};
  if (name)
    return Error{fmt::format("--output {}: program '{}' has no such {}{}",
                             *name, program.name, what,
                             data::suggest(*name, names))};
  if (names.size() > 1)
    return Error{fmt::format("program '{}' has more than one {}; choose one "
                             "with --output: {}",
                             program.name, what, quoted(names))};
  return found;
}

/// The inputs for data: of the widest inputs, no masks, those that an output
/// has the shape of. A label is narrower than the data beside it, but may be as
/// wide as a prediction.
static std::vector<uint32_t> dataInputs(const pcx_program_t &program) {
  std::vector<uint32_t> found;
  int64_t widest = 0;
  std::span outputs(program.outputs, program.output_count);
  for (uint32_t i = 0; i < program.input_count; ++i) {
    const pcx_port_t &input = program.inputs[i];
    if (!isImagePort(input) || isMaskName(input.name) ||
        portElements(input) < widest)
      continue;
    if (portElements(input) > widest)
      found.clear();
    widest = portElements(input);
    if (std::any_of(outputs.begin(), outputs.end(),
                    [&](const pcx_port_t &output) {
                      return isImagePort(output) && sameShape(output, input);
                    }))
      found.push_back(i);
  }
  return found;
}

static std::optional<uint32_t> maskInput(const pcx_program_t &program,
                                         uint32_t data) {
  for (uint32_t i = 0; i < program.input_count; ++i)
    if (isImagePort(program.inputs[i]) && isMaskName(program.inputs[i].name) &&
        sameShape(program.inputs[i], program.inputs[data]))
      return i;
  return std::nullopt;
}

/// What findImageMap() looks for, in words.
static const char *wanted(MaskUse use) {
  switch (use) {
  case MaskUse::Without:
    return "takes data, no mask, and outputs values of their shape";
  case MaskUse::With:
    return "takes data and a mask of their shape, called 'known' or 'mask', "
           "and outputs values of that shape";
  case MaskUse::Either:
    break;
  }
  return "takes data and outputs values of their shape";
}

/// The map that a program is; the message says why it is none.
static Result<ImageMap> mapOf(const pcx_program_t &program, uint32_t index,
                              MaskUse use, bool alone) {
  std::vector<uint32_t> inputs = dataInputs(program);
  if (inputs.empty())
    return Error{fmt::format("program '{}' has no input for data with an "
                             "output of the same shape",
                             program.name)};
  if (inputs.size() > 1) {
    std::vector<std::string> names;
    for (uint32_t i : inputs)
      names.push_back(program.inputs[i].name);
    return Error{fmt::format("program '{}': expected one input with an output "
                             "of the same shape, found {}",
                             program.name, quoted(names))};
  }
  ImageMap map;
  map.program = index;
  map.data = inputs.front();
  map.mask = maskInput(program, map.data);
  if ((use == MaskUse::Without && map.mask) ||
      (use == MaskUse::With && !map.mask))
    return Error{fmt::format("program '{}': expected one that {}", program.name,
                             wanted(use))};
  if (alone && program.input_count != (map.mask ? 2u : 1u)) {
    std::vector<std::string> others;
    for (uint32_t i = 0; i < program.input_count; ++i)
      if (i != map.data && map.mask != i)
        others.push_back(program.inputs[i].name);
    return Error{fmt::format("program '{}': expected no input beside the data "
                             "and a mask, found {}",
                             program.name, quoted(others))};
  }
  return map;
}

Result<ImageMap>
experiment::findImageMap(const Module &module,
                         const std::optional<std::string> &name,
                         const std::optional<std::string> &output, MaskUse use,
                         bool alone, const char *flags) {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  std::optional<ImageMap> found;
  if (name) {
    auto index = findProgram(module, name, PCX_ROLE_OTHER, "--program");
    if (!index)
      return index.error();
    auto map = mapOf(info->programs[*index], *index, use, alone);
    if (!map)
      return map.error();
    found = *map;
  } else {
    std::vector<std::string> names;
    for (uint32_t i = 0; i < info->program_count; ++i) {
      const pcx_program_t &program = info->programs[i];
      if (program.role == PCX_ROLE_TRAIN || program.role == PCX_ROLE_SAMPLE)
        continue;
      auto map = mapOf(program, i, use, alone);
      if (!map)
        continue;
      names.push_back(program.name);
      found = *map;
    }
    if (names.empty())
      return Error{fmt::format("model '{}' has no program, beside those that "
                               "train or sample, that {}",
                               info->model, wanted(use))};
    if (names.size() > 1)
      return Error{fmt::format("model '{}' has more than one program that {}; "
                               "choose one with --program{}: {}",
                               info->model, wanted(use), flags, quoted(names))};
  }
  const pcx_program_t &program = info->programs[found->program];
  const pcx_port_t &data = program.inputs[found->data];
  auto chosen = findImageOutput(
      program, output,
      fmt::format("output of the shape of input '{}' ({})", data.name,
                  portShape(data)),
      [&](const pcx_port_t &port) { return sameShape(port, data); });
  if (!chosen)
    return chosen.error();
  found->output = *chosen;
  return *found;
}

double experiment::meanSquaredError(const data::Array &a,
                                    const data::Array &b) {
  assert(a.elements() == b.elements() && a.elements() > 0);
  double sum = 0;
  for (int64_t i = 0; i < a.elements(); ++i)
    sum += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
  return sum / static_cast<double>(a.elements());
}

Result<int64_t> experiment::chosenCount(const std::optional<int64_t> &count,
                                        int64_t usual, int64_t most,
                                        const char *flag,
                                        const ProgramOverData &run) {
  if (count && *count > most)
    return Error{fmt::format("{} {}: expected at most {} samples, as many as "
                             "there are of data set '{}' ({}), found {}",
                             flag, *count, most, run.set.name, run.splitName,
                             *count)};
  return count.value_or(std::min(usual, most));
}

Status experiment::checkData(const data::Array &rows,
                             const data::Column &column) {
  for (int64_t i = 0; i < rows.elements(); ++i)
    if (!std::isfinite(rows.at(i)))
      return Error{fmt::format("{}: expected finite values, found {} in sample "
                               "{}",
                               column.file, rows.at(i),
                               i / rows.rowElements())};
  return success();
}

Result<data::Array> experiment::runImageMap(const ImageMap &map,
                                            const ProgramOverData &run,
                                            const Binding &binding,
                                            int64_t count) {
  auto outputs = collectOutputs(run.session.get(), run.module, map.program,
                                binding, count, run.batch);
  if (!outputs)
    return outputs.error();
  const pcx_program_t &program =
      pcx_module_info(run.module.get())->programs[map.program];
  std::string name = program.outputs[map.output].name;
  data::Array &rows =
      std::find_if(outputs->begin(), outputs->end(), [&](const auto &output) {
        return output.first == name;
      })->second;
  if (auto status = checkFinite(rows, name, program, run.set.name); !status)
    return status.error();
  return std::move(rows);
}

PixelRange experiment::dataRange(const data::Column &column,
                                 const pcx_port_t &port,
                                 const Normalisation &normalisation) {
  Affine affine = columnAffine(column, port, normalisation);
  // Targets are fed in the file's own unit, bytes among them.
  double one = affine.scale / column.scale;
  return {(0 - affine.mean) / affine.std, (one - affine.mean) / affine.std};
}

Result<ImageShape> experiment::dataImageShape(const PictureOptions &options,
                                              const data::Column &column,
                                              const pcx_port_t &port,
                                              const pcx_program_t &program) {
  std::span<const int64_t> dims(column.array.dims);
  return findImageShape(
      options.size, port, dims.empty() ? dims : dims.subspan(1),
      fmt::format("input '{}' of program '{}'", port.name, program.name));
}
