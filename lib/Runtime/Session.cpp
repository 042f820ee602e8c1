//===- Session.cpp - Everything that changes ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "Error.h"
#include "Random.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <sys/mman.h>
#include <system_error>

using namespace pcx;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Buffer::Buffer(uint64_t bytes, const std::string &purpose) {
  constexpr uint64_t hugePage = 2u << 20;
  uint64_t alignment = bytes >= 2 * hugePage ? hugePage : PCX_ALIGNMENT;
  // At least one unit, so that no pointer is NULL.
  size = roundUp(std::max<uint64_t>(bytes, 1), alignment);
  memory.reset(static_cast<std::byte *>(std::aligned_alloc(alignment, size)));
  if (!memory)
    fail(PCX_ERROR_MEMORY, "cannot allocate {} bytes for {}", size, purpose);
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
// Session
//===----------------------------------------------------------------------===//

static void hostParallelFor(void *self, pcx_task_fn task, void *context,
                            int64_t count) {
  static_cast<ThreadPool *>(self)->parallelFor(task, context, count);
}

pcx_session_t::pcx_session_t(const pcx_module_t &module, unsigned threads)
    : module(module), pool(threads), threadChoice(module.info().program_count) {
  const pcx_artifact_t &info = module.info();
  host = {sizeof(host), threads, &pool, hostParallelFor, nullptr};

  for (uint32_t s = 0; s < info.storage_count; ++s) {
    const pcx_storage_t &entry = info.storage[s];
    storage.emplace_back(entry.bytes, fmt::format("array '{}' of '{}'",
                                                  entry.name, module.name));
    storagePointers.push_back(storage.back().data());
    allocated += storage.back().bytes();
  }
  for (uint32_t h = 0; h < info.hyper_count; ++h)
    hypers.push_back(info.hypers[h].value);

  // Programs run one at a time: they share the workspace and the staging.
  uint64_t workspaceBytes = 0, stagingBytes = 0;
  size_t mostInputs = 0;
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
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < program.input_count; ++i)
      bytes += portBytes(program.inputs[i], p);
    for (uint32_t i = 0; i < program.output_count; ++i)
      bytes += portBytes(program.outputs[i], p);
    stagingBytes = std::max(stagingBytes, bytes);
    mostInputs = std::max<size_t>(mostInputs, program.input_count);
  }
  workspace =
      Buffer(workspaceBytes, fmt::format("the workspace of '{}'", module.name));
  stagingMemory = Buffer(
      stagingBytes, fmt::format("inputs and outputs of '{}'", module.name));
  allocated += workspace.bytes() + stagingMemory.bytes();
  inputPointers.resize(mostInputs);

  uint64_t keptBytes = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    ProgramStaging places;
    std::byte *next = stagingMemory.data();
    for (uint32_t i = 0; i < program.input_count; ++i) {
      places.inputs.push_back(next);
      next += portBytes(program.inputs[i], p);
    }
    for (uint32_t i = 0; i < program.output_count; ++i) {
      places.outputs.push_back(next);
      next += portBytes(program.outputs[i], p);
    }
    uint64_t bytes = 0;
    for (uint32_t w = 0; w < program.storage_write_count; ++w) {
      uint32_t s = program.storage_writes[w];
      const pcx_storage_t &entry = info.storage[s];
      if (entry.kind != PCX_STATE || entry.rank == 0)
        continue;
      uint64_t rowBytes = uint64_t(entry.strides[0]) * dtypeBytes(entry.dtype);
      places.states.push_back({s, rowBytes});
      bytes += rowBytes * uint64_t(module.variant(p).sample_block);
    }
    keptBytes = std::max(keptBytes, bytes);
    staging.push_back(std::move(places));
  }
  keptRows = Buffer(keptBytes, fmt::format("states of '{}'", module.name));
  allocated += keptRows.bytes();
}

