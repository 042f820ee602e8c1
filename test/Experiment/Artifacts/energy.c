//===- energy.c - A hand-made model that scores its samples ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   train    loss = 0; what trains is never chosen to score
//   score    energy = the sample's first value + bias + how often the program
//            ran before in the session; both = energy and the second value
//   several  value = the sample's first value, log = its logarithm (only with
//            ENERGY_SEVERAL)
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

#include <math.h>

static int32_t train(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n; ++i)
    ((float *)args->outputs[0])[i] = 0;
  return PCX_RUN_OK;
}

/// Adds what earlier calls left in the state "ran".
static int32_t score(const pcx_run_args_t *args) {
  const float *x = args->inputs[0];
  float *ran = args->storage[1];
  for (int64_t i = 0; i < args->n; ++i) {
    float energy = x[2 * i] + ((float *)args->storage[0])[0] + *ran;
    ((float *)args->outputs[0])[i] = energy;
    ((float *)args->outputs[1])[2 * i] = energy;
    ((float *)args->outputs[1])[2 * i + 1] = x[2 * i + 1];
  }
  *ran += 1;
  return PCX_RUN_OK;
}

#ifdef ENERGY_SEVERAL
static int32_t several(const pcx_run_args_t *args) {
  const float *x = args->inputs[0];
  for (int64_t i = 0; i < args->n; ++i) {
    ((float *)args->outputs[0])[i] = x[2 * i];
    ((double *)args->outputs[1])[i] = log(x[2 * i]);
  }
  return PCX_RUN_OK;
}
#endif

#define PORT sizeof(pcx_port_t)
static const pcx_storage_t storage[] = {
    {sizeof(pcx_storage_t),
     "bias",
     PCX_PARAMETER,
     PCX_F32,
     1,
     {1},
     {1},
     4,
     PCX_INIT_CONSTANT,
     100,
     0,
     1,
     0},
    {sizeof(pcx_storage_t),
     "ran",
     PCX_STATE,
     PCX_F32,
     1,
     {1},
     {1},
     4,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
};
static const pcx_port_t inputs[] = {{PORT, "x", PCX_F32, 1, 1, {2}, 0, 0}};
static const pcx_port_t trainOutputs[] = {
    {PORT, "loss", PCX_F32, 1, 0, {0}, 0, 0}};
static const pcx_port_t scoreOutputs[] = {
    {PORT, "energy", PCX_F32, 1, 0, {0}, 0, 0},
    {PORT, "both", PCX_F32, 1, 1, {2}, 0, 0}};
#ifdef ENERGY_SEVERAL
static const pcx_port_t severalOutputs[] = {
    {PORT, "value", PCX_F32, 1, 0, {0}, 0, 0},
    {PORT, "log", PCX_F64, 1, 0, {0}, 0, 0}};
#endif
#define VARIANT(f)                                                             \
  {{sizeof(pcx_variant_t), "x86-64", 0, f, 0, 0, 1, 0, 0, 0, 0, 0}}
static const pcx_variant_t trainVariants[] = VARIANT(train);
static const pcx_variant_t scoreVariants[] = VARIANT(score);
#ifdef ENERGY_SEVERAL
static const pcx_variant_t severalVariants[] = VARIANT(several);
#endif
static const uint32_t all[] = {0, 1};
static const pcx_program_t programs[] = {
    {sizeof(pcx_program_t), "train", PCX_ROLE_TRAIN, 1, inputs, 1, trainOutputs,
     1, trainVariants, 1, 1, all, 0, 0},
    {sizeof(pcx_program_t), "score", PCX_ROLE_OTHER, 1, inputs, 2, scoreOutputs,
     1, scoreVariants, 0, 2, all, 1, all + 1},
#ifdef ENERGY_SEVERAL
    {sizeof(pcx_program_t), "several", PCX_ROLE_OTHER, 1, inputs, 2,
     severalOutputs, 1, severalVariants, 0, 0, 0, 0, 0},
#endif
};
static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    PCX_ABI_VERSION,
    "pcc 0.1.0",
    "energy",
    "energy.pcir",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "--mcpu=x86-64",
    PCX_F32,
    0,
    32,
    2,
    storage,
    0,
    0,
    sizeof(programs) / sizeof(programs[0]),
    programs,
};

__attribute__((visibility("default"))) const pcx_artifact_t *
pcx_artifact_query(uint32_t max_abi);

const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi) {
  return max_abi >= PCX_ABI_VERSION ? &artifact : 0;
}
