//===- pc-interpret.cpp - Runs programs on the reference interpreter ------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Reference/InterpretMain.h"

int main(int argc, char **argv) {
  return pc::reference::runInterpret(argc, argv);
}
