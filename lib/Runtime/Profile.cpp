//===- Profile.cpp - Where the time of programs goes ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "Error.h"
#include "Session.h"

#include <algorithm>
#include <ctime>
#include <tuple>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace pcx;

//===----------------------------------------------------------------------===//
// Time
//===----------------------------------------------------------------------===//

static uint64_t readNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

#if defined(__x86_64__)
/// Whether the time-stamp counter runs at one rate, in all states of the
/// processor (Intel's manual, volume 3, 18.17.1; AMD's the same bit).
static bool hasInvariantCounter() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && edx >> 8 & 1;
}
#endif

uint64_t pcx::readTicks() {
#if defined(__x86_64__)
  static const bool invariant = hasInvariantCounter();
  if (invariant)
    return __builtin_ia32_rdtsc();
#endif
  return readNanoseconds();
}

//===----------------------------------------------------------------------===//
// While programs run
//===----------------------------------------------------------------------===//

/// Whether this thread runs a task of a loop that is being timed: a loop in it
/// belongs to that task.
static thread_local bool inTask = false;

Profiler::Profiler(const pcx_module_t &module, ThreadPool &pool,
                   uint32_t events)
    : module(module), pool(pool), workers(pool.workers()) {
  services = {sizeof(services), pool.workers(), this, parallelFor, mark};
  const pcx_artifact_t &info = module.info();
  size_t mostKernels = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_variant_t &variant = module.variant(p);
    ProgramTotal &total = totals.emplace_back();
    total.kernels.resize(variant.kernel_count);
    for (KernelTotal &kernel : total.kernels)
      kernel.ticks.resize(workers.size());
    total.stages.resize(variant.stage_count + 1);
    mostKernels = std::max<size_t>(mostKernels, variant.kernel_count);
  }
  for (Worker &worker : workers) {
    worker.kernels.resize(mostKernels);
    worker.ring.resize(events);
  }
  startTicks = readTicks();
  startNanoseconds = readNanoseconds();
}

void Profiler::record(Worker &worker, const Event &event) {
  if (worker.ring.empty())
    return;
  worker.ring[worker.written % worker.ring.size()] = event;
  ++worker.written;
}

void Profiler::beginCall(uint32_t program, int64_t n) {
  this->program = program;
  samples = n;
  inStage = false;
  callBegin = readTicks();
}

void Profiler::endCall() {
  uint64_t ticks = readTicks() - callBegin;
  record(workers[0],
         {callBegin, ticks, PCX_EVENT_CALL, program, program, samples});
  const pcx_variant_t &variant = module.variant(program);
  ProgramTotal &total = totals[program];
  ++total.calls;
  total.samples += uint64_t(samples);
  total.ticks += ticks;
  double n = double(samples);
  for (uint32_t k = 0; k < variant.kernel_count; ++k) {
    const pcx_kernel_info_t &info = variant.kernels[k];
    KernelTotal &kernel = total.kernels[k];
    int64_t rows = 0;
    for (size_t w = 0; w < workers.size(); ++w) {
      KernelSum &sum = workers[w].kernels[k];
      rows += sum.rows;
      kernel.pieces += sum.pieces;
      kernel.ticks[w] += sum.ticks;
      sum = {};
    }
    double calls = double(rows) / (info.rows > 0 ? double(info.rows) : n);
    kernel.calls += calls;
    kernel.flops += calls * (info.flops_base + n * info.flops_per_sample);
    kernel.bytes += calls * (info.bytes_base + n * info.bytes_per_sample);
  }
}

uint32_t Profiler::findStage(pcx_task_fn task) const {
  const pcx_variant_t &variant = module.variant(program);
  for (uint32_t s = 0; s < variant.stage_count; ++s)
    if (variant.stages[s].task == task)
      return s;
  return variant.stage_count;
}

