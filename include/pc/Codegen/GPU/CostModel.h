//===- CostModel.h - Times of programs on GPUs, predicted -------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_COSTMODEL_H
#define PC_CODEGEN_GPU_COSTMODEL_H

#include "pc/Codegen/EntryInfo.h"

#include <string>

namespace pc {

/// A GPU that times are predicted for. Rates are of one multiprocessor and for
/// one clock; where each number is from stands in CostModel.cpp.
struct GPUMachine {
  llvm::StringRef name;
  unsigned arch;
  int64_t multiprocessors;
  double gigahertz;
  double flops;      ///< float32 FLOPs of ordinary units
  double tf32, bf16; ///< FLOPs of mma.sync
  double bytes;      ///< from the second-level cache
  double allBytes;   ///< the same, of all multiprocessors together
  double latency;    ///< clocks until data of that cache are there
  double meet;       ///< seconds in which all blocks meet
  double launch;     ///< seconds of a launch of its own
  double node;       ///< seconds of a launch inside of a CUDA graph

  /// "A100 (sm_80)"
  std::string getDescription() const;
};

/// The GPUs that are predicted for.
llvm::ArrayRef<GPUMachine> getGPUMachines();

/// Predicted seconds of one call with the largest batch, and what they are made
/// of.
struct DeviceCost {
  double work = 0;  ///< arithmetic and data, whichever takes longer
  double waits = 0; ///< for the first data of a piece of work
  double meets = 0; ///< of all blocks
  double launches = 0;

  double getSeconds() const { return work + waits + meets + launches; }
};

/// Predicts a program for devices. Loops with a bound that only the call knows
/// count once.
DeviceCost predictCost(const EntryInfo &entry, const GPUMachine &machine);

} // namespace pc

#endif // PC_CODEGEN_GPU_COSTMODEL_H
