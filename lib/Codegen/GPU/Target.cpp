//===- Target.cpp - What code generation knows of a GPU -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/GPU/Target.h"

using namespace mlir;
using namespace pc;

static constexpr GPUTarget kKnown[] = {
    {80, false, "+ptx70", 163 << 10}, {86, false, "+ptx71", 99 << 10},
    {89, false, "+ptx78", 99 << 10},  {90, false, "+ptx78", 227 << 10},
    {90, true, "+ptx80", 227 << 10},  {100, false, "+ptx86", 227 << 10},
    {120, false, "+ptx87", 99 << 10},
};

std::string GPUTarget::getName() const {
  return "sm_" + std::to_string(arch) + (exact ? "a" : "");
}

std::optional<GPUTarget> GPUTarget::parse(StringRef name) {
  for (const GPUTarget &known : kKnown)
    if (known.getName() == name)
      return known;
  return std::nullopt;
}

SmallVector<std::string> GPUTarget::getNames() {
  SmallVector<std::string> names;
  for (const GPUTarget &known : kKnown)
    names.push_back(known.getName());
  return names;
}
