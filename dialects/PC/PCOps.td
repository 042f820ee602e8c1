//===- PCOps.td - All operations of the pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_OPS_TD
#define PC_OPS_TD

include "dialects/PC/PCComputeOps.td"
include "dialects/PC/PCModelOps.td"
include "dialects/PC/PCProgramOps.td"
include "dialects/PC/PCScheduleOps.td"

#endif // PC_OPS_TD
