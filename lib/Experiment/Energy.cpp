//===- Energy.cpp - pcx-run energy ----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "ProgramOverData.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"
#include "pcx/Experiment/Metrics.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

using namespace pcx;
using namespace pcx::experiment;

/// Whether an output is a number a sample.
static bool isScore(const pcx_port_t &port) {
  return port.per_sample && portElements(port) == 1 &&
         !(port.flags & PCX_PORT_TRACE) &&
         (port.dtype == PCX_F32 || port.dtype == PCX_F64);
}

/// The program that was named, else the only one that has a number a sample.
static Result<uint32_t> findScoring(const Module &module,
                                    const std::optional<std::string> &name) {
  if (name)
    return findProgram(module, name, PCX_ROLE_OTHER, "--program");
  const pcx_artifact_t *info = pcx_module_info(module.get());
  std::vector<uint32_t> found;
  std::string names;
  for (uint32_t i = 0; i < info->program_count; ++i) {
    const pcx_program_t &program = info->programs[i];
    if (program.role == PCX_ROLE_TRAIN ||
        !std::any_of(program.outputs, program.outputs + program.output_count,
                     isScore))
      continue;
    names += fmt::format("{}'{}'", found.empty() ? "" : ", ", program.name);
    found.push_back(i);
  }
  if (found.empty())
    return Error{fmt::format("model '{}' has no program with a number for each "
                             "sample beside those that train; write one with "
                             "pc.free_energy and pc.output",
                             info->model)};
  if (found.size() > 1)
    return Error{fmt::format("model '{}' has several programs with a number "
                             "for each sample; choose one with --program: {}",
                             info->model, names)};
  return found.front();
}

/// The output that was named, else the only number a sample.
static Result<std::string> findScore(const pcx_program_t &program,
                                     const std::optional<std::string> &name) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < program.output_count; ++i)
    if (isScore(program.outputs[i]))
      names.push_back(program.outputs[i].name);
  if (name) {
    if (std::find(names.begin(), names.end(), *name) != names.end())
      return *name;
    return Error{fmt::format("--output {}: program '{}' has no such number for "
                             "each sample{}",
                             *name, program.name, data::suggest(*name, names))};
  }
  if (names.empty())
    return Error{fmt::format("program '{}' has no number for each sample; "
                             "write one with pc.free_energy and pc.output",
                             program.name)};
  if (names.size() > 1) {
    std::string all;
    for (const std::string &candidate : names)
      all += fmt::format("{}'{}'", all.empty() ? "" : ", ", candidate);
    return Error{fmt::format("program '{}' has several numbers for each "
                             "sample; choose one with --output: {}",
                             program.name, all)};
  }
  return names.front();
}

namespace {
/// The energies of one data set.
struct Scores {
  std::string set, split;
  std::vector<double> values;
  double mean = 0, sd = 0;
  std::optional<double> auc, quarterAuc; ///< for --against
};
} // namespace

/// Mean and standard deviation (n - 1; 0 for one sample), in two passes.
static void summarise(Scores &scores) {
  double n = static_cast<double>(scores.values.size()), sum = 0, squares = 0;
  for (double value : scores.values)
    sum += value;
  scores.mean = sum / n;
  for (double value : scores.values)
    squares += (value - scores.mean) * (value - scores.mean);
  scores.sd = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
}

/// Runs the program over one data set in a session of its own: what a program
/// carries from call to call must not leak from one set into the next.
static Result<Scores> score(const EvalOptions &options,
                            const std::optional<std::string> &outputName,
                            Normalisation &normalisation, std::string &chosen) {
  ProgramOverData run;
  if (auto status = prepare(options, {}, findScoring, run); !status)
    return status.error();
  const pcx_program_t &program =
      pcx_module_info(run.module.get())->programs[run.program];
  auto name = findScore(program, outputName);
  if (!name)
    return name.error();
  auto outputs = collectOutputs(run.session.get(), run.module, run.program,
                                run.binding, INT64_MAX, run.batch);
  if (!outputs)
    return outputs.error();
  Scores scores;
  scores.set = run.set.name;
  scores.split = run.splitName;
  for (const auto &[output, array] : *outputs)
    if (output == *name) {
      if (auto status = checkFinite(array, output, program, run.set.name);
          !status)
        return status.error();
      for (int64_t i = 0; i < array.elements(); ++i)
        scores.values.push_back(array.at(i));
    }
  summarise(scores);
  normalisation = run.normalisation;
  chosen = *name;
  return scores;
}

