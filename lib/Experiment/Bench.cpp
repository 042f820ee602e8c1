//===- Bench.cpp - pcx-run bench ------------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Profile.h"
#include "Statistics.h"
#include "pcx/Data/File.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numbers>

using namespace pcx;
using namespace pcx::experiment;
using Json = nlohmann::ordered_json;

namespace {

/// One artifact and the program of it that is timed.
struct Contender {
  std::string path;
  std::string label; ///< "A", "B", ...
  Module module;
  uint32_t program = 0;
  data::DataSet set; ///< with --data

  const pcx_artifact_t &artifact() const {
    return *pcx_module_info(module.get());
  }
  const pcx_program_t &info() const { return artifact().programs[program]; }
};

/// A contender that runs with so many threads at a batch size.
class Runner {
public:
  static Result<Runner> create(const Contender &contender,
                               const BenchOptions &options, uint32_t threads,
                               int64_t batch);

  /// Seconds a step of a block of so many steps, from the initial parameters
  /// on, after a step that is not timed.
  Result<double> timeBlock(int64_t steps);
  /// How many steps take about so long.
  Result<int64_t> stepsIn(double seconds);
  /// False once a report was no finite number.
  bool finite() const { return allFinite; }
  /// Where it runs, with the GPU's name.
  const char *device() const { return pcx_session_device(session.get()); }
  /// What it follows there; null on the CPU.
  const pcx_device_variant_t *plan() const {
    return pcx_session_device_variant(session.get(), contender->program);
  }

private:
  Status makeUp(int64_t samples);
  Result<double> runSteps(int64_t steps);

  const Contender *contender = nullptr;
  uint64_t seed = 0;
  int64_t batch = 0;
  Session session;
  std::vector<data::Array> made;
  Binding binding;
  ResidentData madeData;
  pcx_data_t *data = nullptr;
  int64_t samples = 0;
  std::vector<uint32_t> order;
  bool allFinite = true;
};

/// What was measured of a contender in one setting.
struct Timing {
  std::vector<double> seconds; ///< a step, of each block
  int64_t steps = 0;           ///< of a block
  TimeSummary summary;
  std::optional<Work> work; ///< of a step
};

/// One number of threads and one batch size.
struct Setting {
  uint32_t threads = 0; ///< of no account to a device
  int64_t batch = 0;
  std::vector<Timing> timings; ///< of each contender
};

} // namespace

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Numbers for an input: one-hot rows for a label, else normal ones; few of
/// them are far from what a normalised data set has.
static data::Array makeUpInput(const pcx_port_t &port, int64_t rows,
                               uint64_t seed, uint64_t stream) {
  std::vector<int64_t> dims(port.dims, port.dims + port.rank);
  if (port.per_sample)
    dims.insert(dims.begin(), rows);
  data::Array array = data::Array::zeros(toDType(port.dtype), dims);
  int64_t width = portElements(port);
  bool oneHot = (port.flags & PCX_PORT_TARGET) && width > 1;
  auto draw = [&](int64_t index, uint32_t (&words)[4]) {
    pcx_philox(seed, stream, static_cast<uint64_t>(index), words);
  };
  auto fill = [&](auto values) {
    using T = std::remove_reference_t<decltype(values[0])>;
    uint32_t words[4];
    if (oneHot) {
      for (int64_t row = 0; row * width < array.elements(); ++row) {
        draw(row, words);
        values[static_cast<size_t>(row * width + words[0] % width)] = T(1);
      }
      return;
    }
    for (size_t i = 0; i < values.size(); ++i) {
      draw(static_cast<int64_t>(i), words);
      if constexpr (std::is_floating_point_v<T>) {
        // Box and Muller.
        double u = (words[0] + 0.5) / 4294967296.0;
        double v = words[1] / 4294967296.0;
        values[i] = static_cast<T>(std::sqrt(-2 * std::log(u)) *
                                   std::cos(2 * std::numbers::pi * v));
      } else {
        // A class index, perhaps.
        values[i] = static_cast<T>(words[0] & 1);
      }
    }
  };
  switch (array.dtype) {
  case data::DType::F32:
    fill(array.as<float>());
    break;
  case data::DType::F64:
    fill(array.as<double>());
    break;
  case data::DType::I32:
    fill(array.as<int32_t>());
    break;
  case data::DType::I64:
    fill(array.as<int64_t>());
    break;
  default:
    fill(array.as<uint8_t>());
  }
  return array;
}

