//===- pcx.h - Public C API of the pcx runtime --------------------*- C -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Load an artifact that `pcc` made, create a session, run its programs.
//
//   pcx_module_t *module;          // immutable, shared between threads
//   pcx_session_t *session;        // parameters, optimiser, threads, counters
//   pcx_module_load("mlp.pcx", &module);
//   pcx_session_create(module, NULL, &session);
//   pcx_session_initialise(session, seed);
//   pcx_array_t in[] = {...}, out[] = {...};
//   pcx_run(session, program, n, in, 2, out, 1);
//
// Errors: every function that can fail returns a pcx_status_t;
// pcx_last_error() then has a message that names the file or the argument,
// what was expected and what was found. Nothing is changed by a failed call
// unless its comment says so.
//
// Threads: a module or a data set may be used by any number of threads at once.
// A session is not re-entrant: one call at a time (calls from different threads
// must be ordered by the caller); different sessions run concurrently.
// pcx_last_error() is per thread. Results depend on the seed and on the order
// of calls, never on the number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_PCX_H
#define PCX_PCX_H

#include "pcx/abi.h"

#include <stddef.h>

#if defined(_WIN32)
#error "pcx supports ELF platforms"
#endif
#define PCX_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pcx_status_t {
  PCX_OK = 0,
  PCX_ERROR_IO = 1,       ///< cannot open, read or write a file
  PCX_ERROR_FORMAT = 2,   ///< damaged or wrong file
  PCX_ERROR_VERSION = 3,  ///< made by a newer compiler
  PCX_ERROR_CPU = 4,      ///< no kernels for this CPU
  PCX_ERROR_ARGUMENT = 5, ///< unknown name, wrong shape, dtype or count
  PCX_ERROR_MEMORY = 6,
  PCX_ERROR_MISMATCH = 7, ///< checkpoint of another model
  PCX_ERROR_NUMERIC = 8,  ///< a reported value is NaN or infinite
  PCX_ERROR_DEVICE = 9    ///< no such device, no code for it, or it failed
} pcx_status_t;

/// Message of the last failed call of this thread; "" if none failed yet.
PCX_API const char *pcx_last_error(void);
/// "0.1.0"
PCX_API const char *pcx_version(void);

//===----------------------------------------------------------------------===//
// Module: a loaded artifact
//===----------------------------------------------------------------------===//

typedef struct pcx_module_t pcx_module_t;

/// Verifies and loads the artifact at `path`. What the system sees is a copy in
/// memory; when the environment names a folder in PCX_OBJECT_DIR, the object is
/// written and loaded there (profilers want a file) and stays.
PCX_API pcx_status_t pcx_module_load(const char *path, pcx_module_t **module);
/// The same from memory; `name` appears in messages. The bytes are copied.
PCX_API pcx_status_t pcx_module_load_bytes(const void *bytes, size_t size,
                                           const char *name,
                                           pcx_module_t **module);
/// The module must outlive its sessions. NULL is fine.
PCX_API void pcx_module_destroy(pcx_module_t *module);

/// Description: programs, inputs, outputs, storage, hyper-parameters, kernels.
PCX_API const pcx_artifact_t *pcx_module_info(const pcx_module_t *module);
/// Index of the named program, storage entry or hyper-parameter, or -1 with a
/// message that names the nearest match.
PCX_API int32_t pcx_module_find_program(const pcx_module_t *m,
                                        const char *name);
PCX_API int32_t pcx_module_find_storage(const pcx_module_t *m,
                                        const char *name);
PCX_API int32_t pcx_module_find_hyper(const pcx_module_t *m, const char *name);
/// The variant of the program that this CPU runs; NULL for a program that was
/// compiled for devices only, and with a message past the last program.
PCX_API const pcx_variant_t *pcx_module_variant(const pcx_module_t *module,
                                                uint32_t program);

//===----------------------------------------------------------------------===//
// Session: everything that changes
//===----------------------------------------------------------------------===//

typedef struct pcx_session_t pcx_session_t;

typedef struct pcx_session_options_t {
  uint32_t struct_size; ///< sizeof(pcx_session_options_t)
  uint32_t threads;     ///< at most 1024; 0: as many as CPUs that this process
                        ///< may use
  const char *device; ///< "cpu" (NULL too), "cuda" for the first GPU, "cuda:N",
                      ///< or "sim", the simulated device. Later than the rest:
                      ///< read if struct_size covers it
} pcx_session_options_t;

