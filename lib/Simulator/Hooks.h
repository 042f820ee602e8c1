//===- Hooks.h - What instrumented kernels call -----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_SIMULATOR_HOOKS_H
#define PC_LIB_SIMULATOR_HOOKS_H

#include <cstdint>

// One thread of the process runs one launch at a time; the hooks find it there.
extern "C" {
/// In front of every access: AccessFlag's in `flags`.
void pcx_sim_access(const void *address, uint32_t bytes, uint32_t alignment,
                    uint32_t flags, uint32_t site);
uint32_t pcx_sim_special(uint32_t which);
void *pcx_sim_shared(uint32_t offset);
void pcx_sim_barrier(uint32_t aligned, uint32_t site);
void pcx_sim_warp_barrier(uint32_t mask, uint32_t site);
void pcx_sim_fence(void);
uint32_t pcx_sim_shuffle(uint32_t mask, uint32_t value, uint32_t offset,
                         uint32_t clamp, uint32_t kind, uint32_t site);
/// Registers of the lane: a[4], b[2], c[4], d[4] of 32 bits each.
void pcx_sim_matrix(uint32_t kind, const uint32_t *a, const uint32_t *b,
                    const float *c, float *d, uint32_t site);
void pcx_sim_load_matrix(uint32_t count, uint32_t transposed,
                         const void *address, uint32_t *result, uint32_t site);
void pcx_sim_async_copy(void *to, const void *from, uint32_t bytes,
                        uint32_t given, uint32_t site);
void pcx_sim_async_commit(void);
void pcx_sim_async_wait(uint32_t pending);
}

#endif // PC_LIB_SIMULATOR_HOOKS_H
