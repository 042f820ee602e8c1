//===- PCComputeOps.td - Pure tensor operations of the pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_COMPUTE_OPS_TD
#define PC_COMPUTE_OPS_TD

include "dialects/PC/PCAttrs.td"
include "dialects/PC/PCInterfaces.td"
include "dialects/PC/PCTypes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// Operations that compute. They are pure functions of tensors, valid inside a
// model (per sample), in a functional program (batched) and in a stage (sample
// block). "Leading" dimensions are those in front of the per-sample shape: none
// in a model, one (the batch or the block) elsewhere.

// Tensors have sizes that code can index and the runtime can hold.
def BoundedTensors : NativeOpTrait<"BoundedTensors"> {
  let cppNamespace = "::pc";
}

class PC_Op<string mnemonic, list<Trait> traits = []>
    : Op<PC_Dialect, mnemonic, !listconcat([BoundedTensors], traits)>;

class PC_ComputeOp<string mnemonic, list<Trait> traits = []>
    : PC_Op<mnemonic, !listconcat([Pure], traits)>;

defvar PC_Differentiable =
    DeclareOpInterfaceMethods<PC_DifferentiableOpInterface>;
defvar PC_LinearMap = DeclareOpInterfaceMethods<PC_LinearMapOpInterface>;
defvar PC_Elementwise = DeclareOpInterfaceMethods<PC_ElementwiseOpInterface>;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def PC_SplatOp : PC_ComputeOp<"splat", [ConstantLike,
    AllTypesMatch<["output"]>]> {
  let summary = "tensor with one value in every element";
  let description = [{
    ```mlir
    %zero = pc.splat 0.0 : tensor<?x128xf32>
    ```

    The value is rounded to the element type.
  }];
  let arguments = (ins F64Attr:$value);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$value attr-dict `:` type($output)";
  let hasFolder = 1;
}

