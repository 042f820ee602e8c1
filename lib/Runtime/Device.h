//===- Device.h - Programs on a device ----------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_DEVICE_H
#define PCX_LIB_RUNTIME_DEVICE_H

#include "Executor.h"

#include <memory>
#include <string_view>

namespace pcx {

enum class DeviceKind { CPU, Cuda, Simulated };

struct DeviceChoice {
  DeviceKind kind = DeviceKind::CPU;
  int index = 0; ///< among the GPUs of the machine
};

/// "cpu", "cuda", "cuda:N" or "sim"; throws Error(PCX_ERROR_ARGUMENT) for
/// anything else.
DeviceChoice parseDevice(std::string_view text);

/// Loads the kernels and allocates everything on the device. Throws Error.
std::unique_ptr<Executor> makeDeviceExecutor(const pcx_module_t &module,
                                             const DeviceChoice &choice);

} // namespace pcx

#endif // PCX_LIB_RUNTIME_DEVICE_H
