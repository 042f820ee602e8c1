//===- Train.cpp - pcx-run train ------------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Epochs.h"
#include "Inputs.h"
#include "Interrupt.h"
#include "Profile.h"
#include "Progress.h"
#include "RunState.h"
#include "pcx/Data/File.h"
#include "pcx/Experiment/Analysis.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

using namespace pcx;
using namespace pcx::experiment;

namespace {

/// One run of `pcx-run train`.
class Trainer {
public:
  Trainer(const TrainOptions &options, const Console &console,
          const EpochHook &hook)
      : options(options), console(console), hook(hook),
        progress(console.err, console.quiet) {}

  Result<int> run();

private:
  Status prepare();
  Status resume();
  Status startFresh();
  Status applyRunOptions();
  Status bindSplits();
  Status openLog();
  void prepareReports();
  void setCounters();
  Result<int> trainEpochs();
  Status runSteps(int64_t count);
  Status finishEpoch();
  Status callHook();
  void warnOfRate();
  Status save();
  Status checkFiniteParameters() const;
  Error numericError(const std::string &what) const;
  int onStep(int64_t step, const pcx_report_t *reports, uint32_t count);
  std::string shownReports() const;
  bool stopRequested() const {
    return interrupt.signal() != 0 || ended ||
           (options.maxSteps > 0 && stepsHere >= options.maxSteps);
  }
  template <typename... Args>
  void say(std::FILE *stream, fmt::format_string<Args...> text,
           Args &&...args) {
    if (console.quiet)
      return;
    progress.clear();
    fmt::print(stream, "{}\n", fmt::format(text, std::forward<Args>(args)...));
    std::fflush(stream);
  }

  const TrainOptions &options;
  const Console &console;
  const EpochHook &hook; ///< empty for none
  bool ended = false;    ///< by the hook
  ProgressBar progress;
  InterruptGuard interrupt;

  Module module;
  Session session;
  const pcx_program_t *program = nullptr;
  uint32_t programIndex = 0;
  std::optional<uint32_t> evaluator;
  data::DataSet set;
  Binding training;
  std::optional<Binding> trainSubset, test;
  RunState state;

  /// A shared scalar output of the training program.
  struct Report {
    std::string name;
    uint32_t reduce;
    bool shown; ///< made by pc.report
  };
  std::vector<Report> reports;
  /// Warnings of the training program (pc.warn) that were not yet shown.
  std::set<std::string, std::less<>> warnings;
  std::vector<uint32_t> order;
  std::ofstream log;
  std::string lastSaved; ///< "'mlp.safetensors' (epoch 2, step 10)"
  std::string notFinite; ///< reports of a step that are no numbers
  int64_t notFiniteStep = 0;
  int64_t stepsHere = 0; ///< of this invocation
  double secondsHere = 0;
  /// Since the first step of the chunk ended; 0: no two have ended yet.
  double secondsPerStep = 0;
  std::chrono::steady_clock::time_point firstTold;
  std::chrono::steady_clock::time_point chunkStart;
  int64_t chunkFirst = 0; ///< step where the running chunk began
};

} // namespace

/// The name of an option's value that contradicts a checkpoint.
template <typename T>
static Status keepOrRefuse(const std::optional<T> &given, const T &saved,
                           const char *flag, const std::string &path) {
  if (!given || *given == saved)
    return success();
  return Error{fmt::format("{} {}: the checkpoint '{}' was made with {}, and a "
                           "resumed run must continue it; leave the option "
                           "out, or start a new run with --params",
                           flag, *given, path, saved)};
}

Status Trainer::resume() {
  const std::string &path = options.resume;
  if (auto status = check(pcx_load(session.get(), path.c_str(), PCX_LOAD_ALL));
      !status)
    return status;
  auto loaded = RunState::fromLoaded(session.get(), path);
  if (!loaded)
    return loaded.error();
  state = std::move(*loaded);
  for (auto status :
       {keepOrRefuse(options.batch, state.batch, "--batch", path),
        keepOrRefuse(options.seed, state.seed, "--seed", path),
        keepOrRefuse(options.program, state.program, "--program", path),
        keepOrRefuse(options.shuffle, state.shuffle, "--shuffle", path),
        keepOrRefuse(options.dropLast, state.dropLast, "--drop-last", path)})
    if (!status)
      return status;
  if (options.epochs)
    state.epochs = *options.epochs;
  if (options.data.data)
    state.data = *options.data.data;
  if (options.data.normalise)
    state.normalise = options.data.normalise;
  if (options.data.labelOffset)
    state.labelOffset = *options.data.labelOffset;
  if (options.data.labelColumn)
    state.labelColumn = options.data.labelColumn;
  lastSaved = fmt::format("'{}'", path);
  return success();
}

