//===- CostModel.cpp - Times of programs on GPUs, predicted ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block works off units, tiles of a product or its part of what is computed
// element by element. A unit takes the longest of: its arithmetic, its passes
// over shared memory, its bytes from the second-level cache; and before that it
// waits for its first data. One block runs on a multiprocessor at a time.
//
// Nothing of this has been measured by this project: rates are the vendor's,
// latencies those that microbenchmarks of others found.
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/GPU/CostModel.h"

using namespace mlir;
using namespace pc;

// Multiprocessors, boost clock and FLOPs: NVIDIA's A100 and H100 architecture
// white papers (SXM; dense; mma.sync of the H100 at 62 % of what wgmma has, Luo
// et al. 2024, "Benchmarking and Dissecting the Nvidia Hopper GPU
// Architecture"). Second-level cache: 5120 bytes a clock of the A100, 64 of one
// multiprocessor; latencies from the same papers and Sun et al. 2022,
// "Dissecting Tensor Cores via Microbenchmarks". Meetings and launches: round
// numbers of the order that Zhang et al. 2020, "A Study of Single and
// Multi-device Synchronization Methods in Nvidia GPUs", have.
static constexpr GPUMachine kMachines[] = {
    {"A100", 80, 108, 1.41, 256, 1024, 2048, 64, 5120, 200, 1.5e-6, 2.5e-6,
     1.2e-6},
    {"H100", 90, 132, 1.755, 256, 1270, 2540, 64, 5120, 260, 1.3e-6, 2.5e-6,
     1.0e-6},
};

/// Part of their peak that ordinary units reach: loads, addresses and branches
/// take turns with multiply-adds.
static constexpr double kIssue = 0.7;
/// Clocks in which the threads of a block meet.
static constexpr double kBarrier = 40;
/// Clocks until what is asked of shared memory is there, until a multiply-add
/// can be added to, and until a product of a tensor core can (Sun et al.).
static constexpr double kSharedLatency = 30, kAddLatency = 4,
                        kTensorLatency = 25;

std::string GPUMachine::getDescription() const {
  return (name + " (sm_" + Twine(arch) + ")").str();
}

ArrayRef<GPUMachine> pc::getGPUMachines() { return kMachines; }

DeviceCost pc::predictCost(const EntryInfo &entry, const GPUMachine &machine) {
  DeviceCost cost;
  double clock = machine.gigahertz * 1e9;
  for (const LaunchInfo &launch : entry.launches) {
    double resident = std::min<double>(launch.blocks, machine.multiprocessors);
    double longest = 0;
    for (auto [index, calls] : launch.uses) {
      const KernelInfo &kernel = entry.kernels[index];
      const KernelUnits &units = kernel.units;
      if (units.count == 0)
        continue;
      // Blocks that are at work together.
      bool byBlock = units.blocksOfSamples > 0;
      double together =
          std::min(resident, byBlock ? units.blocksOfSamples : units.count);
      double rate = std::min(machine.bytes, machine.allBytes / together);
      double tensor = units.bits == 16 ? machine.bf16 : machine.tf32;
      // However little all of them do, no warp is faster than this.
      double alone =
          units.turns * kSharedLatency +
          units.chain * (units.tensorFlops > 0 ? kTensorLatency : kAddLatency);
      double work = std::max(
          {units.flops / (machine.flops * kIssue) + units.tensorFlops / tensor,
           units.sharedPasses, units.bytes / rate, alone});
      double wait = units.trips * machine.latency + kBarrier;
      // Blocks that share units even them out, but for the last one.
      double rounds =
          byBlock ? units.count * std::ceil(units.blocksOfSamples / together)
          : launch.cooperative ? units.count / resident
                               : std::ceil(units.count / together);
      double times = std::max(calls, 1.0) * std::max(launch.runs, 1.0);
      cost.work += times * rounds * work / clock;
      cost.waits += times * rounds * wait / clock;
      if (!byBlock)
        longest = std::max(longest, (work + wait) / clock);
    }
    if (launch.cooperative)
      cost.waits += entry.meets * longest;
    double runs = std::max(launch.runs, 1.0);
    cost.launches += runs * (entry.launches.size() > 1 ? machine.node : 0);
  }
  cost.launches += machine.launch;
  cost.meets = entry.meets * machine.meet;
  return cost;
}
