//===- Device.cpp - Programs on a device ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call first runs the host's part, which says what is launched in which order
// and with which scalars. Then everything is put into one stream: the inputs,
// all scalars in one copy, the launches, the outputs that are wanted. Launches
// that come a second time in the same order are recorded as a graph, which
// later calls play again: their scalars come from the same memory.
//
// A data set that fits is copied to the device once, and a kernel of the
// artifact makes each batch from it, in front of the launches and recorded with
// them: which samples it takes is among the scalars. Then several calls can be
// one burst: one copy of scalars, one graph, one copy of what they report, and
// the host has no part in what lies between two of them.
//
//===----------------------------------------------------------------------===//

#include "Device.h"
#include "CPUExecutor.h"
#include "Cuda.h"
#include "Data.h"
#include "Error.h"
#include "pcx/Support/Descriptors.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <tuple>
#include <utility>

using namespace pcx;
using cuda::Address;
using cuda::Driver;
using cuda::Result;

DeviceChoice pcx::parseDevice(std::string_view text) {
  if (text == "cpu")
    return {DeviceKind::CPU};
  if (text == "sim")
    return {DeviceKind::Simulated};
  if (text == "cuda")
    return {DeviceKind::Cuda};
  constexpr std::string_view prefix = "cuda:";
  if (text.substr(0, prefix.size()) == prefix) {
    int index = -1;
    const char *end = text.data() + text.size();
    auto [stop, error] =
        std::from_chars(text.data() + prefix.size(), end, index);
    if (error == std::errc() && stop == end && index >= 0)
      return {DeviceKind::Cuda, index};
  }
  fail(PCX_ERROR_ARGUMENT,
       "unknown device '{}', expected 'cpu', 'cuda', 'cuda:N' with the number "
       "of a GPU, or 'sim'",
       text);
}

static uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Whether an output is copied back with the others of one value.
static bool isScalar(const pcx_port_t &port) {
  return !port.per_sample && elementCount(port) == 1;
}

/// For one program.
struct pcx::HeldData {
  Address inputs = 0; ///< a pcx_gather_t for each of them
  uint32_t inputCount = 0;
  Address order = 0; ///< 0: samples as they come
  int64_t first = 0; ///< position of what lies there
};

namespace {

using Clock = std::chrono::steady_clock;

class DeviceExecutor : public Executor {
public:
  DeviceExecutor(const pcx_module_t &module, const DeviceChoice &choice);
  ~DeviceExecutor() override;

  const char *name() const override { return label.c_str(); }
  const pcx_device_variant_t *plan(uint32_t program) const override {
    const pcx_program_t &info = module.info().programs[program];
    return info.device_count ? &info.devices[image->plan] : nullptr;
  }
  uint64_t allocated() const override { return bytes; }
  void requireCode(uint32_t program) const override;
  int64_t paddedRows(uint32_t, int64_t n) const override { return n; }
  unsigned slots() const override { return slotCount; }
  const ProgramStaging &staging(uint32_t program,
                                unsigned slot) const override {
    return programs[program].staging[slot];
  }
  const HeldData *hold(uint32_t program, const pcx_data_t &data,
                       std::span<const uint32_t> order, int64_t first) override;
  unsigned mostCalls(uint32_t program) const override;
  void begin(const ProgramCall &call, unsigned slot) override;
  void finish(unsigned slot) override;
  void readStorage(uint32_t entry, void *dense) override;
  void writeStorage(uint32_t entry, const void *dense) override;
  void zeroStorage(uint32_t entry) override;
  void startProfile(uint32_t events) override;
  const pcx_profile_t &stopProfile() override;

private:
  /// One call, or burst, runs while the next one is prepared.
  static constexpr unsigned slotCount = 2;
  /// Calls of a burst: what is done once for each burst is then little beside
  /// the calls. And launches, which a graph should not have without end.
  static constexpr unsigned mostBurst = 16, mostBurstLaunches = 512;

  struct Launch {
    cuda::Function function = nullptr;
    /// Blocks that a cooperative launch may have.
    uint32_t mostBlocks = 0;
    /// Addresses that it is passed by value, those for each call of a burst
    /// behind those of the call before.
    std::vector<Address> addresses;
  };
  struct Program {
    std::vector<Address> inputs, outputs;
    /// Outputs of one value lie together, `scalarBytes` for each call of a
    /// burst.
    Address scalarOutputs = 0;
    uint64_t scalarBytes = 0;
    std::vector<uint8_t> isScalar;
    /// One for each call of a burst: they differ in `scalarOutputs`.
    Address tables = 0;
    uint64_t tableBytes = 0;
    std::vector<Launch> launches;
    /// Of the last call; 0 before it.
    size_t launchesOfCall = 0;
    std::array<ProgramStaging, slotCount> staging;
    /// Of the staging: where its outputs of one value begin.
    std::array<std::byte *, slotCount> scalarStaging = {};
  };
  struct Slot {
    cuda::Event done = nullptr;
    std::byte *memory = nullptr;
    uint64_t *scalars = nullptr; ///< `scalarCapacity` of them
    bool busy = false;
    uint32_t program = 0;
  };
  /// A launch as the host's part asked for it, or the one that makes a batch:
  /// its index is the number of the others.
  struct Step {
    uint32_t launch;
    uint32_t call; ///< of the burst
    uint64_t firstScalar;
    bool operator==(const Step &) const = default;
  };
  /// Launches of a program at a batch size, recorded when they came twice.
  struct Recording {
    uint32_t program;
    unsigned count; ///< of calls
    int64_t n;
    const HeldData *held;
    std::vector<Step> steps;
    cuda::GraphExec exec = nullptr;
    uint64_t lastUse = 0;
  };
  /// A data set on the device.
  struct Resident {
    /// pcx_data_t::identity. Expired: nobody will ask for it any more.
    std::weak_ptr<const char> data;
    /// Of each column: sample 0, and the values of bytes or 0.
    std::vector<Address> rows, values;
    std::map<uint32_t, HeldData> held; ///< by the program
    std::vector<Address> memory;
    uint64_t bytes = 0;
  };
  /// The context belongs to the calling thread in a scope.
  class Scope {
  public:
    explicit Scope(const DeviceExecutor &executor) : driver(*executor.driver) {
      Result result = driver.cuCtxPushCurrent_v2(executor.context);
      if (result)
        executor.check(result, "cannot use its context");
    }
    ~Scope() {
      cuda::Context popped;
      driver.cuCtxPopCurrent_v2(&popped);
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

  private:
    const Driver &driver;
  };

  struct Unopened {};
  DeviceExecutor(const pcx_module_t &module, Unopened) : module(module) {}
  void open(const DeviceChoice &choice);
  void loadImage();
  void openProgram(uint32_t index);
  void openLaunch(const pcx_launch_t &info, const pcx_program_t &program,
                  Launch &launch);
  uint32_t blocksOf(const pcx_launch_t &info, const Launch &launch,
                    int64_t n) const;
  void openGather();
  void openStaging();

  Address
  allocate(uint64_t size, const std::string &purpose,
           const char *cure = "compile the model with a smaller --batch");
  void release(Address address);
  void *allocateHost(uint64_t size, const std::string &purpose);
  void reserveScalars(uint64_t count);

  // Data sets.
  Resident *keep(const pcx_data_t &data);
  Result copyColumn(const Column &column, int64_t samples, Resident &resident);
  Result copyUp(Resident &resident, uint64_t size, const void *from,
                Address &to);
  void drop(Resident &resident);
  Result describeInputs(Resident &resident, uint32_t program,
                        const pcx_data_t &data, HeldData &held);
  Result copyOrder(std::span<const uint32_t> samples);

