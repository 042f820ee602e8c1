//===- RunState.h - What a checkpoint says about its run --------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_RUNSTATE_H
#define PCX_LIB_EXPERIMENT_RUNSTATE_H

#include "pcx/Experiment/Commands.h"
#include "pcx/Experiment/Metrics.h"

#include <map>
#include <string>

namespace pcx::experiment {

/// Everything beside the session that an exact resume needs. It stands in the
/// checkpoint's metadata as strings under "run.": floating-point numbers in
/// hexadecimal, so that they come back exactly. A checkpoint at the end of an
/// epoch holds no time, so equal runs have equal files.
struct RunState {
  // The run.
  std::string data;
  std::optional<Normalisation> normalise; ///< as given, else the data set's
  int64_t labelOffset = 0;
  std::optional<std::string> labelColumn;
  std::string program;
  int64_t samples = 0; ///< of the training split
  int64_t epochs = 10, batch = 0;
  uint64_t seed = 0;
  bool shuffle = true, dropLast = false;

  // The position.
  int64_t epoch = 0; ///< finished epochs
  int64_t step = 0;  ///< finished steps of the next epoch
  std::map<std::string, ReportTotal> totals; ///< of those steps
  double seconds = 0;                        ///< of those steps

  int64_t stepsPerEpoch() const {
    return dropLast ? samples / batch : (samples + batch - 1) / batch;
  }

  /// Key, value, key, value, ... for pcx_save().
  std::vector<std::string> metadata() const;
  /// Reads the metadata of the file that the session loaded last. Errors: the
  /// file `path` holds no run, or a damaged one.
  static Result<RunState> fromLoaded(const pcx_session_t *session,
                                     const std::string &path);
  /// Fills what `choice` leaves open from the metadata of the file that the
  /// session loaded last, if it holds a run.
  static void completeChoice(const pcx_session_t *session, DataChoice &choice);
};

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_RUNSTATE_H