/// Allocates parameters, optimiser state and workspace (all zero) and starts
/// the threads. `options` may be NULL. Hyper-parameters have their defaults.
///
/// The calling thread takes part in every parallel loop, so `threads` counts
/// it. Calls that take less than about two milliseconds are timed with all
/// threads and with the calling one alone, now and then, and run the faster
/// way; results are the same. Programs run in the default floating-point
/// environment (round to nearest, no flushing of denormals) whatever the
/// caller's is; the caller's is restored.
///
/// On a device the threads gather batches of data that does not lie there;
/// results differ from the CPU's by rounding. After a fault of the device a
/// session is of no use: every call that needs the device fails with what
/// happened. Environment: PCX_CUDA_SYNC=1 waits for every launch, so that a
/// fault names its kernel; PCX_SIM_LIBRARY names the simulated device's
/// library; PCX_DEVICE_DATA=host keeps data sets with the host.
PCX_API pcx_status_t pcx_session_create(const pcx_module_t *module,
                                        const pcx_session_options_t *options,
                                        pcx_session_t **session);
PCX_API void pcx_session_destroy(pcx_session_t *session);
PCX_API uint32_t pcx_session_threads(const pcx_session_t *session);
/// Where its programs run: "cpu", "sim", or e.g. "cuda:0 NVIDIA H100". Lives as
/// long as the session.
PCX_API const char *pcx_session_device(const pcx_session_t *session);
/// The plan that a program follows on the session's device; NULL on the CPU and
/// for a program without code for devices, and with a message past the last
/// program.
PCX_API const pcx_device_variant_t *
pcx_session_device_variant(const pcx_session_t *session, uint32_t program);
/// Bytes that the session allocated, on the device and for it.
PCX_API uint64_t pcx_session_bytes(const pcx_session_t *session);

/// Runs every initialiser with the key `seed`, zeroes optimiser state and
/// counters, keeps hyper-parameters.
PCX_API pcx_status_t pcx_session_initialise(pcx_session_t *session,
                                            uint64_t seed);

PCX_API pcx_status_t pcx_set_hyper(pcx_session_t *session, const char *name,
                                   double value);
PCX_API pcx_status_t pcx_get_hyper(const pcx_session_t *session,
                                   const char *name, double *value);

/// What schedules and random numbers depend on.
typedef struct pcx_counters_t {
  uint64_t seed;      ///< key of the random numbers
  uint64_t call;      ///< programs run so far
  double total_steps; ///< weight steps of the whole run
  double epoch;
} pcx_counters_t;
PCX_API void pcx_get_counters(const pcx_session_t *session,
                              pcx_counters_t *counters);
PCX_API void pcx_set_counters(pcx_session_t *session,
                              const pcx_counters_t *counters);

//===----------------------------------------------------------------------===//
// Running programs
//===----------------------------------------------------------------------===//

/// An array in the caller's memory: dense, row major, any alignment.
typedef struct pcx_array_t {
  void *data;
  uint64_t bytes; ///< of `data`; checked against the port's shape
  uint32_t dtype; ///< must be the port's
} pcx_array_t;

/// Runs program `program` once on a batch of n samples. `inputs` and `outputs`
/// are in the order of the program's ports; an output whose data is NULL is
/// not copied out. Output arrays must not overlap input arrays.
PCX_API pcx_status_t pcx_run(pcx_session_t *session, uint32_t program,
                             int64_t n, const pcx_array_t *inputs,
                             uint32_t input_count, const pcx_array_t *outputs,
                             uint32_t output_count);

/// Data that stays with the runtime over many steps: one dense array of
/// `samples` rows for each input of the programs that will read it.
typedef struct pcx_data_t pcx_data_t;

typedef enum pcx_encoding_t {
  PCX_ENCODE_NONE = 0,   ///< copied; same dtype as the port
  PCX_ENCODE_AFFINE = 1, ///< u8 or float source: (x * scale - mean) / std
  PCX_ENCODE_ONE_HOT = 2 ///< u8, i32 or i64 class index -> one-hot row
} pcx_encoding_t;

typedef struct pcx_column_t {
  uint32_t struct_size;
  const char *name; ///< name of the input it feeds
  const void *data; ///< dense rows, which must outlive the handle and not
                    ///< change: a device may have a copy
  uint64_t bytes;
  uint32_t dtype;          ///< of the source
  uint32_t encoding;       ///< pcx_encoding_t
  double scale, mean, std; ///< PCX_ENCODE_AFFINE
} pcx_column_t;

/// Makes a resident data set. Checks bytes against shapes, and class indices
/// against the width of the one-hot row. Every input of `program` needs its
/// column; other programs may read the set if their inputs have the same names
/// and shapes. An affine column is computed in double and rounded once. The
/// column of a shared (not per-sample) input is one array, PCX_ENCODE_NONE.
/// The handle does not depend on the session. A session on a device copies the
/// set there at its first pcx_run_steps, if it fits, and gives that memory back
/// at the first one over another set when the handle is gone.
PCX_API pcx_status_t pcx_data_create(const pcx_session_t *session,
                                     uint32_t program, int64_t samples,
                                     const pcx_column_t *columns,
                                     uint32_t column_count, pcx_data_t **data);
