//===- Target.cpp - What code generation knows of a CPU -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/CPU/Target.h"
#include "pcx/abi.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <unistd.h>

using namespace mlir;
using namespace pc;

namespace {
/// An extension that code may use beyond its level: LLVM's name, the bit that
/// the runtime checks, and whether it means anything without AVX-512.
struct Extension {
  StringRef feature;
  uint64_t bit;
  bool needsAVX512;
};
} // namespace

static constexpr StringRef levelV3[] = {"avx",  "avx2",  "fma",   "bmi",
                                        "bmi2", "lzcnt", "movbe", "f16c"};
static constexpr StringRef levelV4[] = {"avx512f", "avx512cd", "avx512bw",
                                        "avx512dq", "avx512vl"};
static constexpr Extension extensions[] = {
    {"amx-bf16", PCX_CPU_AMX_BF16, false},
    {"amx-int8", PCX_CPU_AMX_INT8, false},
    {"avx512bf16", PCX_CPU_AVX512_BF16, true},
    {"avx512bitalg", PCX_CPU_AVX512_BITALG, true},
    {"avx512fp16", PCX_CPU_AVX512_FP16, true},
    {"avx512ifma", PCX_CPU_AVX512_IFMA, true},
    {"avx512vbmi", PCX_CPU_AVX512_VBMI, true},
    {"avx512vbmi2", PCX_CPU_AVX512_VBMI2, true},
    {"avx512vnni", PCX_CPU_AVX512_VNNI, true},
    {"avx512vpopcntdq", PCX_CPU_AVX512_VPOPCNTDQ, true},
    {"avxvnni", PCX_CPU_AVX_VNNI, false},
    {"gfni", PCX_CPU_GFNI, false},
};

/// Second-level cache of one core of the CPUs where it is not what their level
/// has by default, in KiB, as their vendors' optimisation manuals state it.
static constexpr std::pair<StringRef, uint64_t> secondLevelKiB[] = {
    {"alderlake", 1280},      {"broadwell", 256},       {"core-avx2", 256},
    {"emeraldrapids", 2048},  {"graniterapids", 2048},  {"haswell", 256},
    {"icelake-client", 512},  {"icelake-server", 1280}, {"rocketlake", 512},
    {"sapphirerapids", 2048}, {"skylake", 256},         {"tigerlake", 1280},
};

/// Fills in everything that follows from the set of features; fails when a
/// feature of x86-64-v3 is missing, which `missing` then names.
static LogicalResult deriveFromFeatures(CPUTarget &target,
                                        const llvm::StringMap<bool> &available,
                                        SmallVectorImpl<StringRef> &missing) {
  auto has = [&](StringRef feature) { return available.lookup(feature); };
  for (StringRef feature : levelV3)
    if (!has(feature))
      missing.push_back(feature);
  if (!missing.empty())
    return failure();
  target.llvmCPU = "x86-64-v3";
  target.required = PCX_CPU_AVX2 | PCX_CPU_FMA | PCX_CPU_BMI2;
  bool avx512 = llvm::all_of(levelV4, has);
  if (avx512) {
    target.llvmCPU = "x86-64-v4";
    target.required |= PCX_CPU_AVX512;
    target.vectorBits = 512;
    target.vectorRegisters = 32;
    target.l2Bytes = 1024 * 1024;
    // Tiles are chosen for 512 bits; the vectoriser must not split them.
    target.features.push_back("-prefer-256-bit");
  }
  for (const Extension &extension : extensions) {
    if (!has(extension.feature) || (extension.needsAVX512 && !avx512))
      continue;
    target.features.push_back(("+" + extension.feature).str());
    target.required |= extension.bit;
  }
  return success();
}

/// Size of a data cache as the C library knows it, or `otherwise`.
static uint64_t getCacheBytes(int name, uint64_t otherwise) {
  long bytes = ::sysconf(name);
  return bytes > 0 ? static_cast<uint64_t>(bytes) : otherwise;
}

