//===- Safetensors.cpp - The safetensors file format ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Safetensors.h"
#include "Error.h"
#include "pcx/Support/File.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

using namespace pcx;
using nlohmann::json;

/// The format's own bound, so that a header's length can be trusted with
/// memory.
static constexpr uint64_t maxHeaderBytes = 100'000'000;
static constexpr uint64_t lengthBytes = sizeof(uint64_t);
static constexpr char metadataKey[] = "__metadata__";

size_t pcx::safetensorsDtypeBytes(const std::string &dtype) {
  static const std::map<std::string, size_t, std::less<>> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8},
  };
  auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {

/// Reads one file; every message names it.
class Reader {
public:
  Reader(std::span<const uint8_t> bytes, const std::string &name)
      : bytes(bytes), name(name) {}

  Safetensors read();

private:
  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format,
                        Args &&...args) const {
    fail(PCX_ERROR_FORMAT, "'{}' is damaged: {}", name,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view header();
  json parse(std::string_view text) const;
  void readMetadata(const json &entry, Metadata &metadata) const;
  void readTensor(const std::string &tensor, const json &entry,
                  Safetensors &result);
  void checkCoverage();

  std::span<const uint8_t> bytes;
  const std::string &name;
  std::span<const uint8_t> buffer; ///< behind the header

  struct Range {
    uint64_t begin, end;
    std::string tensor;
  };
  std::vector<Range> ranges;
};

} // namespace

std::string_view Reader::header() {
  static constexpr uint8_t zipMagic[] = {'P', 'K', 3, 4};
  if (bytes.size() >= sizeof(zipMagic) &&
      std::equal(std::begin(zipMagic), std::end(zipMagic), bytes.begin()))
    fail(PCX_ERROR_FORMAT,
         "'{}' is a zip archive such as .npz, expected a .safetensors file",
         name);
  if (bytes.size() < lengthBytes)
    fail(PCX_ERROR_FORMAT,
         "'{}' is truncated or no .safetensors file: expected at least {} "
         "bytes, found {}",
         name, lengthBytes, bytes.size());
  uint64_t length = 0;
  for (uint64_t i = 0; i < lengthBytes; ++i)
    length |= uint64_t(bytes[i]) << (8 * i);
  if (length > std::min(maxHeaderBytes, bytes.size() - lengthBytes))
    fail(PCX_ERROR_FORMAT,
         "'{}' is truncated or no .safetensors file: it announces a header of "
         "{} bytes, {} bytes follow",
         name, length, bytes.size() - lengthBytes);
  buffer = bytes.subspan(lengthBytes + length);
  return {reinterpret_cast<const char *>(bytes.data()) + lengthBytes, length};
}

json Reader::parse(std::string_view text) const {
  if (text.empty() || text.front() != '{')
    fail(PCX_ERROR_FORMAT,
         "'{}' is no .safetensors file: expected a header that begins with "
         "'{{'",
         name);
  // Keys seen in the object that is open at each depth. JSON leaves it open
  // which of two equal keys counts, so a file must not have any.
  constexpr size_t maxDepth = 3;
  std::set<std::string> seen[maxDepth + 1];
  auto check = [&](int depth, json::parse_event_t event, json &value) {
    if (event == json::parse_event_t::object_start ||
        event == json::parse_event_t::array_start) {
      if (size_t(depth) >= maxDepth)
        bad("its header is nested deeper than {} levels", maxDepth);
      seen[depth + 1].clear();
    }
    if (event == json::parse_event_t::key &&
        !seen[depth].insert(value.get_ref<const std::string &>()).second)
      bad("its header has the key '{}' twice",
          value.get_ref<const std::string &>());
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::parse_error &error) {
    bad("its header is no JSON at byte {}", lengthBytes + error.byte);
  } catch (const json::out_of_range &) {
    // JSON itself bounds no number.
    bad("its header has a number that no double holds");
  }
}

void Reader::readMetadata(const json &entry, Metadata &metadata) const {
  if (!entry.is_object())
    bad("'{}' is {}, expected an object", metadataKey, entry.type_name());
  for (const auto &[key, value] : entry.items()) {
    if (!value.is_string())
      bad("'{}' in '{}' is {}, expected a string", key, metadataKey,
          value.type_name());
    metadata[key] = value.get<std::string>();
  }
}

void Reader::readTensor(const std::string &tensor, const json &entry,
                        Safetensors &result) {
  if (!entry.is_object())
    bad("tensor '{}' is {}, expected an object", tensor, entry.type_name());
  auto field = [&](const char *key) -> const json & {
    auto found = entry.find(key);
    if (found == entry.end())
      bad("tensor '{}' has no '{}'", tensor, key);
    return *found;
  };
  TensorView view;
  const json &dtype = field("dtype"), &shape = field("shape"),
             &offsets = field("data_offsets");
  if (!dtype.is_string())
    bad("the dtype of tensor '{}' is {}, expected a string", tensor,
        dtype.type_name());
  view.dtype = dtype.get<std::string>();
  size_t elementBytes = safetensorsDtypeBytes(view.dtype);
  if (!elementBytes)
    bad("tensor '{}' has unknown dtype '{}'", tensor, view.dtype);

  auto isList = [](const json &list) {
    return list.is_array() &&
           std::all_of(list.begin(), list.end(), [](const json &number) {
             return number.is_number_unsigned();
           });
  };
  if (!isList(shape))
    bad("the shape of tensor '{}' is no list of sizes", tensor);
  uint64_t size = elementBytes;
  for (const json &dim : shape) {
    auto value = dim.get<uint64_t>();
    if (value > uint64_t(INT64_MAX) ||
        __builtin_mul_overflow(size, value, &size))
      bad("the shape of tensor '{}' is too large", tensor);
    view.shape.push_back(int64_t(value));
  }
  if (!isList(offsets) || offsets.size() != 2)
    bad("the data_offsets of tensor '{}' are no pair of positions", tensor);
  auto begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  if (begin > end || end > buffer.size())
    bad("tensor '{}' ends at byte {}, expected at most {}; it may be truncated",
        tensor, end, buffer.size());
  if (end - begin != size)
    bad("tensor '{}' has {} bytes, expected {} for {} of {}", tensor,
        end - begin, size, fmt::join(view.shape, "x"), view.dtype);
  view.data = buffer.subspan(begin, end - begin);
  ranges.push_back({begin, end, tensor});
  result.tensors.emplace(tensor, std::move(view));
}

void Reader::checkCoverage() {
  std::sort(ranges.begin(), ranges.end(), [](const Range &a, const Range &b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t next = 0;
  for (const Range &range : ranges) {
    if (range.begin != next)
      bad("tensor '{}' begins at byte {}, expected {}: tensors overlap or "
          "leave a gap",
          range.tensor, range.begin, next);
    next = range.end;
  }
  if (next != buffer.size())
    bad("its tensors end at byte {}, expected {}", next, buffer.size());
}

Safetensors Reader::read() {
  json root = parse(header());
  Safetensors result;
  for (const auto &[key, value] : root.items()) {
    if (key == metadataKey)
      readMetadata(value, result.metadata);
    else
      readTensor(key, value, result);
  }
  checkCoverage();
  return result;
}

Safetensors pcx::parseSafetensors(std::span<const uint8_t> bytes,
                                  const std::string &name) {
  return Reader(bytes, name).read();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void pcx::writeSafetensors(const std::string &path, const Metadata &metadata,
                           const std::vector<TensorSource> &tensors) {
  // The widest elements first keep every tensor aligned to its elements.
  std::vector<const TensorSource *> order;
  for (const TensorSource &tensor : tensors)
    order.push_back(&tensor);
  std::sort(order.begin(), order.end(),
            [](const TensorSource *a, const TensorSource *b) {
              size_t wideA = safetensorsDtypeBytes(a->dtype);
              size_t wideB = safetensorsDtypeBytes(b->dtype);
              return wideA != wideB ? wideA > wideB : a->name < b->name;
            });

  nlohmann::ordered_json root = nlohmann::ordered_json::object();
  if (!metadata.empty())
    root[metadataKey] = metadata;
  uint64_t end = 0, longest = 0;
  std::vector<uint64_t> sizes;
  for (const TensorSource *tensor : order) {
    uint64_t size = safetensorsDtypeBytes(tensor->dtype);
    for (int64_t dim : tensor->shape)
      size *= uint64_t(dim);
    root[tensor->name] = {{"dtype", tensor->dtype},
                          {"shape", tensor->shape},
                          {"data_offsets", {end, end + size}}};
    end += size;
    longest = std::max(longest, size);
    sizes.push_back(size);
  }
  std::string header;
  try {
    header = root.dump();
  } catch (const json::type_error &) {
    fail(PCX_ERROR_ARGUMENT,
         "cannot write '{}': a name or its metadata is not UTF-8", path);
  }
  // Spaces up to the alignment of the data; the format allows them.
  header.resize((header.size() + lengthBytes - 1) / lengthBytes * lengthBytes,
                ' ');
  if (header.size() > maxHeaderBytes)
    fail(PCX_ERROR_ARGUMENT,
         "cannot write '{}': a header of {} bytes, expected at most {}", path,
         header.size(), maxHeaderBytes);

  std::vector<uint8_t> dense(longest);
  AtomicFile file(path);
  uint8_t length[lengthBytes];
  for (uint64_t i = 0; i < lengthBytes; ++i)
    length[i] = uint8_t(uint64_t(header.size()) >> (8 * i));
  file.write(length, sizeof(length));
  file.write(header.data(), header.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i]->fill(dense.data());
    file.write(dense.data(), sizes[i]);
  }
  file.commit();
}
