//===- Metrics.h - Reports and accuracy of a program over a split *- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_METRICS_H
#define PCX_EXPERIMENT_METRICS_H

#include "pcx/Experiment/Binding.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace pcx::experiment {

/// Combines a shared scalar output over steps, in double and in their order, as
/// its pcx_reduce_t says.
struct ReportTotal {
  uint32_t reduce = PCX_REDUCE_LAST;
  double sum = 0.0, samples = 0.0;

  void add(double value, int64_t n);
  double value() const;
};

/// A report and its value over many steps.
using NamedValue = std::pair<std::string, double>;

/// What a program says about a split.
struct Evaluation {
  int64_t samples = 0;
  /// Share of the samples whose class is predicted; nothing without classes or
  /// without a prediction.
  std::optional<double> accuracy;
  std::vector<NamedValue> reports;
};

/// The output that predicts the class: the one called `name`; else, among the
/// per-sample outputs that are no trace, the only one with more than
/// `largestClass` elements of a float type, or the one of several that is
/// called "prediction", or the first; else a per-sample whole number; else
/// nothing. An error when `name` is unknown, or when there are such outputs but
/// all are too narrow for the classes.
Result<std::optional<uint32_t>>
findPrediction(const Module &module, uint32_t program,
               const std::optional<std::string> &name, int32_t largestClass);

/// Index of the largest element of each row, the first of equals. A NaN is
/// never the largest; a row of nothing else counts as class 0.
std::vector<int32_t> rowArgmax(const data::Array &rows);

/// Area under the ROC curve of telling `high` from `low` by a threshold: the
/// probability that a number of `high` is above one of `low`, ties counting one
/// half (Mann and Whitney 1947). Both have entries, none is NaN.
double rocAuc(std::span<const double> low, std::span<const double> high);

/// Runs the program over the first `count` samples in their order, and counts
/// the rows whose argmax is the label. The session's counters are as before.
Result<Evaluation> evaluate(pcx_session_t *session, const Module &module,
                            uint32_t program, const Binding &binding,
                            int64_t count, int64_t batch,
                            const std::optional<std::string> &prediction);

/// Runs the program over the first `count` samples in their order and returns
/// its per-sample outputs, one row a sample, without the traces.
Result<std::vector<std::pair<std::string, data::Array>>>
collectOutputs(pcx_session_t *session, const Module &module, uint32_t program,
               const Binding &binding, int64_t count, int64_t batch);

/// Fails if an output, floats with one row a sample, holds a number that is not
/// finite. `set` names the data that it was computed from, "" for none.
Status checkFinite(const data::Array &rows, const std::string &output,
                   const pcx_program_t &program, const std::string &set);

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_METRICS_H
