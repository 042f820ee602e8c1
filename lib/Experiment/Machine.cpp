//===- Machine.cpp - What this machine can do -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace pcx::experiment;

static double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {
/// The loops to measure, for one width of vectors.
struct Loops {
  unsigned lanes;
  /// Fused multiply-adds; returns how many FLOPs.
  double (*fma)(int64_t rounds);
  /// a[i] = b[i] + s c[i] over whole vectors.
  void (*triad)(float *a, const float *b, const float *c, size_t count);
};

/// Independent chains, enough to hide the latency.
constexpr int kChains = 12;
} // namespace

// Vectors stay inside of the functions that have the instructions for them.
#define PCX_LOOPS(NAME, TARGET, LANES)                                         \
  namespace NAME {                                                             \
  typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));    \
  TARGET static double fma(int64_t rounds) {                                   \
    Vector sum[kChains];                                                       \
    for (Vector &chain : sum)                                                  \
      chain = Vector{} + 1.0f;                                                 \
    Vector factor = Vector{} + 1.0001f, addend = Vector{} + 1e-9f;             \
    asm volatile("" : "+v"(factor), "+v"(addend));                             \
    for (int64_t round = 0; round < rounds; ++round) {                         \
      _Pragma("clang loop unroll(full)") for (Vector &chain : sum) chain =     \
          chain * factor + addend;                                             \
      asm volatile("" : "+v"(sum[0]));                                         \
    }                                                                          \
    for (Vector &chain : sum)                                                  \
      asm volatile("" : : "v"(chain));                                         \
    return 2.0 * LANES * kChains * static_cast<double>(rounds);                \
  }                                                                            \
  TARGET static void triad(float *a, const float *b, const float *c,           \
                           size_t count) {                                     \
    Vector factor = Vector{} + 3.0f;                                           \
    auto *to = reinterpret_cast<Vector *>(a);                                  \
    auto *left = reinterpret_cast<const Vector *>(b);                          \
    auto *right = reinterpret_cast<const Vector *>(c);                         \
    for (size_t i = 0; i < count / LANES; ++i)                                 \
      to[i] = left[i] + factor * right[i];                                     \
    asm volatile("" : : : "memory");                                           \
  }                                                                            \
  static constexpr Loops loops = {LANES, fma, triad};                          \
  }

#if defined(__x86_64__)
PCX_LOOPS(avx512, __attribute__((target("avx512f,fma"))), 16)
PCX_LOOPS(avx2, __attribute__((target("avx2,fma"))), 8)
PCX_LOOPS(sse, , 4)

static const Loops &bestLoops() {
  if (__builtin_cpu_supports("avx512f"))
    return avx512::loops;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return avx2::loops;
  return sse::loops;
}
#else
static double fma(int64_t rounds) {
  float sum[4 * kChains];
  std::fill(std::begin(sum), std::end(sum), 1.0f);
  for (int64_t round = 0; round < rounds; ++round)
    for (float &chain : sum)
      chain = chain * 1.0001f + 1e-9f;
  asm volatile("" : : "r"(sum) : "memory");
  return 2.0 * 4 * kChains * static_cast<double>(rounds);
}
static void triad(float *a, const float *b, const float *c, size_t count) {
  for (size_t i = 0; i < count; ++i)
    a[i] = b[i] + 3.0f * c[i];
  asm volatile("" : : : "memory");
}
static const Loops &bestLoops() {
  static constexpr Loops loops = {4, fma, triad};
  return loops;
}
#endif

//===----------------------------------------------------------------------===//
// Processor
//===----------------------------------------------------------------------===//

std::vector<int> pcx::experiment::usableCpus() {
  std::vector<int> cpus;
  // The kernel refuses a mask shorter than its own number of CPUs.
  for (int most = CPU_SETSIZE; most <= 1 << 20 && cpus.empty(); most *= 2) {
    cpu_set_t *set = CPU_ALLOC(static_cast<size_t>(most));
    size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(most));
    if (set && sched_getaffinity(0, bytes, set) == 0)
      for (int cpu = 0; cpu < most; ++cpu)
        if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set))
          cpus.push_back(cpu);
    CPU_FREE(set);
  }
  if (cpus.empty())
    cpus.push_back(0);
  return cpus;
}

/// Keeps the calling thread on one CPU; without the right to do so it runs
/// where it will.
static void pin(int cpu) {
  size_t count = static_cast<size_t>(cpu) + 1;
  cpu_set_t *set = CPU_ALLOC(count);
  if (!set)
    return;
  size_t bytes = CPU_ALLOC_SIZE(count);
  CPU_ZERO_S(bytes, set);
  CPU_SET_S(static_cast<size_t>(cpu), bytes, set);
  sched_setaffinity(0, bytes, set);
  CPU_FREE(set);
}

Processor pcx::experiment::describeProcessor() {
  Processor processor;
  processor.lanes = bestLoops().lanes;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      size_t colon = line.find(": ");
      if (colon != std::string::npos)
        processor.name = line.substr(colon + 2);
      break;
    }
  if (processor.name.empty())
    processor.name = "unknown";
  auto bytes = [](int name) {
    long value = sysconf(name);
    return value > 0 ? static_cast<uint64_t>(value) : uint64_t(0);
  };
  processor.l2Bytes = bytes(_SC_LEVEL2_CACHE_SIZE);
  processor.l3Bytes = bytes(_SC_LEVEL3_CACHE_SIZE);
  return processor;
}

