//===- Profile.cpp - Time of stages and kernels, shown --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "Inputs.h"
#include "pcx/Data/File.h"
#include "pcx/Support/Descriptors.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <numeric>

using namespace pcx;
using namespace pcx::experiment;

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

Work experiment::workOf(const pcx_kernel_info_t &kernel, int64_t batch) {
  double n = static_cast<double>(batch);
  return {kernel.flops_base + n * kernel.flops_per_sample,
          kernel.bytes_base + n * kernel.bytes_per_sample};
}

std::optional<Work> experiment::workOfCall(const pcx_variant_t &variant,
                                           int64_t batch) {
  if (variant.stage_count == 0)
    return std::nullopt;
  Work sum;
  for (uint32_t s = 0; s < variant.stage_count; ++s) {
    const pcx_stage_info_t &stage = variant.stages[s];
    // The same work in another form.
    if (stage.runs < 0)
      continue;
    for (uint32_t u = 0; u < stage.use_count; ++u) {
      double calls = stage.runs * stage.uses[u].calls;
      if (calls == 0)
        return std::nullopt;
      Work work = workOf(variant.kernels[stage.uses[u].kernel], batch);
      sum.flops += calls * work.flops;
      sum.bytes += calls * work.bytes;
    }
  }
  return sum;
}

std::vector<std::string>
experiment::launchNames(const pcx_device_variant_t &variant) {
  std::vector<std::string> names;
  for (uint32_t l = 0; l < variant.launch_count; ++l) {
    names.emplace_back(variant.launches[l].kernel);
    if (sharesKernel(variant, l))
      names.back() += fmt::format(" #{}", l);
  }
  names.push_back(PCX_GATHER_SYMBOL);
  return names;
}

std::optional<Work> experiment::workOfCall(const pcx_device_variant_t &variant,
                                           int64_t batch) {
  Work sum;
  bool some = false;
  for (uint32_t l = 0; l < variant.launch_count; ++l) {
    const pcx_launch_t &launch = variant.launches[l];
    for (uint32_t u = 0; u < launch.use_count; ++u) {
      double calls = launch.runs * launch.uses[u].calls;
      if (calls == 0)
        return std::nullopt;
      some = true;
      Work work = workOf(variant.kernels[launch.uses[u].kernel], batch);
      sum.flops += calls * work.flops;
      sum.bytes += calls * work.bytes;
    }
  }
  return some ? std::optional(sum) : std::nullopt;
}

namespace {
/// What the machine allows one worker.
struct Limits {
  double flops, l2, memory; ///< a second
  double l2Bytes;

  Limits(const MachineSpeed &speed, uint64_t l2Bytes, bool f64)
      : flops(speed.flops / speed.threads / (f64 ? 2 : 1)),
        l2(speed.l2 / speed.threads), memory(speed.memory / speed.threads),
        l2Bytes(static_cast<double>(l2Bytes)) {}

