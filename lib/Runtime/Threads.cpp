//===- Threads.cpp - Persistent worker threads ----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Threads.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <climits>
#include <csignal>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace pcx;

/// How long an idle worker watches before it sleeps. Between two loops of a
/// training step lie a few microseconds, between two calls of a session tens;
/// waking a thread takes about fifty.
static constexpr std::chrono::microseconds watchTime(100);

static void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Calls `done` until it holds or the time is up; returns whether it held.
template <typename Done>
static bool watch(std::chrono::microseconds time, Done done) {
  constexpr int looksPerClock = 64;
  auto now = std::chrono::steady_clock::now;
  auto end = now() + time;
  do {
    for (int i = 0; i < looksPerClock; ++i) {
      if (done())
        return true;
      pauseCpu();
    }
  } while (now() < end);
  return false;
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t seen) {
  static_assert(sizeof(word) == sizeof(uint32_t));
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

unsigned pcx::availableCpus() {
  // The kernel refuses a mask shorter than its own number of CPUs.
  for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    bool known = set && sched_getaffinity(0, bytes, set) == 0;
    unsigned count = known ? unsigned(CPU_COUNT_S(bytes, set)) : 0;
    CPU_FREE(set);
    if (known)
      return std::max(1u, count);
  }
  return 1;
}

namespace {
/// The pool whose task this thread is running, and as which worker.
struct Running {
  const ThreadPool *pool = nullptr;
  unsigned worker = 0;
};
thread_local Running running;

/// Blocks all signals in a scope: a thread started there never runs a handler,
/// so that Ctrl-C arrives at a thread of the program's.
struct SignalsBlocked {
  sigset_t old;
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &old, nullptr); }
};
} // namespace

ThreadPool::ThreadPool(unsigned workers)
    : patience(workers <= availableCpus() ? watchTime
                                          : std::chrono::microseconds(0)),
      shares(workers) {
  assert(workers >= 1 && workers <= maxWorkers);
  SignalsBlocked blocked;
  try {
    threads.reserve(workers - 1);
    for (unsigned w = 1; w < workers; ++w) {
      threads.emplace_back([this, w] { run(w); });
      std::string name = "pcx-worker-" + std::to_string(w);
      pthread_setname_np(threads.back().native_handle(), name.c_str());
    }
  } catch (...) {
    shutDown();
    throw;
  }
}

ThreadPool::~ThreadPool() { shutDown(); }

void ThreadPool::shutDown() {
  stopping.store(true);
  ticket.fetch_add(loopStep);
  futexWake(ticket, INT_MAX);
  for (std::thread &thread : threads)
    thread.join();
}

bool ThreadPool::takeFront(Share &share, uint32_t &index) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  for (;;) {
    uint32_t first = uint32_t(left), end = uint32_t(left >> 32);
    if (first >= end)
      return false;
    if (share.left.compare_exchange_weak(left, left + 1,
                                         std::memory_order_relaxed)) {
      index = first;
      return true;
    }
  }
}

bool ThreadPool::takeBack(Share &share, uint32_t &index) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  for (;;) {
    uint32_t first = uint32_t(left), end = uint32_t(left >> 32);
    if (first >= end)
      return false;
    if (share.left.compare_exchange_weak(left, left - (uint64_t(1) << 32),
                                         std::memory_order_relaxed)) {
      index = end - 1;
      return true;
    }
  }
}

void ThreadPool::work(unsigned worker) {
  Running outer = running;
  running = {this, worker};
  uint32_t index;
  while (takeFront(shares[worker], index))
    task(context, base + index, worker);
  for (size_t step = 1; step < shares.size(); ++step) {
    Share &other = shares[(worker + step) % shares.size()];
    while (takeBack(other, index))
      task(context, base + index, worker);
  }
  running = outer;
}

uint32_t ThreadPool::awaitTicket(uint32_t last) {
  uint32_t seen;
  // A loop that this worker has left already has nothing more for it.
  auto fresh = [&] {
    seen = ticket.load();
    return stopping.load(std::memory_order_relaxed) ||
           ((seen & openBit) && seen / loopStep != last);
  };
  if (watch(patience, fresh))
    return seen;
  // Sequentially consistent with the store of the ticket and the load of
  // `sleepers` in publish(): either the caller sees this sleeper, or this
  // thread (or the kernel's comparison) sees the new ticket.
  sleepers.fetch_add(1);
  while (!fresh())
    futexWait(ticket, seen);
  sleepers.fetch_sub(1);
  return seen;
}

void ThreadPool::run(unsigned worker) {
  // Otherwise the modes of the thread that made the pool would stay here.
  DefaultFloatModes modes;
  uint32_t last = 0;
  for (;;) {
    uint32_t seen = awaitTicket(last);
    if (stopping.load(std::memory_order_relaxed))
      return;
    last = seen / loopStep;
    // Join, unless the loop has been closed since (or another one opened,
    // which is as good).
    bool joined = false;
    while ((seen & openBit) && !joined)
      joined = ticket.compare_exchange_weak(seen, seen + 1,
                                            std::memory_order_acquire);
    if (!joined)
      continue;
    last = seen / loopStep;
    work(worker);
    uint32_t before = ticket.fetch_sub(1);
    // The last one out wakes the caller, who may have gone to sleep.
    if ((before & joinedMask) == 1 && !(before & openBit) && sleepers.load())
      futexWake(ticket, INT_MAX);
  }
}

void ThreadPool::publish(pcx_task_fn task, void *context, int64_t first,
                         uint32_t count) {
  this->task = task;
  this->context = context;
  base = first;
  uint64_t workers = shares.size();
  for (uint64_t w = 0; w < workers; ++w) {
    uint64_t begin = count * w / workers, end = count * (w + 1) / workers;
    shares[w].left.store(begin | end << 32, std::memory_order_relaxed);
  }
  uint32_t loop = ticket.load(std::memory_order_relaxed) / loopStep + 1;
  ticket.store(loop * loopStep | openBit);
  if (uint32_t asleep = sleepers.load())
    futexWake(ticket, int(std::min(asleep, count - 1)));
}

void ThreadPool::parallelFor(pcx_task_fn task, void *context, int64_t count) {
  if (running.pool == this || shares.size() == 1 || count <= 1 || !shared) {
    // Nested, or nothing to share. The worker of an enclosing task stays.
    Running outer = running;
    if (running.pool != this)
      running = {this, 0};
    for (int64_t i = 0; i < count; ++i)
      task(context, i, running.worker);
    running = outer;
    return;
  }
  constexpr int64_t longest = INT32_MAX;
  for (int64_t first = 0; first < count; first += longest) {
    publish(task, context, first, uint32_t(std::min(longest, count - first)));
    work(0);
    // Nothing is left to begin: close, and wait for those still at work.
    uint32_t seen = ticket.fetch_and(~openBit) & ~openBit;
    auto done = [&] {
      seen = ticket.load();
      return (seen & joinedMask) == 0;
    };
    if ((seen & joinedMask) == 0 || watch(patience, done))
      continue;
    sleepers.fetch_add(1);
    while (!done())
      futexWait(ticket, seen);
    sleepers.fetch_sub(1);
  }
}
