//===- TestSupport.h - Helpers of the data tests ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_DATA_TESTSUPPORT_H
#define PCX_TEST_DATA_TESTSUPPORT_H

#include "pcx/Data/Array.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pcx::test {

/// A folder that lives as long as the object.
class TempDir {
public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "pcx-test-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(folder); }
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;

  /// The path of `name` in the folder.
  std::string operator/(const std::string &name) const {
    return folder + "/" + name;
  }
  const std::string &path() const { return folder; }

private:
  std::string folder;
};

/// The bytes of a string literal.
inline std::vector<std::byte> bytesOf(std::string_view text) {
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// `bytes` as one gzip member.
inline std::vector<std::byte> gzip(data::Bytes bytes) {
  z_stream stream = {};
  EXPECT_EQ(
      deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::vector<std::byte> out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in =
      reinterpret_cast<Bytef *>(const_cast<std::byte *>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef *>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The message of a failed result, "" of a good one.
template <typename T>
std::string messageOf(const data::Result<T> &result) {
  return result ? "" : result.error().message;
}

} // namespace pcx::test

#endif // PCX_TEST_DATA_TESTSUPPORT_H