Status Trainer::startFresh() {
  state.epochs = options.epochs.value_or(state.epochs);
  auto batch = chosenBatch(options.batch, module);
  if (!batch)
    return batch.error();
  state.batch = *batch;
  state.seed = options.seed.value_or(0);
  state.shuffle = options.shuffle.value_or(true);
  state.dropLast = options.dropLast.value_or(false);
  state.data = options.data.data.value_or("");
  state.normalise = options.data.normalise;
  state.labelOffset = options.data.labelOffset.value_or(0);
  state.labelColumn = options.data.labelColumn;
  auto found =
      findProgram(module, options.program, PCX_ROLE_TRAIN, "--program");
  if (!found)
    return found.error();
  state.program = pcx_module_info(module.get())->programs[*found].name;
  if (auto status = check(pcx_session_initialise(session.get(), state.seed));
      !status)
    return status;
  if (!options.params.empty())
    return loadArrays(session.get(), module, options.params,
                      LoadScope::Parameters);
  return success();
}

Status Trainer::bindSplits() {
  DataChoice choice;
  if (!state.data.empty())
    choice.data = state.data;
  choice.labelOffset = state.labelOffset;
  choice.labelColumn = state.labelColumn;
  auto opened = openChosen(choice, module, programIndex);
  if (!opened)
    return opened.error();
  set = std::move(*opened);
  state.data = set.name;
  if (set.train.samples == 0)
    return Error{fmt::format("data set '{}': expected a training split, found "
                             "the test split alone; it can be used with "
                             "`pcx-run eval`",
                             set.name)};
  choice.normalise = state.normalise;
  Normalisation normalisation = chosenNormalisation(choice, set);
  state.normalise = normalisation;
  auto bound = bindData(session.get(), module, programIndex, set.train,
                        set.name, normalisation);
  if (!bound)
    return bound.error();
  training = std::move(*bound);
  if (!options.resume.empty() && state.samples != training.samples)
    return Error{fmt::format("data set '{}': the checkpoint '{}' was made with "
                             "{} training samples, found {}",
                             set.name, options.resume, state.samples,
                             training.samples)};
  state.samples = training.samples;

  if (!evaluator)
    return success();
  if (options.trainSubset > 0) {
    auto subset = bindData(session.get(), module, *evaluator, set.train,
                           set.name, normalisation);
    if (!subset)
      return subset.error();
    trainSubset = std::move(*subset);
  }
  if (set.test.samples > 0) {
    auto held = bindData(session.get(), module, *evaluator, set.test, set.name,
                         normalisation);
    if (!held)
      return held.error();
    test = std::move(*held);
  }
  return success();
}

/// Opens the log: a new file, or on a resume the old one without the lines of
/// epochs that will be run again.
Status Trainer::openLog() {
  if (options.log.empty())
    return success();
  if (!options.resume.empty()) {
    std::string kept;
    std::ifstream old(options.log);
    for (std::string line; std::getline(old, line);) {
      auto json = nlohmann::json::parse(line, nullptr, false);
      if (json.is_object() && json.contains("epoch") &&
          json["epoch"].is_number_integer() &&
          json["epoch"].get<int64_t>() > state.epoch)
        continue;
      kept += line + "\n";
    }
    old.close();
    if (auto status = data::writeFile(options.log, kept); !status)
      return status;
    log.open(options.log, std::ios::app);
  } else {
    log.open(options.log, std::ios::trunc);
  }
  if (!log)
    return Error{fmt::format("--log {}: cannot write: {}", options.log,
                             std::strerror(errno))};
  return success();
}

