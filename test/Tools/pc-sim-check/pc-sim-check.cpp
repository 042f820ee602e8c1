//===- pc-sim-check.cpp - Programs on the simulated device ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs every program of an artifact for both the CPU and devices on the CPU and
// on the simulated device, several times with the same random inputs, and
// compares outputs and persistent arrays after each run. Prints what it
// compared and what the device counted.
//
//===----------------------------------------------------------------------===//

#include "pc/Simulator/Simulator.h"
#include "pcx/pcx.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/Module.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

using namespace pc;
namespace cl = llvm::cl;

static cl::OptionCategory category("pc-sim-check options");
static cl::opt<std::string> path(cl::Positional, cl::Required,
                                 cl::desc("<artifact>"), cl::cat(category));
static cl::opt<double> tolerance(
    "tolerance",
    cl::desc("Largest difference, in units of an array's largest element"),
    cl::init(1e-5), cl::cat(category));
static cl::opt<double>
    leastCosine("cosine",
                cl::desc("Compare directions: the least cosine of outputs, and "
                         "of how persistent arrays have changed"),
                cl::init(-2), cl::cat(category));
static cl::opt<std::string>
    referencePath("reference", cl::value_desc("artifact"),
                  cl::desc("What runs on the CPU, instead of <artifact>"),
                  cl::cat(category));
static cl::opt<int> runs("runs", cl::desc("Runs of each program"), cl::init(2),
                         cl::cat(category));
static cl::list<std::string> settings("set",
                                      cl::desc("A hyper-parameter: NAME=VALUE"),
                                      cl::cat(category));
static cl::list<std::string> only("program", cl::desc("Only this program"),
                                  cl::cat(category));
static cl::opt<unsigned> mostBlocks("blocks",
                                    cl::desc("Most blocks of a launch"),
                                    cl::init(8), cl::cat(category));
static cl::opt<int>
    dropBarrier("drop-barrier",
                cl::desc("Leave this barrier out: the check should fail"),
                cl::init(-1), cl::cat(category));
static cl::opt<int>
    shiftStore("shift-store",
               cl::desc("Move this store to global memory by an element: the "
                        "check should fail"),
               cl::init(-1), cl::cat(category));
static cl::opt<double>
    planned("planned", cl::init(-1),
            cl::desc("Largest relative difference of the floating-point "
                     "operations and bytes counted from those planned"),
            cl::cat(category));
static cl::opt<bool> counts("counts", cl::desc("Print what the device counted"),
                            cl::cat(category));

/// Samples of a run; the last batch of several is not full.
static int64_t getBatch(int64_t largest, int run) {
  bool full = runs == 1 || run + 1 < runs || largest <= 3;
  return largest - (full ? 0 : 3);
}

[[noreturn]] static void fail(const llvm::Twine &message) {
  llvm::errs() << "pc-sim-check: error: " << message << "\n";
  std::exit(1);
}

static void check(pcx_status_t status) {
  if (status != PCX_OK)
    fail(pcx_last_error());
}

static size_t getElementBytes(uint32_t dtype) {
  return dtype == PCX_F64 || dtype == PCX_I64 ? 8 : dtype == PCX_U8 ? 1 : 4;
}

template <typename T>
static size_t countElements(const T &shape) {
  size_t count = 1;
  for (uint32_t d = 0; d < shape.rank; ++d)
    count *= shape.dims[d];
  return count;
}

static bool isInteger(const pcx_storage_t &entry) {
  return entry.dtype != PCX_F32 && entry.dtype != PCX_F64;
}

using Bytes = std::vector<char>;

namespace {
/// One program on the device.
class DeviceRun {
public:
  DeviceRun(sim::Device &device, const sim::Module &module,
            const pcx_artifact_t &artifact, const pcx_program_t &program,
            const pcx_device_variant_t &variant, pcx_session_t *session);
  ~DeviceRun() {
    for (void *array : arrays)
      device.release(array);
  }
  /// Runs it once on `n` samples.
  void run(int64_t n, const std::vector<Bytes> &inputs,
           const pcx_counters_t &counters);
  Bytes read(size_t index, size_t bytes) {
    Bytes data(bytes);
    if (!device.read(data.data(), table[index], bytes))
      fail("cannot read an array of the device");
    return data;
  }

