//===- Npz.cpp - NumPy's .npz archives ------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The part of the zip format (PKWARE's APPNOTE.TXT) that np.savez and
// np.savez_compressed use: methods 0 and 8, the central directory, ZIP64.
#include "pcx/Data/File.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>

using namespace pcx::data;

static constexpr uint32_t localSignature = 0x04034b50;
static constexpr uint32_t directorySignature = 0x02014b50;
static constexpr uint32_t endSignature = 0x06054b50;
static constexpr uint32_t end64Signature = 0x06064b50;
static constexpr uint32_t locator64Signature = 0x07064b50;

static constexpr size_t localBytes = 30, directoryBytes = 46, endBytes = 22,
                        end64Bytes = 56, locator64Bytes = 20;

/// The little-endian number of N bytes at `at`, which the caller has checked.
template <size_t N>
static uint64_t number(Bytes bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < N; ++i)
    value |= std::to_integer<uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}

/// True when `size` bytes at `at` lie within `bytes`.
static bool fits(Bytes bytes, uint64_t at, uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

static uint32_t crcOf(Bytes bytes) {
  return static_cast<uint32_t>(::crc32_z(
      0, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
}

namespace {
/// Where the central directory lies.
struct Directory {
  uint64_t entries = 0, bytes = 0, offset = 0;
};
} // namespace

/// Finds the end-of-directory record, which a comment may follow.
static Result<Directory> findDirectory(Bytes file, const std::string &name) {
  if (file.size() < 4 || (number<4>(file, 0) != localSignature &&
                          number<4>(file, 0) != endSignature))
    return Error{fmt::format(
        "{}: wrong magic: expected an NPZ file (a zip archive, 'PK')", name)};
  std::optional<size_t> end;
  size_t lowest =
      file.size() > endBytes + 0xffff ? file.size() - endBytes - 0xffff : 0;
  for (size_t at = file.size() - std::min(file.size(), endBytes) + 1;
       at-- > lowest;)
    if (fits(file, at, endBytes) && number<4>(file, at) == endSignature &&
        number<2>(file, at + 20) == file.size() - at - endBytes) {
      end = at;
      break;
    }
  if (!end)
    return Error{fmt::format(
        "{}: truncated: the zip archive has no end-of-directory record", name)};
  Directory out{number<2>(file, *end + 10), number<4>(file, *end + 12),
                number<4>(file, *end + 16)};
  if (out.entries == 0xffff || out.bytes == 0xffffffff ||
      out.offset == 0xffffffff) {
    bool found = false;
    if (*end >= locator64Bytes &&
        number<4>(file, *end - locator64Bytes) == locator64Signature) {
      uint64_t at = number<8>(file, *end - locator64Bytes + 8);
      if (fits(file, at, end64Bytes) && number<4>(file, at) == end64Signature) {
        out = {number<8>(file, at + 32), number<8>(file, at + 40),
               number<8>(file, at + 48)};
        found = true;
      }
    }
    if (!found && (out.bytes == 0xffffffff || out.offset == 0xffffffff))
      return Error{fmt::format("{}: damaged: the zip archive's ZIP64 record is "
                               "missing",
                               name)};
  }
  if (!fits(file, out.offset, out.bytes))
    return Error{fmt::format("{}: damaged: the zip directory of {} bytes at {} "
                             "lies outside the file of {} bytes",
                             name, out.bytes, out.offset, file.size())};
  return out;
}

Result<NpzFile> NpzFile::parse(std::vector<std::byte> owned,
                               const std::string &name) {
  NpzFile npz;
  npz.fileName = name;
  npz.bytes = std::move(owned);
  Bytes file = npz.bytes;
  auto directory = findDirectory(file, name);
  if (!directory)
    return directory.error();

  Bytes entries = file.subspan(directory->offset, directory->bytes);
  size_t at = 0;
  auto damaged = [&](const char *what) {
    return Error{fmt::format("{}: damaged: {} in zip directory entry {}", name,
                             what, npz.order.size())};
  };
  for (uint64_t entry = 0; entry < directory->entries; ++entry) {
    if (!fits(entries, at, directoryBytes) ||
        number<4>(entries, at) != directorySignature)
      return damaged("bad signature");
    Member member;
    member.encrypted = number<2>(entries, at + 8) & 1;
    member.method = static_cast<uint16_t>(number<2>(entries, at + 10));
    member.crc = static_cast<uint32_t>(number<4>(entries, at + 16));
    member.compressed = number<4>(entries, at + 20);
    member.size = number<4>(entries, at + 24);
    size_t nameBytes = number<2>(entries, at + 28);
    size_t extraBytes = number<2>(entries, at + 30);
    size_t commentBytes = number<2>(entries, at + 32);
    member.offset = number<4>(entries, at + 42);
    if (!fits(entries, at + directoryBytes,
              nameBytes + extraBytes + commentBytes))
      return damaged("bad length");
    std::string memberName(reinterpret_cast<const char *>(entries.data()) + at +
                               directoryBytes,
                           nameBytes);

    // ZIP64: 64-bit values replace the saturated ones, in this order.
    Bytes extra = entries.subspan(at + directoryBytes + nameBytes, extraBytes);
    while (extra.size() >= 4) {
      size_t id = number<2>(extra, 0), size = number<2>(extra, 2);
      if (size > extra.size() - 4)
        return damaged("bad extra field");
      if (id == 1) {
        Bytes values = extra.subspan(4, size);
        for (uint64_t *value :
             {&member.size, &member.compressed, &member.offset}) {
          if (*value != 0xffffffff)
            continue;
          if (values.size() < 8)
            return damaged("bad ZIP64 field");
          *value = number<8>(values, 0);
          values = values.subspan(8);
        }
      }
      extra = extra.subspan(4 + size);
    }
    at += directoryBytes + nameBytes + extraBytes + commentBytes;

    std::string_view suffix = ".npy";
    if (memberName.size() >= suffix.size() && memberName.ends_with(suffix))
      memberName.resize(memberName.size() - suffix.size());
    if (!npz.members.emplace(memberName, member).second)
      return Error{
          fmt::format("{}: array '{}' is there twice", name, memberName)};
    npz.order.push_back(memberName);
  }
  return npz;
}

Result<NpzFile> NpzFile::open(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return bytes.error();
  return parse(std::move(*bytes), path);
}

Result<Array> NpzFile::read(const std::string &name) const {
  auto it = members.find(name);
  if (it == members.end())
    return Error{fmt::format("{}: no array '{}'{}", fileName, name,
                             suggest(name, order))};
  const Member &member = it->second;
  std::string label = fmt::format("{}: array '{}'", fileName, name);
  if (member.encrypted)
    return Error{label + ": is encrypted"};
  Bytes file = bytes;
  if (!fits(file, member.offset, localBytes) ||
      number<4>(file, member.offset) != localSignature)
    return Error{label + ": damaged: its zip header is not where the directory "
                         "says"};
  uint64_t start = member.offset + localBytes +
                   number<2>(file, member.offset + 26) +
                   number<2>(file, member.offset + 28);
  if (!fits(file, start, member.compressed))
    return Error{fmt::format("{}: truncated: expected {} bytes at {}, the file "
                             "has {}",
                             label, member.compressed, start, file.size())};
  Bytes packed = file.subspan(start, member.compressed);
  std::vector<std::byte> inflated;
  Bytes data = packed;
  if (member.method == 8) {
    auto result = inflate(packed, Deflate::Raw, member.size, label);
    if (!result)
      return result.error();
    if (result->more || result->bytes.size() != member.size)
      return Error{fmt::format(
          "{}: damaged: expected {} bytes after decompression, found {}", label,
          member.size,
          result->more ? "more" : std::to_string(result->bytes.size()))};
    inflated = std::move(result->bytes);
    data = inflated;
  } else if (member.method != 0) {
    return Error{fmt::format("{}: expected a stored or deflated member, found "
                             "compression method {}",
                             label, member.method)};
  } else if (member.size != member.compressed) {
    return Error{fmt::format("{}: damaged: a stored member of {} bytes claims "
                             "to hold {}",
                             label, member.compressed, member.size)};
  }
  uint32_t crc = crcOf(data);
  if (crc != member.crc)
    return Error{fmt::format("{}: damaged: expected CRC {:08x}, found {:08x}",
                             label, member.crc, crc)};
  return parseNpy(data, label);
}

template <size_t N>
static void append(std::vector<std::byte> &out, uint64_t value) {
  for (size_t i = 0; i < N; ++i)
    out.push_back(std::byte(value >> (8 * i) & 0xff));
}

/// The fields that a local header and a directory entry share.
static void appendCommon(std::vector<std::byte> &out, const std::string &name,
                         uint32_t crc, size_t size) {
  append<2>(out, 20);    // version 2.0 reads it
  append<2>(out, 0x800); // the name is UTF-8
  append<2>(out, 0);     // stored
  append<2>(out, 0);     // 00:00
  append<2>(out, 0x21);  // 1980-01-01
  append<4>(out, crc);
  append<4>(out, size);
  append<4>(out, size);
  append<2>(out, name.size());
  append<2>(out, 0); // no extra field
}

Status pcx::data::writeNpz(
    const std::string &path,
    const std::vector<std::pair<std::string, const Array *>> &arrays) {
  std::vector<std::byte> out, directory;
  auto appendText = [](std::vector<std::byte> &to, const std::string &text) {
    Bytes bytes = std::as_bytes(std::span(text));
    to.insert(to.end(), bytes.begin(), bytes.end());
  };
  for (const auto &[name, array] : arrays) {
    std::vector<std::byte> data = formatNpy(*array);
    std::string member = name + ".npy";
    if (data.size() + out.size() > 0xffff0000u || arrays.size() >= 0xffff)
      return Error{fmt::format("cannot write '{}': the archive would pass 4 "
                               "GiB; write single arrays as .npy",
                               path)};
    uint32_t crc = crcOf(data);
    size_t offset = out.size();
    append<4>(out, localSignature);
    appendCommon(out, member, crc, data.size());
    appendText(out, member);
    out.insert(out.end(), data.begin(), data.end());

    append<4>(directory, directorySignature);
    append<2>(directory, 20); // made by version 2.0
    appendCommon(directory, member, crc, data.size());
    append<2>(directory, 0); // no comment
    append<2>(directory, 0); // disk 0
    append<2>(directory, 0); // internal attributes
    append<4>(directory, 0); // external attributes
    append<4>(directory, offset);
    appendText(directory, member);
  }
  std::vector<std::byte> end;
  append<4>(end, endSignature);
  append<2>(end, 0);
  append<2>(end, 0);
  append<2>(end, arrays.size());
  append<2>(end, arrays.size());
  append<4>(end, directory.size());
  append<4>(end, out.size());
  append<2>(end, 0);
  return writeFile(path, {Bytes(out), Bytes(directory), Bytes(end)});
}
