//===- PCModelOps.td - Models: layers, states, energies ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_MODEL_OPS_TD
#define PC_MODEL_OPS_TD

include "dialects/PC/PCComputeOps.td"
include "mlir/IR/SymbolInterfaces.td"

def PC_YieldOp : PC_Op<"yield", [Pure, ReturnLike, Terminator]> {
  let summary = "values that a region returns";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ /* No values. */ }]>];
}

def PC_ModelOp : PC_Op<"model", [Symbol, IsolatedFromAbove, NoTerminator,
    SingleBlock]> {
  let summary = "a predictive coding network, per sample";
  let description = [{
    ```mlir
    pc.model @mlp (width = 128) {
      %image = pc.input @image : tensor<784xf32>
      %a1 = pc.linear @fc1 %image : tensor<784xf32> -> tensor<?xf32, #pc.dims<width>>
      ...
    }
    ```

    The numbers in parentheses are parameters of the model: names for dynamic
    dimensions (`#pc.dims`) and for the counts of stacked blocks, set by
    `pcc -D width=64`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictionaryAttr>:$constants);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name custom<Constants>($constants) attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def PC_BlockOp : PC_Op<"block", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a piece of a model that is used more than once";
  let description = [{
    ```mlir
    pc.block @dense(%x: tensor<128xf32>) -> tensor<128xf32> {
      %a = pc.linear @fc %x : tensor<128xf32> -> tensor<128xf32>
      %u = pc.tanh %a : tensor<128xf32>
      %h = pc.vode @h %u energy(se) : tensor<128xf32>
      pc.yield %h : tensor<128xf32>
    }
    ```

    `pc.apply` inlines it; names inside get the name of the application in front.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<FunctionType>:$function_type);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

def PC_ApplyOp : PC_Op<"apply", [ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "inlines a block, once or stacked";
  let description = [{
    ```mlir
    %y = pc.apply @dense %x as @stage1 : (tensor<128xf32>) -> tensor<128xf32>
    %z = pc.apply @dense %y as @stage2 times(3) : (tensor<128xf32>) -> tensor<128xf32>
    %w = pc.apply @dense %z as @stage3 times(@depth) : (tensor<128xf32>) -> tensor<128xf32>
    ```

    A vode `@h` inside becomes `@stage1.h`; stacked, `@stage2.0.h`,
    `@stage2.1.h`, ... Stacking needs as many results as arguments, of the same
    types. The count is a number or a parameter of the model. Without `as` the
    names stay as they are: layers are then shared between applications.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<PC_Tensor>:$inputs,
                       OptionalAttr<SymbolNameAttr>:$name,
                       OptionalAttr<AnyAttrOf<[I64Attr, FlatSymbolRefAttr]>>:$times);
  let results = (outs Variadic<PC_Tensor>:$outputs);
  let assemblyFormat = [{
    $callee $inputs (`as` $name^)? (`times` `(` custom<Count>($times)^ `)`)?
    attr-dict `:` functional-type($inputs, $outputs)
  }];
}

def PC_InputOp : PC_Op<"input", [HasParent<"ModelOp">]> {
  let summary = "a value that a program must clamp before it is used";
  let arguments = (ins SymbolNameAttr:$name);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$name attr-dict `:` type($output)";
}

def PC_ProbeOp : PC_Op<"probe", [ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "a name for a value of a model, for programs to read";
  let description = [{
    ```mlir
    %a1 = pc.linear @fc1 %image : tensor<784xf32> -> tensor<128xf32>
    pc.probe @a1 = %a1 : tensor<128xf32>
    ```

    `pc.evaluate @a1` in a program is the value at the states that hold there.
  }];
  let arguments = (ins SymbolNameAttr:$name, PC_Tensor:$value);
  let assemblyFormat = "$name `=` $value attr-dict `:` type($value)";
}

def PC_SizeOp : PC_Op<"size", [Pure,
    ParentOneOf<["ModelOp", "BlockOp", "ProgramOp", "RepeatOp", "JointOp"]>]> {
  let summary = "a parameter of the model as a number";
  let description = [{
    ```mlir
    pc.model @mupc (width = 128) {
      %n = pc.size @width
      %root = math.sqrt %n : f64
      ...
      %scaled = pc.scale %x, %by : tensor<?xf32, #pc.dims<width>>
    ```

    For scalings that follow a size; in a program it is a size of its model.
    Numbers are computed with `arith` and `math`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs F64:$value);
  let assemblyFormat = "$name attr-dict";
}

def PC_ParamOp : PC_Op<"param", [ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "a parameter: an array that all samples share";
  let description = [{
    ```mlir
    %w = pc.param @fc1.weight init(fan_in(784)) : tensor<128x784xf32>
    ```

    Two operations of one name are one parameter.
  }];
  let arguments = (ins SymbolNameAttr:$name, OptionalAttr<PC_InitAttr>:$init);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $name (`init` `(` custom<Init>($init)^ `)`)? attr-dict `:` type($output)
  }];
  let hasVerifier = 1;
}

def PC_LinearOp : PC_Op<"linear", [ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "a layer W x + b";
  let description = [{
    ```mlir
    %a = pc.linear @fc1 %x : tensor<784xf32> -> tensor<128xf32>
    %b = pc.linear @fc2 %x no_bias weight_init(normal(0.0, 0.02))
       : tensor<784xf32> -> tensor<128xf32>
    ```

    The layer owns the parameters `fc1.weight` [out, in] and `fc1.bias` [out],
    by default both U(-1/sqrt(in), 1/sqrt(in)). A layer name used twice shares
    them.
  }];
  let arguments = (ins SymbolNameAttr:$layer, PC_Tensor:$input, UnitAttr:$no_bias,
                       OptionalAttr<PC_InitAttr>:$weight_init,
                       OptionalAttr<PC_InitAttr>:$bias_init);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = [{
    $layer $input (`no_bias` $no_bias^)?
    (`weight_init` `(` custom<Init>($weight_init)^ `)`)?
    (`bias_init` `(` custom<Init>($bias_init)^ `)`)?
    attr-dict `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
}

def PC_VodeOp : PC_Op<"vode", [ParentOneOf<["ModelOp", "BlockOp"]>,
    AllTypesMatch<["prediction", "state"]>]> {
  let summary = "a state with a prediction and an energy";
  let description = [{
    ```mlir
    %h1 = pc.vode @h1 %u1 energy(se) : tensor<128xf32>
    %h2 = pc.vode @h2 %u2 energy(se) precision(0.5) : tensor<128xf32>
    %h3 = pc.vode @h3 %u3 energy(@mine) : tensor<128xf32>
    %h4 = pc.vode @h4 %u4 energy(se) log_sigma(%s) : tensor<128xf32>
    ```

    Takes the prediction u, returns the state h. Sugar for a `pc.state`, an
    energy of both and a `pc.term`. `precision(p)` multiplies the energy by p.
    `log_sigma(%s)`, only for se, makes the precision exp(-2 s), element by
    element, with its normaliser: E = sum 1/2 ((h - u) / exp s)^2 + s, s floored
    at -10; %s, usually a `pc.param`, has the state's shape or is one number
    (`tensor<f32>`) for all elements.
  }];
  let arguments = (ins SymbolNameAttr:$name, PC_Tensor:$prediction,
                       AnyAttrOf<[PC_EnergyKindAttr, FlatSymbolRefAttr]>:$energy,
                       OptionalAttr<F64Attr>:$precision,
                       Optional<PC_Tensor>:$log_sigma);
  let results = (outs PC_Tensor:$state);
  let assemblyFormat = [{
    $name $prediction `energy` `(` custom<Energy>($energy) `)`
    (`precision` `(` $precision^ `)`)?
    (`log_sigma` `(` $log_sigma^ `:` type($log_sigma) `)`)?
    attr-dict `:` type($state)
  }];
  let hasVerifier = 1;
}

def PC_StateOp : PC_Op<"state", [ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "the state of a value node";
  let description = [{
    A state alone is a free latent. `pc.term` gives it a prediction and adds
    energies; it may stand after the state's uses, so recurrent and lateral
    edges need nothing special.
  }];
  let arguments = (ins SymbolNameAttr:$name);
  let results = (outs PC_Tensor:$output);
  let assemblyFormat = "$name attr-dict `:` type($output)";
}

def PC_TermOp : PC_Op<"term", [AttrSizedOperandSegments, ParentOneOf<["ModelOp", "BlockOp"]>]> {
  let summary = "a term of the free energy, and a state's prediction";
  let description = [{
    ```mlir
    %E = pc.se_energy %h, %u : tensor<128xf32> -> tensor<f32>
    pc.term @h1 prediction(%u : tensor<128xf32>) energy(%E : tensor<f32>)
    ```

    Adds E, one number per sample, to the free energy under the name of the
    vode. The prediction is what `pc.init forward`, `pc.predict` and `pc.nudge`
    use; a vode has at most one, and any number of terms.
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, Optional<PC_Tensor>:$prediction,
                       Optional<PC_Tensor>:$energy);
  let assemblyFormat = [{
    $vode (`prediction` `(` $prediction^ `:` type($prediction) `)`)?
    (`energy` `(` $energy^ `:` type($energy) `)`)? attr-dict
  }];
  let hasVerifier = 1;
}
def PC_EnergyOp : PC_Op<"energy", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "an energy of the user's, differentiated by the compiler";
  let description = [{
    ```mlir
    pc.energy @huber(%h: tensor<10xf32>, %u: tensor<10xf32>) {
      %e = pc.sub %h, %u : tensor<10xf32>
      %v = pc.elementwise %e : (tensor<10xf32>) -> tensor<10xf32> { ... }
      %s = pc.sum %v : tensor<10xf32> -> tensor<f32>
      pc.yield %s : tensor<f32>
    }
    ```

    A function of state and prediction with one number per sample as result.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

#endif // PC_MODEL_OPS_TD
