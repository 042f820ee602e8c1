//===- images.c - A hand-made model of images -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// IMAGES_PIXELS values a sample (4), at most four samples a call.
//
//   train        loss = 0
//   sample       sample = class (-1 unless the label is one-hot), call, place
//   in
//                the batch, seed, then all 0; NaN for seed 13
//   reconstruct  half = image / 2, code = its first value; half is NaN for
//                images that begin with 100
//
// With IMAGES_SEVERAL also:
//
//   free         no label; sample = call, place, 0, ...; other = 1
//   noisy        recalled = image / 2
//   masked       recalled = image where known is 1; where it is 0, 0.25, or 99
//                if what is hidden can be seen
//   classed      half = image / 2 + 1 for class 1 of a label
//   graded       sample = a label of one element, 0, ...
//   pair         from two images, first and second, to half and other
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

#include <math.h>

#ifndef IMAGES_PIXELS
#define IMAGES_PIXELS 4
#endif
enum { maxBatch = 4, pixels = IMAGES_PIXELS, classes = 3 };

static int32_t train(const pcx_run_args_t *args) {
  ((float *)args->outputs[0])[0] = 0;
  return PCX_RUN_OK;
}

static float classOf(const float *label) {
  int found = -1;
  for (int c = 0; c < classes; ++c) {
    if (label[c] == 0)
      continue;
    if (label[c] != 1 || found >= 0)
      return -1;
    found = c;
  }
  return (float)found;
}

static int32_t sample(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n; ++i) {
    float *out = (float *)args->outputs[0] + i * pixels;
    for (int p = 0; p < pixels; ++p)
      out[p] = 0;
    out[0] = classOf((const float *)args->inputs[0] + i * classes);
    out[1] = (float)args->call;
    out[2] = (float)i;
    out[3] = args->seed == 13 ? NAN : (float)args->seed;
  }
  return PCX_RUN_OK;
}

static int32_t reconstruct(const pcx_run_args_t *args) {
  const float *image = args->inputs[0];
  for (int64_t i = 0; i < args->n; ++i, image += pixels) {
    ((float *)args->outputs[1])[i] = image[0];
    for (int p = 0; p < pixels; ++p)
      ((float *)args->outputs[0])[i * pixels + p] =
          image[0] == 100 ? NAN : image[p] / 2;
  }
  return PCX_RUN_OK;
}

#ifdef IMAGES_SEVERAL
static int32_t freely(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n; ++i)
    for (int p = 0; p < pixels; ++p) {
      ((float *)args->outputs[0])[i * pixels + p] = p == 0   ? (float)args->call
                                                    : p == 1 ? (float)i
                                                             : 0;
      ((float *)args->outputs[1])[i * pixels + p] = 1;
    }
  return PCX_RUN_OK;
}

static int32_t noisy(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n * pixels; ++i)
    ((float *)args->outputs[0])[i] = ((const float *)args->inputs[0])[i] / 2;
  return PCX_RUN_OK;
}

static int32_t masked(const pcx_run_args_t *args) {
  const float *image = args->inputs[0], *known = args->inputs[1];
  for (int64_t i = 0; i < args->n * pixels; ++i)
    ((float *)args->outputs[0])[i] = known[i] == 1   ? image[i]
                                     : image[i] != 0 ? 99
                                                     : 0.25f;
  return PCX_RUN_OK;
}

static int32_t classed(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n * pixels; ++i)
    ((float *)args->outputs[0])[i] =
        ((const float *)args->inputs[0])[i] / 2 +
        ((const float *)args->inputs[1])[i / pixels * classes + 1];
  return PCX_RUN_OK;
}

static int32_t graded(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n * pixels; ++i)
    ((float *)args->outputs[0])[i] =
        i % pixels ? 0 : ((const float *)args->inputs[0])[i / pixels];
  return PCX_RUN_OK;
}

static int32_t pair(const pcx_run_args_t *args) {
  for (int64_t i = 0; i < args->n * pixels; ++i)
    for (int output = 0; output < 2; ++output)
      ((float *)args->outputs[output])[i] =
          ((const float *)args->inputs[output])[i];
  return PCX_RUN_OK;
}
#endif