  // What the host's part calls.
  static void append(void *self, const uint64_t *scalars, int64_t count);
  static int32_t launch(void *self, uint32_t index);
  void runHost(const ProgramCall &call);
  void runHostOnce(const ProgramCall &call, unsigned index);

  Result launchKernel(uint32_t program, const Step &step, int64_t n);
  Result launchGather(const HeldData &held, const Step &step, int64_t n);
  Result launchStep(uint32_t program, const Step &step, int64_t n,
                    const HeldData *held);
  void launchDirectly(const ProgramCall &call);
  void enqueue(const ProgramCall &call);
  bool record(Recording &recording);
  void forget(Recording &recording);
  /// Launches and waits: what runs at once cannot be told apart. `index` is the
  /// launch's, or their number for the batch.
  template <typename Enqueue>
  void profileLaunch(uint32_t program, uint32_t index, uint32_t blocks,
                     Enqueue enqueue);

  /// Throws Error with the device's name in front of `what`.
  void check(Result result, const char *what) const;
  /// After what a kernel did wrong: nothing will work any more. `launch` is the
  /// index of the launch, or -1 if it is not known. Throws Error.
  [[noreturn]] void stop(Result result, uint32_t program, int64_t launch);
  void requireWorking() const {
    if (!broken.empty())
      fail(PCX_ERROR_DEVICE, "this session is of no use any more: {}", broken);
  }
  void synchronise(uint32_t program);

  const pcx_module_t &module;
  std::unique_ptr<Driver> driver;
  std::string label = "no device"; ///< with the GPU's name
  cuda::Device device = 0;
  int arch = 0;             ///< compute capability times ten
  uint64_t sharedBytes = 0; ///< that a block can have
  cuda::Context context = nullptr;
  cuda::Stream stream = nullptr;
  cuda::Module kernels = nullptr;
  const pcx_image_t *image = nullptr;

  std::vector<Address> deviceMemory;
  std::vector<void *> hostMemory;
  uint64_t bytes = 0;
  std::vector<Address> storage;    ///< 0 for arrays of integers
  std::vector<Buffer> integers;    ///< those, dense
  std::vector<void *> hostStorage; ///< null for the others
  std::vector<Program> programs;
  std::array<Slot, slotCount> slotStates;

  Address scalars = 0;
  uint64_t scalarCapacity = 0;

  /// The artifact's kernel that makes batches. Null: it has none, or data sets
  /// are to stay with the host.
  cuda::Function gather = nullptr;
  std::list<Resident> residents;
  Address order = 0;
  uint64_t orderCapacity = 0;

  // The call, or burst, under preparation.
  std::vector<uint64_t> collected;
  /// What integers were before it.
  std::vector<std::byte> integersBefore;
  uint32_t currentCall = 0;
  uint64_t firstScalar = 0; ///< of the next launch
  std::vector<Step> steps;
  uint32_t current = 0;
  std::string hostError;

  std::vector<Recording> recordings;
  uint64_t uses = 0;
  bool canRecord = true;

  bool waitsForEach = false; ///< PCX_CUDA_SYNC
  std::string broken;

