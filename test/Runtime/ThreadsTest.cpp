//===- ThreadsTest.cpp - The worker pool ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Threads.h"
#include "Fixtures.h"

#include <atomic>
#include <cfenv>
#include <cmath>
#include <csignal>
#include <numeric>
#include <sched.h>
#include <set>
#include <thread>

using namespace pcx;

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (unsigned workers : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(workers);
    EXPECT_EQ(pool.workers(), workers);
    for (int64_t count : {0, 1, 2, 3, 7, 8, 1000, 4099}) {
      // Plain integers: two threads on one index would be a race.
      std::vector<int> runs(static_cast<size_t>(count));
      pool.forEach(count, [&](int64_t index, int64_t) {
        ++runs[static_cast<size_t>(index)];
      });
      EXPECT_EQ(std::accumulate(runs.begin(), runs.end(), 0), count);
      EXPECT_TRUE(std::all_of(runs.begin(), runs.end(),
                              [](int times) { return times == 1; }));
    }
  }
}

TEST(ThreadPool, ShowsTheCallerWhatTasksWrote) {
  ThreadPool pool(4);
  // Many short loops: each must be over when the call returns.
  int64_t values[16] = {};
  for (int64_t loop = 1; loop <= 5000; ++loop) {
    pool.forEach(16, [&](int64_t index, int64_t) { values[index] = loop; });
    for (int64_t value : values)
      ASSERT_EQ(value, loop);
  }
}

TEST(ThreadPool, NeverRunsTwoTasksOfOneWorkerAtOnce) {
  constexpr unsigned workers = 4;
  ThreadPool pool(workers);
  std::atomic<int> busy[workers] = {};
  std::atomic<bool> twice = false, range = false;
  for (int loop = 0; loop < 200; ++loop)
    pool.forEach(64, [&](int64_t, int64_t worker) {
      if (worker < 0 || worker >= workers) {
        range = true;
        return;
      }
      if (busy[worker].fetch_add(1) != 0)
        twice = true;
      std::this_thread::yield();
      busy[worker].fetch_sub(1);
    });
  EXPECT_FALSE(twice);
  EXPECT_FALSE(range);
}

TEST(ThreadPool, UsesSeveralThreadsAndTheCallerAmongThem) {
  ThreadPool pool(2);
  // Each of two iterations waits for the other: one thread alone would hang,
  // so the first to give up says that it was alone.
  std::atomic<int> arrived = 0;
  std::atomic<bool> together = false;
  std::thread::id ids[2];
  for (int attempt = 0; attempt < 100 && !together; ++attempt) {
    arrived = 0;
    pool.forEach(2, [&](int64_t, int64_t worker) {
      ids[worker] = std::this_thread::get_id();
      arrived.fetch_add(1);
      for (int i = 0; i < 1000 && arrived != 2; ++i)
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (arrived == 2)
        together = true;
    });
  }
  EXPECT_TRUE(together);
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
}

TEST(ThreadPool, OthersTakeTheIterationsOfABusyWorker) {
  ThreadPool pool(2);
  // Iteration 0 (worker 0's first) lasts until all the rest is done.
  std::atomic<int> done = 0;
  constexpr int count = 64;
  pool.forEach(count, [&](int64_t index, int64_t) {
    if (index == 0)
      while (done < count - 1)
        std::this_thread::yield();
    ++done;
  });
  EXPECT_EQ(done, count);
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(3);
  for (int pause : {0, 1, 5, 20}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    std::atomic<int> ran = 0;
    pool.forEach(3, [&](int64_t, int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++ran;
    });
    EXPECT_EQ(ran, 3);
  }
}

TEST(ThreadPool, RunsANestedLoopInOrderOnTheWorkerOfItsTask) {
  ThreadPool pool(3);
  std::vector<std::vector<int64_t>> seen(9);
  std::atomic<bool> moved = false;
  pool.forEach(9, [&](int64_t outer, int64_t outerWorker) {
    pool.forEach(5, [&](int64_t inner, int64_t worker) {
      seen[size_t(outer)].push_back(inner);
      if (worker != outerWorker)
        moved = true;
    });
  });
  for (const auto &order : seen)
    EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(moved);
}

TEST(ThreadPool, SeveralPoolsRunAtOnce) {
  auto use = [](int64_t &sum) {
    ThreadPool pool(2);
    std::atomic<int64_t> total = 0;
    for (int loop = 0; loop < 500; ++loop)
      pool.forEach(10, [&](int64_t index, int64_t) { total += index; });
    sum = total;
  };
  int64_t sums[2] = {};
  std::thread other([&] { use(sums[1]); });
  use(sums[0]);
  other.join();
  EXPECT_EQ(sums[0], 500 * 45);
  EXPECT_EQ(sums[1], 500 * 45);
}

TEST(ThreadPool, OnePoolServesAnothersTask) {
  ThreadPool outer(2), inner(2);
  std::atomic<int> ran = 0;
  // One at a time: the inner pool has one caller.
  outer.forEach(1, [&](int64_t, int64_t) {
    inner.forEach(6, [&](int64_t, int64_t) { ++ran; });
  });
  EXPECT_EQ(ran, 6);
}

TEST(ThreadPool, MayBeMadeAndDestroyedWithoutALoop) {
  for (int i = 0; i < 50; ++i)
    ThreadPool pool(4);
}

TEST(ThreadPool, WorkersIgnoreTheModesOfTheThreadThatMadeThePool) {
  std::fenv_t old;
  std::fegetenv(&old);
  std::fesetround(FE_UPWARD);
  ThreadPool pool(3);
  std::atomic<int> wrong = 0;
  pool.forEach(64, [&](int64_t, int64_t worker) {
    if (worker != 0 && std::fegetround() != FE_TONEAREST)
      ++wrong;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  });
  std::fesetenv(&old);
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, WorkersLeaveSignalsToTheProgram) {
  ThreadPool pool(3);
  std::atomic<int> open = 0;
  pool.forEach(64, [&](int64_t, int64_t worker) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    if (worker != 0 && !sigismember(&blocked, SIGINT))
      ++open;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  });
  EXPECT_EQ(open, 0);
  sigset_t ours;
  pthread_sigmask(SIG_SETMASK, nullptr, &ours);
  EXPECT_FALSE(sigismember(&ours, SIGINT));
}

TEST(AvailableCpus, FollowsTheAffinityOfTheProcess) {
  cpu_set_t old;
  ASSERT_EQ(sched_getaffinity(0, sizeof(old), &old), 0);
  EXPECT_EQ(availableCpus(), unsigned(CPU_COUNT(&old)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &old))
      CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(availableCpus(), 1u);
  // More workers than CPUs: nobody may spin where the others have to run.
  ThreadPool pool(3);
  std::atomic<int> ran = 0;
  for (int loop = 0; loop < 100; ++loop)
    pool.forEach(30, [&](int64_t, int64_t) { ++ran; });
  EXPECT_EQ(ran, 3000);
  EXPECT_EQ(sched_setaffinity(0, sizeof(old), &old), 0);
}
