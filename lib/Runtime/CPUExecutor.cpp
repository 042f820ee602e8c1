//===- CPUExecutor.cpp - Programs on the CPU ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CPUExecutor.h"
#include "Error.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sys/mman.h>

using namespace pcx;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Buffer::Buffer(uint64_t bytes, const std::string &purpose) {
  // Small pages lie anywhere, so that what a program touches may collide in the
  // second-level cache, in one process more than in another.
  constexpr uint64_t hugePage = 2u << 20;
  uint64_t alignment = bytes >= hugePage / 8 ? hugePage : PCX_ALIGNMENT;
  // At least one unit, so that no pointer is NULL.
  size = roundUp(std::max<uint64_t>(bytes, 1), alignment);
  // Rounding up may pass the largest number and begin at zero again.
  if (size >= bytes)
    memory.reset(static_cast<std::byte *>(std::aligned_alloc(alignment, size)));
  if (!memory)
    fail(PCX_ERROR_MEMORY, "cannot allocate {} bytes for {}",
         std::max(size, bytes), purpose);
  if (alignment == hugePage)
    madvise(memory.get(), size, MADV_HUGEPAGE);
  std::memset(memory.get(), 0, size);
}

/// forRuns for a matrix in panels.
template <typename Copy>
static void forPanelRuns(const pcx_storage_t &storage, Copy copy) {
  // The user's rows are the panels' rows unless the transpose lies there.
  bool byRows = storage.strides[1] == 1;
  int64_t rows = storage.dims[byRows ? 0 : 1];
  int64_t columns = storage.dims[byRows ? 1 : 0];
  for (int64_t first = 0; first < columns; first += storage.panel) {
    int64_t width = std::min(storage.panel, columns - first);
    for (int64_t row = 0; row < rows; ++row) {
      int64_t place = first * rows + row * width;
      if (byRows)
        copy(place, row * columns + first, width);
      else
        for (int64_t c = 0; c < width; ++c)
          copy(place + c, (first + c) * rows + row, 1);
    }
  }
}

/// Calls copy(offset in storage, dense offset, elements) for every run of
/// elements that lie together in both.
template <typename Copy>
static void forRuns(const pcx_storage_t &storage, Copy copy) {
  if (storage.panel)
    return forPanelRuns(storage, copy);
  uint32_t outer = storage.rank;
  int64_t run = 1;
  while (outer &&
         (storage.dims[outer - 1] == 1 || storage.strides[outer - 1] == run)) {
    run *= storage.dims[outer - 1];
    --outer;
  }
  int64_t index[PCX_MAX_RANK] = {};
  int64_t strided = 0;
  int64_t count = elementCount(storage);
  for (int64_t dense = 0; dense < count; dense += run) {
    copy(strided, dense, run);
    // To the next index, the last dimension fastest.
    for (uint32_t d = outer; d-- > 0;) {
      strided += storage.strides[d];
      if (++index[d] < storage.dims[d])
        break;
      strided -= index[d] * storage.strides[d];
      index[d] = 0;
    }
  }
}

void pcx::copyToDense(const pcx_storage_t &storage, const void *strided,
                      void *dense) {
  int64_t bytes = int64_t(dtypeBytes(storage.dtype));
  forRuns(storage, [&](int64_t from, int64_t to, int64_t run) {
    std::memcpy(static_cast<std::byte *>(dense) + to * bytes,
                static_cast<const std::byte *>(strided) + from * bytes,
                size_t(run * bytes));
  });
}

void pcx::copyFromDense(const pcx_storage_t &storage, const void *dense,
                        void *strided) {
  int64_t bytes = int64_t(dtypeBytes(storage.dtype));
  forRuns(storage, [&](int64_t to, int64_t from, int64_t run) {
    std::memcpy(static_cast<std::byte *>(strided) + to * bytes,
                static_cast<const std::byte *>(dense) + from * bytes,
                size_t(run * bytes));
  });
}

//===----------------------------------------------------------------------===//
// Executor
//===----------------------------------------------------------------------===//

static void hostParallelFor(void *self, pcx_task_fn task, void *context,
                            int64_t count) {
  static_cast<ThreadPool *>(self)->parallelFor(task, context, count);
}

