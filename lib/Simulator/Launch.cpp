//===- Launch.cpp - Blocks, warps and threads of a launch -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads are fibres that run one after another, each until it waits. Blocks
// run one after another too, unless they may wait for each other.
//
// Races. Two accesses of one place, one of which writes, are ordered if one
// thread did both; in a block if a barrier of the block lies between, or
// barriers of their warp that lead from one lane to the other; across blocks if
// what the first one did was released and the second one acquired it. A fence,
// or an atomic operation that releases, takes down what comes before it: of its
// own thread all, of the block what lies behind a barrier, and what both have
// acquired. Atomic writes behind a fence publish that; atomic reads learn it,
// by themselves if they acquire, else with the next fence; the block knows it
// behind a barrier.
//
//===----------------------------------------------------------------------===//

#include "Hooks.h"
#include "Matrix.h"
#include "Memory.h"
#include "Program.h"
#include "pc/Simulator/Simulator.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <sys/mman.h>
#include <ucontext.h>

#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#endif

using namespace llvm;
using namespace pc::sim;

namespace {
constexpr unsigned kLanes = 32;
constexpr size_t kStackBytes = 256 * 1024;

class Execution;

/// Tells AddressSanitizer, where it is, that another stack is in use.
class StackSwitch {
public:
  /// Before the switch; of a stack that is left for good nothing is kept.
  StackSwitch(const void *bottom, size_t size, bool forGood) {
#if __has_feature(address_sanitizer)
    __sanitizer_start_switch_fiber(forGood ? nullptr : &kept, bottom, size);
#endif
  }
  /// Behind the switch back.
  ~StackSwitch() {
#if __has_feature(address_sanitizer)
    __sanitizer_finish_switch_fiber(kept, nullptr, nullptr);
#endif
  }
  /// On a new stack: where the one before is.
  static void arrive(const void *&bottom, size_t &size) {
#if __has_feature(address_sanitizer)
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
#endif
  }

private:
  [[maybe_unused]] void *kept = nullptr;
};

/// A stack of a fibre; memory comes when it is used.
class Stack {
public:
  /// With a guard the first page is to be run into.
  explicit Stack(bool guarded)
      : base(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                  0)) {
    if (isThere() && guarded)
      mprotect(base, guardBytes, PROT_NONE);
  }
  static constexpr size_t guardBytes = 4096;
  ~Stack() {
    if (isThere())
      munmap(base, kStackBytes);
  }
  Stack(const Stack &) = delete;
  Stack &operator=(const Stack &) = delete;
  bool isThere() const { return base != MAP_FAILED; }
  char *begin() const { return static_cast<char *>(base); }
  bool has(const void *address) const {
    return address >= begin() && address < begin() + kStackBytes;
  }

private:
  void *base;
};

struct AsyncCopy {
  uint8_t *to;
  const uint8_t *from;
  uint32_t bytes, given, site;
};

struct Block;

/// What is known of another block: all behind so many of its barriers, and of
/// some threads all up to a time.
struct Seen {
  uint32_t epoch = 0;
  SmallVector<std::pair<uint16_t, uint32_t>, 1> threads;
};
/// By block.
using Knowledge = llvm::DenseMap<uint32_t, Seen>;

void join(Knowledge &to, const Knowledge &from) {
  for (const auto &[block, seen] : from) {
    Seen &own = to[block];
    own.epoch = std::max(own.epoch, seen.epoch);
    for (auto [thread, time] : seen.threads) {
      auto *same = find_if(own.threads, [thread = thread](const auto &entry) {
        return entry.first == thread;
      });
      if (same == own.threads.end())
        own.threads.push_back({thread, time});
      else
        same->second = std::max(same->second, time);
    }
  }
}

bool covers(const Knowledge &knowledge, const Mark &mark) {
  auto known = knowledge.find(mark.block);
  return known != knowledge.end() &&
         (known->second.epoch > mark.epoch ||
          any_of(known->second.threads, [&](const auto &entry) {
            return entry.first == mark.thread && entry.second >= mark.time;
          }));
}

struct Thread {
  enum class State { Ready, AtBarrier, InWarp, Done };

  ucontext_t context;
  Stack *stack = nullptr;
  Block *block = nullptr;
  State state = State::Ready;
  Extent id;
  uint16_t index = 0; ///< in the block
  uint32_t site = 0;  ///< where it waits
  bool aligned = false;
  /// Of what it may wait for: whether it has only looked since it was resumed,
  /// whether it has written something else since it looked last, and where that
  /// was and what it saw.
  bool spins = false, repeats = false, wrote = false;
  uint32_t spinSite = 0;
  const void *spinAddress = nullptr;
  uint64_t spinValue = 0;
  /// What it has acquired since the last barrier, what it has read and will
  /// have acquired with a fence, and what its last fence took down.
  Knowledge known, read, released;
  std::vector<AsyncCopy> open;
  std::deque<std::vector<AsyncCopy>> groups;

  unsigned lane() const { return index % kLanes; }
  unsigned warp() const { return index / kLanes; }
};

/// An access of the lanes of a warp.
struct Request {
  std::array<uintptr_t, kLanes> addresses;
  uint32_t mask = 0, bytes = 0;
  bool shared = false;
};

/// An operation for which lanes wait.
struct WarpOperation {
  uint32_t site, mask, arrived = 0;
  std::array<void *, kLanes> operands;
};