//===----------------------------------------------------------------------===//
// Speeds
//===----------------------------------------------------------------------===//

namespace {
/// Threads that begin each measurement together.
class Meeting {
public:
  explicit Meeting(unsigned threads) : threads(threads) {}
  void wait() {
    unsigned before = arrived.fetch_add(1);
    unsigned target = (before / threads + 1) * threads;
    // Not all of them may have a CPU.
    while (arrived.load() < target)
      std::this_thread::yield();
  }

private:
  const unsigned threads;
  std::atomic<unsigned> arrived{0};
};

struct FreeFloats {
  void operator()(float *memory) const { std::free(memory); }
};

/// Three arrays of `bytes` in all, touched by the thread that will use them.
struct Arrays {
  explicit Arrays(uint64_t bytes)
      : count(std::max<uint64_t>(bytes / 3 / 4096, 1) * (4096 / sizeof(float))),
        memory(static_cast<float *>(
            std::aligned_alloc(4096, 3 * count * sizeof(float)))) {
    if (!memory)
      throw std::bad_alloc();
    std::fill(memory.get(), memory.get() + 3 * count, 1.0f);
  }
  size_t count;
  std::unique_ptr<float, FreeFloats> memory;
};
} // namespace

/// The best rate of the windows of this length in `total` seconds, in units a
/// second; `work` does a piece and returns its units. The best one, and windows
/// shorter than a time slice: others may want the CPU.
template <typename Work>
static double bestRate(double window, double total, Work work) {
  double best = 0;
  double end = now() + total;
  for (double start = now(); start < end; start = now()) {
    double units = 0, time;
    do {
      units += work();
      time = now() - start;
    } while (time < window);
    best = std::max(best, units / time);
  }
  return best;
}

/// Triads over parts of the arrays, in turn.
static double measureTriad(const Loops &loops, uint64_t bytes, double window,
                           double total) {
  Arrays arrays(bytes);
  constexpr size_t mostElements = 1 << 16;
  size_t next = 0;
  return bestRate(window, total, [&] {
    size_t part = std::min(arrays.count - next, mostElements);
    float *a = arrays.memory.get() + next;
    loops.triad(a, a + arrays.count, a + 2 * arrays.count, part);
    next = next + part == arrays.count ? 0 : next + part;
    return 3.0 * sizeof(float) * static_cast<double>(part);
  });
}

MachineSpeed pcx::experiment::measureMachine(unsigned threads) {
  constexpr uint64_t mib = 1 << 20;
  const Loops &loops = bestLoops();
  Processor processor = describeProcessor();
  uint64_t l2 = processor.l2Bytes ? processor.l2Bytes : mib;
  // A virtual machine may show the cache of a host many times its size.
  uint64_t memory = std::clamp(2 * processor.l3Bytes, 96 * mib, 384 * mib);
  std::vector<int> cpus = usableCpus();
  std::vector<MachineSpeed> each(threads);
  Meeting meeting(threads);
  std::atomic<bool> failed = false;
  auto measure = [&](unsigned index) {
    pin(cpus[index % cpus.size()]);
    MachineSpeed &own = each[index];
    meeting.wait();
    own.flops = bestRate(0.0005, 0.06, [&] { return loops.fma(2000); });
    meeting.wait();
    try {
      own.l2 = measureTriad(loops, l2 / 2, 0.0005, 0.04);
    } catch (const std::bad_alloc &) {
      failed = true;
    }
    meeting.wait();
    try {
      own.memory = measureTriad(loops, memory / threads, 0.002, 0.15);
    } catch (const std::bad_alloc &) {
      failed = true;
    }
  };
  std::vector<std::jthread> others;
  for (unsigned index = 0; index < threads; ++index)
    others.emplace_back(measure, index);
  others.clear();
  if (failed)
    throw std::bad_alloc();
  MachineSpeed speed;
  speed.threads = threads;
  for (const MachineSpeed &own : each) {
    speed.flops += own.flops;
    speed.l2 += own.l2;
    speed.memory += own.memory;
  }
  return speed;
}

double pcx::experiment::measureRoundTrip() {
  std::vector<int> cpus = usableCpus();
  if (cpus.size() < 2)
    return 0;
  constexpr int rounds = 5'000;
  struct Flags {
    alignas(128) std::atomic<int> ping{0};
    alignas(128) std::atomic<int> pong{0};
  };
  std::vector<double> trips;
  for (int repeat = 0; repeat < 5; ++repeat) {
    Flags flags;
    // A peer that does not run would be waited for to the end of its slice.
    auto await = [](std::atomic<int> &flag, int value) {
      for (int looks = 0; flag.load(std::memory_order_acquire) != value;)
        if (++looks == 1'000'000) {
          looks = 0;
          std::this_thread::yield();
        }
    };
    double seconds = 0;
    std::jthread echo([&] {
      pin(cpus[1]);
      for (int i = 1; i <= rounds; ++i) {
        await(flags.ping, i);
        flags.pong.store(i, std::memory_order_release);
      }
    });
    std::jthread call([&] {
      pin(cpus[0]);
      double start = now();
      for (int i = 1; i <= rounds; ++i) {
        flags.ping.store(i, std::memory_order_release);
        await(flags.pong, i);
      }
      seconds = now() - start;
    });
    call.join();
    trips.push_back(seconds / rounds);
  }
  std::sort(trips.begin(), trips.end());
  return trips[trips.size() / 2];
}