  std::vector<Bytes> integers; ///< arrays of the host, by storage entry
  sim::Counters counters;
  std::vector<uint64_t> launches;
  /// Floating-point operations, and bytes of the device's memory.
  std::vector<std::pair<double, double>> perLaunch;

private:
  void *allocate(size_t bytes) {
    arrays.push_back(device.allocate(std::max<size_t>(bytes, 8)));
    return arrays.back();
  }
  void launch(uint32_t index);

  sim::Device &device;
  const sim::Module &module;
  const pcx_program_t &program;
  const pcx_device_variant_t &variant;
  std::vector<void *> arrays;
  std::vector<void *> table;
  void *deviceTable = nullptr;
  std::vector<uint64_t> scalars;
  std::vector<double> hypers;
  std::vector<void *> hostStorage;
  int64_t samples = 0;
};
} // namespace

DeviceRun::DeviceRun(sim::Device &device, const sim::Module &module,
                     const pcx_artifact_t &artifact,
                     const pcx_program_t &program,
                     const pcx_device_variant_t &variant,
                     pcx_session_t *session)
    : launches(variant.launch_count), perLaunch(variant.launch_count),
      device(device), module(module), program(program), variant(variant) {
  auto addPort = [&](const pcx_port_t &port) {
    size_t rows = port.per_sample ? artifact.max_batch : 1;
    table.push_back(
        allocate(rows * countElements(port) * getElementBytes(port.dtype)));
  };
  for (uint32_t i = 0; i < program.input_count; ++i)
    addPort(program.inputs[i]);
  for (uint32_t i = 0; i < program.output_count; ++i)
    addPort(program.outputs[i]);
  for (uint32_t s = 0; s < artifact.storage_count; ++s) {
    const pcx_storage_t &entry = artifact.storage[s];
    Bytes data(countElements(entry) * getElementBytes(entry.dtype));
    check(pcx_read_storage(session, entry.name, data.data(), data.size()));
    if (isInteger(entry)) {
      table.push_back(nullptr);
    } else {
      table.push_back(allocate(data.size()));
      device.write(table.back(), data.data(), data.size());
    }
    integers.push_back(std::move(data));
  }
  for (Bytes &data : integers)
    hostStorage.push_back(data.data());
  size_t bytes =
      variant.workspace_bytes +
      variant.block_bytes * std::max<size_t>(mostBlocks, artifact.max_batch);
  table.push_back(allocate(bytes));
  // Blocks find each other by a counter that is zero at first.
  device.fill(table.back(), 0, variant.workspace_bytes);
  deviceTable = allocate(table.size() * sizeof(void *));
  device.write(deviceTable, table.data(), table.size() * sizeof(void *));
  for (uint32_t h = 0; h < artifact.hyper_count; ++h)
    check(pcx_get_hyper(session, artifact.hypers[h].name,
                        &hypers.emplace_back()));
}

