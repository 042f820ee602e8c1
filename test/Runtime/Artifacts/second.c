//===- second.c - Another hand-made artifact ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model of another name and shape, with static data of its own: a loader that
// took two artifacts for one library would mix them up.
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

static double calls;

static int32_t count(const pcx_run_args_t *args) {
  *(double *)args->outputs[0] = ++calls;
  return PCX_RUN_OK;
}

static const pcx_storage_t storage[] = {
    {sizeof(pcx_storage_t),
     "fc1.weight",
     PCX_PARAMETER,
     PCX_F32,
     2,
     {3, 5},
     {5, 1},
     60,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
};
static const pcx_port_t outputs[] = {
    {sizeof(pcx_port_t), "calls", PCX_F64, 0, 0, {0}, PCX_REDUCE_LAST, 0},
};
static const pcx_variant_t variants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, count, 0, 0, 1, 0, 0, 0, 0, 0},
};
static const pcx_program_t programs[] = {
    {sizeof(pcx_program_t), "count", PCX_ROLE_OTHER, 0, 0, 1, outputs, 1,
     variants, 0, 0, 0, 0, 0},
};
static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    1,
    "pcc 0.1.0",
    "second",
    "second.pcir",
    0,
    0,
    PCX_F32,
    0,
    4,
    1,
    storage,
    0,
    0,
    1,
    programs,
};

__attribute__((visibility("default"))) const pcx_artifact_t *
pcx_artifact_query(uint32_t max_abi);

const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi) {
  return max_abi >= 1 ? &artifact : 0;
}
