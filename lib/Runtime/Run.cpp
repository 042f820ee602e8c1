//===- Run.cpp - Running programs -----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Data.h"
#include "Error.h"
#include "Module.h"
#include "Session.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

using namespace pcx;

/// Rows of a port in a batch of n samples.
static int64_t rowsOf(const pcx_port_t &port, int64_t n) {
  return port.per_sample ? n : 1;
}

/// Zeroes the rows between n and the end of its last sample block: compiled
/// code computes them too, and old or missing numbers may be NaN.
static void zeroPadding(const pcx_session_t &session, uint32_t program,
                        const pcx_port_t &port, int64_t n, std::byte *staged) {
  if (!port.per_sample)
    return;
  uint64_t rowBytes = denseBytes(port);
  int64_t rows = session.executor->paddedRows(program, n);
  std::memset(staged + uint64_t(n) * rowBytes, 0,
              uint64_t(rows - n) * rowBytes);
}

static bool isAligned(const void *data) {
  return reinterpret_cast<uintptr_t>(data) % PCX_ALIGNMENT == 0;
}

//===----------------------------------------------------------------------===//
// One batch
//===----------------------------------------------------------------------===//

/// Checks an array of the caller's against a port that needs `rows` rows.
static void checkArray(const pcx_array_t &array, const pcx_port_t &port,
                       int64_t rows, const char *what,
                       const pcx_program_t &program) {
  if (array.dtype != port.dtype)
    fail(PCX_ERROR_ARGUMENT, "{} '{}' of program '{}' is {}, expected {}", what,
         port.name, program.name, dtypeName(array.dtype),
         dtypeName(port.dtype));
  uint64_t expected = uint64_t(rows) * denseBytes(port);
  if (array.bytes != expected)
    fail(PCX_ERROR_ARGUMENT,
         "{} '{}' of program '{}' has {} bytes, expected {}: {} x {} of {}",
         what, port.name, program.name, array.bytes, expected, rows,
         shapeName(port.dims, port.rank), dtypeName(port.dtype));
}

static void checkCount(uint32_t found, uint32_t expected, const char *what,
                       const pcx_program_t &program) {
  if (found != expected)
    fail(PCX_ERROR_ARGUMENT, "program '{}' has {} {}, found {} arrays",
         program.name, expected, what, found);
}

pcx_status_t pcx_run(pcx_session_t *session, uint32_t program, int64_t n,
                     const pcx_array_t *inputs, uint32_t input_count,
                     const pcx_array_t *outputs, uint32_t output_count) {
  return guarded([&] {
    requireArgument(session, "session");
    const pcx_program_t &target = session->module.program(program);
    checkBatch(*session, n);
    checkCount(input_count, target.input_count, "inputs", target);
    checkCount(output_count, target.output_count, "outputs", target);
    if (input_count)
      requireArgument(inputs, "inputs");
    if (output_count)
      requireArgument(outputs, "outputs");
    for (uint32_t i = 0; i < input_count; ++i) {
      requireArgument(inputs[i].data, target.inputs[i].name);
      checkArray(inputs[i], target.inputs[i], rowsOf(target.inputs[i], n),
                 "input", target);
    }
    for (uint32_t i = 0; i < output_count; ++i)
      if (outputs[i].data)
        checkArray(outputs[i], target.outputs[i], rowsOf(target.outputs[i], n),
                   "output", target);

    Executor &executor = *session->executor;
    executor.requireCode(program);
    DefaultFloatModes modes;
    constexpr unsigned slot = 0;
    const ProgramStaging &staging = executor.staging(program, slot);
    bool padded = executor.paddedRows(program, n) != n;
    for (uint32_t i = 0; i < input_count; ++i) {
      const pcx_port_t &port = target.inputs[i];
      auto *given = static_cast<const std::byte *>(inputs[i].data);
      // An array that is laid out as programs want it is read in place.
      if (isAligned(given) && !(padded && port.per_sample)) {
        session->inputPointers[i] = given;
        continue;
      }
      std::memcpy(staging.inputs[i], given, inputs[i].bytes);
      zeroPadding(*session, program, port, n, staging.inputs[i]);
      session->inputPointers[i] = staging.inputs[i];
    }
    for (uint32_t i = 0; i < output_count; ++i)
      session->wanted[i] = outputs[i].data != nullptr;
    session->begin(program, n, session->inputPointers.data(), slot);
    executor.finish(slot);
    for (uint32_t i = 0; i < output_count; ++i)
      if (outputs[i].data)
        std::memcpy(outputs[i].data, staging.outputs[i], outputs[i].bytes);
  });
}

