//===- Analyse.cpp - pcx-run analyse --------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Epochs.h"
#include "pcx/Data/File.h"
#include "pcx/Experiment/Analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

using namespace pcx;
using namespace pcx::experiment;

namespace {
/// The CSV files, with numbers in the shortest form that reads back the same;
/// what there is not is empty.
struct Tables {
  std::string energy = "epoch,t,vode,energy\n";
  std::string errors = "epoch,t,vode,norm\n";
  std::string gradients = "epoch,parameter,cosine,ratio\n";
  std::string stability = "epoch,coordinates,smallest,largest,stable_rate,rate,"
                          "steps\n";

  void add(int64_t epoch, const AnalysisResult &result);
  Status write(const std::string &folder) const;
};
} // namespace

template <typename T>
static std::string cell(const std::optional<T> &value) {
  return value ? fmt::format("{}", *value) : std::string();
}

void Tables::add(int64_t epoch, const AnalysisResult &result) {
  for (const StepValue &value : result.energies)
    energy += fmt::format("{},{},{},{}\n", epoch, value.step, value.vode,
                          value.value);
  for (const StepValue &value : result.errors)
    errors += fmt::format("{},{},{},{}\n", epoch, value.step, value.vode,
                          value.value);
  for (const GradientValue &value : result.gradients)
    gradients += fmt::format("{},{},{},{}\n", epoch, value.parameter,
                             cell(value.cosine), cell(value.ratio));
  for (bool inErrors : {false, true}) {
    const auto &spectrum = inErrors ? result.errorCoordinates : result.states;
    if (!spectrum)
      continue;
    bool inUse = result.rule && inErrors == result.inErrors;
    std::optional<double> stable, rate;
    if (result.rule)
      stable = result.rule->largestStableRate(spectrum->largest);
    if (inUse)
      rate = result.rule->rate;
    stability += fmt::format(
        "{},{},{},{},{},{},{}\n", epoch, inErrors ? "errors" : "states",
        spectrum->smallest, spectrum->largest, cell(stable), cell(rate),
        inUse ? cell(result.stepsToConvergence) : std::string());
  }
}

Status Tables::write(const std::string &folder) const {
  for (auto [name, text] :
       {std::pair("energy.csv", &energy), std::pair("errors.csv", &errors),
        std::pair("gradients.csv", &gradients),
        std::pair("stability.csv", &stability)})
    if (auto status = data::writeFile(folder + "/" + name, *text); !status)
      return status;
  return success();
}

/// Vodes in their order.
static std::vector<std::string> vodesOf(const std::vector<StepValue> &values) {
  std::vector<std::string> vodes;
  for (const StepValue &value : values)
    if (std::find(vodes.begin(), vodes.end(), value.vode) == vodes.end())
      vodes.push_back(value.vode);
  return vodes;
}

static double lookUp(const std::vector<StepValue> &values,
                     const std::string &vode, int64_t step) {
  for (const StepValue &value : values)
    if (value.vode == vode && value.step == step)
      return value.value;
  return 0;
}

/// A table of steps and vodes: the first nine steps and the last.
static std::string stepTable(const std::vector<StepValue> &values,
                             int64_t steps) {
  std::vector<std::string> vodes = vodesOf(values);
  std::string text = "     t";
  for (const std::string &vode : vodes)
    text += fmt::format(" {:>11}", "@" + vode);
  text += "\n";
  for (int64_t t = 0; t <= steps; ++t) {
    if (t > 8 && t < steps)
      continue;
    text += fmt::format("  {:>4}", t);
    for (const std::string &vode : vodes)
      text += fmt::format(" {:>11.4g}", lookUp(values, vode, t));
    text += "\n";
  }
  return text;
}

/// When the error of each vode is no longer nothing.
static std::string describeFront(const AnalysisResult &result) {
  double most = 0;
  for (const StepValue &value : result.errors)
    most = std::max(most, value.value);
  std::string text;
  for (const std::string &vode : vodesOf(result.errors)) {
    std::optional<int64_t> first;
    for (const StepValue &value : result.errors)
      if (value.vode == vode && value.value > 1e-6 * most &&
          value.step < first.value_or(INT64_MAX))
        first = value.step;
    text += first ? fmt::format("  the error reaches @{} at step {}\n", vode,
                                *first)
                  : fmt::format("  the error never reaches @{}\n", vode);
  }
  return text;
}

/// How much of the way to the equilibrium plain descent goes along the slowest
/// and the fastest mode: 1 - |1 - rate eigenvalue|^T.
static std::string describeRegime(const AnalysisResult &result) {
  if (!result.inErrors || !result.rule || result.rule->momentum != 0 ||
      result.rule->heun || result.rule->nesterov || result.tracedSteps == 0 ||
      !result.inUse())
    return "";
  auto share = [&](double eigenvalue) {
    return 1 - std::pow(std::abs(1 - result.rule->rate * eigenvalue),
                        static_cast<double>(result.tracedSteps));
  };
  double slow = share(result.inUse()->smallest);
  double fast = share(result.inUse()->largest);
  if (!(slow >= 0 && fast >= 0))
    return "";
  double least = std::min(slow, fast), most = std::max(slow, fast);
  const char *regime = most < 0.1    ? "close to backpropagation"
                       : least > 0.9 ? "at the equilibrium"
                                     : "between backpropagation and the "
                                       "equilibrium";
  return fmt::format("  {} steps go {:.3g} % to {:.3g} % of the way: {}\n",
                     result.tracedSteps, 100 * least, 100 * most, regime);
}

