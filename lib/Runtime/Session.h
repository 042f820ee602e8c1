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

#include "Module.h"
#include "Profile.h"
#include "ThreadChoice.h"
#include "Threads.h"

#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>

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

/// Where the arrays of one program's ports lie in the session's staging
/// memory. Rows are padded to the variant's sample block.
struct ProgramStaging {
  std::vector<std::byte *> inputs;
  std::vector<std::byte *> outputs;
  /// States that the program writes: their rows past n stay what they are.
  struct State {
    uint32_t storage;
    uint64_t rowBytes;
  };
  std::vector<State> states;
};

} // namespace pcx

/// Parameters, optimiser state, workspace, threads and counters.
struct pcx_session_t {
  pcx_session_t(const pcx_module_t &module, unsigned threads);

  /// Runs program `program` on `n` samples. `inputs` are aligned and padded.
  /// Throws Error.
  void invoke(uint32_t program, int64_t n, const std::byte *const *inputs);

  /// Rows that hold n samples of the program: n rounded up to its sample block.
  int64_t paddedRows(uint32_t program, int64_t n) const;

  void initialise(uint64_t seed);

  const pcx_module_t &module;
  pcx::ThreadPool pool;
  pcx_host_t host;
  std::vector<pcx::Buffer> storage;
  std::vector<double> hypers;
  pcx_counters_t counters = {};
  std::vector<pcx::ProgramStaging> staging;
  /// __metadata__ of the file that was loaded last.
  std::map<std::string, std::string, std::less<>> metadata;
  uint64_t allocated = 0; ///< bytes of all buffers
  /// The last profile; it listens while `profiled`.
  std::unique_ptr<pcx::Profiler> profiler;
  bool profiled = false;

  /// Pointers to inputs of the call under way, as long as the longest list:
  /// a step allocates nothing.
  std::vector<const std::byte *> inputPointers;

private:
  /// Calls copy(state row, kept row, bytes) for the rows past n that the blocks
  /// of a call cover.
  template <typename Copy>
  void forRowsPastBatch(uint32_t program, int64_t n, Copy copy);

  /// Calls the program, with all threads or alone.
  int32_t run(uint32_t program, pcx_run_args_t &args);

  pcx::ThreadChoice threadChoice;
  std::vector<void *> storagePointers;
  pcx::Buffer stagingMemory;
  pcx::Buffer workspace;
  /// Rows of states past n during a call.
  pcx::Buffer keptRows;
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
