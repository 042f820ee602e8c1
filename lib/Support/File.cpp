//===- File.cpp - Whole files, read and replaced --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Support/File.h"
#include "pcx/Support/Error.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pcx;

namespace {
/// Closes a descriptor at the end of a scope.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0)
      close(value);
  }
};
} // namespace

std::vector<uint8_t> pcx::readFile(const std::string &path, size_t limit) {
  auto fail = [&](const char *what, int error) {
    throw Error(PCX_ERROR_IO,
                fmt::format("cannot {} '{}': {}", what, path, strerror(error)));
  };
  Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    fail("open", errno);
  struct stat status;
  if (fstat(file.value, &status) != 0)
    fail("read", errno);
  if (S_ISDIR(status.st_mode))
    throw Error(
        PCX_ERROR_IO,
        fmt::format("cannot read '{}': it is a folder, expected a file", path));
  // The size is a hint: a pipe has none, and a file may grow or shrink while it
  // is read. One byte more than the hint sees the end without a second buffer.
  std::vector<uint8_t> bytes(
      std::min<uint64_t>(limit, uint64_t(status.st_size) + 1));
  size_t used = 0;
  while (used < limit) {
    if (used == bytes.size())
      bytes.resize(std::min(limit, 2 * used + 4096));
    ssize_t got = read(file.value, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail("read", errno);
    if (got == 0)
      break;
    used += size_t(got);
  }
  bytes.resize(used);
  return bytes;
}

int pcx::writeAll(int descriptor, const void *data, size_t bytes) {
  auto *next = static_cast<const char *>(data);
  while (bytes) {
    ssize_t wrote = ::write(descriptor, next, bytes);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return errno;
    next += wrote;
    bytes -= size_t(wrote);
  }
  return 0;
}

AtomicFile::AtomicFile(const std::string &path) : path(path), target(path) {
  if (char *real = realpath(path.c_str(), nullptr)) {
    target = real;
    free(real);
  }
  struct stat status;
  bool exists = stat(target.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    throw Error(
        PCX_ERROR_IO,
        fmt::format("cannot write '{}': it is a folder, expected a file",
                    path));
  if (exists && !S_ISREG(status.st_mode)) {
    descriptor = open(target.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
      fail("open", errno);
    return;
  }
  // A rename needs no right to write the old file, so ask for that one: a
  // read-only file is not to be replaced.
  if (exists && faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0)
    fail("write", errno);
  // Not mkstemp, whose files are private: the mode is the process's own for a
  // new file, and the old one's otherwise.
  for (unsigned attempt = 0; descriptor < 0; ++attempt) {
    temporary = fmt::format("{}.{}-{}.tmp", target, getpid(), attempt);
    descriptor =
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && (errno != EEXIST || attempt == 1000)) {
      int error = errno;
      temporary.clear();
      fail("write", error);
    }
  }
  if (exists)
    (void)fchmod(descriptor, status.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

void AtomicFile::fail(const char *what, int error) {
  // The constructor throws through here too, where no destructor follows.
  if (descriptor >= 0)
    close(descriptor);
  descriptor = -1;
  if (!temporary.empty())
    unlink(temporary.c_str());
  temporary.clear();
  throw Error(PCX_ERROR_IO,
              fmt::format("cannot {} '{}': {}", what, path, strerror(error)));
}

void AtomicFile::write(const void *data, size_t bytes) {
  if (int error = writeAll(descriptor, data, bytes))
    fail("write", error);
}

void AtomicFile::commit() {
  // A device need not support fsync, and holds no old content to protect.
  if (!temporary.empty() && fsync(descriptor) != 0)
    fail("write", errno);
  // Some file systems report a full disk only here.
  int closed = close(descriptor);
  int error = errno;
  descriptor = -1;
  if (closed != 0)
    fail("write", error);
  if (temporary.empty())
    return;
  if (rename(temporary.c_str(), target.c_str()) != 0)
    fail("replace", errno);
  temporary.clear();
  // The new name itself must reach the disk. Not every file system can promise
  // that; the content is safe in either case.
  size_t slash = target.rfind('/');
  std::string folder =
      slash == std::string::npos ? "." : target.substr(0, slash + 1);
  Descriptor parent{open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.value >= 0)
    fsync(parent.value);
}