struct Warp {
  /// Barriers so far, and of each lane up to which one it knows each other
  /// lane.
  uint32_t time = 0;
  std::array<std::array<uint32_t, kLanes>, kLanes> known{};
  SmallVector<WarpOperation, 2> operations;
  /// Accesses since the last barrier, by site, and how many of each lane.
  llvm::DenseMap<uint32_t, std::vector<Request>> requests;
  llvm::DenseMap<uint32_t, std::array<uint32_t, kLanes>> counts;
};

struct Block {
  Extent id;
  uint32_t index = 0;
  uint32_t epoch = 0;
  unsigned waiting = 0, done = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::unique_ptr<Array> shared;
  /// Copies into shared memory that nobody has waited for: offset and bytes.
  std::multiset<std::pair<size_t, size_t>> pending;
  /// What all its threads have acquired.
  Knowledge known;
};

class Execution {
public:
  Execution(Memory &memory, Program &program, StringRef name,
            const Program::Kernel &kernel, const LaunchConfig &config,
            ArrayRef<void *> arguments, uint32_t launch)
      : memory(memory), program(program), name(name), kernel(kernel),
        config(config), arguments(arguments), launch(launch) {}
  Error run();
  LaunchResult result;

  // What the hooks do.
  void access(const void *address, uint32_t bytes, uint32_t alignment,
              uint32_t flags, uint32_t site);
  uint32_t special(uint32_t which) const;
  void *shared(uint32_t offset) const {
    return current->block->shared->begin() + offset;
  }
  void barrier(bool aligned, uint32_t site);
  void warpBarrier(uint32_t mask, uint32_t site);
  void meet(uint32_t mask, void *operand, uint32_t site,
            function_ref<void(WarpOperation &)> perform);
  void fence();
  uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t offset,
                   uint32_t clamp, Shuffle kind, uint32_t site);
  void matrix(MatrixKind kind, const MatrixLane &lane, uint32_t site);
  void loadMatrix(uint32_t count, bool transposed, const void *address,
                  uint32_t *registers, uint32_t site);
  void asyncCopy(const AsyncCopy &copy);
  void asyncCommit();
  void asyncWait(uint32_t pending);
  /// Behind everything that may have stopped the launch.
  void leaveIfStopped() {
    if (stopped)
      leave();
  }

  Thread *current = nullptr;

private:
  void start(Block &block, uint32_t index);
  bool runBlocks(MutableArrayRef<Block> blocks);
  void resume(Thread &thread);
  void leave();
  void reportStuck(MutableArrayRef<Block> blocks);
  void releaseBarrier(Block &block);
  void complete(const AsyncCopy &copy);
  void note(Array &array, size_t offset, uint32_t bytes, uint32_t flags,
            uint32_t site);
  void check(Array &array, size_t offset, uint32_t bytes, uint32_t flags,
             uint32_t site);
  bool isOrdered(const Mark &before) const;
  void spin(const void *address, uint32_t bytes, uint32_t site);
  void synchronise(const void *address, uint32_t flags);
  void log(uintptr_t address, uint32_t bytes, bool isShared, uint32_t site);
  void flush(Warp &warp);
  void count(const Request &request);
  std::string describe(const Thread &thread) const;
  std::string describe(uint32_t site) const;
  void report(FaultKind kind, uint32_t site, uint32_t other, const Twine &what);
  /// Reports what the kernel cannot go on after: the hook leaves it for good,
  /// when what has been made on the way is gone.
  void stop(FaultKind kind, uint32_t site, const Twine &what);
  static void enter();

  Memory &memory;
  Program &program;
  StringRef name;
  const Program::Kernel &kernel;
  const LaunchConfig &config;
  ArrayRef<void *> arguments;
  uint32_t launch;

  ucontext_t scheduler;
  const void *schedulerStack = nullptr;
  size_t schedulerStackBytes = 0;
  std::vector<std::unique_ptr<Stack>> stacks;
  bool stopped = false;
  uint32_t time = 0; ///< see Mark
  std::set<std::tuple<FaultKind, uint32_t, uint32_t>> reported;
  /// What blocks have released at an address.
  llvm::DenseMap<const void *, Knowledge> released;
};
} // namespace

/// The launch that this thread of the process runs.
static thread_local Execution *running = nullptr;

