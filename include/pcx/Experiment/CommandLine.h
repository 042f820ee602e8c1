//===- CommandLine.h - The command line of pcx-run --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_COMMANDLINE_H
#define PCX_EXPERIMENT_COMMANDLINE_H

#include "pcx/Experiment/Commands.h"

namespace pcx::experiment {

/// Parses the command line, runs the verb and returns the exit code. Errors go
/// to console.err as "pcx-run: error: MESSAGE".
int runCommandLine(int argc, const char *const *argv, Console console = {});

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_COMMANDLINE_H
