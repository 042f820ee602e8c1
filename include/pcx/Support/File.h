//===- File.h - Whole files, read and replaced --------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading a file into memory, and replacing a file so that the old one survives
// any failure on the way.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_SUPPORT_FILE_H
#define PCX_SUPPORT_FILE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pcx {

/// All bytes of the file at `path`, or its first `limit` bytes when it is
/// longer. Throws Error(PCX_ERROR_IO), also for a folder.
std::vector<uint8_t> readFile(const std::string &path, size_t limit = SIZE_MAX);

/// Writes a whole descriptor's worth of bytes, through short writes and
/// interruptions. Returns 0 or errno.
int writeAll(int descriptor, const void *data, size_t bytes);

/// A file that appears at its path complete or not at all.
///
/// The bytes go to a temporary beside it, which `commit` flushes to the disk
/// and renames. Destroyed without a commit, or when a write fails, it removes
/// the temporary and leaves the old file as it was. A symbolic link stays one:
/// its target is replaced. The mode of an old file is kept. What is no regular
/// file (a pipe, a device) is written to directly.
class AtomicFile {
public:
  /// Throws Error(PCX_ERROR_IO) when nothing can be written there.
  explicit AtomicFile(const std::string &path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// Appends bytes. Throws Error(PCX_ERROR_IO), e.g. on a full disk.
  void write(const void *data, size_t bytes);

  /// Puts the file in its place. Throws Error(PCX_ERROR_IO).
  void commit();

private:
  [[noreturn]] void fail(const char *what, int error);

  std::string path;      ///< as the user wrote it, for messages
  std::string target;    ///< behind symbolic links
  std::string temporary; ///< "" when the target is written to directly
  int descriptor = -1;
};

} // namespace pcx

#endif // PCX_SUPPORT_FILE_H
