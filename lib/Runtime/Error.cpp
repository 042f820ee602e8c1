//===- Error.cpp - Messages of the C API ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"

#include <string>

namespace {
std::string &lastError() {
  thread_local std::string message;
  return message;
}
} // namespace

void pcx::setLastError(const char *message) noexcept {
  try {
    lastError() = message;
  } catch (const std::bad_alloc &) {
    lastError().clear();
  }
}

const char *pcx_last_error(void) { return lastError().c_str(); }

const char *pcx_version(void) { return PCX_VERSION_STRING; }
