//===- PCAttrs.td - Attributes and enums of the pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_ATTRS_TD
#define PC_ATTRS_TD

include "dialects/PC/PCDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/IR/EnumAttr.td"

class PC_Enum<string name, string summary, list<I32EnumCase> cases>
    : I32Enum<name, summary, cases> {
  let cppNamespace = "::pc";
}
class PC_EnumAttr<EnumInfo info, string mnemonic>
    : EnumAttr<PC_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}
class PC_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<PC_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

def PC_ActivationKind : PC_Enum<"ActivationKind", "activation function", [
    I32EnumCase<"Relu", 0, "relu">,
    I32EnumCase<"LeakyRelu", 1, "leaky_relu">,
    I32EnumCase<"Gelu", 2, "gelu">,
    I32EnumCase<"GeluExact", 3, "gelu_exact">,
    I32EnumCase<"Silu", 4, "silu">,
    I32EnumCase<"Tanh", 5, "tanh">,
    I32EnumCase<"HardTanh", 6, "hard_tanh">,
    I32EnumCase<"Sigmoid", 7, "sigmoid">,
    I32EnumCase<"Softplus", 8, "softplus">]>;
def PC_ActivationKindAttr : PC_EnumAttr<PC_ActivationKind, "activation">;

def PC_EnergyKind : PC_Enum<"EnergyKind", "built-in energy", [
    I32EnumCase<"SquaredError", 0, "se">,
    I32EnumCase<"CrossEntropy", 1, "ce">,
    I32EnumCase<"Zero", 2, "zero">]>;
def PC_EnergyKindAttr : PC_EnumAttr<PC_EnergyKind, "energy_kind">;

def PC_LossKind : PC_Enum<"LossKind", "loss of backpropagation", [
    I32EnumCase<"SquaredError", 0, "se">,
    I32EnumCase<"SumOfSquares", 1, "sse">,
    I32EnumCase<"CrossEntropy", 2, "ce">]>;
def PC_LossKindAttr : PC_EnumAttr<PC_LossKind, "loss_kind">;

def PC_OptimiserKind : PC_Enum<"OptimiserKind", "optimiser", [
    I32EnumCase<"SGD", 0, "sgd">,
    I32EnumCase<"Adam", 1, "adam">,
    I32EnumCase<"AdamW", 2, "adamw">,
    I32EnumCase<"Langevin", 3, "langevin">,
    I32EnumCase<"Heun", 4, "heun">]>;
def PC_OptimiserKindAttr : PC_EnumAttr<PC_OptimiserKind, "optimiser_kind">;

def PC_InitKind : PC_Enum<"InitKind", "parameter initialiser", [
    I32EnumCase<"Zeros", 0, "zeros">,
    I32EnumCase<"Constant", 1, "constant">,
    I32EnumCase<"Uniform", 2, "uniform">,
    I32EnumCase<"Normal", 3, "normal">,
    I32EnumCase<"FanIn", 4, "fan_in">]>;

def PC_StateInitKind : PC_Enum<"StateInitKind", "state initialisation", [
    I32EnumCase<"Forward", 0, "forward">,
    I32EnumCase<"Zero", 1, "zero">,
    I32EnumCase<"Normal", 2, "normal">,
    I32EnumCase<"Carried", 3, "carried">]>;
def PC_StateInitKindAttr : PC_EnumAttr<PC_StateInitKind, "state_init">;

def PC_GradientKind : PC_Enum<"GradientKind", "what a gradient is taken of", [
    I32EnumCase<"States", 0, "states">,
    I32EnumCase<"Params", 1, "params">,
    I32EnumCase<"Errors", 2, "errors">]>;
def PC_GradientKindAttr : PC_EnumAttr<PC_GradientKind, "gradient_kind">;

def PC_ReduceKind : PC_Enum<"ReduceKind", "how values of the samples combine", [
    I32EnumCase<"Mean", 0, "mean">,
    I32EnumCase<"Sum", 1, "sum">]>;
def PC_ReduceKindAttr : PC_EnumAttr<PC_ReduceKind, "reduce">;

def PC_Role : PC_Enum<"Role", "what a program is for", [
    I32EnumCase<"Other", 0, "other">,
    I32EnumCase<"Train", 1, "train">,
    I32EnumCase<"Evaluate", 2, "evaluate">,
    I32EnumCase<"Sample", 3, "sample">]>;
def PC_RoleAttr : PC_EnumAttr<PC_Role, "role">;

def PC_CounterKind : PC_Enum<"CounterKind", "run counter", [
    I32EnumCase<"WeightStep", 0, "weight_step">,
    I32EnumCase<"TotalSteps", 1, "total_steps">,
    I32EnumCase<"Epoch", 2, "epoch">]>;
def PC_CounterKindAttr : PC_EnumAttr<PC_CounterKind, "counter_kind">;

