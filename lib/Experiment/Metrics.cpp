//===- Metrics.cpp - Reports and accuracy of a program over a split -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Metrics.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace pcx;
using namespace pcx::experiment;

void ReportTotal::add(double value, int64_t n) {
  switch (reduce) {
  case PCX_REDUCE_MEAN:
    sum += value * static_cast<double>(n);
    samples += static_cast<double>(n);
    return;
  case PCX_REDUCE_SUM:
    sum += value;
    return;
  default:
    sum = value;
  }
}

double ReportTotal::value() const {
  return reduce == PCX_REDUCE_MEAN && samples > 0 ? sum / samples : sum;
}

static bool isFloat(uint32_t dtype) {
  return dtype == PCX_F32 || dtype == PCX_F64;
}

Result<std::optional<uint32_t>>
experiment::findPrediction(const Module &module, uint32_t program,
                           const std::optional<std::string> &name,
                           int32_t largestClass) {
  const pcx_program_t &info = pcx_module_info(module.get())->programs[program];
  std::optional<uint32_t> first, number, narrow;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < info.output_count; ++i) {
    const pcx_port_t &port = info.outputs[i];
    if (!port.per_sample)
      continue;
    names.push_back(port.name);
    if (name) {
      if (port.name != *name)
        continue;
      if (portElements(port) > 1 && portElements(port) <= largestClass)
        return Error{fmt::format("--prediction {}: expected more than {} "
                                 "elements for as many classes, found {}",
                                 *name, largestClass, portShape(port))};
      return std::optional(i);
    }
    if (port.flags & PCX_PORT_TRACE)
      continue;
    if (isFloat(port.dtype)) {
      if (portElements(port) <= std::max(largestClass, 1)) {
        if (portElements(port) > 1)
          narrow = narrow.value_or(i);
        continue;
      }
      if (std::string_view(port.name) == "prediction")
        return std::optional(i);
      first = first.value_or(i);
    } else if (portElements(port) == 1) {
      number = number.value_or(i);
    }
  }
  if (name)
    return Error{fmt::format(
        "--prediction {}: program '{}' has no such per-sample output{}", *name,
        info.name, data::suggest(*name, names))};
  if (!first && !number && narrow)
    return Error{fmt::format(
        "label out of range: expected 0 to {}, as many classes as output '{}' "
        "of program '{}' has elements, found {}; pass --label-offset for "
        "labels that count from another number",
        portElements(info.outputs[*narrow]) - 1, info.outputs[*narrow].name,
        info.name, largestClass)};
  return first ? first : number;
}

template <typename T>
static std::vector<int32_t> argmaxOf(std::span<const T> values, size_t rows,
                                     size_t width) {
  std::vector<int32_t> out(rows);
  for (size_t row = 0; row < rows; ++row) {
    const T *v = values.data() + row * width;
    size_t best = width;
    for (size_t i = 0; i < width; ++i)
      if (v[i] == v[i] && (best == width || v[i] > v[best]))
        best = i;
    out[row] = best == width ? 0 : static_cast<int32_t>(best);
  }
  return out;
}

std::vector<int32_t> experiment::rowArgmax(const data::Array &array) {
  size_t rows = static_cast<size_t>(array.rows());
  size_t width = static_cast<size_t>(array.rowElements());
  if (array.dtype == data::DType::F32)
    return argmaxOf(array.as<float>(), rows, width);
  assert(array.dtype == data::DType::F64 && "argmax is of floats");
  return argmaxOf(array.as<double>(), rows, width);
}

double experiment::rocAuc(std::span<const double> low,
                          std::span<const double> high) {
  assert(!low.empty() && !high.empty() && "nothing to compare");
  std::vector<std::pair<double, bool>> all; // value, of `high`
  all.reserve(low.size() + high.size());
  for (double value : low)
    all.emplace_back(value, false);
  for (double value : high)
    all.emplace_back(value, true);
  std::sort(all.begin(), all.end());
  // U = how many pairs are in order; those of equal values count one half.
  double pairs = 0, below = 0;
  for (size_t i = 0; i < all.size();) {
    double lows = 0, highs = 0;
    for (double value = all[i].first; i < all.size() && all[i].first == value;
         ++i)
      (all[i].second ? highs : lows) += 1;
    pairs += highs * (below + 0.5 * lows);
    below += lows;
  }
  return pairs /
         (static_cast<double>(low.size()) * static_cast<double>(high.size()));
}

namespace {
/// Keeps a session's counters: what an evaluation draws must not depend on how
/// often one evaluated before, or a resumed run would differ.
class CounterGuard {
public:
  explicit CounterGuard(pcx_session_t *session) : session(session) {
    pcx_get_counters(session, &counters);
  }
  ~CounterGuard() { pcx_set_counters(session, &counters); }
  CounterGuard(const CounterGuard &) = delete;
  CounterGuard &operator=(const CounterGuard &) = delete;

private:
  pcx_session_t *session;
  pcx_counters_t counters;
};

/// The reports of a run over samples 0, 1, ... count - 1.
struct Sweep {
  std::vector<data::Array> outputs; ///< one for each output; empty if unwanted
  std::vector<NamedValue> reports;
};
} // namespace

