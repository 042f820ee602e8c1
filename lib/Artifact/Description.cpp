//===- Description.cpp - What an artifact says about itself ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Description.h"

#include "llvm/ADT/bit.h"

using namespace pc::artifact;

uint64_t Description::getRequiredFeatures() const {
  uint64_t result = 0;
  for (const Program &program : programs) {
    if (program.variants.empty())
      continue;
    uint64_t common = ~uint64_t(0);
    for (const Variant &variant : program.variants)
      common &= variant.required;
    result |= common;
  }
  return result;
}

const Variant *Description::getLowestVariant() const {
  // Every program must run, so the most demanding of the programs' least
  // demanding variants counts.
  const Variant *result = nullptr;
  for (const Program &program : programs) {
    const Variant *least = nullptr;
    for (const Variant &variant : program.variants)
      if (!least ||
          llvm::popcount(variant.required) < llvm::popcount(least->required))
        least = &variant;
    if (least && (!result || llvm::popcount(least->required) >
                                 llvm::popcount(result->required)))
      result = least;
  }
  return result;
}

std::string pc::artifact::getCompilerName() { return "pcc " PC_VERSION; }