PCX_API void pcx_data_destroy(pcx_data_t *data);
PCX_API int64_t pcx_data_samples(const pcx_data_t *data);

/// Totals of the program's shared outputs (reports) over the steps of a call.
/// Those whose port has PCX_PORT_WARNING are warnings: the value is the number
/// of steps in which the condition held (in a step_fn 1 or 0), the name the
/// text to show where it is not 0.
typedef struct pcx_report_t {
  const char *name; ///< the output's name
  double value;     ///< combined by the output's pcx_reduce_t
} pcx_report_t;

/// Called after each step with the values of that step alone (`step` counts
/// from 0); return non-zero to stop after it. It must not run programs of the
/// session.
typedef int (*pcx_step_fn)(void *user, int64_t step,
                           const pcx_report_t *reports, uint32_t count);

typedef struct pcx_steps_t {
  uint32_t struct_size;
  int64_t batch;         ///< samples a step, <= max_batch
  int64_t first;         ///< position in `order` where the call starts
  int64_t steps;         ///< number of steps; the last may be ragged
  const uint32_t *order; ///< samples in the order of their use; NULL: all
                         ///< of them, 0, 1, ...
  int64_t order_count;   ///< entries of `order`; without one 0 or the
                         ///< number of samples
  uint32_t check_finite; ///< 1: stop with PCX_ERROR_NUMERIC when a report
                         ///< is NaN or infinite; the message names it and
                         ///< the step
  uint32_t overlap;      ///< N: a device need not wait for the callback, which
                         ///< may come when up to N later steps have begun;
                         ///< these are then the last ones if it asks to stop,
                         ///< and are counted and told as well. Short steps
                         ///< are launched several at a time where it is 3 or
                         ///< more
  pcx_step_fn callback;  ///< may be NULL
  void *user;
  const pcx_array_t *outputs; ///< per-sample outputs, order_count rows each (in
  uint32_t output_count;      ///< the order of `order`); NULL data: not wanted
} pcx_steps_t;

/// Runs many steps over resident data. `reports` receives the combined value
/// of each shared scalar output (room for `report_capacity`, the number of them
/// in *report_count; NULL: not wanted). `steps_done` counts finished steps,
/// also on failure; the session is then as after that many steps. Values are
/// combined in double in the order of the steps. Names in reports live as long
/// as the module.
PCX_API pcx_status_t pcx_run_steps(pcx_session_t *session, uint32_t program,
                                   const pcx_data_t *data,
                                   const pcx_steps_t *steps,
                                   pcx_report_t *reports,
                                   uint32_t report_capacity,
                                   uint32_t *report_count, int64_t *steps_done);

//===----------------------------------------------------------------------===//
// Profile
//===----------------------------------------------------------------------===//

typedef struct pcx_profile_options_t {
  uint32_t struct_size; ///< sizeof(pcx_profile_options_t)
  uint32_t events;      ///< to keep of each worker, the last ones; 0: none
} pcx_profile_options_t;

/// Time in one kernel of a variant. All zero unless the variant is marked
/// (compiled with `pcc --profile`), and on devices.
typedef struct pcx_profile_kernel_t {
  double calls;        ///< whole ones; a cut call counts with its share of rows
  uint64_t pieces;     ///< calls of the function
  double seconds;      ///< of all workers
  double busiest;      ///< of the worker with the most
  double flops, bytes; ///< of all calls, by pcx_kernel_info_t
} pcx_profile_kernel_t;

/// Time in one stage. In a variant that is not marked, stages of a single task
/// do not show: they run without the runtime. On a device a stage is one of the
/// program's launches, by the device's clock, and a task a block.
typedef struct pcx_profile_stage_t {
  uint64_t runs, tasks;
  double seconds; ///< from its start to the last worker's end
  double busy;    ///< in tasks, of all workers
  double busiest; ///< of the worker that was busiest, run by run
} pcx_profile_stage_t;

typedef struct pcx_profile_program_t {
  uint64_t calls, samples;
  double seconds;  ///< in compiled code
  uint32_t marked; ///< of the variant in use; 0 on a device
  uint32_t kernel_count;
  const pcx_profile_kernel_t *kernels; ///< in the order of the variant's
  uint32_t stage_count;                ///< the variant's and one more:
  const pcx_profile_stage_t *stages;   ///< loops that belong to none of them,
                                       ///< or what makes batches on a device
} pcx_profile_program_t;

typedef enum pcx_event_kind_t {
  PCX_EVENT_CALL = 0,  ///< of the program; `count`: samples
  PCX_EVENT_STAGE = 1, ///< `index`: of the stage; `count`: tasks
  PCX_EVENT_TASK = 2,  ///< `index`: of its stage; `count`: which task
  PCX_EVENT_KERNEL = 3 ///< `index`: of the kernel; `count`: rows
} pcx_event_kind_t;

