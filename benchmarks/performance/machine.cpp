//===- machine.cpp - FMA peak and core-to-core round trip -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints one JSON object: the FMA peak in GFLOP/s of 1 ... N threads at once,
// and the median round trip of a flag between two cores in nanoseconds. The
// benchmarks print both beside every figure: machines differ, and the round
// trip of a virtual machine changes by a factor of ten from one second to the
// next without a trace in any FMA peak.
//
//   machine N         the peaks and the round trip
//   machine N BYTES   also the bandwidth in GB/s of 1 ... N threads that add
//                     arrays of so many bytes in all
//
// Build for the machine it runs on: clang++ -O3 -march=native -pthread.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

static double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static std::vector<int> allowed() {
  cpu_set_t set;
  std::vector<int> cpus;
  sched_getaffinity(0, sizeof(set), &set);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set))
      cpus.push_back(cpu);
  return cpus;
}

/// The processors at the start, before any thread is pinned.
static const std::vector<int> kCpus = allowed();

static void pin(size_t index) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(kCpus[index % kCpus.size()], &set);
  sched_setaffinity(0, sizeof(set), &set);
}

/// GFLOP/s of one thread: independent FMA chains, enough to hide the latency.
static double measurePeak() {
  constexpr int kChains = 12;
  constexpr long kRounds = 8'000'000;
  Vector sum[kChains];
  for (Vector &chain : sum)
    chain = Vector{} + 1.0f;
  Vector factor = Vector{} + 1.0001f, addend = Vector{} + 1e-9f;
  asm volatile("" : "+v"(factor), "+v"(addend));
  double start = now();
  for (long round = 0; round < kRounds; ++round) {
#pragma clang fp contract(fast)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < kChains; ++chain)
      sum[chain] = sum[chain] * factor + addend;
    asm volatile("" : "+v"(sum[0]));
  }
  double seconds = now() - start;
  for (Vector &chain : sum)
    asm volatile("" : : "v"(chain));
  return 2.0 * kLanes * kChains * kRounds / seconds / 1e9;
}

static double measureRoundTrip() {
  alignas(128) static std::atomic<int> ping{0};
  alignas(128) static std::atomic<int> pong{0};
  constexpr int kRounds = 20'000;
  std::vector<double> samples;
  for (int repeat = 0; repeat < 5; ++repeat) {
    ping = pong = 0;
    std::thread other([] {
      pin(1);
      for (int i = 1; i <= kRounds; ++i) {
        while (ping.load(std::memory_order_acquire) != i) {
        }
        pong.store(i, std::memory_order_release);
      }
    });
    pin(0);
    double start = now();
    for (int i = 1; i <= kRounds; ++i) {
      ping.store(i, std::memory_order_release);
      while (pong.load(std::memory_order_acquire) != i) {
      }
    }
    samples.push_back((now() - start) / kRounds * 1e9);
    other.join();
  }
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

/// GB/s of one thread that computes a = b + 2 c, three arrays in `bytes`.
static double measureBandwidth(size_t bytes) {
  size_t size = bytes / (3 * sizeof(float));
  std::vector<float> a(size, 0.0f), b(size, 1.0f), c(size, 2.0f);
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    double start = now();
    for (size_t i = 0; i < size; ++i)
      a[i] = b[i] + 2.0f * c[i];
    asm volatile("" : : "r"(a.data()) : "memory");
    best = std::max(best, 3 * sizeof(float) * size / (now() - start) / 1e9);
  }
  return best;
}

/// The sum over threads that all measure at once.
template <typename Measure>
static double together(int count, Measure measure) {
  std::vector<double> values(count);
  std::vector<std::thread> workers;
  for (int i = 0; i < count; ++i)
    workers.emplace_back([&, i] {
      pin(i);
      values[i] = measure();
    });
  for (std::thread &worker : workers)
    worker.join();
  double total = 0;
  for (double value : values)
    total += value;
  return total;
}

int main(int argc, char **argv) {
  int threads = argc > 1
                    ? std::atoi(argv[1])
                    : static_cast<int>(std::thread::hardware_concurrency());
  std::printf("{\"lanes\": %d, \"peak_gflops\": [", kLanes);
  for (int count = 1; count <= threads; ++count)
    std::printf("%s%.1f", count > 1 ? ", " : "", together(count, measurePeak));
  if (argc > 2) {
    size_t bytes = std::strtoull(argv[2], nullptr, 10);
    std::printf("], \"bandwidth_gbs\": [");
    for (int count = 1; count <= threads; ++count)
      std::printf("%s%.1f", count > 1 ? ", " : "", together(count, [=] {
                    return measureBandwidth(bytes / count);
                  }));
  }
  std::printf("], \"round_trip_ns\": %.0f}\n",
              threads > 1 ? measureRoundTrip() : 0.0);
}