void DeviceRun::launch(uint32_t index) {
  const pcx_launch_t &launch = variant.launches[index];
  void *values = device.allocate(std::max<size_t>(scalars.size(), 1) * 8);
  device.write(values, scalars.data(), scalars.size() * 8);
  sim::LaunchConfig config;
  uint64_t blocks =
      launch.samples_per_block
          ? (samples + launch.samples_per_block - 1) / launch.samples_per_block
          : launch.blocks;
  config.grid.x = std::min<uint64_t>(blocks, mostBlocks);
  config.block.x = launch.threads;
  config.sharedBytes = launch.shared_bytes;
  config.cooperative = launch.cooperative;
  std::vector<char *> addresses;
  for (uint32_t i = 0; i < launch.address_count; ++i) {
    const pcx_address_t &address = launch.addresses[i];
    addresses.push_back(static_cast<char *>(table[address.array]) +
                        address.offset);
  }
  void *first =
      addresses.empty() ? static_cast<void *>(&deviceTable) : addresses.data();
  void *arguments[] = {first, &values, &samples};
  llvm::Expected<sim::LaunchResult> result =
      device.launch(module, launch.kernel, config, arguments);
  if (!result)
    fail(llvm::toString(result.takeError()));
  for (const sim::Fault &fault : result->faults)
    fail(fault.message);
  ++launches[index];
  perLaunch[index].first +=
      result->counters.flops + result->counters.matrixFlops;
  perLaunch[index].second +=
      result->counters.globalRead + result->counters.globalWritten;
  counters.flops += result->counters.flops + result->counters.matrixFlops;
  counters.globalRead += result->counters.globalRead;
  counters.globalWritten += result->counters.globalWritten;
  counters.sharedRead += result->counters.sharedRead;
  counters.sharedWritten += result->counters.sharedWritten;
  counters.bankConflicts += result->counters.bankConflicts;
  counters.sectors += result->counters.sectors;
  counters.leastSectors += result->counters.leastSectors;
  counters.barriers += result->counters.barriers;
  scalars.clear();
  device.release(values);
}

void DeviceRun::run(int64_t n, const std::vector<Bytes> &inputs,
                    const pcx_counters_t &runCounters) {
  samples = n;
  for (size_t i = 0; i < inputs.size(); ++i)
    device.write(table[i], inputs[i].data(), inputs[i].size());
  pcx_device_host_t host = {};
  host.struct_size = sizeof(host);
  host.self = this;
  host.append = [](void *self, const uint64_t *values, int64_t count) {
    auto &run = *static_cast<DeviceRun *>(self);
    run.scalars.insert(run.scalars.end(), values, values + count);
  };
  host.launch = [](void *self, uint32_t index) -> int32_t {
    static_cast<DeviceRun *>(self)->launch(index);
    return 0;
  };
  pcx_device_args_t args = {};
  args.struct_size = sizeof(args);
  args.n = n;
  args.storage = hostStorage.data();
  args.hypers = hypers.data();
  args.host = &host;
  args.seed = runCounters.seed;
  args.call = runCounters.call;
  args.total_steps = runCounters.total_steps;
  args.epoch = runCounters.epoch;
  if (int32_t status = variant.run(&args))
    fail("program '" + llvm::Twine(program.name) + "' returned " +
         llvm::Twine(status));
}

static double getValue(const Bytes &data, size_t offset, uint32_t dtype) {
  if (dtype == PCX_F32) {
    float number;
    std::memcpy(&number, &data[offset], 4);
    return number;
  }
  double number;
  std::memcpy(&number, &data[offset], 8);
  return number;
}

/// Cosine of the angle between how two arrays differ from `start`, or, if that
/// is empty, from zero; 1 if neither does.
static double compareDirections(const Bytes &start, const Bytes &expected,
                                const Bytes &found, uint32_t dtype) {
  if (dtype != PCX_F32 && dtype != PCX_F64)
    return expected == found ? 1 : -1;
  double ab = 0, aa = 0, bb = 0;
  for (size_t offset = 0; offset < expected.size();
       offset += getElementBytes(dtype)) {
    double from = start.empty() ? 0 : getValue(start, offset, dtype);
    double a = getValue(expected, offset, dtype) - from;
    double b = getValue(found, offset, dtype) - from;
    ab += a * b;
    aa += a * a;
    bb += b * b;
  }
  return aa == 0 && bb == 0 ? 1 : ab / std::sqrt(aa * bb);
}

/// Largest difference, in units of the largest element.
static double compare(const Bytes &expected, const Bytes &found,
                      uint32_t dtype) {
  if (dtype != PCX_F32 && dtype != PCX_F64)
    return expected == found ? 0 : 1;
  double most = 0, difference = 0;
  size_t size = getElementBytes(dtype);
  for (size_t offset = 0; offset < expected.size(); offset += size) {
    double a = getValue(expected, offset, dtype);
    double b = getValue(found, offset, dtype);
    if (!std::isfinite(a) || !std::isfinite(b))
      return std::isnan(a) == std::isnan(b) && (std::isnan(a) || a == b)
                 ? difference
                 : INFINITY;
    most = std::max(most, std::fabs(a));
    difference = std::max(difference, std::fabs(a - b));
  }
  return difference == 0 ? 0 : difference / std::max(most, 1e-6);
}