Status Runner::makeUp(int64_t count) {
  const pcx_program_t &info = contender->info();
  std::vector<pcx_column_t> columns;
  made.reserve(info.input_count);
  for (uint32_t i = 0; i < info.input_count; ++i) {
    const pcx_port_t &port = info.inputs[i];
    made.push_back(makeUpInput(port, count, seed, PCX_STREAM_USER + 1 + i));
    pcx_column_t column = {};
    column.struct_size = sizeof(column);
    column.name = port.name;
    column.data = made.back().bytes.data();
    column.bytes = made.back().bytes.size();
    column.dtype = port.dtype;
    column.encoding = PCX_ENCODE_NONE;
    columns.push_back(column);
  }
  pcx_data_t *handle = nullptr;
  if (auto status = check(pcx_data_create(
          session.get(), contender->program, count, columns.data(),
          static_cast<uint32_t>(columns.size()), &handle));
      !status)
    return status;
  madeData.reset(handle);
  data = handle;
  samples = count;
  return success();
}

Result<Runner> Runner::create(const Contender &contender,
                              const BenchOptions &options, uint32_t threads,
                              int64_t batch) {
  Runner runner;
  runner.contender = &contender;
  runner.seed = options.seed;
  runner.batch = batch;
  auto session = createSession(contender.module, threads, options.device);
  if (!session)
    return session.error();
  runner.session = std::move(*session);
  if (auto status = setHypers(runner.session.get(), options.set); !status)
    return status.error();
  if (!options.data.data) {
    // Some batches, so that a step does not find its input in the first-level
    // cache, but no more than are quickly made.
    int64_t bytes = 1;
    for (uint32_t i = 0; i < contender.info().input_count; ++i)
      bytes += portElements(contender.info().inputs[i]) * 8 * batch;
    int64_t batches = std::clamp<int64_t>((int64_t(1) << 25) / bytes, 1, 16);
    if (auto status = runner.makeUp(batches * batch); !status)
      return status.error();
    return runner;
  }
  const data::DataSet &set = contender.set;
  const data::Split &split = set.train.samples > 0 ? set.train : set.test;
  auto bound =
      bindData(runner.session.get(), contender.module, contender.program, split,
               set.name, chosenNormalisation(options.data, set));
  if (!bound)
    return bound.error();
  runner.binding = std::move(*bound);
  runner.data = runner.binding.data.get();
  runner.samples = runner.binding.samples;
  if (runner.samples < batch)
    return Error{fmt::format("--batch {}: data set '{}' has {} samples", batch,
                             set.name, runner.samples)};
  return runner;
}

Result<double> Runner::runSteps(int64_t count) {
  // Whole batches, round and round.
  int64_t wanted = count * batch, whole = samples / batch * batch;
  for (int64_t i = static_cast<int64_t>(order.size()); i < wanted; ++i)
    order.push_back(static_cast<uint32_t>(i % whole));
  pcx_steps_t steps = {};
  steps.struct_size = sizeof(steps);
  steps.batch = batch;
  steps.steps = count;
  steps.order = order.data();
  steps.order_count = wanted;
  std::vector<pcx_report_t> reports(contender->info().output_count);
  uint32_t reportCount = 0;
  auto start = std::chrono::steady_clock::now();
  pcx_status_t status = pcx_run_steps(
      session.get(), contender->program, data, &steps, reports.data(),
      static_cast<uint32_t>(reports.size()), &reportCount, nullptr);
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  if (status != PCX_OK)
    return lastError();
  for (uint32_t i = 0; i < reportCount; ++i)
    allFinite = allFinite && std::isfinite(reports[i].value);
  return seconds;
}

Result<double> Runner::timeBlock(int64_t steps) {
  // Every block does the same: parameters that training moved may be slow to
  // compute with, or no numbers any more.
  if (auto status = check(pcx_session_initialise(session.get(), seed)); !status)
    return status.error();
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  counters.total_steps =
      static_cast<double>(contender->info().weight_steps_per_call) *
      static_cast<double>(steps + 1);
  pcx_set_counters(session.get(), &counters);
  if (auto warm = runSteps(1); !warm)
    return warm.error();
  auto seconds = runSteps(steps);
  if (!seconds)
    return seconds.error();
  return *seconds / static_cast<double>(steps);
}