/// Runs the program over the first `count` samples; keeps the outputs in
/// `wanted`.
static Result<Sweep> sweep(pcx_session_t *session, const pcx_program_t &info,
                           uint32_t program, const Binding &binding,
                           int64_t count, int64_t batch,
                           const std::vector<bool> &wanted) {
  CounterGuard guard(session);
  std::vector<uint32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0u);
  Sweep out;
  std::vector<pcx_array_t> arrays(info.output_count);
  out.outputs.resize(info.output_count);
  for (uint32_t i = 0; i < info.output_count; ++i) {
    const pcx_port_t &port = info.outputs[i];
    arrays[i].dtype = port.dtype;
    if (!wanted[i])
      continue;
    std::vector<int64_t> dims = {count};
    dims.insert(dims.end(), port.dims, port.dims + port.rank);
    out.outputs[i] = data::Array::zeros(toDType(port.dtype), dims);
    arrays[i].data = out.outputs[i].bytes.data();
    arrays[i].bytes = out.outputs[i].bytes.size();
  }
  pcx_steps_t steps = {};
  steps.struct_size = sizeof(steps);
  steps.batch = batch;
  steps.steps = (count + batch - 1) / batch;
  steps.order = order.data();
  steps.order_count = count;
  steps.outputs = arrays.data();
  steps.output_count = info.output_count;
  std::vector<pcx_report_t> reports(info.output_count);
  uint32_t reportCount = 0;
  int64_t done = 0;
  if (pcx_run_steps(session, program, binding.data.get(), &steps,
                    reports.data(), info.output_count, &reportCount,
                    &done) != PCX_OK)
    return lastError();
  for (uint32_t i = 0; i < reportCount; ++i)
    out.reports.emplace_back(reports[i].name, reports[i].value);
  // Traces and warnings are no reports.
  std::erase_if(out.reports, [&](const NamedValue &report) {
    for (uint32_t i = 0; i < info.output_count; ++i)
      if (info.outputs[i].name == report.first)
        return (info.outputs[i].flags & (PCX_PORT_TRACE | PCX_PORT_WARNING)) !=
               0;
    return false;
  });
  return out;
}

Result<Evaluation>
experiment::evaluate(pcx_session_t *session, const Module &module,
                     uint32_t program, const Binding &binding, int64_t count,
                     int64_t batch,
                     const std::optional<std::string> &prediction) {
  const pcx_program_t &info = pcx_module_info(module.get())->programs[program];
  count = std::min(count, binding.samples);
  std::vector<bool> wanted(info.output_count);
  std::optional<uint32_t> output;
  if (!binding.labels.empty()) {
    auto found = findPrediction(
        module, program, prediction,
        *std::max_element(binding.labels.begin(), binding.labels.end()));
    if (!found)
      return found.error();
    output = *found;
    if (output)
      wanted[*output] = true;
  }
  auto result = sweep(session, info, program, binding, count, batch, wanted);
  if (!result)
    return result.error();
  Evaluation out;
  out.samples = count;
  out.reports = std::move(result->reports);
  if (!output)
    return out;
  const data::Array &rows = result->outputs[*output];
  std::vector<int32_t> classes;
  if (isFloat(info.outputs[*output].dtype)) {
    classes = rowArgmax(rows);
  } else {
    for (int64_t i = 0; i < count; ++i)
      classes.push_back(static_cast<int32_t>(rows.at(i)));
  }
  int64_t right = 0;
  for (size_t i = 0; i < classes.size(); ++i)
    right += classes[i] == binding.labels[i];
  out.accuracy = static_cast<double>(right) / static_cast<double>(count);
  return out;
}

Result<std::vector<std::pair<std::string, data::Array>>>
experiment::collectOutputs(pcx_session_t *session, const Module &module,
                           uint32_t program, const Binding &binding,
                           int64_t count, int64_t batch) {
  const pcx_program_t &info = pcx_module_info(module.get())->programs[program];
  count = std::min(count, binding.samples);
  std::vector<bool> wanted(info.output_count);
  for (uint32_t i = 0; i < info.output_count; ++i)
    wanted[i] =
        info.outputs[i].per_sample && !(info.outputs[i].flags & PCX_PORT_TRACE);
  auto result = sweep(session, info, program, binding, count, batch, wanted);
  if (!result)
    return result.error();
  std::vector<std::pair<std::string, data::Array>> out;
  for (uint32_t i = 0; i < info.output_count; ++i)
    if (wanted[i])
      out.emplace_back(info.outputs[i].name, std::move(result->outputs[i]));
  return out;
}

Status experiment::checkFinite(const data::Array &rows,
                               const std::string &output,
                               const pcx_program_t &program,
                               const std::string &set) {
  for (int64_t i = 0; i < rows.elements(); ++i)
    if (!std::isfinite(rows.at(i)))
      return Error{fmt::format(
          "output '{}' of program '{}' is {} for sample {}{}; a smaller "
          "inference rate (--set) may cure it",
          output, program.name, rows.at(i), i / rows.rowElements(),
          set.empty() ? "" : fmt::format(" of data set '{}'", set))};
  return success();
}