  /// Times of the launches of a program; the last entry is what makes batches.
  struct Totals {
    uint64_t calls = 0, samples = 0;
    double seconds = 0;
    std::vector<pcx_profile_stage_t> launches;
  };
  bool profiled = false;
  Clock::time_point profileBegin;
  cuda::Event launchBegin = nullptr, launchEnd = nullptr;
  std::vector<Totals> totals;
  std::vector<pcx_event_t> events; ///< a ring of `events.capacity()`
  uint64_t eventsKept = 0, eventsSeen = 0;
  std::vector<pcx_profile_program_t> profilePrograms;
  std::vector<std::vector<pcx_profile_kernel_t>> profileKernels;
  std::string profileText;
  pcx_profile_t profile = {};
};

} // namespace

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

void DeviceExecutor::check(Result result, const char *what) const {
  if (result)
    fail(PCX_ERROR_DEVICE, "{} on {}: {}", what, label,
         driver->describe(result));
}

void DeviceExecutor::stop(Result result, uint32_t program, int64_t launch) {
  const pcx_program_t &info = module.info().programs[program];
  const pcx_device_variant_t &variant = *plan(program);
  if (launch < 0 && variant.launch_count == 1)
    launch = 0;
  std::string what = "a kernel";
  if (launch == variant.launch_count) {
    what = fmt::format("kernel '{}'", PCX_GATHER_SYMBOL);
  } else if (launch >= 0) {
    what = fmt::format("kernel '{}'", variant.launches[launch].kernel);
    if (sharesKernel(variant, static_cast<uint32_t>(launch)))
      what += fmt::format(" (launch #{})", launch);
  }
  std::string why = driver->describe(result), cure;
  const char *fault = nullptr;
  if (driver->simulated && driver->pcxSimLastFault(&fault) == cuda::Success &&
      fault && *fault)
    why = fault;
  else if (launch < 0)
    cure = "; run again with PCX_CUDA_SYNC=1 in the environment to learn which";
  broken = fmt::format("{} of program '{}' of '{}' failed on {}: {}{}", what,
                       info.name, module.name, label, why, cure);
  throw Error(PCX_ERROR_DEVICE, broken);
}

void DeviceExecutor::synchronise(uint32_t program) {
  if (Result result = driver->cuStreamSynchronize(stream))
    stop(result, program, -1);
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

// Once the first constructor has ended, the destructor cleans up whatever the
// second one has got so far.
DeviceExecutor::DeviceExecutor(const pcx_module_t &module,
                               const DeviceChoice &choice)
    : DeviceExecutor(module, Unopened()) {
  open(choice);
}

DeviceExecutor::~DeviceExecutor() {
  // Nothing can be done about errors here, and after a fault there are many.
  if (!context)
    return;
  driver->cuCtxPushCurrent_v2(context);
  if (stream)
    driver->cuStreamSynchronize(stream);
  for (Recording &recording : recordings)
    forget(recording);
  for (cuda::Event event :
       {slotStates[0].done, slotStates[1].done, launchBegin, launchEnd})
    if (event)
      driver->cuEventDestroy_v2(event);
  for (void *memory : hostMemory)
    driver->cuMemFreeHost(memory);
  for (Address memory : deviceMemory)
    driver->cuMemFree_v2(memory);
  if (kernels)
    driver->cuModuleUnload(kernels);
  if (stream)
    driver->cuStreamDestroy_v2(stream);
  cuda::Context popped;
  driver->cuCtxPopCurrent_v2(&popped);
  driver->cuDevicePrimaryCtxRelease_v2(device);
}

void DeviceExecutor::open(const DeviceChoice &choice) {
  const pcx_artifact_t &info = module.info();
  bool simulated = choice.kind == DeviceKind::Simulated;
  if (!hasDeviceCode(info))
    fail(PCX_ERROR_DEVICE,
         "'{}' was compiled for the CPU only; compile with pcc --target=cuda{}",
         module.name, simulated ? " --gpu-arch=sim" : "");
  driver = std::make_unique<Driver>(simulated);
  label = simulated ? "sim" : fmt::format("cuda:{}", choice.index);
  int count = 0;
  Result result = driver->cuInit(0);
  if (result == cuda::Success)
    result = driver->cuDeviceGetCount(&count);
  if (result == cuda::NoDevice || (result == cuda::Success && count == 0))
    fail(PCX_ERROR_DEVICE,
         "there is no GPU on this machine that the CUDA driver can use; use "
         "--device=cpu, or see nvidia-smi and CUDA_VISIBLE_DEVICES");
  // What is wrong with a simulated one is wrong with the environment.
  const char *fault = nullptr;
  if (result && simulated && driver->pcxSimLastFault(&fault) == cuda::Success &&
      fault && *fault)
    fail(PCX_ERROR_ARGUMENT, "{}", fault);
  check(result, "the CUDA driver does not start");
  if (choice.index >= count)
    fail(PCX_ERROR_DEVICE,
         "there is no device '{}': this machine has {} {}, expected 'cuda:0'{}",
         label, count, count == 1 ? "GPU" : "GPUs",
         count == 1 ? "" : fmt::format(" to 'cuda:{}'", count - 1));
  check(driver->cuDeviceGet(&device, choice.index), "cannot open the device");
  char gpu[256] = "";
  check(driver->cuDeviceGetName(gpu, sizeof(gpu), device), "no name");
  if (!simulated)
    label = fmt::format("cuda:{} {}", choice.index, gpu);
  int major = 0, minor = 0;
  check(driver->cuDeviceGetAttribute(&major, cuda::DeviceMajor, device),
        "no architecture");
  check(driver->cuDeviceGetAttribute(&minor, cuda::DeviceMinor, device),
        "no architecture");
  arch = 10 * major + minor;
  int shared = 0;
  check(driver->cuDeviceGetAttribute(&shared, cuda::DeviceSharedBytesOptIn,
                                     device),
        "cannot tell its shared memory");
  sharedBytes = uint64_t(shared);
  const char *wait = getenv("PCX_CUDA_SYNC");
  waitsForEach = wait && *wait && std::string_view(wait) != "0";

  check(driver->cuDevicePrimaryCtxRetain(&context, device),
        "cannot make a context");
  Scope scope(*this);
  check(driver->cuStreamCreate(&stream, cuda::StreamNonBlocking),
        "cannot make a stream");
  for (Slot &slot : slotStates)
    check(driver->cuEventCreate(&slot.done, cuda::EventDisableTiming),
          "cannot make an event");
  loadImage();

  // Everything is zero but inputs and outputs, which are written before they
  // are read.
  for (uint32_t s = 0; s < info.storage_count; ++s) {
    const pcx_storage_t &entry = info.storage[s];
    std::string purpose =
        fmt::format("array '{}' of '{}'", entry.name, module.name);
    if (isOnDevice(entry.dtype)) {
      storage.push_back(allocate(denseBytes(entry), purpose,
                                 "use a device with more memory"));
      integers.emplace_back();
      hostStorage.push_back(nullptr);
      zeroStorage(s);
      continue;
    }
    storage.push_back(0);
    integers.emplace_back(denseBytes(entry), purpose);
    hostStorage.push_back(integers.back().data());
    bytes += integers.back().bytes();
  }
  programs.resize(info.program_count);
  for (uint32_t p = 0; p < info.program_count; ++p)
    if (plan(p))
      openProgram(p);
  openGather();
  openStaging();
  reserveScalars(512);
  check(driver->cuStreamSynchronize(stream), "cannot set the arrays up");
}

/// The most shared memory that a launch of a plan asks for.
static uint64_t sharedBytesOf(const pcx_artifact_t &info, uint32_t plan) {
  uint64_t most = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    if (program.device_count == 0)
      continue;
    const pcx_device_variant_t &variant = program.devices[plan];
    for (uint32_t l = 0; l < variant.launch_count; ++l)
      most = std::max<uint64_t>(most, variant.launches[l].shared_bytes);
  }
  return most;
}

/// Images for this device, the best first: those with launches that fit before
/// others, of which the first kernel that does not fit is then named; the
/// latest, which for the simulated device are all, with the most shared memory.
static std::vector<const pcx_image_t *> usableImages(const pcx_artifact_t &info,
                                                     bool simulated,
                                                     uint32_t arch,
                                                     uint64_t sharedBytes) {
  std::vector<const pcx_image_t *> usable;
  for (uint32_t i = 0; i < info.image_count; ++i) {
    const pcx_image_t &image = info.images[i];
    bool fits = image.exact ? image.arch == arch : image.arch <= arch;
    // Machine code is for one major architecture.
    if (image.kind == PCX_IMAGE_CUBIN)
      fits = fits && image.arch / 10 == arch / 10;
    if (fits && (image.kind == PCX_IMAGE_LLVM) == simulated)
      usable.push_back(&image);
  }
  auto rank = [&](const pcx_image_t *image) {
    uint64_t needed = sharedBytesOf(info, image->plan);
    return std::tuple(needed <= sharedBytes, image->arch, image->exact,
                      image->kind, needed);
  };
  std::sort(usable.begin(), usable.end(),
            [&](const pcx_image_t *a, const pcx_image_t *b) {
              return std::tuple(rank(a), b) > std::tuple(rank(b), a);
            });
  return usable;
}

void DeviceExecutor::loadImage() {
  const pcx_artifact_t &info = module.info();
  auto usable =
      usableImages(info, driver->simulated, uint32_t(arch), sharedBytes);
  if (usable.empty() && driver->simulated)
    fail(PCX_ERROR_DEVICE,
         "'{}' has no code for the simulated device, which runs LLVM IR for up "
         "to sm_{}: its images are {}; compile the model with --gpu-arch=sim",
         module.name, arch, describeImages(info));
  // The first that pcc writes code for.
  constexpr int oldest = 80;
  if (usable.empty())
    fail(PCX_ERROR_DEVICE,
         "'{}' has no code for {}, which is sm_{}: its images are {}; {}",
         module.name, label, arch, describeImages(info),
         arch < oldest ? fmt::format("use a GPU that is sm_{} or later", oldest)
                       : "compile the model without --gpu-arch, for all GPUs");
  std::string first;
  for (const pcx_image_t *candidate : usable) {
    char log[8192] = "";
    Result result;
    if (driver->simulated) {
      result = driver->pcxSimModuleLoad(&kernels, candidate->data,
                                        candidate->bytes, log, sizeof(log));
    } else {
      // Lines are kept where the artifact has them.
      int options[] = {cuda::JitErrorLog, cuda::JitErrorLogBytes,
                       cuda::JitLineInfo};
      void *values[] = {log, reinterpret_cast<void *>(sizeof(log)),
                        reinterpret_cast<void *>(1)};
      result = driver->cuModuleLoadDataEx(&kernels, candidate->data,
                                          std::size(options), options, values);
    }
    if (result == cuda::Success) {
      image = candidate;
      return;
    }
    kernels = nullptr;
    if (!first.empty())
      continue;
    int version = 0;
    driver->cuDriverGetVersion(&version);
    first =
        fmt::format("{}: {}, driver for CUDA {}.{}{}{}", imageName(*candidate),
                    driver->describe(result), version / 1000,
                    version % 1000 / 10, *log ? ": " : "", log);
  }
  fail(PCX_ERROR_DEVICE, "{} cannot load the kernels of '{}': {}", label,
       module.name, first);
}

/// The kernel that makes batches, if the artifact has it.
void DeviceExecutor::openGather() {
  const char *given = getenv("PCX_DEVICE_DATA");
  std::string_view place = given ? given : "";
  if (place == "host")
    return;
  if (!place.empty() && place != "device")
    fail(PCX_ERROR_ARGUMENT,
         "PCX_DEVICE_DATA is '{}' in the environment, expected 'host' or "
         "'device' for where data sets are to be",
         place);
  Result result =
      driver->cuModuleGetFunction(&gather, kernels, PCX_GATHER_SYMBOL);
  if (result == cuda::NotFound) {
    gather = nullptr;
    return;
  }
  check(result, "cannot find a kernel");
}

void DeviceExecutor::release(Address address) {
  auto found = std::find(deviceMemory.begin(), deviceMemory.end(), address);
  deviceMemory.erase(found);
  check(driver->cuMemFree_v2(address), "cannot give memory back");
}

Address DeviceExecutor::allocate(uint64_t size, const std::string &purpose,
                                 const char *cure) {
  Address address = 0;
  Result result = driver->cuMemAlloc_v2(&address, std::max<uint64_t>(size, 1));
  if (result == cuda::OutOfMemory) {
    size_t free = 0, total = 0;
    driver->cuMemGetInfo_v2(&free, &total);
    fail(PCX_ERROR_MEMORY,
         "no memory left on {} for {}: {} bytes are needed, {} of {} are free; "
         "{}",
         label, purpose, size, free, total, cure);
  }
  check(result, "cannot allocate memory");
  deviceMemory.push_back(address);
  bytes += size;
  return address;
}

void *DeviceExecutor::allocateHost(uint64_t size, const std::string &purpose) {
  void *memory = nullptr;
  Result result =
      driver->cuMemHostAlloc(&memory, std::max<uint64_t>(size, 1), 0);
  if (result == cuda::OutOfMemory)
    fail(PCX_ERROR_MEMORY,
         "cannot allocate {} bytes of page-locked memory for "
         "{}",
         size, purpose);
  check(result, "cannot allocate page-locked memory");
  hostMemory.push_back(memory);
  bytes += size;
  return memory;
}

uint32_t DeviceExecutor::blocksOf(const pcx_launch_t &info,
                                  const Launch &launch, int64_t n) const {
  uint64_t blocks = info.blocks;
  if (info.samples_per_block)
    blocks =
        (uint64_t(n) + info.samples_per_block - 1) / info.samples_per_block;
  blocks = roundUp(blocks, info.cluster);
  if (info.cooperative)
    blocks = std::min<uint64_t>(blocks, launch.mostBlocks);
  return uint32_t(blocks);
}

void DeviceExecutor::openLaunch(const pcx_launch_t &info,
                                const pcx_program_t &program, Launch &launch) {
  Result result =
      driver->cuModuleGetFunction(&launch.function, kernels, info.kernel);
  if (result == cuda::NotFound)
    fail(PCX_ERROR_FORMAT,
         "'{}' has no kernel '{}' of program '{}' in its image '{}'; compile "
         "the model again",
         module.name, info.kernel, program.name, imageName(*image));
  check(result, "cannot find a kernel");
  auto attribute = [&](int which) {
    int value = 0;
    check(driver->cuFuncGetAttribute(&value, which, launch.function),
          "cannot look at a kernel");
    return uint64_t(value);
  };
  int processors = 0;
  check(driver->cuDeviceGetAttribute(&processors, cuda::DeviceMultiprocessors,
                                     device),
        "cannot count multiprocessors");
  uint64_t needed =
      attribute(cuda::FunctionSharedBytes) + uint64_t(info.shared_bytes);
  if (needed > sharedBytes)
    fail(PCX_ERROR_DEVICE,
         "kernel '{}' of program '{}' of '{}' needs {} bytes of shared memory, "
         "but a block has at most {} on {}; compile the model without "
         "--gpu-arch, for all GPUs, or with --gpu-strategy=graph",
         info.kernel, program.name, module.name, needed, sharedBytes, label);
  if (info.threads > attribute(cuda::FunctionMaxThreads))
    fail(PCX_ERROR_DEVICE,
         "kernel '{}' of program '{}' of '{}' has blocks of {} threads, but "
         "with its registers {} runs at most {}; compile the model with "
         "--gpu-arch=sm_{}",
         info.kernel, program.name, module.name, info.threads, label,
         attribute(cuda::FunctionMaxThreads), arch);
  // What a block gets without being asked for; the attribute is of the kernel,
  // which other launches use as well.
  constexpr uint64_t withoutAsking = 48 * 1024;
  if (needed > withoutAsking &&
      attribute(cuda::FunctionMaxDynamicSharedBytes) < info.shared_bytes)
    check(driver->cuFuncSetAttribute(launch.function,
                                     cuda::FunctionMaxDynamicSharedBytes,
                                     int(info.shared_bytes)),
          "cannot get shared memory");
  if (info.cluster > 1) {
    constexpr uint32_t portableCluster = 8;
    if (!driver->cuLaunchKernelEx || arch < 90)
      fail(PCX_ERROR_DEVICE,
           "kernel '{}' of program '{}' of '{}' runs in clusters, which {} has "
           "not; compile the model with --gpu-arch=sm_{}",
           info.kernel, program.name, module.name, label, arch);
    if (info.cluster > portableCluster)
      check(driver->cuFuncSetAttribute(launch.function,
                                       cuda::FunctionNonPortableClusters, 1),
            "cannot get large clusters");
  }
  if (!info.cooperative)
    return;
  int blocks = 0;
  if (info.cluster > 1) {
    cuda::LaunchAttribute attributes[1] = {};
    attributes[0].id = cuda::LaunchAttribute::ClusterDimension;
    attributes[0].value.cluster = {info.cluster, 1, 1};
    cuda::LaunchConfig config = {
        info.cluster, 1,          1, info.threads, 1, 1, info.shared_bytes,
        stream,       attributes, 1};
    int clusters = 0;
    check(driver->cuOccupancyMaxActiveClusters(&clusters, launch.function,
                                               &config),
          "cannot tell how many clusters fit");
    launch.mostBlocks = uint32_t(clusters) * info.cluster;
  } else {
    check(driver->cuOccupancyMaxActiveBlocksPerMultiprocessor(
              &blocks, launch.function, int(info.threads), info.shared_bytes),
          "cannot tell how many blocks fit");
    launch.mostBlocks = uint32_t(blocks) * uint32_t(processors);
  }
  if (launch.mostBlocks == 0)
    fail(PCX_ERROR_DEVICE,
         "kernel '{}' of program '{}' of '{}' waits for its blocks, but no "
         "block of {} threads and {} bytes of shared memory fits on {}",
         info.kernel, program.name, module.name, info.threads, needed, label);
}

void DeviceExecutor::openProgram(uint32_t index) {
  const pcx_artifact_t &info = module.info();
  const pcx_program_t &program = info.programs[index];
  const pcx_device_variant_t &variant = *plan(index);
  Program &own = programs[index];
  auto bytesOf = [&](const pcx_port_t &port) {
    return denseBytes(port) * uint64_t(port.per_sample ? info.max_batch : 1);
  };
  auto purpose = [&](const char *what, const char *name) {
    return fmt::format("{} '{}' of program '{}' of '{}'", what, name,
                       program.name, module.name);
  };
  for (uint32_t i = 0; i < program.input_count; ++i)
    own.inputs.push_back(allocate(bytesOf(program.inputs[i]),
                                  purpose("input", program.inputs[i].name)));
  for (uint32_t i = 0; i < program.output_count; ++i) {
    own.isScalar.push_back(isScalar(program.outputs[i]));
    if (own.isScalar.back())
      own.scalarBytes += PCX_DEVICE_ALIGNMENT;
  }
  if (own.scalarBytes)
    own.scalarOutputs =
        allocate(mostBurst * own.scalarBytes,
                 fmt::format("the numbers that program '{}' of '{}' reports",
                             program.name, module.name));
  Address next = own.scalarOutputs;
  for (uint32_t i = 0; i < program.output_count; ++i) {
    const pcx_port_t &port = program.outputs[i];
    if (own.isScalar[i]) {
      own.outputs.push_back(next);
      next += PCX_DEVICE_ALIGNMENT;
    } else {
      own.outputs.push_back(
          allocate(bytesOf(port), purpose("output", port.name)));
    }
  }

  own.launches.resize(variant.launch_count);
  uint32_t mostBlocks = 0;
  for (uint32_t l = 0; l < variant.launch_count; ++l) {
    openLaunch(variant.launches[l], program, own.launches[l]);
    mostBlocks =
        std::max(mostBlocks, blocksOf(variant.launches[l], own.launches[l],
                                      info.max_batch));
  }
  // Of its own, as what a program leaves there it may look for the next time.
  uint64_t workspaceBytes =
      variant.workspace_bytes + variant.block_bytes * mostBlocks;
  Address workspace = 0;
  if (workspaceBytes) {
    workspace = allocate(workspaceBytes,
                         fmt::format("the workspace of program '{}' of '{}'",
                                     program.name, module.name));
    check(driver->cuMemsetD8Async(workspace, 0, workspaceBytes, stream),
          "cannot clear the workspace");
  }

  std::vector<Address> tables;
  for (unsigned call = 0; call < mostBurst; ++call) {
    size_t first = tables.size();
    tables.insert(tables.end(), own.inputs.begin(), own.inputs.end());
    for (uint32_t i = 0; i < program.output_count; ++i)
      tables.push_back(own.outputs[i] +
                       (own.isScalar[i] ? call * own.scalarBytes : 0));
    tables.insert(tables.end(), storage.begin(), storage.end());
    tables.push_back(workspace);
    for (uint32_t l = 0; l < variant.launch_count; ++l)
      for (uint32_t i = 0; i < variant.launches[l].address_count; ++i) {
        const pcx_address_t &address = variant.launches[l].addresses[i];
        own.launches[l].addresses.push_back(tables[first + address.array] +
                                            address.offset);
      }
  }
  uint64_t size = tables.size() * sizeof(Address);
  own.tableBytes = size / mostBurst;
  own.tables =
      allocate(size, fmt::format("the tables of program '{}'", program.name));
  check(driver->cuMemcpyHtoDAsync_v2(own.tables, tables.data(), size, stream),
        "cannot copy a table");
  check(driver->cuStreamSynchronize(stream), "cannot copy a table");
}

/// Page-locked memory of each slot: programs run one after another and share
/// it.
void DeviceExecutor::openStaging() {
  const pcx_artifact_t &info = module.info();
  auto bytesOf = [&](const pcx_port_t &port) {
    uint64_t rows = port.per_sample ? uint64_t(info.max_batch) : 1;
    return roundUp(denseBytes(port) * rows, PCX_DEVICE_ALIGNMENT);
  };
  uint64_t most = 0;
  for (uint32_t p = 0; p < info.program_count; ++p) {
    const pcx_program_t &program = info.programs[p];
    uint64_t size = 0;
    for (uint32_t i = 0; i < program.input_count; ++i)
      size += bytesOf(program.inputs[i]);
    for (uint32_t i = 0; i < program.output_count; ++i)
      size += bytesOf(program.outputs[i]);
    size += (mostBurst - 1) * programs[p].scalarBytes;
    most = std::max(most, size);
  }
  for (unsigned s = 0; s < slotCount; ++s) {
    std::byte *memory = static_cast<std::byte *>(allocateHost(
        most, fmt::format("inputs and outputs of '{}'", module.name)));
    slotStates[s].memory = memory;
    for (uint32_t p = 0; p < info.program_count; ++p) {
      const pcx_program_t &program = info.programs[p];
      Program &own = programs[p];
      ProgramStaging &places = own.staging[s];
      std::byte *next = memory;
      for (uint32_t i = 0; i < program.input_count; ++i) {
        places.inputs.push_back(next);
        next += bytesOf(program.inputs[i]);
      }
      // As they lie on the device.
      own.scalarStaging[s] = next;
      std::byte *scalar = next;
      next += mostBurst * own.scalarBytes;
      places.callStride = own.scalarBytes;
      for (uint32_t i = 0; i < program.output_count; ++i) {
        if (plan(p) && own.isScalar[i]) {
          places.outputs.push_back(scalar);
          scalar += PCX_DEVICE_ALIGNMENT;
          continue;
        }
        places.outputs.push_back(next);
        next += bytesOf(program.outputs[i]);
      }
    }
  }
}

/// Makes room for the scalars of a call. Recordings have the old address.
void DeviceExecutor::reserveScalars(uint64_t count) {
  if (count <= scalarCapacity)
    return;
  for (Recording &recording : recordings)
    forget(recording);
  uint64_t capacity = std::max(count, 2 * scalarCapacity);
  std::string purpose = fmt::format("scalars of '{}'", module.name);
  // The old ones may be in use; they are few, and go with the session.
  scalars = allocate(capacity * sizeof(uint64_t), purpose);
  for (Slot &slot : slotStates)
    slot.scalars = static_cast<uint64_t *>(
        allocateHost(capacity * sizeof(uint64_t), purpose));
  scalarCapacity = capacity;
}

//===----------------------------------------------------------------------===//
// Data sets
//===----------------------------------------------------------------------===//

/// Allocates `size` bytes for a data set and fills them.
Result DeviceExecutor::copyUp(Resident &resident, uint64_t size,
                              const void *from, Address &to) {
  if (Result result = driver->cuMemAlloc_v2(&to, size))
    return result;
  deviceMemory.push_back(to);
  resident.memory.push_back(to);
  bytes += size;
  resident.bytes += size;
  if (!from)
    return cuda::Success;
  return driver->cuMemcpyHtoDAsync_v2(to, from, size, stream);
}

/// Bytes of a column on the device: as it is with the host, but class indices
/// are int32_t, and floats that change are what they become.
static uint64_t residentBytes(const Column &column, int64_t samples) {
  if (!column.perSample)
    return 0;
  uint64_t row = column.sourceBytes;
  if (column.encoding == PCX_ENCODE_ONE_HOT)
    row = sizeof(int32_t);
  else if (column.encoding == PCX_ENCODE_AFFINE && column.sourceDtype != PCX_U8)
    row = column.rowBytes;
  return row * uint64_t(samples);
}

Result DeviceExecutor::copyColumn(const Column &column, int64_t samples,
                                  Resident &resident) {
  Address &rows = resident.rows.emplace_back(0);
  Address &values = resident.values.emplace_back(0);
  if (!column.perSample)
    return cuda::Success;
  uint64_t size = residentBytes(column, samples);
  if (column.encoding == PCX_ENCODE_ONE_HOT) {
    std::vector<int32_t> classes(static_cast<size_t>(samples));
    for (int64_t sample = 0; sample < samples; ++sample)
      classes[size_t(sample)] = int32_t(column.classOf(sample));
    Result result = copyUp(resident, size, classes.data(), rows);
    return result ? result : driver->cuStreamSynchronize(stream);
  }
  if (column.encoding == PCX_ENCODE_NONE)
    return copyUp(resident, size, column.data, rows);
  if (column.sourceDtype == PCX_U8) {
    const void *table = column.tableF32.data();
    if (column.dtype == PCX_F64)
      table = column.tableF64.data();
    Result result = copyUp(resident, size, column.data, rows);
    return result ? result
                  : copyUp(resident, 256 * dtypeBytes(column.dtype), table,
                           values);
  }
  // Computed here, by what makes batches on the host.
  Result result = copyUp(resident, size, nullptr, rows);
  constexpr uint64_t chunkBytes = 1 << 20;
  int64_t chunk = std::max<int64_t>(1, int64_t(chunkBytes / column.rowBytes));
  std::vector<std::byte> made(uint64_t(std::min(chunk, samples)) *
                              column.rowBytes);
  for (int64_t first = 0; first < samples && !result; first += chunk) {
    int64_t count = std::min(chunk, samples - first);
    column.gather(nullptr, first, 0, count, made.data());
    result = driver->cuMemcpyHtoDAsync_v2(
        rows + uint64_t(first) * column.rowBytes, made.data(),
        uint64_t(count) * column.rowBytes, stream);
    if (!result)
      result = driver->cuStreamSynchronize(stream);
  }
  return result;
}

/// Gives the memory of a data set back.
void DeviceExecutor::drop(Resident &resident) {
  for (auto &[program, held] : resident.held)
    std::erase_if(recordings, [&](Recording &recording) {
      bool gone = recording.held == &held;
      if (gone)
        forget(recording);
      return gone;
    });
  for (Address address : std::exchange(resident.memory, {}))
    release(address);
  bytes -= resident.bytes;
}

/// The data set on the device, copied if it is not there yet. Null if there is
/// no room.
DeviceExecutor::Resident *DeviceExecutor::keep(const pcx_data_t &data) {
  auto isData = [&](const Resident &resident) {
    return resident.data.lock() == data.identity;
  };
  auto found = std::find_if(residents.begin(), residents.end(), isData);
  if (found != residents.end())
    return &*found;
  std::erase_if(residents, [&](Resident &resident) {
    bool gone = resident.data.expired();
    if (gone)
      drop(resident);
    return gone;
  });
  // Something is left for other sessions and for what the driver needs.
  constexpr uint64_t keptFree = 16;
  uint64_t needed = 0;
  for (const Column &column : data.columns)
    needed += residentBytes(column, data.samples);
  size_t free = 0, total = 0;
  check(driver->cuMemGetInfo_v2(&free, &total), "cannot tell its free memory");
  if (needed > free || free - needed < total / keptFree)
    return nullptr;
  Resident &made = residents.emplace_back();
  made.data = data.identity;
  Result result = cuda::Success;
  for (const Column &column : data.columns)
    if (!result)
      result = copyColumn(column, data.samples, made);
  if (!result)
    result = driver->cuStreamSynchronize(stream);
  if (!result)
    return &made;
  drop(made);
  residents.pop_back();
  if (result != cuda::OutOfMemory)
    check(result, "cannot copy a data set");
  return nullptr;
}

/// How a column's rows become those of a batch.
static pcx_gather_form_t formOf(const Column &column) {
  bool wide = column.dtype == PCX_F64;
  if (column.encoding == PCX_ENCODE_ONE_HOT)
    return wide ? PCX_GATHER_CLASS_8 : PCX_GATHER_CLASS_4;
  if (column.encoding == PCX_ENCODE_AFFINE && column.sourceDtype == PCX_U8)
    return wide ? PCX_GATHER_LOOKUP_8 : PCX_GATHER_LOOKUP_4;
  if (column.rowBytes % 16 == 0)
    return PCX_GATHER_COPY_16;
  return column.rowBytes % 4 == 0 ? PCX_GATHER_COPY_4 : PCX_GATHER_COPY_1;
}

/// Units or elements of a row of a batch.
static int64_t unitsOf(const Column &column, pcx_gather_form_t form) {
  switch (form) {
  case PCX_GATHER_COPY_1:
    return int64_t(column.rowBytes);
  case PCX_GATHER_COPY_4:
    return int64_t(column.rowBytes / 4);
  case PCX_GATHER_COPY_16:
    return int64_t(column.rowBytes / 16);
  default:
    return column.elements;
  }
}

/// Tells the kernel of the program's inputs.
Result DeviceExecutor::describeInputs(Resident &resident, uint32_t program,
                                      const pcx_data_t &data, HeldData &held) {
  const pcx_program_t &info = module.info().programs[program];
  std::vector<pcx_gather_t> inputs;
  for (uint32_t i = 0; i < info.input_count; ++i) {
    const Column &column = data.columnFor(info.inputs[i], info);
    if (!column.perSample)
      continue;
    size_t index = size_t(&column - data.columns.data());
    pcx_gather_form_t form = formOf(column);
    inputs.push_back({resident.rows[index], programs[program].inputs[i],
                      resident.values[index], unitsOf(column, form), form});
  }
  held.inputCount = uint32_t(inputs.size());
  Result result = copyUp(resident, inputs.size() * sizeof(pcx_gather_t),
                         inputs.data(), held.inputs);
  return result ? result : driver->cuStreamSynchronize(stream);
}

Result DeviceExecutor::copyOrder(std::span<const uint32_t> samples) {
  if (samples.size() > orderCapacity) {
    if (order)
      release(order);
    bytes -= orderCapacity * sizeof(uint32_t);
    order = 0;
    orderCapacity = 0;
    if (Result result = driver->cuMemAlloc_v2(&order, samples.size_bytes())) {
      order = 0;
      return result;
    }
    deviceMemory.push_back(order);
    orderCapacity = samples.size();
    bytes += samples.size_bytes();
  }
  return driver->cuMemcpyHtoDAsync_v2(order, samples.data(),
                                      samples.size_bytes(), stream);
}

const HeldData *DeviceExecutor::hold(uint32_t program, const pcx_data_t &data,
                                     std::span<const uint32_t> samples,
                                     int64_t first) {
  requireWorking();
  const pcx_program_t &info = module.info().programs[program];
  bool perSample =
      std::any_of(info.inputs, info.inputs + info.input_count,
                  [](const pcx_port_t &port) { return port.per_sample != 0; });
  if (!gather || !perSample)
    return nullptr;
  Scope scope(*this);
  Resident *resident = keep(data);
  if (!resident)
    return nullptr;
  auto fits = [&](Result result) {
    if (result != cuda::OutOfMemory)
      check(result, "cannot copy a data set");
    return result == cuda::Success;
  };
  auto [entry, inserted] = resident->held.try_emplace(program);
  HeldData &held = entry->second;
  if (inserted && !fits(describeInputs(*resident, program, data, held))) {
    resident->held.erase(entry);
    return nullptr;
  }
  if (!samples.empty() && !fits(copyOrder(samples)))
    return nullptr;
  held.order = samples.empty() ? 0 : order;
  held.first = samples.empty() ? 0 : first;
  return &held;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

void DeviceExecutor::requireCode(uint32_t program) const {
  const pcx_program_t &info = module.info().programs[program];
  if (!plan(program))
    fail(PCX_ERROR_DEVICE,
         "program '{}' of '{}' was compiled for the CPU only; compile with pcc "
         "--target=cuda",
         info.name, module.name);
}

// Exceptions must not pass through the host's part.
void DeviceExecutor::append(void *self, const uint64_t *scalars,
                            int64_t count) {
  auto &executor = *static_cast<DeviceExecutor *>(self);
  try {
    executor.collected.insert(executor.collected.end(), scalars,
                              scalars + count);
  } catch (const std::bad_alloc &) {
    executor.hostError = "out of memory";
  }
}

int32_t DeviceExecutor::launch(void *self, uint32_t index) {
  constexpr int32_t failed = -1;
  auto &executor = *static_cast<DeviceExecutor *>(self);
  try {
    uint32_t count = executor.plan(executor.current)->launch_count;
    if (index >= count)
      executor.hostError =
          fmt::format("it asks for launch {} of {}", index, count);
    if (!executor.hostError.empty())
      return failed;
    executor.steps.push_back(
        {index, executor.currentCall, executor.firstScalar});
    executor.firstScalar = executor.collected.size();
    return PCX_RUN_OK;
  } catch (const std::bad_alloc &) {
    executor.hostError = "out of memory";
    return failed;
  }
}

/// Collects launches and scalars of a call, or of a burst of them. Throws Error
/// as if none had happened.
void DeviceExecutor::runHost(const ProgramCall &call) {
  collected.clear();
  steps.clear();
  integersBefore.clear();
  for (const Buffer &array : integers)
    integersBefore.insert(integersBefore.end(), array.data(),
                          array.data() + array.bytes());
  try {
    for (unsigned index = 0; index < call.count; ++index)
      runHostOnce(call, index);
    reserveScalars(collected.size());
  } catch (...) {
    const std::byte *before = integersBefore.data();
    for (Buffer &array : integers) {
      std::copy_n(before, array.bytes(), array.data());
      before += array.bytes();
    }
    throw;
  }
  programs[call.program].launchesOfCall = steps.size() / call.count;
}

void DeviceExecutor::runHostOnce(const ProgramCall &call, unsigned index) {
  const pcx_program_t &program = module.info().programs[call.program];
  const pcx_device_variant_t &variant = *plan(call.program);
  if (call.held) {
    steps.push_back({variant.launch_count, index, collected.size()});
    int64_t position = call.position - call.held->first + index * call.n;
    collected.insert(collected.end(), {call.held->order, uint64_t(position)});
  }
  firstScalar = collected.size();
  current = call.program;
  currentCall = index;
  hostError.clear();
  pcx_device_host_t host = {};
  host.struct_size = sizeof(host);
  host.self = this;
  host.append = append;
  host.launch = launch;
  pcx_device_args_t args = {};
  args.struct_size = sizeof(args);
  args.n = call.n;
  args.storage = hostStorage.data();
  args.hypers = call.hypers;
  args.host = &host;
  args.seed = call.counters.seed;
  args.call = call.counters.call + index;
  args.total_steps = call.counters.total_steps;
  args.epoch = call.counters.epoch;
  int32_t status = variant.run(&args);
  if (!hostError.empty())
    fail(PCX_ERROR_FORMAT,
         "the host's part of program '{}' of '{}' is wrong: {}; compile the "
         "model again",
         program.name, module.name, hostError);
  if (status)
    fail(PCX_ERROR_ARGUMENT,
         "program '{}' of '{}' refused a batch of {} with status {}",
         program.name, module.name, call.n, status);
}

Result DeviceExecutor::launchKernel(uint32_t program, const Step &step,
                                    int64_t n) {
  const pcx_launch_t &info = plan(program)->launches[step.launch];
  const Launch &own = programs[program].launches[step.launch];
  uint32_t blocks = blocksOf(info, own, n);
  Address table =
      programs[program].tables + step.call * programs[program].tableBytes;
  Address first = scalars + step.firstScalar * sizeof(uint64_t);
  void *parameters[] = {&table, &first, &n};
  // The driver copies what the kernel takes.
  if (info.address_count)
    parameters[0] = const_cast<Address *>(own.addresses.data() +
                                          step.call * info.address_count);
  if (info.cluster > 1) {
    cuda::LaunchAttribute attributes[2] = {};
    attributes[0].id = cuda::LaunchAttribute::ClusterDimension;
    attributes[0].value.cluster = {info.cluster, 1, 1};
    attributes[1].id = cuda::LaunchAttribute::Cooperative;
    attributes[1].value.cooperative = 1;
    cuda::LaunchConfig config = {blocks,
                                 1,
                                 1,
                                 info.threads,
                                 1,
                                 1,
                                 info.shared_bytes,
                                 stream,
                                 attributes,
                                 info.cooperative ? 2u : 1u};
    return driver->cuLaunchKernelEx(&config, own.function, parameters, nullptr);
  }
  if (info.cooperative)
    return driver->cuLaunchCooperativeKernel(
        own.function, blocks, 1, 1, info.threads, 1, 1, info.shared_bytes,
        stream, parameters);
  return driver->cuLaunchKernel(own.function, blocks, 1, 1, info.threads, 1, 1,
                                info.shared_bytes, stream, parameters, nullptr);
}

/// Blocks of each input.
static uint32_t gatherBlocks(int64_t n) {
  constexpr int64_t most = 1024;
  return uint32_t(std::min(n, most));
}

Result DeviceExecutor::launchGather(const HeldData &held, const Step &step,
                                    int64_t n) {
  Address inputs = held.inputs;
  Address first = scalars + step.firstScalar * sizeof(uint64_t);
  void *parameters[] = {&inputs, &first, &n};
  return driver->cuLaunchKernel(gather, gatherBlocks(n), held.inputCount, 1,
                                PCX_GATHER_THREADS, 1, 1, 0, stream, parameters,
                                nullptr);
}

Result DeviceExecutor::launchStep(uint32_t program, const Step &step, int64_t n,
                                  const HeldData *held) {
  uint32_t count = plan(program)->launch_count;
  return step.launch == count ? launchGather(*held, step, n)
                              : launchKernel(program, step, n);
}

void DeviceExecutor::launchDirectly(const ProgramCall &call) {
  const pcx_device_variant_t &variant = *plan(call.program);
  auto blocks = [&](uint32_t index) {
    return index == variant.launch_count
               ? gatherBlocks(call.n) * call.held->inputCount
               : blocksOf(variant.launches[index],
                          programs[call.program].launches[index], call.n);
  };
  for (const Step &step : steps) {
    auto enqueue = [&] {
      return launchStep(call.program, step, call.n, call.held);
    };
    if (profiled) {
      profileLaunch(call.program, step.launch, blocks(step.launch), enqueue);
      continue;
    }
    Result result = enqueue();
    if (result == cuda::Success && waitsForEach)
      result = driver->cuStreamSynchronize(stream);
    if (result)
      stop(result, call.program, step.launch);
  }
}

void DeviceExecutor::forget(Recording &recording) {
  if (recording.exec)
    driver->cuGraphExecDestroy(recording.exec);
  recording.exec = nullptr;
}

/// Records the launches of the call. False if this driver cannot.
bool DeviceExecutor::record(Recording &recording) {
  Result result =
      driver->cuStreamBeginCapture_v2(stream, cuda::captureThreadLocal);
  if (result)
    return false;
  for (const Step &step : steps)
    if (!result)
      result = launchStep(recording.program, step, recording.n, recording.held);
  cuda::Graph graph = nullptr;
  Result ended = driver->cuStreamEndCapture(stream, &graph);
  if (!result && !ended)
    result = driver->cuGraphInstantiateWithFlags(&recording.exec, graph, 0);
  if (graph)
    driver->cuGraphDestroy(graph);
  if (result || ended)
    recording.exec = nullptr;
  return recording.exec != nullptr;
}

void DeviceExecutor::enqueue(const ProgramCall &call) {
  // A single launch is not faster as a graph, with a batch before it or not.
  bool single = steps.size() < (call.held ? 3 : 2);
  if (!canRecord || profiled || waitsForEach || single)
    return launchDirectly(call);
  auto found = std::find_if(
      recordings.begin(), recordings.end(), [&](const Recording &recording) {
        return recording.program == call.program &&
               recording.count == call.count && recording.n == call.n &&
               recording.held == call.held;
      });
  if (found == recordings.end()) {
    // Batch sizes come and go; the one that was used last goes first.
    constexpr size_t mostRecordings = 16;
    if (recordings.size() < mostRecordings) {
      recordings.emplace_back();
      found = std::prev(recordings.end());
    } else {
      found = std::min_element(recordings.begin(), recordings.end(),
                               [](const Recording &a, const Recording &b) {
                                 return a.lastUse < b.lastUse;
                               });
      forget(*found);
    }
    *found = {call.program, call.count, call.n, call.held,
              steps,        nullptr,    ++uses};
    return launchDirectly(call);
  }
  found->lastUse = ++uses;
  // What comes once may not come again, and recording takes longer than to
  // launch.
  if (found->steps != steps) {
    forget(*found);
    found->steps = steps;
    return launchDirectly(call);
  }
  if (!found->exec && !record(*found)) {
    canRecord = false;
    return launchDirectly(call);
  }
  if (Result result = driver->cuGraphLaunch(found->exec, stream))
    stop(result, call.program, -1);
}

unsigned DeviceExecutor::mostCalls(uint32_t program) const {
  size_t launches = programs[program].launchesOfCall;
  if (!launches || profiled || waitsForEach)
    return 1;
  return unsigned(
      std::clamp<size_t>(mostBurstLaunches / launches, 1, mostBurst));
}

void DeviceExecutor::begin(const ProgramCall &call, unsigned slot) {
  requireCode(call.program);
  requireWorking();
  Scope scope(*this);
  auto start = Clock::now();
  const pcx_program_t &info = module.info().programs[call.program];
  Program &own = programs[call.program];
  Slot &place = slotStates[slot];
  runHost(call);

  auto rows = [&](const pcx_port_t &port) {
    return denseBytes(port) * uint64_t(port.per_sample ? call.n : 1);
  };
  auto enqueued = [&](Result result) {
    if (result)
      stop(result, call.program, -1);
  };
  for (uint32_t i = 0; i < info.input_count; ++i)
    if (!call.held || !info.inputs[i].per_sample)
      enqueued(driver->cuMemcpyHtoDAsync_v2(own.inputs[i], call.inputs[i],
                                            rows(info.inputs[i]), stream));
  if (!collected.empty()) {
    size_t size = collected.size() * sizeof(uint64_t);
    std::memcpy(place.scalars, collected.data(), size);
    enqueued(
        driver->cuMemcpyHtoDAsync_v2(scalars, place.scalars, size, stream));
  }
  enqueue(call);
  bool scalarWanted = false;
  for (uint32_t i = 0; i < info.output_count; ++i) {
    if (!call.wanted[i])
      continue;
    if (own.isScalar[i])
      scalarWanted = true;
    else
      enqueued(driver->cuMemcpyDtoHAsync_v2(own.staging[slot].outputs[i],
                                            own.outputs[i],
                                            rows(info.outputs[i]), stream));
  }
  if (scalarWanted)
    enqueued(
        driver->cuMemcpyDtoHAsync_v2(own.scalarStaging[slot], own.scalarOutputs,
                                     call.count * own.scalarBytes, stream));
  enqueued(driver->cuEventRecord(place.done, stream));
  place.busy = true;
  place.program = call.program;
  if (!profiled)
    return;
  synchronise(call.program);
  std::chrono::duration<double> seconds = Clock::now() - start;
  std::chrono::duration<double> since = start - profileBegin;
  Totals &total = totals[call.program];
  ++total.calls;
  total.samples += uint64_t(call.n);
  total.seconds += seconds.count();
  if (eventsKept)
    events[eventsSeen++ % eventsKept] = {
        since.count(), seconds.count(), PCX_EVENT_CALL, 0,
        call.program,  call.program,    call.n};
}

void DeviceExecutor::finish(unsigned slot) {
  Slot &place = slotStates[slot];
  if (!place.busy)
    return;
  requireWorking();
  place.busy = false;
  Scope scope(*this);
  if (Result result = driver->cuEventSynchronize(place.done))
    stop(result, place.program, -1);
}

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

void DeviceExecutor::readStorage(uint32_t entry, void *dense) {
  uint64_t size = denseBytes(module.info().storage[entry]);
  requireWorking();
  if (hostStorage[entry]) {
    std::memcpy(dense, hostStorage[entry], size);
    return;
  }
  Scope scope(*this);
  check(driver->cuMemcpyDtoHAsync_v2(dense, storage[entry], size, stream),
        "cannot read an array");
  check(driver->cuStreamSynchronize(stream), "cannot read an array");
}

void DeviceExecutor::writeStorage(uint32_t entry, const void *dense) {
  uint64_t size = denseBytes(module.info().storage[entry]);
  requireWorking();
  if (hostStorage[entry]) {
    std::memcpy(hostStorage[entry], dense, size);
    return;
  }
  Scope scope(*this);
  check(driver->cuMemcpyHtoDAsync_v2(storage[entry], dense, size, stream),
        "cannot write an array");
  check(driver->cuStreamSynchronize(stream), "cannot write an array");
}

void DeviceExecutor::zeroStorage(uint32_t entry) {
  uint64_t size = denseBytes(module.info().storage[entry]);
  requireWorking();
  if (hostStorage[entry]) {
    std::memset(hostStorage[entry], 0, size);
    return;
  }
  Scope scope(*this);
  check(driver->cuMemsetD8Async(storage[entry], 0, size, stream),
        "cannot clear an array");
}

//===----------------------------------------------------------------------===//
// Profile
//===----------------------------------------------------------------------===//

void DeviceExecutor::startProfile(uint32_t kept) {
  requireWorking();
  Scope scope(*this);
  for (cuda::Event *event : {&launchBegin, &launchEnd})
    if (!*event)
      check(driver->cuEventCreate(event, cuda::EventDefault),
            "cannot make an event");
  const pcx_artifact_t &info = module.info();
  totals.assign(info.program_count, {});
  for (uint32_t p = 0; p < info.program_count; ++p)
    if (const pcx_device_variant_t *variant = plan(p))
      totals[p].launches.resize(variant->launch_count + 1);
  events.assign(kept, {});
  eventsKept = kept;
  eventsSeen = 0;
  profilePrograms.clear();
  profileKernels.clear();
  profileText.clear();
  if (driver->simulated)
    driver->pcxSimReset();
  profiled = true;
  profileBegin = Clock::now();
}

template <typename Enqueue>
void DeviceExecutor::profileLaunch(uint32_t program, uint32_t index,
                                   uint32_t blocks, Enqueue enqueue) {
  std::chrono::duration<double> since = Clock::now() - profileBegin;
  Result result = driver->cuEventRecord(launchBegin, stream);
  if (!result)
    result = enqueue();
  if (!result)
    result = driver->cuEventRecord(launchEnd, stream);
  if (!result)
    result = driver->cuEventSynchronize(launchEnd);
  float milliseconds = 0;
  if (!result)
    result = driver->cuEventElapsedTime(&milliseconds, launchBegin, launchEnd);
  if (result)
    stop(result, program, index);
  double seconds = 1e-3 * double(milliseconds);
  pcx_profile_stage_t &total = totals[program].launches[index];
  ++total.runs;
  total.tasks += blocks;
  total.seconds += seconds;
  total.busy += seconds;
  total.busiest += seconds;
  if (eventsKept)
    events[eventsSeen++ % eventsKept] = {
        since.count(), seconds, PCX_EVENT_STAGE, 0,
        program,       index,   int64_t(blocks)};
}

const pcx_profile_t &DeviceExecutor::stopProfile() {
  std::chrono::duration<double> seconds = Clock::now() - profileBegin;
  profiled = false;
  for (uint32_t p = 0; p < totals.size(); ++p) {
    const pcx_device_variant_t *variant = plan(p);
    Totals &total = totals[p];
    std::vector<pcx_profile_kernel_t> &none = profileKernels.emplace_back();
    none.resize(variant ? variant->kernel_count : 0);
    profilePrograms.push_back(
        {total.calls, total.samples, total.seconds, 0, uint32_t(none.size()),
         none.data(), uint32_t(total.launches.size()), total.launches.data()});
  }
  uint64_t kept = std::min(eventsSeen, eventsKept);
  events.resize(kept);
  std::sort(events.begin(), events.end(),
            [](const pcx_event_t &a, const pcx_event_t &b) {
              return std::tuple(a.begin, a.kind) < std::tuple(b.begin, b.kind);
            });
  const char *text = nullptr;
  if (driver->simulated && driver->pcxSimReport(&text) == cuda::Success && text)
    profileText = text;
  profile = {sizeof(profile),        1,
             seconds.count(),        uint32_t(profilePrograms.size()),
             profilePrograms.data(), kept,
             events.data(),          eventsSeen - kept,
             profileText.c_str()};
  return profile;
}

std::unique_ptr<Executor> pcx::makeDeviceExecutor(const pcx_module_t &module,
                                                  const DeviceChoice &choice) {
  return std::make_unique<DeviceExecutor>(module, choice);
}