static std::string summarise(const AnalysisResult &result, int64_t mostSteps,
                             double tolerance) {
  std::string text;
  if (result.energies.empty())
    text += "  no energies by step: the artifact has no trace of the program "
            "(`pcc --analysis --remarks` says why)\n";
  else
    text += "energy of each vode, mean over the samples\n" +
            stepTable(result.energies, result.tracedSteps);
  if (!result.errors.empty() && result.tracedSteps > 0)
    text += "norm of each error\n" +
            stepTable(result.errors, result.tracedSteps) +
            describeFront(result);
  text += "weight gradients beside backpropagation's\n";
  if (result.gradients.empty())
    text += "  none: the artifact has no comparison (`pcc --analysis "
            "--remarks` says why)\n";
  for (const GradientValue &value : result.gradients)
    text +=
        fmt::format("  {:<20} cosine {:>8}  ratio {}\n", value.parameter,
                    value.cosine ? fmt::format("{:.6f}", *value.cosine) : "-",
                    value.ratio ? fmt::format("{:.4g}", *value.ratio) : "-");
  if (!result.states && !result.errorCoordinates)
    return text + "stability\n  none: no state moves, or the artifact has no "
                  "probe (`pcc --analysis --remarks` says why)\n";
  text += "stability where inference starts\n";
  for (bool inErrors : {false, true}) {
    const auto &spectrum = inErrors ? result.errorCoordinates : result.states;
    if (!spectrum)
      continue;
    text += fmt::format("  Hessian in {}: eigenvalues {:.4g} to {:.4g}{}\n",
                        inErrors ? "errors" : "states", spectrum->smallest,
                        spectrum->largest,
                        spectrum->converged ? "" : " (not settled)");
    if (!result.rule)
      continue;
    double bound = result.rule->largestStableRate(spectrum->largest);
    if (inErrors == result.inErrors)
      text += fmt::format("  largest stable rate {:.4g}, in use {:.4g}{}\n",
                          bound, result.rule->rate,
                          result.rule->rate > bound ? ": above it" : "");
    else
      text += fmt::format("  largest stable rate {:.4g}, not in use\n", bound);
  }
  if (!result.rule)
    text += "  the program moves by a rule without such a bound\n";
  text += describeRegime(result);
  if (!result.counted)
    return text;
  if (result.stepsToConvergence)
    text += fmt::format("  steps to convergence of half of the samples "
                        "(gradient below {:.3g} of the first): {}\n",
                        tolerance, *result.stepsToConvergence);
  else
    text += fmt::format("  no convergence of half of the samples (gradient "
                        "below {:.3g} of the first) in {} steps, but of {}\n",
                        tolerance, mostSteps, result.settledSamples);
  return text;
}

Result<int> experiment::analyse(const AnalyseOptions &options,
                                const Console &console) {
  if (!options.folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.folder, error);
    if (error)
      return Error{fmt::format("--output {}: cannot make the folder: {}",
                               options.folder, error.message())};
  }
  TrainOptions run = options.train;
  run.epochs = std::max<int64_t>(options.epochs, 1);
  run.trainSubset = 0;
  // The lines of the epochs are progress here.
  Console lines = console;
  lines.out = console.err;
  lines.quiet = console.quiet || options.epochs == 0;

  Tables tables;
  std::optional<Analyser> analyser;
  auto hook = [&](const EpochView &view) -> Result<bool> {
    if (!analyser) {
      auto created = Analyser::create(view.module, view.program, view.session);
      if (!created)
        return created.error();
      analyser.emplace(std::move(*created));
    }
    bool last = view.epoch >= options.epochs;
    if (!last && view.epoch % options.every != 0)
      return true;
    if (auto status = analyser->update(view.session, view.training.data.get(),
                                       options.samples);
        !status)
      return status.error();
    auto result = analyser->analyse(options.steps, options.tolerance);
    if (!result)
      return result.error();
    tables.add(view.epoch, *result);
    // Kept up to date: a run that is stopped leaves what it has found.
    if (!options.folder.empty())
      if (auto status = tables.write(options.folder); !status)
        return status.error();
    if (last) {
      const pcx_artifact_t *info = pcx_module_info(view.module.get());
      fmt::print(
          console.out, "{} ({}) on {}: {} samples, after {} {}\n{}",
          info->model, info->programs[view.program].name, view.data,
          std::min({options.samples, view.training.samples, info->max_batch}),
          view.epoch, view.epoch == 1 ? "epoch" : "epochs",
          summarise(*result, options.steps, options.tolerance));
    }
    return !last;
  };
  return trainWith(run, lines, hook);
}
