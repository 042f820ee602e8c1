//===- InterpretMain.h - What pc-interpret does ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_REFERENCE_INTERPRETMAIN_H
#define PC_REFERENCE_INTERPRETMAIN_H

namespace pc::reference {

/// Main function of `pc-interpret`: exit code 0, or 1 for a user's mistake.
int runInterpret(int argc, char **argv);

} // namespace pc::reference

#endif // PC_REFERENCE_INTERPRETMAIN_H
