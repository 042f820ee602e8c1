//===- Target.h - What code generation knows of a GPU -----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_TARGET_H
#define PC_CODEGEN_GPU_TARGET_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>

namespace pc {

/// One architecture that kernels are assembled for.
struct GPUTarget {
  /// Compute capability times ten.
  unsigned arch = 80;
  /// "sm_90a": with the instructions that later architectures do not keep.
  bool exact = false;
  /// The PTX version to write, as a feature of LLVM's back end: the first that
  /// knows the architecture.
  llvm::StringRef features = "+ptx70";
  /// Shared memory that a thread block can have. CUDA C++ Programming Guide,
  /// "Technical Specifications per Compute Capability".
  int64_t sharedBytes = 163 << 10;

  /// "sm_80", "sm_90a"
  std::string getName() const;

  /// The architecture of this name; nullopt for one that is not known.
  static std::optional<GPUTarget> parse(llvm::StringRef name);
  /// The names of all that are known.
  static llvm::SmallVector<std::string> getNames();
};

} // namespace pc

#endif // PC_CODEGEN_GPU_TARGET_H
