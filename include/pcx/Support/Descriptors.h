//===- Descriptors.h - What an artifact's tables say ------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What follows from the tables of an artifact, for the runtime and for programs
// that show them.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_SUPPORT_DESCRIPTORS_H
#define PCX_SUPPORT_DESCRIPTORS_H

#include "pcx/abi.h"

#include <string>

namespace pcx {

/// True if other launches of the program have the same kernel, on other arrays:
/// its name alone does not say which launch is meant.
bool sharesKernel(const pcx_device_variant_t &variant, uint32_t launch);

/// "ptx", "cubin" or "llvm"; "unknown" for no pcx_image_kind_t.
const char *imageKindName(uint32_t kind);

/// "sm_80", "sm_90a"
std::string imageArchName(const pcx_image_t &image);

/// What an image is for, for people: "ptx sm_80", "cubin sm_90a", "simulated
/// device (LLVM IR)".
std::string imageName(const pcx_image_t &image);

} // namespace pcx

#endif // PCX_SUPPORT_DESCRIPTORS_H
