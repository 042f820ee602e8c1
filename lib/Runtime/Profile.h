//===- Profile.h - Where the time of programs goes ----------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A profiler stands between compiled code and the pool: it times the loops that
// go through parallel_for, whose stage it knows by the task, and what marked
// code (`pcc --profile`) says of its kernels. A mark is a look at the
// processor's clock and a few additions in memory of the worker's own, so a
// step allocates nothing and no two workers write to one line. Events for a
// trace go to a ring a worker, which keeps the last ones.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_PROFILE_H
#define PCX_LIB_RUNTIME_PROFILE_H

#include "Module.h"
#include "Threads.h"

#include <vector>

namespace pcx {

/// A clock that is cheap to read and the same on all cores: the time-stamp
/// counter where it is invariant, else nanoseconds of the system's.
uint64_t readTicks();

class Profiler {
public:
  /// Keeps the last `events` events of each worker.
  Profiler(const pcx_module_t &module, ThreadPool &pool, uint32_t events);
  Profiler(const Profiler &) = delete;
  Profiler &operator=(const Profiler &) = delete;

  /// What compiled code gets while this profiler listens.
  const pcx_host_t &host() const { return services; }

  /// Around each call of a program.
  void beginCall(uint32_t program, int64_t n);
  void endCall();

  /// Sums up. The result lives as long as the profiler, which has finished.
  const pcx_profile_t &finish();

private:
  struct Event {
    uint64_t begin, ticks;
    uint32_t kind, index;
    uint32_t program;
    int64_t count;
  };
  struct KernelSum {
    uint64_t ticks = 0, pieces = 0;
    int64_t rows = 0;
  };
  /// What one worker writes while a program runs.
  struct alignas(128) Worker {
    uint64_t kernelBegin = 0;
    uint64_t busy = 0, tasks = 0;   ///< in the loop under way
    std::vector<KernelSum> kernels; ///< in the call under way
    std::vector<Event> ring;
    uint64_t written = 0; ///< events; the ring has the last of them
  };
  /// The totals of a program, in ticks.
  struct KernelTotal {
    double calls = 0, flops = 0, bytes = 0;
    uint64_t pieces = 0;
    std::vector<uint64_t> ticks; ///< of each worker
  };
  struct StageTotal {
    uint64_t runs = 0, tasks = 0, ticks = 0, busy = 0, busiest = 0;
  };
  struct ProgramTotal {
    uint64_t calls = 0, samples = 0, ticks = 0;
    std::vector<KernelTotal> kernels;
    std::vector<StageTotal> stages; ///< and one for loops of none of them
  };
  /// A loop under way, the context of its tasks.
  struct Loop {
    Profiler *profiler;
    pcx_task_fn task;
    void *context;
    uint32_t stage;
  };

  static void parallelFor(void *self, pcx_task_fn task, void *context,
                          int64_t count);
  static void runTask(void *loop, int64_t index, int64_t worker);
  static void mark(void *self, int64_t worker, uint32_t what, int64_t rows);
  void markStage(uint32_t stage, bool begin);
  uint32_t findStage(pcx_task_fn task) const;
  void record(Worker &worker, const Event &event);
  /// Adds what the workers did in a stage's loop to its total.
  void takeLoop(StageTotal &total);
  void collectEvents(double secondsPerTick);

  const pcx_module_t &module;
  ThreadPool &pool;
  pcx_host_t services;
  std::vector<Worker> workers;
  std::vector<ProgramTotal> totals;
  uint64_t startTicks, startNanoseconds;

  // The call under way.
  uint32_t program = 0;
  int64_t samples = 0;
  uint64_t callBegin = 0, stageBegin = 0;
  bool inStage = false; ///< that a mark began
  uint32_t stage = 0;

  // The result.
  pcx_profile_t result = {};
  std::vector<pcx_profile_program_t> programs;
  std::vector<std::vector<pcx_profile_kernel_t>> kernelResults;
  std::vector<std::vector<pcx_profile_stage_t>> stageResults;
  std::vector<pcx_event_t> events;
};

} // namespace pcx

#endif // PCX_LIB_RUNTIME_PROFILE_H
