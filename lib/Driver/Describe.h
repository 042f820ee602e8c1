//===- Describe.h - The tables of an artifact -------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_DRIVER_DESCRIBE_H
#define PC_LIB_DRIVER_DESCRIBE_H

#include "pc/Artifact/Artifact.h"
#include "pc/Pipelines/Pipelines.h"

namespace pc {

/// The tables of an artifact from what code generation left on the module, but
/// for its source and its images. `options` are those that it was compiled
/// with.
artifact::Description describeArtifact(mlir::ModuleOp module,
                                       const PipelineOptions &options);

} // namespace pc

#endif // PC_LIB_DRIVER_DESCRIBE_H
