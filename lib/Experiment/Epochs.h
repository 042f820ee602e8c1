//===- Epochs.h - Looking at a run between its epochs -----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_EPOCHS_H
#define PCX_LIB_EXPERIMENT_EPOCHS_H

#include "pcx/Experiment/Commands.h"

#include <functional>

namespace pcx::experiment {

/// A run of `pcx-run train` between two epochs.
struct EpochView {
  const Module &module;
  pcx_session_t *session;
  uint32_t program;
  const Binding &training;
  const std::string &data; ///< the data set's name
  int64_t epoch;           ///< finished ones
};

/// Looks at the run; false ends it.
using EpochHook = std::function<Result<bool>(const EpochView &view)>;

/// `pcx-run train` that calls `hook` before the first epoch and after each one.
Result<int> trainWith(const TrainOptions &options, const Console &console,
                      const EpochHook &hook);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_EPOCHS_H
