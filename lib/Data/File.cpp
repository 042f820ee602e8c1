//===- File.cpp - Whole files, compressed or not --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/File.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pcx::data;

/// Closes a file descriptor at the end of a scope.
namespace {
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};
} // namespace

static Error systemError(const std::string &path, const char *what, int code) {
  return Error{fmt::format("cannot {} '{}': {}", what, path, strerror(code))};
}

Result<std::vector<std::byte>> pcx::data::readFile(const std::string &path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0)
    return systemError(path, "open", errno);
  struct stat info;
  if (::fstat(file.fd, &info) != 0)
    return systemError(path, "read", errno);
  if (S_ISDIR(info.st_mode))
    return Error{
        fmt::format("cannot read '{}': expected a file, found a folder", path)};
  std::vector<std::byte> bytes(
      info.st_size > 0 ? static_cast<size_t>(info.st_size) : 0);
  size_t used = 0;
  for (;;) {
    if (used == bytes.size())
      bytes.resize(used + 65536); // a pipe, or a file that grew
    ssize_t count = ::read(file.fd, bytes.data() + used, bytes.size() - used);
    if (count < 0) {
      if (errno == EINTR)
        continue;
      return systemError(path, "read", errno);
    }
    if (count == 0)
      break;
    used += static_cast<size_t>(count);
  }
  bytes.resize(used);
  return bytes;
}

Status pcx::data::writeFile(const std::string &path,
                            std::initializer_list<Bytes> parts) {
  // Something like /dev/stdout cannot be renamed over.
  struct stat info;
  bool direct = ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  if (direct && S_ISDIR(info.st_mode))
    return Error{fmt::format(
        "cannot write '{}': expected a file, found a folder", path)};
  std::string target =
      direct ? path : fmt::format("{}.tmp.{}", path, ::getpid());
  int code = 0;
  {
    Descriptor file{::open(target.c_str(),
                           direct ? O_WRONLY | O_CLOEXEC
                                  : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                           0666)};
    if (file.fd < 0)
      return systemError(path, "write", errno);
    for (Bytes part : parts) {
      while (!part.empty() && !code) {
        ssize_t count = ::write(file.fd, part.data(), part.size());
        if (count >= 0)
          part = part.subspan(static_cast<size_t>(count));
        else if (errno != EINTR)
          code = errno;
      }
    }
    // A full disk may only show here.
    if (!code && !direct && ::fsync(file.fd) != 0)
      code = errno;
    int fd = std::exchange(file.fd, -1);
    if (::close(fd) != 0 && !code)
      code = errno;
  }
  if (!code && !direct && ::rename(target.c_str(), path.c_str()) != 0)
    code = errno;
  if (code) {
    if (!direct)
      ::unlink(target.c_str());
    return systemError(path, "write", code);
  }
  return success();
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
