//===- Analysis.cpp - Numbers about inference -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>

using namespace pcx;
using namespace pcx::experiment;

//===----------------------------------------------------------------------===//
// Mathematics
//===----------------------------------------------------------------------===//

std::pair<double, double>
experiment::tridiagonalExtremes(std::span<const double> diagonal,
                                std::span<const double> beside) {
  assert(!diagonal.empty() && beside.size() + 1 == diagonal.size());
  // Gershgorin's circles hold all eigenvalues.
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (size_t i = 0; i < diagonal.size(); ++i) {
    double radius = (i > 0 ? std::abs(beside[i - 1]) : 0) +
                    (i < beside.size() ? std::abs(beside[i]) : 0);
    low = std::min(low, diagonal[i] - radius);
    high = std::max(high, diagonal[i] + radius);
  }
  double scale = std::max(std::abs(low), std::abs(high));
  double tiny = std::numeric_limits<double>::min() / 0x1p-52 + 1e-300 * scale;
  // Eigenvalues below x: the negative pivots of the factorisation of A - x.
  auto countBelow = [&](double x) {
    size_t count = 0;
    double pivot = 1;
    for (size_t i = 0; i < diagonal.size(); ++i) {
      double square = i > 0 ? beside[i - 1] * beside[i - 1] : 0;
      pivot = diagonal[i] - x - square / pivot;
      if (std::abs(pivot) < tiny)
        pivot = -tiny;
      count += pivot < 0;
    }
    return count;
  };
  // The eigenvalue below which fewer than `wanted` and above which at least
  // that many lie.
  auto bisect = [&](size_t wanted) {
    double from = low, to = high;
    while (to - from > 1e-14 * scale) {
      double middle = from + (to - from) / 2;
      if (middle <= from || middle >= to)
        break;
      (countBelow(middle) >= wanted ? to : from) = middle;
    }
    return from + (to - from) / 2;
  };
  return {bisect(1), bisect(diagonal.size())};
}

static double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

static double norm(std::span<const double> a) { return std::sqrt(dot(a, a)); }

std::optional<double> experiment::cosine(std::span<const double> a,
                                         std::span<const double> b) {
  double product = norm(a) * norm(b);
  if (!(product > 0))
    return std::nullopt;
  return dot(a, b) / product;
}

Result<Spectrum> experiment::lanczos(int64_t dimension,
                                     const LinearOperator &apply, int64_t most,
                                     double tolerance) {
  assert(dimension > 0 && most > 0);
  auto size = static_cast<size_t>(dimension);
  std::vector<std::vector<double>> basis;
  std::vector<double> diagonal, beside, next(size);
  // Standard normal numbers: no direction is preferred.
  for (size_t i = 0; i < size; i += 2) {
    uint32_t w[4];
    pcx_philox(/*seed=*/0, PCX_STREAM_USER, i / 2, w);
    double x = (w[0] + 0x1p32 * w[1] + 0.5) * 0x1p-64;
    double y = (w[2] + 0x1p32 * w[3]) * 0x1p-64;
    double radius = std::sqrt(-2 * std::log(x));
    next[i] = radius * std::cos(2 * std::numbers::pi * y);
    if (i + 1 < size)
      next[i + 1] = radius * std::sin(2 * std::numbers::pi * y);
  }
  Spectrum spectrum;
  double length = norm(next);
  int settled = 0;
  while (spectrum.steps < most && !spectrum.converged) {
    for (double &value : next)
      value /= length;
    basis.push_back(next);
    if (auto status = apply(basis.back(), next); !status)
      return status.error();
    double alpha = dot(basis.back(), next);
    // Twice is enough (Parlett).
    for (int pass = 0; pass < 2; ++pass)
      for (const std::vector<double> &vector : basis) {
        double part = dot(vector, next);
        for (size_t i = 0; i < size; ++i)
          next[i] -= part * vector[i];
      }
    diagonal.push_back(alpha);
    auto [smallest, largest] = tridiagonalExtremes(diagonal, beside);
    double scale = std::max(std::abs(smallest), std::abs(largest));
    double change = std::max(std::abs(smallest - spectrum.smallest),
                             std::abs(largest - spectrum.largest));
    settled =
        spectrum.steps > 0 && change <= tolerance * scale ? settled + 1 : 0;
    spectrum.smallest = smallest;
    spectrum.largest = largest;
    ++spectrum.steps;
    length = norm(next);
    // What is left of an exhausted space is rounding.
    spectrum.converged = settled == 2 || spectrum.steps == dimension ||
                         !(length > 1e-12 * scale);
    beside.push_back(length);
  }
  return spectrum;
}

