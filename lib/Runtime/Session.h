//===- Session.h - Everything that changes ------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_SESSION_H
#define PCX_LIB_RUNTIME_SESSION_H

#include "Executor.h"
#include "Module.h"
#include "Threads.h"

#include <cstddef>
#include <map>
#include <memory>

namespace pcx {
struct DeviceChoice;
}

/// Parameters, optimiser state, workspace, threads and counters.
struct pcx_session_t {
  pcx_session_t(const pcx_module_t &module, unsigned threads,
                const pcx::DeviceChoice &device);

  /// Starts `count` calls of program `program` on `n` samples each, see
  /// Executor::begin; `wanted` says which outputs will be looked at. Throws
  /// Error.
  void begin(uint32_t program, int64_t n, const std::byte *const *inputs,
             unsigned slot, const pcx::HeldData *held = nullptr,
             int64_t position = 0, unsigned count = 1);

  void initialise(uint64_t seed);

  const pcx_module_t &module;
  pcx::ThreadPool pool;
  std::unique_ptr<pcx::Executor> executor;
  std::vector<double> hypers;
  pcx_counters_t counters = {};
  /// __metadata__ of the file that was loaded last.
  std::map<std::string, std::string, std::less<>> metadata;
  bool profiled = false;

  /// Pointers to inputs of the call under way and which of its outputs are
  /// wanted, as long as the longest lists: a step allocates nothing.
  std::vector<const std::byte *> inputPointers;
  std::vector<uint8_t> wanted;
};

namespace pcx {
/// Throws Error(PCX_ERROR_ARGUMENT) when a batch of n does not fit.
void checkBatch(const pcx_session_t &session, int64_t n);

/// Checks that a hyper-parameter may have a value; throws Error(`status`).
/// `where` begins the message, e.g. "" or "'file': ".
void checkHyper(const pcx_hyper_t &hyper, double value, pcx_status_t status,
                const std::string &where);
} // namespace pcx

#endif // PCX_LIB_RUNTIME_SESSION_H