static uint32_t findProgram(const pcx_module_t *module, llvm::StringRef name) {
  const pcx_artifact_t &artifact = *pcx_module_info(module);
  for (uint32_t i = 0; i < artifact.program_count; ++i)
    if (name == artifact.programs[i].name)
      return i;
  fail("the reference has no program '" + name + "'");
}

static void checkProgram(sim::Device &device, const sim::Module &kernels,
                         const pcx_module_t *module,
                         const pcx_module_t *reference, uint32_t index,
                         uint32_t plan) {
  const pcx_artifact_t &artifact = *pcx_module_info(module);
  const pcx_program_t &program = artifact.programs[index];
  const pcx_device_variant_t &variant = program.devices[plan];
  pcx_session_options_t options = {};
  options.struct_size = sizeof(options);
  options.threads = 1;
  pcx_session_t *session = nullptr;
  check(pcx_session_create(reference, &options, &session));
  uint32_t onCPU = findProgram(reference, program.name);
  check(pcx_session_initialise(session, 7));
  pcx_counters_t counters = {};
  pcx_get_counters(session, &counters);
  counters.total_steps = 100;
  pcx_set_counters(session, &counters);
  for (const std::string &setting : settings) {
    auto [name, text] = llvm::StringRef(setting).split('=');
    double value = 0;
    if (text.getAsDouble(value))
      fail("--set takes NAME=VALUE, found '" + setting + "'");
    check(pcx_set_hyper(session, name.str().c_str(), value));
  }
  DeviceRun run(device, kernels, artifact, program, variant, session);

  std::mt19937_64 generator(index + 1);
  bool directions = leastCosine >= -1;
  double worst = directions ? 1 : 0;
  std::string where = "nothing";
  std::vector<Bytes> starts;
  auto readStorage = [&](const pcx_storage_t &entry) {
    Bytes data(countElements(entry) * getElementBytes(entry.dtype));
    check(pcx_read_storage(session, entry.name, data.data(), data.size()));
    return data;
  };
  for (uint32_t s = 0; s < artifact.storage_count; ++s)
    starts.push_back(readStorage(artifact.storage[s]));
  for (int r = 0; r < runs; ++r) {
    int64_t n = getBatch(artifact.max_batch, r);
    std::vector<Bytes> inputs, outputs;
    std::vector<pcx_array_t> given, made;
    auto bytesOf = [&](const pcx_port_t &port) {
      return (port.per_sample ? n : 1) * countElements(port) *
             getElementBytes(port.dtype);
    };
    for (uint32_t i = 0; i < program.input_count; ++i) {
      const pcx_port_t &port = program.inputs[i];
      Bytes data(bytesOf(port), 0);
      std::uniform_real_distribution<double> uniform(0, 1);
      for (size_t at = 0; at < data.size(); at += getElementBytes(port.dtype)) {
        double value = uniform(generator);
        float narrow = static_cast<float>(value);
        if (port.dtype == PCX_F64)
          std::memcpy(&data[at], &value, 8);
        else if (port.dtype == PCX_F32)
          std::memcpy(&data[at], &narrow, 4);
      }
      inputs.push_back(std::move(data));
    }
    for (uint32_t i = 0; i < program.output_count; ++i)
      outputs.emplace_back(bytesOf(program.outputs[i]));
    for (uint32_t i = 0; i < program.input_count; ++i)
      given.push_back(
          {inputs[i].data(), inputs[i].size(), program.inputs[i].dtype});
    for (uint32_t i = 0; i < program.output_count; ++i)
      made.push_back(
          {outputs[i].data(), outputs[i].size(), program.outputs[i].dtype});
    pcx_get_counters(session, &counters);
    check(pcx_run(session, onCPU, n, given.data(), given.size(), made.data(),
                  made.size()));
    run.run(n, inputs, counters);

    auto report = [&](const Bytes &start, const Bytes &expected,
                      const Bytes &found, uint32_t dtype, const char *name) {
      double value = directions
                         ? compareDirections(start, expected, found, dtype)
                         : compare(expected, found, dtype);
      if (directions ? !(value >= worst) : !(value <= worst)) {
        worst = value;
        where = name;
      }
    };
    for (uint32_t i = 0; i < program.output_count; ++i)
      report(Bytes(), outputs[i],
             run.read(program.input_count + i, outputs[i].size()),
             program.outputs[i].dtype, program.outputs[i].name);
    for (uint32_t s = 0; s < artifact.storage_count; ++s) {
      const pcx_storage_t &entry = artifact.storage[s];
      Bytes expected = readStorage(entry);
      Bytes found =
          isInteger(entry)
              ? run.integers[s]
              : run.read(program.input_count + program.output_count + s,
                         expected.size());
      report(starts[s], expected, found, entry.dtype, entry.name);
    }
  }
  bool good = directions ? worst >= leastCosine : worst <= tolerance;
  llvm::outs() << program.name << ": " << variant.strategy << ", "
               << variant.launch_count << " launches, " << variant.kernel_count
               << " kernels, " << (good ? "equal" : "DIFFERENT")
               << (directions ? ", least cosine " : ", largest difference ")
               << llvm::format(directions ? "%.6f" : "%.2g", worst) << " in "
               << where << "\n";
  double flopsOff = 0, bytesOff = 0;
  if (counts || planned >= 0) {
    // Of the last batch and those before it together.
    double flops = 0, bytes = 0, samples = 0;
    for (int r = 0; r < runs; ++r)
      samples += double(getBatch(artifact.max_batch, r));
    bool known = true;
    std::vector<std::pair<double, double>> plans(variant.launch_count);
    for (uint32_t l = 0; l < variant.launch_count; ++l) {
      double flopsBefore = flops, bytesBefore = bytes;
      for (uint32_t u = 0; u < variant.launches[l].use_count; ++u) {
        const pcx_kernel_use_t &use = variant.launches[l].uses[u];
        const pcx_kernel_info_t &kernel = variant.kernels[use.kernel];
        double times = use.calls * variant.launches[l].runs;
        // As often as the call says.
        known &= times != 0;
        flops += times *
                 (runs * kernel.flops_base + samples * kernel.flops_per_sample);
        bytes += times *
                 (runs * kernel.bytes_base + samples * kernel.bytes_per_sample);
      }
      plans[l] = {flops - flopsBefore, bytes - bytesBefore};
    }
    const sim::Counters &c = run.counters;
    if (known) {
      flopsOff = flops / double(c.flops) - 1;
      bytesOff = bytes / double(c.globalRead + c.globalWritten) - 1;
    }
    llvm::outs() << "  flops " << c.flops << " (planned "
                 << llvm::format("%.0f", flops) << "), global bytes "
                 << c.globalRead + c.globalWritten << " (planned "
                 << llvm::format("%.0f", bytes) << "), shared bytes "
                 << c.sharedRead + c.sharedWritten << ", bank conflicts "
                 << c.bankConflicts << ", sectors " << c.sectors << " (least "
                 << c.leastSectors << "), barriers " << c.barriers << "\n";
    if (variant.launch_count > 1)
      for (uint32_t l = 0; l < variant.launch_count; ++l)
        llvm::outs() << llvm::format(
            "  %-40s flops %.0f (planned %.0f), global "
            "bytes %.0f (planned %.0f)\n",
            variant.launches[l].kernel, run.perLaunch[l].first, plans[l].first,
            run.perLaunch[l].second, plans[l].second);
  }
  pcx_session_destroy(session);
  if (planned >= 0 &&
      std::max(std::fabs(flopsOff), std::fabs(bytesOff)) > planned)
    fail("program '" + llvm::Twine(program.name) +
         llvm::formatv(
             "' was planned with {0:p2} more floating-point operations "
             "and {1:p2} more bytes than counted",
             flopsOff, bytesOff)
             .str());
  if (!good)
    fail("'" + llvm::Twine(where) + "' of program '" +
         llvm::Twine(program.name) +
         (directions ? "' has a cosine below " : "' differs by more than ") +
         llvm::Twine(std::to_string(directions ? leastCosine : tolerance)));
}

