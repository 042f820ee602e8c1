//===- CudaTypes.h - What is used of the CUDA driver --------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The few types, numbers and functions of the driver's interface (CUDA 11.4 and
// later, see NVIDIA's "CUDA Driver API") that the runtime uses, so that it is
// built without CUDA and the driver can be loaded or not. The simulated device
// (lib/Simulator/Driver) has the same functions.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_CUDATYPES_H
#define PCX_LIB_RUNTIME_CUDATYPES_H

#include <cstddef>
#include <cstdint>

namespace pcx::cuda {

using Result = int;
using Device = int;
using Address = unsigned long long;
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using Stream = struct StreamTag *;
using Event = struct EventTag *;
using Graph = struct GraphTag *;
using GraphExec = struct GraphExecTag *;

/// CUresult
enum : Result {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialized = 3,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  InvalidContext = 201,
  NoBinaryForGpu = 209,
  InvalidPtx = 218,
  UnsupportedPtxVersion = 222,
  NotFound = 500,
  LaunchOutOfResources = 701,
  LaunchFailed = 719,
  CooperativeLaunchTooLarge = 720,
  NotSupported = 801,
  SystemDriverMismatch = 803,
  FirstCaptureError = 900, ///< CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
  LastCaptureError = 908,  ///< CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD
};

/// CUdevice_attribute
enum : int {
  DeviceMultiprocessors = 16,
  DeviceMajor = 75,
  DeviceMinor = 76,
  DeviceCooperativeLaunch = 95,
  DeviceSharedBytesOptIn = 97,
};

/// CUfunction_attribute
enum : int {
  FunctionMaxThreads = 0,
  FunctionSharedBytes = 1,
  FunctionMaxDynamicSharedBytes = 8,
  FunctionNonPortableClusters = 14,
};

/// CUjit_option
enum : int { JitErrorLog = 5, JitErrorLogBytes = 6, JitLineInfo = 13 };

/// CU_STREAM_NON_BLOCKING, CU_EVENT_DISABLE_TIMING and others.
enum : unsigned {
  StreamNonBlocking = 1,
  EventDefault = 0,
  EventDisableTiming = 2,
};

/// CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may do what they like.
constexpr int captureThreadLocal = 1;

/// CUlaunchAttribute
struct LaunchAttribute {
  enum : int { Cooperative = 2, ClusterDimension = 4 };
  int id;
  char padding[4];
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } cluster;
    int cooperative;
  } value;
};

/// CUlaunchConfig
struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ;
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

} // namespace pcx::cuda