void Profiler::takeLoop(StageTotal &total) {
  uint64_t busiest = 0;
  for (Worker &worker : workers) {
    busiest = std::max(busiest, worker.busy);
    total.busy += worker.busy;
    total.tasks += worker.tasks;
    worker.busy = worker.tasks = 0;
  }
  total.busiest += busiest;
}

void Profiler::runTask(void *context, int64_t index, int64_t worker) {
  auto &loop = *static_cast<Loop *>(context);
  Worker &own = loop.profiler->workers[size_t(worker)];
  inTask = true;
  uint64_t begin = readTicks();
  loop.task(loop.context, index, worker);
  uint64_t ticks = readTicks() - begin;
  inTask = false;
  own.busy += ticks;
  ++own.tasks;
  loop.profiler->record(own, {begin, ticks, PCX_EVENT_TASK, loop.stage,
                              loop.profiler->program, index});
}

void Profiler::parallelFor(void *self, pcx_task_fn task, void *context,
                           int64_t count) {
  auto &profiler = *static_cast<Profiler *>(self);
  if (inTask)
    return profiler.pool.parallelFor(task, context, count);
  uint32_t stage = profiler.inStage ? profiler.stage : profiler.findStage(task);
  Loop loop{&profiler, task, context, stage};
  if (profiler.inStage)
    return profiler.pool.parallelFor(runTask, &loop, count);
  uint64_t begin = readTicks();
  profiler.pool.parallelFor(runTask, &loop, count);
  uint64_t ticks = readTicks() - begin;
  StageTotal &total = profiler.totals[profiler.program].stages[stage];
  ++total.runs;
  total.ticks += ticks;
  profiler.takeLoop(total);
  profiler.record(profiler.workers[0], {begin, ticks, PCX_EVENT_STAGE, stage,
                                        profiler.program, count});
}

void Profiler::markStage(uint32_t index, bool begin) {
  if (begin) {
    inStage = true;
    stage = index;
    stageBegin = readTicks();
    return;
  }
  uint64_t ticks = readTicks() - stageBegin;
  inStage = false;
  StageTotal &total = totals[program].stages[index];
  ++total.runs;
  total.ticks += ticks;
  // A single task runs without a loop.
  uint64_t tasks = 0;
  for (const Worker &worker : workers)
    tasks += worker.tasks;
  if (!tasks) {
    workers[0].busy = ticks;
    workers[0].tasks = tasks = 1;
  }
  takeLoop(total);
  record(workers[0],
         {stageBegin, ticks, PCX_EVENT_STAGE, index, program, int64_t(tasks)});
}

void Profiler::mark(void *self, int64_t worker, uint32_t what, int64_t rows) {
  auto &profiler = *static_cast<Profiler *>(self);
  const pcx_variant_t &variant = profiler.module.variant(profiler.program);
  bool begin = rows == PCX_MARK_BEGIN;
  if (what & PCX_MARK_STAGE) {
    if ((what & ~PCX_MARK_STAGE) < variant.stage_count)
      profiler.markStage(what & ~PCX_MARK_STAGE, begin);
    return;
  }
  if (what >= variant.kernel_count)
    return;
  Worker &own = profiler.workers[size_t(worker)];
  if (begin) {
    own.kernelBegin = readTicks();
    return;
  }
  uint64_t ticks = readTicks() - own.kernelBegin;
  KernelSum &sum = own.kernels[what];
  sum.ticks += ticks;
  ++sum.pieces;
  sum.rows += rows;
  profiler.record(own, {own.kernelBegin, ticks, PCX_EVENT_KERNEL, what,
                        profiler.program, rows});
}

//===----------------------------------------------------------------------===//
// Afterwards
//===----------------------------------------------------------------------===//

