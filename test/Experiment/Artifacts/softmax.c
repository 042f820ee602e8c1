//===- softmax.c - A hand-made model of one layer -------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Softmax regression on 8x8 images, as an artifact: what an experiment must
// keep for an exact resume decides its results. A weight step depends on the
// momentum, on the seed and the call (noise), on the total steps (a linear
// schedule) and on a state that outlives the call.
//
//   train     energy = mean cross-entropy; steps W, moves the trace; warns from
//             an epoch on
//   evaluate  prediction = logits, energy
//   classify  class = argmax as i32
//   totals    total = offset + sum of the images' first three values
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

#include <math.h>
#include <unistd.h>

#ifndef SOFTMAX_PIXELS
#define SOFTMAX_PIXELS 64
#endif
enum { maxBatch = 32, pixels = SOFTMAX_PIXELS, classes = 10 };

/// Hyper-parameters by index.
enum { lr, momentum, noise, explodeAt, poisonAt, delay, warnFrom };
/// Storage by index.
enum { weight, trace, count, last };

static float random01(uint64_t seed, uint64_t call, uint64_t index) {
  uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) +
               call * UINT64_C(0xbf58476d1ce4e5b9) + index;
  x ^= x >> 30;
  x *= UINT64_C(0xbf58476d1ce4e5b9);
  x ^= x >> 27;
  x *= UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  return (float)(x >> 40) * 0x1p-24f;
}

static void logitsOf(const float *w, const float *image, float *out) {
  for (int c = 0; c < classes; ++c) {
    out[c] = 0;
    for (int p = 0; p < pixels; ++p)
      out[c] += w[c * pixels + p] * image[p];
  }
}

/// Turns logits into probabilities; returns the cross-entropy with the label.
static float softmax(float *values, const float *label) {
  float most = values[0], sum = 0, at = 0;
  for (int c = 1; c < classes; ++c)
    most = values[c] > most ? values[c] : most;
  for (int c = 0; c < classes; ++c)
    at += label[c] * (values[c] - most);
  for (int c = 0; c < classes; ++c)
    sum += values[c] = expf(values[c] - most);
  for (int c = 0; c < classes; ++c)
    values[c] /= sum;
  return logf(sum) - at;
}

static int32_t train(const pcx_run_args_t *args) {
  const float *image = args->inputs[0], *label = args->inputs[1];
  float *w = args->storage[weight], *m = args->storage[trace],
        *h = args->storage[last];
  int64_t *steps = args->storage[count];
  float gradient[classes * pixels] = {0}, p[classes];
  double energy = 0;
  for (int64_t i = 0; i < args->n; ++i) {
    logitsOf(w, image + i * pixels, p);
    for (int c = 0; c < classes; ++c)
      ((float *)args->outputs[2])[i * classes + c] = p[c];
    energy += softmax(p, label + i * classes);
    for (int c = 0; c < classes; ++c)
      for (int x = 0; x < pixels; ++x)
        gradient[c * pixels + x] +=
            (p[c] - label[i * classes + c]) * image[i * pixels + x];
  }
  float rate = (float)args->hypers[lr];
  if (args->total_steps > 0)
    rate *= 1 - 0.5f * (float)((double)*steps / args->total_steps);
  rate *= 1 + 0.001f * (float)args->epoch;
  for (int i = 0; i < classes * pixels; ++i) {
    float kick = (float)args->hypers[noise] *
                 (random01(args->seed, args->call, (uint64_t)i) - 0.5f);
    m[i] = (float)args->hypers[momentum] * m[i] + gradient[i] / (float)args->n +
           kick + 1e-3f * h[i % classes];
    w[i] -= rate * m[i];
  }
  for (int c = 0; c < classes; ++c)
    h[c] = p[c];
  if ((double)*steps == args->hypers[explodeAt]) {
    energy = NAN;
    w[3] = NAN;
  }
  if ((double)*steps == args->hypers[poisonAt])
    w[3] = NAN;
  ++*steps;
  *(float *)args->outputs[0] = (float)(energy / (double)args->n);
  *(float *)args->outputs[1] = (float)(energy / (double)args->n);
  *(float *)args->outputs[3] = args->epoch >= args->hypers[warnFrom];
  *(float *)args->outputs[4] = 0;
  if (args->hypers[delay] > 0)
    usleep((unsigned)(1000 * args->hypers[delay]));
  return PCX_RUN_OK;
}

static int32_t evaluate(const pcx_run_args_t *args) {
  const float *image = args->inputs[0], *label = args->inputs[1];
  float *out = args->outputs[0], p[classes];
  double energy = 0;
  for (int64_t i = 0; i < args->n; ++i) {
    logitsOf(args->storage[weight], image + i * pixels, out + i * classes);
    for (int c = 0; c < classes; ++c)
      p[c] = out[i * classes + c];
    energy += softmax(p, label + i * classes);
  }
  *(float *)args->outputs[1] = (float)(energy / (double)args->n);
  return PCX_RUN_OK;
}

static int32_t classify(const pcx_run_args_t *args) {
  const float *image = args->inputs[0];
  float p[classes];
  for (int64_t i = 0; i < args->n; ++i) {
    logitsOf(args->storage[weight], image + i * pixels, p);
    int32_t best = 0;
    for (int c = 1; c < classes; ++c)
      best = p[c] > p[best] ? c : best;
    ((int32_t *)args->outputs[0])[i] = best;
  }
  return PCX_RUN_OK;
}

