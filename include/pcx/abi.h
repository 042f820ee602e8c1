//===- abi.h - Binary contract of a .pcx artifact -----------------*- C -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only declarations that the compiler (which writes artifacts) and the
// runtime (which loads them) share. Plain C11, no dependency but <stdint.h>.
//
// A `.pcx` file is an ELF shared object followed by a fixed-size trailer:
//
//   +--------------------------+  offset 0; e_ident[9..12] = 'P' 'C' 'X' 0
//   | ELF shared object        |
//   +--------------------------+  payload_bytes
//   | pcx_trailer_t            |  192 bytes, little endian
//   +--------------------------+  end of file
//
// The trailer is verified from the bytes, before anything is loaded: a query
// function cannot vouch for a damaged file, and constructors run first. The
// object exports exactly one symbol, PCX_QUERY_SYMBOL. The loader clears the
// four bytes at PCX_IDENT_OFFSET in its copy, because a dynamic linker refuses
// an object whose padding is not zero.
//
// Compatibility: structs only ever grow at their end and carry struct_size;
// a reader must not look past the struct_size that it finds. Enumerators are
// never renumbered. A change that breaks a reader increments PCX_ABI_VERSION.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_ABI_H
#define PCX_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PCX_ABI_VERSION 6u
#define PCX_QUERY_SYMBOL "pcx_artifact_query"
#define PCX_TRAILER_MAGIC "PCXTRAIL" /* eight bytes, not terminated */
#define PCX_TRAILER_BYTES 192u
#define PCX_IDENT_OFFSET 9u /* 'P','C','X',0 inside the ELF e_ident padding */
#define PCX_MAX_RANK 8u
#define PCX_ALIGNMENT 64u /* bytes; of every pointer in pcx_run_args_t */

//===----------------------------------------------------------------------===//
// File trailer
//===----------------------------------------------------------------------===//

/// Last PCX_TRAILER_BYTES bytes of a .pcx file. Strings are NUL padded and
/// always NUL terminated.
typedef struct pcx_trailer_t {
  char magic[8];          ///< PCX_TRAILER_MAGIC
  uint32_t trailer_bytes; ///< PCX_TRAILER_BYTES
  uint32_t abi_version;   ///< PCX_ABI_VERSION of the compiler that wrote it
  uint64_t payload_bytes; ///< size of the ELF object in front of the trailer
  char isa[40];           ///< lowest CPU level it runs on, e.g. "x86-64-v3"
  char compiler[48];      ///< e.g. "pcc 0.1.0"
  uint64_t required_cpu;  ///< pcx_cpu_feature_t bits of all its CPUs
  uint8_t reserved[40];   ///< zero
  uint8_t sha256[32];     ///< SHA-256 of all bytes of the file before this
                          ///< field (payload, then trailer up to here)
} pcx_trailer_t;

/// CPU features that a kernel variant can require (bit mask). A variant's mask
/// names every feature that its code may use: a compiler that targets a CPU by
/// name turns off the extensions that have no bit here.
typedef enum pcx_cpu_feature_t {
  PCX_CPU_AVX2 = 1u << 0,   ///< AVX, AVX2
  PCX_CPU_FMA = 1u << 1,    ///< FMA3
  PCX_CPU_BMI2 = 1u << 2,   ///< BMI1, BMI2, LZCNT, MOVBE, F16C (x86-64-v3)
  PCX_CPU_AVX512 = 1u << 3, ///< AVX-512 F, CD, BW, DQ, VL (x86-64-v4)
  PCX_CPU_AVX512_BF16 = 1u << 4,
  PCX_CPU_AMX_BF16 = 1u << 5, ///< AMX-TILE, AMX-BF16, and the system's leave
  PCX_CPU_AVX512_VNNI = 1u << 6,
  PCX_CPU_AVX512_VBMI = 1u << 7,
  PCX_CPU_AVX512_VBMI2 = 1u << 8,
  PCX_CPU_AVX512_IFMA = 1u << 9,
  PCX_CPU_AVX512_BITALG = 1u << 10,
  PCX_CPU_AVX512_VPOPCNTDQ = 1u << 11,
  PCX_CPU_AVX512_FP16 = 1u << 12,
  PCX_CPU_AVX_VNNI = 1u << 13,
  PCX_CPU_GFNI = 1u << 14,
  PCX_CPU_AMX_INT8 = 1u << 15, ///< AMX-TILE, AMX-INT8, and the system's leave
  PCX_CPU_NATIVE = 1u << 30    ///< compiled with --mcpu=native. No demand of
                               ///< its own, it only shapes the message when
                               ///< another bit is missing
} pcx_cpu_feature_t;

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