void Profiler::collectEvents(double secondsPerTick) {
  // What every worker still has: a ring that has gone round begins later than
  // the others.
  uint64_t first = 0, written = 0;
  for (const Worker &worker : workers) {
    written += worker.written;
    if (worker.written <= worker.ring.size())
      continue;
    const Event &oldest = worker.ring[worker.written % worker.ring.size()];
    // Events are written at their ends.
    first = std::max(first, oldest.begin + oldest.ticks);
  }
  for (size_t w = 0; w < workers.size(); ++w) {
    Worker &worker = workers[w];
    uint64_t kept = std::min<uint64_t>(worker.written, worker.ring.size());
    for (uint64_t i = worker.written - kept; i < worker.written; ++i) {
      const Event &event = worker.ring[i % worker.ring.size()];
      if (event.begin < first)
        continue;
      events.push_back({double(event.begin - startTicks) * secondsPerTick,
                        double(event.ticks) * secondsPerTick, event.kind,
                        uint32_t(w), event.program, event.index, event.count});
    }
  }
  // What is around another comes first if both begin together.
  auto rank = [](const pcx_event_t &event) {
    return std::tuple(event.begin, event.worker, -event.seconds, event.kind);
  };
  std::sort(events.begin(), events.end(),
            [&](const pcx_event_t &a, const pcx_event_t &b) {
              return rank(a) < rank(b);
            });
  result.events_lost = written - events.size();
}

const pcx_profile_t &Profiler::finish() {
  uint64_t nanoseconds = readNanoseconds() - startNanoseconds;
  uint64_t ticks = readTicks() - startTicks;
  double seconds = double(nanoseconds) * 1e-9;
  double perTick = ticks ? seconds / double(ticks) : 0;
  auto inSeconds = [&](uint64_t count) { return double(count) * perTick; };
  for (uint32_t p = 0; p < totals.size(); ++p) {
    const ProgramTotal &total = totals[p];
    std::vector<pcx_profile_kernel_t> &kernels = kernelResults.emplace_back();
    for (const KernelTotal &kernel : total.kernels) {
      uint64_t all = 0, busiest = 0;
      for (uint64_t own : kernel.ticks) {
        all += own;
        busiest = std::max(busiest, own);
      }
      kernels.push_back({kernel.calls, kernel.pieces, inSeconds(all),
                         inSeconds(busiest), kernel.flops, kernel.bytes});
    }
    std::vector<pcx_profile_stage_t> &stages = stageResults.emplace_back();
    for (const StageTotal &stage : total.stages)
      stages.push_back({stage.runs, stage.tasks, inSeconds(stage.ticks),
                        inSeconds(stage.busy), inSeconds(stage.busiest)});
    programs.push_back({total.calls, total.samples, inSeconds(total.ticks),
                        module.variant(p).marked, uint32_t(kernels.size()),
                        kernels.data(), uint32_t(stages.size()),
                        stages.data()});
  }
  collectEvents(perTick);
  result.struct_size = sizeof(result);
  result.workers = uint32_t(workers.size());
  result.seconds = seconds;
  result.program_count = uint32_t(programs.size());
  result.programs = programs.data();
  result.event_count = events.size();
  result.events = events.data();
  result.device_text = "";
  return result;
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

pcx_status_t pcx_profile_start(pcx_session_t *session,
                               const pcx_profile_options_t *options) {
  return guarded([&] {
    requireArgument(session, "session");
    if (options && options->struct_size < sizeof(*options))
      fail(PCX_ERROR_ARGUMENT,
           "struct_size of the profile's options is {}, expected {}",
           options->struct_size, sizeof(*options));
    session->profiled = false;
    session->executor->startProfile(options ? options->events : 0);
    session->profiled = true;
  });
}

pcx_status_t pcx_profile_stop(pcx_session_t *session,
                              const pcx_profile_t **profile) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(profile, "profile");
    if (!session->profiled)
      fail(PCX_ERROR_ARGUMENT,
           "no profile was started on this session, expected a call of "
           "pcx_profile_start before");
    session->profiled = false;
    *profile = &session->executor->stopProfile();
  });
}
