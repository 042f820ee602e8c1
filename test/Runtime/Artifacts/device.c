//===- device.c - A hand-made artifact for devices ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same programs for the CPU and, as LLVM IR, for the simulated device, down
// to the last bit:
//
//   train      state += x / (k + 1) for k = 0 .. sweeps - 1; row = state . w;
//              energy = mean of the rows; count += 1; w += lr * energy / count
//   arguments  what stands in pcx_device_args_t, and the hyper-parameter lr
//   fault      reads behind its input (nothing on the CPU)
//   mistaken   asks for a launch that there is not (nothing on the CPU)
//
// DEVICE_ONLY leaves out the CPU's code, DEVICE_NONE the other's, and
// DEVICE_PTX has an image that only a GPU could run. DEVICE_GATHER has the
// kernel that makes batches as well, for what these programs take: each row is
// made by one thread.
//
//===----------------------------------------------------------------------===//

#include "pcx/abi.h"

#include <string.h>

enum { maxBatch = 8, width = 4, samplesPerBlock = 4, rows = 2, columns = 3 };
// Places in the table of `train`.
// 0 x, 1 energy, 2 rows, 3 w, 4 state, 5 count, 6 matrix, 7 workspace

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

static const char kernels[] =
#ifdef DEVICE_PTX
    ".version 7.0\n.target sm_80\n.address_size 64\n";