Result<int64_t> Runner::stepsIn(double seconds) {
  // The order of a block has an entry a sample.
  int64_t most = std::max<int64_t>((int64_t(1) << 22) / batch, 1);
  int64_t steps = 1;
  for (;;) {
    auto each = timeBlock(steps);
    if (!each)
      return each.error();
    double took = *each * static_cast<double>(steps);
    if (took < seconds / 4 && steps < most) {
      steps = std::min(4 * steps, most);
      continue;
    }
    return std::clamp<int64_t>(std::llround(seconds / *each), 1, most);
  }
}

//===----------------------------------------------------------------------===//
// The verb
//===----------------------------------------------------------------------===//

static const char *threadsText(uint32_t threads) {
  return threads == 1 ? "thread" : "threads";
}

/// "A", ..., "Z", "A26", ...
static std::string labelOf(size_t index) {
  std::string label(1, static_cast<char>('A' + index % 26));
  return index < 26 ? label : label + std::to_string(index);
}

/// Times all contenders on all numbers of threads, with batches of one size.
/// `device` becomes where they ran.
static Result<std::vector<Setting>>
measure(const std::vector<Contender> &contenders, const BenchOptions &options,
        const std::vector<uint32_t> &threads, int64_t batch,
        const Console &console, std::string &device) {
  std::vector<Setting> settings;
  std::vector<Runner> runners;
  for (uint32_t count : threads) {
    Setting setting{count, batch, {}};
    for (const Contender &contender : contenders) {
      auto runner = Runner::create(contender, options, count, batch);
      if (!runner)
        return runner.error();
      runners.push_back(std::move(*runner));
      Timing timing;
      const pcx_variant_t *variant =
          pcx_module_variant(contender.module.get(), contender.program);
      const pcx_device_variant_t *plan = runners.back().plan();
      if (options.device == "cpu")
        timing.work = workOfCall(*variant, batch);
      else if (plan)
        timing.work = workOfCall(*plan, batch);
      device = runners.back().device();
      auto steps = options.steps ? Result<int64_t>(*options.steps)
                                 : runners.back().stepsIn(options.blockSeconds);
      if (!steps)
        return steps.error();
      timing.steps = *steps;
      setting.timings.push_back(std::move(timing));
    }
    settings.push_back(std::move(setting));
  }
  // In turn, and every other time backwards, so that none is always the one
  // after another.
  for (int64_t block = 0; block < options.blocks; ++block)
    for (size_t i = 0; i < runners.size(); ++i) {
      size_t which = block % 2 ? runners.size() - 1 - i : i;
      Timing &timing = settings[which / contenders.size()]
                           .timings[which % contenders.size()];
      auto seconds = runners[which].timeBlock(timing.steps);
      if (!seconds)
        return seconds.error();
      timing.seconds.push_back(*seconds);
    }
  for (Setting &setting : settings)
    for (Timing &timing : setting.timings)
      timing.summary = summarise(timing.seconds);
  // What the numbers are does not depend on the threads.
  for (size_t i = 0; i < contenders.size(); ++i)
    if (!runners[i].finite() && !console.quiet)
      fmt::print(console.err,
                 "pcx-run: warning: reports of program '{}' of {} were no "
                 "finite numbers at batch {}, with which times may be others; "
                 "lower the rates with --set, or pass --data\n",
                 contenders[i].info().name, contenders[i].path, batch);
  return settings;
}

static std::string formatMachine(const Processor &processor, size_t cpus,
                                 const std::vector<MachineSpeed> &speeds,
                                 double roundTrip) {
  std::string text =
      fmt::format("machine: {}, {} {}, vectors of {} f32", processor.name, cpus,
                  cpus == 1 ? "CPU" : "CPUs", processor.lanes);
  if (processor.l2Bytes)
    text += fmt::format(", L2 {} KiB", processor.l2Bytes / 1024);
  if (processor.l3Bytes)
    text += fmt::format(", L3 {} KiB", processor.l3Bytes / 1024);
  text += '\n';
  for (const MachineSpeed &speed : speeds)
    text +=
        fmt::format("  {} {}: {:.1f} GFLOP/s of FMA, {:.1f} GB/s in L2, "
                    "{:.1f} GB/s in memory\n",
                    speed.threads, threadsText(speed.threads),
                    1e-9 * speed.flops, 1e-9 * speed.l2, 1e-9 * speed.memory);
  if (roundTrip > 0)
    text += fmt::format("  round trip between two cores: {:.0f} ns\n",
                        1e9 * roundTrip);
  return text;
}

/// Times on the simulated device are those of the simulation.
static bool isSimulated(const std::string &device) { return device == "sim"; }

