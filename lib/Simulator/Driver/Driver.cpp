//===- Driver.cpp - The simulated device as a CUDA driver -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of the driver that the runtime uses, on top of the simulator:
// the same code of the runtime runs programs on either. Everything is done when
// it is asked for; graphs are lists of launches. There is one device, which
// says that it is an H100 unless the environment says otherwise: its
// multiprocessors (PCX_SIM_SMS), which bound grids that wait for each other,
// the bytes of its memory (PCX_SIM_MEMORY), its architecture (PCX_SIM_ARCH) and
// the shared memory of a block (PCX_SIM_SHARED), by which the runtime chooses
// between the images of an artifact.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CudaTypes.h"
#include "pc/Simulator/Simulator.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using namespace pcx::cuda;
using pc::sim::Counters;
using Clock = std::chrono::steady_clock;

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

namespace pcx::cuda {
struct FunctionTag {
  const pc::sim::Module *module;
  std::string name;
  /// Bytes that a launch may ask for.
  int mostDynamicShared = 48 * 1024;
};
struct ModuleTag {
  std::unique_ptr<pc::sim::Module> module;
  std::map<std::string, FunctionTag> functions;
};
struct GraphTag {
  struct Launch {
    Function function;
    pc::sim::LaunchConfig config;
    /// The values of the parameters.
    std::vector<std::vector<std::byte>> parameters;
  };
  std::vector<Launch> launches;
};
struct GraphExecTag {
  GraphTag graph;
};
struct StreamTag {
  /// While launches are recorded, where.
  GraphTag *capture = nullptr;
};
struct EventTag {
  Clock::time_point time;
};
struct ContextTag {};
} // namespace pcx::cuda

namespace {
struct KernelTotal {
  uint64_t launches = 0;
  Counters counters;
};
/// Of the one device there is; programs of several threads share it.
struct State {
  std::mutex mutex;
  pc::sim::Device device;
  ContextTag context;
  std::map<Address, size_t> arrays;
  std::map<std::string, KernelTotal> totals;
  uint64_t uploads = 0, uploadedBytes = 0, downloads = 0, downloadedBytes = 0,
           captures = 0, replays = 0, waits = 0, allocatedBytes = 0;
};
} // namespace

static State &getState() {
  // Never destroyed: sessions may end after static objects.
  static State *state = new State;
  return *state;
}

static thread_local std::string lastFault, report;

namespace {
/// A property of the device that the environment may set.
struct Setting {
  const char *variable, *meaning;
  uint64_t standard, most;

  /// Nothing for a value that is none.
  std::optional<uint64_t> read() const {
    const char *text = getenv(variable);
    if (!text)
      return standard;
    uint64_t value = 0;
    if (llvm::StringRef(text).getAsInteger(10, value) || value < 1 ||
        value > most)
      return std::nullopt;
    return value;
  }

  /// cuInit has refused what is no value; programs may set another one later.
  uint64_t get() const { return read().value_or(standard); }
};
} // namespace

static constexpr Setting kMultiprocessors = {
    "PCX_SIM_SMS", "the multiprocessors of the simulated device", 132, 1 << 16};
static constexpr Setting kMemoryBytes = {
    "PCX_SIM_MEMORY", "the bytes of the simulated device's memory",
    uint64_t(80) << 30, uint64_t(1) << 62};
static constexpr Setting kArch = {
    "PCX_SIM_ARCH",
    "the architecture of the simulated device, compute capability times ten",
    90, 999};
static constexpr Setting kSharedBytes = {
    "PCX_SIM_SHARED",
    "the bytes of shared memory that a block can have on the simulated device",
    pc::sim::Device::mostSharedBytes, pc::sim::Device::mostSharedBytes};
/// Of a multiprocessor. Of its shared memory a block can have all but what each
/// block on it takes besides.
static constexpr unsigned kThreads = 2048, kBlocks = 32, kReservedShared = 1024;

static unsigned getMultiprocessors() {
  return static_cast<unsigned>(kMultiprocessors.get());
}
static uint64_t getMemoryBytes() { return kMemoryBytes.get(); }

