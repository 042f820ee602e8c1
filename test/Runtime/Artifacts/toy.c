//===- toy.c - A hand-made artifact ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the runtime's tests load: every kind of storage, layout, port and
// reduction, in programs whose results can be told in closed form.
//
//   train     energy = mean of all inputs, total = sum, newest = first label;
//             rows = each sample's sum times its class; w += lr * energy;
//             padding = sum of |input| over the rows past n
//   arguments what stands in pcx_run_args_t
//   spoil     NaN when called with seed 13 from call 2 on
//   wide      each row's sum of elements times their place, mod 1000
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { maxBatch = 8, block = 4, width = 6, classes = 3 };
enum { wideWidth = 2048 };
enum { workspaceBytes = 256, workerBytes = 128 };

#ifdef TOY_CONSTRUCTOR
// Leaves a trace of having run.
__attribute__((constructor)) static void constructed(void) {
  setenv("PCX_TEST_CONSTRUCTED", "1", 1);
}
#endif

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

struct Rows {
  const float *image, *label;
  float *rows;
  char *workspace;
};

static void sumRow(void *context, int64_t index, int64_t worker) {
  struct Rows *rows = context;
  // The scratch of this worker alone.
  float *sum =
      (float *)(rows->workspace + workspaceBytes + worker * workerBytes);
  *sum = 0;
  for (int i = 0; i < width; ++i)
    *sum += rows->image[index * width + i];
  float class = 0;
  for (int i = 0; i < classes; ++i)
    class += (float)i * rows->label[index * classes + i];
  rows->rows[index] = *sum * class;
}

static int32_t train(const pcx_run_args_t *args) {
  if (args->n < 1 || args->n > maxBatch)
    return PCX_RUN_BAD_BATCH;
  const float *image = args->inputs[0], *label = args->inputs[1];
  struct Rows rows = {image, label, args->outputs[3], args->workspace};
  args->host->parallel_for(args->host->self, sumRow, &rows, args->n);

  double total = 0, padding = 0;
  for (int64_t i = 0; i < args->n * width; ++i)
    total += image[i];
  int64_t padded = (args->n + block - 1) / block * block;
  for (int64_t i = args->n * width; i < padded * width; ++i)
    padding += fabsf(image[i]);
  for (int64_t i = args->n * classes; i < padded * classes; ++i)
    padding += fabsf(label[i]);
  float energy = (float)(total / (double)(args->n * width));
  *(float *)args->outputs[0] = energy;
  *(double *)args->outputs[1] = total;
  *(float *)args->outputs[2] = label[0];
  *(double *)args->outputs[4] = padding;

  float *w = args->storage[0];
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c)
      w[r * 8 + c] += (float)args->hypers[0] * energy;
  *(int64_t *)args->storage[2] += args->n;
  return PCX_RUN_OK;
}

static int32_t arguments(const pcx_run_args_t *args) {
  double *out = args->outputs[0];
  out[0] = (double)args->n;
  out[1] = (double)args->seed;
  out[2] = (double)args->call;
  out[3] = args->total_steps;
  out[4] = args->epoch;
  out[5] = args->hypers[1];
  out[6] = args->host->workers;
  out[7] = ((const double *)args->inputs[0])[0];
  // 1 when any pointer is not aligned.
  uintptr_t pointers = (uintptr_t)args->workspace | (uintptr_t)args->inputs[0] |
                       (uintptr_t)args->outputs[0];
  for (int i = 0; i < 6; ++i)
    pointers |= (uintptr_t)args->storage[i];
  out[8] = pointers % PCX_ALIGNMENT != 0;
  // 0 unless this thread flushes denormals.
  volatile float small = 0x1p-126f;
  out[9] = small * 0.5f == 0;
  return PCX_RUN_OK;
}

static int32_t spoil(const pcx_run_args_t *args) {
  *(float *)args->outputs[0] =
      args->seed == 13 && args->call >= 2 ? NAN : (float)args->call;
  *(int64_t *)args->storage[2] += 1;
  return PCX_RUN_OK;
}

