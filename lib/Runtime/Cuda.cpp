//===- Cuda.cpp - The CUDA driver, loaded ---------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda.h"
#include "Error.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>
#include <vector>

using namespace pcx;
using namespace pcx::cuda;

static constexpr char driverLibrary[] = "libcuda.so.1";
static constexpr char simulatorLibrary[] = "libpcx-sim.so";

static std::string folderOf(const std::string &path) {
  return path.substr(0, path.rfind('/') + 1);
}

/// Where the simulated device's library may be: where the environment says, or
/// beside this library or the program.
static std::vector<std::string> simulatorPaths() {
  if (const char *given = getenv("PCX_SIM_LIBRARY"); given && *given)
    return {given};
  std::vector<std::string> paths;
  Dl_info info;
  if (dladdr(reinterpret_cast<const void *>(&folderOf), &info) &&
      info.dli_fname &&
      std::string(info.dli_fname).find('/') != std::string::npos)
    paths.push_back(folderOf(info.dli_fname) + simulatorLibrary);
  char program[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
  if (length > 0 && length < ssize_t(sizeof(program)))
    paths.push_back(folderOf(std::string(program, size_t(length))) + "../lib/" +
                    simulatorLibrary);
  paths.push_back(simulatorLibrary);
  return paths;
}

void Driver::resolve(void *library, const std::string &path) {
#define PCX_RESOLVE(name, parameters)                                          \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name));
#define PCX_REQUIRE(name, parameters)                                          \
  PCX_RESOLVE(name, parameters)                                                \
  if (!name)                                                                   \
    fail(PCX_ERROR_DEVICE, "'{}' has no function '{}': {}", path, #name,       \
         simulated ? "it is of another version; build both together"           \
                   : "the driver is too old, expected one for CUDA 11.4 or "   \
                     "later");
  PCX_CUDA_FUNCTIONS(PCX_REQUIRE)
  PCX_CUDA_CLUSTER_FUNCTIONS(PCX_RESOLVE)
  if (simulated) {
    PCX_SIM_FUNCTIONS(PCX_REQUIRE)
  }
#undef PCX_REQUIRE
#undef PCX_RESOLVE
}

// Libraries stay loaded: a driver has threads of its own, which must not find
// their code gone.
Driver::Driver(bool simulated) : simulated(simulated) {
  if (simulated) {
    std::string tried;
    for (const std::string &path : simulatorPaths()) {
      if (void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {

        resolve(library, path);
        return;
      }
      tried += fmt::format("{}{}", tried.empty() ? "" : "; ", dlerror());
    }
    fail(PCX_ERROR_DEVICE,
         "cannot load the simulated device ({}); build the target "
         "pcx-sim-driver, or name its library in PCX_SIM_LIBRARY",
         tried);
  }
  void *library = dlopen(driverLibrary, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail(PCX_ERROR_DEVICE,
         "there is no CUDA driver on this machine ({}); install NVIDIA's "
         "driver, or use --device=cpu",
         dlerror());
  resolve(library, driverLibrary);
}

std::string Driver::describe(Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != Success || !name)
    return fmt::format("error {}", result);
  if (cuGetErrorString(result, &text) != Success || !text)
    return name;
  return fmt::format("{} ({})", name, text);
}