#define PORT sizeof(pcx_port_t)
#define IMAGE(name) {PORT, name, PCX_F32, 1, 1, {pixels}, 0, 0}
static const pcx_port_t labelled[] = {
    IMAGE("image"), {PORT, "label", PCX_F32, 1, 1, {classes}, 0, 0}};
static const pcx_port_t loss[] = {
    {PORT, "loss", PCX_F32, 0, 0, {0}, PCX_REDUCE_MEAN, PCX_PORT_REPORT}};
static const pcx_port_t samples[] = {IMAGE("sample"), IMAGE("other")};
static const pcx_port_t halves[] = {IMAGE("half"),
                                    {PORT, "code", PCX_F32, 1, 0, {0}, 0, 0}};
#define VARIANT(f)                                                             \
  {{sizeof(pcx_variant_t), "x86-64", 0, f, 0, 0, 1, 0, 0, 0, 0, 0}}
static const pcx_variant_t trainVariants[] = VARIANT(train);
static const pcx_variant_t sampleVariants[] = VARIANT(sample);
static const pcx_variant_t reconstructVariants[] = VARIANT(reconstruct);
#ifdef IMAGES_SEVERAL
static const pcx_port_t recalled[] = {IMAGE("recalled")};
static const pcx_port_t maskedInputs[] = {IMAGE("image"), IMAGE("known")};
static const pcx_port_t pairInputs[] = {IMAGE("first"), IMAGE("second")};
static const pcx_port_t pairOutputs[] = {IMAGE("half"), IMAGE("other")};
static const pcx_variant_t freeVariants[] = VARIANT(freely);
static const pcx_variant_t noisyVariants[] = VARIANT(noisy);
static const pcx_variant_t maskedVariants[] = VARIANT(masked);
static const pcx_port_t grade[] = {{PORT, "grade", PCX_F32, 1, 1, {1}, 0, 0}};
static const pcx_variant_t classedVariants[] = VARIANT(classed);
static const pcx_variant_t gradedVariants[] = VARIANT(graded);
static const pcx_variant_t pairVariants[] = VARIANT(pair);
#endif
#define PROGRAM(name, role, n, inputs, m, outputs, variants)                   \
  {sizeof(pcx_program_t),                                                      \
   name,                                                                       \
   role,                                                                       \
   n,                                                                          \
   inputs,                                                                     \
   m,                                                                          \
   outputs,                                                                    \
   1,                                                                          \
   variants,                                                                   \
   0,                                                                          \
   0,                                                                          \
   0,                                                                          \
   0,                                                                          \
   0}
static const pcx_program_t programs[] = {
    PROGRAM("train", PCX_ROLE_TRAIN, 2, labelled, 1, loss, trainVariants),
    PROGRAM("sample", PCX_ROLE_SAMPLE, 1, labelled + 1, 1, samples,
            sampleVariants),
    PROGRAM("reconstruct", PCX_ROLE_OTHER, 1, labelled, 2, halves,
            reconstructVariants),
#ifdef IMAGES_SEVERAL
    PROGRAM("free", PCX_ROLE_SAMPLE, 0, 0, 2, samples, freeVariants),
    PROGRAM("noisy", PCX_ROLE_OTHER, 1, labelled, 1, recalled, noisyVariants),
    PROGRAM("masked", PCX_ROLE_OTHER, 2, maskedInputs, 1, recalled,
            maskedVariants),
    PROGRAM("classed", PCX_ROLE_OTHER, 2, labelled, 1, halves, classedVariants),
    PROGRAM("graded", PCX_ROLE_OTHER, 1, grade, 1, samples, gradedVariants),
    PROGRAM("pair", PCX_ROLE_OTHER, 2, pairInputs, 2, pairOutputs,
            pairVariants),
#endif
};
static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    PCX_ABI_VERSION,
    "pcc 0.1.0",
    "images",
    "images.pcir",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "--mcpu=x86-64",
    PCX_F32,
    0,
    maxBatch,
    0,
    0,
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