//===----------------------------------------------------------------------===//
// Many batches
//===----------------------------------------------------------------------===//

/// First value of an output as a double.
static double scalarValue(const std::byte *data, uint32_t dtype) {
  auto read = [&]<typename T>(T value) {
    std::memcpy(&value, data, sizeof(value));
    return double(value);
  };
  switch (dtype) {
  case PCX_F32:
    return read(float());
  case PCX_F64:
    return read(double());
  case PCX_I32:
    return read(int32_t());
  case PCX_I64:
    return read(int64_t());
  default:
    return read(uint8_t());
  }
}

namespace {

/// Combines a shared scalar output over steps.
struct Total {
  uint32_t output;
  uint32_t reduce;
  double sum = 0;
  double samples = 0;

  void add(double value, int64_t n) {
    switch (reduce) {
    case PCX_REDUCE_MEAN:
      sum += value * double(n);
      samples += double(n);
      return;
    case PCX_REDUCE_SUM:
      sum += value;
      return;
    default:
      sum = value;
    }
  }

  double value() const {
    return reduce == PCX_REDUCE_MEAN && samples > 0 ? sum / samples : sum;
  }
};

/// One call of pcx_run_steps.
class StepLoop {
public:
  StepLoop(pcx_session_t &session, uint32_t program, const pcx_data_t &data,
           const pcx_steps_t &steps);

  /// Runs the steps; counts them in `done`.
  void run(int64_t &done);

  std::vector<Total> totals;
  const pcx_program_t &target;

private:
  void checkSteps();
  void checkOutputs();
  /// Steps that were begun together and whose outputs have not been looked at:
  /// one, or several of n samples each.
  struct Pending {
    int64_t step, position, n;
    unsigned slot;
    unsigned count;
  };

  void gather(const Pending &pending);
  void copyOutputs(const Pending &pending);
  /// Values of a step into `last`, and into the totals.
  void collect(const Pending &pending, unsigned index);
  void checkFinite(int64_t step) const;
  /// Waits for steps and does what is asked for behind each. False if one of
  /// them is to be the last one.
  bool settle(const Pending &pending, int64_t &done);
  unsigned chooseCount(int64_t step, unsigned most) const;

  pcx_session_t &session;
  Executor &executor;
  uint32_t program;
  const pcx_data_t &data;
  const pcx_steps_t &steps;
  int64_t positions = 0; ///< in the order
  std::vector<const Column *> columns;
  std::vector<pcx_report_t> last;
  uint64_t gatherBytes = 0; ///< of the per-sample inputs of one sample
  /// The data set and the order where programs run; null: batches are made here
  const HeldData *held = nullptr;
};

} // namespace

StepLoop::StepLoop(pcx_session_t &session, uint32_t program,
                   const pcx_data_t &data, const pcx_steps_t &steps)
    : target(session.module.program(program)), session(session),
      executor(*session.executor), program(program), data(data), steps(steps) {
  executor.requireCode(program);
  for (uint32_t i = 0; i < target.input_count; ++i) {
    columns.push_back(&data.columnFor(target.inputs[i], target));
    if (columns.back()->perSample)
      gatherBytes += columns.back()->rowBytes;
  }
  for (uint32_t i = 0; i < target.output_count; ++i) {
    const pcx_port_t &port = target.outputs[i];
    if (!port.per_sample && elementCount(port) == 1) {
      totals.push_back({i, port.reduce});
      last.push_back({port.name, 0});
    }
  }
  checkSteps();
  checkOutputs();
}