StringRef pc::sim::stringify(FaultKind kind) {
  switch (kind) {
  case FaultKind::OutOfBounds:
    return "out of bounds";
  case FaultKind::Misaligned:
    return "misaligned";
  case FaultKind::Uninitialised:
    return "uninitialised";
  case FaultKind::Race:
    return "race";
  case FaultKind::DivergentBarrier:
    return "divergent barrier";
  case FaultKind::Deadlock:
    return "deadlock";
  case FaultKind::Mask:
    return "mask";
  }
  llvm_unreachable("all kinds have a name");
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

static std::string format(const Extent &extent) {
  return ("(" + Twine(extent.x) + ", " + Twine(extent.y) + ", " +
          Twine(extent.z) + ")")
      .str();
}

std::string Execution::describe(const Thread &thread) const {
  return "thread " + format(thread.id) + " of block " +
         format(thread.block->id);
}

std::string Execution::describe(uint32_t site) const {
  const Site &place = program.sites[site];
  std::string text = "'" + place.text + "'";
  if (place.caller != place.line)
    text += llvm::formatv(" (line {0}, called from line {1})", place.line,
                          place.caller);
  else if (place.line)
    text += llvm::formatv(" (line {0})", place.line);
  return text;
}

void Execution::report(FaultKind kind, uint32_t site, uint32_t other,
                       const Twine &what) {
  if (!reported.insert({kind, site, other}).second)
    return;
  result.faults.push_back(
      {kind,
       ("kernel '" + name + "': " + stringify(kind) + ": " + what).str()});
}

void Execution::stop(FaultKind kind, uint32_t site, const Twine &what) {
  report(kind, site, site, what);
  stopped = true;
}

//===----------------------------------------------------------------------===//
// Scheduling
//===----------------------------------------------------------------------===//

void Execution::enter() {
  Execution &execution = *running;
  StackSwitch::arrive(execution.schedulerStack, execution.schedulerStackBytes);
  Thread &thread = *execution.current;
  execution.kernel.run(execution.arguments.data());
  // What nobody waited for arrives all the same.
  execution.asyncCommit();
  execution.asyncWait(0);
  thread.state = Thread::State::Done;
  ++thread.block->done;
  execution.leave();
}

void Execution::resume(Thread &thread) {
  current = &thread;
  StackSwitch change(thread.stack->begin(), kStackBytes, /*forGood=*/false);
  swapcontext(&scheduler, &thread.context);
  current = nullptr;
}

/// Back to the scheduler.
void Execution::leave() {
  StackSwitch change(schedulerStack, schedulerStackBytes,
                     stopped || current->state == Thread::State::Done);
  swapcontext(&current->context, &scheduler);
}

void Execution::start(Block &block, uint32_t index) {
  block = Block();
  block.index = index;
  block.id = {index % config.grid.x, index / config.grid.x % config.grid.y,
              index / config.grid.x / config.grid.y};
  block.shared =
      std::make_unique<Array>(kernel.dynamicOffset + config.sharedBytes);
  block.threads.resize(config.block.count());
  block.warps.resize(divideCeil(block.threads.size(), kLanes));
  size_t firstStack =
      config.cooperative ? index * block.threads.size() : size_t(0);
  for (auto [i, thread] : enumerate(block.threads)) {
    uint32_t place = static_cast<uint32_t>(i);
    thread.block = &block;
    thread.index = static_cast<uint16_t>(i);
    thread.id = {place % config.block.x,
                 place / config.block.x % config.block.y,
                 place / config.block.x / config.block.y};
    thread.stack = stacks[firstStack + i].get();
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack->begin();
    thread.context.uc_stack.ss_size = kStackBytes;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, &Execution::enter, 0);
  }
}

bool Execution::runBlocks(MutableArrayRef<Block> blocks) {
  // Rounds in which all have looked at the same place and seen the same.
  unsigned idle = 0;
  constexpr unsigned mostIdle = 1000;
  for (;;) {
    bool ready = false, repeated = true;
    for (Block &block : blocks)
      for (Thread &thread : block.threads) {
        if (thread.state != Thread::State::Ready)
          continue;
        ready = true;
        thread.spins = false;
        resume(thread);
        if (stopped)
          return false;
        repeated &= thread.spins && thread.repeats;
      }
    if (!ready) {
      bool finished = all_of(blocks, [](const Block &block) {
        return block.done == block.threads.size();
      });
      if (!finished)
        reportStuck(blocks);
      return finished;
    }
    idle = repeated ? idle + 1 : 0;
    if (idle <= mostIdle)
      continue;
    for (Block &block : blocks)
      for (Thread &thread : block.threads)
        if (thread.state == Thread::State::Ready) {
          report(FaultKind::Deadlock, thread.site, thread.site,
                 describe(thread) + " waits at " + describe(thread.site) +
                     " for what nobody is left to write");
          return false;
        }
  }
}

/// Nobody can go on.
void Execution::reportStuck(MutableArrayRef<Block> blocks) {
  for (Block &block : blocks) {
    const Thread *atBarrier = nullptr, *inWarp = nullptr;
    for (Thread &thread : block.threads) {
      if (thread.state == Thread::State::AtBarrier && !atBarrier)
        atBarrier = &thread;
      if (thread.state == Thread::State::InWarp && !inWarp)
        inWarp = &thread;
    }
    if (inWarp)
      return report(FaultKind::Mask, inWarp->site, inWarp->site,
                    describe(*inWarp) + " waits at " + describe(inWarp->site) +
                        " for lanes of its mask that do not come there");
    if (atBarrier)
      return report(
          FaultKind::DivergentBarrier, atBarrier->site, atBarrier->site,
          describe(*atBarrier) + " waits at " + describe(atBarrier->site) +
              ", but " + Twine(block.done) + " of the block's " +
              Twine(block.threads.size()) + " threads have left the kernel");
  }
}