/// Columns set, sample, energy; numbers in the shortest form that reads back
/// the same. Sets are numbered: 0 is --data, then --against in their order.
static std::string formatCsv(const std::vector<Scores> &all,
                             const std::string &name) {
  std::string text = fmt::format("set,sample,{}\n", name);
  for (size_t set = 0; set < all.size(); ++set)
    for (size_t i = 0; i < all[set].values.size(); ++i)
      text += fmt::format("{},{},{}\n", set, i, all[set].values[i]);
  return text;
}

static Status writeScores(const std::vector<Scores> &all,
                          const std::string &name, const std::string &path) {
  if (path.ends_with(".csv"))
    return data::writeFile(path, formatCsv(all, name));
  std::vector<data::Array> arrays;
  std::vector<std::pair<std::string, const data::Array *>> named;
  arrays.reserve(all.size());
  for (const Scores &scores : all) {
    arrays.push_back(
        data::Array::of({static_cast<int64_t>(scores.values.size())},
                        std::span<const double>(scores.values)));
    named.emplace_back(named.empty() ? std::string("data")
                                     : fmt::format("against.{}", named.size()),
                       &arrays.back());
  }
  return data::writeNpz(path, named);
}

Result<int> experiment::energy(const EnergyOptions &options,
                               const Console &console) {
  if (!options.file.empty()) {
    if (!options.file.ends_with(".npz") && !options.file.ends_with(".csv"))
      return Error{fmt::format("--save {}: expected a name that ends in .npz "
                               "or .csv",
                               options.file)};
    if (auto status = checkWritable(options.file, "--save"); !status)
      return status.error();
  }
  std::vector<Scores> all;
  std::string name;
  Normalisation normalisation;
  auto first = score(options.eval, options.output, normalisation, name);
  if (!first)
    return first.error();
  all.push_back(std::move(*first));
  std::vector<double> quarter = all.front().values;
  std::sort(quarter.begin(), quarter.end());
  quarter.resize((quarter.size() + 3) / 4);
  for (const std::string &set : options.against) {
    EvalOptions other = options.eval;
    other.data.data = set;
    // What is compared must have come through the same normalisation.
    other.data.normalise = normalisation;
    Normalisation same;
    auto scores = score(other, options.output, same, name);
    if (!scores)
      return scores.error();
    scores->auc = rocAuc(all.front().values, scores->values);
    scores->quarterAuc = rocAuc(quarter, scores->values);
    all.push_back(std::move(*scores));
  }
  if (!options.file.empty())
    if (auto status = writeScores(all, name, options.file); !status)
      return status.error();
  if (options.eval.json) {
    nlohmann::ordered_json json;
    json["output"] = name;
    for (const Scores &scores : all) {
      nlohmann::ordered_json entry;
      entry["data"] = scores.set;
      entry["split"] = scores.split;
      entry["samples"] = scores.values.size();
      entry["mean"] = scores.mean;
      entry["sd"] = scores.sd;
      if (scores.auc) {
        entry["auc"] = *scores.auc;
        entry["auc_lowest_quarter"] = *scores.quarterAuc;
      }
      json["sets"].push_back(entry);
    }
    fmt::print(console.out, "{}\n", json.dump());
    return int(ExitOk);
  }
  for (const Scores &scores : all) {
    fmt::print(console.out, "{} ({}): {} samples  {} mean {:.6g}  sd {:.6g}",
               scores.set, scores.split, scores.values.size(), name,
               scores.mean, scores.sd);
    if (scores.auc)
      fmt::print(console.out, "  AUC {:.4f}  AUC of the lowest quarter {:.4f}",
                 *scores.auc, *scores.quarterAuc);
    fmt::print(console.out, "\n");
  }
  return int(ExitOk);
}
