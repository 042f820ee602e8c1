//===- File.h - Whole files, compressed or not ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_FILE_H
#define PCX_DATA_FILE_H

#include "pcx/Data/Array.h"
#include "pcx/Data/Result.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace pcx::data {

/// The bytes of a regular file. The message has the path and the system's
/// reason.
Result<std::vector<std::byte>> readFile(const std::string &path);

/// Writes `parts` one after the other to a temporary beside `path`, then
/// renames it: an old file survives a full disk or an interruption.
Status writeFile(const std::string &path, std::initializer_list<Bytes> parts);
Status writeFile(const std::string &path, std::string_view text);

/// Which framing zlib expects.
enum class Deflate { Gzip, Raw };

/// What inflate() produced.
struct Inflated {
  std::vector<std::byte> bytes;
  /// The stream had more than `limit` bytes; `bytes` has the first `limit`.
  bool more = false;
};

/// True when the bytes start as a gzip stream does.
bool isGzip(Bytes bytes);

/// Decompresses at most `limit` bytes, never holding more than that: a small
/// file that claims to be huge costs nothing. Gzip members may follow each
/// other. `name` appears in messages.
Result<Inflated> inflate(Bytes bytes, Deflate framing, size_t limit,
                         const std::string &name);

} // namespace pcx::data

#endif // PCX_DATA_FILE_H
