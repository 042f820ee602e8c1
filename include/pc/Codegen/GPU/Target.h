//===- Target.h - What code generation knows of a GPU -----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_TARGET_H
#define PC_CODEGEN_GPU_TARGET_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <string>

namespace pc {

/// One architecture that kernels are assembled for, and the device that stands
/// for it in the cost model.
struct GPUTarget {
  /// Compute capability times ten.
  unsigned arch = 80;
  /// "sm_90a": with the instructions that later architectures do not keep.
  bool exact = false;

  /// The device that predictions are for.
  llvm::StringRef device;
  unsigned multiprocessors = 0;
  double clock = 0;          ///< GHz, boost
  uint32_t sharedBytes = 0;  ///< most shared memory of a block
  double bandwidth = 0;      ///< of the device's memory, GB/s
  double cacheBandwidth = 0; ///< of the second-level cache, GB/s
  uint64_t cacheBytes = 0;   ///< second level

  /// "sm_80", "sm_90a"
  std::string getName() const;
  /// The PTX version to write, as a feature of LLVM's back end: the first that
  /// knows the architecture.
  llvm::StringRef getFeatures() const;
  /// Multiply-adds of float32 a second, in GFLOP/s, without tensor cores.
  double getPeak() const { return 2.0 * 128 * multiprocessors * clock; }

  /// Parses a name of `--gpu-arch`. An unknown one is an error that lists those
  /// that are known; without `emitError` nothing is said.
  static mlir::FailureOr<GPUTarget>
  parse(llvm::StringRef name,
        llvm::function_ref<mlir::InFlightDiagnostic()> emitError);
};

} // namespace pc

#endif // PC_CODEGEN_GPU_TARGET_H
