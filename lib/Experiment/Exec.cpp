//===- Exec.cpp - pcx-run exec --------------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Profile.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>

#include <algorithm>

using namespace pcx;
using namespace pcx::experiment;

/// The program to run: the one that was named, else the only one, else the one
/// that trains.
static Result<uint32_t> chooseProgram(const ExecOptions &options,
                                      const Module &module) {
  if (!options.program && pcx_module_info(module.get())->program_count == 1)
    return 0u;
  return findProgram(module, options.program, PCX_ROLE_TRAIN, "--program");
}

Result<int> experiment::exec(const ExecOptions &options,
                             const Console &console) {
  if (!options.output.ends_with(".npz"))
    return Error{fmt::format("--output {}: expected a name that ends in .npz",
                             options.output)};
  if (auto status = checkWritable(options.output, "--output"); !status)
    return status.error();
  if (auto status = checkProfile(options.profile); !status)
    return status.error();
  if (!options.resume.empty() && !options.params.empty())
    return Error{"--resume and --params exclude each other: a checkpoint has "
                 "its own parameters"};
  auto module = loadModule(options.artifact);
  if (!module)
    return module.error();
  const pcx_artifact_t *artifact = pcx_module_info(module->get());
  auto session = createSession(*module, options.threads, options.device);
  if (!session)
    return session.error();
  pcx_session_t *handle = session->get();
  if (auto status =
          check(pcx_session_initialise(handle, options.seed.value_or(0)));
      !status)
    return status.error();
  if (!options.resume.empty())
    if (auto status =
            check(pcx_load(handle, options.resume.c_str(), PCX_LOAD_ALL));
        !status)
      return status.error();
  if (!options.params.empty())
    if (auto status =
            loadArrays(handle, *module, options.params, LoadScope::Everything);
        !status)
      return status.error();
  if (auto status = setHypers(handle, options.set); !status)
    return status.error();
  auto chosen = chooseProgram(options, *module);
  if (!chosen)
    return chosen.error();
  const pcx_program_t &program = artifact->programs[*chosen];

  pcx_counters_t counters;
  pcx_get_counters(handle, &counters);
  if (options.seed)
    counters.seed = *options.seed;
  if (options.totalSteps)
    counters.total_steps = *options.totalSteps;
  else if (options.resume.empty())
    counters.total_steps = static_cast<double>(program.weight_steps_per_call);
  pcx_set_counters(handle, &counters);

  auto split = readInputs(options.inputs);
  if (!split)
    return split.error();
  std::vector<std::string> ports;
  for (uint32_t i = 0; i < program.input_count; ++i)
    ports.push_back(program.inputs[i].name);
  for (const data::Column &column : split->columns)
    if (std::find(ports.begin(), ports.end(), column.name) == ports.end())
      return Error{fmt::format("--input {}: program '{}' has no such input{}",
                               column.name, program.name,
                               data::suggest(column.name, ports))};

  int64_t n = 0;
  const data::Column *rowsFrom = nullptr;
  std::vector<data::Array> inputs;
  std::vector<pcx_array_t> inputArrays;
  inputs.reserve(program.input_count);
  for (uint32_t i = 0; i < program.input_count; ++i) {
    const pcx_port_t &port = program.inputs[i];
    const data::Column *column = split->find(port.name);
    if (!column)
      return Error{fmt::format(
          "program '{}' needs the input '{}' ({} {}{}); pass --input {}=FILE",
          program.name, port.name, portShape(port),
          data::dtypeName(toDType(port.dtype)),
          port.per_sample ? " a sample" : "", port.name)};
    auto dense = denseInput(*column, port);
    if (!dense)
      return dense.error();
    if (port.per_sample) {
      if (rowsFrom && dense->rows() != n)
        return Error{fmt::format("{}: expected {} rows, as many as {}, found "
                                 "{}",
                                 column->file, n, rowsFrom->file,
                                 dense->rows())};
      rowsFrom = column;
      n = dense->rows();
    }
    inputs.push_back(std::move(*dense));
    inputArrays.push_back(
        {inputs.back().bytes.data(), inputs.back().bytes.size(), port.dtype});
  }
  if (!rowsFrom)
    n = 1; // nothing is per sample
  if (n < 1 || n > artifact->max_batch)
    return Error{fmt::format("expected 1 to {} rows, the largest batch that "
                             "the artifact was compiled for, found {} in {}; "
                             "compile it with `pcc --batch {}`",
                             artifact->max_batch, n, rowsFrom->file,
                             std::max<int64_t>(n, 1))};

  std::vector<data::Array> outputs;
  std::vector<pcx_array_t> outputArrays;
  outputs.reserve(program.output_count);
  for (uint32_t i = 0; i < program.output_count; ++i) {
    const pcx_port_t &port = program.outputs[i];
    std::vector<int64_t> dims(port.dims, port.dims + port.rank);
    if (port.per_sample)
      dims.insert(dims.begin(), n);
    outputs.push_back(data::Array::zeros(toDType(port.dtype), dims));
    outputArrays.push_back(
        {outputs.back().bytes.data(), outputs.back().bytes.size(), port.dtype});
  }
  if (auto status = startProfile(handle, options.profile); !status)
    return status.error();
  if (auto status = check(pcx_run(handle, *chosen, n, inputArrays.data(),
                                  program.input_count, outputArrays.data(),
                                  program.output_count));
      !status)
    return status.error();

  if (auto status = finishProfile(handle, *module, options.profile, console);
      !status)
    return status.error();

  std::vector<data::Array> storage;
  storage.reserve(artifact->storage_count);
  std::vector<std::pair<std::string, const data::Array *>> arrays;
  for (uint32_t i = 0; i < program.output_count; ++i)
    arrays.emplace_back(program.outputs[i].name, &outputs[i]);
  for (uint32_t i = 0; i < artifact->storage_count; ++i) {
    auto array = readStorage(handle, artifact->storage[i]);
    if (!array)
      return array.error();
    storage.push_back(std::move(*array));
    arrays.emplace_back(std::string("params/") + artifact->storage[i].name,
                        &storage.back());
  }
  if (auto status = data::writeNpz(options.output, arrays); !status)
    return status.error();
  if (!console.quiet)
    fmt::print(console.err, "ran '{}' on {} {}; wrote {} arrays to {}\n",
               program.name, n, n == 1 ? "sample" : "samples", arrays.size(),
               options.output);
  return int(ExitOk);
}
