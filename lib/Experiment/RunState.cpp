//===- RunState.cpp - What a checkpoint says about its run ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunState.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

using namespace pcx;
using namespace pcx::experiment;

static std::string exact(double value) { return fmt::format("{:a}", value); }

/// Reads what exact() wrote.
static std::optional<double> fromExact(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative)
    text.remove_prefix(1);
  if (text.starts_with("0x"))
    text.remove_prefix(2);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(),
                                      value, std::chars_format::hex);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return std::nullopt;
  return negative ? -value : value;
}

std::vector<std::string> RunState::metadata() const {
  std::vector<std::string> out;
  auto add = [&](const char *key, std::string value) {
    out.push_back(std::string("run.") + key);
    out.push_back(std::move(value));
  };
  add("data", data);
  if (normalise) {
    add("mean", exact(normalise->mean));
    add("std", exact(normalise->std));
  }
  add("label_offset", std::to_string(labelOffset));
  if (labelColumn)
    add("label_column", *labelColumn);
  add("program", program);
  add("samples", std::to_string(samples));
  add("epochs", std::to_string(epochs));
  add("batch", std::to_string(batch));
  add("seed", std::to_string(seed));
  add("shuffle", shuffle ? "1" : "0");
  add("drop_last", dropLast ? "1" : "0");
  add("epoch", std::to_string(epoch));
  add("step", std::to_string(step));
  if (step > 0) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    for (const auto &[name, total] : totals)
      json[name] = {total.reduce, exact(total.sum), exact(total.samples)};
    add("totals", json.dump());
    add("seconds", exact(seconds));
  }
  return out;
}

namespace {
/// Reads typed values of the loaded metadata; remembers the first that is
/// missing or malformed.
class MetadataReader {
public:
  explicit MetadataReader(const pcx_session_t *session) : session(session) {}

  const char *find(const char *key) const {
    return pcx_loaded_metadata(session, (std::string("run.") + key).c_str());
  }
  std::string text(const char *key) {
    const char *value = find(key);
    if (!value)
      fail(key);
    return value ? value : "";
  }
  template <typename T>
  T number(const char *key, T low) {
    std::string value = text(key);
    T number = low;
    auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() ||
        number < low)
      fail(key);
    return number;
  }
  double real(const char *key) {
    auto value = fromExact(text(key));
    if (!value)
      fail(key);
    return value.value_or(0);
  }
  void fail(const char *key) {
    if (bad.empty())
      bad = key;
  }

  std::string bad;

private:
  const pcx_session_t *session;
};
} // namespace

Result<RunState> RunState::fromLoaded(const pcx_session_t *session,
                                      const std::string &path) {
  MetadataReader in(session);
  if (!in.find("data"))
    return Error{fmt::format("'{}': expected a checkpoint of `pcx-run train`, "
                             "found one without its run; use --params to take "
                             "the parameters alone",
                             path)};
  RunState out;
  out.data = in.text("data");
  if (in.find("mean"))
    out.normalise = Normalisation{in.real("mean"), in.real("std")};
  out.labelOffset = in.number<int64_t>("label_offset", INT64_MIN);
  if (const char *column = in.find("label_column"))
    out.labelColumn = column;
  out.program = in.text("program");
  out.samples = in.number<int64_t>("samples", 1);
  out.epochs = in.number<int64_t>("epochs", 1);
  out.batch = in.number<int64_t>("batch", 1);
  out.seed = in.number<uint64_t>("seed", 0);
  out.shuffle = in.number<int64_t>("shuffle", 0) != 0;
  out.dropLast = in.number<int64_t>("drop_last", 0) != 0;
  out.epoch = in.number<int64_t>("epoch", 0);
  out.step = in.number<int64_t>("step", 0);
  if (out.step > 0 && in.bad.empty()) {
    out.seconds = in.real("seconds");
    auto json = nlohmann::json::parse(in.text("totals"), nullptr, false);
    if (!json.is_object())
      in.fail("totals");
    else
      for (const auto &[name, entry] : json.items()) {
        std::optional<double> sum, samples;
        if (entry.is_array() && entry.size() == 3 &&
            entry[0].is_number_unsigned() && entry[1].is_string() &&
            entry[2].is_string()) {
          sum = fromExact(entry[1].get_ref<const std::string &>());
          samples = fromExact(entry[2].get_ref<const std::string &>());
        }
        if (!sum || !samples) {
          in.fail("totals");
          break;
        }
        out.totals[name] = {entry[0].get<uint32_t>(), *sum, *samples};
      }
  }
  if (in.bad.empty() && out.step > out.stepsPerEpoch())
    in.fail("step");
  if (!in.bad.empty())
    return Error{fmt::format("'{}': damaged: its metadata 'run.{}' is missing "
                             "or malformed",
                             path, in.bad)};
  return out;
}

void RunState::completeChoice(const pcx_session_t *session,
                              DataChoice &choice) {
  MetadataReader in(session);
  if (!in.find("data"))
    return;
  // A normalisation, an offset and a column belong to the data that they were
  // given for; on other data the normalisation alone belongs to the parameters.
  bool sameData = !choice.data || *choice.data == in.text("data");
  if (!choice.data)
    choice.data = in.text("data");
  if (!choice.normalise && in.find("mean"))
    choice.normalise = Normalisation{in.real("mean"), in.real("std")};
  if (!sameData)
    return;
  if (!choice.labelOffset)
    choice.labelOffset = in.number<int64_t>("label_offset", INT64_MIN);
  if (!choice.labelColumn && in.find("label_column"))
    choice.labelColumn = in.text("label_column");
}
