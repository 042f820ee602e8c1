//===- Session.cpp - Everything that changes ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "CPUExecutor.h"
#include "Device.h"
#include "Error.h"
#include "Random.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <system_error>

using namespace pcx;

//===----------------------------------------------------------------------===//
// Session
//===----------------------------------------------------------------------===//

static std::unique_ptr<Executor> makeExecutor(const pcx_module_t &module,
                                              ThreadPool &pool,
                                              const DeviceChoice &choice) {
  if (choice.kind == DeviceKind::CPU)
    return std::make_unique<CPUExecutor>(module, pool);
  return makeDeviceExecutor(module, choice);
}

pcx_session_t::pcx_session_t(const pcx_module_t &module, unsigned threads,
                             const DeviceChoice &device)
    : module(module), pool(threads),
      executor(makeExecutor(module, pool, device)) {
  const pcx_artifact_t &info = module.info();
  for (uint32_t h = 0; h < info.hyper_count; ++h)
    hypers.push_back(info.hypers[h].value);
  size_t mostInputs = 0, mostOutputs = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    mostInputs = std::max<size_t>(mostInputs, info.programs[p].input_count);
    mostOutputs = std::max<size_t>(mostOutputs, info.programs[p].output_count);
  }
  inputPointers.resize(mostInputs);
  wanted.resize(mostOutputs);
}

void pcx_session_t::begin(uint32_t program, int64_t n,
                          const std::byte *const *inputs, unsigned slot,
                          const HeldData *held, int64_t position,
                          unsigned count) {
  ProgramCall call = {program, n,      inputs,        held,    position,
                      count,   wanted, hypers.data(), counters};
  executor->begin(call, slot);
  counters.call += count;
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
    executor->zeroStorage(s);
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
    executor->writeStorage(s, dense.data());
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
    // The device came later.
    if (options &&
        options->struct_size < offsetof(pcx_session_options_t, device))
      fail(PCX_ERROR_ARGUMENT,
           "struct_size of the session's options is {}, expected {}",
           options->struct_size, sizeof(*options));
    const char *device = "cpu";
    if (options && options->struct_size >= sizeof(*options) && options->device)
      device = options->device;
    DeviceChoice choice = parseDevice(device);
    if (threads > ThreadPool::maxWorkers)
      fail(PCX_ERROR_ARGUMENT, "cannot use {} threads, expected at most {}",
           threads, ThreadPool::maxWorkers);
    if (!threads)
      threads = std::min(availableCpus(), ThreadPool::maxWorkers);
    try {
      *session = new pcx_session_t(*module, threads, choice);
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
  return session->executor->allocated();
}

const char *pcx_session_device(const pcx_session_t *session) {
  return session->executor->name();
}

const pcx_device_variant_t *
pcx_session_device_variant(const pcx_session_t *session, uint32_t program) {
  const pcx_device_variant_t *variant = nullptr;
  guarded([&] {
    requireArgument(session, "session");
    session->module.program(program);
    variant = session->executor->plan(program);
  });
  return variant;
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
    session->executor->readStorage(index, data);
  });
}

pcx_status_t pcx_write_storage(pcx_session_t *session, const char *name,
                               const void *data, uint64_t bytes) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(name, "name");
    requireArgument(data, "data");
    uint32_t index = findStorage(*session, name, bytes);
    session->executor->writeStorage(index, data);
  });
}
