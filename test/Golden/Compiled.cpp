//===- Compiled.cpp - Programs that pcc compiled, run by the runtime ------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compiled.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

using namespace pcx;
using namespace pcx::test;

std::string Build::name() const {
  std::string place = device.empty() ? cpu.substr(cpu.rfind('-') + 1) : device;
  return (precision.empty() ? type : precision) + "_" + level.substr(1) + "_" +
         place;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// Runs a command with its messages in `log`; its exit code, or -1.
static int runCommand(const std::vector<std::string> &command,
                      const std::string &log) {
  std::vector<char *> arguments;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  int failed = posix_spawn(&child, arguments[0], &actions, nullptr,
                           arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed || waitpid(child, &status, 0) != child || !WIFEXITED(status))
    return -1;
  return WEXITSTATUS(status);
}

std::unique_ptr<Compiled> Compiled::create(const std::string &source,
                                           const Build &build,
                                           std::string &error) {
  std::string folder =
      (std::filesystem::temp_directory_path() / "pcx-golden-XXXXXX").string();
  if (!::mkdtemp(folder.data())) {
    error = "cannot make a temporary folder";
    return nullptr;
  }
  struct Cleanup {
    std::string folder;
    ~Cleanup() { std::filesystem::remove_all(folder); }
  } cleanup{folder};
  std::string input = folder + "/net.pcir", output = folder + "/net.pcx";
  std::ofstream(input) << source;

  std::vector<std::string> command = {PCX_PCC,
                                      input,
                                      "-o",
                                      output,
                                      build.level,
                                      "--float=" + build.type,
                                      "--mcpu=" + build.cpu,
                                      "--batch=" + std::to_string(build.batch)};
  if (build.trace)
    command.push_back("--trace");
  if (!build.precision.empty())
    command.push_back("--precision=" + build.precision);
  if (!build.device.empty())
    command.insert(command.end(), {"--target=cuda", "--gpu-arch=sim"});
  command.insert(command.end(), build.more.begin(), build.more.end());
  if (int code = runCommand(command, folder + "/log")) {
    std::stringstream log;
    log << std::ifstream(folder + "/log").rdbuf();
    error = "pcc exits with " + std::to_string(code) + ": " + log.str();
    return nullptr;
  }

  std::unique_ptr<Compiled> compiled(new Compiled);
  pcx_status_t status = pcx_module_load(output.c_str(), &compiled->module);
  if (status != PCX_OK) {
    error = status == PCX_ERROR_CPU ? "" : pcx_last_error();
    return nullptr;
  }
  pcx_session_options_t options = {};
  options.struct_size = sizeof(options);
  options.device = build.device.empty() ? "cpu" : build.device.c_str();
  if (pcx_session_create(compiled->module, &options, &compiled->session)) {
    error = pcx_last_error();
    return nullptr;
  }
  compiled->reset();
  return compiled;
}

Compiled::~Compiled() {
  pcx_session_destroy(session);
  pcx_module_destroy(module);
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Elements of a dtype as doubles and back.
static std::vector<double> decode(uint32_t dtype,
                                  const std::vector<char> &bytes) {
  std::vector<double> values;
  auto append = [&](auto zero) {
    std::vector<decltype(zero)> typed(bytes.size() / sizeof(zero));
    std::memcpy(typed.data(), bytes.data(), bytes.size());
    values.assign(typed.begin(), typed.end());
  };
  switch (dtype) {
  case PCX_F32:
    append(float());
    break;
  case PCX_F64:
    append(double());
    break;
  case PCX_I32:
    append(int32_t());
    break;
  case PCX_I64:
    append(int64_t());
    break;
  case PCX_U8:
    append(uint8_t());
    break;
  }
  return values;
}

static std::vector<char> encode(uint32_t dtype,
                                const std::vector<double> &values) {
  std::vector<char> bytes;
  auto fill = [&](auto zero) {
    std::vector<decltype(zero)> typed;
    for (double value : values)
      typed.push_back(static_cast<decltype(zero)>(value));
    bytes.resize(typed.size() * sizeof(zero));
    std::memcpy(bytes.data(), typed.data(), bytes.size());
  };
  switch (dtype) {
  case PCX_F32:
    fill(float());
    break;
  case PCX_F64:
    fill(double());
    break;
  case PCX_I32:
    fill(int32_t());
    break;
  case PCX_I64:
    fill(int64_t());
    break;
  case PCX_U8:
    fill(uint8_t());
    break;
  }
  return bytes;
}

static size_t sizeOf(uint32_t dtype) {
  return dtype == PCX_U8 ? 1 : dtype == PCX_F64 || dtype == PCX_I64 ? 8 : 4;
}

static int64_t product(const std::vector<int64_t> &dims) {
  int64_t size = 1;
  for (int64_t dim : dims)
    size *= dim;
  return size;
}

/// Dimensions of a port for n samples.
static std::vector<int64_t> dimsOf(const pcx_port_t &port, int64_t n) {
  std::vector<int64_t> dims(port.dims, port.dims + port.rank);
  if (port.per_sample)
    dims.insert(dims.begin(), n);
  return dims;
}

void Compiled::initialise(uint64_t seed) {
  EXPECT_EQ(pcx_session_initialise(session, seed), PCX_OK) << pcx_last_error();
}

void Compiled::setStorage(const std::string &name, const Numbers &value) {
  int32_t index = pcx_module_find_storage(module, name.c_str());
  ASSERT_GE(index, 0) << pcx_last_error();
  const pcx_storage_t &entry = pcx_module_info(module)->storage[index];
  std::vector<char> bytes = encode(entry.dtype, value.data);
  EXPECT_EQ(
      pcx_write_storage(session, name.c_str(), bytes.data(), bytes.size()),
      PCX_OK)
      << pcx_last_error();
}

Numbers Compiled::getStorage(const std::string &name) {
  int32_t index = pcx_module_find_storage(module, name.c_str());
  EXPECT_GE(index, 0) << pcx_last_error();
  if (index < 0)
    return {};
  const pcx_storage_t &entry = pcx_module_info(module)->storage[index];
  Numbers numbers;
  numbers.dims.assign(entry.dims, entry.dims + entry.rank);
  std::vector<char> bytes(product(numbers.dims) * sizeOf(entry.dtype));
  EXPECT_EQ(pcx_read_storage(session, name.c_str(), bytes.data(), bytes.size()),
            PCX_OK)
      << pcx_last_error();
  numbers.data = decode(entry.dtype, bytes);
  return numbers;
}

void Compiled::setTotalSteps(double steps) {
  pcx_counters_t counters;
  pcx_get_counters(session, &counters);
  counters.total_steps = steps;
  pcx_set_counters(session, &counters);
}

Arrays Compiled::run(const std::string &name, int64_t samples,
                     const Arrays &inputs) {
  Arrays result;
  int32_t index = pcx_module_find_program(module, name.c_str());
  EXPECT_GE(index, 0) << pcx_last_error();
  if (index < 0)
    return result;
  const pcx_program_t &program = pcx_module_info(module)->programs[index];
  std::vector<std::vector<char>> buffers;
  std::vector<pcx_array_t> in, out;
  for (uint32_t i = 0; i < program.input_count; ++i) {
    const pcx_port_t &port = program.inputs[i];
    auto it = inputs.find(port.name);
    EXPECT_NE(it, inputs.end()) << "no input " << port.name;
    if (it == inputs.end())
      return result;
    EXPECT_EQ(dimsOf(port, samples), it->second.dims) << port.name;
    buffers.push_back(encode(port.dtype, it->second.data));
  }
  for (uint32_t i = 0; i < program.output_count; ++i) {
    const pcx_port_t &port = program.outputs[i];
    // What is not written shows.
    buffers.emplace_back(product(dimsOf(port, samples)) * sizeOf(port.dtype),
                         '\xff');
  }
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    bool input = i < program.input_count;
    const pcx_port_t &port =
        input ? program.inputs[i] : program.outputs[i - program.input_count];
    (input ? in : out)
        .push_back({buffers[i].data(), buffers[i].size(), port.dtype});
  }
  pcx_status_t status =
      pcx_run(session, static_cast<uint32_t>(index), samples, in.data(),
              program.input_count, out.data(), program.output_count);
  EXPECT_EQ(status, PCX_OK) << pcx_last_error();
  if (status != PCX_OK)
    return result;
  for (uint32_t i = 0; i < program.output_count; ++i) {
    const pcx_port_t &port = program.outputs[i];
    result[port.name] = {dimsOf(port, samples),
                         decode(port.dtype, buffers[program.input_count + i])};
  }
  return result;
}