namespace {
struct CounterField {
  const char *name, *title;
  uint64_t Counters::*field;
};
} // namespace
static constexpr CounterField kFields[] = {
    {"instructions", "instr.", &Counters::instructions},
    {"flops", "flops", &Counters::flops},
    {"matrixFlops", "matrix flops", &Counters::matrixFlops},
    {"globalRead", "B read", &Counters::globalRead},
    {"globalWritten", "B written", &Counters::globalWritten},
    {"sharedRead", "shared read", &Counters::sharedRead},
    {"sharedWritten", "shared written", &Counters::sharedWritten},
    {"globalAccesses", "accesses", &Counters::globalAccesses},
    {"sectors", "sectors", &Counters::sectors},
    {"leastSectors", "least", &Counters::leastSectors},
    {"sharedAccesses", "shared acc.", &Counters::sharedAccesses},
    {"bankConflicts", "conflicts", &Counters::bankConflicts},
    {"barriers", "barriers", &Counters::barriers},
    {"shuffles", "shuffles", &Counters::shuffles},
    {"matrixProducts", "mma", &Counters::matrixProducts},
    {"atomics", "atomics", &Counters::atomics},
    {"asyncCopies", "copies", &Counters::asyncCopies},
};

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

// What is defined here is what the runtime calls.
#define PCX_DECLARE(name, parameters)                                          \
  extern "C" __attribute__((visibility("default"))) Result name parameters;
PCX_CUDA_FUNCTIONS(PCX_DECLARE)
PCX_CUDA_CLUSTER_FUNCTIONS(PCX_DECLARE)
PCX_SIM_FUNCTIONS(PCX_DECLARE)
#undef PCX_DECLARE

/// Holds the device for a function.
#define PCX_LOCK                                                               \
  State &state = getState();                                                   \
  std::lock_guard<std::mutex> lock(state.mutex)

Result cuInit(unsigned) {
  lastFault.clear();
  for (const Setting &setting :
       {kMultiprocessors, kMemoryBytes, kArch, kSharedBytes}) {
    if (setting.read())
      continue;
    lastFault = llvm::formatv(
        "{0} is '{1}' in the environment, expected {2}: a whole number from 1 "
        "to {3}; unset it for {4}",
        setting.variable, getenv(setting.variable), setting.meaning,
        setting.most, setting.standard);
    return InvalidValue;
  }
  return Success;
}

Result cuDriverGetVersion(int *version) {
  *version = 12000;
  return Success;
}