void Trainer::prepareReports() {
  for (uint32_t i = 0; i < program->output_count; ++i) {
    const pcx_port_t &port = program->outputs[i];
    if (port.per_sample || portElements(port) != 1 ||
        port.flags & PCX_PORT_TRACE)
      continue;
    if (port.flags & PCX_PORT_WARNING) {
      warnings.insert(port.name);
      continue;
    }
    reports.push_back(
        {port.name, port.reduce, (port.flags & PCX_PORT_REPORT) != 0});
    state.totals.try_emplace(port.name, ReportTotal{port.reduce});
  }
}

Status Trainer::prepare() {
  for (auto [path, flag] :
       {std::pair(&options.save, "--save"), std::pair(&options.log, "--log")})
    if (!path->empty())
      if (auto status = checkWritable(*path, flag); !status)
        return status;
  if (auto status = checkProfile(options.profile); !status)
    return status;
  if (options.epochs && *options.epochs < 1)
    return Error{
        fmt::format("--epochs {}: expected 1 or more", *options.epochs)};
  if (!options.resume.empty() && !options.params.empty())
    return Error{"--resume and --params exclude each other: a checkpoint has "
                 "its own parameters"};
  if (options.saveEvery > 0 && options.save.empty())
    return Error{"--save-every: expected --save with the file to write"};

  auto loaded = loadModule(options.artifact);
  if (!loaded)
    return loaded.error();
  module = std::move(*loaded);
  auto created = createSession(module, options.threads, options.device);
  if (!created)
    return created.error();
  session = std::move(*created);
  if (auto status = options.resume.empty() ? startFresh() : resume(); !status)
    return status;
  if (auto status = setHypers(session.get(), options.set); !status)
    return status;

  auto found = findProgram(module, state.program, PCX_ROLE_TRAIN, "--program");
  if (!found)
    return found.error();
  programIndex = *found;
  program = &pcx_module_info(module.get())->programs[programIndex];
  auto judge = findProgram(module, options.evalProgram, PCX_ROLE_EVALUATE,
                           "--eval-program");
  if (judge)
    evaluator = *judge;
  else if (options.evalProgram)
    return judge.error();
  else
    say(console.err, "note: {}; no accuracy is measured",
        judge.error().message);

  if (auto status = bindSplits(); !status)
    return status;
  if (state.stepsPerEpoch() == 0)
    return Error{fmt::format("--drop-last: expected at least one batch of {}, "
                             "found {} training samples",
                             state.batch, state.samples)};
  prepareReports();
  return openLog();
}

void Trainer::setCounters() {
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  counters.seed = state.seed;
  counters.total_steps = static_cast<double>(program->weight_steps_per_call) *
                         static_cast<double>(state.stepsPerEpoch()) *
                         static_cast<double>(state.epochs);
  counters.epoch = static_cast<double>(state.epoch);
  pcx_set_counters(session.get(), &counters);
}

std::string Trainer::shownReports() const {
  std::string text;
  for (const Report &report : reports)
    if (report.shown)
      text += fmt::format("{}{} {:.6g}", text.empty() ? "" : "  ", report.name,
                          state.totals.at(report.name).value());
  return text;
}

/// Takes the reports of a finished step; non-zero to stop after it.
int Trainer::onStep(int64_t step, const pcx_report_t *values, uint32_t count) {
  int64_t position = (chunkFirst + step) * state.batch;
  int64_t n = std::min(state.batch, state.samples - position);
  for (uint32_t i = 0; i < count; ++i) {
    if (auto warning = warnings.find(std::string_view(values[i].name));
        warning != warnings.end()) {
      if (values[i].value == 0)
        continue;
      say(console.err, "pcx-run: warning: epoch {}: {}", state.epoch + 1,
          *warning);
      warnings.erase(warning);
      continue;
    }
    auto total = state.totals.find(values[i].name);
    if (total == state.totals.end())
      continue;
    total->second.add(values[i].value, n);
    if (!std::isfinite(values[i].value) &&
        (notFinite.empty() || notFiniteStep == chunkFirst + step)) {
      notFiniteStep = chunkFirst + step;
      notFinite += fmt::format("{}'{}' is {}", notFinite.empty() ? "" : ", ",
                               values[i].name, values[i].value);
    }
  }
  ++stepsHere;
  // Before the first step the data set is copied to a device.
  auto now = std::chrono::steady_clock::now();
  if (step == 0)
    firstTold = now;
  else
    secondsPerStep = std::chrono::duration<double>(now - firstTold).count() /
                     static_cast<double>(step);
  if (progress.due()) {
    double seconds =
        secondsHere + std::chrono::duration<double>(
                          std::chrono::steady_clock::now() - chunkStart)
                          .count();
    int64_t done = chunkFirst + step + 1, perEpoch = state.stepsPerEpoch();
    int64_t left = (state.epochs - state.epoch) * perEpoch - done;
    progress.update(fmt::format("epoch {}/{}", state.epoch + 1, state.epochs),
                    done, perEpoch, shownReports(),
                    seconds / static_cast<double>(stepsHere) *
                        static_cast<double>(left));
  }
  return !notFinite.empty() || stopRequested();
}

