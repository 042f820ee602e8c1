//===- Target.cpp - What code generation knows of a GPU -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/GPU/Target.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace pc;

namespace {
/// An architecture and the PTX version that came with it.
struct Known {
  GPUTarget target;
  StringRef features;
};
} // namespace

/// Figures of the vendor's data sheets: multiprocessors, boost clock, memory.
/// The bandwidth of the second-level cache is what microbenchmarks find.
static ArrayRef<Known> getKnown() {
  constexpr uint32_t kib = 1024;
  constexpr uint64_t mib = 1024 * 1024;
  static const Known known[] = {
      {{80, false, "A100", 108, 1.41, 163 * kib, 1555, 4500, 40 * mib},
       "+ptx70"},
      {{86, false, "RTX 3090", 82, 1.70, 99 * kib, 936, 2500, 6 * mib},
       "+ptx71"},
      {{89, false, "RTX 4090", 128, 2.52, 99 * kib, 1008, 5000, 72 * mib},
       "+ptx78"},
      {{90, false, "H100", 132, 1.98, 227 * kib, 3350, 5500, 50 * mib},
       "+ptx78"},
      {{90, true, "H100", 132, 1.98, 227 * kib, 3350, 5500, 50 * mib},
       "+ptx80"},
      {{100, false, "B200", 148, 1.97, 227 * kib, 8000, 10000, 126 * mib},
       "+ptx86"},
      {{120, false, "RTX 5090", 170, 2.41, 99 * kib, 1792, 7000, 96 * mib},
       "+ptx87"},
  };
  return known;
}

std::string GPUTarget::getName() const {
  return "sm_" + std::to_string(arch) + (exact ? "a" : "");
}

StringRef GPUTarget::getFeatures() const {
  const auto *found = llvm::find_if(getKnown(), [&](const Known &known) {
    return known.target.arch == arch && known.target.exact == exact;
  });
  return found == getKnown().end() ? StringRef() : found->features;
}

FailureOr<GPUTarget>
GPUTarget::parse(StringRef name, function_ref<InFlightDiagnostic()> emitError) {
  SmallVector<std::string> names;
  for (const Known &known : getKnown()) {
    names.push_back(known.target.getName());
    if (names.back() == name)
      return known.target;
  }
  if (emitError) {
    SmallVector<StringRef> refs(names.begin(), names.end());
    emitError() << "unknown GPU architecture '" << name << "', expected one of "
                << llvm::join(names, ", ") << suggest(name, refs);
  }
  return failure();
}