def PC_ScheduleKind : PC_Enum<"ScheduleKind", "learning-rate schedule", [
    I32EnumCase<"Constant", 0, "constant">,
    I32EnumCase<"WarmupCosine", 1, "warmup_cosine">,
    I32EnumCase<"Cosine", 2, "cosine">,
    I32EnumCase<"Step", 3, "step">]>;

def PC_ClipKind : PC_Enum<"ClipKind", "how a gradient is clipped", [
    I32EnumCase<"Norm", 0, "norm">,
    I32EnumCase<"Value", 1, "value">]>;
def PC_ClipKindAttr : PC_EnumAttr<PC_ClipKind, "clip_kind">;
def PC_ScheduleKindAttr : PC_EnumAttr<PC_ScheduleKind, "schedule_kind">;

def PC_StageKind : PC_Enum<"StageKind", "what a stage is parallel over", [
    I32EnumCase<"Samples", 0, "samples">,
    I32EnumCase<"Params", 1, "params">]>;
def PC_StageKindAttr : PC_EnumAttr<PC_StageKind, "stage_kind">;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def PC_DimsAttr : PC_Attr<"Dims", "dims", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "names of the dynamic dimensions of a tensor in a model";
  let description = [{
    As the encoding of a tensor type in a model: the k-th `?` has the value of
    the k-th named model parameter. `tensor<?xf32, #pc.dims<width>>` becomes
    `tensor<128xf32>` when the model declares `width = 128` (or `pcc -D
    width=128` says so).
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$names);
  let hasCustomAssemblyFormat = 1;
}

def PC_PanelsAttr : PC_Attr<"Panels", "panels", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "a matrix that lies in panels of columns";
  let description = [{
    As the encoding of a matrix type: `tensor<784x128xf32, #pc.panels<32>>` has
    its columns 0 to 31 first, row after row, then the columns 32 to 63, and so
    on; the last panel has the columns that are left. A product reads a panel
    from one end to the other. Only the place of the elements differs, not the
    shape, and there is no padding.
  }];
  let parameters = (ins "int64_t":$columns);
  let assemblyFormat = "`<` $columns `>`";
}

def PC_PairsAttr : PC_Attr<"Pairs", "pairs", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "a matrix whose rows lie in pairs, in panels of columns";
  let description = [{
    As the encoding of a matrix type: `tensor<784x128xbf16, #pc.pairs<16>>` has
    its columns 0 to 15 first, then the columns 16 to 31, and so on. In a panel
    two rows after the other lie as one, their elements alternating: rows 0 and
    1, rows 2 and 3, and so on. That is how instructions that multiply pairs
    read a weight. Zeros fill the last panel to its full width and the rows to a
    multiple of 32.
  }];
  let parameters = (ins "int64_t":$columns);
  let assemblyFormat = "`<` $columns `>`";
  let extraClassDeclaration = [{
    /// Rows are filled to a multiple of this: what one instruction multiplies.
    static constexpr int64_t kRowUnit = 32;
    /// Elements in memory of a matrix of this shape.
    int64_t getStoredElements(::llvm::ArrayRef<int64_t> shape) const;
  }];
}

def PC_OriginAttr : PC_Attr<"Origin", "origin"> {
  let summary = "what an operation of a lowered program is for";
  let description = [{
    As the metadata of a fused location:
    `fused<#pc.origin<"infer" "h2", 3>>["mlp.pcir":15:9]` is work of a `pc.infer`
    for the vode `h2` (its prediction, its energy, their gradients, its step) in
    inference step 3. The vode is empty for what belongs to none, the step -1
    outside of peeled steps. `pcc --emit=work` counts by it; nothing else
    depends on it.
  }];
  let parameters = (ins "::mlir::StringAttr":$statement,
                        "::mlir::StringAttr":$vode,
                        DefaultValuedParameter<"int64_t", "-1">:$step);
  let assemblyFormat = "`<` $statement $vode (`,` $step^)? `>`";
  let extraClassDeclaration = [{
    /// The origin of what stands at `loc`; null if that has none.
    static OriginAttr of(::mlir::Location loc);
    /// `loc` with this origin in place of the one that it has.
    ::mlir::Location attachTo(::mlir::Location loc) const;
    /// Notes the inference step in the location of `op`, if it has an origin.
    static void setStep(::mlir::Operation *op, int64_t step);
  }];
}