double InferenceRule::largestStableRate(double largest) const {
  if (!(largest > 0))
    return std::numeric_limits<double>::infinity();
  double bound = 2 * (1 + momentum);
  if (nesterov)
    bound /= 1 + 2 * momentum;
  return bound / largest;
}

std::optional<double> AnalysisResult::largestStableRate() const {
  if (!rule || !inUse())
    return std::nullopt;
  return rule->largestStableRate(inUse()->largest);
}

//===----------------------------------------------------------------------===//
// Running the programs
//===----------------------------------------------------------------------===//

static bool hasProgram(const pcx_artifact_t *info, const std::string &name,
                       uint32_t &index) {
  for (index = 0; index < info->program_count; ++index)
    if (info->programs[index].name == name)
      return true;
  return false;
}

const pcx_program_t *Analyser::find(const std::string &suffix,
                                    uint32_t &index) const {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  return hasProgram(info, name + "." + suffix, index) ? &info->programs[index]
                                                      : nullptr;
}

bool Analyser::available(const Module &module, uint32_t program) {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  uint32_t index;
  return hasProgram(info, std::string(info->programs[program].name) + ".start",
                    index);
}

Result<Analyser> Analyser::create(const Module &module, uint32_t program,
                                  const pcx_session_t *session) {
  Analyser analyser(module);
  const pcx_artifact_t *info = pcx_module_info(module.get());
  analyser.name = info->programs[program].name;
  if (!available(module, program))
    return Error{fmt::format("the artifact has no analysis of program '{}'; "
                             "compile the model with `pcc --analysis`",
                             analyser.name)};
  // What is looked at may be trained elsewhere: its arrays are copied.
  bool onCpu = pcx_module_variant(module.get(), program) != nullptr;
  auto own = createSession(module, pcx_session_threads(session),
                           onCpu ? "cpu" : deviceName(session));
  if (!own)
    return own.error();
  analyser.session = std::move(*own);
  return analyser;
}

/// Zeros for an output of n samples.
static data::Array makeOutput(const pcx_port_t &port, int64_t n) {
  std::vector<int64_t> dims(port.dims, port.dims + port.rank);
  if (port.per_sample)
    dims.insert(dims.begin(), n);
  return data::Array::zeros(toDType(port.dtype), dims);
}