typedef enum pcx_dtype_t {
  PCX_F32 = 0,
  PCX_F64 = 1,
  PCX_I32 = 2,
  PCX_I64 = 3,
  PCX_U8 = 4
} pcx_dtype_t;

/// What a persistent array is. See docs/spec.md, "Kinds of storage".
typedef enum pcx_storage_kind_t {
  PCX_PARAMETER = 0, ///< moved by `learn`
  PCX_BUFFER = 1,    ///< changed only by an explicit op
  PCX_STATE = 2,     ///< a vode's state that outlives a call, [max_batch, ...]
  PCX_OPTIMISER = 3  ///< moments, traces and step counts of an optimiser
} pcx_storage_kind_t;

typedef enum pcx_init_kind_t {
  PCX_INIT_ZERO = 0,
  PCX_INIT_CONSTANT = 1, ///< arg0
  PCX_INIT_UNIFORM = 2,  ///< U[arg0, arg1)
  PCX_INIT_NORMAL = 3    ///< mean arg0, standard deviation arg1
} pcx_init_kind_t;

/// One persistent array. The runtime owns its memory; programs read and write
/// it in place. Elements lie at sum(index[d] * strides[d]); users, checkpoints
/// and the C API see the dense row-major array of `dims` wherever its elements
/// lie.
///
/// With `panel` set, a matrix lies in panels of that many columns, where
/// columns are the dimension of stride 1 and rows the other one: the columns 0
/// to panel - 1 of all rows, row after row, then those of the next panel; the
/// last panel has the columns that are left. Element (r, c) of a matrix of R
/// rows and C columns lies at p * R + r * min(panel, C - p) + c - p, p = c - c
/// % panel.
typedef struct pcx_storage_t {
  uint32_t struct_size;
  const char *name; ///< e.g. "fc1.weight", "adamw.m.fc1.weight"
  uint32_t kind;    ///< pcx_storage_kind_t
  uint32_t dtype;   ///< pcx_dtype_t
  uint32_t rank;    ///< 0 for a scalar
  int64_t dims[PCX_MAX_RANK];
  int64_t strides[PCX_MAX_RANK]; ///< in elements
  uint64_t bytes;                ///< of the allocation, padding included
  uint32_t init;                 ///< pcx_init_kind_t
  double init_arg0, init_arg1;
  uint64_t init_stream; ///< PCX_STREAM_INIT + a number below 2^56
  int64_t panel;        ///< 0, or columns of a panel; since ABI version 2
} pcx_storage_t;

/// A number that can be set at run time without compiling again.
typedef struct pcx_hyper_t {
  uint32_t struct_size;
  const char *name;
  double value;      ///< default
  double min, max;   ///< inclusive bounds, -inf/inf when free
  uint32_t integral; ///< 1: must be a whole number
} pcx_hyper_t;

typedef enum pcx_role_t {
  PCX_ROLE_OTHER = 0,
  PCX_ROLE_TRAIN = 1,
  PCX_ROLE_EVALUATE = 2,
  PCX_ROLE_SAMPLE = 3
} pcx_role_t;

/// How a program output combines over batches (and ragged last batches).
typedef enum pcx_reduce_t {
  PCX_REDUCE_NONE = 0, ///< per sample: concatenate
  PCX_REDUCE_MEAN = 1, ///< a mean over the batch: weight by n
  PCX_REDUCE_SUM = 2,  ///< a sum over the batch: add
  PCX_REDUCE_LAST = 3  ///< shared value: keep the last
} pcx_reduce_t;

