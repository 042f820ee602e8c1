//===- CPU.cpp - What this CPU can run ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bit positions from Intel's Software Developer's Manual, volume 2, CPUID, and
// volume 1, chapter 13 (XSAVE). A feature that needs wide registers counts only
// when the operating system saves them (XCR0): a virtual machine or an old
// kernel may not.
//
//===----------------------------------------------------------------------===//

#include "CPU.h"
#include "pcx/abi.h"

#include <elf.h>
#include <iterator>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace pcx;

#if defined(__x86_64__)
namespace {
struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(unsigned leaf, unsigned subleaf = 0) {
  Leaf result;
  // Leaves beyond the CPU's last one read as zero here.
  __get_cpuid_count(leaf, subleaf, &result.eax, &result.ebx, &result.ecx,
                    &result.edx);
  return result;
}

bool bit(unsigned word, unsigned index) { return word >> index & 1; }

/// Whether this process may use AMX's tile registers (Linux asks for a request
/// before their 8 KiB join every context switch).
bool requestTileData() {
  constexpr long requestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr long tileData = 18;              // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

uint64_t detect() {
  Leaf one = cpuid(1), seven = cpuid(7), sevenOne;
  if (seven.eax >= 1)
    sevenOne = cpuid(7, 1);
  Leaf extended = cpuid(0x80000001);
  constexpr unsigned osxsave = 27, avx = 28;
  if (!bit(one.ecx, osxsave) || !bit(one.ecx, avx))
    return 0;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  auto saves = [&](unsigned mask) { return (low & mask) == mask; };

  uint64_t features = 0;
  auto add = [&](uint64_t feature, bool present) {
    if (present)
      features |= feature;
  };
  if (!saves(0x6)) // SSE and AVX state
    return 0;
  add(PCX_CPU_AVX2, bit(seven.ebx, 5));
  add(PCX_CPU_FMA, bit(one.ecx, 12));
  add(PCX_CPU_BMI2, bit(seven.ebx, 3) && bit(seven.ebx, 8) &&
                        bit(extended.ecx, 5) && bit(one.ecx, 22) &&
                        bit(one.ecx, 29));
  add(PCX_CPU_AVX_VNNI, bit(sevenOne.eax, 4));
  add(PCX_CPU_GFNI, bit(seven.ecx, 8));
  if (saves(0xe6)) { // and the mask and the upper 512-bit state
    bool base = bit(seven.ebx, 16) && bit(seven.ebx, 17) &&
                bit(seven.ebx, 28) && bit(seven.ebx, 30) && bit(seven.ebx, 31);
    add(PCX_CPU_AVX512, base);
    if (base) {
      add(PCX_CPU_AVX512_BF16, bit(sevenOne.eax, 5));
      add(PCX_CPU_AVX512_VNNI, bit(seven.ecx, 11));
      add(PCX_CPU_AVX512_VBMI, bit(seven.ecx, 1));
      add(PCX_CPU_AVX512_VBMI2, bit(seven.ecx, 6));
      add(PCX_CPU_AVX512_IFMA, bit(seven.ebx, 21));
      add(PCX_CPU_AVX512_BITALG, bit(seven.ecx, 12));
      add(PCX_CPU_AVX512_VPOPCNTDQ, bit(seven.ecx, 14));
      add(PCX_CPU_AVX512_FP16, bit(seven.edx, 23));
    }
  }
  constexpr unsigned amxBf16 = 22, amxTile = 24, amxInt8 = 25;
  if (bit(seven.edx, amxTile) && saves(0x60000) && requestTileData()) {
    add(PCX_CPU_AMX_BF16, bit(seven.edx, amxBf16));
    add(PCX_CPU_AMX_INT8, bit(seven.edx, amxInt8));
  }
  return features;
}
} // namespace

uint64_t pcx::hostCpuFeatures() {
  static const uint64_t features = detect();
  return features;
}

uint16_t pcx::hostElfMachine() { return EM_X86_64; }
#elif defined(__aarch64__)
uint64_t pcx::hostCpuFeatures() { return 0; }
uint16_t pcx::hostElfMachine() { return EM_AARCH64; }
#else
uint64_t pcx::hostCpuFeatures() { return 0; }
uint16_t pcx::hostElfMachine() { return 0; }
#endif

uint64_t pcx::missingCpuFeatures(uint64_t required, uint64_t host) {
  return required & ~uint64_t(PCX_CPU_NATIVE) & ~host;
}

std::string pcx::describeCpuFeatures(uint64_t features) {
  static constexpr std::pair<uint64_t, const char *> names[] = {
      {PCX_CPU_AVX2, "AVX2"},
      {PCX_CPU_FMA, "FMA"},
      {PCX_CPU_BMI2, "BMI2"},
      {PCX_CPU_AVX512, "AVX-512"},
      {PCX_CPU_AVX512_BF16, "AVX-512 BF16"},
      {PCX_CPU_AMX_BF16, "AMX BF16"},
      {PCX_CPU_AVX512_VNNI, "AVX-512 VNNI"},
      {PCX_CPU_AVX512_VBMI, "AVX-512 VBMI"},
      {PCX_CPU_AVX512_VBMI2, "AVX-512 VBMI2"},
      {PCX_CPU_AVX512_IFMA, "AVX-512 IFMA"},
      {PCX_CPU_AVX512_BITALG, "AVX-512 BITALG"},
      {PCX_CPU_AVX512_VPOPCNTDQ, "AVX-512 VPOPCNTDQ"},
      {PCX_CPU_AVX512_FP16, "AVX-512 FP16"},
      {PCX_CPU_AVX_VNNI, "AVX VNNI"},
      {PCX_CPU_GFNI, "GFNI"},
      {PCX_CPU_AMX_INT8, "AMX INT8"},
  };
  std::string text;
  uint64_t left = features & ~uint64_t(PCX_CPU_NATIVE);
  for (auto [feature, name] : names) {
    if (!(left & feature))
      continue;
    text += (text.empty() ? "" : ", ") + std::string(name);
    left &= ~feature;
  }
  // A bit that a later compiler added.
  if (left)
    text += text.empty() ? "features unknown to this runtime"
                         : ", features unknown to this runtime";
  return text.empty() ? "none" : text;
}
