//===- Interrupt.h - Ctrl-C finishes the step -------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_INTERRUPT_H
#define PCX_LIB_EXPERIMENT_INTERRUPT_H

#include <csignal>

namespace pcx::experiment {

/// While one lives, SIGINT and SIGTERM only set a flag that the training loop
/// reads after each step; a second signal ends the process as usual. At most
/// one at a time.
class InterruptGuard {
public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard &) = delete;
  InterruptGuard &operator=(const InterruptGuard &) = delete;

  /// The signal that came, or 0.
  int signal() const;

private:
  struct sigaction oldInt, oldTerm;
};

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_INTERRUPT_H
