//===- Driver.h - What pcc does ---------------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DRIVER_DRIVER_H
#define PC_DRIVER_DRIVER_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace pc {

/// Registers every dialect and interface that the compiler uses.
void registerDialects(mlir::DialectRegistry &registry);

/// Registers every pass of the compiler and its pipelines.
void registerPasses();

/// Main function of `pcc`: exit code 0, or 1 for a user's mistake.
int runDriver(int argc, char **argv);

} // namespace pc

#endif // PC_DRIVER_DRIVER_H