static int32_t totals(const pcx_run_args_t *args) {
  const float *image = args->inputs[0];
  const double *offset = args->inputs[1];
  for (int k = 0; k < 3; ++k) {
    double sum = offset[k];
    for (int64_t i = 0; i < args->n; ++i)
      sum += image[i * pixels + k];
    ((double *)args->outputs[0])[k] = sum;
  }
  return PCX_RUN_OK;
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

#define PORT sizeof(pcx_port_t)
static const pcx_storage_t storage[] = {
    {sizeof(pcx_storage_t),
     "fc.weight",
     PCX_PARAMETER,
     PCX_F32,
     2,
     {classes, pixels},
     {pixels, 1},
     4 * classes * pixels,
     PCX_INIT_UNIFORM,
     -0.1,
     0.1,
     1,
     0},
    {sizeof(pcx_storage_t),
     "sgd.trace.fc.weight",
     PCX_OPTIMISER,
     PCX_F32,
     2,
     {classes, pixels},
     {pixels, 1},
     4 * classes * pixels,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
    {sizeof(pcx_storage_t),
     "sgd.count",
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
     "h",
     PCX_STATE,
     PCX_F32,
     1,
     {classes},
     {1},
     4 * classes,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
};
static const pcx_hyper_t hypers[] = {
    {sizeof(pcx_hyper_t), "w_lr", 0.05, 0, 1e30, 0},
    {sizeof(pcx_hyper_t), "momentum", 0.5, 0, 1, 0},
    {sizeof(pcx_hyper_t), "noise", 0.01, 0, 1, 0},
    {sizeof(pcx_hyper_t), "explode_at", -1, -1, 1e9, 1},
    {sizeof(pcx_hyper_t), "poison_at", -1, -1, 1e9, 1},
    {sizeof(pcx_hyper_t), "delay", 0, 0, 1e6, 0},
    {sizeof(pcx_hyper_t), "warn_from", 1e9, 0, 1e9, 0},
};
static const pcx_port_t inputs[] = {
#if SOFTMAX_PIXELS == 64
    {PORT, "image", PCX_F32, 1, 2, {8, 8}, 0, 0},
#else
    {PORT, "image", PCX_F32, 1, 1, {pixels}, 0, 0},
#endif
    {PORT, "label", PCX_F32, 1, 1, {classes}, 0, PCX_PORT_TARGET},
};
static const pcx_port_t totalInputs[] = {
    {PORT, "image", PCX_F32, 1, 1, {pixels}, 0, 0},
    {PORT, "offset", PCX_F64, 0, 1, {3}, 0, 0},
};
static const pcx_port_t trainOutputs[] = {
    {PORT, "energy", PCX_F32, 0, 0, {0}, PCX_REDUCE_MEAN, PCX_PORT_REPORT},
    {PORT, "energy.label", PCX_F32, 0, 0, {0}, PCX_REDUCE_MEAN, 0},
    {PORT, "label.h.0", PCX_F32, 1, 1, {classes}, 0, PCX_PORT_TRACE},
    {PORT, "it is late", PCX_F32, 0, 0, {0}, PCX_REDUCE_SUM, PCX_PORT_WARNING},
    {PORT, "never", PCX_F32, 0, 0, {0}, PCX_REDUCE_SUM, PCX_PORT_WARNING},
};
static const pcx_port_t evaluateOutputs[] = {
    {PORT, "prediction", PCX_F32, 1, 1, {classes}, 0, 0},
    {PORT, "energy", PCX_F32, 0, 0, {0}, PCX_REDUCE_MEAN, PCX_PORT_REPORT},
};
static const pcx_port_t classifyOutputs[] = {
    {PORT, "class", PCX_I32, 1, 0, {0}, 0, 0},
};
static const pcx_port_t totalOutputs[] = {
    {PORT, "total", PCX_F64, 0, 1, {3}, PCX_REDUCE_SUM, 0},
};

static const pcx_kernel_info_t kernels[] = {
    {sizeof(pcx_kernel_info_t), "gemv", 100, 2 * classes * pixels,
     4 * classes * pixels, 4 * pixels, 0},
};
#define VARIANT(f)                                                             \
  {{sizeof(pcx_variant_t), "x86-64", 0, f, 0, 0, 1, 1, kernels, 0, 0, 0}}
static const pcx_variant_t trainVariants[] = VARIANT(train);
static const pcx_variant_t evaluateVariants[] = VARIANT(evaluate);
static const pcx_variant_t classifyVariants[] = VARIANT(classify);
static const pcx_variant_t totalVariants[] = VARIANT(totals);

static const uint32_t all[] = {weight, trace, count, last};
static const pcx_program_t programs[] = {
    {sizeof(pcx_program_t), "train", PCX_ROLE_TRAIN, 2, inputs, 5, trainOutputs,
     1, trainVariants, 1, 4, all, 4, all},
    {sizeof(pcx_program_t), "evaluate", PCX_ROLE_EVALUATE, 2, inputs, 2,
     evaluateOutputs, 1, evaluateVariants, 0, 1, all, 0, 0},
    {sizeof(pcx_program_t), "classify", PCX_ROLE_OTHER, 1, inputs, 1,
     classifyOutputs, 1, classifyVariants, 0, 1, all, 0, 0},
    {sizeof(pcx_program_t), "totals", PCX_ROLE_OTHER, 2, totalInputs, 1,
     totalOutputs, 1, totalVariants, 0, 0, 0, 0, 0},
};
static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    PCX_ABI_VERSION,
    "pcc 0.1.0",
    "softmax",
    "softmax.pcir",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "--mcpu=x86-64",
    PCX_F32,
    0,
    maxBatch,
    4,
    storage,
    7,
    hypers,
    4,
    programs,
};

__attribute__((visibility("default"))) const pcx_artifact_t *
pcx_artifact_query(uint32_t max_abi);

const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi) {
  return max_abi >= PCX_ABI_VERSION ? &artifact : 0;
}