Result cuGetErrorName(Result result, const char **text) {
  switch (result) {
#define PCX_NAME(value, name)                                                  \
  case value:                                                                  \
    *text = #name;                                                             \
    return Success;
    PCX_NAME(Success, CUDA_SUCCESS)
    PCX_NAME(InvalidValue, CUDA_ERROR_INVALID_VALUE)
    PCX_NAME(OutOfMemory, CUDA_ERROR_OUT_OF_MEMORY)
    PCX_NAME(InvalidDevice, CUDA_ERROR_INVALID_DEVICE)
    PCX_NAME(InvalidImage, CUDA_ERROR_INVALID_IMAGE)
    PCX_NAME(NotFound, CUDA_ERROR_NOT_FOUND)
    PCX_NAME(LaunchFailed, CUDA_ERROR_LAUNCH_FAILED)
    PCX_NAME(CooperativeLaunchTooLarge, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE)
    PCX_NAME(NotSupported, CUDA_ERROR_NOT_SUPPORTED)
    PCX_NAME(FirstCaptureError, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
#undef PCX_NAME
  default:
    return InvalidValue;
  }
}

Result cuGetErrorString(Result, const char **text) {
  *text = "said by the simulated device";
  return Success;
}

Result cuDeviceGetCount(int *count) {
  *count = 1;
  return Success;
}

Result cuDeviceGet(Device *device, int index) {
  *device = 0;
  return index == 0 ? Success : InvalidDevice;
}

Result cuDeviceGetName(char *name, int bytes, Device) {
  if (bytes > 0)
    snprintf(name, static_cast<size_t>(bytes), "simulated device");
  return Success;
}

Result cuDeviceGetAttribute(int *value, int attribute, Device) {
  switch (attribute) {
  case DeviceMultiprocessors:
    *value = static_cast<int>(getMultiprocessors());
    return Success;
  case DeviceMajor:
    *value = static_cast<int>(kArch.get() / 10);
    return Success;
  case DeviceMinor:
    *value = static_cast<int>(kArch.get() % 10);
    return Success;
  case DeviceCooperativeLaunch:
    *value = 1;
    return Success;
  case DeviceSharedBytesOptIn:
    *value = static_cast<int>(kSharedBytes.get());
    return Success;
  default:
    return InvalidValue;
  }
}

Result cuDevicePrimaryCtxRetain(Context *context, Device) {
  *context = &getState().context;
  return Success;
}

Result cuDevicePrimaryCtxRelease_v2(Device) { return Success; }

Result cuCtxPushCurrent_v2(Context) { return Success; }

Result cuCtxPopCurrent_v2(Context *context) {
  *context = &getState().context;
  return Success;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Result cuModuleLoadDataEx(Module *, const void *, unsigned, int *, void **) {
  // The bytes are not known: see pcxSimModuleLoad.
  return NotSupported;
}

Result pcxSimModuleLoad(Module *module, const void *data, size_t bytes,
                        char *log, size_t logBytes) {
  PCX_LOCK;
  llvm::StringRef text(static_cast<const char *>(data), bytes);
  // Text may have come with the NUL that ends it in C.
  if (!text.starts_with("BC"))
    text = text.rtrim('\0');
  std::string copy = text.str();
  auto loaded = state.device.load(llvm::MemoryBufferRef(copy, "kernels"));
  if (!loaded) {
    std::string message = llvm::toString(loaded.takeError());
    if (logBytes)
      snprintf(log, logBytes, "%s", message.c_str());
    return InvalidImage;
  }
  *module = new ModuleTag{std::move(*loaded), {}};
  return Success;
}

Result cuModuleUnload(Module module) {
  PCX_LOCK;
  delete module;
  return Success;
}

Result cuModuleGetFunction(Function *function, Module module,
                           const char *name) {
  PCX_LOCK;
  if (!module->module->hasKernel(name))
    return NotFound;
  FunctionTag &entry = module->functions[name];
  entry.module = module->module.get();
  entry.name = name;
  *function = &entry;
  return Success;
}

Result cuFuncGetAttribute(int *value, int attribute, Function function) {
  PCX_LOCK;
  switch (attribute) {
  case FunctionMaxThreads:
    *value = pc::sim::Device::mostThreads;
    return Success;
  case FunctionSharedBytes:
    *value = static_cast<int>(function->module->getSharedBytes(function->name));
    return Success;
  case FunctionMaxDynamicSharedBytes:
    *value = function->mostDynamicShared;
    return Success;
  default:
    return InvalidValue;
  }
}

Result cuFuncSetAttribute(Function function, int attribute, int value) {
  PCX_LOCK;
  if (attribute != FunctionMaxDynamicSharedBytes || value < 0 ||
      static_cast<uint32_t>(value) +
              function->module->getSharedBytes(function->name) >
          kSharedBytes.get())
    return InvalidValue;
  function->mostDynamicShared = value;
  return Success;
}

static unsigned getOccupancy(const FunctionTag &function, uint64_t threads,
                             uint64_t sharedBytes) {
  uint64_t shared = function.module->getSharedBytes(function.name) +
                    sharedBytes + kReservedShared;
  // Warps are whole.
  uint64_t whole = (threads + 31) / 32 * 32;
  return static_cast<unsigned>(
      std::min<uint64_t>({kBlocks, kThreads / std::max<uint64_t>(whole, 1),
                          (kSharedBytes.get() + kReservedShared) / shared}));
}

Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                   Function function,
                                                   int threads,
                                                   size_t sharedBytes) {
  PCX_LOCK;
  *blocks = static_cast<int>(
      getOccupancy(*function, static_cast<uint64_t>(threads), sharedBytes));
  return Success;
}

static void add(Counters &to, const Counters &from) {
  for (const CounterField &field : kFields)
    to.*field.field += from.*field.field;
}

/// Runs a kernel. The device is held.
static Result runKernel(State &state, const GraphTag::Launch &launch) {
  lastFault.clear();
  const FunctionTag &function = *launch.function;
  const pc::sim::LaunchConfig &config = launch.config;
  uint64_t mostShared = static_cast<uint64_t>(function.mostDynamicShared);
  if (config.sharedBytes > mostShared) {
    lastFault = llvm::formatv("kernel '{0}': {1} bytes of dynamic shared "
                              "memory, but it may have {2}; see "
                              "cuFuncSetAttribute",
                              function.name, config.sharedBytes, mostShared);
    return InvalidValue;
  }
  if (config.cooperative &&
      config.grid.count() > uint64_t(getMultiprocessors()) *
                                getOccupancy(function, config.block.count(),
                                             config.sharedBytes)) {
    lastFault = llvm::formatv("kernel '{0}': {1} blocks that wait for each "
                              "other are more than the device can hold",
                              function.name, config.grid.count());
    return CooperativeLaunchTooLarge;
  }
  std::vector<void *> arguments;
  for (const std::vector<std::byte> &value : launch.parameters)
    arguments.push_back(const_cast<std::byte *>(value.data()));
  auto result =
      state.device.launch(*function.module, function.name, config, arguments);
  if (!result) {
    lastFault = llvm::toString(result.takeError());
    return InvalidValue;
  }
  KernelTotal &total = state.totals[function.name];
  ++total.launches;
  add(total.counters, result->counters);
  if (result->faults.empty())
    return Success;
  lastFault = result->faults.front().message;
  if (result->faults.size() > 1)
    lastFault += llvm::formatv(" (and {0} more)", result->faults.size() - 1);
  return LaunchFailed;
}

/// Runs a kernel, or takes its launch down.
static Result launchOrRecord(Function function, Stream stream,
                             const pc::sim::LaunchConfig &config,
                             void **parameters) {
  PCX_LOCK;
  GraphTag::Launch launch = {function, config, {}};
  for (uint32_t bytes : function->module->getParameters(function->name)) {
    auto *value = static_cast<const std::byte *>(*parameters++);
    launch.parameters.emplace_back(value, value + bytes);
  }
  if (!stream->capture)
    return runKernel(state, launch);
  stream->capture->launches.push_back(launch);
  return Success;
}

Result cuLaunchKernel(Function function, unsigned gridX, unsigned gridY,
                      unsigned gridZ, unsigned blockX, unsigned blockY,
                      unsigned blockZ, unsigned sharedBytes, Stream stream,
                      void **parameters, void **) {
  return launchOrRecord(function, stream,
                        {{gridX, gridY, gridZ},
                         {blockX, blockY, blockZ},
                         sharedBytes,
                         /*cooperative=*/false},
                        parameters);
}

Result cuLaunchCooperativeKernel(Function function, unsigned gridX,
                                 unsigned gridY, unsigned gridZ,
                                 unsigned blockX, unsigned blockY,
                                 unsigned blockZ, unsigned sharedBytes,
                                 Stream stream, void **parameters) {
  return launchOrRecord(function, stream,
                        {{gridX, gridY, gridZ},
                         {blockX, blockY, blockZ},
                         sharedBytes,
                         /*cooperative=*/true},
                        parameters);
}

Result cuLaunchKernelEx(const LaunchConfig *, Function, void **, void **) {
  lastFault = "the simulated device has no clusters";
  return NotSupported;
}

Result cuOccupancyMaxActiveClusters(int *, Function, const LaunchConfig *) {
  return NotSupported;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  PCX_LOCK;
  *total = getMemoryBytes();
  *free = *total - std::min<uint64_t>(*total, state.allocatedBytes);
  return Success;
}

Result cuMemAlloc_v2(Address *address, size_t bytes) {
  PCX_LOCK;
  if (bytes == 0)
    return InvalidValue;
  if (bytes > getMemoryBytes() ||
      state.allocatedBytes > getMemoryBytes() - bytes)
    return OutOfMemory;
  void *array = state.device.allocate(bytes);
  if (!array)
    return OutOfMemory;
  *address = reinterpret_cast<Address>(array);
  state.arrays[*address] = bytes;
  state.allocatedBytes += bytes;
  return Success;
}

Result cuMemFree_v2(Address address) {
  PCX_LOCK;
  auto found = state.arrays.find(address);
  if (found == state.arrays.end() ||
      !state.device.release(reinterpret_cast<void *>(address)))
    return InvalidValue;
  state.allocatedBytes -= found->second;
  state.arrays.erase(found);
  return Success;
}

Result cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  constexpr size_t page = 4096;
  *address = std::aligned_alloc(page, (bytes + page - 1) / page * page);
  return *address ? Success : OutOfMemory;
}

