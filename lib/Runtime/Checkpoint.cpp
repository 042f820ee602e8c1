//===- Checkpoint.cpp - Saving and loading sessions -----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A checkpoint is a safetensors file with one tensor a storage entry. Numbers
// beside the tensors stand in the metadata as the hexadecimal digits of their
// 64 bits, so that they come back exactly:
//
//   pcx.format         1
//   pcx.model, pcx.compiler, pcx.source_sha256
//   pcx.seed, pcx.call, pcx.total_steps, pcx.epoch
//   pcx.hyper.<name>
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "Module.h"
#include "Safetensors.h"
#include "Session.h"
#include "pcx/Support/File.h"
#include "pcx/Support/Names.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

using namespace pcx;

static constexpr std::string_view ownPrefix = "pcx.";
static constexpr std::string_view hyperPrefix = "pcx.hyper.";
static constexpr char formatKey[] = "pcx.format";
static constexpr char formatVersion[] = "1";

static const char *safetensorsDtype(uint32_t dtype) {
  switch (dtype) {
  case PCX_F32:
    return "F32";
  case PCX_F64:
    return "F64";
  case PCX_I32:
    return "I32";
  case PCX_I64:
    return "I64";
  default:
    return "U8";
  }
}

static std::string encodeBits(uint64_t value) {
  return fmt::format("0x{:016x}", value);
}

static bool decodeBits(std::string_view text, uint64_t &value) {
  if (text.size() != 18 || text.substr(0, 2) != "0x")
    return false;
  const char *end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + 2, end, value, 16);
  return error == std::errc() && stop == end;
}

static bool startsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

/// The user's key, value, ... strings.
static Metadata userMetadata(const char *const *strings, uint32_t count) {
  Metadata metadata;
  for (uint32_t i = 0; i < count; ++i) {
    const char *key = strings[2 * i], *value = strings[2 * i + 1];
    requireArgument(key, "metadata[]");
    requireArgument(value, "metadata[]");
    if (startsWith(key, ownPrefix))
      fail(PCX_ERROR_ARGUMENT,
           "metadata key '{}' begins with '{}', expected another beginning",
           key, ownPrefix);
    if (!metadata.emplace(key, value).second)
      fail(PCX_ERROR_ARGUMENT, "metadata key '{}' is given twice", key);
  }
  return metadata;
}

pcx_status_t pcx_save(const pcx_session_t *session, const char *path,
                      const char *const *metadata, uint32_t metadata_count) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(path, "path");
    if (metadata_count)
      requireArgument(metadata, "metadata");
    const pcx_artifact_t &info = session->module.info();
    Metadata all = userMetadata(metadata, metadata_count);
    all[formatKey] = formatVersion;
    all["pcx.model"] = info.model;
    all["pcx.compiler"] = info.compiler;
    all["pcx.source_sha256"] = info.source_sha256;
    const pcx_counters_t &counters = session->counters;
    all["pcx.seed"] = encodeBits(counters.seed);
    all["pcx.call"] = encodeBits(counters.call);
    all["pcx.total_steps"] =
        encodeBits(std::bit_cast<uint64_t>(counters.total_steps));
    all["pcx.epoch"] = encodeBits(std::bit_cast<uint64_t>(counters.epoch));
    for (uint32_t h = 0; h < info.hyper_count; ++h)
      all[std::string(hyperPrefix) + info.hypers[h].name] =
          encodeBits(std::bit_cast<uint64_t>(session->hypers[h]));

    std::vector<TensorSource> tensors;
    for (uint32_t s = 0; s < info.storage_count; ++s) {
      const pcx_storage_t &entry = info.storage[s];
      tensors.push_back({entry.name,
                         safetensorsDtype(entry.dtype),
                         {entry.dims, entry.dims + entry.rank},
                         [session, s](void *dense) {
                           session->executor->readStorage(s, dense);
                         }});
    }
    writeSafetensors(path, all, tensors);
  });
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

namespace {

/// Checks a file against a session, then changes the session.
class Loader {
public:
  Loader(pcx_session_t &session, const std::string &path)
      : session(session), info(session.module.info()), path(path),
        bytes(readFile(path)), file(parseSafetensors(bytes, path)) {}