static std::vector<double> toDoubles(const data::Array &array) {
  std::vector<double> values(static_cast<size_t>(array.elements()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = array.at(static_cast<int64_t>(i));
  return values;
}

Status Analyser::update(const pcx_session_t *from, const pcx_data_t *data,
                        int64_t count) {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  for (uint32_t i = 0; i < info->storage_count; ++i) {
    auto array = readStorage(from, info->storage[i]);
    if (!array)
      return array.error();
    if (auto status =
            check(pcx_write_storage(session.get(), info->storage[i].name,
                                    array->bytes.data(), array->bytes.size()));
        !status)
      return status;
  }
  for (uint32_t i = 0; i < info->hyper_count; ++i) {
    double value = 0;
    pcx_get_hyper(from, info->hypers[i].name, &value);
    pcx_set_hyper(session.get(), info->hypers[i].name, value);
  }
  pcx_counters_t counters;
  pcx_get_counters(from, &counters);
  pcx_set_counters(session.get(), &counters);

  // The program that says where inference starts also hands out its inputs, as
  // the data set encodes them.
  uint32_t index = 0;
  const pcx_program_t *program = find("start", index);
  samples = std::min({count, pcx_data_samples(data), info->max_batch});
  std::vector<data::Array> outputs;
  std::vector<pcx_array_t> arrays;
  outputs.reserve(program->output_count);
  for (uint32_t i = 0; i < program->output_count; ++i) {
    outputs.push_back(makeOutput(program->outputs[i], samples));
    arrays.push_back({outputs.back().bytes.data(), outputs.back().bytes.size(),
                      program->outputs[i].dtype});
  }
  std::vector<uint32_t> order(static_cast<size_t>(samples));
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<uint32_t>(i);
  pcx_steps_t steps = {};
  steps.struct_size = sizeof(steps);
  steps.batch = samples;
  steps.steps = 1;
  steps.order = order.data();
  steps.order_count = samples;
  steps.outputs = arrays.data();
  steps.output_count = static_cast<uint32_t>(arrays.size());
  if (auto status = check(pcx_run_steps(session.get(), index, data, &steps,
                                        nullptr, 0, nullptr, nullptr));
      !status)
    return status;
  inputs.clear();
  for (uint32_t i = 0; i < program->input_count; ++i) {
    std::string wanted = std::string("input.") + program->inputs[i].name;
    for (uint32_t o = 0; o < program->output_count; ++o)
      if (program->outputs[o].name == wanted)
        inputs.push_back(outputs[o]);
  }
  return success();
}

Result<std::vector<data::Array>> Analyser::run(const std::string &suffix,
                                               const Values *more) {
  uint32_t index = 0;
  const pcx_program_t *program = find(suffix, index);
  assert(program && "the caller knows that there is one");
  std::vector<data::Array> moved;
  std::vector<pcx_array_t> in, out;
  moved.reserve(program->input_count);
  size_t position = 0;
  for (uint32_t i = 0; i < program->input_count; ++i) {
    const pcx_port_t &port = program->inputs[i];
    data::Array *array;
    if (i < inputs.size()) {
      array = &inputs[i];
    } else {
      moved.push_back(makeOutput(port, samples));
      array = &moved.back();
      auto fill = [&](auto values) {
        for (auto &value : values)
          value = static_cast<std::remove_reference_t<decltype(value)>>(
              (*more)[position++]);
      };
      if (port.dtype == PCX_F32)
        fill(array->as<float>());
      else
        fill(array->as<double>());
    }
    in.push_back({array->bytes.data(), array->bytes.size(), port.dtype});
  }
  std::vector<data::Array> outputs;
  outputs.reserve(program->output_count);
  for (uint32_t i = 0; i < program->output_count; ++i) {
    outputs.push_back(makeOutput(program->outputs[i], samples));
    out.push_back({outputs.back().bytes.data(), outputs.back().bytes.size(),
                   program->outputs[i].dtype});
  }
  if (pcx_run(session.get(), index, samples, in.data(),
              static_cast<uint32_t>(in.size()), out.data(),
              static_cast<uint32_t>(out.size())) != PCX_OK)
    return lastError();
  return outputs;
}

//===----------------------------------------------------------------------===//
// Parts of the analysis
//===----------------------------------------------------------------------===//

Status Analyser::start(AnalysisResult &result) {
  auto outputs = run("start", nullptr);
  if (!outputs)
    return outputs.error();
  uint32_t index = 0;
  const pcx_program_t *program = find("start", index);
  auto get = [&](const std::string &name) -> const data::Array * {
    for (uint32_t i = 0; i < program->output_count; ++i)
      if (program->outputs[i].name == name)
        return &(*outputs)[i];
    return nullptr;
  };
  variables.clear();
  startStates.clear();
  startErrors.clear();
  for (uint32_t i = 0; i < program->output_count; ++i) {
    std::string port = program->outputs[i].name;
    if (!port.ends_with(".h") || port.starts_with("input."))
      continue;
    std::string vode = port.substr(0, port.size() - 2);
    const data::Array *error = get(vode + ".error");
    variables.push_back(
        {vode, portElements(program->outputs[i]), error != nullptr});
    Values state = toDoubles((*outputs)[i]);
    Values variable = error ? toDoubles(*error) : state;
    startStates.insert(startStates.end(), state.begin(), state.end());
    startErrors.insert(startErrors.end(), variable.begin(), variable.end());
  }
  auto number = [&](const char *name) {
    const data::Array *array = get(name);
    return array ? array->at(0) : 0.0;
  };
  result.inErrors = number("errors") != 0;
  result.repeated = number("repeated") != 0;
  if (get("rate"))
    result.rule = InferenceRule{number("rate"), number("momentum"),
                                number("nesterov") != 0, number("heun") != 0};
  return success();
}

/// Splits "h1.energy.3" into its parts, or "fc1.weight.grad.0".
static bool splitTrace(const std::string &port, const std::string &kind,
                       std::string &owner, int64_t &step) {
  size_t dot = port.rfind('.');
  if (dot == std::string::npos || dot + 1 == port.size() ||
      !std::all_of(port.begin() + static_cast<std::ptrdiff_t>(dot) + 1,
                   port.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  std::string rest = port.substr(0, dot);
  if (!rest.ends_with("." + kind))
    return false;
  owner = rest.substr(0, rest.size() - kind.size() - 1);
  step = std::stoll(port.substr(dot + 1));
  return true;
}

Status Analyser::trace(AnalysisResult &result) {
  weightGradients.clear();
  uint32_t index = 0;
  const pcx_program_t *program = find("trace", index);
  if (!program)
    return success();
  auto outputs = run("trace", nullptr);
  if (!outputs)
    return outputs.error();
  double n = static_cast<double>(samples);
  for (uint32_t i = 0; i < program->output_count; ++i) {
    const pcx_port_t &port = program->outputs[i];
    if (!(port.flags & PCX_PORT_TRACE))
      continue;
    const data::Array &array = (*outputs)[i];
    std::string owner;
    int64_t step;
    if (splitTrace(port.name, "energy", owner, step)) {
      Values values = toDoubles(array);
      double sum = 0;
      for (double value : values)
        sum += value;
      result.energies.push_back({owner, step, sum / n});
      result.tracedSteps = std::max(result.tracedSteps, step);
    } else if (splitTrace(port.name, "error", owner, step)) {
      Values values = toDoubles(array);
      size_t row = values.size() / static_cast<size_t>(samples);
      double sum = 0;
      for (size_t s = 0; s < static_cast<size_t>(samples); ++s)
        sum += norm(std::span(values).subspan(s * row, row));
      result.errors.push_back({owner, step, sum / n});
    } else if (!port.per_sample && splitTrace(port.name, "grad", owner, step)) {
      auto found =
          std::find_if(weightGradients.begin(), weightGradients.end(),
                       [&](const auto &entry) { return entry.first == owner; });
      Values values = toDoubles(array);
      if (found == weightGradients.end()) {
        weightGradients.emplace_back(owner, std::move(values));
        continue;
      }
      for (size_t e = 0; e < values.size(); ++e)
        found->second[e] += values[e];
    }
  }
  return success();
}

Status Analyser::runBackprop() {
  references.clear();
  uint32_t index = 0;
  const pcx_program_t *program = find("backprop", index);
  if (!program)
    return success();
  auto outputs = run("backprop", nullptr);
  if (!outputs)
    return outputs.error();
  std::string owner;
  int64_t step;
  for (uint32_t i = 0; i < program->output_count; ++i)
    if (splitTrace(program->outputs[i].name, "grad", owner, step))
      references.emplace_back(owner, toDoubles((*outputs)[i]));
  return success();
}

void Analyser::compareWithBackprop(AnalysisResult &result) const {
  for (const auto &[parameter, gradient] : weightGradients)
    for (const auto &[name, reference] : references) {
      if (name != parameter)
        continue;
      GradientValue value{parameter, cosine(gradient, reference), {}};
      if (double length = norm(reference); length > 0)
        value.ratio = norm(gradient) / length;
      result.gradients.push_back(value);
    }
}

Status Analyser::gradient(bool errors, const Values &at, Values &out) {
  Values arguments = at;
  arguments.resize(2 * at.size());
  auto outputs = run(errors ? "errors" : "states", &arguments);
  if (!outputs)
    return outputs.error();
  out.clear();
  for (size_t i = 0; i < variables.size(); ++i) {
    Values values = toDoubles((*outputs)[i]);
    out.insert(out.end(), values.begin(), values.end());
  }
  return success();
}

Result<Spectrum> Analyser::spectrum(bool errors, int64_t products,
                                    double tolerance) {
  const Values &point = startOf(errors);
  Values arguments = point;
  arguments.resize(2 * point.size());
  auto apply = [&](std::span<const double> v, std::span<double> out) -> Status {
    std::copy(v.begin(), v.end(),
              arguments.begin() + static_cast<std::ptrdiff_t>(point.size()));
    auto outputs = run(errors ? "errors" : "states", &arguments);
    if (!outputs)
      return outputs.error();
    // The gradients, then the products.
    size_t position = 0;
    for (size_t i = variables.size(); i < outputs->size(); ++i)
      for (double value : toDoubles((*outputs)[i])) {
        if (!std::isfinite(value))
          return Error{fmt::format("the Hessian of program '{}' is not finite "
                                   "where inference starts",
                                   name)};
        out[position++] = value;
      }
    return success();
  };
  return lanczos(static_cast<int64_t>(point.size()), apply, products,
                 tolerance);
}

Status Analyser::countSteps(AnalysisResult &result, int64_t most,
                            double tolerance) {
  uint32_t index = 0;
  bool errors = result.inErrors;
  if (!result.rule || most < 1 || !find(errors ? "errors" : "states", index))
    return success();
  InferenceRule rule = *result.rule;
  Values at = startOf(errors), now, moment(at.size()), probe, second;
  result.counted = true;
  auto count = static_cast<size_t>(samples);
  std::vector<double> first(count), squares(count);
  std::vector<bool> settled(count);
  for (int64_t t = 0; t <= most; ++t) {
    if (auto status = gradient(errors, at, now); !status)
      return status;
    std::fill(squares.begin(), squares.end(), 0.0);
    size_t position = 0;
    for (const Variable &variable : variables)
      for (double &square : squares)
        for (int64_t e = 0; e < variable.elements; ++e, ++position)
          square += now[position] * now[position];
    bool finite = false;
    for (size_t s = 0; s < count; ++s) {
      double length = std::sqrt(squares[s]);
      if (t == 0)
        first[s] = length;
      finite |= std::isfinite(length);
      settled[s] = settled[s] || length <= tolerance * first[s];
    }
    result.settledSamples = std::count(settled.begin(), settled.end(), true);
    if (2 * result.settledSamples >= samples) {
      result.stepsToConvergence = t;
      return success();
    }
    if (!finite)
      return success();
    if (rule.heun) {
      probe = at;
      for (size_t i = 0; i < at.size(); ++i)
        probe[i] -= rule.rate * now[i];
      if (auto status = gradient(errors, probe, second); !status)
        return status;
      for (size_t i = 0; i < at.size(); ++i)
        at[i] -= rule.rate / 2 * (now[i] + second[i]);
      continue;
    }
    for (size_t i = 0; i < at.size(); ++i) {
      moment[i] = now[i] + rule.momentum * moment[i];
      at[i] -= rule.rate *
               (rule.nesterov ? now[i] + rule.momentum * moment[i] : moment[i]);
    }
  }
  return success();
}

Result<AnalysisResult> Analyser::probeStability(int64_t products) {
  AnalysisResult result;
  if (auto status = start(result); !status)
    return status.error();
  uint32_t index = 0;
  if (!result.rule || !find(result.inErrors ? "errors" : "states", index))
    return result;
  auto found = spectrum(result.inErrors, products, 1e-2);
  if (!found)
    return found.error();
  (result.inErrors ? result.errorCoordinates : result.states) = *found;
  return result;
}

Result<AnalysisResult> Analyser::analyse(int64_t mostSteps, double tolerance) {
  AnalysisResult result;
  if (auto status = start(result); !status)
    return status.error();
  uint32_t index = 0;
  for (bool errors : {false, true}) {
    if (!find(errors ? "errors" : "states", index))
      continue;
    auto found = spectrum(errors, 100, 1e-4);
    if (!found)
      return found.error();
    (errors ? result.errorCoordinates : result.states) = *found;
  }
  if (auto status = countSteps(result, mostSteps, tolerance); !status)
    return status.error();
  // Last, because the traced program learns.
  if (auto status = runBackprop(); !status)
    return status.error();
  if (auto status = trace(result); !status)
    return status.error();
  compareWithBackprop(result);
  return result;
}
