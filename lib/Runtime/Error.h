//===- Error.h - From exceptions to the C API ---------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_ERROR_H
#define PCX_LIB_RUNTIME_ERROR_H

#include "pcx/Support/Error.h"

#include <fmt/format.h>
#include <new>

namespace pcx {

/// Sets what pcx_last_error() of this thread returns.
void setLastError(const char *message) noexcept;

/// Throws Error(status) with a message in fmt's syntax.
template <typename... Args>
[[noreturn]] void fail(pcx_status_t status, fmt::format_string<Args...> format,
                       Args &&...args) {
  throw Error(status, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws PCX_ERROR_ARGUMENT when an argument that must point somewhere is
/// NULL.
inline void requireArgument(const void *argument, const char *name) {
  if (!argument)
    fail(PCX_ERROR_ARGUMENT, "argument '{}' is NULL", name);
}

/// Body of a C entry point: runs `body` and turns what it throws into a status
/// and a message.
template <typename Body>
pcx_status_t guarded(Body &&body) noexcept {
  try {
    body();
    return PCX_OK;
  } catch (const Error &error) {
    setLastError(error.what());
    return error.status();
  } catch (const std::bad_alloc &) {
    setLastError("out of memory");
    return PCX_ERROR_MEMORY;
  } catch (const std::exception &error) {
    setLastError(error.what());
    return PCX_ERROR_MEMORY;
  }
}

} // namespace pcx

#endif // PCX_LIB_RUNTIME_ERROR_H
