//===- Machine.h - What this machine can do ---------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Speeds that figures are put beside, measured where they are used: machines
// differ, and the same one from one minute to the next.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_MACHINE_H
#define PCX_EXPERIMENT_MACHINE_H

#include <cstdint>
#include <string>
#include <vector>

namespace pcx::experiment {

/// The CPUs that this process may use, by their numbers.
std::vector<int> usableCpus();

/// What the system says of the processor; sizes are 0 where it says nothing.
struct Processor {
  std::string name;
  unsigned lanes = 4; ///< f32 elements of the widest vectors
  uint64_t l2Bytes = 0, l3Bytes = 0;
};
Processor describeProcessor();

/// Speeds of threads at work at once, one a CPU; all of them together.
struct MachineSpeed {
  unsigned threads = 1;
  double flops = 0;  ///< f32 FLOP/s of fused multiply-adds, two each
  double l2 = 0;     ///< bytes/s of a[i] = b[i] + s c[i] (STREAM's triad, three
                     ///< arrays counted) in half of the second-level caches
  double memory = 0; ///< the same on arrays larger than the third-level cache,
                     ///< within reason
};

/// Measures for about half a second. `threads` is at most as many as there are
/// usable CPUs; more are pinned in turn. Throws std::system_error without
/// threads, std::bad_alloc without memory.
MachineSpeed measureMachine(unsigned threads);

/// The median round trip of a flag between two cores in seconds, 0 where there
/// is one CPU. Loops that share little work feel it, and a virtual machine's
/// changes by a factor of ten without a trace in any FMA peak.
double measureRoundTrip();

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_MACHINE_H