CPUExecutor::CPUExecutor(const pcx_module_t &module, ThreadPool &pool)
    : module(module), pool(pool), threadChoice(module.info().program_count) {
  module.requireCpuCode();
  const pcx_artifact_t &info = module.info();
  unsigned threads = pool.workers();
  host = {sizeof(host), threads, &pool, hostParallelFor, nullptr};

  // Programs run one at a time: they share the workspace and the staging.
  uint64_t workspaceBytes = 0, stagingBytes = 0;
  auto portBytes = [&](const pcx_port_t &port, uint32_t program) {
    uint64_t rows =
        port.per_sample ? uint64_t(paddedRows(program, info.max_batch)) : 1;
    return roundUp(denseBytes(port) * rows, PCX_ALIGNMENT);
  };
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    const pcx_variant_t &variant = module.variant(p);
    workspaceBytes =
        std::max(workspaceBytes,
                 variant.workspace_bytes + threads * variant.worker_bytes);
    uint64_t ports = 0;
    for (uint32_t i = 0; i < program.input_count; ++i)
      ports += portBytes(program.inputs[i], p);
    for (uint32_t i = 0; i < program.output_count; ++i)
      ports += portBytes(program.outputs[i], p);
    stagingBytes = std::max(stagingBytes, ports);
  }

  uint64_t keptBytes = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    std::vector<State> &written = states.emplace_back();
    uint64_t rows = 0;
    for (uint32_t w = 0; w < program.storage_write_count; ++w) {
      uint32_t s = program.storage_writes[w];
      const pcx_storage_t &entry = info.storage[s];
      if (entry.kind != PCX_STATE || entry.rank == 0)
        continue;
      uint64_t rowBytes = uint64_t(entry.strides[0]) * dtypeBytes(entry.dtype);
      written.push_back({s, rowBytes});
      rows += rowBytes * uint64_t(module.variant(p).sample_block);
    }
    keptBytes = std::max(keptBytes, rows);
  }

  // All in one piece: large pages are few.
  uint64_t total = 0;
  auto place = [&](uint64_t size) {
    uint64_t offset = total;
    if (__builtin_add_overflow(total, roundUp(size, PCX_ALIGNMENT), &total))
      fail(PCX_ERROR_MEMORY, "the arrays of '{}' have more than {} bytes",
           module.name, UINT64_MAX);
    return offset;
  };
  uint64_t stagingAt = place(stagingBytes);
  uint64_t workspaceAt = place(workspaceBytes);
  uint64_t keptAt = place(keptBytes);
  std::vector<uint64_t> storageAt;
  for (uint32_t s = 0; s < info.storage_count; ++s)
    storageAt.push_back(place(info.storage[s].bytes));
  memory = Buffer(total, fmt::format("the arrays of '{}'", module.name));
  workspace = memory.data() + workspaceAt;
  keptRows = memory.data() + keptAt;
  for (uint32_t s = 0; s < info.storage_count; ++s) {
    storage.emplace_back(memory.data() + storageAt[s], info.storage[s].bytes);
    storagePointers.push_back(storage.back().data());
  }
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    ProgramStaging &own = places.emplace_back();
    std::byte *next = memory.data() + stagingAt;
    for (uint32_t i = 0; i < program.input_count; ++i) {
      own.inputs.push_back(next);
      next += portBytes(program.inputs[i], p);
    }
    for (uint32_t i = 0; i < program.output_count; ++i) {
      own.outputs.push_back(next);
      next += portBytes(program.outputs[i], p);
    }
  }
}

template <typename Copy>
void CPUExecutor::forRowsPastBatch(uint32_t program, int64_t n, Copy copy) {
  std::byte *kept = keptRows;
  for (auto [s, rowBytes] : states[program]) {
    uint64_t from = uint64_t(n) * rowBytes;
    uint64_t to = std::min(uint64_t(paddedRows(program, n)) * rowBytes,
                           module.info().storage[s].bytes);
    if (to <= from)
      continue;
    copy(storage[s].data() + from, kept, size_t(to - from));
    kept += to - from;
  }
}

int64_t CPUExecutor::paddedRows(uint32_t program, int64_t n) const {
  int64_t block = module.variant(program).sample_block;
  return (n + block - 1) / block * block;
}

int32_t CPUExecutor::run(uint32_t program, pcx_run_args_t &args) {
  using Clock = std::chrono::steady_clock;
  ThreadChoice::Calls &calls = threadChoice.find(program, args.n);
  pcx_host_t services = profiled ? profiler->host() : host;
  args.host = &services;
  bool compared = pool.workers() > 1 && calls.isCompared();
  bool shared = pool.workers() > 1 && calls.isShared();
  if (!shared)
    services.workers = 1;
  pool.setShared(shared);
  if (profiled)
    profiler->beginCall(program, args.n);
  auto begin = compared ? Clock::now() : Clock::time_point();
  int32_t status = module.variant(program).run(&args);
  std::chrono::duration<double> seconds =
      compared ? Clock::now() - begin : Clock::duration();
  if (profiled)
    profiler->endCall();
  // Initialisation and the like are shared whatever a program does.
  pool.setShared(true);
  calls.end(seconds.count());
  return status;
}

void CPUExecutor::begin(const ProgramCall &call, unsigned) {
  pcx_run_args_t args = {};
  args.struct_size = sizeof(args);
  args.n = call.n;
  args.inputs = reinterpret_cast<const void *const *>(call.inputs);
  args.outputs =
      reinterpret_cast<void *const *>(places[call.program].outputs.data());
  args.storage = storagePointers.data();
  args.hypers = call.hypers;
  args.workspace = workspace;
  args.seed = call.counters.seed;
  args.call = call.counters.call;
  args.total_steps = call.counters.total_steps;
  args.epoch = call.counters.epoch;
  forRowsPastBatch(call.program, call.n,
                   [](std::byte *row, std::byte *kept, size_t size) {
                     std::memcpy(kept, row, size);
                   });
  int32_t status = run(call.program, args);
  forRowsPastBatch(call.program, call.n,
                   [](std::byte *row, std::byte *kept, size_t size) {
                     std::memcpy(row, kept, size);
                   });
  if (status)
    fail(PCX_ERROR_ARGUMENT,
         "program '{}' of '{}' refused a batch of {} with "
         "status {}",
         module.info().programs[call.program].name, module.name, call.n,
         status);
}

void CPUExecutor::readStorage(uint32_t entry, void *dense) {
  copyToDense(module.info().storage[entry], storage[entry].data(), dense);
}

void CPUExecutor::writeStorage(uint32_t entry, const void *dense) {
  copyFromDense(module.info().storage[entry], dense, storage[entry].data());
}

void CPUExecutor::zeroStorage(uint32_t entry) {
  std::memset(storage[entry].data(), 0, storage[entry].size());
}

void CPUExecutor::startProfile(uint32_t events) {
  profiler.reset();
  profiled = false;
  profiler = std::make_unique<Profiler>(module, pool, events);
  profiled = true;
}

const pcx_profile_t &CPUExecutor::stopProfile() {
  profiled = false;
  return profiler->finish();
}