static int32_t wide(const pcx_run_args_t *args) {
  const float *input = args->inputs[0];
  double *sums = args->outputs[0];
  for (int64_t r = 0; r < args->n; ++r) {
    sums[r] = 0;
    for (int i = 0; i < wideWidth; ++i)
      sums[r] += input[r * wideWidth + i] * (double)(i % 1000);
  }
  return PCX_RUN_OK;
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

static const pcx_storage_t storage[] = {
    // Rows padded to 8.
    {sizeof(pcx_storage_t),
     "fc1.weight",
     PCX_PARAMETER,
     PCX_F32,
     2,
     {3, 4},
     {8, 1},
     96,
     PCX_INIT_UNIFORM,
     -0.5,
     0.5,
     1,
     0},
    // Transposed.
    {sizeof(pcx_storage_t),
     "fc2.weight",
     PCX_PARAMETER,
     PCX_F32,
     2,
     {3, 4},
     {1, 3},
     48,
     PCX_INIT_NORMAL,
     1,
     2,
     2,
     0},
    {sizeof(pcx_storage_t),
     "adamw.count",
     PCX_OPTIMISER,
     PCX_I64,
     0,
     {0},
     {0},
     8,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
    {sizeof(pcx_storage_t),
     "running.mean",
     PCX_BUFFER,
     PCX_F64,
     1,
     {5},
     {1},
     40,
     PCX_INIT_CONSTANT,
     1.5,
     0,
     0,
     0},
    {sizeof(pcx_storage_t),
     "h1",
     PCX_STATE,
     PCX_I32,
     2,
     {maxBatch, 2},
     {2, 1},
     64,
     PCX_INIT_CONSTANT,
     -7,
     0,
     0,
     0},
    // Every dimension of three somewhere else, with gaps.
    {sizeof(pcx_storage_t),
     "mask",
     PCX_BUFFER,
     PCX_U8,
     3,
     {2, 3, 2},
     {2, 10, 1},
     40,
     PCX_INIT_CONSTANT,
     200,
     0,
     0,
     0},
};

static const pcx_hyper_t hypers[] = {
    {sizeof(pcx_hyper_t), "w_lr", 0.125, 0, 1, 0},
    {sizeof(pcx_hyper_t), "steps", 5, 1, 100, 1},
};

static const pcx_port_t trainInputs[] = {
    {sizeof(pcx_port_t), "image", PCX_F32, 1, 2, {2, 3}, 0, 0},
    {sizeof(pcx_port_t), "label", PCX_F32, 1, 1, {classes}, 0, PCX_PORT_TARGET},
};
static const pcx_port_t trainOutputs[] = {
    {sizeof(pcx_port_t),
     "energy",
     PCX_F32,
     0,
     0,
     {0},
     PCX_REDUCE_MEAN,
     PCX_PORT_REPORT},
    {sizeof(pcx_port_t), "total", PCX_F64, 0, 0, {0}, PCX_REDUCE_SUM, 0},
    {sizeof(pcx_port_t), "newest", PCX_F32, 0, 0, {0}, PCX_REDUCE_LAST, 0},
    {sizeof(pcx_port_t), "rows", PCX_F32, 1, 0, {0}, PCX_REDUCE_NONE, 0},
    {sizeof(pcx_port_t), "padding", PCX_F64, 0, 1, {1}, PCX_REDUCE_SUM, 0},
};
static const pcx_port_t argumentInputs[] = {
    {sizeof(pcx_port_t), "shared", PCX_F64, 0, 0, {0}, 0, 0},
};
static const pcx_port_t argumentOutputs[] = {
    {sizeof(pcx_port_t), "arguments", PCX_F64, 0, 1, {10}, PCX_REDUCE_LAST, 0},
};
static const pcx_port_t spoilInputs[] = {
    {sizeof(pcx_port_t), "image", PCX_F32, 1, 2, {2, 3}, 0, 0},
};
static const pcx_port_t spoilOutputs[] = {
    {sizeof(pcx_port_t),
     "energy",
     PCX_F32,
     0,
     0,
     {0},
     PCX_REDUCE_MEAN,
     PCX_PORT_REPORT},
};

static const pcx_port_t wideInputs[] = {
    {sizeof(pcx_port_t), "wide", PCX_F32, 1, 1, {wideWidth}, 0, 0},
};
static const pcx_port_t wideOutputs[] = {
    {sizeof(pcx_port_t), "sums", PCX_F64, 1, 0, {0}, PCX_REDUCE_NONE, 0},
};

static const pcx_kernel_info_t kernels[] = {
    {sizeof(pcx_kernel_info_t), "sum", 0, width, 0, 4 * width, 0},
};
static const pcx_kernel_use_t uses[] = {
    {sizeof(pcx_kernel_use_t), 0, 1},
};
static const pcx_stage_info_t stages[] = {
    {sizeof(pcx_stage_info_t), "single", 0, 1, 0, 0},
    {sizeof(pcx_stage_info_t), "rows", sumRow, 1, 1, uses},
};
static const pcx_variant_t trainVariants[] = {
    // Nothing has this bit: the second one is taken.
    {sizeof(pcx_variant_t), "unheard-of", UINT64_C(1) << 62, spoil, 0, 0, 1, 0,
     0, 0, 0, 0},
    {sizeof(pcx_variant_t), "x86-64", 0, train, workspaceBytes, workerBytes,
     block, 1, kernels, 0, 2, stages},
};
static const pcx_variant_t argumentVariants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, arguments, 0, 0, 1, 0, 0, 0, 0, 0},
};
static const pcx_variant_t spoilVariants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, spoil, 0, 0, 1, 0, 0, 0, 0, 0},
};
static const pcx_variant_t wideVariants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, wide, 0, 0, block, 0, 0, 0, 0, 0},
};

static const uint32_t trainWrites[] = {0, 2};
static const uint32_t spoilWrites[] = {2};
static const pcx_program_t programs[] = {
    {sizeof(pcx_program_t), "train", PCX_ROLE_TRAIN, 2, trainInputs, 5,
     trainOutputs, 2, trainVariants, 1, 0, 0, 2, trainWrites},
    {sizeof(pcx_program_t), "arguments", PCX_ROLE_OTHER, 1, argumentInputs, 1,
     argumentOutputs, 1, argumentVariants, 0, 0, 0, 0, 0},
    {sizeof(pcx_program_t), "spoil", PCX_ROLE_EVALUATE, 1, spoilInputs, 1,
     spoilOutputs, 1, spoilVariants, 0, 0, 0, 1, spoilWrites},
    {sizeof(pcx_program_t), "wide", PCX_ROLE_SAMPLE, 1, wideInputs, 1,
     wideOutputs, 1, wideVariants, 0, 0, 0, 0, 0},
};

static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    1,
    "pcc 0.1.0",
    TOY_MODEL,
    "toy.pcir",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "--mcpu=x86-64",
    PCX_F32,
    0,
    maxBatch,
    6,
    storage,
    2,
    hypers,
    4,
    programs,
};

#ifndef TOY_NO_QUERY
__attribute__((visibility("default")))
const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi);

const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi) {
#ifdef TOY_REFUSES
  return max_abi < 1000 ? 0 : &artifact;
#else
  return max_abi >= 1 ? &artifact : 0;
#endif
}
#else
const void *const toyUnused = &artifact;
#endif
