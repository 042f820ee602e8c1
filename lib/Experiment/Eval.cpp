//===- Eval.cpp - pcx-run eval and predict --------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Profile.h"
#include "ProgramOverData.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Npy.h"
#include "pcx/Experiment/Metrics.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace pcx;
using namespace pcx::experiment;

/// The program that was named, else the one that evaluates.
static Result<uint32_t> findEvaluating(const Module &module,
                                       const std::optional<std::string> &name) {
  return findProgram(module, name, PCX_ROLE_EVALUATE, "--program");
}

Result<int> experiment::eval(const EvalOptions &options,
                             const Console &console) {
  if (auto status = checkProfile(options.profile); !status)
    return status.error();
  ProgramOverData judged;
  if (auto status = prepare(options, {}, findEvaluating, judged); !status)
    return status.error();
  if (auto status = startProfile(judged.session.get(), options.profile);
      !status)
    return status.error();
  auto result =
      evaluate(judged.session.get(), judged.module, judged.program,
               judged.binding, INT64_MAX, judged.batch, options.prediction);
  if (!result)
    return result.error();
  if (auto status = finishProfile(judged.session.get(), judged.module,
                                  options.profile, console);
      !status)
    return status.error();
  if (options.json) {
    nlohmann::ordered_json json;
    json["data"] = judged.set.name;
    json["split"] = judged.splitName;
    json["samples"] = result->samples;
    if (result->accuracy)
      json["accuracy"] = *result->accuracy;
    for (const auto &[name, value] : result->reports)
      json[name] = value;
    fmt::print(console.out, "{}\n", json.dump());
    return int(ExitOk);
  }
  fmt::print(console.out, "{} ({}): {} samples", judged.set.name,
             judged.splitName, result->samples);
  if (result->accuracy)
    fmt::print(console.out, "  accuracy {:.2f} %", 100 * *result->accuracy);
  for (const auto &[name, value] : result->reports)
    fmt::print(console.out, "  {} {:.6g}", name, value);
  fmt::print(console.out, "\n");
  return int(ExitOk);
}

/// Rows of numbers in the shortest form that reads back the same, with the
/// argmax in front where there is more than one column.
static std::string formatCsv(const std::string &name,
                             const data::Array &array) {
  int64_t columns = array.rowElements();
  bool classes = columns > 1 && (array.dtype == data::DType::F32 ||
                                 array.dtype == data::DType::F64);
  std::string text = classes ? "class" : "";
  for (int64_t column = 0; column < columns; ++column)
    text += fmt::format("{}{}{}", text.empty() ? "" : ",", name,
                        columns > 1 ? "." + std::to_string(column) : "");
  text += '\n';
  std::vector<int32_t> argmax;
  if (classes)
    argmax = rowArgmax(array);
  for (int64_t row = 0; row < array.rows(); ++row) {
    if (classes)
      text += fmt::format("{}", argmax[static_cast<size_t>(row)]);
    for (int64_t column = 0; column < columns; ++column) {
      if (classes || column > 0)
        text += ',';
      int64_t at = row * columns + column;
      if (array.dtype == data::DType::F32)
        text += fmt::format("{}", array.as<float>()[static_cast<size_t>(at)]);
      else
        text += fmt::format("{}", array.at(at));
    }
    text += '\n';
  }
  return text;
}

Result<int> experiment::predict(const PredictOptions &options,
                                const Console &console) {
  const std::string &path = options.output;
  bool npz = path.ends_with(".npz"), npy = path.ends_with(".npy");
  if (!npz && !npy && !path.ends_with(".csv"))
    return Error{fmt::format("--output {}: expected a name that ends in .npz, "
                             ".npy or .csv",
                             path)};
  if (auto status = checkWritable(path, "--output"); !status)
    return status.error();
  const ProfileOptions &profile = options.eval.profile;
  if (auto status = checkProfile(profile); !status)
    return status.error();
  if (!options.inputs.empty() && (options.eval.data.data || options.eval.split))
    return Error{"--input and --data exclude each other"};
  ProgramOverData judged;
  if (auto status =
          prepare(options.eval, options.inputs, findEvaluating, judged);
      !status)
    return status.error();
  if (auto status = startProfile(judged.session.get(), profile); !status)
    return status.error();
  auto outputs =
      collectOutputs(judged.session.get(), judged.module, judged.program,
                     judged.binding, INT64_MAX, judged.batch);
  if (!outputs)
    return outputs.error();
  if (auto status =
          finishProfile(judged.session.get(), judged.module, profile, console);
      !status)
    return status.error();
  const pcx_program_t &info =
      pcx_module_info(judged.module.get())->programs[judged.program];
  if (outputs->empty())
    return Error{
        fmt::format("program '{}' has no output for each sample", info.name)};
  Status written = success();
  if (npz) {
    std::vector<std::pair<std::string, const data::Array *>> arrays;
    for (const auto &[name, array] : *outputs)
      arrays.emplace_back(name, &array);
    written = data::writeNpz(path, arrays);
  } else {
    // One array: the prediction.
    auto prediction = findPrediction(judged.module, judged.program,
                                     options.eval.prediction, 0);
    if (!prediction)
      return prediction.error();
    const auto *chosen = &outputs->front();
    if (*prediction)
      for (const auto &output : *outputs)
        if (output.first == info.outputs[**prediction].name)
          chosen = &output;
    written =
        npy ? data::writeNpy(path, chosen->second)
            : data::writeFile(path, formatCsv(chosen->first, chosen->second));
  }
  if (!written)
    return written.error();
  if (!console.quiet)
    fmt::print(console.err, "wrote {} samples to {}\n", judged.binding.samples,
               path);
  return int(ExitOk);
}