static std::string formatDevice(const std::string &device) {
  return fmt::format("device: {}{}\n", device,
                     isSimulated(device)
                         ? ", simulated: times are those of the simulation and "
                           "say nothing of a GPU"
                         : "");
}

/// The peak for the artifact's numbers.
static double peakOf(const Contender &contender, const MachineSpeed &speed) {
  return speed.flops / (contender.artifact().dtype == PCX_F64 ? 2 : 1);
}

static const MachineSpeed &speedOf(const std::vector<MachineSpeed> &speeds,
                                   uint32_t threads) {
  return *std::find_if(
      speeds.begin(), speeds.end(),
      [&](const MachineSpeed &speed) { return speed.threads == threads; });
}

/// The setting of a batch size with the fewest threads.
static const Setting &fewestThreads(const std::vector<Setting> &settings,
                                    int64_t batch) {
  const Setting *fewest = nullptr;
  for (const Setting &setting : settings)
    if (setting.batch == batch &&
        (!fewest || setting.threads < fewest->threads))
      fewest = &setting;
  return *fewest;
}

/// What its code is for: the CPU of the variant in use, or the device.
static std::string codeOf(const Contender &contender,
                          const std::string &device) {
  if (device != "cpu")
    return device;
  return pcx_module_variant(contender.module.get(), contender.program)->cpu;
}

static std::string formatContenders(const std::vector<Contender> &contenders,
                                    const std::string &device) {
  std::string text;
  for (const Contender &contender : contenders)
    text += fmt::format("{}: {}, program '{}' of '{}' for {}\n",
                        contender.label, contender.path, contender.info().name,
                        contender.artifact().model, codeOf(contender, device));
  return text;
}

/// How many times as fast `seconds` are as `than`, and in what.
static std::string formatRatio(const std::string &what,
                               const std::vector<double> &than,
                               const std::vector<double> &seconds,
                               uint64_t seed) {
  MedianRatio ratio = ratioOfMedians(than, seconds, seed);
  return fmt::format("{}: {:.3f} times as fast (95 %: {:.3f} to {:.3f})\n",
                     what, ratio.value, ratio.low, ratio.high);
}

/// Devices have no peak that is measured here, and no threads to choose. Of a
/// simulated one the work alone is a GPU's.
static std::string formatDeviceTimings(const std::vector<Contender> &contenders,
                                       const std::vector<Setting> &settings,
                                       const std::string &device,
                                       uint64_t seed) {
  std::string text =
      "    batch  ms a step  best quartile  spread %  MFLOP a step  MB a step  "
      "GFLOP/s     GB/s  blocks x steps\n";
  for (const Setting &setting : settings)
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Timing &timing = setting.timings[i];
      std::string flops = "-", bytes = "-", rate = "-", traffic = "-";
      if (timing.work) {
        flops = fmt::format("{:.4f}", 1e-6 * timing.work->flops);
        bytes = fmt::format("{:.4f}", 1e-6 * timing.work->bytes);
      }
      if (timing.work && !isSimulated(device)) {
        double scale = 1e-9 / timing.summary.median;
        rate = fmt::format("{:.1f}", scale * timing.work->flops);
        traffic = fmt::format("{:.1f}", scale * timing.work->bytes);
      }
      text += fmt::format(
          "{:<3}{:>6}  {:>9.4f}  {:>13.4f}  {:>8.1f}  {:>12}  {:>9}  {:>7}  "
          "{:>7}  {} x {}\n",
          contenders[i].label, setting.batch, 1e3 * timing.summary.median,
          1e3 * timing.summary.bestQuartile, 100 * timing.summary.spread, flops,
          bytes, rate, traffic, timing.seconds.size(), timing.steps);
    }
  for (size_t i = 1; i < contenders.size() && !isSimulated(device); ++i)
    for (const Setting &setting : settings)
      text += formatRatio(
          fmt::format("{} against {}, batch {}", contenders[i].label,
                      contenders[0].label, setting.batch),
          setting.timings[0].seconds, setting.timings[i].seconds, seed);
  return text;
}