void StepLoop::checkSteps() {
  if (steps.struct_size < sizeof(steps))
    fail(PCX_ERROR_ARGUMENT, "struct_size of the steps is {}, expected {}",
         steps.struct_size, sizeof(steps));
  checkBatch(session, steps.batch);
  positions = steps.order ? steps.order_count : data.samples;
  if (positions < 0 || (!steps.order && steps.order_count != 0 &&
                        steps.order_count != data.samples))
    fail(PCX_ERROR_ARGUMENT, "an order of {} entries for {} samples",
         steps.order_count, data.samples);
  if (steps.first < 0 || steps.first > positions || steps.steps < 0)
    fail(PCX_ERROR_ARGUMENT,
         "{} steps from position {}, expected a position of 0 to {}",
         steps.steps, steps.first, positions);
  int64_t left = positions - steps.first;
  int64_t most = left / steps.batch + (left % steps.batch != 0);
  if (steps.steps > most)
    fail(PCX_ERROR_ARGUMENT,
         "{} steps of {} from position {}, expected at most {} for {} samples",
         steps.steps, steps.batch, steps.first, most, positions);
  if (!steps.order)
    return;
  int64_t end = std::min(positions, steps.first + steps.steps * steps.batch);
  for (int64_t i = steps.first; i < end; ++i)
    if (int64_t(steps.order[i]) >= data.samples)
      fail(PCX_ERROR_ARGUMENT,
           "the order names sample {} at position {}, expected 0 to {}",
           steps.order[i], i, data.samples - 1);
}

void StepLoop::checkOutputs() {
  if (!steps.output_count)
    return;
  checkCount(steps.output_count, target.output_count, "outputs", target);
  requireArgument(steps.outputs, "outputs");
  for (uint32_t i = 0; i < steps.output_count; ++i) {
    if (!steps.outputs[i].data)
      continue;
    const pcx_port_t &port = target.outputs[i];
    if (!port.per_sample)
      fail(PCX_ERROR_ARGUMENT,
           "output '{}' of program '{}' is shared by the batch, expected NULL "
           "data; its value is in the reports",
           port.name, target.name);
    checkArray(steps.outputs[i], port, positions, "output", target);
  }
}

void StepLoop::gather(const Pending &pending) {
  const auto &[step, position, n, slot, count] = pending;
  const ProgramStaging &staging = executor.staging(program, slot);
  const uint32_t *order = steps.order ? steps.order + position : nullptr;
  auto rows = [&, position = position](int64_t begin, int64_t end) {
    for (size_t i = 0; i < columns.size(); ++i)
      if (columns[i]->perSample)
        columns[i]->gather(order, position, begin, end, staging.inputs[i]);
  };
  // Below this many bytes one thread is done before a second has begun.
  constexpr uint64_t worthSharing = 32768;
  int64_t parts = session.pool.workers();
  if (uint64_t(n) * gatherBytes < worthSharing)
    rows(0, n);
  else
    session.pool.forEach(parts, [&, n = n](int64_t part, int64_t) {
      rows(n * part / parts, n * (part + 1) / parts);
    });
  for (uint32_t i = 0; i < target.input_count; ++i)
    zeroPadding(session, program, target.inputs[i], n, staging.inputs[i]);
}

void StepLoop::copyOutputs(const Pending &pending) {
  for (uint32_t i = 0; i < steps.output_count; ++i) {
    if (!steps.outputs[i].data)
      continue;
    uint64_t rowBytes = denseBytes(target.outputs[i]);
    std::memcpy(static_cast<std::byte *>(steps.outputs[i].data) +
                    uint64_t(pending.position) * rowBytes,
                executor.staging(program, pending.slot).outputs[i],
                uint64_t(pending.n) * rowBytes);
  }
}

void StepLoop::collect(const Pending &pending, unsigned index) {
  const ProgramStaging &staging = executor.staging(program, pending.slot);
  for (size_t r = 0; r < totals.size(); ++r) {
    uint32_t output = totals[r].output;
    last[r].value =
        scalarValue(staging.outputs[output] + index * staging.callStride,
                    target.outputs[output].dtype);
    totals[r].add(last[r].value, pending.n);
  }
}

void StepLoop::checkFinite(int64_t step) const {
  for (const pcx_report_t &report : last)
    if (!std::isfinite(report.value))
      fail(PCX_ERROR_NUMERIC,
           "'{}' of program '{}' is {} at step {}, expected a finite number",
           report.name, target.name, report.value, step);
}

bool StepLoop::settle(const Pending &pending, int64_t &done) {
  executor.finish(pending.slot);
  copyOutputs(pending);
  bool goesOn = true;
  for (unsigned index = 0; index < pending.count; ++index) {
    int64_t step = pending.step + index;
    done = step + 1;
    collect(pending, index);
    if (steps.check_finite)
      checkFinite(step);
    // All that were begun are told.
    if (steps.callback &&
        steps.callback(steps.user, step, last.data(), uint32_t(last.size())))
      goesOn = false;
  }
  return goesOn;
}