typedef struct pcx_event_t {
  double begin, seconds; ///< from the start of the profile
  uint32_t kind;         ///< pcx_event_kind_t
  uint32_t worker, program, index;
  int64_t count;
} pcx_event_t;

typedef struct pcx_profile_t {
  uint32_t struct_size;
  uint32_t workers;
  double seconds; ///< from start to stop
  uint32_t program_count;
  const pcx_profile_program_t *programs; ///< of the module
  uint64_t event_count;
  const pcx_event_t *events; ///< by their begin
  uint64_t events_lost;      ///< older ones, that did not fit
  const char *device_text;   ///< what a simulated device counted, as lines of a
                             ///< table; "" on others
} pcx_profile_t;

/// Begins to measure the programs that this session runs; what was measured
/// before is forgotten. Allocates everything that it will need. `options` may
/// be NULL. Results of programs do not change; on a device, launches wait for
/// each other meanwhile.
PCX_API pcx_status_t pcx_profile_start(pcx_session_t *session,
                                       const pcx_profile_options_t *options);
/// Ends that. The profile is valid until the next start or the session's end.
PCX_API pcx_status_t pcx_profile_stop(pcx_session_t *session,
                                      const pcx_profile_t **profile);

//===----------------------------------------------------------------------===//
// Parameters and states
//===----------------------------------------------------------------------===//

/// Copies a storage entry out of or into the session; dense row major, dtype
/// as described. `bytes` must be the dense size.
PCX_API pcx_status_t pcx_read_storage(const pcx_session_t *session,
                                      const char *name, void *data,
                                      uint64_t bytes);
PCX_API pcx_status_t pcx_write_storage(pcx_session_t *session, const char *name,
                                       const void *data, uint64_t bytes);

/// Saves every storage entry, the hyper-parameters and the counters as a
/// safetensors file (written to a temporary and renamed: an old file survives
/// a failure). `metadata` is an array of 2 * metadata_count strings: key,
/// value, ... kept in the file's __metadata__; keys that begin with "pcx." are
/// the runtime's own.
PCX_API pcx_status_t pcx_save(const pcx_session_t *session, const char *path,
                              const char *const *metadata,
                              uint32_t metadata_count);

typedef enum pcx_load_flags_t {
  PCX_LOAD_ALL = 0,       ///< exact resume: storage, counters, hypers
  PCX_LOAD_PARAMETERS = 1 ///< parameters and buffers only
} pcx_load_flags_t;

/// Loads what pcx_save wrote or, with PCX_LOAD_PARAMETERS, any .safetensors
/// file with arrays of the names of all parameters and buffers (others are
/// ignored; F32 and F64 convert into each other). Checks every name, dtype and
/// shape before it changes anything.
PCX_API pcx_status_t pcx_load(pcx_session_t *session, const char *path,
                              uint32_t flags);

/// Value of `key` in the __metadata__ of the file that pcx_load read last, or
/// NULL. Valid until the next pcx_load.
PCX_API const char *pcx_loaded_metadata(const pcx_session_t *session,
                                        const char *key);

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

/// Philox4x32-10 (Salmon et al., SC 2011): four 32-bit words. The key is
/// (low, high) of `seed`, the counter (low, high) of `index` and then of
/// `stream`. The initialisers, compiled programs and the shuffles use it, so a
/// result depends on no thread and no call order. Streams: PCX_STREAM_*.
///
/// Initialisers: elements 2b and 2b+1 (dense, row major) of an array come from
/// the words w of block (seed, init_stream, b). With the 64-bit numbers
/// x = w[0] + 2^32 w[1] and y = w[2] + 2^32 w[3], and u(x) = (x >> 11) 2^-53:
///   uniform: arg0 + (arg1 - arg0) u(x) and the same of u(y)
///   normal (Box and Muller 1958): r = sqrt(-2 log(1 - u(x))),
///            arg0 + arg1 r cos(2 pi u(y)) and arg0 + arg1 r sin(2 pi u(y))
/// in double, rounded once to the array's dtype; a uniform value that rounds up
/// to arg1 becomes the next one below.
PCX_API void pcx_philox(uint64_t seed, uint64_t stream, uint64_t index,
                        uint32_t out[4]);
/// Fisher-Yates permutation of 0..count-1 from (seed, stream): for i from
/// count-1 down to 1 swap entries i and (x (i + 1)) >> 64, where x is the
/// 64-bit number i % 2 (as above) of block (seed, stream, i / 2).
PCX_API void pcx_permutation(uint64_t seed, uint64_t stream, uint32_t *order,
                             int64_t count);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // PCX_PCX_H
