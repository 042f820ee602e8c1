//===- Threads.h - Persistent worker threads ----------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pool behind pcx_host_t::parallel_for. A loop over a few sample blocks
// takes microseconds, so starting and ending one must cost about one trip of a
// cache line between cores:
//
// - Iterations are dealt out in contiguous ranges, one a worker, so that a
//   worker meets the same samples (and finds them in its cache) every time. A
//   worker that is done takes single iterations from the ends of the others.
// - The caller is worker 0. It never waits for a worker that has not begun: a
//   thread that the system has not scheduled yet costs parallelism, not time.
// - Idle workers watch a word for a while and then sleep on it (futex).
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_THREADS_H
#define PCX_LIB_RUNTIME_THREADS_H

#include "pcx/abi.h"

#include <atomic>
#include <cfenv>
#include <chrono>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace pcx {

/// Number of CPUs that this process may use (sched_getaffinity), at least 1.
unsigned availableCpus();

/// Floating-point modes of this thread: the default ones in a scope, then the
/// old ones again. Without it a caller's rounding mode or flushing of denormals
/// would hold for worker 0 and not for the others.
class DefaultFloatModes {
public:
  DefaultFloatModes() {
    std::fegetenv(&old);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatModes() { std::fesetenv(&old); }
  DefaultFloatModes(const DefaultFloatModes &) = delete;
  DefaultFloatModes &operator=(const DefaultFloatModes &) = delete;

private:
  std::fenv_t old;
};

/// A fixed number of workers, the calling thread included.
///
/// One parallel_for at a time. One that is called from inside of a task runs
/// there, one iteration after another, on the worker of that task: it is
/// serialised, not refused.
class ThreadPool {
public:
  static constexpr unsigned maxWorkers = 1024;

  /// Starts `workers - 1` threads, 1 <= workers <= maxWorkers. Throws
  /// std::system_error when the system refuses a thread.
  explicit ThreadPool(unsigned workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  unsigned workers() const { return unsigned(shares.size()); }

  /// Runs task(context, i, w) for all 0 <= i < count, each once, and returns
  /// when all are done; 0 <= w < workers(). What tasks wrote is visible to the
  /// caller afterwards. Iterations with the same w follow one another.
  void parallelFor(pcx_task_fn task, void *context, int64_t count);

  /// Whether parallelFor gives work to other threads; not from inside a task.
  void setShared(bool value) { shared = value; }

  /// The same with a callable `body(index, worker)`.
  template <typename Body>
  void forEach(int64_t count, Body &&body) {
    parallelFor(
        [](void *context, int64_t index, int64_t worker) {
          (*static_cast<std::remove_reference_t<Body> *>(context))(index,
                                                                   worker);
        },
        const_cast<void *>(static_cast<const void *>(std::addressof(body))),
        count);
  }

private:
  /// Distance that keeps two workers' words from sharing a cache line or a pair
  /// of lines that is fetched together.
  static constexpr size_t apart = 128;

  /// The iterations of one worker that nobody has begun: first | end << 32,
  /// counted from `base`. The owner takes from the front, others from the end.
  struct alignas(apart) Share {
    std::atomic<uint64_t> left{0};
  };

  bool shared = true;

  void run(unsigned worker);
  void work(unsigned worker);
  bool takeFront(Share &share, uint32_t &index);
  bool takeBack(Share &share, uint32_t &index);
  void publish(pcx_task_fn task, void *context, int64_t first, uint32_t count);
  uint32_t awaitTicket(uint32_t last);
  void shutDown();

  /// The word that everybody watches: joined workers in the low bits, whether
  /// more may join, and the number of the loop. Whoever has joined may read
  /// the loop's fields; the loop is over when it is closed and none is joined.
  static constexpr uint32_t joinedMask = 0x7fff;
  static constexpr uint32_t openBit = 0x8000;
  static constexpr uint32_t loopStep = 0x10000;
  alignas(apart) std::atomic<uint32_t> ticket{0};

  /// Threads asleep on `ticket`, so that waking costs nothing when none is.
  alignas(apart) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};

  // The loop: written while none is joined, read by those who are.
  alignas(apart) pcx_task_fn task = nullptr;
  void *context = nullptr;
  int64_t base = 0;

  /// How long to watch before sleeping; 0 when the workers have to share CPUs,
  /// where watching only keeps another one from its work.
  std::chrono::microseconds patience;
  std::vector<Share> shares;
  std::vector<std::thread> threads;
};

} // namespace pcx

#endif // PCX_LIB_RUNTIME_THREADS_H
