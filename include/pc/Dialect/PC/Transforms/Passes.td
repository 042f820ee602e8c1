//===- Passes.td - Passes on the pc dialect ---------------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Alphabetical. The order in which they run is in lib/Pipelines.
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_PASSES_TD
#define PC_DIALECT_PC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttachAnalysisPass : Pass<"pc-attach-analysis", "::mlir::ModuleOp"> {
  let summary = "Add the programs that pcx-run analyse runs";
  let description = [{
    For every program `@p` that trains, with the statements of `@p` in front of
    its first inference step:

    - `@p.trace`: the whole program, traced;
    - `@p.start`: its inputs, the states where inference starts, its settings;
    - `@p.states`: gradients of the moved states at given states, and their
      derivatives along a given direction (`pc.curvature`);
    - `@p.errors`: the same in error coordinates;
    - `@p.backprop`: backpropagation's gradients of the parameters, traced.

    What a program cannot have is left out with a remark.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def AttachProgramsPass : Pass<"pc-attach-programs", "::mlir::ModuleOp"> {
  let summary = "Give a model without programs the standard ones";
  let description = [{
    `algorithm=pc|ipc|bp|zil|epc|pn|nn|cn` adds the programs `@train` and `@evaluate` to every
    model that no program is written for. The model's inputs are clamped to data
    before the forward initialisation, its last vode to the target after it.
    Rates, momentum and decay become hyper-parameters, T is an option.
  }];
  let options = [
    Option<"algorithm", "algorithm", "std::string", "\"\"",
           "pc, ipc, bp, zil, epc, pn, nn or cn; empty adds nothing">,
    Option<"steps", "steps", "int64_t", "0",
           "inference steps T; 0 takes the number of vodes that are predicted "
           "from another one, plus one">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def BindConstantsPass : Pass<"pc-bind-constants", "::mlir::ModuleOp"> {
  let summary = "Replace the parameters of models by numbers";
  let description = [{
    Dynamic dimensions named by `#pc.dims` become static, with the values that
    the model declares or `define=name=value` overrides, and the counts of
    stacked blocks numbers.
  }];
  let options = [ListOption<"define", "define", "std::string",
                            "name=value, overrides a declared parameter">];
}

def ChooseLayoutsPass : Pass<"pc-choose-layouts", "::mlir::ModuleOp"> {
  let summary = "Keep matrices, or their transposes, as products read them";
  let description = [{
    Makes the transposes explicit that products with weights read (`pc.dense`
    without `transposed` becomes a transpose and `pc.dense ... transposed`), then
    keeps the transpose of a persistent matrix, and of everything that lies like
    it (moments, loop-carried values, the same array in other programs), where
    that saves more transposes than it costs. The port of such an array says so:
    its type is that of the transpose, its detail `strides` has the strides of
    the array as the user sees it.
  }];
}

def ConvertFloatPass : Pass<"pc-convert-float", "::mlir::ModuleOp"> {
  let summary = "Change the element type of all tensors";
  let description = [{
    `type=f64` turns every f32 tensor of models, energies, blocks and programs
    into f64 (or the reverse), also inside the regions of `pc.elementwise`.
    Numbers in programs are f64 in any case.
  }];
  let options = [Option<"type", "type", "std::string", "\"\"",
                        "f32, f64, or empty: as written">];
}

def ExpandLayersPass : Pass<"pc-expand-layers", "::mlir::ModuleOp"> {
  let summary = "Make parameters, states and energies explicit";
  let description = [{
    `pc.linear` becomes `pc.param`, `pc.dense` and an addition; `pc.vode`
    becomes `pc.state`, an energy of pure operations (a user's `pc.energy` is
    inlined) and `pc.term`.

    ```mlir
    %h = pc.vode @h %u energy(se) precision(0.5) : tensor<8xf32>
    // becomes
    %h = pc.state @h : tensor<8xf32>
    %e = pc.se_energy %h, %u : tensor<8xf32> -> tensor<f32>
    %p = arith.constant 0.5 : f64
    %E = pc.scale %e, %p : tensor<f32>
    pc.term @h prediction(%u : tensor<8xf32>) energy(%E : tensor<f32>)
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def FormGroupsPass : Pass<"pc-form-groups", "::mlir::func::FuncOp"> {
  let summary = "Gather structured operations into kernels";
  let description = [{
    Inside of every `pc.stage` the `linalg` operations are gathered into
    `pc.group`s, each of which becomes one kernel: at most one contraction and
    the element-wise operations that read its result at the same element (its
    epilogue), or element-wise operations alone with the row sums of what they
    compute. Element-wise work joins the latest group that feeds it; what feeds
    a single later group joins that one. Nothing is computed twice.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
  let options = [
    Option<"fuse", "fuse", "bool", "true",
           "Put several operations into a group; without, only the parts of one "
           "result">
  ];
}

def HoistScalarsPass : Pass<"pc-hoist-scalars", "::mlir::func::FuncOp"> {
  let summary = "Carry out arithmetic on scalars in front of stages";
  let description = [{
    Floating-point arithmetic on scalars that enter a stage, as a learning rate
    or the reciprocal of a bias correction, moves in front of it; the stage takes
    what its groups read. There the host carries it out once, where a device
    would do it in every thread. What depends on a loop in the stage stays, and
    so does integer arithmetic (a key of random numbers becomes many).

    ```mlir
    pc.stage params ins(%w, %c : tensor<8x4xf32>, f64) ... {
    ^bb0(%w0: tensor<8x4xf32>, %c0: f64):
      %r = arith.divf %one, %c0 : f64
      pc.group ins(%w0, %r : tensor<8x4xf32>, f64) ...
    ```

    becomes

    ```mlir
    %r = arith.divf %one, %c : f64
    pc.stage params ins(%w, %r : tensor<8x4xf32>, f64) ... {
    ^bb0(%w0: tensor<8x4xf32>, %r0: f64):
      pc.group ins(%w0, %r0 : tensor<8x4xf32>, f64) ...
    ```
  }];
}

def InlineBlocksPass : Pass<"pc-inline-blocks", "::mlir::ModuleOp"> {
  let summary = "Inline pc.block at every pc.apply";
}

def LinkModelsPass : Pass<"pc-link-models", "::mlir::ModuleOp"> {
  let summary = "Put programs on several models on one that holds them all";
  let description = [{
    For each distinct list of models that a program is on, one model with copies
    of their operations: nodes, terms and probes carry the name of their model in
    front, parameters keep theirs. The program is then on that one. Where it
    names a model in the place of parameters, those of the model stand after it.
    Expects models in explicit form (`pc-expand-layers`).

    ```mlir
    pc.program @train on @gen, @rec (...) { ... params(@rec) }
    // becomes
    pc.model @"gen+rec" { ... }
    pc.program @train on @"gen+rec" (...) { ... params(@fc1.weight, @fc1.bias) }
    ```
  }];
}

def LowerProgramsPass : Pass<"pc-lower-programs", "::mlir::ModuleOp"> {
  let summary = "Turn programs into pure functions of batched tensors";
  let description = [{
    Every `pc.program` becomes a `func.func` whose arguments are inputs,
    persistent arrays, hyper-parameters and counters, and whose results are
    outputs and the arrays' new values (`pc.port`, `pc.program`). The free
    energy is differentiated here, restricted to what each step asks for.
    `pc.repeat` becomes `scf.for`; with `trace`, or `unroll`, it is unrolled.

    With `trace`, every inference step's states, errors, state gradients and
    energies become outputs `<vode>.h.<t>`, `<vode>.error.<t>`,
    `<vode>.grad.<t>`, `<vode>.energy.<t>`; t counts inference steps from 0,
    `<vode>.h.<t>` is the state before step t, and after the last step there is
    one more h, error and energy. A program with the attribute `trace` is traced
    without the option.
  }];
  let options = [
    Option<"trace", "trace", "bool", "false",
           "keep states, gradients and energies of every inference step">,
    Option<"unroll", "unroll", "bool", "false", "unroll pc.repeat">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def DifferenceProductsPass
    : Pass<"pc-difference-products", "::mlir::func::FuncOp"> {
  let summary = "Multiply how far a state has moved, not the state";
  let description = [{
    A prediction W h of a state that inference has moved, where the weight has
    met the state's value before inference, h0, becomes W h0 + W (h - h0): the
    same number, but for rounding, and one whose noise at reduced precision is
    small beside the errors. A loop that carries the state carries h - h0 too,
    so that the state's update makes it. A bias that was added to W h0 is not
    added again. Run for `--precision=bf16` alone, in front of
    `pc-narrow-products`: in f32 it would only cost.

    ```mlir
    %a0 = pc.dense %h0, %w transposed
    %d = pc.sub %h, %h0
    %p = pc.dense %d, %w transposed difference
    %a = pc.add %p, %a0
    ```

    Weights that have changed since (incremental predictive coding) and states
    that start from zero have no such product, and are left alone; so are states
    that anything but sums led to, in a loop too: those of a `pc.stop`, which stay
    where they are when their sample has stopped. Weights that
    `pc-narrow-products` will not round gain nothing by it.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
}

def NarrowProductsPass : Pass<"pc-narrow-products", "::mlir::func::FuncOp"> {
  let summary = "Round the operands of products to bfloat16";
  let description = [{
    Marks products `bf16`: those over samples, but for weights with fewer than 16
    rows or columns, which fill no instruction, and all those over the batch.
    Their operands are rounded to bfloat16, their sums stay f32, and so does every
    array that the program has. A state that inference has moved is rounded to the
    sum of two numbers, unless the product is one of a `difference`. Weights are
    rounded once for each of their values (`pc.narrow`), in the order in which
    pairs of rows are multiplied; a transpose that only feeds products is then no
    array of its own. Activations and errors are rounded by the kernels that
    multiply them. Runs behind `pc-pack-weights`. A product of f64 is an error.
    Without `round-weights` kernels round weights, too, whatever their layout.

    ```mlir
    %n = pc.narrow %w : tensor<784x128xf32> -> tensor<784x128xbf16, #pc.pairs<16>>
    pc.dense %x, %n transposed bf16(1)
      : tensor<?x784xf32>, tensor<784x128xbf16, #pc.pairs<16>> -> tensor<?x128xf32>
    ```
  }];
  let options = [
    Option<"roundWeights", "round-weights", "bool", /*default=*/"true",
           "make arrays of rounded weights">
  ];
}

def PackWeightsPass : Pass<"pc-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Lay matrices that products read in panels of columns";
  let description = [{
    A tile of a product reads a few columns of every row of its weight. By rows,
    those lie a whole row apart: of a wide weight in as many pages, and in the
    few sets of a cache that such a stride meets. Weights wider than a panel, and
    everything that lies like them (moments, gradients, the same array in other
    programs), therefore get a type in panels (`#pc.panels`): the update writes
    what the next product reads from one end to the other. What knows rows only
    reads or makes a `pc.relayout` of such a matrix. Ports of persistent arrays
    say the columns of a panel (detail `panel`). Runs behind
    `pc-choose-layouts`.

    ```mlir
    pc.dense %x, %w transposed
      : tensor<?x784xf32>, tensor<784x128xf32, #pc.panels<32>> -> tensor<?x128xf32>
    ```
  }];
  let options = [Option<"panelBytes", "panel-bytes", "int64_t", "128",
                        "bytes of a row of a panel">];
}

def PeelErrorFrontPass
    : Pass<"pc-peel-error-front", "::mlir::func::FuncOp"> {
  let summary = "Peel the inference steps that exact elimination shortens";
  let description = [{
    After a forward initialisation the errors are exactly zero, and at step t
    only vodes at distance t + 1 or less from a clamped one move. Peels steps off
    the front of a loop with a constant bound as long as folding makes a step
    cheaper than the one after it; what is left stays a loop. A front that takes
    more than `max-steps` steps is cut into as many loops instead, each with the
    work of its last step. So code does not grow with T. States that no step
    moves, because no error reaches them, are then taken out of the loop with all
    that follows.
  }];
  let options = [Option<"maxSteps", "max-steps", "int64_t", "16",
                        "copies of the loop's body at most">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect"];
}

def PeelLastStepPass : Pass<"pc-peel-last-step", "::mlir::func::FuncOp"> {
  let summary = "Drop what the last step of a loop does for nobody";
  let description = [{
    A loop moves states and weights in every step. Where nothing reads the states
    after it, as after the last joint step of incremental predictive coding, the
    last step need not move them: it becomes code of its own behind the loop,
    without the products that only they depend on. A loop of which all results
    are read, one with a bound that is not constant, and one that moves nothing
    that the samples share, stay.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect"];
}

def PlanBuffersPass : Pass<"pc-plan-buffers", "::mlir::func::FuncOp"> {
  let summary = "Give every array of a scheduled program its place in memory";
  let description = [{
    Every array gets a `#pc.buffer`: a persistent array, an input or an output of
    the call, a part of the workspace that all threads share, or a part of the
    scratch of one worker. A value that replaces another one element by element
    takes its place when nothing reads the old one any more: loop-carried states
    and parameters are updated in place. Where that is impossible a copy is
    made. Parts are laid out by first fit over the lifetimes; the bytes stand
    on the function as `pc.workspace_bytes` and `pc.worker_bytes`.

    With `pad-rows` the rows of matrices in the scratch are apart as
    `getPaddedRow` says, and the function gets `pc.padded_rows`; not where a
    reshape mixes rows.
  }];
  let options = [
    Option<"padRows", "pad-rows", "bool", /*default=*/"false",
           "keep rows in the scratch apart">
  ];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def SchedulePass : Pass<"pc-schedule", "::mlir::func::FuncOp"> {
  let summary = "Cut a functional program into stages";
  let description = [{
    Everything between two barriers becomes one `pc.stage`: `samples` stages hold
    what is independent per sample, with whole loops, and run block of samples by
    block of samples; `params` stages hold what is shared, with the sums over the
    batch. A loop that moves shared values (incremental predictive coding) stays
    in the function, with stages inside. Scalars are computed between stages.
    Products must read their weights by rows along the contraction, as
    `pc-choose-layouts` leaves them, unless `any-layout` says that kernels do
    not mind.
  }];
  let options = [
    Option<"anyLayout", "any-layout", "bool", "false",
           "products may read their weights by columns">,
    Option<"maxBatch", "max-batch", "int64_t", "128",
           "largest number of samples of a call">,
    Option<"sampleBlock", "sample-block", "int64_t", "0",
           "rows of a sample block, rounded up to a power of two or a multiple "
           "of eight; 0 chooses them from the cache size">,
    Option<"cacheBytes", "cache-bytes", "uint64_t", "1048576",
           "second-level cache of one core">
  ];
}

#endif // PC_DIALECT_PC_TRANSFORMS_PASSES_TD
