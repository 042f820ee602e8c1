//===- Module.cpp - A loaded artifact -------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Module.h"
#include "Artifact.h"
#include "CPU.h"
#include "Error.h"
#include "pcx/Support/Descriptors.h"
#include "pcx/Support/File.h"
#include "pcx/Support/Names.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>

using namespace pcx;

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// The artifact's file name without folders, fit for a file or memory name.
static std::string baseName(const std::string &name) {
  return name.substr(name.rfind('/') + 1).substr(0, 200);
}

/// A path of an open descriptor. The process id stands in it where /proc shows
/// our own ids, so that a debugger finds the file from outside.
static std::string descriptorPath(int descriptor) {
  std::string path = fmt::format("/proc/{}/fd/{}", getpid(), descriptor);
  struct stat ours, seen;
  if (fstat(descriptor, &ours) == 0 && stat(path.c_str(), &seen) == 0 &&
      ours.st_dev == seen.st_dev && ours.st_ino == seen.st_ino)
    return path;
  return fmt::format("/proc/self/fd/{}", descriptor);
}

LoadedObject::LoadedObject(std::span<const uint8_t> payload,
                           const std::string &name) {
  const char *folder = getenv("PCX_OBJECT_DIR");
  std::string path;
  if (folder && *folder) {
    path = fmt::format("{}/{}.XXXXXX", folder, baseName(name));
    descriptor = mkostemp(path.data(), O_CLOEXEC);
  } else {
    descriptor = memfd_create(baseName(name).c_str(), MFD_CLOEXEC);
    if (descriptor >= 0)
      path = descriptorPath(descriptor);
  }
  if (descriptor < 0)
    fail(PCX_ERROR_IO, "cannot load '{}': cannot make a copy{}{}: {}", name,
         folder ? " in PCX_OBJECT_DIR=" : "", folder ? folder : "",
         strerror(errno));

  std::string message;
  // The copy without the mark, which the linker would refuse.
  static constexpr char unmarked[4] = {};
  int error = writeAll(descriptor, payload.data(), PCX_IDENT_OFFSET);
  if (!error)
    error = writeAll(descriptor, unmarked, sizeof(unmarked));
  constexpr size_t rest = PCX_IDENT_OFFSET + sizeof(unmarked);
  if (!error)
    error = writeAll(descriptor, payload.data() + rest, payload.size() - rest);
  if (error)
    message = strerror(error);
  else
    message = openAt(path);
  if (!handle) {
    close(descriptor);
    fail(PCX_ERROR_FORMAT, "cannot load '{}': {}", name, message);
  }
}

std::string LoadedObject::openAt(const std::string &path) {
  // An object that refuses to be unloaded keeps its path; the linker would
  // return that one when the descriptor's number comes round again.
  if (void *stale = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)) {
    dlclose(stale);
    return fmt::format("an object stays loaded from '{}'", path);
  }
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  return handle ? "" : dlerror();
}

LoadedObject::~LoadedObject() {
  if (handle)
    dlclose(handle);
  if (descriptor >= 0)
    close(descriptor);
}

void *LoadedObject::symbol(const char *symbol) const {
  return dlsym(handle, symbol);
}

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

size_t pcx::dtypeBytes(uint32_t dtype) {
  switch (dtype) {
  case PCX_F32:
  case PCX_I32:
    return 4;
  case PCX_F64:
  case PCX_I64:
    return 8;
  case PCX_U8:
    return 1;
  }
  return 0;
}

const char *pcx::dtypeName(uint32_t dtype) {
  switch (dtype) {
  case PCX_F32:
    return "f32";
  case PCX_F64:
    return "f64";
  case PCX_I32:
    return "i32";
  case PCX_I64:
    return "i64";
  case PCX_U8:
    return "u8";
  }
  return "unknown";
}

std::string pcx::shapeName(const int64_t *dims, uint32_t rank) {
  return rank ? fmt::format("{}", fmt::join(dims, dims + rank, "x")) : "scalar";
}

template <typename Shaped>
static int64_t countElements(const Shaped &shaped) {
  int64_t count = 1;
  for (uint32_t d = 0; d < shaped.rank; ++d)
    count *= shaped.dims[d];
  return count;
}

