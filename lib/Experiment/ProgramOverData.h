//===- ProgramOverData.h - A program and its samples ---------- -*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_PROGRAMOVERDATA_H
#define PCX_LIB_EXPERIMENT_PROGRAMOVERDATA_H

#include "pcx/Experiment/Commands.h"

#include <functional>

namespace pcx::experiment {

/// What the verbs that run a program over a split have in common: a session
/// with loaded parameters, and a split that is bound to the program.
struct ProgramOverData {
  Module module;
  Session session;
  uint32_t program = 0;
  int64_t batch = 0;
  DataChoice choice; ///< the user's, completed from a checkpoint
  data::DataSet set;
  const data::Split *split = nullptr; ///< of the set
  const char *splitName = "";         ///< "train" or "test"; "" for arrays
  Normalisation normalisation;
  Binding binding;
};

/// Chooses the program of a module, given the name of --program if there is
/// one.
using ProgramChooser = std::function<Result<uint32_t>(
    const Module &, const std::optional<std::string> &)>;

/// Loads the artifact and the parameters and chooses the program; no data.
Status openProgram(const EvalOptions &options, const ProgramChooser &choose,
                   ProgramOverData &out);

/// Opens the data set for the program that openProgram() chose. Without
/// options.split it takes the test split if there is one, or, if `training`,
/// the training split.
Status openSplit(const EvalOptions &options, bool training,
                 ProgramOverData &out);

/// Both, and binds the split to the program. `inputs` (NAME=FILE), if there are
/// any, replace the data set.
Status prepare(const EvalOptions &options,
               const std::vector<std::string> &inputs,
               const ProgramChooser &choose, ProgramOverData &out);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_PROGRAMOVERDATA_H