  /// The least seconds of a worker for one call of a kernel. Blocks of samples
  /// are cut to fit the second-level cache; other kernels stay in it if all of
  /// their arrays do.
  double seconds(const pcx_kernel_info_t &kernel, double flops,
                 double bytes) const {
    bool cached = kernel.rows == 0 || bytes <= l2Bytes;
    return std::max(flops / this->flops, bytes / (cached ? l2 : memory));
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

/// "12.3", "-" where there is nothing to divide by.
static std::string ratio(double value, double by, double scale, int digits) {
  if (!(by > 0) || !(value >= 0))
    return "-";
  return fmt::format("{:.{}f}", scale * value / by, digits);
}

namespace {
/// Rows of cells, the first column to the left and the others to the right.
struct Table {
  std::vector<std::vector<std::string>> rows;

  std::string format() const {
    std::vector<size_t> widths(rows.front().size());
    for (const auto &row : rows)
      for (size_t column = 0; column < row.size(); ++column)
        widths[column] = std::max(widths[column], row[column].size());
    std::string text;
    for (const auto &row : rows) {
      text += fmt::format("  {:<{}}", row[0], widths[0]);
      for (size_t column = 1; column < row.size(); ++column)
        text += fmt::format("  {:>{}}", row[column], widths[column]);
      text.erase(text.find_last_not_of(' ') + 1);
      text += '\n';
    }
    return text;
  }
};
} // namespace

/// Stages: wall-clock times of all workers together.
static std::string formatStages(const pcx_profile_program_t &program,
                                const pcx_variant_t &variant, uint32_t workers,
                                const Limits &limits) {
  double n =
      static_cast<double>(program.samples) / static_cast<double>(program.calls);
  Table table;
  table.rows.push_back({"stage", "runs", "us a run", "time %", "least us",
                        "GFLOP/s", "peak %", "tasks", "imbalance", "idle %"});
  double inside = 0;
  for (uint32_t s = 0; s < program.stage_count; ++s) {
    const pcx_profile_stage_t &stage = program.stages[s];
    if (stage.runs == 0)
      continue;
    inside += stage.seconds;
    double runs = static_cast<double>(stage.runs);
    bool known = s < variant.stage_count;
    double flops = 0, least = 0;
    if (known)
      for (uint32_t u = 0; u < variant.stages[s].use_count; ++u) {
        const pcx_kernel_use_t &use = variant.stages[s].uses[u];
        known = known && use.calls > 0;
        const pcx_kernel_info_t &kernel = variant.kernels[use.kernel];
        double perCall = kernel.flops_base + n * kernel.flops_per_sample;
        flops += use.calls * perCall;
        least += use.calls * limits.seconds(kernel, perCall,
                                            kernel.bytes_base +
                                                n * kernel.bytes_per_sample);
      }
    double perRun = stage.seconds / runs;
    table.rows.push_back(
        {s < variant.stage_count ? variant.stages[s].name : "(not named)",
         fmt::format("{}", stage.runs), fmt::format("{:.1f}", 1e6 * perRun),
         ratio(stage.seconds, program.seconds, 100, 1),
         known ? fmt::format("{:.1f}", 1e6 * least / workers) : "-",
         known ? ratio(flops, perRun, 1e-9, 1) : "-",
         known ? ratio(flops, perRun * limits.flops * workers, 100, 0) : "-",
         fmt::format("{}", (stage.tasks + stage.runs / 2) / stage.runs),
         ratio(stage.busiest * workers, stage.busy, 1, 2),
         ratio(std::max(0.0, stage.seconds * workers - stage.busy),
               stage.seconds * workers, 100, 0)});
  }
  double rest = std::max(0.0, program.seconds - inside);
  table.rows.push_back({"(between)", "", "",
                        ratio(rest, program.seconds, 100, 1), "", "", "", "",
                        "", ""});
  return table.format();
}

/// Kernels, the most expensive first: times of one worker.
static std::string formatKernels(const pcx_profile_program_t &program,
                                 const pcx_variant_t &variant, uint32_t workers,
                                 const Limits &limits) {
  std::vector<uint32_t> order(program.kernel_count);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    double left = program.kernels[a].seconds,
           right = program.kernels[b].seconds;
    return left != right ? left > right : a < b;
  });
  Table table;
  table.rows.push_back({"kernel", "calls", "us a call", "time %", "least us",
                        "of least", "GFLOP/s", "peak %", "imbalance"});
  for (uint32_t k : order) {
    const pcx_profile_kernel_t &kernel = program.kernels[k];
    if (kernel.pieces == 0)
      continue;
    double least = kernel.calls * limits.seconds(variant.kernels[k],
                                                 kernel.flops / kernel.calls,
                                                 kernel.bytes / kernel.calls);
    table.rows.push_back(
        {variant.kernels[k].name, fmt::format("{:.0f}", kernel.calls),
         ratio(kernel.seconds, kernel.calls, 1e6, 2),
         ratio(kernel.seconds, program.seconds * workers, 100, 1),
         ratio(least, kernel.calls, 1e6, 2), ratio(kernel.seconds, least, 1, 2),
         ratio(kernel.flops, kernel.seconds, 1e-9, 1),
         ratio(kernel.flops, kernel.seconds * limits.flops, 100, 0),
         ratio(kernel.busiest * workers, kernel.seconds, 1, 2)});
  }
  return table.format();
}

std::string
experiment::formatProfile(const pcx_artifact_t &artifact,
                          const pcx_profile_t &profile,
                          const std::vector<const pcx_variant_t *> &variants,
                          const MachineSpeed &speed, uint64_t l2Bytes) {
  std::string text = fmt::format(
      "machine: {} {}, {:.1f} GFLOP/s of FMA, {:.1f} GB/s in the second-level "
      "cache, {:.1f} GB/s in memory\n",
      speed.threads, speed.threads == 1 ? "thread" : "threads",
      1e-9 * speed.flops, 1e-9 * speed.l2, 1e-9 * speed.memory);
  Limits limits(speed, l2Bytes, artifact.dtype == PCX_F64);
  bool unmarked = false;
  for (uint32_t p = 0; p < profile.program_count; ++p) {
    const pcx_profile_program_t &program = profile.programs[p];
    if (program.calls == 0)
      continue;
    text += fmt::format(
        "profile of '{}': {} {}, {} samples, {:.4g} s, {:.4g} ms a call\n",
        artifact.programs[p].name, program.calls,
        program.calls == 1 ? "call" : "calls", program.samples, program.seconds,
        1e3 * program.seconds / static_cast<double>(program.calls));
    text += formatStages(program, *variants[p], profile.workers, limits);
    if (program.marked)
      text += formatKernels(program, *variants[p], profile.workers, limits);
    unmarked = unmarked || !program.marked;
  }
  if (unmarked)
    text += "note: stages of one task do not show, nor do kernels; an artifact "
            "that `pcc --profile` made has both\n";
  return text;
}

std::string experiment::formatDeviceProfile(
    const pcx_artifact_t &artifact, const pcx_profile_t &profile,
    const std::vector<const pcx_device_variant_t *> &plans,
    const std::string &device) {
  std::string text = fmt::format("device: {}\n", device);
  for (uint32_t p = 0; p < profile.program_count; ++p) {
    const pcx_profile_program_t &program = profile.programs[p];
    if (program.calls == 0)
      continue;
    const pcx_device_variant_t &variant = *plans[p];
    std::vector<std::string> names = launchNames(variant);
    text += fmt::format(
        "profile of '{}': {} {}, {} samples, {:.4g} s, {:.4g} ms a call, one "
        "launch after another\n",
        artifact.programs[p].name, program.calls,
        program.calls == 1 ? "call" : "calls", program.samples, program.seconds,
        1e3 * program.seconds / static_cast<double>(program.calls));
    double n = static_cast<double>(program.samples) /
               static_cast<double>(program.calls);
    // The last stage is what makes batches.
    std::vector<uint32_t> order(program.stage_count);
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      double left = program.stages[a].seconds,
             right = program.stages[b].seconds;
      return left != right ? left > right : a < b;
    });
    Table table;
    table.rows.push_back({"launch", "runs", "us a run", "time %", "blocks",
                          "threads", "GFLOP/s", "GB/s"});
    double inside = 0;
    for (uint32_t l : order) {
      const pcx_profile_stage_t &stage = program.stages[l];
      if (stage.runs == 0)
        continue;
      inside += stage.seconds;
      pcx_launch_t launch = {};
      launch.kernel = PCX_GATHER_SYMBOL;
      launch.threads = PCX_GATHER_THREADS;
      if (l < variant.launch_count)
        launch = variant.launches[l];
      double flops = 0, bytes = 0;
      bool known = launch.use_count > 0;
      for (uint32_t u = 0; u < launch.use_count; ++u) {
        const pcx_kernel_info_t &kernel =
            variant.kernels[launch.uses[u].kernel];
        known = known && launch.uses[u].calls > 0;
        flops += launch.uses[u].calls *
                 (kernel.flops_base + n * kernel.flops_per_sample);
        bytes += launch.uses[u].calls *
                 (kernel.bytes_base + n * kernel.bytes_per_sample);
      }
      double perRun = stage.seconds / static_cast<double>(stage.runs);
      table.rows.push_back(
          {names[l], fmt::format("{}", stage.runs),
           fmt::format("{:.1f}", 1e6 * perRun),
           ratio(stage.seconds, program.seconds, 100, 1),
           fmt::format("{}", (stage.tasks + stage.runs / 2) / stage.runs),
           fmt::format("{}", launch.threads),
           known ? ratio(flops, perRun, 1e-9, 1) : "-",
           known ? ratio(bytes, perRun, 1e-9, 1) : "-"});
    }
    table.rows.push_back({"(between)", "", "",
                          ratio(std::max(0.0, program.seconds - inside),
                                program.seconds, 100, 1),
                          "", "", "", ""});
    text += table.format();
  }
  if (*profile.device_text)
    text += fmt::format("what the device counted:\n{}", profile.device_text);
  return text;
}

