//===- Descriptors.cpp - What an artifact's tables say --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Support/Descriptors.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

bool pcx::sharesKernel(const pcx_device_variant_t &variant, uint32_t launch) {
  std::span launches(variant.launches, variant.launch_count);
  std::string_view kernel = launches[launch].kernel;
  return std::count_if(launches.begin(), launches.end(),
                       [&](const pcx_launch_t &other) {
                         return other.kernel == kernel;
                       }) > 1;
}

const char *pcx::imageKindName(uint32_t kind) {
  switch (kind) {
  case PCX_IMAGE_PTX:
    return "ptx";
  case PCX_IMAGE_CUBIN:
    return "cubin";
  case PCX_IMAGE_LLVM:
    return "llvm";
  }
  return "unknown";
}

std::string pcx::imageArchName(const pcx_image_t &image) {
  return fmt::format("sm_{}{}", image.arch, image.exact ? "a" : "");
}

std::string pcx::imageName(const pcx_image_t &image) {
  if (image.kind == PCX_IMAGE_LLVM)
    return "simulated device (LLVM IR)";
  return fmt::format("{} {}", imageKindName(image.kind), imageArchName(image));
}