/// An input or an output of a program. `dims` are per sample when
/// `per_sample` is 1; the array then has n leading rows.
typedef struct pcx_port_t {
  uint32_t struct_size;
  const char *name; ///< e.g. "image", "energy", "h1.grad.3"
  uint32_t dtype;
  uint32_t per_sample;
  uint32_t rank;
  int64_t dims[PCX_MAX_RANK];
  uint32_t reduce; ///< pcx_reduce_t; outputs only
  uint32_t flags;  ///< pcx_port_flag_t
} pcx_port_t;

typedef enum pcx_port_flag_t {
  PCX_PORT_TRACE = 1u << 0,  ///< made by --trace
  PCX_PORT_REPORT = 1u << 1, ///< made by pc.report: shown each epoch
  PCX_PORT_TARGET = 1u << 2, ///< clamps a vode that has a prediction: a label
  PCX_PORT_WARNING = 1u << 3 ///< made by pc.warn: a shared scalar, 1 where its
                             ///< condition holds in the call and 0 elsewhere;
                             ///< the name is the text to show
} pcx_port_flag_t;

/// What one kernel does a call at batch size n: value = base + n * per_sample.
/// For `pcx-run inspect` and the profile; never read by the schedule.
typedef struct pcx_kernel_info_t {
  uint32_t struct_size;
  const char *name;
  double flops_base, flops_per_sample;
  double bytes_base, bytes_per_sample;
  int64_t rows; ///< what a call may be cut into, see pcx_mark_fn; 0: samples.
                ///< Since ABI version 2
} pcx_kernel_info_t;

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

/// Uses of Philox streams (the upper half of its counter), told apart by the
/// top byte so that no two of them ever draw the same words under one seed.
#define PCX_STREAM_INIT UINT64_C(0x0000000000000000)    ///< pcx_storage_t
#define PCX_STREAM_PROGRAM UINT64_C(0x0100000000000000) ///< compiled programs
#define PCX_STREAM_SHUFFLE UINT64_C(0x0200000000000000) ///< + epoch
#define PCX_STREAM_USER UINT64_C(0x8000000000000000)    ///< and above

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Body of a parallel loop: runs iteration `index` on worker `worker`
/// (0 <= worker < host->workers).
typedef void (*pcx_task_fn)(void *context, int64_t index, int64_t worker);

/// Tells the time around the kernels and stages of an artifact that was
/// compiled with `pcc --profile`: with `rows` PCX_MARK_BEGIN before one and
/// with rows that are not negative after it, on the worker that runs it. `what`
/// is an index into the variant's kernels, or PCX_MARK_STAGE plus one into its
/// stages (worker 0; rows are 0). A kernel may be cut: the rows of all its
/// pieces add up to pcx_kernel_info_t::rows for every call, or to the samples
/// where that is 0.
typedef void (*pcx_mark_fn)(void *self, int64_t worker, uint32_t what,
                            int64_t rows);
#define PCX_MARK_STAGE 0x80000000u
#define PCX_MARK_BEGIN INT64_C(-1)

/// Services of the runtime that compiled code calls back. A parallel_for inside
/// of a task runs its iterations one after another on the worker of that task.
typedef struct pcx_host_t {
  uint32_t struct_size;
  uint32_t workers; ///< threads that parallel_for may use, >= 1
  void *self;
  /// Runs task(context, i, w) for all 0 <= i < count and returns when all are
  /// done. No two iterations run at once with the same w. The order and the
  /// assignment to workers are free, so results must not depend on them.
  void (*parallel_for)(void *self, pcx_task_fn task, void *context,
                       int64_t count);
  pcx_mark_fn mark; ///< NULL when nobody asks. Since ABI version 2
} pcx_host_t;

