//===- Executor.h - Where programs run ----------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A session's arrays lie with its executor, which runs the programs: on the CPU
// or on a device. Everything else, from counters to checkpoints, is the same
// and stands in the session.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_EXECUTOR_H
#define PCX_LIB_RUNTIME_EXECUTOR_H

#include "Module.h"

#include <cstddef>
#include <span>
#include <vector>

namespace pcx {

/// Where the arrays of one program's ports lie in the host's memory: inputs
/// before a call, outputs behind it. Rows are padded as `paddedRows` says.
struct ProgramStaging {
  std::vector<std::byte *> inputs;
  std::vector<std::byte *> outputs;
  /// Bytes from an output of one value to that of the next call of a burst.
  uint64_t callStride = 0;
};

/// A data set that lies where programs run, with an order of its samples.
struct HeldData;

/// One call of a program, or a burst of calls that follow each other.
struct ProgramCall {
  uint32_t program;
  int64_t n;
  /// Aligned and padded: places of the staging, or others that stay as they are
  /// until the call has ended.
  const std::byte *const *inputs;
  /// Unless null, where per-sample inputs come from instead: the samples from
  /// `position` of the order.
  const HeldData *held = nullptr;
  int64_t position = 0;
  /// Calls of the burst. Each next one has the next n samples of the order, and
  /// the next number in the counters. More than one need `held`, and only
  /// outputs of one value may be wanted of them.
  unsigned count = 1;
  /// Outputs that will be looked at, by index.
  std::span<const uint8_t> wanted;
  const double *hypers;
  pcx_counters_t counters;
};

class Executor {
public:
  virtual ~Executor() = default;

  /// What pcx_session_device returns.
  virtual const char *name() const = 0;
  /// What pcx_session_device_variant returns.
  virtual const pcx_device_variant_t *plan(uint32_t program) const {
    (void)program;
    return nullptr;
  }
  /// Bytes of all arrays.
  virtual uint64_t allocated() const = 0;

  /// Throws Error unless the program has code for where this runs.
  virtual void requireCode(uint32_t program) const = 0;
  /// Rows that hold n samples of the program.
  virtual int64_t paddedRows(uint32_t program, int64_t n) const = 0;

  /// Calls may be under way while the next one is prepared: each has a slot,
  /// with inputs and outputs of its own. 0 <= slot < slots().
  virtual unsigned slots() const = 0;
  virtual const ProgramStaging &staging(uint32_t program,
                                        unsigned slot) const = 0;
  /// Keeps a data set where programs run, and `order` from position `first`
  /// (empty: the samples as they come), so that no batch is made here. Null if
  /// it cannot. Valid until the next call; none of the program's is under way.
  /// Throws Error when a device failed.
  virtual const HeldData *hold(uint32_t program, const pcx_data_t &data,
                               std::span<const uint32_t> order, int64_t first) {
    (void)program, (void)data, (void)order, (void)first;
    return nullptr;
  }

  /// The longest burst of calls of a program that is worth its while here.
  virtual unsigned mostCalls(uint32_t program) const {
    (void)program;
    return 1;
  }
  /// Starts a call, or a burst, in a slot whose last one has ended. Throws
  /// Error; a failed call did not happen, unless a device failed.
  virtual void begin(const ProgramCall &call, unsigned slot) = 0;
  /// Waits for its end: the outputs that were wanted are there. Throws Error
  /// when a device failed. Does nothing when no call is under way.
  virtual void finish(unsigned slot) = 0;

  /// Copies a storage entry from or to a dense row-major array; behind all
  /// calls so far.
  virtual void readStorage(uint32_t entry, void *dense) = 0;
  virtual void writeStorage(uint32_t entry, const void *dense) = 0;
  virtual void zeroStorage(uint32_t entry) = 0;

  /// See pcx_profile_start and pcx_profile_stop.
  virtual void startProfile(uint32_t events) = 0;
  virtual const pcx_profile_t &stopProfile() = 0;
};

} // namespace pcx

#endif // PCX_LIB_RUNTIME_EXECUTOR_H