#else
    "target triple = \"nvptx64-nvidia-cuda\"\n"
    "@dynamic = external addrspace(3) global [0 x i8], align 16\n"
    "declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
    "declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()\n"
    "declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.y()\n"
    "declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()\n"
    "declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()\n"
    "declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)\n"
    "\n"
    "define internal ptr @entry(ptr %table, i64 %index) {\n"
    "  %place = getelementptr ptr, ptr %table, i64 %index\n"
    "  %array = load ptr, ptr %place, align 8\n"
    "  ret ptr %array\n"
    "}\n"
    // Block b has the 16 elements of samples 4 b to 4 b + 3.
    "define ptx_kernel void @relax(ptr %table, ptr %scalars, i64 %n) {\n"
    "  %x = call ptr @entry(ptr %table, i64 0)\n"
    "  %state = call ptr @entry(ptr %table, i64 4)\n"
    "  %workspace = call ptr @entry(ptr %table, i64 7)\n"
    "  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
    "  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()\n"
    "  %d = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()\n"
    "  %o = mul i32 %b, %d\n"
    "  %i32 = add i32 %o, %t\n"
    "  %i = zext i32 %i32 to i64\n"
    "  %end = mul i64 %n, 4\n"
    "  %inside = icmp ult i64 %i, %end\n"
    "  br i1 %inside, label %load, label %join\n"
    "load:\n"
    "  %xp = getelementptr float, ptr %x, i64 %i\n"
    "  %xv = load float, ptr %xp, align 4\n"
    "  %sp = getelementptr float, ptr addrspace(3) @dynamic, i32 %t\n"
    "  store float %xv, ptr addrspace(3) %sp, align 4\n"
    "  %first = icmp eq i64 %i, 0\n"
    "  br i1 %first, label %clear, label %join\n"
    "clear:\n"
    "  store i32 0, ptr %workspace, align 4\n"
    "  br label %join\n"
    "join:\n"
    "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n"
    "  br i1 %inside, label %move, label %done\n"
    "move:\n"
    "  %again = getelementptr float, ptr addrspace(3) @dynamic, i32 %t\n"
    "  %kept = load float, ptr addrspace(3) %again, align 4\n"
    "  %scale = load double, ptr %scalars, align 8\n"
    "  %narrow = fptrunc double %scale to float\n"
    "  %step = fmul float %kept, %narrow\n"
    "  %place = getelementptr float, ptr %state, i64 %i\n"
    "  %old = load float, ptr %place, align 4\n"
    "  %new = fadd float %old, %step\n"
    "  store float %new, ptr %place, align 4\n"
    "  br label %done\n"
    "done:\n"
    "  ret void\n"
    "}\n"
    "\n"
    "define internal float @dot(ptr %a, ptr %b) {\n"
    "entry:\n"
    "  br label %loop\n"
    "loop:\n"
    "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n"
    "  %sum = phi float [ 0.0, %entry ], [ %more, %loop ]\n"
    "  %ap = getelementptr float, ptr %a, i64 %i\n"
    "  %bp = getelementptr float, ptr %b, i64 %i\n"
    "  %av = load float, ptr %ap, align 4\n"
    "  %bv = load float, ptr %bp, align 4\n"
    "  %product = fmul float %av, %bv\n"
    "  %more = fadd float %sum, %product\n"
    "  %next = add i64 %i, 1\n"
    "  %going = icmp ult i64 %next, 4\n"
    "  br i1 %going, label %loop, label %out\n"
    "out:\n"
    "  ret float %more\n"
    "}\n"
    // Threads take samples in turn; all blocks meet; one thread does the rest.
    "define ptx_kernel void @finish(ptr %table, ptr %scalars, i64 %n) {\n"
    "entry:\n"
    "  %energy = call ptr @entry(ptr %table, i64 1)\n"
    "  %rows = call ptr @entry(ptr %table, i64 2)\n"
    "  %w = call ptr @entry(ptr %table, i64 3)\n"
    "  %state = call ptr @entry(ptr %table, i64 4)\n"
    "  %arrived = call ptr @entry(ptr %table, i64 7)\n"
    "  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
    "  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()\n"
    "  %d = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()\n"
    "  %g = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()\n"
    "  %o = mul i32 %b, %d\n"
    "  %begin32 = add i32 %o, %t\n"
    "  %begin = zext i32 %begin32 to i64\n"
    "  %stride32 = mul i32 %g, %d\n"
    "  %stride = zext i32 %stride32 to i64\n"
    "  br label %head\n"
    "head:\n"
    "  %s = phi i64 [ %begin, %entry ], [ %snext, %body ]\n"
    "  %more = icmp ult i64 %s, %n\n"
    "  br i1 %more, label %body, label %met\n"
    "body:\n"
    "  %at = mul i64 %s, 4\n"
    "  %row = getelementptr float, ptr %state, i64 %at\n"
    "  %value = call float @dot(ptr %row, ptr %w)\n"
    "  %to = getelementptr float, ptr %rows, i64 %s\n"
    "  store float %value, ptr %to, align 4\n"
    "  %snext = add i64 %s, %stride\n"
    "  br label %head\n"
    "met:\n"
    "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n"
    "  %leads = icmp eq i32 %t, 0\n"
    "  br i1 %leads, label %arrive, label %go\n"
    "arrive:\n"
    "  fence syncscope(\"device\") acq_rel\n"
    "  %before = atomicrmw add ptr %arrived, i32 1 syncscope(\"device\") "
    "monotonic, align 4\n"
    "  br label %spin\n"
    "spin:\n"
    "  %seen = load atomic i32, ptr %arrived syncscope(\"device\") acquire, "
    "align 4\n"
    "  %all = icmp uge i32 %seen, %g\n"
    "  br i1 %all, label %go, label %spin\n"
    "go:\n"
    "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n"
    "  %one = icmp eq i64 %begin, 0\n"
    "  br i1 %one, label %sum, label %done\n"
    "sum:\n"
    "  %i = phi i64 [ 0, %go ], [ %inext, %sum ]\n"
    "  %acc = phi float [ 0.0, %go ], [ %accnext, %sum ]\n"
    "  %rp = getelementptr float, ptr %rows, i64 %i\n"
    "  %rv = load float, ptr %rp, align 4\n"
    "  %accnext = fadd float %acc, %rv\n"
    "  %inext = add i64 %i, 1\n"
    "  %rest = icmp ult i64 %inext, %n\n"
    "  br i1 %rest, label %sum, label %mean\n"
    "mean:\n"
    "  %nf = sitofp i64 %n to float\n"
    "  %e = fdiv float %accnext, %nf\n"
    "  store float %e, ptr %energy, align 4\n"
    "  %lr = load double, ptr %scalars, align 8\n"
    "  %cp = getelementptr i64, ptr %scalars, i64 1\n"
    "  %count = load i64, ptr %cp, align 8\n"
    "  %lrf = fptrunc double %lr to float\n"
    "  %cf = sitofp i64 %count to float\n"
    "  %up = fmul float %lrf, %e\n"
    "  %by = fdiv float %up, %cf\n"
    "  br label %update\n"
    "update:\n"
    "  %j = phi i64 [ 0, %mean ], [ %jnext, %update ]\n"
    "  %wp = getelementptr float, ptr %w, i64 %j\n"
    "  %wv = load float, ptr %wp, align 4\n"
    "  %wn = fadd float %wv, %by\n"
    "  store float %wn, ptr %wp, align 4\n"
    "  %jnext = add i64 %j, 1\n"
    "  %left = icmp ult i64 %jnext, 4\n"
    "  br i1 %left, label %update, label %done\n"
    "done:\n"
    "  ret void\n"
    "}\n"
    "\n"
    // Thread t copies scalar t.
    "define ptx_kernel void @copy(ptr %table, ptr %scalars, i64 %n) {\n"
    "  %out = call ptr @entry(ptr %table, i64 0)\n"
    "  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
    "  %from = getelementptr double, ptr %scalars, i32 %t\n"
    "  %value = load double, ptr %from, align 8\n"
    "  %to = getelementptr double, ptr %out, i32 %t\n"
    "  store double %value, ptr %to, align 8\n"
    "  ret void\n"
    "}\n"
    "define ptx_kernel void @overrun(ptr %table, ptr %scalars, i64 %n) {\n"
    "  %x = call ptr @entry(ptr %table, i64 0)\n"
    "  %p = getelementptr float, ptr %x, i64 32\n"
    "  %v = load float, ptr %p, align 4\n"
    "  store float %v, ptr %x, align 4\n"
    "  ret void\n"
    "}\n"