template <typename Copy>
void pcx_session_t::forRowsPastBatch(uint32_t program, int64_t n, Copy copy) {
  std::byte *kept = keptRows.data();
  for (auto [s, rowBytes] : staging[program].states) {
    uint64_t from = uint64_t(n) * rowBytes;
    uint64_t to = std::min(uint64_t(paddedRows(program, n)) * rowBytes,
                           module.info().storage[s].bytes);
    if (to <= from)
      continue;
    copy(storage[s].data() + from, kept, size_t(to - from));
    kept += to - from;
  }
}

int64_t pcx_session_t::paddedRows(uint32_t program, int64_t n) const {
  int64_t block = module.variant(program).sample_block;
  return (n + block - 1) / block * block;
}

int32_t pcx_session_t::run(uint32_t program, pcx_run_args_t &args) {
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

void pcx_session_t::invoke(uint32_t program, int64_t n,
                           const std::byte *const *inputs) {
  pcx_run_args_t args = {};
  args.struct_size = sizeof(args);
  args.n = n;
  args.inputs = reinterpret_cast<const void *const *>(inputs);
  args.outputs =
      reinterpret_cast<void *const *>(staging[program].outputs.data());
  args.storage = storagePointers.data();
  args.hypers = hypers.data();
  args.workspace = workspace.data();
  args.seed = counters.seed;
  args.call = counters.call;
  args.total_steps = counters.total_steps;
  args.epoch = counters.epoch;
  forRowsPastBatch(program, n,
                   [](std::byte *row, std::byte *kept, size_t size) {
                     std::memcpy(kept, row, size);
                   });
  int32_t status = run(program, args);
  forRowsPastBatch(program, n,
                   [](std::byte *row, std::byte *kept, size_t size) {
                     std::memcpy(row, kept, size);
                   });
  if (status)
    fail(PCX_ERROR_ARGUMENT,
         "program '{}' of '{}' refused a batch of {} with "
         "status {}",
         module.info().programs[program].name, module.name, n, status);
  ++counters.call;
}

void pcx_session_t::initialise(uint64_t seed) {
  DefaultFloatModes modes;
  const pcx_artifact_t &info = module.info();
  // Before anything changes: the one thing that can fail.
  uint64_t longest = 0;
  for (uint32_t s = 0; s < info.storage_count; ++s)
    longest = std::max(longest, denseBytes(info.storage[s]));
  std::vector<std::byte> dense(longest);
  for (uint32_t s = 0; s < info.storage_count; ++s) {
    const pcx_storage_t &entry = info.storage[s];
    std::memset(storage[s].data(), 0, storage[s].bytes());
    if (entry.init == PCX_INIT_ZERO)
      continue;
    int64_t count = elementCount(entry);
    constexpr int64_t chunk = 1024;
    pool.forEach((count + chunk - 1) / chunk, [&](int64_t c, int64_t) {
      double values[chunk];
      int64_t first = c * chunk, length = std::min(chunk, count - first);
      initialiserValues(entry, seed, first, std::span(values, size_t(length)));
      auto store = [&]<typename T>(T *to, auto round) {
        for (int64_t i = 0; i < length; ++i)
          to[first + i] = round(values[i]);
      };
      auto round = [&](double value) { return roundInitialiser(entry, value); };
      switch (entry.dtype) {
      case PCX_F32:
        return store(reinterpret_cast<float *>(dense.data()), round);
      case PCX_F64:
        return store(reinterpret_cast<double *>(dense.data()),
                     [](double value) { return value; });
      case PCX_I32:
        return store(reinterpret_cast<int32_t *>(dense.data()),
                     [](double value) { return int32_t(value); });
      case PCX_I64:
        return store(reinterpret_cast<int64_t *>(dense.data()),
                     [](double value) { return int64_t(value); });
      case PCX_U8:
        return store(reinterpret_cast<uint8_t *>(dense.data()),
                     [](double value) { return uint8_t(value); });
      }
    });
    copyFromDense(entry, dense.data(), storage[s].data());
  }
  counters = {};
  counters.seed = seed;
}

void pcx::checkBatch(const pcx_session_t &session, int64_t n) {
  int64_t most = session.module.info().max_batch;
  if (n < 1 || n > most)
    fail(PCX_ERROR_ARGUMENT,
         "a batch of {} does not fit '{}', expected 1 to {}; compile with "
         "--batch {} for more",
         n, session.module.name, most, std::max(n, most));
}

void pcx::checkHyper(const pcx_hyper_t &hyper, double value,
                     pcx_status_t status, const std::string &where) {
  if (!(hyper.min <= value && value <= hyper.max))
    fail(status, "{}hyper-parameter '{}' cannot be {}, expected {} to {}",
         where, hyper.name, value, hyper.min, hyper.max);
  if (hyper.integral && value != std::trunc(value))
    fail(status, "{}hyper-parameter '{}' cannot be {}, expected a whole number",
         where, hyper.name, value);
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

pcx_status_t pcx_session_create(const pcx_module_t *module,
                                const pcx_session_options_t *options,
                                pcx_session_t **session) {
  return guarded([&] {
    requireArgument(module, "module");
    requireArgument(session, "session");
    unsigned threads = options ? options->threads : 0;
    if (options && options->struct_size < sizeof(*options))
      fail(PCX_ERROR_ARGUMENT,
           "struct_size of the session's options is {}, expected {}",
           options->struct_size, sizeof(*options));
    if (threads > ThreadPool::maxWorkers)
      fail(PCX_ERROR_ARGUMENT, "cannot use {} threads, expected at most {}",
           threads, ThreadPool::maxWorkers);
    if (!threads)
      threads = std::min(availableCpus(), ThreadPool::maxWorkers);
    try {
      *session = new pcx_session_t(*module, threads);
    } catch (const std::system_error &error) {
      fail(PCX_ERROR_MEMORY, "cannot start {} threads: {}", threads,
           error.code().message());
    }
  });
}

void pcx_session_destroy(pcx_session_t *session) { delete session; }

uint32_t pcx_session_threads(const pcx_session_t *session) {
  return session->pool.workers();
}

uint64_t pcx_session_bytes(const pcx_session_t *session) {
  return session->allocated;
}

pcx_status_t pcx_session_initialise(pcx_session_t *session, uint64_t seed) {
  return guarded([&] {
    requireArgument(session, "session");
    session->initialise(seed);
  });
}

pcx_status_t pcx_set_hyper(pcx_session_t *session, const char *name,
                           double value) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(name, "name");
    uint32_t index = session->module.find(NameKind::Hyper, name);
    checkHyper(session->module.info().hypers[index], value, PCX_ERROR_ARGUMENT,
               "");
    session->hypers[index] = value;
  });
}