Error Trainer::numericError(const std::string &what) const {
  std::string kept = "the last good checkpoint is " + lastSaved;
  if (options.save.empty() && lastSaved.empty())
    kept = "no checkpoint was saved; pass --save to have one";
  else if (lastSaved.empty())
    kept = "no checkpoint was saved before; --save-every has earlier ones";
  std::string position =
      state.step == 0
          ? fmt::format("epoch {}", state.epoch)
          : fmt::format("step {} of epoch {}", state.step, state.epoch + 1);
  return Error{fmt::format(
      "{} after {} (batch {}, {} steps an epoch); {}; lower the rates with "
      "--set, or pass another --seed",
      what, position, state.batch, state.stepsPerEpoch(), kept)};
}

/// Runs `count` steps from the position; fewer when one asked to stop.
Status Trainer::runSteps(int64_t count) {
  pcx_steps_t steps = {};
  steps.struct_size = sizeof(steps);
  steps.batch = state.batch;
  steps.first = state.step * state.batch;
  steps.steps = count;
  steps.order = order.data();
  steps.order_count = static_cast<int64_t>(order.size());
  steps.callback = [](void *user, int64_t step, const pcx_report_t *values,
                      uint32_t reportCount) {
    return static_cast<Trainer *>(user)->onStep(step, values, reportCount);
  };
  steps.user = this;
  // A number that is none, or an interrupt, may stop later: by a step, or by as
  // many as nobody would notice.
  constexpr double mostLate = 64, lateSeconds = 0.01;
  steps.overlap = 1;
  if (secondsPerStep > 0)
    steps.overlap = static_cast<uint32_t>(
        std::clamp(lateSeconds / secondsPerStep, 1.0, mostLate));
  chunkFirst = state.step;
  int64_t done = 0;
  chunkStart = std::chrono::steady_clock::now();
  pcx_status_t status =
      pcx_run_steps(session.get(), programIndex, training.data.get(), &steps,
                    nullptr, 0, nullptr, &done);
  double seconds = std::chrono::duration<double>(
                       std::chrono::steady_clock::now() - chunkStart)
                       .count();
  state.seconds += seconds;
  secondsHere += seconds;
  state.step += done;
  if (status != PCX_OK)
    return lastError();
  if (notFinite.empty())
    return success();
  state.step = notFiniteStep + 1;
  // A program that reports each vode's energy has just said where it happened.
  if (reports.size() == 1)
    notFinite += " (a report of each vode's energy, `pc.report \"energy.h1\" = "
                 "energy(@h1)`, would say in which vode)";
  return numericError(notFinite);
}

Status Trainer::checkFiniteParameters() const {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  for (uint32_t i = 0; i < info->storage_count; ++i) {
    const pcx_storage_t &storage = info->storage[i];
    if (storage.kind != PCX_PARAMETER && storage.kind != PCX_BUFFER)
      continue;
    if (storage.dtype != PCX_F32 && storage.dtype != PCX_F64)
      continue;
    auto array = readStorage(session.get(), storage);
    if (!array)
      return array.error();
    auto allFinite = [](auto values) {
      return std::all_of(values.begin(), values.end(),
                         [](auto value) { return std::isfinite(value); });
    };
    bool good = storage.dtype == PCX_F32 ? allFinite(array->as<float>())
                                         : allFinite(array->as<double>());
    if (!good)
      return numericError(
          fmt::format("parameter '{}' is not finite", storage.name));
  }
  return success();
}