def PC_InitAttr : PC_Attr<"Init", "init"> {
  let summary = "initialiser of a parameter";
  let description = [{
    `zeros`; `constant(c)`; `uniform(lo, hi)`; `normal(mean, sd)`; or
    `fan_in(k)`: U(-1/sqrt(k), 1/sqrt(k)), what PCX (equinox) uses for the
    weight and the bias of a linear layer with k inputs. `fan_in` alone takes k
    from the layer that owns the parameter.
  }];
  let parameters = (ins EnumParameter<PC_InitKind>:$kind,
                        "::mlir::DenseF64ArrayAttr":$args);
  let builders = [AttrBuilder<(ins "::pc::InitKind":$kind,
                                   CArg<"double", "0.0">:$arg0,
                                   CArg<"double", "0.0">:$arg1), [{
    return $_get($_ctxt, kind,
                 ::mlir::DenseF64ArrayAttr::get($_ctxt, {arg0, arg1}));
  }]>];
  let extraClassDeclaration = [{
    double getArg0() const { return getArgs()[0]; }
    double getArg1() const { return getArgs()[1]; }
    /// True for `fan_in` alone.
    bool takesFanInOfLayer() const {
      return getKind() == InitKind::FanIn && getArg0() == 0.0;
    }
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def PC_PortKind : PC_Enum<"PortKind",
    "what an argument or a result of a functional program is", [
    I32EnumCase<"Input", 0, "input">,
    I32EnumCase<"Output", 1, "output">,
    I32EnumCase<"Parameter", 2, "parameter">,
    I32EnumCase<"Buffer", 3, "buffer">,
    I32EnumCase<"State", 4, "state">,
    I32EnumCase<"Optimiser", 5, "optimiser">,
    I32EnumCase<"Hyper", 6, "hyper">,
    I32EnumCase<"Counter", 7, "counter">]>;

def PC_PortAttr : PC_Attr<"Port", "port"> {
  let summary = "role of an argument or a result of a functional program";
  let description = [{
    `#pc.port<parameter "fc1.weight" {init = #pc.init<fan_in(784)>}>`. A
    persistent array (parameter, buffer, state, optimiser) that a program
    changes appears as an argument and as a result of the same name. Details:

    - input: `target` (unit) if it clamps a vode that has a prediction;
    - output: `reduce` (#pc.reduce; absent when per sample), `report` (unit),
      `warning` (unit), `trace` (unit);
    - parameter, buffer, state, optimiser: `init` (#pc.init, fan-in resolved),
      `stream` (i64, Philox stream of the initialiser), after layouts were
      chosen `strides` (array<i64>, in elements, where not dense and row major)
      and `panel` (i64, columns of a panel, where the type is in panels);
    - hyper (an f64 scalar): `value` (f64 default), `min`, `max` (f64),
      `integral` (unit);
    - counter (an f64 scalar): the name is `total_steps` or `epoch`; (an i64
      scalar): `seed` or `call`. The number of weight steps taken so far is an
      optimiser array, `weight_step` : tensor<i64>.
  }];
  let parameters = (ins EnumParameter<PC_PortKind>:$kind,
                        "::mlir::StringAttr":$name,
                        OptionalParameter<"::mlir::DictionaryAttr">:$details);
  let assemblyFormat = "`<` $kind $name custom<PortDetails>($details) `>`";
  let extraClassDeclaration = [{
    /// Returns the named detail or null.
    ::mlir::Attribute getDetail(::llvm::StringRef key) const {
      return getDetails() ? getDetails().get(key) : ::mlir::Attribute();
    }
    /// The port with the named detail added or replaced.
    PortAttr withDetail(::llvm::StringRef key, ::mlir::Attribute value) const {
      ::mlir::NamedAttrList details(getDetails());
      details.set(key, value);
      return get(getContext(), getKind(), getName(),
                 details.getDictionary(getContext()));
    }
    /// True for arrays that outlive a call: parameter, buffer, state, optimiser.
    bool isStorage() const {
      return getKind() == PortKind::Parameter || getKind() == PortKind::Buffer ||
             getKind() == PortKind::State || getKind() == PortKind::Optimiser;
    }
  }];
}

def PC_BufferSpace : PC_Enum<"BufferSpace", "where an array lies", [
    I32EnumCase<"Input", 0, "input">,
    I32EnumCase<"Output", 1, "output">,
    I32EnumCase<"Storage", 2, "storage">,
    I32EnumCase<"Workspace", 3, "workspace">,
    I32EnumCase<"Scratch", 4, "scratch">]>;

def PC_BufferAttr : PC_Attr<"Buffer", "buffer"> {
  let summary = "place of an array of a planned program";
  let description = [{
    `#pc.buffer<storage, 3>`: the fourth persistent array of the program, in the
    order of its arguments; likewise for inputs, and for outputs in the order of
    its results. `#pc.buffer<workspace, 4096>` and `#pc.buffer<scratch, 0>`:
    bytes from the start of the workspace that all threads share, or of the
    scratch of one worker. Arrays are dense and row major; in the workspace, in
    inputs and in outputs a per-sample array has a row for every sample of the
    largest batch, rounded up to whole blocks, in the scratch for one block.
  }];
  let parameters = (ins EnumParameter<PC_BufferSpace>:$space,
                        "int64_t":$position);
  let assemblyFormat = "`<` $space `,` $position `>`";
}

def PC_ProgramInfoAttr : PC_Attr<"ProgramInfo", "program_info"> {
  let summary = "facts of a functional program that its function carries";
  let parameters = (ins "::mlir::StringAttr":$model,
                        EnumParameter<PC_Role>:$role,
                        "int64_t":$weightStepsPerCall);
  let assemblyFormat = "`<` $model `,` $role `,` $weightStepsPerCall `>`";
}

#endif // PC_ATTRS_TD
