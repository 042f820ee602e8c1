//===- Progress.h - A progress bar on a terminal ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_PROGRESS_H
#define PCX_LIB_EXPERIMENT_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace pcx::experiment {

/// "8 s", "1:05", "2:03:04"
std::string formatDuration(double seconds);

/// One line that is redrawn in place, at most ten times a second. Nothing at
/// all where the stream is no terminal.
class ProgressBar {
public:
  /// `quiet` switches it off.
  ProgressBar(std::FILE *stream, bool quiet);

  /// Shows `done` of `total` steps of this epoch between the two texts.
  /// `secondsLeft` is for the whole run; negative when unknown.
  void update(const std::string &before, int64_t done, int64_t total,
              const std::string &after, double secondsLeft);
  /// Whether update() would draw now: building its texts costs more than a
  /// small step.
  bool due() const;
  /// Removes the line, before something else is written.
  void clear();

private:
  std::FILE *stream;
  bool active;
  bool drawn = false;
  std::chrono::steady_clock::time_point next;
};

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_PROGRESS_H
