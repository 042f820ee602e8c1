//===- Npy.h - NumPy's .npy and .npz files ----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NPY versions 1 to 3 (NEP 1) with little-endian numbers, in C or Fortran
// order; NPZ archives with stored or deflated members, ZIP64 included.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_NPY_H
#define PCX_DATA_NPY_H

#include "pcx/Data/Array.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pcx::data {

/// Reads one NPY array: '<f4', '<f8', '<i2', '<i4', '<i8', '|i1', '|u1', '|b1',
/// and '<U' for a scalar string. Fortran order is brought into C order. Errors:
/// wrong magic, malformed header, another type, overflow, truncated data,
/// trailing bytes.
Result<Array> parseNpy(Bytes bytes, const std::string &name);
Result<Array> readNpy(const std::string &path);
/// The bytes of an NPY 1.0 file; Text is written as a scalar '<U' string.
std::vector<std::byte> formatNpy(const Array &array);
Status writeNpy(const std::string &path, const Array &array);

/// An NPZ archive. Members are decoded when asked for, so an array of a type
/// that is not supported hurts nobody who does not read it.
class NpzFile {
public:
  /// Parses the directory. Takes the bytes; `name` appears in messages.
  static Result<NpzFile> parse(std::vector<std::byte> bytes,
                               const std::string &name);
  static Result<NpzFile> open(const std::string &path);

  /// Names of the arrays (without ".npy"), in the order of the archive.
  const std::vector<std::string> &names() const { return order; }
  bool contains(const std::string &name) const {
    return members.count(name) != 0;
  }
  /// Decodes the array `name`. The message for an unknown one names the
  /// nearest match. Errors also: damaged member (CRC), encryption, another
  /// compression method.
  Result<Array> read(const std::string &name) const;

private:
  struct Member {
    uint16_t method = 0;
    uint32_t crc = 0;
    uint64_t compressed = 0, size = 0, offset = 0;
    bool encrypted = false;
  };
  std::string fileName;
  std::vector<std::byte> bytes;
  std::vector<std::string> order;
  std::map<std::string, Member> members;
};

/// Writes an archive of stored members (a temporary, then renamed). The bytes
/// depend on the arrays alone: members carry no time. Errors: an archive above
/// 4 GiB, unwritable path, full disk.
Status
writeNpz(const std::string &path,
         const std::vector<std::pair<std::string, const Array *>> &arrays);

} // namespace pcx::data

#endif // PCX_DATA_NPY_H