/// Arguments of one call of a program. All pointers are PCX_ALIGNMENT aligned.
///
/// Per-sample arrays have room for `n` rounded up to `sample_block` rows (of
/// the variant in use); what stands in input rows past n must be finite, and
/// output rows past n are unspecified. So are the rows of states past n up to
/// the end of the last block: the caller puts back what they held.
typedef struct pcx_run_args_t {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t n;                 ///< samples, 1 <= n <= max_batch
  const void *const *inputs; ///< one for each input of the program
  void *const *outputs;      ///< one for each output of the program
  void *const *storage;      ///< one for each storage entry of the artifact
  const double *hypers;      ///< one for each hyper-parameter of the artifact
  void *workspace;           ///< workspace_bytes + workers * worker_bytes
  const pcx_host_t *host;
  uint64_t seed;      ///< key of the counter-based generator
  uint64_t call;      ///< how often a program ran before in this run
  double total_steps; ///< weight steps of the whole run, for schedules
  double epoch;       ///< position in the run, whole epochs
} pcx_run_args_t;

/// Result of a program: 0 or one of these.
typedef enum pcx_run_status_t {
  PCX_RUN_OK = 0,
  PCX_RUN_BAD_BATCH = 1 ///< n out of range
} pcx_run_status_t;

typedef int32_t (*pcx_run_fn)(const pcx_run_args_t *args);

/// How often a kernel is called in a stage: `calls` a run of the stage, 0 where
/// that depends on the run (a loop whose bound is no constant).
typedef struct pcx_kernel_use_t {
  uint32_t struct_size;
  uint32_t kernel; ///< index into the variant's kernels
  double calls;
} pcx_kernel_use_t;

/// A part of a program between two points where all workers meet.
typedef struct pcx_stage_info_t {
  uint32_t struct_size;
  const char *name; ///< e.g. "samples2"
  pcx_task_fn task; ///< what parallel_for gets; NULL for a stage that is always
                    ///< one task, which runs without
  double runs;      ///< a call of the program; 0: depends on the call. Less
                    ///< than 0, since ABI version 3: so often negated, in calls
                    ///< that do it instead of a stage before it, kernel by
                    ///< kernel
  uint32_t use_count;
  const pcx_kernel_use_t *uses;
} pcx_stage_info_t;

/// One compiled form of a program for one CPU level.
typedef struct pcx_variant_t {
  uint32_t struct_size;
  const char *cpu;   ///< "x86-64-v3", "x86-64-v4" or a CPU's name
  uint64_t required; ///< pcx_cpu_feature_t bits
  pcx_run_fn run;
  uint64_t workspace_bytes; ///< shared by all workers
  uint64_t worker_bytes; ///< scratch of each worker, or of a block of samples
  int64_t sample_block;  ///< rows to which per-sample arrays are padded
  uint32_t kernel_count;
  const pcx_kernel_info_t *kernels;
  // Since ABI version 2, for the profile and benchmarks.
  uint32_t marked;      ///< 1: calls pcx_host_t::mark
  uint32_t stage_count; ///< in the order of the program
  const pcx_stage_info_t *stages;
} pcx_variant_t;

//===----------------------------------------------------------------------===//
// Devices (since ABI version 4)
//===----------------------------------------------------------------------===//
//
// A program runs on a device as launches of kernels. The artifact has the
// kernels as images, a list of the launches, and a function for the host that
// makes one run of the program: all scalars (step counts, learning rates) are
// computed there and handed to the kernels through memory, so that a run whose
// launches were recorded once can be played again with other scalars.
//
// An artifact may have several plans, for devices whose blocks can have more or
// less shared memory: a plan is a list of launches for each program that runs
// on devices, and images with its kernels. The images say for which plan they
// are. A device takes the newest image that it can run and whose plan asks for
// no more shared memory than it has.
//
// On a device every storage array is dense and row major in its `dims`, with
// PCX_DEVICE_ALIGNMENT, whatever `strides` and `panel` say of it on the CPU. So
// are inputs and outputs, with room for max_batch rows; kernels touch the rows
// of the n samples and no others. Arrays of integers (step counts) stay in the
// memory of the host.
//
// The arrays of a program are numbered: its inputs, its outputs, all storage
// entries, and the workspace, in this order. Every kernel takes (table, const
// void *scalars, int64_t n): addresses of arrays; the scalars of its launch;
// the samples. The table is an array of addresses that is passed by value,
// those that the launch lists; if it lists none, the address of a device array
// of all of them (null for arrays of integers).

