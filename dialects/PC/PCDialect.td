//===- PCDialect.td - The pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_TD
#define PC_DIALECT_TD

include "mlir/IR/OpBase.td"

def PC_Dialect : Dialect {
  let name = "pc";
  let summary = "predictive coding networks and the algorithms that run on them";
  let description = [{
    A file in the `pc` dialect holds models and programs.

    A `pc.model` is a graph of pure operations over per-sample tensors: layers,
    activations, and value nodes ("vodes"). A vode holds a state `h`, receives a
    prediction `u` and contributes an energy `E(h, u)`; the model's free energy
    is the sum over its energy terms.

    A `pc.program` is an algorithm: it clamps vodes to data, initialises the
    free states, moves them down the gradient of the free energy (inference),
    and moves the parameters (learning).

    The same computational operations serve three levels. In a model their
    tensors are per sample (`tensor<128xf32>`). In the functional form they are
    batched: a per-sample value has a leading dynamic dimension
    (`tensor<?x128xf32>`), a value shared by all samples has not
    (`tensor<128x784xf32>`). In the scheduled form the leading dimension is the
    static size of a sample block (`tensor<32x128xf32>`). docs/spec.md is
    normative; its numbered constraints are named in the verifiers.
  }];
  let cppNamespace = "::pc";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasCanonicalizer = 1;
  let hasOperationAttrVerify = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::func::FuncDialect", "::mlir::scf::SCFDialect"
  ];
  let extraClassDeclaration = [{
    /// Version of the bytecode encoding.
    static constexpr uint64_t kBytecodeVersion = 1;

    /// Bounds of tensors: of a size, of the bytes of an array and of the rank of
    /// a sample, those of the runtime.
    static constexpr int64_t kMaxSize = (int64_t(1) << 31) - 1;
    static constexpr int64_t kMaxBytes = int64_t(1) << 46;
    static constexpr int64_t kMaxRank = 8;

    /// Discardable attributes of a functional program: PortAttr on arguments
    /// and results, ProgramInfoAttr on the function.
    static constexpr ::llvm::StringLiteral kPortAttrName = "pc.port";
    static constexpr ::llvm::StringLiteral kProgramAttrName = "pc.program";

    /// Discardable attributes of a scheduled program: the largest batch and the
    /// rows of a sample block (i64).
    static constexpr ::llvm::StringLiteral kMaxBatchAttrName = "pc.max_batch";
    static constexpr ::llvm::StringLiteral kSampleBlockAttrName =
        "pc.sample_block";
    /// Of a planned program: bytes of the workspace and of a worker's scratch
    /// (i64).
    static constexpr ::llvm::StringLiteral kWorkspaceAttrName =
        "pc.workspace_bytes";
    static constexpr ::llvm::StringLiteral kWorkerAttrName = "pc.worker_bytes";
    /// Rows of matrices in the scratch are apart: see getPaddedRow.
    static constexpr ::llvm::StringLiteral kPaddedAttrName = "pc.padded_rows";
    /// Of a group of a planned program: the places of its results, an array of
    /// BufferAttr.
    static constexpr ::llvm::StringLiteral kBuffersAttrName = "pc.buffers";
  }];
}

#endif // PC_DIALECT_TD