Status Trainer::save() {
  if (options.save.empty())
    return success();
  // A checkpoint with a NaN would replace a good one.
  if (auto status = checkFiniteParameters(); !status)
    return status;
  std::vector<std::string> metadata = state.metadata();
  std::vector<const char *> strings;
  for (const std::string &text : metadata)
    strings.push_back(text.c_str());
  if (auto status =
          check(pcx_save(session.get(), options.save.c_str(), strings.data(),
                         static_cast<uint32_t>(strings.size() / 2)));
      !status)
    return status;
  lastSaved = fmt::format("'{}' (after {} {} and {} {})", options.save,
                          state.epoch, state.epoch == 1 ? "epoch" : "epochs",
                          state.step, state.step == 1 ? "step" : "steps");
  return success();
}

/// Measures, prints, moves to the next epoch, saves and logs.
Status Trainer::finishEpoch() {
  std::optional<Evaluation> onTrain, onTest;
  for (auto [binding, count, result] :
       {std::tuple(&trainSubset, options.trainSubset, &onTrain),
        std::tuple(&test, INT64_MAX, &onTest)}) {
    if (!*binding)
      continue;
    auto evaluation =
        evaluate(session.get(), module, *evaluator, **binding, count,
                 pcx_module_info(module.get())->max_batch, options.prediction);
    if (!evaluation)
      return evaluation.error();
    *result = std::move(*evaluation);
  }

  nlohmann::ordered_json line;
  line["epoch"] = state.epoch + 1;
  line["steps"] = state.step;
  line["samples"] = std::min(state.samples, state.step * state.batch);
  line["seconds"] = state.seconds;
  for (const Report &report : reports)
    line[report.name] = state.totals.at(report.name).value();
  std::string text =
      fmt::format("epoch {:>{}}/{}", state.epoch + 1,
                  std::to_string(state.epochs).size(), state.epochs);
  if (std::string shown = shownReports(); !shown.empty())
    text += "  " + shown;
  if (onTrain && onTrain->accuracy) {
    line["train_accuracy"] = *onTrain->accuracy;
    line["train_accuracy_samples"] = onTrain->samples;
    text += fmt::format("  train {:.2f} %", 100 * *onTrain->accuracy);
  }
  if (onTest && onTest->accuracy) {
    line["test_accuracy"] = *onTest->accuracy;
    text += fmt::format("  test {:.2f} %", 100 * *onTest->accuracy);
  }
  if (onTest)
    for (const auto &[name, value] : onTest->reports)
      line["test_" + name] = value;
  text += fmt::format("  {:.3f} s", state.seconds);

  ++state.epoch;
  state.step = 0;
  state.seconds = 0;
  for (auto &[name, total] : state.totals)
    total = ReportTotal{total.reduce};
  setCounters();
  if (auto status = save(); !status)
    return status;
  say(console.out, "{}", text);
  if (log.is_open()) {
    log << line.dump() << std::endl;
    if (!log)
      return Error{fmt::format("--log {}: cannot write: {}", options.log,
                               std::strerror(errno))};
  }
  return success();
}

Status Trainer::callHook() {
  if (!hook)
    return success();
  progress.clear();
  auto goOn = hook(
      {module, session.get(), programIndex, training, state.data, state.epoch});
  if (!goOn)
    return goOn.error();
  ended = !*goOn;
  return success();
}

/// Says so when the first batch shows that inference will not settle: a few
/// products with the Hessian, whose largest eigenvalue they can only
/// underestimate.
void Trainer::warnOfRate() {
  if (console.quiet || !Analyser::available(module, programIndex))
    return;
  auto analyser = Analyser::create(module, programIndex, session.get());
  if (!analyser || !analyser->update(session.get(), training.data.get(),
                                     std::min<int64_t>(state.batch, 16)))
    return;
  // What is no number here stops the training with a message of its own.
  auto found = analyser->probeStability(/*products=*/12);
  if (!found)
    return;
  std::optional<double> bound = found->largestStableRate();
  // A few steps in a row, as Z-IL takes them with rate 1, go nowhere.
  if (!bound || !found->repeated || !(found->rule->rate > *bound))
    return;
  say(console.err,
      "warning: program '{}' infers with the rate {:.4g}, above the largest "
      "stable one, {:.4g} (momentum {:.4g}, largest eigenvalue {:.4g} of the "
      "Hessian in {} on the first samples); inference may diverge: lower the "
      "rate with --set",
      program->name, found->rule->rate, *bound, found->rule->momentum,
      found->inUse()->largest, found->inErrors ? "errors" : "states");
}