Error Execution::run() {
  size_t blockThreads = config.block.count();
  size_t count = config.grid.count();
  // Blocks that are there at once.
  size_t together = config.cooperative ? count : 1;
  // Each guard is a mapping more, of which Linux grants a process 65530.
  constexpr size_t mostGuards = 16384;
  bool guarded = together * blockThreads <= mostGuards;
  for (size_t i = 0; i < together * blockThreads; ++i) {
    stacks.push_back(std::make_unique<Stack>(guarded));
    if (!stacks.back()->isThere())
      return createStringError("no memory for the stacks of " +
                               Twine(together * blockThreads) + " threads");
  }
  std::fill(program.runs.begin(), program.runs.end(), 0);
  Execution *outer = running;
  running = this;
  std::vector<Block> blocks(together);
  bool finished = true;
  for (size_t first = 0; first < count && finished; first += together) {
    for (size_t i = 0; i < together; ++i)
      start(blocks[i], static_cast<uint32_t>(first + i));
    finished = runBlocks(blocks);
    for (Block &block : blocks)
      for (Warp &warp : block.warps)
        flush(warp);
  }
  running = outer;
  for (auto [cost, runs] : zip_equal(program.blocks, program.runs)) {
    result.counters.instructions += runs * cost.instructions;
    result.counters.flops += runs * cost.flops;
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Barriers and operations of warps
//===----------------------------------------------------------------------===//

void Execution::releaseBarrier(Block &block) {
  for (Thread &thread : block.threads) {
    const Thread &first = block.threads[thread.warp() * kLanes];
    if (thread.aligned && first.aligned && thread.site != first.site)
      report(FaultKind::DivergentBarrier, first.site, thread.site,
             describe(first) + " is at " + describe(first.site) + ", but " +
                 describe(thread) + " of the same warp at " +
                 describe(thread.site));
    thread.state = Thread::State::Ready;
    join(block.known, thread.known);
    thread.known.clear();
  }
  block.waiting = 0;
  ++block.epoch;
  for (Warp &warp : block.warps)
    flush(warp);
  ++result.counters.barriers;
}

void Execution::barrier(bool aligned, uint32_t site) {
  Thread &thread = *current;
  Block &block = *thread.block;
  thread.site = site;
  thread.aligned = aligned;
  thread.state = Thread::State::AtBarrier;
  if (++block.waiting == block.threads.size())
    return releaseBarrier(block);
  leave();
}

void Execution::warpBarrier(uint32_t mask, uint32_t site) {
  meet(mask, nullptr, site, [&](WarpOperation &operation) {
    Warp &warp = current->block->warps[current->warp()];
    uint32_t now = ++warp.time;
    std::array<uint32_t, kLanes> together{};
    auto forLanes = [&](auto body) {
      for (unsigned lane = 0; lane < kLanes; ++lane)
        if (operation.mask & (uint32_t(1) << lane))
          body(lane);
    };
    forLanes([&](unsigned lane) {
      for (unsigned other = 0; other < kLanes; ++other)
        together[other] = std::max(together[other], warp.known[lane][other]);
    });
    forLanes([&](unsigned lane) { together[lane] = now; });
    forLanes([&](unsigned lane) { warp.known[lane] = together; });
  });
}

/// Waits for all lanes of the mask; the last one performs the operation.
void Execution::meet(uint32_t mask, void *operand, uint32_t site,
                     function_ref<void(WarpOperation &)> perform) {
  Thread &thread = *current;
  Block &block = *thread.block;
  Warp &warp = block.warps[thread.warp()];
  uint32_t bit = uint32_t(1) << thread.lane();
  size_t lanes = std::min<size_t>(kLanes, block.threads.size() -
                                              thread.warp() * size_t(kLanes));
  uint32_t there = lanes == kLanes ? ~uint32_t(0) : (uint32_t(1) << lanes) - 1;
  if (!(mask & bit) || (mask & ~there))
    return stop(FaultKind::Mask, site,
                describe(thread) + " at " + describe(site) + " has mask 0x" +
                    utohexstr(mask) + ", which " +
                    (mask & bit ? "names lanes that there are not"
                                : "is without its own lane"));
  auto *known = find_if(warp.operations, [&](const WarpOperation &operation) {
    return operation.site == site && operation.mask == mask &&
           !(operation.arrived & bit);
  });
  if (known == warp.operations.end()) {
    warp.operations.push_back({site, mask, 0, {}});
    known = std::prev(warp.operations.end());
  }
  known->operands[thread.lane()] = operand;
  known->arrived |= bit;
  if (known->arrived != mask) {
    thread.site = site;
    thread.state = Thread::State::InWarp;
    return leave();
  }
  WarpOperation operation = *known;
  warp.operations.erase(known);
  perform(operation);
  for (unsigned lane = 0; lane < lanes; ++lane)
    if (mask & (uint32_t(1) << lane))
      block.threads[thread.warp() * kLanes + lane].state = Thread::State::Ready;
}

uint32_t Execution::shuffle(uint32_t mask, uint32_t value, uint32_t offset,
                            uint32_t clamp, Shuffle kind, uint32_t site) {
  struct Operand {
    uint32_t value, offset, clamp, result;
  } own{value, offset, clamp, value};
  meet(mask, &own, site, [&](WarpOperation &operation) {
    ++result.counters.shuffles;
    for (int lane = 0; lane < int(kLanes); ++lane) {
      if (!(operation.mask & (uint32_t(1) << lane)))
        continue;
      auto &mine = *static_cast<Operand *>(operation.operands[lane]);
      // PTX ISA, "shfl.sync".
      int segment = mine.clamp >> 8 & 31, bound = mine.clamp & 31;
      int most = (lane & segment) | (bound & ~segment & 31);
      int least = lane & segment, by = mine.offset & 31, from = lane;
      bool valid = false;
      switch (kind) {
      case ShuffleUp:
        from = lane - by;
        valid = from >= most;
        break;
      case ShuffleDown:
        from = lane + by;
        valid = from <= most;
        break;
      case ShuffleButterfly:
        from = lane ^ by;
        valid = from <= most;
        break;
      case ShuffleIndex:
        from = least | (by & ~segment & 31);
        valid = from <= most;
        break;
      }
      if (!valid)
        from = lane;
      if (!(operation.mask & (uint32_t(1) << from))) {
        report(FaultKind::Mask, site, site,
               "lane " + Twine(lane) + " of warp " + Twine(current->warp()) +
                   " reads lane " + Twine(from) + ", which is not in mask 0x" +
                   utohexstr(operation.mask) + ", at " + describe(site));
        from = lane;
      }
      mine.result = static_cast<Operand *>(operation.operands[from])->value;
    }
  });
  return own.result;
}

void Execution::matrix(MatrixKind kind, const MatrixLane &lane, uint32_t site) {
  MatrixLane own = lane;
  meet(~uint32_t(0), &own, site, [&](WarpOperation &operation) {
    std::array<MatrixLane, kLanes> lanes;
    for (unsigned i = 0; i < kLanes; ++i)
      lanes[i] = *static_cast<MatrixLane *>(operation.operands[i]);
    multiply(kind, lanes);
    ++result.counters.matrixProducts;
    result.counters.matrixFlops += getMatrixFlops(kind);
  });
}

void Execution::loadMatrix(uint32_t count, bool transposed, const void *address,
                           uint32_t *registers, uint32_t site) {
  struct Operand {
    const void *row;
    uint32_t *registers;
  } own{address, registers};
  // Lane i has the address of row i % 8 of matrix i / 8.
  if (current->lane() < 8 * count) {
    const Array &shared = *current->block->shared;
    if (shared.getOffset(address) >= shared.size())
      stop(FaultKind::OutOfBounds, site,
           describe(*current) + " loads a matrix at " + describe(site) +
               " from no place in shared memory");
    else
      access(address, 16, 16, 0, site);
  }
  if (stopped)
    return;
  meet(~uint32_t(0), &own, site, [&](WarpOperation &operation) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned matrix = 0; matrix < count; ++matrix) {
        uint16_t halves[2];
        for (unsigned half = 0; half < 2; ++half) {
          unsigned row = lane / 4, column = lane % 4 * 2 + half;
          if (transposed)
            std::swap(row, column);
          auto *from =
              static_cast<Operand *>(operation.operands[8 * matrix + row]);
          std::memcpy(&halves[half],
                      static_cast<const char *>(from->row) + 2 * column, 2);
        }
        static_cast<Operand *>(operation.operands[lane])->registers[matrix] =
            halves[0] | uint32_t(halves[1]) << 16;
      }
  });
}

