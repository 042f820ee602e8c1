//===- FullDevice.h - A disk without room, for tests --------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A writer that is broken may replace, remove or change the mode of what it was
// to write to. Done by root to /dev/full that would damage the machine, so a
// test that may run as root writes to a device node of its own.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_SUPPORT_FULLDEVICE_H
#define PCX_TEST_SUPPORT_FULLDEVICE_H

#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace pcx::test {
/// The path of a device on which every write fails with ENOSPC: a node in
/// `folder` that the caller removes with it, or /dev/full itself for a user who
/// cannot harm it. Empty where neither can be had: skip the test.
inline std::string makeFullDevice(const std::string &folder) {
  std::string path = "/dev/full";
  if (geteuid() == 0) {
    path = folder + "/full";
    if (mknod(path.c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0)
      return "";
  }
  // A file system may refuse to open devices.
  int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0)
    return "";
  close(descriptor);
  return path;
}
} // namespace pcx::test

#endif // PCX_TEST_SUPPORT_FULLDEVICE_H
