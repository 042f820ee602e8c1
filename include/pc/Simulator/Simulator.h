//===- Simulator.h - A GPU that is the CPU ----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs kernels in LLVM IR, as they are handed to the NVPTX back end, on the
// CPU: every thread of a block is a fibre, barriers, shuffles, matrix products
// and asynchronous copies are done by hand, and every access to global
// and shared memory is looked at. What a GPU would do wrong without a word is a
// fault here: see FaultKind. What the simulator does not know is refused when a
// module is loaded.
//
// Not simulated: time, the order of blocks that do not meet, caches, and what
// the threads of a warp do in step beyond what the program says.
//
//===----------------------------------------------------------------------===//

#ifndef PC_SIMULATOR_SIMULATOR_H
#define PC_SIMULATOR_SIMULATOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pc::sim {

class Memory;
class Program;

struct Extent {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct LaunchConfig {
  Extent grid, block;
  uint32_t sharedBytes = 0; ///< dynamic shared memory
  /// All blocks are there at once and may wait for each other.
  bool cooperative = false;
};

enum class FaultKind {
  OutOfBounds,      ///< no array, or beyond the end of one
  Misaligned,       ///< an address that is no multiple of the alignment that
                    ///< the access has
  Uninitialised,    ///< reads what nobody has written
  Race,             ///< two threads, one of them writes, nothing between them
  DivergentBarrier, ///< not all threads come to a barrier, or to the same one
  Deadlock,         ///< all that is left waits for something
  Mask              ///< an operation of a warp that a lane of its mask misses
};
llvm::StringRef stringify(FaultKind kind);

struct Fault {
  FaultKind kind;
  std::string message; ///< kernel, instruction, thread and what is wrong
};

/// What a launch did. Bytes are those that instructions ask for; an access of a
/// warp is one instruction of its threads.
struct Counters {
  uint64_t instructions = 0; ///< of the IR, by all threads
  uint64_t flops = 0;        ///< in floating point; two for a fused one
  uint64_t matrixFlops = 0;  ///< of matrix products
  /// Bytes; of a thread that polls, one read for each value that it finds.
  uint64_t globalRead = 0, globalWritten = 0;
  uint64_t sharedRead = 0, sharedWritten = 0;
  /// Accesses of warps to global memory, the sectors of 32 bytes that they
  /// touch, and how many would do for as many bytes.
  uint64_t globalAccesses = 0, sectors = 0, leastSectors = 0;
  /// Accesses of warps to shared memory, and the passes over its 32 banks of
  /// four bytes that they take beyond the least.
  uint64_t sharedAccesses = 0, bankConflicts = 0;
  uint64_t barriers = 0; ///< by blocks
  uint64_t shuffles = 0; ///< by warps
  uint64_t matrixProducts = 0;
  uint64_t atomics = 0;
  uint64_t asyncCopies = 0;
};

struct LaunchResult {
  Counters counters;
  /// The first one of each kind and pair of places. A launch ends with a fault
  /// after which it cannot go on.
  std::vector<Fault> faults;
};

/// Kernels that have been loaded.
class Module {
public:
  ~Module();
  bool hasKernel(llvm::StringRef name) const;
  /// Bytes of each parameter of a kernel.
  llvm::ArrayRef<uint32_t> getParameters(llvm::StringRef kernel) const;
  /// Bytes of shared memory that a kernel declares.
  uint32_t getSharedBytes(llvm::StringRef kernel) const;

private:
  friend class Device;
  explicit Module(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program;
};

class Device {
public:
  /// What a block may have.
  static constexpr uint32_t mostSharedBytes = 227 * 1024;
  static constexpr uint32_t mostThreads = 1024;
  /// Threads that can be there at once: what all blocks of a cooperative launch
  /// may have together.
  static constexpr uint32_t mostResidentThreads = 132 * 2048;

  Device();
  ~Device();

  /// Memory whose contents nobody has set; an address of this process, which
  /// only kernels and the functions here may use. Null if there is none.
  void *allocate(size_t bytes);
  /// False if `address` is not the beginning of an array.
  bool release(void *address);
  /// Copies; false if the range is in no array.
  bool write(void *to, const void *from, size_t bytes);
  bool read(void *to, const void *from, size_t bytes);
  bool fill(void *to, uint8_t value, size_t bytes);

  /// Compiles kernels, in LLVM IR for nvptx64 as text or bitcode. An error
  /// names what is not simulated.
  llvm::Expected<std::unique_ptr<Module>> load(llvm::MemoryBufferRef source);

  /// Runs a kernel. `arguments` point at the values of its parameters. An error
  /// if the configuration is none.
  llvm::Expected<LaunchResult> launch(const Module &module,
                                      llvm::StringRef kernel,
                                      const LaunchConfig &config,
                                      llvm::ArrayRef<void *> arguments);

private:
  std::unique_ptr<Memory> memory;
};

} // namespace pc::sim

#endif // PC_SIMULATOR_SIMULATOR_H