int64_t pcx::elementCount(const pcx_port_t &port) {
  return countElements(port);
}
int64_t pcx::elementCount(const pcx_storage_t &storage) {
  return countElements(storage);
}
uint64_t pcx::denseBytes(const pcx_port_t &port) {
  return uint64_t(elementCount(port)) * dtypeBytes(port.dtype);
}
uint64_t pcx::denseBytes(const pcx_storage_t &storage) {
  return uint64_t(elementCount(storage)) * dtypeBytes(storage.dtype);
}

namespace {

/// Sizes beyond these are damage or a bug of the compiler; products of what
/// stays below them do not overflow.
constexpr uint32_t maxEntries = 1u << 20;
constexpr uint32_t maxStructBytes = 1u << 12;
constexpr int64_t maxBytes = int64_t(1) << 46;

/// Checks one artifact's table; every message names the file and the entry.
class Checker {
public:
  explicit Checker(const std::string &file) : file(file) {}

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format,
                        Args &&...args) const {
    fail(PCX_ERROR_FORMAT,
         "'{}' describes itself wrongly: {}; compile the "
         "model again",
         file, fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename... Args>
  void expect(bool holds, fmt::format_string<Args...> format,
              Args &&...args) const {
    if (!holds)
      bad(format, std::forward<Args>(args)...);
  }

  /// Bytes of the structs that have grown: older artifacts end there, and what
  /// is missing reads as zero.
  template <typename T>
  static constexpr size_t leastBytes = sizeof(T);

  /// Copies one struct that may be longer than ours.
  template <typename T>
  T copyStruct(const void *from, const char *what) const {
    constexpr size_t least = leastBytes<T>;
    uint32_t size;
    std::memcpy(&size, from, sizeof(size));
    expect(size >= least && size <= maxStructBytes && size % alignof(T) == 0,
           "expected a {} of at least {} bytes, found {}", what, least, size);
    T copy = {};
    std::memcpy(&copy, from, std::min<size_t>(size, sizeof(T)));
    copy.struct_size = sizeof(T);
    return copy;
  }

  template <typename T>
  std::vector<T> copyArray(const T *from, uint32_t count,
                           const char *what) const {
    expect(count <= maxEntries, "expected at most {} entries of {}, found {}",
           maxEntries, what, count);
    expect(from || !count, "expected {} entries of {}, found NULL", count,
           what);
    std::vector<T> copies;
    copies.reserve(count);
    auto *next = reinterpret_cast<const char *>(from);
    for (uint32_t i = 0; i < count; ++i) {
      copies.push_back(copyStruct<T>(next, what));
      uint32_t size;
      std::memcpy(&size, next, sizeof(size));
      next += size;
    }
    return copies;
  }

  template <typename T>
  void names(const std::vector<T> &entries, const char *what) const {
    std::unordered_set<std::string_view> seen;
    for (const T &entry : entries) {
      expect(entry.name && *entry.name, "a {} has no name", what);
      expect(seen.insert(entry.name).second, "two entries of {} are named '{}'",
             what, entry.name);
    }
  }

  /// Rank, dimensions and element type of a port or a storage entry.
  template <typename T>
  void shape(const T &entry, const char *what) const {
    expect(dtypeBytes(entry.dtype) != 0, "{} '{}' has unknown dtype {}", what,
           entry.name, entry.dtype);
    expect(entry.rank <= PCX_MAX_RANK,
           "{} '{}' has rank {}, expected at most {}", what, entry.name,
           entry.rank, PCX_MAX_RANK);
    int64_t bytes = int64_t(dtypeBytes(entry.dtype));
    for (uint32_t d = 0; d < entry.rank; ++d) {
      expect(entry.dims[d] > 0,
             "dimension {} of {} '{}' is {}, expected more "
             "than 0",
             d, what, entry.name, entry.dims[d]);
      expect(!__builtin_mul_overflow(bytes, entry.dims[d], &bytes) &&
                 bytes <= maxBytes,
             "{} '{}' has more than {} bytes", what, entry.name, maxBytes);
    }
  }

  void storage(const pcx_storage_t &entry) const;
  void hyper(const pcx_hyper_t &hyper) const;
  void port(const pcx_port_t &port, const char *what) const;
  void variant(const pcx_variant_t &variant, const pcx_program_t &program,
               int64_t maxBatch) const;
  void image(const pcx_image_t &image) const;
  void device(const pcx_device_variant_t &device,
              const pcx_program_t &program) const;
  void launch(const pcx_launch_t &launch, const pcx_program_t &program) const;
  void address(const pcx_address_t &address, const pcx_launch_t &launch,
               const pcx_program_t &program, const pcx_device_variant_t &device,
               const std::vector<pcx_storage_t> &storage) const;
  void addressCounts(const std::vector<pcx_launch_t> &launches,
                     const pcx_program_t &program) const;

private:
  const std::string &file;
};

template <>
constexpr size_t Checker::leastBytes<pcx_kernel_info_t> =
    offsetof(pcx_kernel_info_t, rows);
template <>
constexpr size_t Checker::leastBytes<pcx_variant_t> =
    offsetof(pcx_variant_t, marked);
template <>
constexpr size_t Checker::leastBytes<pcx_program_t> =
    offsetof(pcx_program_t, devices);
template <>
constexpr size_t Checker::leastBytes<pcx_image_t> = offsetof(pcx_image_t, plan);
template <>
constexpr size_t Checker::leastBytes<pcx_launch_t> =
    offsetof(pcx_launch_t, address_count);
template <>
constexpr size_t Checker::leastBytes<pcx_artifact_t> =
    offsetof(pcx_artifact_t, image_count);

} // namespace

void Checker::storage(const pcx_storage_t &entry) const {
  shape(entry, "storage");
  expect(entry.kind <= PCX_OPTIMISER, "storage '{}' has unknown kind {}",
         entry.name, entry.kind);
  expect(entry.init <= PCX_INIT_NORMAL,
         "storage '{}' has unknown initialiser {}", entry.name, entry.init);
  bool random = entry.init == PCX_INIT_UNIFORM || entry.init == PCX_INIT_NORMAL;
  expect(!random || entry.dtype == PCX_F32 || entry.dtype == PCX_F64,
         "storage '{}' of dtype {} has a random initialiser", entry.name,
         dtypeName(entry.dtype));
  expect(std::isfinite(entry.init_arg0) && std::isfinite(entry.init_arg1),
         "the initialiser of storage '{}' is not finite", entry.name);

  if (entry.init == PCX_INIT_CONSTANT && entry.dtype != PCX_F32 &&
      entry.dtype != PCX_F64) {
    double most = entry.dtype == PCX_U8 ? 255 : INT32_MAX;
    double least = entry.dtype == PCX_U8 ? 0 : INT32_MIN;
    expect(entry.init_arg0 >= least && entry.init_arg0 <= most &&
               entry.init_arg0 == std::trunc(entry.init_arg0),
           "storage '{}' of dtype {} begins with {}, expected a whole number "
           "from {} to {}",
           entry.name, dtypeName(entry.dtype), entry.init_arg0, least, most);
  }

  // From the smallest stride outwards, each dimension must step over all of
  // the ones inside of it: then no two indices share an element.
  std::vector<std::pair<int64_t, int64_t>> steps; // stride, dimension
  for (uint32_t d = 0; d < entry.rank; ++d)
    if (entry.dims[d] > 1)
      steps.emplace_back(entry.strides[d], entry.dims[d]);
  std::sort(steps.begin(), steps.end());
  int64_t inside = 1;
  for (auto [stride, dim] : steps) {
    expect(stride >= inside, "storage '{}' has overlapping strides",
           entry.name);
    expect(!__builtin_mul_overflow(stride, dim - 1, &stride) &&
               !__builtin_add_overflow(stride, inside, &inside) &&
               inside <= maxBytes,
           "storage '{}' has more than {} bytes", entry.name, maxBytes);
  }
  if (entry.panel) {
    bool dense = entry.rank == 2 && entry.panel > 0;
    for (int d : {0, 1})
      dense = dense &&
              (entry.strides[d] == 1 || entry.strides[d] == entry.dims[1 - d]);
    expect(dense && entry.strides[0] != entry.strides[1],
           "storage '{}' lies in panels of {} columns, expected a dense matrix",
           entry.name, entry.panel);
  }
  uint64_t needed = uint64_t(inside) * dtypeBytes(entry.dtype);
  expect(entry.bytes >= needed && entry.bytes <= uint64_t(maxBytes),
         "storage '{}' has {} bytes, expected at least {} for its strides",
         entry.name, entry.bytes, needed);
}

void Checker::hyper(const pcx_hyper_t &hyper) const {
  expect(hyper.min <= hyper.value && hyper.value <= hyper.max,
         "hyper-parameter '{}' is {} by default, expected {} to {}", hyper.name,
         hyper.value, hyper.min, hyper.max);
}

void Checker::port(const pcx_port_t &port, const char *what) const {
  shape(port, what);
  expect(port.per_sample <= 1, "{} '{}' has per_sample {}, expected 0 or 1",
         what, port.name, port.per_sample);
  expect(port.reduce <= PCX_REDUCE_LAST, "{} '{}' has unknown reduction {}",
         what, port.name, port.reduce);
}

void Checker::variant(const pcx_variant_t &variant,
                      const pcx_program_t &program, int64_t maxBatch) const {
  expect(variant.cpu, "a variant of program '{}' names no CPU", program.name);
  expect(variant.run, "variant '{}' of program '{}' has no code", variant.cpu,
         program.name);
  expect(variant.sample_block > 0 && variant.sample_block <= maxEntries,
         "variant '{}' of program '{}' has sample block {}, expected 1 to {}",
         variant.cpu, program.name, variant.sample_block, maxEntries);
  expect(variant.workspace_bytes <= uint64_t(maxBytes) &&
             variant.worker_bytes <= uint64_t(maxBytes),
         "variant '{}' of program '{}' asks for a workspace of {} and {} bytes",
         variant.cpu, program.name, variant.workspace_bytes,
         variant.worker_bytes);
  auto rows = [&](const pcx_port_t &port) {
    int64_t bytes = int64_t(denseBytes(port));
    expect(!port.per_sample ||
               (!__builtin_mul_overflow(bytes, maxBatch + variant.sample_block,
                                        &bytes) &&
                bytes <= maxBytes),
           "port '{}' of program '{}' has more than {} bytes a batch",
           port.name, program.name, maxBytes);
  };
  for (uint32_t i = 0; i < program.input_count; ++i)
    rows(program.inputs[i]);
  for (uint32_t i = 0; i < program.output_count; ++i)
    rows(program.outputs[i]);
}

std::string pcx::describeImages(const pcx_artifact_t &artifact) {
  std::string text;
  for (uint32_t i = 0; i < artifact.image_count; ++i)
    text += (i ? ", " : "") + imageName(artifact.images[i]);
  return text.empty() ? "none" : text;
}

bool pcx::hasDeviceCode(const pcx_artifact_t &artifact) {
  return std::any_of(
      artifact.programs, artifact.programs + artifact.program_count,
      [](const pcx_program_t &program) { return program.device_count > 0; });
}

void Checker::image(const pcx_image_t &image) const {
  expect(image.kind <= PCX_IMAGE_LLVM, "an image has unknown kind {}",
         image.kind);
  const char *kind = imageKindName(image.kind);
  expect(image.arch >= 10 && image.arch < 1000,
         "an image of kind {} is for architecture {}, expected 10 to 999", kind,
         image.arch);
  expect(image.exact <= 1,
         "the {} image of sm_{} has exact {}, expected 0 or 1", kind,
         image.arch, image.exact);
  expect(image.data && image.bytes > 0 && image.bytes <= uint64_t(maxBytes),
         "the {} image of sm_{} has {} bytes, expected some", kind, image.arch,
         image.data ? image.bytes : 0);
  // Drivers read text up to its end.
  expect(image.kind != PCX_IMAGE_PTX ||
             static_cast<const char *>(image.data)[image.bytes - 1] == 0,
         "the ptx image of sm_{} does not end with a NUL", image.arch);
}

void Checker::device(const pcx_device_variant_t &device,
                     const pcx_program_t &program) const {
  expect(device.strategy, "program '{}' names no strategy for devices",
         program.name);
  expect(device.run, "program '{}' has no host's part for devices",
         program.name);
  expect(device.workspace_bytes <= uint64_t(maxBytes) &&
             device.block_bytes <= uint64_t(maxBytes),
         "program '{}' asks for a workspace of {} and {} bytes on devices",
         program.name, device.workspace_bytes, device.block_bytes);
}

void Checker::launch(const pcx_launch_t &launch,
                     const pcx_program_t &program) const {
  // What a block may have on the largest devices that there are.
  constexpr uint32_t mostThreads = 1024, mostShared = 227 * 1024,
                     mostCluster = 16;
  expect(launch.kernel && *launch.kernel,
         "a launch of program '{}' names no kernel", program.name);
  expect(launch.threads >= 1 && launch.threads <= mostThreads,
         "kernel '{}' of program '{}' has blocks of {} threads, expected 1 to "
         "{}",
         launch.kernel, program.name, launch.threads, mostThreads);
  expect(launch.shared_bytes <= mostShared,
         "kernel '{}' of program '{}' has {} bytes of shared memory, expected "
         "at most {}",
         launch.kernel, program.name, launch.shared_bytes, mostShared);
  expect(launch.cooperative <= 1,
         "kernel '{}' of program '{}' has cooperative {}, expected 0 or 1",
         launch.kernel, program.name, launch.cooperative);
  expect(launch.cluster >= 1 && launch.cluster <= mostCluster,
         "kernel '{}' of program '{}' has clusters of {} blocks, expected 1 to "
         "{}",
         launch.kernel, program.name, launch.cluster, mostCluster);
  expect(launch.blocks || launch.samples_per_block,
         "kernel '{}' of program '{}' has neither blocks nor samples a block",
         launch.kernel, program.name);
  expect(launch.address_count <= PCX_MOST_ADDRESSES,
         "kernel '{}' of program '{}' takes {} addresses, expected at most {}",
         launch.kernel, program.name, launch.address_count, PCX_MOST_ADDRESSES);
  expect(std::max(launch.blocks, launch.samples_per_block) <=
             uint32_t(INT32_MAX),
         "kernel '{}' of program '{}' has {} blocks and {} samples a block, "
         "expected at most {}",
         launch.kernel, program.name, launch.blocks, launch.samples_per_block,
         INT32_MAX);
}

void Checker::address(const pcx_address_t &address, const pcx_launch_t &launch,
                      const pcx_program_t &program,
                      const pcx_device_variant_t &device,
                      const std::vector<pcx_storage_t> &storage) const {
  uint64_t ports = uint64_t(program.input_count) + program.output_count;
  uint64_t workspace = ports + storage.size();
  expect(address.array <= workspace,
         "kernel '{}' of program '{}' takes array {} of {}", launch.kernel,
         program.name, address.array, workspace + 1);
  expect(address.array < ports || address.array == workspace ||
             isOnDevice(storage[address.array - ports].dtype),
         "kernel '{}' of program '{}' takes array {}, which is of integers",
         launch.kernel, program.name, address.array);
  // Of the workspace also what the first block has of its own behind it.
  uint64_t most = address.array == workspace
                      ? device.workspace_bytes + device.block_bytes
                      : 0;
  expect(address.offset <= most,
         "kernel '{}' of program '{}' takes an address {} bytes behind the "
         "beginning of array {}, expected at most {}",
         launch.kernel, program.name, address.offset, address.array, most);
}

/// Launches of one kernel differ in the addresses that they hand to it, not in
/// how many there are.
void Checker::addressCounts(const std::vector<pcx_launch_t> &launches,
                            const pcx_program_t &program) const {
  std::unordered_map<std::string_view, uint32_t> counts;
  for (const pcx_launch_t &launch : launches) {
    auto known = counts.try_emplace(launch.kernel, launch.address_count).first;
    expect(
        known->second == launch.address_count,
        "launches of kernel '{}' of program '{}' hand it {} and {} addresses",
        launch.kernel, program.name, known->second, launch.address_count);
  }
}

Description::Description(const pcx_artifact_t *table, const std::string &name) {
  Checker check(name);
  artifact = check.copyStruct<pcx_artifact_t>(table, "artifact");
  check.expect(artifact.abi_version >= 1 &&
                   artifact.abi_version <= PCX_ABI_VERSION,
               "expected ABI version 1 to {}, found {}", PCX_ABI_VERSION,
               artifact.abi_version);
  for (const char **text :
       {&artifact.compiler, &artifact.model, &artifact.source_name,
        &artifact.source_sha256, &artifact.options})
    if (!*text)
      *text = "";
  check.expect(artifact.dtype == PCX_F32 || artifact.dtype == PCX_F64,
               "expected dtype f32 or f64, found {}", artifact.dtype);
  check.expect(artifact.max_batch >= 1 && artifact.max_batch <= INT32_MAX,
               "the largest batch is {}, expected 1 to {}", artifact.max_batch,
               INT32_MAX);

  storage =
      check.copyArray(artifact.storage, artifact.storage_count, "storage");
  check.names(storage, "storage");
  for (const pcx_storage_t &entry : storage)
    check.storage(entry);
  hypers =
      check.copyArray(artifact.hypers, artifact.hyper_count, "hyper-parameter");
  check.names(hypers, "hyper-parameter");
  for (const pcx_hyper_t &hyper : hypers)
    check.hyper(hyper);

  images = check.copyArray(artifact.images, artifact.image_count, "image");
  for (const pcx_image_t &image : images)
    check.image(image);

  programs =
      check.copyArray(artifact.programs, artifact.program_count, "program");
  check.names(programs, "program");
  arrays.resize(programs.size());
  for (size_t p = 0; p < programs.size(); ++p) {
    pcx_program_t &program = programs[p];
    ProgramArrays &own = arrays[p];
    check.expect(program.role <= PCX_ROLE_SAMPLE,
                 "program '{}' has unknown role {}", program.name,
                 program.role);
    own.inputs = check.copyArray(program.inputs, program.input_count, "input");
    own.outputs =
        check.copyArray(program.outputs, program.output_count, "output");
    check.names(own.inputs, "input");
    check.names(own.outputs, "output");
    for (const pcx_port_t &port : own.inputs)
      check.port(port, "input");
    for (const pcx_port_t &port : own.outputs)
      check.port(port, "output");
    program.inputs = own.inputs.data();
    program.outputs = own.outputs.data();

    if (artifact.abi_version < 6)
      program.device_count = program.devices ? 1 : 0;
    check.expect(program.variant_count > 0 || program.device_count > 0,
                 "program '{}' has no code", program.name);
    own.variants =
        check.copyArray(program.variants, program.variant_count, "variant");
    for (pcx_variant_t &variant : own.variants) {
      check.variant(variant, program, artifact.max_batch);
      own.kernels.push_back(
          check.copyArray(variant.kernels, variant.kernel_count, "kernel"));
      for (const pcx_kernel_info_t &kernel : own.kernels.back())
        check.expect(kernel.name, "a kernel of program '{}' has no name",
                     program.name);
      variant.kernels = own.kernels.back().data();
      own.stages.push_back(
          check.copyArray(variant.stages, variant.stage_count, "stage"));
      for (pcx_stage_info_t &stage : own.stages.back()) {
        check.expect(stage.name, "a stage of program '{}' has no name",
                     program.name);
        own.uses.push_back(
            check.copyArray(stage.uses, stage.use_count, "kernel use"));
        for (const pcx_kernel_use_t &use : own.uses.back())
          check.expect(use.kernel < variant.kernel_count,
                       "stage '{}' of program '{}' uses kernel {} of {}",
                       stage.name, program.name, use.kernel,
                       variant.kernel_count);
        stage.uses = own.uses.back().data();
      }
      variant.stages = own.stages.back().data();
    }
    program.variants = own.variants.data();

    own.devices = check.copyArray(program.devices, program.device_count,
                                  "device variant");
    program.devices = own.devices.data();
    for (pcx_device_variant_t &device : own.devices) {
      check.device(device, program);
      own.deviceKernels.push_back(
          check.copyArray(device.kernels, device.kernel_count, "kernel"));
      for (const pcx_kernel_info_t &kernel : own.deviceKernels.back())
        check.expect(kernel.name, "a kernel of program '{}' has no name",
                     program.name);
      device.kernels = own.deviceKernels.back().data();
      own.launches.push_back(
          check.copyArray(device.launches, device.launch_count, "launch"));
      for (pcx_launch_t &launch : own.launches.back()) {
        check.launch(launch, program);
        own.uses.push_back(
            check.copyArray(launch.uses, launch.use_count, "kernel use"));
        for (const pcx_kernel_use_t &use : own.uses.back())
          check.expect(use.kernel < device.kernel_count,
                       "a launch of '{}' of program '{}' uses kernel {} of {}",
                       launch.kernel, program.name, use.kernel,
                       device.kernel_count);
        launch.uses = own.uses.back().data();
        own.addresses.push_back(
            check.copyArray(launch.addresses, launch.address_count, "address"));
        for (const pcx_address_t &address : own.addresses.back())
          check.address(address, launch, program, device, storage);
        launch.addresses = own.addresses.back().data();
      }
      check.addressCounts(own.launches.back(), program);
      device.launches = own.launches.back().data();
    }
    if (program.device_count > 0) {
      check.expect(!images.empty(),
                   "program '{}' has launches, but there is no "
                   "image with kernels",
                   program.name);
      for (const pcx_image_t &image : images)
        check.expect(image.plan < program.device_count,
                     "the {} image of sm_{} is of plan {}, but program '{}' "
                     "has {}",
                     imageKindName(image.kind), image.arch, image.plan,
                     program.name, program.device_count);
      // Rows are a batch and no more here.
      auto rows = [&](const pcx_port_t &port) {
        int64_t bytes = int64_t(denseBytes(port));
        check.expect(
            !port.per_sample ||
                (!__builtin_mul_overflow(bytes, artifact.max_batch, &bytes) &&
                 bytes <= maxBytes),
            "port '{}' of program '{}' has more than {} bytes a batch",
            port.name, program.name, maxBytes);
      };
      for (const pcx_port_t &port : own.inputs)
        rows(port);
      for (const pcx_port_t &port : own.outputs)
        rows(port);
    }

    auto indices = [&](const uint32_t *list, uint32_t count) {
      check.expect(count <= storage.size() && (list || !count),
                   "program '{}' uses {} storage entries of {}", program.name,
                   count, storage.size());
      for (uint32_t i = 0; i < count; ++i)
        check.expect(list[i] < storage.size(),
                     "program '{}' uses storage entry {} of {}", program.name,
                     list[i], storage.size());
    };
    indices(program.storage_reads, program.storage_read_count);
    indices(program.storage_writes, program.storage_write_count);
  }
  artifact.storage = storage.data();
  artifact.hypers = hypers.data();
  artifact.programs = programs.data();
  artifact.images = images.data();
}

//===----------------------------------------------------------------------===//
// Module
//===----------------------------------------------------------------------===//

/// The ELF object of verified bytes.
static std::span<const uint8_t> verifiedPayload(std::span<const uint8_t> bytes,
                                                const std::string &name,
                                                uint64_t hostFeatures) {
  return bytes.first(verifyArtifact(bytes, name, hostFeatures).payload_bytes);
}

pcx_module_t::pcx_module_t(std::span<const uint8_t> bytes,
                           const std::string &name, uint64_t hostFeatures)
    : name(name), object(verifiedPayload(bytes, name, hostFeatures), name) {
  auto query = reinterpret_cast<pcx_query_fn>(object.symbol(PCX_QUERY_SYMBOL));
  if (!query)
    fail(PCX_ERROR_FORMAT, "'{}' exports no '{}'; only pcc writes artifacts",
         name, PCX_QUERY_SYMBOL);
  const pcx_artifact_t *table = query(PCX_ABI_VERSION);
  if (!table)
    fail(PCX_ERROR_VERSION,
         "'{}' does not serve ABI version {} of pcx {}; update the runtime or "
         "compile the model with its pcc",
         name, PCX_ABI_VERSION, pcx_version());
  description = std::make_unique<Description>(table, name);

  for (uint32_t p = 0; p < info().program_count; ++p) {
    const pcx_program_t &program = info().programs[p];
    uint32_t v = 0;
    if (program.variant_count == 0) {
      chosen.push_back(v);
      continue;
    }
    while (v < program.variant_count &&
           missingCpuFeatures(program.variants[v].required, hostFeatures))
      ++v;
    if (v == program.variant_count) {
      const pcx_variant_t &least = program.variants[v - 1];
      fail(
          PCX_ERROR_CPU,
          "'{}' has no code of program '{}' for this CPU: it lacks {} for "
          "'{}'; compile the model with --mcpu=native",
          name, program.name,
          describeCpuFeatures(missingCpuFeatures(least.required, hostFeatures)),
          least.cpu);
    }
    chosen.push_back(v);
  }
}

pcx_module_t::~pcx_module_t() = default;

void pcx_module_t::requireCpuCode() const {
  for (uint32_t p = 0; p < info().program_count; ++p)
    if (info().programs[p].variant_count == 0)
      fail(PCX_ERROR_CPU,
           "program '{}' of '{}' was compiled for cuda only; use --device=cuda "
           "or compile with --target=cuda,cpu",
           info().programs[p].name, name);
}

template <typename T>
static uint32_t findNamed(const T *entries, uint32_t count,
                          std::string_view name, const char *what,
                          const std::string &file) {
  std::vector<std::string_view> names;
  for (uint32_t i = 0; i < count; ++i) {
    if (entries[i].name == name)
      return i;
    names.push_back(entries[i].name);
  }
  fail(PCX_ERROR_ARGUMENT, "'{}' has no {} '{}'{}", file, what, name,
       suggestName(name, names));
}

uint32_t pcx_module_t::find(NameKind kind, std::string_view wanted) const {
  const pcx_artifact_t &all = info();
  switch (kind) {
  case NameKind::Program:
    return findNamed(all.programs, all.program_count, wanted, "program", name);
  case NameKind::Storage:
    return findNamed(all.storage, all.storage_count, wanted, "array", name);
  case NameKind::Hyper:
    return findNamed(all.hypers, all.hyper_count, wanted, "hyper-parameter",
                     name);
  }
  __builtin_unreachable();
}

const pcx_program_t &pcx_module_t::program(uint32_t index) const {
  if (index >= info().program_count)
    fail(PCX_ERROR_ARGUMENT, "'{}' has {} programs, found index {}", name,
         info().program_count, index);
  return info().programs[index];
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

pcx_status_t pcx_module_load(const char *path, pcx_module_t **module) {
  return guarded([&] {
    requireArgument(path, "path");
    requireArgument(module, "module");
    // A look at the beginning spares reading a huge file that is none of ours.
    std::vector<uint8_t> bytes = readFile(path, 4);
    if (bytes.size() == 4 && std::memcmp(bytes.data(), "\177ELF", 4) == 0)
      bytes = readFile(path);
    *module = new pcx_module_t(bytes, path, hostCpuFeatures());
  });
}

pcx_status_t pcx_module_load_bytes(const void *bytes, size_t size,
                                   const char *name, pcx_module_t **module) {
  return guarded([&] {
    requireArgument(bytes, "bytes");
    requireArgument(name, "name");
    requireArgument(module, "module");
    *module = new pcx_module_t({static_cast<const uint8_t *>(bytes), size},
                               name, hostCpuFeatures());
  });
}

void pcx_module_destroy(pcx_module_t *module) { delete module; }

const pcx_artifact_t *pcx_module_info(const pcx_module_t *module) {
  return &module->info();
}

static int32_t findIndex(const pcx_module_t *module, NameKind kind,
                         const char *name) {
  int32_t index = -1;
  guarded([&] {
    requireArgument(module, "module");
    requireArgument(name, "name");
    index = int32_t(module->find(kind, name));
  });
  return index;
}

int32_t pcx_module_find_program(const pcx_module_t *module, const char *name) {
  return findIndex(module, NameKind::Program, name);
}

int32_t pcx_module_find_storage(const pcx_module_t *module, const char *name) {
  return findIndex(module, NameKind::Storage, name);
}

int32_t pcx_module_find_hyper(const pcx_module_t *module, const char *name) {
  return findIndex(module, NameKind::Hyper, name);
}

const pcx_variant_t *pcx_module_variant(const pcx_module_t *module,
                                        uint32_t program) {
  const pcx_variant_t *variant = nullptr;
  guarded([&] {
    requireArgument(module, "module");
    if (module->program(program).variant_count > 0)
      variant = &module->variant(program);
  });
  return variant;
}
