//===- Program.h - Kernels with their accesses made visible -----*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_SIMULATOR_PROGRAM_H
#define PC_LIB_SIMULATOR_PROGRAM_H

#include "llvm/ADT/StringMap.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"

#include <cstdint>
#include <string>
#include <vector>

namespace pc::sim {

/// An instruction that calls the simulator.
struct Site {
  std::string function, text;
  unsigned line = 0;   ///< of the source; 0 if that is not known
  unsigned caller = 0; ///< line of the call in the kernel that it was inlined
                       ///< from, `line` if it was not
};

/// What a basic block costs each time it is run.
struct BlockCost {
  uint32_t instructions = 0, flops = 0;
};

/// Flags of an access, as `access` gets them.
enum AccessFlag : uint32_t {
  AccessWrite = 1,
  AccessAtomic = 2,
  AccessAcquire = 4,
  AccessRelease = 8,
  AccessUpdate = 16, ///< reads, too, what it writes
  AccessSpin = 32    ///< with which a thread may wait for what others write
};

/// Special registers, as `special` gets them.
enum Special : uint32_t {
  SpecialTidX,
  SpecialTidY,
  SpecialTidZ,
  SpecialNtidX,
  SpecialNtidY,
  SpecialNtidZ,
  SpecialCtaidX,
  SpecialCtaidY,
  SpecialCtaidZ,
  SpecialNctaidX,
  SpecialNctaidY,
  SpecialNctaidZ,
  SpecialLane,
  SpecialWarp
};

/// Ways of a shuffle to choose the lane that is read.
enum Shuffle : uint32_t {
  ShuffleUp,
  ShuffleDown,
  ShuffleButterfly,
  ShuffleIndex
};

/// Types of a matrix product D = A B + D.
enum MatrixKind : uint32_t {
  MatrixTF32, ///< m16n8k8
  MatrixBF16, ///< m16n8k16
  MatrixF16   ///< m16n8k16
};

/// Compiled kernels and the tables of what they call.
class Program {
public:
  static llvm::Expected<std::unique_ptr<Program>>
  create(llvm::MemoryBufferRef source);

  struct Kernel {
    /// Runs one thread; the arguments point at the parameters' values.
    void (*run)(void *const *arguments) = nullptr;
    std::vector<uint32_t> parameters; ///< bytes of each
    /// Shared memory: of the arrays together, and where each begins and ends.
    uint32_t sharedBytes = 0;
    std::vector<std::pair<uint32_t, uint32_t>> arrays;
    /// Where dynamic shared memory begins: behind the arrays.
    uint32_t dynamicOffset = 0;
  };

  llvm::StringMap<Kernel> kernels;
  std::vector<Site> sites;
  std::vector<BlockCost> blocks;
  /// How often each basic block ran.
  std::vector<uint64_t> runs;

private:
  Program() = default;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

/// Rewrites `module` so that it runs on this machine and calls the functions of
/// Hooks.h. Fills the tables of `program`, kernels but for their addresses. An
/// error names what is not simulated.
llvm::Error instrument(llvm::Module &module, Program &program);

/// The wrapper of a kernel, `void (ptr)`.
std::string getRunnerName(llvm::StringRef kernel);

} // namespace pc::sim

#endif // PC_LIB_SIMULATOR_PROGRAM_H