//===----------------------------------------------------------------------===//
// Trace
//===----------------------------------------------------------------------===//

std::string experiment::formatTrace(
    const pcx_artifact_t &artifact, const pcx_profile_t &profile,
    const std::vector<const pcx_variant_t *> &variants,
    const std::vector<const pcx_device_variant_t *> &plans) {
  auto quoted = [](const std::string &text) {
    return nlohmann::json(text).dump();
  };
  std::string text = "{\"displayTimeUnit\": \"ns\",\n\"otherData\": ";
  text += fmt::format("{{\"events_lost\": {}}},\n\"traceEvents\": [\n",
                      profile.events_lost);
  text += fmt::format("{{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": "
                      "1, \"tid\": 0, \"args\": {{\"name\": {}}}}}",
                      quoted(artifact.model));
  for (uint32_t worker = 0; worker < profile.workers; ++worker)
    text += fmt::format(
        ",\n{{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": "
        "{0}, \"args\": {{\"name\": \"worker {0}\"}}}}",
        worker);
  // Of launches.
  std::vector<std::vector<std::string>> names(artifact.program_count);
  for (size_t p = 0; p < plans.size(); ++p)
    if (plans[p])
      names[p] = launchNames(*plans[p]);
  auto out = std::back_inserter(text);
  for (uint64_t i = 0; i < profile.event_count; ++i) {
    const pcx_event_t &event = profile.events[i];
    std::string stage = "loop";
    if (variants.empty())
      stage = event.kind == PCX_EVENT_STAGE ? names[event.program][event.index]
                                            : "";
    else if (event.index < variants[event.program]->stage_count)
      stage = variants[event.program]->stages[event.index].name;
    std::string name;
    const char *category = "", *unit = "";
    switch (event.kind) {
    case PCX_EVENT_CALL:
      name = artifact.programs[event.program].name;
      category = "call", unit = "samples";
      break;
    case PCX_EVENT_STAGE:
      name = stage;
      category = variants.empty() ? "launch" : "stage";
      unit = variants.empty() ? "blocks" : "tasks";
      break;
    case PCX_EVENT_TASK:
      name = stage + " task";
      category = "task", unit = "task";
      break;
    case PCX_EVENT_KERNEL:
      name = variants[event.program]->kernels[event.index].name;
      category = "kernel", unit = "rows";
      break;
    }
    fmt::format_to(out,
                   ",\n{{\"name\": {}, \"cat\": \"{}\", \"ph\": \"X\", \"ts\": "
                   "{:.3f}, \"dur\": {:.3f}, \"pid\": 1, \"tid\": {}, "
                   "\"args\": {{\"{}\": {}}}}}",
                   quoted(name), category, 1e6 * event.begin,
                   1e6 * event.seconds, event.worker, unit, event.count);
  }
  text += "\n]}\n";
  return text;
}

