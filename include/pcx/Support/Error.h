//===- Error.h - Failure with a status and a message --------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The exception of the runtime side. It never crosses the C API: every entry
// point turns it into a pcx_status_t and the thread's last message.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_SUPPORT_ERROR_H
#define PCX_SUPPORT_ERROR_H

#include "pcx/pcx.h"

#include <stdexcept>
#include <string>

namespace pcx {

/// A user's mistake or a failed system call. The message names the file or the
/// argument, what was expected and what was found; lower case, no full stop.
class Error : public std::runtime_error {
public:
  Error(pcx_status_t status, const std::string &message)
      : std::runtime_error(message), code(status) {}

  pcx_status_t status() const { return code; }

private:
  pcx_status_t code;
};

} // namespace pcx

#endif // PCX_SUPPORT_ERROR_H
