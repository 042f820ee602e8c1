//===- CPUExecutor.h - Programs on the CPU ------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_CPUEXECUTOR_H
#define PCX_LIB_RUNTIME_CPUEXECUTOR_H

#include "Executor.h"
#include "Profile.h"
#include "ThreadChoice.h"
#include "Threads.h"

#include <cstdlib>
#include <memory>
#include <span>
#include <string>

namespace pcx {

/// Zeroed memory aligned to PCX_ALIGNMENT, large blocks to huge pages.
class Buffer {
public:
  Buffer() = default;
  /// Throws Error(PCX_ERROR_MEMORY) that says what the memory was for.
  Buffer(uint64_t bytes, const std::string &purpose);

  std::byte *data() const { return memory.get(); }
  uint64_t bytes() const { return size; }

private:
  struct Free {
    void operator()(std::byte *memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory;
  uint64_t size = 0;
};

/// Copies a storage entry between its strided place and a dense row-major
/// array of the same dtype.
void copyToDense(const pcx_storage_t &storage, const void *strided,
                 void *dense);
void copyFromDense(const pcx_storage_t &storage, const void *dense,
                   void *strided);

/// Runs programs on the threads of a pool, one call at a time: a call has ended
/// when it has begun.
class CPUExecutor : public Executor {
public:
  CPUExecutor(const pcx_module_t &module, ThreadPool &pool);

  const char *name() const override { return "cpu"; }
  uint64_t allocated() const override { return memory.bytes(); }
  void requireCode(uint32_t) const override {}
  /// n rounded up to the sample block of the variant.
  int64_t paddedRows(uint32_t program, int64_t n) const override;
  unsigned slots() const override { return 1; }
  const ProgramStaging &staging(uint32_t program, unsigned) const override {
    return places[program];
  }
  void begin(const ProgramCall &call, unsigned slot) override;
  void finish(unsigned) override {}
  void readStorage(uint32_t entry, void *dense) override;
  void writeStorage(uint32_t entry, const void *dense) override;
  void zeroStorage(uint32_t entry) override;
  void startProfile(uint32_t events) override;
  const pcx_profile_t &stopProfile() override;

  /// The arrays as they lie.
  std::vector<std::span<std::byte>> storage;

private:
  /// A state that a program writes: its rows past n stay what they are.
  struct State {
    uint32_t storage;
    uint64_t rowBytes;
  };

  /// Calls copy(state row, kept row, bytes) for the rows past n that the blocks
  /// of a call cover.
  template <typename Copy>
  void forRowsPastBatch(uint32_t program, int64_t n, Copy copy);

  /// Calls the program, with all threads or alone.
  int32_t run(uint32_t program, pcx_run_args_t &args);

  const pcx_module_t &module;
  ThreadPool &pool;
  pcx_host_t host;
  ThreadChoice threadChoice;
  /// Everything below and the storage.
  Buffer memory;
  std::vector<void *> storagePointers;
  std::vector<ProgramStaging> places;
  std::vector<std::vector<State>> states; ///< of each program
  std::byte *workspace = nullptr;
  /// Rows of states past n during a call.
  std::byte *keptRows = nullptr;
  /// The last profile; it listens while `profiled`.
  std::unique_ptr<Profiler> profiler;
  bool profiled = false;
};

} // namespace pcx

#endif // PCX_LIB_RUNTIME_CPUEXECUTOR_H