//===----------------------------------------------------------------------===//
// Asynchronous copies
//===----------------------------------------------------------------------===//

void Execution::asyncCopy(const AsyncCopy &copy) {
  Thread &thread = *current;
  Array &shared = *thread.block->shared;
  if (copy.given > 0)
    access(copy.from, std::min(copy.given, copy.bytes), copy.bytes, 0,
           copy.site);
  if (stopped)
    return;
  size_t offset = shared.getOffset(copy.to);
  if (!shared.has(copy.to, copy.bytes))
    return stop(FaultKind::OutOfBounds, copy.site,
                describe(thread) + " copies " + Twine(copy.bytes) +
                    " bytes to no place in shared memory at " +
                    describe(copy.site));
  if (offset % copy.bytes)
    return stop(FaultKind::Misaligned, copy.site,
                describe(thread) + " copies " + Twine(copy.bytes) +
                    " bytes to offset " + Twine(offset) +
                    " of shared memory at " + describe(copy.site));
  // From now on it may arrive.
  check(shared, offset, copy.bytes, AccessWrite, copy.site);
  ++result.counters.asyncCopies;
  result.counters.sharedWritten += copy.bytes;
  thread.block->pending.insert({offset, copy.bytes});
  thread.open.push_back(copy);
}

void Execution::asyncCommit() {
  current->groups.push_back(std::move(current->open));
  current->open.clear();
}

void Execution::asyncWait(uint32_t pending) {
  Thread &thread = *current;
  while (thread.groups.size() > pending) {
    std::vector<AsyncCopy> group = std::move(thread.groups.front());
    thread.groups.pop_front();
    for (const AsyncCopy &copy : group)
      complete(copy);
  }
}