/// Steps to begin together, from `step` on.
unsigned StepLoop::chooseCount(int64_t step, unsigned most) const {
  most = std::min(most, executor.mostCalls(program));
  // The last one may have fewer samples.
  int64_t whole = (positions - steps.first) / steps.batch;
  int64_t left = std::min(steps.steps, whole) - step;
  return unsigned(std::clamp<int64_t>(left, 1, most));
}

void StepLoop::run(int64_t &done) {
  unsigned slots = executor.slots();
  if (steps.steps > 0) {
    int64_t end = std::min(positions, steps.first + steps.steps * steps.batch);
    std::span<const uint32_t> order;
    if (steps.order)
      order = {steps.order + steps.first, steps.order + end};
    held = executor.hold(program, data, order, steps.first);
  }
  for (unsigned slot = 0; slot < slots; ++slot)
    for (size_t i = 0; i < columns.size(); ++i)
      if (!columns[i]->perSample && steps.steps > 0)
        std::memcpy(executor.staging(program, slot).inputs[i], columns[i]->data,
                    columns[i]->rowBytes);
  for (uint32_t i = 0; i < target.output_count; ++i)
    session.wanted[i] = i < steps.output_count && steps.outputs[i].data;
  for (const Total &total : totals)
    session.wanted[total.output] = 1;
  // A step that may be the last one is looked at before the next one begins;
  // where none may, or one more does not matter, the next one begins first. Its
  // batch is gathered before that in any case, while the device is at work.
  bool mayEnd =
      slots == 1 || steps.check_finite || (steps.callback && !steps.overlap);
  // Two bursts of so many: when the first of their steps is told, all others
  // have begun.
  bool rows = std::any_of(
      steps.outputs, steps.outputs + steps.output_count,
      [](const pcx_array_t &output) { return output.data != nullptr; });
  unsigned most = 1;
  if (held && !mayEnd && !rows)
    most = steps.callback ? (steps.overlap - 1) / 2 + 1
                          : std::numeric_limits<unsigned>::max();
  std::optional<Pending> before;
  auto settleBefore = [&] {
    return !before || settle(*std::exchange(before, std::nullopt), done);
  };
  unsigned slot = 0;
  for (int64_t step = 0; step < steps.steps;) {
    int64_t position = steps.first + step * steps.batch;
    int64_t n = std::min(steps.batch, positions - position);
    Pending now = {step, position, n, slot, chooseCount(step, most)};
    slot = (slot + 1) % slots;
    step += now.count;
    if (!held)
      gather(now);
    if (mayEnd && !settleBefore())
      return;
    try {
      session.begin(program, n,
                    executor.staging(program, now.slot).inputs.data(), now.slot,
                    held, position, now.count);
    } catch (...) {
      // The session is as after the steps that are counted.
      settleBefore();
      throw;
    }
    bool goesOn = settleBefore();
    before = now;
    // As many steps later than asked for as the caller knows.
    if (!goesOn)
      break;
    if (slots == 1 && !settleBefore())
      return;
  }
  settleBefore();
}

pcx_status_t pcx_run_steps(pcx_session_t *session, uint32_t program,
                           const pcx_data_t *data, const pcx_steps_t *steps,
                           pcx_report_t *reports, uint32_t report_capacity,
                           uint32_t *report_count, int64_t *steps_done) {
  int64_t done = 0;
  pcx_status_t status = guarded([&] {
    requireArgument(session, "session");
    requireArgument(data, "data");
    requireArgument(steps, "steps");
    DefaultFloatModes modes;
    StepLoop loop(*session, program, *data, *steps);
    if (report_count)
      *report_count = uint32_t(loop.totals.size());
    if (reports && report_capacity < loop.totals.size())
      fail(PCX_ERROR_ARGUMENT,
           "program '{}' reports {} values, expected room for them, found {}",
           loop.target.name, loop.totals.size(), report_capacity);
    auto store = [&] {
      for (size_t r = 0; reports && r < loop.totals.size(); ++r)
        reports[r] = {loop.target.outputs[loop.totals[r].output].name,
                      loop.totals[r].value()};
    };
    try {
      loop.run(done);
    } catch (...) {
      store();
      throw;
    }
    store();
  });
  if (steps_done)
    *steps_done = done;
  return status;
}