/// Makes the mistake that the command line asks for. Returns the kernels.
static Bytes makeMistake(llvm::MemoryBufferRef source) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module =
      llvm::parseIR(source, diagnostic, context);
  if (!module)
    fail(diagnostic.getMessage());
  int barriers = 0, stores = 0;
  bool made = false;
  for (llvm::Function &function : *module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : llvm::make_early_inc_range(block)) {
        auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
        if (call &&
            call->getIntrinsicID() ==
                llvm::Intrinsic::nvvm_barrier_cta_sync_aligned_all &&
            barriers++ == dropBarrier) {
          call->eraseFromParent();
          made = true;
          continue;
        }
        auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction);
        if (!store || store->isAtomic() ||
            store->getPointerAddressSpace() != 1 || stores++ != shiftStore)
          continue;
        llvm::IRBuilder<> b(store);
        store->setOperand(
            1, b.CreateConstGEP1_32(store->getValueOperand()->getType(),
                                    store->getPointerOperand(), 1));
        made = true;
      }
  if (!made)
    fail("there are " + llvm::Twine(barriers) + " barriers and " +
         llvm::Twine(stores) + " stores");
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::WriteBitcodeToFile(*module, os);
  return Bytes(bytes.begin(), bytes.end());
}

/// Checks the programs of one plan, whose kernels are in `image`; returns how
/// many there were.
static unsigned checkPlan(const pcx_image_t &image, const pcx_module_t *module,
                          const pcx_module_t *reference) {
  sim::Device device;
  llvm::MemoryBufferRef source(
      llvm::StringRef(static_cast<const char *>(image.data), image.bytes),
      path);
  Bytes changed;
  if (dropBarrier >= 0 || shiftStore >= 0) {
    changed = makeMistake(source);
    source = llvm::MemoryBufferRef(
        llvm::StringRef(changed.data(), changed.size()), path);
  }
  llvm::Expected<std::unique_ptr<sim::Module>> kernels = device.load(source);
  if (!kernels)
    fail(llvm::toString(kernels.takeError()));
  unsigned compared = 0;
  const pcx_artifact_t &artifact = *pcx_module_info(module);
  for (uint32_t p = 0; p < artifact.program_count; ++p) {
    if (artifact.programs[p].device_count == 0 ||
        (!only.empty() &&
         llvm::find(only, artifact.programs[p].name) == only.end()))
      continue;
    checkProgram(device, **kernels, module, reference, p, image.plan);
    ++compared;
  }
  return compared;
}

int main(int argc, char **argv) {
  llvm::InitLLVM initialised(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "compares the simulated device with the CPU\n");
  pcx_module_t *module = nullptr;
  check(pcx_module_load(path.c_str(), &module));
  pcx_module_t *reference = module;
  if (!referencePath.empty())
    check(pcx_module_load(referencePath.c_str(), &reference));
  const pcx_artifact_t &artifact = *pcx_module_info(module);
  bool simulated = false;
  unsigned compared = 0;
  for (uint32_t i = 0; i < artifact.image_count; ++i) {
    const pcx_image_t &image = artifact.images[i];
    if (image.kind != PCX_IMAGE_LLVM)
      continue;
    simulated = true;
    compared += checkPlan(image, module, reference);
  }
  if (!simulated)
    fail("'" + path +
         "' has no kernels for the simulated device; compile with "
         "--target=cpu,cuda --gpu-arch=sim");
  if (!compared)
    fail("'" + path + "' has no program for devices");
  if (reference != module)
    pcx_module_destroy(reference);
  pcx_module_destroy(module);
  return 0;
}