void Execution::complete(const AsyncCopy &copy) {
  Block &block = *current->block;
  size_t offset = block.shared->getOffset(copy.to);
  uint32_t given = std::min(copy.given, copy.bytes);
  block.pending.erase(block.pending.find({offset, copy.bytes}));
  std::memcpy(copy.to, copy.from, given);
  std::memset(copy.to + given, 0, copy.bytes - given);
  note(*block.shared, offset, copy.bytes, AccessWrite, copy.site);
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

/// Whether the current thread's next access follows the one of `before`.
bool Execution::isOrdered(const Mark &before) const {
  const Thread &thread = *current;
  const Block &block = *thread.block;
  if (before.launch != launch)
    return true;
  if (before.block != block.index)
    return covers(thread.known, before) || covers(block.known, before);
  if (before.thread == thread.index || before.epoch < block.epoch)
    return true;
  return before.thread / kLanes == thread.warp() &&
         block.warps[thread.warp()]
                 .known[thread.lane()][before.thread % kLanes] >
             before.warpTime;
}

/// Reports what an access of existing memory races with.
void Execution::check(Array &array, size_t offset, uint32_t bytes,
                      uint32_t flags, uint32_t site) {
  Thread &thread = *current;
  Block &block = *thread.block;
  bool isShared = &array == block.shared.get();
  bool writes = flags & AccessWrite, atomic = flags & AccessAtomic;
  const auto &known = block.warps[thread.warp()].known[thread.lane()];
  for (size_t at = offset; at < offset + bytes; ++at) {
    const Cell &cell = array.getCell(at);
    auto conflict = [&](const Mark &other, StringRef was) {
      report(FaultKind::Race, site, other.site,
             describe(thread) + (writes ? " writes " : " reads ") +
                 (isShared ? "shared" : "global") + " memory, offset " +
                 Twine(at) + ", at " + describe(site) + ", which thread " +
                 Twine(other.thread) + " of block " + Twine(other.block) + " " +
                 was + " at " + describe(other.site) +
                 " with nothing between them");
    };
    if (const Mark &writer = cell.writer;
        !(writer.atomic && atomic) && !isOrdered(writer))
      conflict(writer, "has written");
    if (!writes)
      continue;
    if (const Mark &reader = cell.atomicReader; !atomic && !isOrdered(reader))
      conflict(reader, "has read");
    const Mark &reader = cell.reader;
    if (!isOrdered(reader)) {
      conflict(reader, "has read");
      continue;
    }
    // Others may have read it since the same barrier.
    if (reader.launch != launch || reader.block != block.index ||
        reader.epoch != block.epoch)
      continue;
    bool ordered = !cell.manyWarps;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      if ((cell.readerLanes & (uint32_t(1) << lane)) && lane != thread.lane())
        ordered &= known[lane] > reader.warpTime;
    if (!ordered)
      conflict(reader, "and others have read, the last time");
  }
}

/// Takes down an access of existing memory.
void Execution::note(Array &array, size_t offset, uint32_t bytes,
                     uint32_t flags, uint32_t site) {
  Thread &thread = *current;
  Block &block = *thread.block;
  Warp &warp = block.warps[thread.warp()];
  bool isShared = &array == block.shared.get();
  bool writes = flags & AccessWrite, atomic = flags & AccessAtomic;
  if ((!writes || (flags & AccessUpdate)) &&
      !array.isInitialised(offset, bytes))
    report(FaultKind::Uninitialised, site, site,
           describe(thread) + " reads " + (isShared ? "shared" : "global") +
               " memory that nobody has written, offset " + Twine(offset) +
               ", at " + describe(site));
  if (writes)
    array.setInitialised(offset, bytes);
  if (isShared)
    for (auto [start, length] : block.pending)
      if (offset < start + length && start < offset + bytes)
        report(FaultKind::Race, site, site,
               describe(thread) +
                   " uses shared memory that an asynchronous copy has not "
                   "finished, offset " +
                   Twine(offset) + ", at " + describe(site));
  check(array, offset, bytes, flags, site);

  Mark mark{launch,    block.index,  time,   block.epoch,
            warp.time, thread.index, atomic, site};
  uint32_t bit = uint32_t(1) << thread.lane();
  const auto &known = warp.known[thread.lane()];
  for (size_t at = offset; at < offset + bytes; ++at) {
    Cell &cell = array.getCell(at);
    if (writes) {
      cell = Cell();
      cell.writer = mark;
      continue;
    }
    if (atomic) {
      cell.atomicReader = mark;
      continue;
    }
    const Mark &reader = cell.reader;
    bool together = reader.launch == launch && reader.block == block.index &&
                    reader.epoch == block.epoch;
    if (!together) {
      cell.manyWarps = false;
      cell.readerLanes = 0;
    } else if (reader.thread / kLanes != thread.warp()) {
      cell.manyWarps = true;
    } else {
      // Who is done before this read is so before what follows it.
      for (unsigned lane = 0; lane < kLanes; ++lane)
        if (known[lane] > reader.warpTime)
          cell.readerLanes &= ~(uint32_t(1) << lane);
    }
    cell.readerLanes |= bit;
    cell.reader = mark;
  }
}

void Execution::fence() {
  Thread &thread = *current;
  const Block &block = *thread.block;
  // What has been read so far is acquired.
  join(thread.known, thread.read);
  thread.read.clear();
  thread.released = block.known;
  join(thread.released, thread.known);
  Knowledge own;
  own[block.index] = {block.epoch, {{thread.index, time}}};
  join(thread.released, own);
  ++time;
}

/// What an atomic operation says to and learns of other blocks.
void Execution::synchronise(const void *address, uint32_t flags) {
  Thread &thread = *current;
  Knowledge &there = released[address];
  bool writes = flags & AccessWrite, updates = flags & AccessUpdate;
  if (!writes || updates)
    join(flags & AccessAcquire ? thread.known : thread.read, there);
  if (!writes)
    return;
  if (flags & AccessRelease)
    fence();
  // A store begins anew; an update goes on what others have released.
  if (!updates)
    there.clear();
  join(there, thread.released);
}

/// Others may be about to write what the current thread looks at: they run
/// first.
void Execution::spin(const void *address, uint32_t bytes, uint32_t site) {
  Thread &thread = *current;
  uint64_t value = 0;
  std::memcpy(&value, address, std::min<size_t>(bytes, sizeof(value)));
  thread.spins = true;
  thread.repeats = !thread.wrote && thread.spinSite == site &&
                   thread.spinAddress == address && thread.spinValue == value;
  thread.wrote = false;
  thread.site = thread.spinSite = site;
  thread.spinAddress = address;
  thread.spinValue = value;
  leave();
}

void Execution::access(const void *address, uint32_t bytes, uint32_t alignment,
                       uint32_t flags, uint32_t site) {
  Thread &thread = *current;
  if (thread.stack->has(address))
    return;
  auto place = reinterpret_cast<uintptr_t>(address);
  if (place % alignment)
    return stop(FaultKind::Misaligned, site,
                describe(thread) + " at " + describe(site) + ": address 0x" +
                    utohexstr(place) + " is no multiple of " +
                    Twine(alignment));

  Array &shared = *thread.block->shared;
  size_t offset = shared.getOffset(address);
  bool isShared = offset < shared.size();
  Array *array = memory.find(address, bytes);
  if (isShared) {
    auto isIn = [&](uint32_t begin, uint32_t end) {
      return offset >= begin && offset + bytes <= end;
    };
    bool inside =
        isIn(kernel.dynamicOffset, kernel.dynamicOffset + config.sharedBytes) ||
        any_of(kernel.arrays, [&](const auto &range) {
          return isIn(range.first, range.second);
        });
    array = inside ? &shared : nullptr;
  }
  bool writes = flags & AccessWrite;
  if (!array) {
    std::string where;
    if (isShared)
      where = "; this is at " + std::to_string(offset) + " of shared memory";
    else if (Array *near = memory.findBefore(address))
      where = "; the array in front has " + std::to_string(near->size()) +
              " bytes, and this is at " +
              std::to_string(near->getOffset(address));
    return stop(FaultKind::OutOfBounds, site,
                describe(thread) + (writes ? " writes " : " reads ") +
                    Twine(bytes) + " bytes of no array at " + describe(site) +
                    where);
  }
  if (flags & AccessSpin)
    spin(address, bytes, site);
  else if (writes)
    thread.wrote = true;
  Counters &counters = result.counters;
  if (flags & AccessAtomic)
    ++counters.atomics;
  // How often a thread looks for what another one has not written yet says
  // nothing of the kernel.
  if (!((flags & AccessSpin) && !writes && thread.repeats)) {
    (isShared ? (writes ? counters.sharedWritten : counters.sharedRead)
              : (writes ? counters.globalWritten : counters.globalRead)) +=
        bytes;
    log(place, bytes, isShared, site);
  }
  if ((flags & AccessAtomic) && !isShared)
    synchronise(address, flags);
  note(*array, array->getOffset(address), bytes, flags, site);
}

//===----------------------------------------------------------------------===//
// Accesses of warps
//===----------------------------------------------------------------------===//

/// The lanes' n-th accesses at a place since the last barrier are one of the
/// warp.
void Execution::log(uintptr_t address, uint32_t bytes, bool isShared,
                    uint32_t site) {
  Warp &warp = current->block->warps[current->warp()];
  unsigned lane = current->lane();
  auto [counts, isNew] = warp.counts.try_emplace(site);
  if (isNew)
    counts->second.fill(0);
  uint32_t turn = counts->second[lane]++;
  std::vector<Request> &requests = warp.requests[site];
  if (requests.size() <= turn)
    requests.resize(turn + 1);
  Request &request = requests[turn];
  request.addresses[lane] = address;
  request.mask |= uint32_t(1) << lane;
  request.bytes = bytes;
  request.shared = isShared;
}

void Execution::flush(Warp &warp) {
  for (auto &[site, requests] : warp.requests)
    for (const Request &request : requests)
      count(request);
  warp.requests.clear();
  warp.counts.clear();
}

void Execution::count(const Request &request) {
  Counters &counters = result.counters;
  auto forLanes = [&](unsigned from, unsigned to, auto body) {
    for (unsigned lane = from; lane < to; ++lane)
      if (request.mask & (uint32_t(1) << lane))
        body(request.addresses[lane]);
  };
  if (!request.shared) {
    constexpr uint64_t sectorBytes = 32;
    std::set<uintptr_t> sectors, addresses;
    forLanes(0, kLanes, [&](uintptr_t address) {
      addresses.insert(address);
      for (uintptr_t at = address / sectorBytes;
           at <= (address + request.bytes - 1) / sectorBytes; ++at)
        sectors.insert(at);
    });
    ++counters.globalAccesses;
    counters.sectors += sectors.size();
    counters.leastSectors +=
        divideCeil(addresses.size() * request.bytes, sectorBytes);
    return;
  }
  // Wide accesses go a half or a quarter of a warp at a time.
  ++counters.sharedAccesses;
  unsigned together = kLanes / std::clamp<unsigned>(request.bytes / 4, 1, 4);
  for (unsigned from = 0; from < kLanes; from += together) {
    std::array<std::set<uintptr_t>, 32> banks;
    forLanes(from, from + together, [&](uintptr_t address) {
      for (uintptr_t word = address / 4;
           word <= (address + request.bytes - 1) / 4; ++word)
        banks[word % 32].insert(word);
    });
    size_t passes = 0;
    for (const std::set<uintptr_t> &words : banks)
      passes = std::max(passes, words.size());
    counters.bankConflicts += passes > 1 ? passes - 1 : 0;
  }
}

uint32_t Execution::special(uint32_t which) const {
  const Thread &thread = *current;
  const Extent &block = thread.block->id;
  const uint32_t values[] = {thread.id.x,    thread.id.y,    thread.id.z,
                             config.block.x, config.block.y, config.block.z,
                             block.x,        block.y,        block.z,
                             config.grid.x,  config.grid.y,  config.grid.z,
                             thread.lane(),  thread.warp()};
  return values[which];
}

//===----------------------------------------------------------------------===//
// Hooks
//===----------------------------------------------------------------------===//

void pcx_sim_access(const void *address, uint32_t bytes, uint32_t alignment,
                    uint32_t flags, uint32_t site) {
  running->access(address, bytes, alignment, flags, site);
  running->leaveIfStopped();
}

uint32_t pcx_sim_special(uint32_t which) { return running->special(which); }

void *pcx_sim_shared(uint32_t offset) { return running->shared(offset); }

void pcx_sim_barrier(uint32_t aligned, uint32_t site) {
  running->barrier(aligned, site);
}

void pcx_sim_warp_barrier(uint32_t mask, uint32_t site) {
  running->warpBarrier(mask, site);
  running->leaveIfStopped();
}

void pcx_sim_fence(void) { running->fence(); }

uint32_t pcx_sim_shuffle(uint32_t mask, uint32_t value, uint32_t offset,
                         uint32_t clamp, uint32_t kind, uint32_t site) {
  uint32_t result = running->shuffle(mask, value, offset, clamp,
                                     static_cast<Shuffle>(kind), site);
  running->leaveIfStopped();
  return result;
}

void pcx_sim_matrix(uint32_t kind, const uint32_t *a, const uint32_t *b,
                    const float *c, float *d, uint32_t site) {
  running->matrix(static_cast<MatrixKind>(kind), {a, b, c, d}, site);
  running->leaveIfStopped();
}

void pcx_sim_load_matrix(uint32_t count, uint32_t transposed,
                         const void *address, uint32_t *result, uint32_t site) {
  running->loadMatrix(count, transposed, address, result, site);
  running->leaveIfStopped();
}

void pcx_sim_async_copy(void *to, const void *from, uint32_t bytes,
                        uint32_t given, uint32_t site) {
  running->asyncCopy({static_cast<uint8_t *>(to),
                      static_cast<const uint8_t *>(from), bytes, given, site});
  running->leaveIfStopped();
}

void pcx_sim_async_commit(void) { running->asyncCommit(); }

void pcx_sim_async_wait(uint32_t pending) { running->asyncWait(pending); }

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

pc::sim::Module::Module(std::unique_ptr<Program> program)
    : program(std::move(program)) {}
pc::sim::Module::~Module() = default;

bool pc::sim::Module::hasKernel(StringRef name) const {
  return program->kernels.contains(name);
}

ArrayRef<uint32_t> pc::sim::Module::getParameters(StringRef kernel) const {
  auto found = program->kernels.find(kernel);
  if (found == program->kernels.end())
    return {};
  return found->second.parameters;
}

uint32_t pc::sim::Module::getSharedBytes(StringRef kernel) const {
  auto found = program->kernels.find(kernel);
  return found == program->kernels.end() ? 0 : found->second.sharedBytes;
}

Device::Device() : memory(std::make_unique<Memory>()) {}
Device::~Device() = default;

void *Device::allocate(size_t bytes) { return memory->allocate(bytes); }

bool Device::release(void *address) { return memory->release(address); }

bool Device::write(void *to, const void *from, size_t bytes) {
  Array *array = memory->find(to, bytes);
  if (!array)
    return false;
  // No bytes may lie at null.
  if (bytes > 0)
    std::memcpy(to, from, bytes);
  array->setInitialised(static_cast<uint8_t *>(to) - array->begin(), bytes);
  return true;
}

bool Device::read(void *to, const void *from, size_t bytes) {
  if (!memory->find(from, bytes))
    return false;
  if (bytes > 0)
    std::memcpy(to, from, bytes);
  return true;
}

bool Device::fill(void *to, uint8_t value, size_t bytes) {
  Array *array = memory->find(to, bytes);
  if (!array)
    return false;
  std::memset(to, value, bytes);
  array->setInitialised(static_cast<uint8_t *>(to) - array->begin(), bytes);
  return true;
}

Expected<std::unique_ptr<pc::sim::Module>>
Device::load(MemoryBufferRef source) {
  Expected<std::unique_ptr<Program>> program = Program::create(source);
  if (!program)
    return program.takeError();
  return std::unique_ptr<Module>(new Module(std::move(*program)));
}

Expected<LaunchResult> Device::launch(const Module &module, StringRef kernel,
                                      const LaunchConfig &config,
                                      ArrayRef<void *> arguments) {
  auto found = module.program->kernels.find(kernel);
  if (found == module.program->kernels.end())
    return createStringError("there is no kernel '" + kernel + "'");
  const Extent &grid = config.grid, &block = config.block;
  if (grid.count() == 0 || block.count() == 0 || block.count() > mostThreads ||
      block.z > 64 || grid.x > INT32_MAX || grid.y > UINT16_MAX ||
      grid.z > UINT16_MAX)
    return createStringError(
        "kernel '" + kernel + "': a grid of " + format(grid) + " blocks of " +
        format(block) + " threads; a block has 1 to " + Twine(mostThreads) +
        " threads, 64 along z, and a grid 1 to 2147483647 blocks, 65535 along "
        "y and z");
  if (config.cooperative && grid.count() * block.count() > mostResidentThreads)
    return createStringError(
        "kernel '" + kernel + "': " + Twine(grid.count() * block.count()) +
        " threads that wait for each other, but " + Twine(mostResidentThreads) +
        " can be there at once");
  uint64_t shared = uint64_t(found->second.sharedBytes) + config.sharedBytes;
  if (shared > mostSharedBytes)
    return createStringError("kernel '" + kernel + "': " + Twine(shared) +
                             " bytes of shared memory, but a block has " +
                             Twine(mostSharedBytes));
  if (arguments.size() != found->second.parameters.size())
    return createStringError("kernel '" + kernel + "' has " +
                             Twine(found->second.parameters.size()) +
                             " parameters, but " + Twine(arguments.size()) +
                             " arguments were given");
  // Launches follow one another: what one did is done when the next one starts.
  static std::atomic<uint32_t> launches{0};
  Execution execution(*memory, *module.program, kernel, found->second, config,
                      arguments, ++launches);
  if (Error error = execution.run())
    return std::move(error);
  return std::move(execution.result);
}
