//===- Cuda.h - The CUDA driver, loaded ---------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_CUDA_H
#define PCX_LIB_RUNTIME_CUDA_H

#include "CudaTypes.h"

#include <string>

namespace pcx::cuda {

/// The driver's functions: those of libcuda.so.1, or of the simulated device.
struct Driver {
  /// Loads the library. Throws Error(PCX_ERROR_DEVICE) that says what is
  /// missing and where it was looked for.
  explicit Driver(bool simulated);
  Driver(const Driver &) = delete;
  Driver &operator=(const Driver &) = delete;

#define PCX_MEMBER(name, parameters) Result(*name) parameters = nullptr;
  PCX_CUDA_FUNCTIONS(PCX_MEMBER)
  /// Null in old drivers.
  PCX_CUDA_CLUSTER_FUNCTIONS(PCX_MEMBER)
  /// Null in real ones.
  PCX_SIM_FUNCTIONS(PCX_MEMBER)
#undef PCX_MEMBER

  const bool simulated;

  /// "CUDA_ERROR_OUT_OF_MEMORY (out of memory)".
  std::string describe(Result result) const;

private:
  void resolve(void *library, const std::string &path);
};

} // namespace pcx::cuda

#endif // PCX_LIB_RUNTIME_CUDA_H
