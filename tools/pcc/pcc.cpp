//===- pcc.cpp - The predictive-coding compiler ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Driver/Driver.h"

int main(int argc, char **argv) { return pc::runDriver(argc, argv); }
