//===- ProgramOverData.cpp - A program and the samples that it runs over --===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramOverData.h"
#include "Inputs.h"
#include "RunState.h"

#include <fmt/format.h>

using namespace pcx;
using namespace pcx::experiment;

Status experiment::openProgram(const EvalOptions &options,
                               const ProgramChooser &choose,
                               ProgramOverData &out) {
  auto loaded = loadModule(options.artifact);
  if (!loaded)
    return loaded.error();
  out.module = std::move(*loaded);
  auto created = createSession(out.module, options.threads, options.device);
  if (!created)
    return created.error();
  out.session = std::move(*created);
  if (auto status =
          check(pcx_session_initialise(out.session.get(), options.seed));
      !status)
    return status;
  out.choice = options.data;
  if (!options.params.empty()) {
    if (auto status = loadArrays(out.session.get(), out.module, options.params,
                                 LoadScope::Parameters);
        !status)
      return status;
    RunState::completeChoice(out.session.get(), out.choice);
  }
  if (auto status = setHypers(out.session.get(), options.set); !status)
    return status;
  auto program = choose(out.module, options.program);
  if (!program)
    return program.error();
  out.program = *program;
  auto batch = chosenBatch(options.batch, out.module);
  if (!batch)
    return batch.error();
  out.batch = *batch;
  return success();
}

Status experiment::openSplit(const EvalOptions &options, bool training,
                             ProgramOverData &out) {
  auto opened = openChosen(out.choice, out.module, out.program);
  if (!opened)
    return opened.error();
  out.set = std::move(*opened);
  bool test = options.split ? *options.split == "test"
              : training    ? out.set.train.samples == 0
                            : out.set.test.samples > 0;
  out.split = test ? &out.set.test : &out.set.train;
  out.splitName = test ? "test" : "train";
  if (out.split->samples == 0)
    return Error{fmt::format("--split {}: data set '{}' has no such split",
                             out.splitName, out.set.name)};
  out.normalisation = chosenNormalisation(out.choice, out.set);
  return success();
}

Status experiment::prepare(const EvalOptions &options,
                           const std::vector<std::string> &inputs,
                           const ProgramChooser &choose, ProgramOverData &out) {
  if (auto status = openProgram(options, choose, out); !status)
    return status;
  if (inputs.empty()) {
    if (auto status = openSplit(options, /*training=*/false, out); !status)
      return status;
  } else {
    auto read = readInputs(inputs);
    if (!read)
      return read.error();
    out.set.name = "--input";
    out.set.train = std::move(*read);
    out.split = &out.set.train;
    out.normalisation = chosenNormalisation(out.choice, out.set);
  }
  auto bound = bindData(out.session.get(), out.module, out.program, *out.split,
                        out.set.name, out.normalisation);
  if (!bound)
    return bound.error();
  out.binding = std::move(*bound);
  return success();
}