  void loadAll();
  void loadParameters();

private:
  template <typename... Args>
  [[noreturn]] void mismatch(fmt::format_string<Args...> format,
                             Args &&...args) const {
    fail(PCX_ERROR_MISMATCH, "'{}'{} does not fit model '{}': {}", path,
         origin(), info.model,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::string origin() const;
  void take(uint32_t entry, bool convert);
  uint64_t bits(const std::string &key) const;
  void apply();

  pcx_session_t &session;
  const pcx_artifact_t &info;
  const std::string path;
  const std::vector<uint8_t> bytes;
  Safetensors file;

  struct Change {
    uint32_t entry;
    const void *dense;
  };
  std::vector<Change> changes;
  std::vector<std::vector<uint8_t>> converted;
};

} // namespace

/// ", a checkpoint of model 'vgg'," where the file says so.
std::string Loader::origin() const {
  auto model = file.metadata.find("pcx.model");
  if (model == file.metadata.end())
    return "";
  return fmt::format(", a checkpoint of model '{}',", model->second);
}

template <typename From, typename To>
static std::vector<uint8_t> convertFloats(std::span<const uint8_t> from) {
  std::vector<uint8_t> result(from.size() / sizeof(From) * sizeof(To));
  for (size_t i = 0; i < from.size() / sizeof(From); ++i) {
    From value;
    std::memcpy(&value, from.data() + i * sizeof(From), sizeof(From));
    To rounded = To(value);
    std::memcpy(result.data() + i * sizeof(To), &rounded, sizeof(To));
  }
  return result;
}

/// Checks the tensor of a storage entry and notes it for `apply`.
void Loader::take(uint32_t index, bool convert) {
  const pcx_storage_t &entry = info.storage[index];
  auto found = file.tensors.find(entry.name);
  if (found == file.tensors.end()) {
    std::vector<std::string_view> names;
    for (const auto &[name, tensor] : file.tensors)
      names.push_back(name);
    mismatch("it has no array '{}'{}", entry.name,
             suggestName(entry.name, names));
  }
  const TensorView &tensor = found->second;
  if (!std::equal(tensor.shape.begin(), tensor.shape.end(), entry.dims,
                  entry.dims + entry.rank))
    mismatch("array '{}' is {}, expected {}", entry.name,
             shapeName(tensor.shape.data(), uint32_t(tensor.shape.size())),
             shapeName(entry.dims, entry.rank));
  std::string expected = safetensorsDtype(entry.dtype);
  if (tensor.dtype == expected) {
    changes.push_back({index, tensor.data.data()});
    return;
  }
  if (convert && tensor.dtype == "F32" && expected == "F64")
    converted.push_back(convertFloats<float, double>(tensor.data));
  else if (convert && tensor.dtype == "F64" && expected == "F32")
    converted.push_back(convertFloats<double, float>(tensor.data));
  else
    mismatch("array '{}' is {}, expected {}", entry.name, tensor.dtype,
             expected);
  changes.push_back({index, converted.back().data()});
}

/// The number under a metadata key.
uint64_t Loader::bits(const std::string &key) const {
  auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    mismatch("its metadata has no '{}'", key);
  uint64_t value = 0;
  if (!decodeBits(found->second, value))
    mismatch("'{}' in its metadata is '{}', expected 0x and 16 hexadecimal "
             "digits",
             key, found->second);
  return value;
}

/// Nothing here can fail but a device.
void Loader::apply() {
  for (const Change &change : changes)
    session.executor->writeStorage(change.entry, change.dense);
  session.metadata = std::move(file.metadata);
}

void Loader::loadAll() {
  auto format = file.metadata.find(formatKey);
  if (format == file.metadata.end())
    fail(PCX_ERROR_MISMATCH,
         "'{}' is no checkpoint: its metadata has no '{}'; only its parameters "
         "can be loaded",
         path, formatKey);
  if (format->second != formatVersion)
    fail(PCX_ERROR_VERSION,
         "'{}' is a checkpoint of format '{}', expected '{}'; update the "
         "runtime",
         path, format->second, formatVersion);
  for (uint32_t s = 0; s < info.storage_count; ++s)
    take(s, /*convert=*/false);
  if (file.tensors.size() != info.storage_count) {
    std::vector<std::string_view> names;
    for (uint32_t s = 0; s < info.storage_count; ++s)
      names.push_back(info.storage[s].name);
    for (const auto &[name, tensor] : file.tensors)
      if (std::find(names.begin(), names.end(), name) == names.end())
        mismatch("it has an array '{}' that the model lacks", name);
  }

  std::vector<double> hypers;
  for (uint32_t h = 0; h < info.hyper_count; ++h) {
    const pcx_hyper_t &hyper = info.hypers[h];
    hypers.push_back(
        std::bit_cast<double>(bits(std::string(hyperPrefix) + hyper.name)));
    checkHyper(hyper, hypers.back(), PCX_ERROR_MISMATCH,
               fmt::format("'{}': ", path));
  }
  for (const auto &[key, value] : file.metadata) {
    if (!startsWith(key, hyperPrefix))
      continue;
    std::string_view name = std::string_view(key).substr(hyperPrefix.size());
    if (std::none_of(info.hypers, info.hypers + info.hyper_count,
                     [&](const pcx_hyper_t &h) { return h.name == name; }))
      mismatch("it has a hyper-parameter '{}' that the model lacks", name);
  }
  pcx_counters_t counters;
  counters.seed = bits("pcx.seed");
  counters.call = bits("pcx.call");
  counters.total_steps = std::bit_cast<double>(bits("pcx.total_steps"));
  counters.epoch = std::bit_cast<double>(bits("pcx.epoch"));

  apply();
  session.hypers = std::move(hypers);
  session.counters = counters;
}

void Loader::loadParameters() {
  // `changes` point into it.
  converted.reserve(info.storage_count);
  for (uint32_t s = 0; s < info.storage_count; ++s)
    if (info.storage[s].kind == PCX_PARAMETER ||
        info.storage[s].kind == PCX_BUFFER)
      take(s, /*convert=*/true);
  apply();
}

pcx_status_t pcx_load(pcx_session_t *session, const char *path,
                      uint32_t flags) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(path, "path");
    if (flags != PCX_LOAD_ALL && flags != PCX_LOAD_PARAMETERS)
      fail(PCX_ERROR_ARGUMENT, "unknown load flags {}, expected {} or {}",
           flags, int(PCX_LOAD_ALL), int(PCX_LOAD_PARAMETERS));
    Loader loader(*session, path);
    if (flags == PCX_LOAD_PARAMETERS)
      loader.loadParameters();
    else
      loader.loadAll();
  });
}

const char *pcx_loaded_metadata(const pcx_session_t *session, const char *key) {
  auto found = session->metadata.find(std::string_view(key));
  return found == session->metadata.end() ? nullptr : found->second.c_str();
}