static std::string formatTimings(const std::vector<Contender> &contenders,
                                 const std::vector<Setting> &settings,
                                 const std::vector<MachineSpeed> &speeds,
                                 uint64_t seed) {
  std::string text =
      "   threads  batch  ms a step  best quartile  spread %  GFLOP/s  peak "
      "%  blocks x steps\n";
  for (const Setting &setting : settings)
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Timing &timing = setting.timings[i];
      std::string rate = "-", share = "-";
      if (timing.work) {
        double flops = timing.work->flops / timing.summary.median;
        rate = fmt::format("{:.1f}", 1e-9 * flops);
        share =
            fmt::format("{:.1f}", 100 * flops /
                                      peakOf(contenders[i],
                                             speedOf(speeds, setting.threads)));
      }
      text += fmt::format(
          "{:<3}{:>7}  {:>5}  {:>9.4f}  {:>13.4f}  {:>8.1f}  {:>7}  {:>6}  {} "
          "x {}\n",
          contenders[i].label, setting.threads, setting.batch,
          1e3 * timing.summary.median, 1e3 * timing.summary.bestQuartile,
          100 * timing.summary.spread, rate, share, timing.seconds.size(),
          timing.steps);
    }
  for (size_t i = 1; i < contenders.size(); ++i)
    for (const Setting &setting : settings)
      text += formatRatio(
          fmt::format("{} against {}, {} {}, batch {}", contenders[i].label,
                      contenders[0].label, setting.threads,
                      threadsText(setting.threads), setting.batch),
          setting.timings[0].seconds, setting.timings[i].seconds, seed);
  // The same artifact on more threads, in blocks that took turns too.
  for (const Setting &setting : settings) {
    const Setting &fewest = fewestThreads(settings, setting.batch);
    for (size_t i = 0; i < contenders.size() && &setting != &fewest; ++i)
      text += formatRatio(
          fmt::format("{} on {} {} against {}, batch {}", contenders[i].label,
                      setting.threads, threadsText(setting.threads),
                      fewest.threads, setting.batch),
          fewest.timings[i].seconds, setting.timings[i].seconds, seed);
  }
  return text;
}

static Json toJson(const Processor &processor, size_t cpus,
                   const std::vector<MachineSpeed> &speeds, double roundTrip) {
  Json json;
  json["name"] = processor.name;
  json["cpus"] = cpus;
  json["lanes"] = processor.lanes;
  json["l2_bytes"] = processor.l2Bytes;
  json["l3_bytes"] = processor.l3Bytes;
  json["round_trip_seconds"] = roundTrip;
  json["speeds"] = Json::array();
  for (const MachineSpeed &speed : speeds)
    json["speeds"].push_back({{"threads", speed.threads},
                              {"flops", speed.flops},
                              {"l2_bytes_per_second", speed.l2},
                              {"memory_bytes_per_second", speed.memory}});
  return json;
}

static Json toJson(const std::vector<Contender> &contenders,
                   const std::vector<Setting> &settings, Json machine,
                   const std::vector<MachineSpeed> &speeds,
                   const std::string &device, uint64_t seed) {
  bool onCPU = device == "cpu";
  Json json;
  json["machine"] = std::move(machine);
  json["artifacts"] = Json::array();
  for (const Contender &contender : contenders)
    json["artifacts"].push_back({{"label", contender.label},
                                 {"file", contender.path},
                                 {"model", contender.artifact().model},
                                 {"program", contender.info().name},
                                 {"compiler", contender.artifact().compiler},
                                 {"options", contender.artifact().options},
                                 {"cpu", codeOf(contender, device)},
                                 {"device", device}});
  json["rows"] = Json::array();
  for (const Setting &setting : settings)
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Timing &timing = setting.timings[i];
      Json row;
      row["artifact"] = contenders[i].label;
      if (onCPU)
        row["threads"] = setting.threads;
      row["batch"] = setting.batch;
      row["steps"] = timing.steps;
      row["seconds"] = timing.seconds;
      row["median"] = timing.summary.median;
      row["best_quartile"] = timing.summary.bestQuartile;
      row["least"] = timing.summary.least;
      row["most"] = timing.summary.most;
      row["spread"] = timing.summary.spread;
      row["flops"] = timing.work ? Json(timing.work->flops) : Json(nullptr);
      row["bytes"] = timing.work ? Json(timing.work->bytes) : Json(nullptr);
      row["peak_share"] =
          timing.work && onCPU
              ? Json(timing.work->flops / timing.summary.median /
                     peakOf(contenders[i], speedOf(speeds, setting.threads)))
              : Json(nullptr);
      if (i > 0 && !isSimulated(device)) {
        MedianRatio ratio =
            ratioOfMedians(setting.timings[0].seconds, timing.seconds, seed);
        row["speedup"] = ratio.value;
        row["speedup_low"] = ratio.low;
        row["speedup_high"] = ratio.high;
      }
      const Setting &fewest = fewestThreads(settings, setting.batch);
      if (&setting != &fewest) {
        MedianRatio ratio =
            ratioOfMedians(fewest.timings[i].seconds, timing.seconds, seed);
        row["fewest_threads"] = fewest.threads;
        row["speedup_by_threads"] = ratio.value;
        row["speedup_by_threads_low"] = ratio.low;
        row["speedup_by_threads_high"] = ratio.high;
      }
      json["rows"].push_back(std::move(row));
    }
  return json;
}