Result<int> Trainer::trainEpochs() {
  int64_t perEpoch = state.stepsPerEpoch();
  while (state.epoch < state.epochs && !stopRequested()) {
    setCounters();
    order.resize(static_cast<size_t>(state.samples));
    if (state.shuffle)
      pcx_permutation(state.seed,
                      PCX_STREAM_SHUFFLE + static_cast<uint64_t>(state.epoch),
                      order.data(), state.samples);
    else
      for (size_t i = 0; i < order.size(); ++i)
        order[i] = static_cast<uint32_t>(i);
    while (state.step < perEpoch && !stopRequested()) {
      int64_t count = perEpoch - state.step;
      if (options.saveEvery > 0)
        count =
            std::min(count, options.saveEvery - state.step % options.saveEvery);
      if (options.maxSteps > 0)
        count = std::min(count, options.maxSteps - stepsHere);
      // How long a step takes tells how many a device may be ahead.
      constexpr int64_t firstSteps = 16;
      if (stepsHere == 0 && isOnDevice(session.get()))
        count = std::min(count, firstSteps);
      if (auto status = runSteps(count); !status)
        return status.error();
      if (options.saveEvery > 0 && state.step < perEpoch &&
          state.step % options.saveEvery == 0)
        if (auto status = save(); !status)
          return status.error();
    }
    if (state.step < perEpoch)
      break;
    if (auto status = finishEpoch(); !status)
      return status.error();
    if (auto status = callHook(); !status)
      return status.error();
  }
  if (state.step > 0) {
    if (auto status = save(); !status)
      return status.error();
    say(console.out, "stopped after step {} of {} of epoch {}/{}  {}{}",
        state.step, perEpoch, state.epoch + 1, state.epochs, shownReports(),
        options.save.empty() ? "" : "  saved to " + options.save);
  }
  if (interrupt.signal() != 0)
    return 128 + interrupt.signal();
  return int(ExitOk);
}

Result<int> Trainer::run() {
  if (auto status = prepare(); !status)
    return status.error();
  const pcx_artifact_t *info = pcx_module_info(module.get());
  say(console.err,
      "training {} ({}) on {}: {} samples, batch {}, {} steps an epoch, {} "
      "{}, seed {}{}",
      info->model, program->name, state.data, state.samples, state.batch,
      state.stepsPerEpoch(), pcx_session_threads(session.get()),
      pcx_session_threads(session.get()) == 1 ? "thread" : "threads",
      state.seed,
      isOnDevice(session.get())
          ? fmt::format(", device {}", pcx_session_device(session.get()))
          : "");
  if (trainSubset && trainSubset->samples > options.trainSubset)
    say(console.err,
        "the training accuracy is measured on the first {} training samples",
        options.trainSubset);
  if (state.epoch >= state.epochs && state.step == 0)
    say(console.err,
        "nothing left to do: '{}' is at epoch {} of {}; pass a larger --epochs "
        "to go on",
        options.resume, state.epoch, state.epochs);
  setCounters();
  if (auto status = callHook(); !status)
    return status.error();
  if (!hook)
    warnOfRate();
  if (auto status = startProfile(session.get(), options.profile); !status)
    return status.error();
  auto code = trainEpochs();
  progress.clear();
  if (!code)
    return code;
  if (auto status =
          finishProfile(session.get(), module, options.profile, console);
      !status)
    return status.error();
  return code;
}

Result<int> experiment::train(const TrainOptions &options,
                              const Console &console) {
  return trainWith(options, console, EpochHook());
}

Result<int> experiment::trainWith(const TrainOptions &options,
                                  const Console &console,
                                  const EpochHook &hook) {
  return Trainer(options, console, hook).run();
}