Result cuMemFreeHost(void *address) {
  std::free(address);
  return Success;
}

Result cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes,
                            Stream stream) {
  PCX_LOCK;
  if (stream->capture)
    return FirstCaptureError;
  ++state.uploads;
  state.uploadedBytes += bytes;
  return state.device.write(reinterpret_cast<void *>(to), from, bytes)
             ? Success
             : InvalidValue;
}

Result cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes,
                            Stream stream) {
  PCX_LOCK;
  if (stream->capture)
    return FirstCaptureError;
  ++state.downloads;
  state.downloadedBytes += bytes;
  return state.device.read(to, reinterpret_cast<const void *>(from), bytes)
             ? Success
             : InvalidValue;
}

Result cuMemsetD8Async(Address to, unsigned char value, size_t bytes,
                       Stream stream) {
  PCX_LOCK;
  if (stream->capture)
    return FirstCaptureError;
  return state.device.fill(reinterpret_cast<void *>(to), value, bytes)
             ? Success
             : InvalidValue;
}

//===----------------------------------------------------------------------===//
// Streams, graphs and events
//===----------------------------------------------------------------------===//

Result cuStreamCreate(Stream *stream, unsigned) {
  *stream = new StreamTag;
  return Success;
}

Result cuStreamDestroy_v2(Stream stream) {
  delete stream->capture;
  delete stream;
  return Success;
}