#ifdef DEVICE_GATHER
    "define ptx_kernel void @pcx_gather(ptr %inputs, ptr %scalars, i64 %n) {\n"
    "entry:\n"
    "  %y = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.y()\n"
    "  %input = getelementptr [5 x i64], ptr %inputs, i32 %y\n"
    "  %from = load ptr, ptr %input, align 8\n"
    "  %to = call ptr @entry(ptr %input, i64 1)\n"
    "  %values = call ptr @entry(ptr %input, i64 2)\n"
    "  %fp = getelementptr i64, ptr %input, i64 4\n"
    "  %form = load i64, ptr %fp, align 8\n"
    "  %order = load ptr, ptr %scalars, align 8\n"
    "  %pp = getelementptr i64, ptr %scalars, i64 1\n"
    "  %position = load i64, ptr %pp, align 8\n"
    "  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n"
    "  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()\n"
    "  %d = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()\n"
    "  %o = mul i32 %b, %d\n"
    "  %r32 = add i32 %o, %t\n"
    "  %r = zext i32 %r32 to i64\n"
    "  %inside = icmp ult i64 %r, %n\n"
    "  br i1 %inside, label %place, label %done\n"
    "place:\n"
    "  %at = add i64 %position, %r\n"
    "  %none = icmp eq ptr %order, null\n"
    "  br i1 %none, label %row, label %ordered\n"
    "ordered:\n"
    "  %np = getelementptr i32, ptr %order, i64 %at\n"
    "  %named32 = load i32, ptr %np, align 4\n"
    "  %named = zext i32 %named32 to i64\n"
    "  br label %row\n"
    "row:\n"
    "  %sample = phi i64 [ %at, %place ], [ %named, %ordered ]\n"
    "  %target = getelementptr [4 x float], ptr %to, i64 %r\n"
    "  br label %element\n"
    "element:\n"
    "  %i = phi i64 [ 0, %row ], [ %next, %store ]\n"
    "  switch i64 %form, label %done [ i64 2, label %copy\n"
    "    i64 3, label %lookup\n"
    "    i64 5, label %class ]\n"
    "copy:\n"
    "  %cp = getelementptr [4 x float], ptr %from, i64 %sample, i64 %i\n"
    "  %cv = load float, ptr %cp, align 4\n"
    "  br label %store\n"
    "lookup:\n"
    "  %bp = getelementptr [4 x i8], ptr %from, i64 %sample, i64 %i\n"
    "  %byte = load i8, ptr %bp, align 1\n"
    "  %code = zext i8 %byte to i64\n"
    "  %vp = getelementptr float, ptr %values, i64 %code\n"
    "  %lv = load float, ptr %vp, align 4\n"
    "  br label %store\n"
    "class:\n"
    "  %kp = getelementptr i32, ptr %from, i64 %sample\n"
    "  %class32 = load i32, ptr %kp, align 4\n"
    "  %this = zext i32 %class32 to i64\n"
    "  %same = icmp eq i64 %this, %i\n"
    "  %kv = select i1 %same, float 1.0, float 0.0\n"
    "  br label %store\n"
    "store:\n"
    "  %value = phi float [ %cv, %copy ], [ %lv, %lookup ], [ %kv, %class ]\n"
    "  %sp = getelementptr float, ptr %target, i64 %i\n"
    "  store float %value, ptr %sp, align 4\n"
    "  %next = add i64 %i, 1\n"
    "  %more = icmp ult i64 %next, 4\n"
    "  br i1 %more, label %element, label %done\n"
    "done:\n"
    "  ret void\n"
    "}\n"
