//===- run.c - The runtime from C -----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   run model.pcx program [samples [model.safetensors]]
//
// Loads any artifact, says what is in it, runs one of its programs on a batch
// of made-up samples, prints what it reports and the first numbers of each
// parameter, and saves the session. A program of your own would fill the inputs
// with its data; everything else stays the same.
//
//===----------------------------------------------------------------------===//

#include "pcx/pcx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/// Ends the program with the runtime's message when a call failed.
static void check(pcx_status_t status) {
  if (status == PCX_OK)
    return;
  fprintf(stderr, "run: %s\n", pcx_last_error());
  exit(1);
}

static void *allocate(uint64_t bytes) {
  void *memory = calloc(bytes ? bytes : 1, 1);
  if (!memory) {
    fprintf(stderr, "run: out of memory\n");
    exit(1);
  }
  return memory;
}

static uint64_t element_bytes(uint32_t dtype) {
  switch (dtype) {
  case PCX_F64:
  case PCX_I64:
    return 8;
  case PCX_U8:
    return 1;
  default:
    return 4;
  }
}

static int64_t element_count(const int64_t *dims, uint32_t rank) {
  int64_t count = 1;
  for (uint32_t d = 0; d < rank; ++d)
    count *= dims[d];
  return count;
}

static void print_shape(const int64_t *dims, uint32_t rank) {
  for (uint32_t d = 0; d < rank; ++d)
    printf("%s%" PRId64, d ? "x" : "", dims[d]);
  if (!rank)
    printf("scalar");
}

static double element(const void *data, uint32_t dtype, int64_t index) {
  switch (dtype) {
  case PCX_F32:
    return ((const float *)data)[index];
  case PCX_F64:
    return ((const double *)data)[index];
  case PCX_I32:
    return ((const int32_t *)data)[index];
  case PCX_I64:
    return (double)((const int64_t *)data)[index];
  default:
    return ((const uint8_t *)data)[index];
  }
}

static void set_element(void *data, uint32_t dtype, int64_t index,
                        double value) {
  switch (dtype) {
  case PCX_F32:
    ((float *)data)[index] = (float)value;
    break;
  case PCX_F64:
    ((double *)data)[index] = value;
    break;
  case PCX_I32:
    ((int32_t *)data)[index] = (int32_t)value;
    break;
  case PCX_I64:
    ((int64_t *)data)[index] = (int64_t)value;
    break;
  default:
    ((uint8_t *)data)[index] = (uint8_t)value;
  }
}

/// An array for a port: one row a sample, or one for all of them.
static pcx_array_t make_array(const pcx_port_t *port, int64_t samples) {
  int64_t rows = port->per_sample ? samples : 1;
  pcx_array_t array;
  array.dtype = port->dtype;
  array.bytes = (uint64_t)(rows * element_count(port->dims, port->rank)) *
                element_bytes(port->dtype);
  array.data = allocate(array.bytes);
  return array;
}

/// Made-up samples: a label is one-hot, anything else a ramp from 0 to 1.
static void fill_input(const pcx_port_t *port, pcx_array_t *array,
                       int64_t samples) {
  int64_t rows = port->per_sample ? samples : 1;
  int64_t width = element_count(port->dims, port->rank);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < width; ++i) {
      double value = port->flags & PCX_PORT_TARGET ? i == row % width
                                                   : (double)i / (double)width;
      set_element(array->data, port->dtype, row * width + i, value);
    }
}

static void describe(const pcx_artifact_t *info) {
  printf("model %s, compiled by %s from %s, batches up to %" PRId64 "\n",
         info->model, info->compiler, info->source_name, info->max_batch);
  for (uint32_t p = 0; p < info->program_count; ++p) {
    const pcx_program_t *program = &info->programs[p];
    printf("program %s:", program->name);
    for (uint32_t i = 0; i < program->input_count; ++i) {
      printf(" %s ", program->inputs[i].name);
      print_shape(program->inputs[i].dims, program->inputs[i].rank);
    }
    printf(" ->");
    for (uint32_t i = 0; i < program->output_count; ++i)
      printf(" %s", program->outputs[i].name);
    printf("\n");
  }
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: run model.pcx program [samples "
                    "[model.safetensors]]\n");
    return 2;
  }
  int64_t samples = argc > 3 ? strtoll(argv[3], NULL, 10) : 1;

  pcx_module_t *module;
  check(pcx_module_load(argv[1], &module));
  const pcx_artifact_t *info = pcx_module_info(module);
  describe(info);
  int32_t found = pcx_module_find_program(module, argv[2]);
  if (found < 0)
    check(PCX_ERROR_ARGUMENT);
  uint32_t index = (uint32_t)found;
  const pcx_program_t *program = &info->programs[index];

  pcx_session_options_t options = {sizeof(options), 2};
  pcx_session_t *session;
  check(pcx_session_create(module, &options, &session));
  check(pcx_session_initialise(session, 42));

  // Hyper-parameters are set without compiling again. Here each is set to what
  // it has already.
  for (uint32_t h = 0; h < info->hyper_count; ++h) {
    const pcx_hyper_t *hyper = &info->hypers[h];
    check(pcx_set_hyper(session, hyper->name, hyper->value));
    printf("%s = %g\n", hyper->name, hyper->value);
  }

  pcx_array_t *inputs = allocate(program->input_count * sizeof(pcx_array_t));
  pcx_array_t *outputs = allocate(program->output_count * sizeof(pcx_array_t));
  for (uint32_t i = 0; i < program->input_count; ++i) {
    inputs[i] = make_array(&program->inputs[i], samples);
    fill_input(&program->inputs[i], &inputs[i], samples);
  }
  for (uint32_t i = 0; i < program->output_count; ++i)
    outputs[i] = make_array(&program->outputs[i], samples);
  check(pcx_run(session, index, samples, inputs, program->input_count, outputs,
                program->output_count));
  for (uint32_t i = 0; i < program->output_count; ++i)
    printf("%s: %g\n", program->outputs[i].name,
           element(outputs[i].data, outputs[i].dtype, 0));

  for (uint32_t s = 0; s < info->storage_count; ++s) {
    const pcx_storage_t *entry = &info->storage[s];
    if (entry->kind != PCX_PARAMETER)
      continue;
    int64_t count = element_count(entry->dims, entry->rank);
    uint64_t bytes = (uint64_t)count * element_bytes(entry->dtype);
    void *values = allocate(bytes);
    check(pcx_read_storage(session, entry->name, values, bytes));
    printf("parameter %s ", entry->name);
    print_shape(entry->dims, entry->rank);
    printf(":");
    for (int64_t i = 0; i < count && i < 3; ++i)
      printf(" %g", element(values, entry->dtype, i));
    printf("\n");
    free(values);
  }

  if (argc > 4) {
    const char *metadata[] = {"written_by", "examples/c/run.c"};
    check(pcx_save(session, argv[4], metadata, 1));
    check(pcx_load(session, argv[4], PCX_LOAD_ALL));
    printf("saved %s, written by %s\n", argv[4],
           pcx_loaded_metadata(session, "written_by"));
  }

  for (uint32_t i = 0; i < program->input_count; ++i)
    free(inputs[i].data);
  for (uint32_t i = 0; i < program->output_count; ++i)
    free(outputs[i].data);
  free(inputs);
  free(outputs);
  pcx_session_destroy(session);
  pcx_module_destroy(module);
  return 0;
}
