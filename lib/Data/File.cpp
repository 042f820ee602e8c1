//===- File.cpp - Whole files, compressed or not --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/File.h"
#include "pcx/Support/Error.h"
#include "pcx/Support/File.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

using namespace pcx::data;

Result<std::vector<std::byte>> pcx::data::readFile(const std::string &path) {
  try {
    std::vector<uint8_t> read = pcx::readFile(path);
    Bytes bytes = std::as_bytes(std::span(read));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  } catch (const pcx::Error &error) {
    return Error{error.what()};
  }
}

Status pcx::data::writeFile(const std::string &path,
                            std::initializer_list<Bytes> parts) {
  try {
    AtomicFile file(path);
    for (Bytes part : parts)
      file.write(part.data(), part.size());
    file.commit();
    return success();
  } catch (const pcx::Error &error) {
    return Error{error.what()};
  }
}

Status pcx::data::writeFile(const std::string &path, std::string_view text) {
  return writeFile(path, {std::as_bytes(std::span(text))});
}

bool pcx::data::isGzip(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} &&
         bytes[1] == std::byte{0x8b};
}

Result<Inflated> pcx::data::inflate(Bytes bytes, Deflate framing, size_t limit,
                                    const std::string &name) {
  z_stream stream = {};
  // 15 window bits; 16 more for a gzip header, negative for none.
  if (::inflateInit2(&stream, framing == Deflate::Gzip ? 15 + 16 : -15) != Z_OK)
    return Error{fmt::format("{}: out of memory while decompressing", name)};
  struct Ender {
    z_stream &stream;
    ~Ender() { ::inflateEnd(&stream); }
  } ender{stream};

  Inflated out;
  size_t used = 0, consumed = 0;
  // zlib counts in 32 bits.
  constexpr size_t maxChunk = size_t(1) << 30;
  for (;;) {
    size_t inChunk = std::min(bytes.size() - consumed, maxChunk);
    // One byte past the limit tells "exactly" from "more".
    if (used == out.bytes.size())
      out.bytes.resize(std::min(std::max<size_t>(used * 2, 4096),
                                limit == SIZE_MAX ? limit : limit + 1));
    size_t outChunk = std::min(out.bytes.size() - used, maxChunk);
    stream.next_in =
        reinterpret_cast<Bytef *>(const_cast<std::byte *>(bytes.data())) +
        consumed;
    stream.avail_in = static_cast<uInt>(inChunk);
    stream.next_out = reinterpret_cast<Bytef *>(out.bytes.data()) + used;
    stream.avail_out = static_cast<uInt>(outChunk);
    int code = ::inflate(&stream, Z_NO_FLUSH);
    consumed += inChunk - stream.avail_in;
    used += outChunk - stream.avail_out;
    if (used > limit) {
      out.more = true;
      used = limit;
      break;
    }
    if (code == Z_STREAM_END) {
      if (consumed == bytes.size())
        break;
      if (framing == Deflate::Gzip && isGzip(bytes.subspan(consumed))) {
        ::inflateReset(&stream);
        continue;
      }
      return Error{fmt::format("{}: found {} bytes after the compressed data",
                               name, bytes.size() - consumed)};
    }
    if (code == Z_OK)
      continue;
    if (code == Z_BUF_ERROR && consumed == bytes.size())
      return Error{
          fmt::format("{}: truncated: the compressed data ends after {} bytes",
                      name, bytes.size())};
    return Error{fmt::format("{}: damaged compressed data near byte {}: {}",
                             name, consumed,
                             stream.msg ? stream.msg : "unexpected state")};
  }
  out.bytes.resize(used);
  return out;
}