Result<int> experiment::bench(const BenchOptions &options,
                              const Console &console) {
  if (!options.json.empty())
    if (auto status = checkWritable(options.json, "--json"); !status)
      return status.error();
  bool onCPU = options.device == "cpu";
  if (!onCPU && options.artifacts.empty())
    return Error{fmt::format("--device {}: the speed of the CPU alone is "
                             "measured; name an artifact to time",
                             options.device)};
  if (!onCPU && !options.threads.empty())
    return Error{fmt::format("--threads is for --device cpu: on {} programs "
                             "run with all that it has",
                             options.device)};
  size_t cpus = usableCpus().size();
  std::vector<uint32_t> threads;
  for (uint32_t count : options.threads) {
    if (count > cpus)
      return Error{fmt::format("--threads {}: expected at most {}, the CPUs "
                               "that this process may use",
                               count, cpus)};
    threads.push_back(count ? count : static_cast<uint32_t>(cpus));
  }
  if (threads.empty())
    threads.push_back(static_cast<uint32_t>(cpus));

  std::vector<Contender> contenders;
  for (const std::string &path : options.artifacts) {
    Contender &contender = contenders.emplace_back();
    contender.path = path;
    contender.label = labelOf(contenders.size() - 1);
    auto module = loadModule(path);
    if (!module)
      return module.error();
    contender.module = std::move(*module);
    auto program = findProgram(contender.module, options.program,
                               PCX_ROLE_TRAIN, "--program");
    if (!program)
      return program.error();
    contender.program = *program;
    if (options.data.data) {
      auto set = openChosen(options.data, contender.module, *program);
      if (!set)
        return set.error();
      contender.set = std::move(*set);
    }
  }
  std::vector<int64_t> batches = options.batches;
  if (batches.empty() && !contenders.empty()) {
    batches.push_back(INT64_MAX);
    for (const Contender &contender : contenders)
      batches[0] = std::min(batches[0], contender.artifact().max_batch);
  }
  for (const Contender &contender : contenders)
    for (int64_t batch : batches)
      if (auto fits = chosenBatch(batch, contender.module); !fits)
        return Error{
            fmt::format("{}: {}", contender.path, fits.error().message)};

  auto say = [&](const std::string &text) {
    if (!console.quiet)
      fmt::print(console.err, "{}\n", text);
  };
  std::vector<MachineSpeed> speeds;
  std::vector<Setting> settings;
  for (uint32_t count : threads) {
    if (onCPU &&
        std::none_of(speeds.begin(), speeds.end(),
                     [&](const MachineSpeed &s) { return s.threads == count; }))
      speeds.push_back(measureMachine(count));
  }
  std::string device = options.device;
  for (int64_t batch : batches) {
    say(fmt::format("measuring batch {}", batch));
    auto found = measure(contenders, options, threads, batch, console, device);
    if (!found)
      return found.error();
    std::move(found->begin(), found->end(), std::back_inserter(settings));
  }
  std::string text;
  Json machine;
  if (onCPU) {
    Processor processor = describeProcessor();
    double roundTrip = measureRoundTrip();
    text = formatMachine(processor, cpus, speeds, roundTrip);
    machine = toJson(processor, cpus, speeds, roundTrip);
  } else {
    text = formatDevice(device);
    machine["device"] = device;
  }
  text += formatContenders(contenders, options.device);
  if (!onCPU)
    text += formatDeviceTimings(contenders, settings, device, options.seed);
  else if (!contenders.empty())
    text += formatTimings(contenders, settings, speeds, options.seed);

  if (!console.quiet)
    fmt::print(console.out, "{}", text);
  if (!options.json.empty()) {
    Json json = toJson(contenders, settings, std::move(machine), speeds,
                       options.device, options.seed);
    if (auto status = data::writeFile(options.json, json.dump(2) + "\n");
        !status)
      return status.error();
  }
  return int(ExitOk);
}