pcx_status_t pcx_get_hyper(const pcx_session_t *session, const char *name,
                           double *value) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(name, "name");
    requireArgument(value, "value");
    *value = session->hypers[session->module.find(NameKind::Hyper, name)];
  });
}

void pcx_get_counters(const pcx_session_t *session, pcx_counters_t *counters) {
  *counters = session->counters;
}

void pcx_set_counters(pcx_session_t *session, const pcx_counters_t *counters) {
  session->counters = *counters;
}

/// Index of the named storage entry whose dense size is `bytes`.
static uint32_t findStorage(const pcx_session_t &session, const char *name,
                            uint64_t bytes) {
  uint32_t index = session.module.find(NameKind::Storage, name);
  const pcx_storage_t &entry = session.module.info().storage[index];
  if (bytes != denseBytes(entry))
    fail(PCX_ERROR_ARGUMENT,
         "array '{}' is {} of {}: expected {} bytes, found {}", name,
         shapeName(entry.dims, entry.rank), dtypeName(entry.dtype),
         denseBytes(entry), bytes);
  return index;
}

pcx_status_t pcx_read_storage(const pcx_session_t *session, const char *name,
                              void *data, uint64_t bytes) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(name, "name");
    requireArgument(data, "data");
    uint32_t index = findStorage(*session, name, bytes);
    copyToDense(session->module.info().storage[index],
                session->storage[index].data(), data);
  });
}

pcx_status_t pcx_write_storage(pcx_session_t *session, const char *name,
                               const void *data, uint64_t bytes) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(name, "name");
    requireArgument(data, "data");
    uint32_t index = findStorage(*session, name, bytes);
    copyFromDense(session->module.info().storage[index], data,
                  session->storage[index].data());
  });
}
