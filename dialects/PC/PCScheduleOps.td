//===- PCScheduleOps.td - Stages and groups: the scheduled form ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_SCHEDULE_OPS_TD
#define PC_SCHEDULE_OPS_TD

include "dialects/PC/PCComputeOps.td"

def PC_StageOp : PC_Op<"stage", [IsolatedFromAbove, SingleBlock]> {
  let summary = "work without a barrier inside";
  let description = [{
    ```mlir
    %h, %d = pc.stage samples ins(%x, %w : tensor<?x784xf32>, tensor<128x784xf32>)
        -> (tensor<?x128xf32>, tensor<?x128xf32>) {
    ^bb0(%xb: tensor<32x784xf32>, %w0: tensor<128x784xf32>):
      ...
      pc.yield %hb, %db : tensor<32x128xf32>, tensor<32x128xf32>
    }
    ```

    A samples stage runs once for every block of samples, blocks in any order
    and in parallel: a per-sample operand enters, and a per-sample result
    leaves, as one block of its rows; shared operands and scalars enter as they
    are. A params stage runs once; its operations are parallel over the elements
    of their results, and only they may cross samples (`pc.batch_outer`,
    `pc.batch_sum`): per-sample operands enter whole. Between stages all threads
    meet.
  }];
  let arguments = (ins PC_StageKindAttr:$kind, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

def PC_GroupOp : PC_Op<"group", [IsolatedFromAbove, SingleBlock, Pure]> {
  let summary = "operations that become one kernel";
  let description = [{
    At most one contraction and the element-wise operations that read it (its
    epilogue), or element-wise operations alone, or one row operation: all over
    one iteration space, as `linalg` operations on tensors.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

def PC_NarrowOp : PC_ComputeOp<"narrow"> {
  let summary = "a matrix rounded for products at reduced precision";
  let description = [{
    The elements of a matrix, or of its transpose, rounded to bfloat16: to
    nearest, ties to even.

    ```mlir
    %n = pc.narrow %w
      : tensor<784x128xf32, #pc.panels<32>> -> tensor<784x128xbf16, #pc.pairs<16>>
    %t = pc.narrow %w transposed
      : tensor<784x128xf32, #pc.panels<32>> -> tensor<128x784xbf16, #pc.pairs<16>>
    ```

    One stands for every value of a weight that products read (see
    `pc-narrow-products`); the float32 matrix is what an update changes.
  }];
  let arguments = (ins PC_Tensor:$input, UnitAttr:$transposed);
  let results = (outs PC_NarrowTensor:$output);
  let assemblyFormat = [{
    $input (`transposed` $transposed^)? attr-dict
    `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
}

def PC_RelayoutOp : PC_ComputeOp<"relayout"> {
  let summary = "the same matrix in another place and order";
  let description = [{
    ```mlir
    %p = pc.relayout %w : tensor<784x128xf32> -> tensor<784x128xf32, #pc.panels<32>>
    ```

    Stands where one that makes or reads a matrix knows another layout than the
    rest (see `pc-pack-weights`).
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

#endif // PC_SCHEDULE_OPS_TD