def PC_BatchSizeOp : PC_ComputeOp<"batch_size"> {
  let summary = "number of samples of this call, as a number";
  let results = (outs F64:$size);
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// Activations and other element-wise operations
//===----------------------------------------------------------------------===//

class PC_ActivationOp<string mnemonic, string kind, string formula,
                      list<Trait> traits = []>
    : PC_ComputeOp<mnemonic, !listconcat([SameOperandsAndResultType,
                   PC_Differentiable, PC_Elementwise], traits)> {
  let summary = formula;
  let description = [{
    Folds: of a splat of zero to a splat of zero where f(0) is exactly 0, that is
    everywhere but for sigmoid and softplus.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
  let hasFolder = 1;
  let extraClassDeclaration = [{
    ::pc::ActivationKind getActivationKind() { return ::pc::ActivationKind::}] #
    kind # [{; }
    /// Slope of the negative side; 0 where the activation has none.
    double getActivationSlope() { return 0.0; }
  }];
}

def PC_IdentityOp : PC_ComputeOp<"identity", [SameOperandsAndResultType,
    PC_Differentiable, PC_LinearMap]> {
  let summary = "x";
  let description = [{Folds to its operand.}];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
  let hasFolder = 1;
}
def PC_ReluOp : PC_ActivationOp<"relu", "Relu", "max(x, 0); slope 0 at 0">;
def PC_LeakyReluOp : PC_ActivationOp<"leaky_relu", "LeakyRelu",
    "x where x >= 0, slope x elsewhere; slope 1 at 0"> {
  let arguments = (ins PC_Tensor:$input,
                       DefaultValuedAttr<F64Attr, "0.01">:$slope);
  let assemblyFormat =
      "$input (`slope` `(` $slope^ `)`)? attr-dict `:` type($output)";
  let extraClassDeclaration = [{
    ::pc::ActivationKind getActivationKind() {
      return ::pc::ActivationKind::LeakyRelu;
    }
    double getActivationSlope() { return getSlope().convertToDouble(); }
  }];
  let hasVerifier = 1;
}
def PC_GeluOp : PC_ActivationOp<"gelu", "Gelu",
    "x Phi(x): by default 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))"> {
  let description = [{
    With `exact`, x/2 (1 + erf(x / sqrt 2)). Hendrycks and Gimpel,
    arXiv:1606.08415. Folds: of a splat of zero to a splat of zero.
  }];
  let arguments = (ins PC_Tensor:$input, UnitAttr:$exact);
  let assemblyFormat = "$input (`exact` $exact^)? attr-dict `:` type($output)";
  let extraClassDeclaration = [{
    ::pc::ActivationKind getActivationKind() {
      return getExact() ? ::pc::ActivationKind::GeluExact
                        : ::pc::ActivationKind::Gelu;
    }
    double getActivationSlope() { return 0.0; }
  }];
}
def PC_SiluOp : PC_ActivationOp<"silu", "Silu", "x sigmoid(x)">;
def PC_TanhOp : PC_ActivationOp<"tanh", "Tanh", "tanh(x)">;
def PC_HardTanhOp : PC_ActivationOp<"hard_tanh", "HardTanh",
    "clip of x to [-1, 1]; slope 1 at both ends">;
def PC_SigmoidOp : PC_ActivationOp<"sigmoid", "Sigmoid", "1 / (1 + exp(-x))">;
def PC_SoftplusOp : PC_ActivationOp<"softplus", "Softplus", "log(1 + exp(x))">;

def PC_ActGradOp : PC_ComputeOp<"act_grad", [SameOperandsAndResultType,
    PC_Differentiable, PC_Elementwise]> {
  let summary = "derivative f'(x) of an activation";
  let description = [{
    Made by reverse mode. At a kink: relu 0 at 0, leaky_relu 1 at 0, hard_tanh 1
    at -1 and 1. Nothing folds. Its own derivative f'' is zero for piecewise linear
    activations, kinks included.

    ```mlir
    %d = pc.act_grad gelu %a : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins PC_ActivationKindAttr:$kind, PC_Tensor:$input,
                       DefaultValuedAttr<F64Attr, "0.0">:$slope);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    custom<Keyword>($kind) $input (`slope` `(` $slope^ `)`)? attr-dict
    `:` type($output)
  }];
}

class PC_BinaryOp<string mnemonic, string formula, list<Trait> traits = []>
    : PC_ComputeOp<mnemonic, !listconcat([SameOperandsAndResultType,
                   PC_Differentiable, PC_Elementwise], traits)> {
  let summary = formula;
  let arguments = (ins PC_Tensor:$lhs, PC_Tensor:$rhs);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($output)";
  let hasFolder = 1;
}
def PC_AddOp : PC_BinaryOp<"add", "lhs + rhs", [Commutative]> {
  let description = [{
    Folds: of two splats to a splat, rounded in the element type; x + 0 to x;
    x + (-y) to x - y.
  }];
  let hasCanonicalizer = 1;
}
def PC_SubOp : PC_BinaryOp<"sub", "lhs - rhs; of a value and itself, zero"> {
  let description = [{
    The prediction error `h - u`. Its fold `sub(x, x) -> 0` is exact for finite
    values and is where exact elimination starts: after a forward initialisation
    state and prediction are one value. `sub(u - d, u) -> -d` is a
    reassociation, not a fold.

    Folds: x - x to 0; of two splats to a splat, rounded in the element type;
    x - 0 to x; 0 - x to -x; x - (-y) to x + y.
  }];
  let hasCanonicalizer = 1;
}
def PC_MulOp : PC_BinaryOp<"mul", "lhs * rhs", [Commutative, PC_LinearMap]> {
  let description = [{
    Folds: of two splats to a splat, rounded in the element type; by a splat of
    1 to the other operand; with a zero operand to zero.
  }];
}

def PC_NegOp : PC_ComputeOp<"neg", [SameOperandsAndResultType,
    PC_Differentiable, PC_Elementwise, PC_LinearMap]> {
  let summary = "-x";
  let description = [{
    Folds: -(-x) to x; of a splat to a splat; -(x - y) to y - x
    where nothing else reads x - y.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def PC_ScaleOp : PC_ComputeOp<"scale", [AllTypesMatch<["input", "output"]>,
    PC_Differentiable, PC_Elementwise, PC_LinearMap]> {
  let summary = "x times a number that all samples share";
  let description = [{
    The factor is rounded to the element type before the product. Folds: by a
    constant 1 to x; by a constant 0, and of zero, to zero; of a splat by a
    constant to a splat.

    ```mlir
    %y = pc.scale %x, %lr : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins PC_Tensor:$input, F64:$factor);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input `,` $factor attr-dict `:` type($output)";
  let hasFolder = 1;
}

def PC_ElementwiseOp : PC_ComputeOp<"elementwise", [PC_Differentiable,
    PC_Elementwise, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "any function of elements, written with arith and math";
  let description = [{
    ```mlir
    %y = pc.elementwise %x : (tensor<128xf32>) -> tensor<128xf32> {
    ^bb0(%a: f32):
      %s = math.sin %a : f32
      pc.yield %s : f32
    }
    ```

    The region is a pure function of its arguments, one per operand, and captures
    nothing: shared numbers come in as `pc.batch_broadcast` of a parameter.
    Allowed are the elementwise operations of `arith` and `math`, constants, no
    fast-math flags. Reverse mode differentiates it; where two branches of a
    maximum or minimum tie, the first operand takes the cotangent, and |x| has
    the slope 0 at 0. Nothing folds across it.
  }];
  let arguments = (ins Variadic<PC_Tensor>:$inputs);
  let results = (outs PC_Tensor:$output);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat =
      "$inputs attr-dict `:` functional-type($inputs, $output) $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def PC_DetachOp : PC_ComputeOp<"detach", [SameOperandsAndResultType,
    PC_Differentiable, PC_LinearMap]> {
  let summary = "x, through which no gradient flows";
  let description = [{Of zero it folds to zero.}];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
}

def PC_AdamUpdateOp : PC_ComputeOp<"adam_update", [PC_Elementwise,
    AllTypesMatch<["param", "gradient", "m", "v", "newParam", "newM", "newV"]>]> {
  let summary = "one step of Adam or AdamW on one array";
  let description = [{
    optax's definition: m' = b1 m + (1 - b1) g; v' = b2 v + (1 - b2) g^2;
    p' = p - lr (m' / c1 / (sqrt(v' / c2) + eps) + wd p), where c1 = 1 - b1^t and
    c2 = 1 - b2^t are `correction1` and `correction2`. wd = 0 is Adam (Kingma and
    Ba, arXiv:1412.6980); otherwise AdamW (Loshchilov and Hutter,
    arXiv:1711.05101). A zero gradient still moves the parameter.

    Folds where nothing moves yet: with g, m and v zero, wd = 0 and a constant
    eps that is not zero in the element type, p' is p.
  }];
  let arguments = (ins PC_Tensor:$param, PC_Tensor:$gradient, PC_Tensor:$m,
                       PC_Tensor:$v, F64:$lr, F64:$b1, F64:$b2, F64:$eps,
                       F64:$weightDecay, F64:$correction1, F64:$correction2);
  let results = (outs PC_Tensor:$newParam, PC_Tensor:$newM, PC_Tensor:$newV);
  let assemblyFormat = [{
    $param `,` $gradient `,` $m `,` $v `lr` `(` $lr `)` `b1` `(` $b1 `)`
    `b2` `(` $b2 `)` `eps` `(` $eps `)` `weight_decay` `(` $weightDecay `)`
    `corrections` `(` $correction1 `,` $correction2 `)` attr-dict
    `:` type($param)
  }];
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Linear maps between shapes
//===----------------------------------------------------------------------===//

def PC_DenseOp : PC_ComputeOp<"dense", [PC_Differentiable, PC_LinearMap]> {
  let summary = "product of a vector per sample with a shared matrix";
  let description = [{
    y_n = sum_k w_nk x_k; with `transposed`, y_k = sum_n w_nk x_n. The weight is
    [out, in] in both cases.

    ```mlir
    %a = pc.dense %x, %w : tensor<?x784xf32>, tensor<128x784xf32> -> tensor<?x128xf32>
    %b = pc.dense %d, %w transposed
       : tensor<?x128xf32>, tensor<128x784xf32> -> tensor<?x784xf32>
    ```

    With `bf16(1)` the elements of w and x are rounded to bfloat16 before they
    are multiplied; with `bf16(2)` those of x are rounded to the sum of two
    numbers of bfloat16: what the first one leaves, rounded, is the second. Sums
    are of the result's type. The weight may be one that is rounded already
    (`pc.narrow`).

    `difference` says that x is one: the derivative of an energy, or how far
    inference has moved a state. The noise of rounding x is then small beside
    what it stands for. Differentiation sets it, and `pc-difference-products`.

    Folds: of a zero operand to zero; `dense(x, transpose(w))` to the dense of w
    with the flag flipped.
  }];
  let arguments = (ins PC_Tensor:$input,
                       AnyTypeOf<[PC_Tensor, PC_NarrowTensor],
                                 "ranked tensor of f32, f64 or bf16 values",
                                 "::mlir::RankedTensorType">:$weight,
                       UnitAttr:$transposed, UnitAttr:$difference,
                       DefaultValuedAttr<I64Attr, "0">:$parts);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $weight (`transposed` $transposed^)?
    (`difference` $difference^)? (`bf16` `(` $parts^ `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($output)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$output,
                                 "::mlir::Value":$input,
                                 "::mlir::Value":$weight, "bool":$transposed,
                                 CArg<"bool", "false">:$difference), [{
    build($_builder, $_state, output, input, weight, transposed, difference,
          /*parts=*/0);
  }]>];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def PC_BatchOuterOp : PC_ComputeOp<"batch_outer", [PC_Differentiable, PC_LinearMap]> {
  let summary = "sum over the batch of the outer products of two vectors";
  let description = [{
    y_nk = sum_s lhs_sn rhs_sk: the gradient of a dense layer's weight.

    ```mlir
    %gw = pc.batch_outer %d, %x : tensor<?x128xf32>, tensor<?x784xf32> -> tensor<128x784xf32>
    ```

    With `bf16` the elements of both are rounded to bfloat16 before they are
    multiplied, and the sums are of the result's type.

    Of a zero operand it folds to zero.
  }];
  let arguments = (ins PC_Tensor:$lhs, PC_Tensor:$rhs, UnitAttr:$bf16);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bf16` $bf16^)? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($output)
  }];
  let hasVerifier = 1;
}

def PC_BatchSumOp : PC_ComputeOp<"batch_sum", [PC_Differentiable, PC_LinearMap]> {
  let summary = "sum over the batch, in the order of the samples";
  let description = [{
    ```mlir
    %gb = pc.batch_sum %d : tensor<?x128xf32> -> tensor<128xf32>
    ```

    Of zero it folds to zero.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def PC_BatchBroadcastOp : PC_ComputeOp<"batch_broadcast", [PC_Differentiable, PC_LinearMap]> {
  let summary = "the same shared value for every sample";
  let description = [{
    ```mlir
    %bb = pc.batch_broadcast %b : tensor<128xf32> -> tensor<?x128xf32>
    ```

    Of a splat it folds to a splat.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_SumOp : PC_ComputeOp<"sum", [PC_Differentiable, PC_LinearMap]> {
  let summary = "sum over trailing dimensions";
  let description = [{
    Sums over all dimensions that the result does not have: over the whole
    sample, `tensor<10xf32> -> tensor<f32>`, batched
    `tensor<?x10xf32> -> tensor<?xf32>`. Folds: of zero to zero; over no
    dimension at all to its operand.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_BroadcastOp : PC_ComputeOp<"broadcast", [PC_Differentiable, PC_LinearMap]> {
  let summary = "repeats a value along new trailing dimensions";
  let description = [{
    The adjoint of `pc.sum`: `tensor<f32> -> tensor<10xf32>`, batched
    `tensor<?xf32> -> tensor<?x10xf32>`. Folds: of a splat to a splat; along no
    dimension at all to its operand.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_ReshapeOp : PC_ComputeOp<"reshape", [PC_Differentiable, PC_LinearMap]> {
  let summary = "the same elements, row major, in another per-sample shape";
  let description = [{
    ```mlir
    %y = pc.reshape %x : tensor<?x784xf32> -> tensor<?x28x28xf32>
    ```

    Folds: to the operand's own type to the operand; of a reshape to one
    reshape; of a splat to a splat.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_ConcatOp : PC_ComputeOp<"concat", [PC_Differentiable, PC_LinearMap]> {
  let summary = "concatenation along one per-sample axis";
  let description = [{
    `axis` counts from the end: -1 is the last axis.

    ```mlir
    %y = pc.concat %a, %b axis(-1) : tensor<4xf32>, tensor<6xf32> -> tensor<10xf32>
    ```

    Folds: of one operand to it; of equal splats to a splat.
  }];
  let arguments = (ins Variadic<PC_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $inputs `axis` `(` $axis `)` attr-dict `:` type($inputs) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_SliceOp : PC_ComputeOp<"slice", [PC_Differentiable, PC_LinearMap]> {
  let summary = "contiguous part along one per-sample axis";
  let description = [{
    ```mlir
    %y = pc.slice %x axis(-1) offset(2) : tensor<10xf32> -> tensor<4xf32>
    ```

    Folds: the whole axis to the operand; of a splat to a splat.
  }];
  let arguments = (ins PC_Tensor:$input, I64Attr:$axis, I64Attr:$offset);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $input `axis` `(` $axis `)` `offset` `(` $offset `)` attr-dict
    `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_PadOp : PC_ComputeOp<"pad", [PC_Differentiable, PC_LinearMap]> {
  let summary = "zeros around a part along one per-sample axis";
  let description = [{
    ```mlir
    %y = pc.pad %x axis(-1) offset(2) : tensor<4xf32> -> tensor<10xf32>
    ```

    The adjoint of `pc.slice`. Folds: by nothing to the operand; of zero to zero.
  }];
  let arguments = (ins PC_Tensor:$input, I64Attr:$axis, I64Attr:$offset);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $input `axis` `(` $axis `)` `offset` `(` $offset `)` attr-dict
    `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PC_TransposeOp : PC_ComputeOp<"transpose", [PC_Differentiable, PC_LinearMap]> {
  let summary = "transpose of a shared matrix";
  let description = [{
    ```mlir
    %t = pc.transpose %w : tensor<128x784xf32> -> tensor<784x128xf32>
    ```

    Folds: of a transpose to the matrix; of a splat to a splat.
  }];
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat =
      "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

def PC_SoftmaxOp : PC_ComputeOp<"softmax", [SameOperandsAndResultType,
    PC_Differentiable]> {
  let summary = "exp(x) / sum exp(x) over the last axis, max-shifted";
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
  let hasVerifier = 1;
}

def PC_LogSoftmaxOp : PC_ComputeOp<"log_softmax", [SameOperandsAndResultType,
    PC_Differentiable]> {
  let summary = "x - log sum exp(x) over the last axis, max-shifted";
  let arguments = (ins PC_Tensor:$input);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Energies: one number per sample
//===----------------------------------------------------------------------===//

class PC_EnergyValueOp<string mnemonic, string formula>
    : PC_ComputeOp<mnemonic, [AllTypesMatch<["state", "prediction"]>,
                   PC_Differentiable]> {
  let summary = formula;
  let arguments = (ins PC_Tensor:$state, PC_Tensor:$prediction);
  let results = (outs PC_Tensor:$energy);
  let assemblyFormat = [{
    $state `,` $prediction attr-dict `:` type($state) `->` type($energy)
  }];
  let hasVerifier = 1;
}
def PC_SquaredErrorOp : PC_EnergyValueOp<"se_energy",
    "sum 1/2 (h - u)^2: a Gaussian with unit precision"> {
  let description = [{Folds: of a value and itself to zero.}];
  let hasFolder = 1;
}
def PC_CrossEntropyOp : PC_EnergyValueOp<"ce_energy",
    "sum -h log_softmax(u) over the last axis; h need not sum to one">;

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

def PC_RandomNormalOp : PC_ComputeOp<"random_normal"> {
  let summary = "independent standard normal numbers, by counter";
  let description = [{
    Philox4x32-10 with key `seed` and a counter made of `call`, `stream`, the
    sample's slot and the element (docs/spec.md, "Random numbers"): the same
    bits on every device and for every number of threads.
  }];
  let arguments = (ins I64:$seed, I64:$call, I64Attr:$stream);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    `seed` `(` $seed `)` `call` `(` $call `)` `stream` `(` $stream `)` attr-dict
    `:` type($output)
  }];
}

#endif // PC_COMPUTE_OPS_TD