#define PCX_DEVICE_ALIGNMENT 256u /* bytes; of arrays on a device */

// The images may also have the kernel PCX_GATHER_SYMBOL, which makes a batch of
// a data set that lies on the device. It takes (const pcx_gather_t *inputs,
// const uint64_t *scalars, int64_t n): one entry for each input of a batch; the
// address of an array of uint32_t, or 0, and a position; the samples. Row r of
// the batch is sample array[position + r] of the data set, or position + r
// without an array. Its grid is any number of blocks of PCX_GATHER_THREADS
// threads by the number of inputs.

#define PCX_GATHER_SYMBOL "pcx_gather"
#define PCX_GATHER_THREADS 256u

/// How a row of a data set becomes one of a batch.
typedef enum pcx_gather_form_t {
  PCX_GATHER_COPY_1 = 0, ///< units of so many bytes
  PCX_GATHER_COPY_4 = 1,
  PCX_GATHER_COPY_16 = 2,
  PCX_GATHER_LOOKUP_4 = 3, ///< each byte is the index of a value of 4 bytes,
  PCX_GATHER_LOOKUP_8 = 4, ///< or of 8
  PCX_GATHER_CLASS_4 = 5,  ///< an int32_t, which element of the row is 1.0f
  PCX_GATHER_CLASS_8 = 6   ///< or 1.0; the others are 0
} pcx_gather_form_t;

typedef struct pcx_gather_t {
  uint64_t from;   ///< address of sample 0
  uint64_t to;     ///< address of the batch
  uint64_t values; ///< address of the 256 values of PCX_GATHER_LOOKUP_*
  int64_t count;   ///< units, or elements, of a row
  int64_t form;    ///< pcx_gather_form_t
} pcx_gather_t;

typedef enum pcx_image_kind_t {
  PCX_IMAGE_PTX = 0,   ///< text, ends with a NUL
  PCX_IMAGE_CUBIN = 1, ///< for devices of one major architecture
  PCX_IMAGE_LLVM = 2   ///< bitcode, for the simulated device
} pcx_image_kind_t;

/// The kernels of all programs, for one architecture.
typedef struct pcx_image_t {
  uint32_t struct_size;
  uint32_t kind;  ///< pcx_image_kind_t
  uint32_t arch;  ///< compute capability times ten: 80, 90
  uint32_t exact; ///< 1: for devices of this very architecture ("sm_90a")
  uint64_t bytes;
  const void *data;
  /// The plan that its kernels are of, an index of pcx_program_t::devices.
  /// Since ABI version 6; the only one before.
  uint32_t plan;
} pcx_image_t;

/// An address that a kernel takes: `offset` bytes behind the beginning of an
/// array. Since ABI version 5.
typedef struct pcx_address_t {
  uint32_t struct_size;
  uint32_t array; ///< its number, not that of an array of integers
  uint64_t offset;
} pcx_address_t;

/// Addresses of a launch: what every driver takes of values is 4096 bytes.
#define PCX_MOST_ADDRESSES 480u

/// One launch of a kernel. The blocks are as many as `samples_per_block` needs
/// for the n samples, or `blocks` where that is 0; a kernel does all of its
/// work with fewer blocks, too, and a cooperative one gets no more than the
/// device can hold at once.
typedef struct pcx_launch_t {
  uint32_t struct_size;
  const char *kernel;    ///< symbol in the images
  uint32_t threads;      ///< of a block
  uint32_t shared_bytes; ///< dynamic shared memory of a block
  uint32_t cooperative;  ///< 1: its blocks wait for each other
  uint32_t cluster;      ///< blocks of a cluster, 1 for none
  uint32_t blocks;
  uint32_t samples_per_block;
  double runs; ///< a call of the program; 0: depends on the call
  uint32_t use_count;
  const pcx_kernel_use_t *uses; ///< of pcx_device_variant_t::kernels
  /// The table, or 0 and NULL for one in the device's memory. Since ABI version
  /// 5.
  uint32_t address_count;
  const pcx_address_t *addresses;
} pcx_launch_t;