/// F(name, parameters): functions that every driver must have, with the
/// versions that their names stand for in its header.
#define PCX_CUDA_FUNCTIONS(F)                                                  \
  F(cuInit, (unsigned flags))                                                  \
  F(cuDriverGetVersion, (int *version))                                        \
  F(cuGetErrorName, (pcx::cuda::Result result, const char **text))             \
  F(cuGetErrorString, (pcx::cuda::Result result, const char **text))           \
  F(cuDeviceGetCount, (int *count))                                            \
  F(cuDeviceGet, (pcx::cuda::Device * device, int index))                      \
  F(cuDeviceGetName, (char *name, int bytes, pcx::cuda::Device device))        \
  F(cuDeviceGetAttribute,                                                      \
    (int *value, int attribute, pcx::cuda::Device device))                     \
  F(cuDevicePrimaryCtxRetain,                                                  \
    (pcx::cuda::Context * context, pcx::cuda::Device device))                  \
  F(cuDevicePrimaryCtxRelease_v2, (pcx::cuda::Device device))                  \
  F(cuCtxPushCurrent_v2, (pcx::cuda::Context context))                         \
  F(cuCtxPopCurrent_v2, (pcx::cuda::Context * context))                        \
  F(cuModuleLoadDataEx, (pcx::cuda::Module * module, const void *image,        \
                         unsigned count, int *options, void **values))         \
  F(cuModuleUnload, (pcx::cuda::Module module))                                \
  F(cuModuleGetFunction, (pcx::cuda::Function * function,                      \
                          pcx::cuda::Module module, const char *name))         \
  F(cuFuncGetAttribute,                                                        \
    (int *value, int attribute, pcx::cuda::Function function))                 \
  F(cuFuncSetAttribute,                                                        \
    (pcx::cuda::Function function, int attribute, int value))                  \
  F(cuOccupancyMaxActiveBlocksPerMultiprocessor,                               \
    (int *blocks, pcx::cuda::Function function, int threads,                   \
     size_t sharedBytes))                                                      \
  F(cuMemGetInfo_v2, (size_t *free, size_t *total))                            \
  F(cuMemAlloc_v2, (pcx::cuda::Address * address, size_t bytes))               \
  F(cuMemFree_v2, (pcx::cuda::Address address))                                \
  F(cuMemHostAlloc, (void **address, size_t bytes, unsigned flags))            \
  F(cuMemFreeHost, (void *address))                                            \
  F(cuMemcpyHtoDAsync_v2, (pcx::cuda::Address to, const void *from,            \
                           size_t bytes, pcx::cuda::Stream stream))            \
  F(cuMemcpyDtoHAsync_v2, (void *to, pcx::cuda::Address from, size_t bytes,    \
                           pcx::cuda::Stream stream))                          \
  F(cuMemsetD8Async, (pcx::cuda::Address to, unsigned char value,              \
                      size_t bytes, pcx::cuda::Stream stream))                 \
  F(cuStreamCreate, (pcx::cuda::Stream * stream, unsigned flags))              \
  F(cuStreamDestroy_v2, (pcx::cuda::Stream stream))                            \
  F(cuStreamSynchronize, (pcx::cuda::Stream stream))                           \
  F(cuStreamBeginCapture_v2, (pcx::cuda::Stream stream, int mode))             \
  F(cuStreamEndCapture, (pcx::cuda::Stream stream, pcx::cuda::Graph * graph))  \
  F(cuGraphInstantiateWithFlags,                                               \
    (pcx::cuda::GraphExec * exec, pcx::cuda::Graph graph,                      \
     unsigned long long flags))                                                \
  F(cuGraphLaunch, (pcx::cuda::GraphExec exec, pcx::cuda::Stream stream))      \
  F(cuGraphExecDestroy, (pcx::cuda::GraphExec exec))                           \
  F(cuGraphDestroy, (pcx::cuda::Graph graph))                                  \
  F(cuEventCreate, (pcx::cuda::Event * event, unsigned flags))                 \
  F(cuEventDestroy_v2, (pcx::cuda::Event event))                               \
  F(cuEventRecord, (pcx::cuda::Event event, pcx::cuda::Stream stream))         \
  F(cuEventSynchronize, (pcx::cuda::Event event))                              \
  F(cuEventElapsedTime,                                                        \
    (float *milliseconds, pcx::cuda::Event begin, pcx::cuda::Event end))       \
  F(cuLaunchKernel,                                                            \
    (pcx::cuda::Function function, unsigned gridX, unsigned gridY,             \
     unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,        \
     unsigned sharedBytes, pcx::cuda::Stream stream, void **parameters,        \
     void **extra))                                                            \
  F(cuLaunchCooperativeKernel,                                                 \
    (pcx::cuda::Function function, unsigned gridX, unsigned gridY,             \
     unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,        \
     unsigned sharedBytes, pcx::cuda::Stream stream, void **parameters))

/// What only drivers with clusters have (CUDA 11.8).
#define PCX_CUDA_CLUSTER_FUNCTIONS(F)                                          \
  F(cuLaunchKernelEx,                                                          \
    (const pcx::cuda::LaunchConfig *config, pcx::cuda::Function function,      \
     void **parameters, void **extra))                                         \
  F(cuOccupancyMaxActiveClusters,                                              \
    (int *clusters, pcx::cuda::Function function,                              \
     const pcx::cuda::LaunchConfig *config))

/// What only the simulated device has.
///
/// pcxSimModuleLoad: LLVM IR for nvptx64, as text or bitcode; says in `log` why
/// it cannot. pcxSimLastFault: what the last launch that failed did, with
/// kernel, instruction and thread. pcxSimCount: a sum over all launches of a
/// kernel so far, by the name of a field of pc::sim::Counters, or "launches";
/// for kernel NULL of all, and of the device "uploads", "uploadedBytes",
/// "downloads", "downloadedBytes", "captures" and "replays" of graphs, "waits"
/// and "allocatedBytes". pcxSimReport: a table of the counters of all kernels.
/// Texts are valid until the next call from this thread.
#define PCX_SIM_FUNCTIONS(F)                                                   \
  F(pcxSimModuleLoad, (pcx::cuda::Module * module, const void *data,           \
                       size_t bytes, char *log, size_t logBytes))              \
  F(pcxSimLastFault, (const char **text))                                      \
  F(pcxSimCount,                                                               \
    (const char *kernel, const char *counter, unsigned long long *count))      \
  F(pcxSimReport, (const char **text))                                         \
  F(pcxSimReset, (void))

#endif // PCX_LIB_RUNTIME_CUDATYPES_H