#endif
    ;
#endif

//===----------------------------------------------------------------------===//
// The host's parts
//===----------------------------------------------------------------------===//

static uint64_t bitsOf(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static int32_t deviceTrain(const pcx_device_args_t *args) {
  if (args->n < 1 || args->n > maxBatch)
    return PCX_RUN_BAD_BATCH;
  const pcx_device_host_t *host = args->host;
  int64_t *count = args->storage[2];
  ++*count;
  for (int k = 0; k < (int)args->hypers[1]; ++k) {
    uint64_t scale = bitsOf(1.0 / (k + 1));
    host->append(host->self, &scale, 1);
    int32_t status = host->launch(host->self, 0);
    if (status)
      return status;
  }
  // In two parts, one behind the other.
  uint64_t lr = bitsOf(args->hypers[0]), steps = (uint64_t)*count;
  host->append(host->self, &lr, 1);
  host->append(host->self, &steps, 1);
  return host->launch(host->self, 1);
}

static int32_t deviceArguments(const pcx_device_args_t *args) {
  uint64_t values[] = {
      bitsOf((double)args->n),       bitsOf((double)args->seed),
      bitsOf((double)args->call),    bitsOf(args->total_steps),
      bitsOf(args->epoch),           bitsOf(args->hypers[0]),
      bitsOf(args->storage[0] == 0), bitsOf(args->storage[2] != 0)};
  args->host->append(args->host->self, values, 8);
  return args->host->launch(args->host->self, 0);
}

static int32_t deviceFault(const pcx_device_args_t *args) {
  int32_t status = args->host->launch(args->host->self, 0);
  return status ? status : args->host->launch(args->host->self, 1);
}

static int32_t deviceMistaken(const pcx_device_args_t *args) {
  return args->host->launch(args->host->self, 9);
}

//===----------------------------------------------------------------------===//
// The same on the CPU
//===----------------------------------------------------------------------===//

static int32_t train(const pcx_run_args_t *args) {
  const float *x = args->inputs[0];
  float *energy = args->outputs[0], *out = args->outputs[1];
  float *w = args->storage[0], *state = args->storage[1];
  int64_t *count = args->storage[2];
  ++*count;
  for (int k = 0; k < (int)args->hypers[1]; ++k)
    for (int64_t i = 0; i < args->n * width; ++i)
      state[i] += x[i] * (float)(1.0 / (k + 1));
  float sum = 0;
  for (int64_t s = 0; s < args->n; ++s) {
    float row = 0;
    for (int j = 0; j < width; ++j)
      row += state[s * width + j] * w[j];
    out[s] = row;
    sum += row;
  }
  *energy = sum / (float)args->n;
  float step = (float)args->hypers[0] * *energy / (float)*count;
  for (int j = 0; j < width; ++j)
    w[j] += step;
  return PCX_RUN_OK;
}

static int32_t nothing(const pcx_run_args_t *args) {
  (void)args;
  return PCX_RUN_OK;
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

static const pcx_storage_t storage[] = {
    {sizeof(pcx_storage_t),
     "w",
     PCX_PARAMETER,
     PCX_F32,
     1,
     {width},
     {1},
     width * 4,
     PCX_INIT_UNIFORM,
     -0.5,
     0.5,
     1,
     0},
    {sizeof(pcx_storage_t),
     "state",
     PCX_STATE,
     PCX_F32,
     2,
     {maxBatch, width},
     {width, 1},
     maxBatch * width * 4,
     PCX_INIT_ZERO,
     0,
     0,
     0,
     0},
    {sizeof(pcx_storage_t),
     "count",
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
    // Transposed and padded on the CPU, dense on devices.
    {sizeof(pcx_storage_t),
     "matrix",
     PCX_PARAMETER,
     PCX_F32,
     2,
     {rows, columns},
     {1, 16},
     16 * columns * 4,
     PCX_INIT_NORMAL,
     1,
     2,
     2,
     0},
};
static const pcx_hyper_t hypers[] = {
    {sizeof(pcx_hyper_t), "lr", 0.25, 0, 10, 0},
    {sizeof(pcx_hyper_t), "sweeps", 2, 1, 1000, 1},
};
static const pcx_port_t trainInputs[] = {
    {sizeof(pcx_port_t), "x", PCX_F32, 1, 1, {width}, 0, 0},
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
    {sizeof(pcx_port_t), "rows", PCX_F32, 1, 0, {0}, PCX_REDUCE_NONE, 0},
};
static const pcx_port_t argumentsOutputs[] = {
    {sizeof(pcx_port_t), "values", PCX_F64, 0, 1, {8}, PCX_REDUCE_LAST, 0},
};
static const uint32_t written[] = {0, 1, 2};

#ifdef DEVICE_ONLY
#define CPU(name) 0, 0
#else
#define CPU(name) 1, name##Variants
static const pcx_variant_t trainVariants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, train, 0, 0, 1, 0, 0, 0, 0, 0},
};
static const pcx_variant_t nothingVariants[] = {
    {sizeof(pcx_variant_t), "x86-64", 0, nothing, 0, 0, 1, 0, 0, 0, 0, 0},
};
#endif

#ifdef DEVICE_NONE
#define DEVICE(name) 0, 0
#else
#ifdef DEVICE_PLANS
#define PLANS(...)                                                             \
  {__VA_ARGS__}, { __VA_ARGS__ }
#define DEVICE(name) name##Devices, 2
#else
#define PLANS(...) {__VA_ARGS__}
#define DEVICE(name) name##Devices, 1
#endif
static const pcx_kernel_info_t work[] = {
    {sizeof(pcx_kernel_info_t), "sweep", 0, 2 * width, 0, 12 * width, 0},
    {sizeof(pcx_kernel_info_t), "readout", 2 * width, 2 * width, 0, 4 * width,
     0},
};
static const pcx_kernel_use_t sweepUse[] = {{sizeof(pcx_kernel_use_t), 0, 1}};
static const pcx_kernel_use_t readUse[] = {{sizeof(pcx_kernel_use_t), 1, 1}};
static const pcx_launch_t trainLaunches[] = {
    {sizeof(pcx_launch_t), "relax", samplesPerBlock * width,
     samplesPerBlock * width * 4, 0, 1, 0, samplesPerBlock, 0, 1, sweepUse},
    {sizeof(pcx_launch_t), "finish", 2, 0, 1, 1, 64, 0, 1, 1, readUse},
};
static const pcx_launch_t argumentsLaunches[] = {
    {sizeof(pcx_launch_t), "copy", 8, 0, 0, 1, 1, 0, 1, 0, 0},
};
static const pcx_launch_t faultLaunches[] = {
    {sizeof(pcx_launch_t), "overrun", 1, 0, 0, 1, 1, 0, 1, 0, 0},
    {sizeof(pcx_launch_t), "overrun", 1, 0, 0, 1, 1, 0, 1, 0, 0},
};
#ifdef DEVICE_PLANS
// With more shared memory than it uses.
static const pcx_launch_t wideLaunches[] = {
    {sizeof(pcx_launch_t), "relax", samplesPerBlock * width, 200 * 1024, 0, 1,
     0, samplesPerBlock, 0, 1, sweepUse},
    {sizeof(pcx_launch_t), "finish", 2, 0, 1, 1, 64, 0, 1, 1, readUse},
};
#endif
static const pcx_device_variant_t trainDevices[] = {
    {sizeof(pcx_device_variant_t), "graph", deviceTrain, 64, 16, 2,
     trainLaunches, 2, work},
#ifdef DEVICE_PLANS
    {sizeof(pcx_device_variant_t), "graph", deviceTrain, 64, 16, 2,
     wideLaunches, 2, work},
#endif
};
static const pcx_device_variant_t argumentsDevices[] = {
    PLANS(sizeof(pcx_device_variant_t), "graph", deviceArguments, 0, 0, 1,
          argumentsLaunches, 0, 0)};
static const pcx_device_variant_t faultDevices[] = {
    PLANS(sizeof(pcx_device_variant_t), "graph", deviceFault, 0, 0, 2,
          faultLaunches, 0, 0)};
static const pcx_device_variant_t mistakenDevices[] = {
    PLANS(sizeof(pcx_device_variant_t), "graph", deviceMistaken, 0, 0, 2,
          faultLaunches, 0, 0)};
#endif

static const pcx_program_t programs[] = {
    {sizeof(pcx_program_t), "train", PCX_ROLE_TRAIN, 1, trainInputs, 2,
     trainOutputs, CPU(train), 1, 0, 0, 3, written, DEVICE(train)},
    {sizeof(pcx_program_t), "arguments", PCX_ROLE_OTHER, 0, 0, 1,
     argumentsOutputs, CPU(nothing), 0, 0, 0, 0, 0, DEVICE(arguments)},
    {sizeof(pcx_program_t), "fault", PCX_ROLE_OTHER, 1, trainInputs, 0, 0,
     CPU(nothing), 0, 0, 0, 0, 0, DEVICE(fault)},
    {sizeof(pcx_program_t), "mistaken", PCX_ROLE_OTHER, 0, 0, 0, 0,
     CPU(nothing), 0, 0, 0, 0, 0, DEVICE(mistaken)},
};

#ifndef DEVICE_NONE
static const pcx_image_t images[] = {
#ifdef DEVICE_PTX
    {sizeof(pcx_image_t), PCX_IMAGE_PTX, 80, 0, sizeof(kernels), kernels, 0},
#else
    {sizeof(pcx_image_t), PCX_IMAGE_LLVM, 80, 0, sizeof(kernels), kernels, 0},
#endif
#ifdef DEVICE_PLANS
    {sizeof(pcx_image_t), PCX_IMAGE_LLVM, 90, 0, sizeof(kernels), kernels, 1},
#endif
};
#endif

static const pcx_artifact_t artifact = {
    sizeof(pcx_artifact_t),
    PCX_ABI_VERSION,
    "pcc 0.1.0",
    "device",
    "device.pcir",
    0,
    0,
    PCX_F32,
    0,
    maxBatch,
    4,
    storage,
    2,
    hypers,
    4,
    programs,
#ifdef DEVICE_NONE
    0,
    0,
#else
    sizeof(images) / sizeof(images[0]),
    images,
#endif
};

__attribute__((visibility("default"))) const pcx_artifact_t *
pcx_artifact_query(uint32_t max_abi);

const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi) {
#ifdef DEVICE_ONLY
  (void)train;
  (void)nothing;
#endif
#ifdef DEVICE_NONE
  (void)kernels;
  (void)deviceTrain;
  (void)deviceArguments;
  (void)deviceFault;
  (void)deviceMistaken;
#endif
  return max_abi >= PCX_ABI_VERSION ? &artifact : 0;
}