/// What the host's part of a program calls.
typedef struct pcx_device_host_t {
  uint32_t struct_size;
  uint32_t reserved;
  void *self;
  /// Hands scalars, eight bytes each, to the next launch, behind those that it
  /// has been given already.
  void (*append)(void *self, const uint64_t *scalars, int64_t count);
  /// Enqueues a launch of pcx_device_variant_t::launches. 0, or a status that
  /// the run then returns.
  int32_t (*launch)(void *self, uint32_t index);
} pcx_device_host_t;

/// Arguments of the host's part of one run.
typedef struct pcx_device_args_t {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t n;
  void *const *storage; ///< arrays of integers, in the host's memory; others
                        ///< are not touched
  const double *hypers;
  const pcx_device_host_t *host;
  uint64_t seed;
  uint64_t call;
  double total_steps;
  double epoch;
} pcx_device_args_t;

typedef int32_t (*pcx_device_run_fn)(const pcx_device_args_t *args);

/// A program compiled for devices: one plan.
typedef struct pcx_device_variant_t {
  uint32_t struct_size;
  const char *strategy; ///< "persistent" or "graph"
  pcx_device_run_fn run;
  uint64_t workspace_bytes; ///< all zero before the first run
  uint64_t block_bytes; ///< and so much for each block of a launch behind that
  uint32_t launch_count;
  const pcx_launch_t *launches;
  uint32_t kernel_count;
  const pcx_kernel_info_t *kernels;
} pcx_device_variant_t;

typedef struct pcx_program_t {
  uint32_t struct_size;
  const char *name; ///< e.g. "train"
  uint32_t role;    ///< pcx_role_t
  uint32_t input_count;
  const pcx_port_t *inputs;
  uint32_t output_count;
  const pcx_port_t *outputs;
  uint32_t variant_count;
  const pcx_variant_t *variants; ///< best first
  /// Weight steps that one call takes (T for iPC), for schedules.
  int64_t weight_steps_per_call;
  uint32_t storage_read_count; ///< indices into artifact->storage
  const uint32_t *storage_reads;
  uint32_t storage_write_count;
  const uint32_t *storage_writes;
  /// By plan; NULL: runs on the CPU only. Since ABI version 4.
  const pcx_device_variant_t *devices;
  /// 0, or the artifact's plans. Since ABI version 6; before, devices were one.
  uint32_t device_count;
} pcx_program_t;

typedef struct pcx_artifact_t {
  uint32_t struct_size;
  uint32_t abi_version;
  const char *compiler;      ///< "pcc 0.1.0"
  const char *model;         ///< symbol of the model, e.g. "mlp"
  const char *source_name;   ///< file name without folders
  const char *source_sha256; ///< 64 hex digits, of the .pcir text
  const char *options;       ///< the options that shaped the code, one line
  uint32_t dtype;            ///< PCX_F32 or PCX_F64: of all float arrays
  uint32_t reserved;
  int64_t max_batch;
  uint32_t storage_count;
  const pcx_storage_t *storage;
  uint32_t hyper_count;
  const pcx_hyper_t *hypers;
  uint32_t program_count;
  const pcx_program_t *programs;
  // Since ABI version 4: code for devices, none in an artifact for CPUs alone.
  uint32_t image_count;
  const pcx_image_t *images;
} pcx_artifact_t;

/// The one exported function, PCX_QUERY_SYMBOL. Returns NULL when the artifact
/// cannot serve a runtime that understands ABI versions up to `max_abi`.
typedef const pcx_artifact_t *(*pcx_query_fn)(uint32_t max_abi);

#ifdef __cplusplus
} // extern "C"

static_assert(sizeof(pcx_trailer_t) == PCX_TRAILER_BYTES,
              "the trailer has a fixed size");
#endif

#endif // PCX_ABI_H