//===----------------------------------------------------------------------===//
// Around a run
//===----------------------------------------------------------------------===//

Status experiment::checkProfile(const ProfileOptions &options) {
  if (options.trace.empty())
    return success();
  return checkWritable(options.trace, "--trace");
}

Status experiment::startProfile(pcx_session_t *session,
                                const ProfileOptions &options) {
  if (!options.wanted())
    return success();
  // Ten megabytes a worker.
  constexpr uint32_t keptEvents = 1u << 18;
  pcx_profile_options_t start = {};
  start.struct_size = sizeof(start);
  start.events = options.trace.empty() ? 0 : keptEvents;
  return check(pcx_profile_start(session, &start));
}

Status experiment::finishProfile(pcx_session_t *session, const Module &module,
                                 const ProfileOptions &options,
                                 const Console &console) {
  if (!options.wanted())
    return success();
  const pcx_profile_t *profile = nullptr;
  if (auto status = check(pcx_profile_stop(session, &profile)); !status)
    return status;
  const pcx_artifact_t &artifact = *pcx_module_info(module.get());
  bool onDevice = isOnDevice(session);
  std::vector<const pcx_variant_t *> variants;
  std::vector<const pcx_device_variant_t *> plans;
  for (uint32_t p = 0; p < artifact.program_count; ++p)
    if (onDevice)
      plans.push_back(pcx_session_device_variant(session, p));
    else
      variants.push_back(pcx_module_variant(module.get(), p));
  if (!options.trace.empty()) {
    if (auto status = data::writeFile(
            options.trace, formatTrace(artifact, *profile, variants, plans));
        !status)
      return status;
    if (!console.quiet)
      fmt::print(console.err, "wrote {} events to {}{}\n", profile->event_count,
                 options.trace,
                 profile->events_lost
                     ? fmt::format("; {} earlier ones did not fit",
                                   profile->events_lost)
                     : "");
  }
  if (!options.table || console.quiet)
    return success();
  std::string text =
      onDevice ? formatDeviceProfile(artifact, *profile, plans,
                                     pcx_session_device(session))
               : formatProfile(artifact, *profile, variants,
                               measureMachine(pcx_session_threads(session)),
                               describeProcessor().l2Bytes);
  fmt::print(console.err, "{}", text);
  return success();
}