FailureOr<CPUTarget>
CPUTarget::parse(StringRef name, function_ref<InFlightDiagnostic()> emitError) {
  CPUTarget target;
  llvm::StringMap<bool> available;
  bool native = name == "native";
  if (native) {
    target.name = llvm::sys::getHostCPUName().str();
    // A virtual machine can mask features, so they are asked for one by one.
    for (auto &feature : llvm::sys::getHostCPUFeatures())
      available[feature.getKey()] = feature.getValue();
  } else {
    SmallVector<StringRef> known;
    llvm::X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
    if (!llvm::is_contained(known, name)) {
      known.push_back("native");
      // Of equally near names the last, which is the newest level.
      StringRef nearest;
      unsigned best = std::max<unsigned>(2, name.size() / 3);
      for (StringRef candidate : known) {
        unsigned distance =
            name.edit_distance(candidate, /*AllowReplacements=*/true, best);
        if (distance <= best) {
          best = distance;
          nearest = candidate;
        }
      }
      if (!emitError)
        return failure();
      InFlightDiagnostic diag = emitError();
      diag << "unknown CPU '" << name << "'";
      if (!nearest.empty())
        diag << ", did you mean '" << nearest << "'?";
      else
        diag << ", expected 'native', 'x86-64-v3', 'x86-64-v4' or a CPU that "
                "LLVM knows";
      return diag;
    }
    target.name = name.str();
    SmallVector<StringRef> features;
    llvm::X86::getFeaturesForCPU(name, features);
    for (StringRef feature : features) {
      available[feature] = true;
      llvm::X86::updateImpliedFeatures(feature, /*Enabled=*/true, available);
    }
  }
  target.tuneCPU = target.name;

  SmallVector<StringRef> missing;
  if (failed(deriveFromFeatures(target, available, missing))) {
    if (!emitError)
      return failure();
    InFlightDiagnostic diag = emitError();
    diag << "CPU '" << target.name
         << "' is older than 'x86-64-v3', the least that code is generated "
            "for: it lacks ";
    llvm::interleaveComma(missing, diag);
    return diag;
  }
  for (auto [cpu, size] : secondLevelKiB)
    if (target.name == cpu)
      target.l2Bytes = size * 1024;
  if (native) {
    // A virtual machine's CPU without what its kind has is of another name than
    // the whole one, so that an artifact may have code for both.
    FailureOr<CPUTarget> whole = parse(target.name, nullptr);
    if (succeeded(whole) && (whole->required & ~target.required)) {
      StringRef level = target.llvmCPU;
      level.consume_front("x86-64");
      target.name += level;
    }
    target.required |= PCX_CPU_NATIVE;
    target.l1Bytes = getCacheBytes(_SC_LEVEL1_DCACHE_SIZE, target.l1Bytes);
    target.l2Bytes = getCacheBytes(_SC_LEVEL2_CACHE_SIZE, target.l2Bytes);
  }
  return target;
}

NarrowProducts CPUTarget::getNarrowProducts() const {
  // The conversions are those of AVX-512 BF16 in both cases.
  if (!(required & PCX_CPU_AVX512_BF16))
    return NarrowProducts::None;
  return tiles && (required & PCX_CPU_AMX_BF16) ? NarrowProducts::Tiles
                                                : NarrowProducts::Vectors;
}

std::string CPUTarget::getFeatureString() const {
  return llvm::join(features, ",");
}

void CPUTarget::setAttributes(LLVM::LLVMFuncOp func) const {
  MLIRContext *context = func.getContext();
  func.setTargetCpu(llvmCPU);
  func.setTuneCpu(tuneCPU);
  SmallVector<StringRef> names(features.begin(), features.end());
  if (names.empty())
    func.removeTargetFeaturesAttr();
  else
    func.setTargetFeaturesAttr(LLVM::TargetFeaturesAttr::get(context, names));
}