Result cuStreamSynchronize(Stream stream) {
  PCX_LOCK;
  ++state.waits;
  return stream->capture ? FirstCaptureError : Success;
}

Result cuStreamBeginCapture_v2(Stream stream, int) {
  PCX_LOCK;
  if (stream->capture)
    return FirstCaptureError;
  ++state.captures;
  stream->capture = new GraphTag;
  return Success;
}

Result cuStreamEndCapture(Stream stream, Graph *graph) {
  PCX_LOCK;
  *graph = stream->capture;
  stream->capture = nullptr;
  return *graph ? Success : InvalidValue;
}

Result cuGraphInstantiateWithFlags(GraphExec *exec, Graph graph,
                                   unsigned long long) {
  *exec = new GraphExecTag{*graph};
  return Success;
}

Result cuGraphLaunch(GraphExec exec, Stream stream) {
  PCX_LOCK;
  if (stream->capture)
    return FirstCaptureError;
  ++state.replays;
  for (const GraphTag::Launch &launch : exec->graph.launches)
    if (Result result = runKernel(state, launch))
      return result;
  return Success;
}

Result cuGraphExecDestroy(GraphExec exec) {
  delete exec;
  return Success;
}

Result cuGraphDestroy(Graph graph) {
  delete graph;
  return Success;
}

Result cuEventCreate(Event *event, unsigned) {
  *event = new EventTag;
  return Success;
}

Result cuEventDestroy_v2(Event event) {
  delete event;
  return Success;
}

Result cuEventRecord(Event event, Stream) {
  event->time = Clock::now();
  return Success;
}

Result cuEventSynchronize(Event) {
  PCX_LOCK;
  ++state.waits;
  return Success;
}

Result cuEventElapsedTime(float *milliseconds, Event begin, Event end) {
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return Success;
}

//===----------------------------------------------------------------------===//
// What only a simulated device has
//===----------------------------------------------------------------------===//

Result pcxSimLastFault(const char **text) {
  *text = lastFault.c_str();
  return Success;
}

Result pcxSimCount(const char *kernel, const char *counter,
                   unsigned long long *count) {
  PCX_LOCK;
  const std::pair<const char *, uint64_t> ofDevice[] = {
      {"uploads", state.uploads},
      {"uploadedBytes", state.uploadedBytes},
      {"downloads", state.downloads},
      {"downloadedBytes", state.downloadedBytes},
      {"captures", state.captures},
      {"replays", state.replays},
      {"waits", state.waits},
      {"allocatedBytes", state.allocatedBytes}};
  llvm::StringRef wanted(counter);
  if (!kernel)
    for (auto [name, value] : ofDevice)
      if (wanted == name) {
        *count = value;
        return Success;
      }
  KernelTotal sum;
  for (const auto &[name, total] : state.totals)
    if (!kernel || name == kernel) {
      sum.launches += total.launches;
      add(sum.counters, total.counters);
    }
  if (wanted == "launches") {
    *count = sum.launches;
    return Success;
  }
  for (const CounterField &field : kFields)
    if (wanted == field.name) {
      *count = sum.counters.*field.field;
      return Success;
    }
  return NotFound;
}

Result pcxSimReport(const char **text) {
  PCX_LOCK;
  std::vector<std::vector<std::string>> rows(1);
  rows[0] = {"kernel", "launches"};
  for (const CounterField &field : kFields)
    rows[0].push_back(field.title);
  for (const auto &[name, total] : state.totals) {
    std::vector<std::string> row = {name, std::to_string(total.launches)};
    for (const CounterField &field : kFields)
      row.push_back(std::to_string(total.counters.*field.field));
    rows.push_back(std::move(row));
  }
  report.clear();
  llvm::raw_string_ostream os(report);
  for (const auto &row : rows) {
    os << "  ";
    for (size_t column = 0; column < row.size(); ++column) {
      size_t width = 0;
      for (const auto &other : rows)
        width = std::max(width, other[column].size());
      if (column == 0)
        os << llvm::left_justify(row[column], width);
      else
        os << "  " << llvm::right_justify(row[column], width);
    }
    os << '\n';
  }
  *text = report.c_str();
  return Success;
}

Result pcxSimReset() {
  PCX_LOCK;
  state.totals.clear();
  state.uploads = state.uploadedBytes = state.downloads =
      state.downloadedBytes = state.captures = state.replays = state.waits = 0;
  return Success;
}
