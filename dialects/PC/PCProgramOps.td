//===- PCProgramOps.td - Programs: algorithms on models ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_PROGRAM_OPS_TD
#define PC_PROGRAM_OPS_TD

include "dialects/PC/PCComputeOps.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def PC_ProgramOp : PC_Op<"program", [Symbol, IsolatedFromAbove, NoTerminator,
    SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "an algorithm on a model";
  let description = [{
    ```mlir
    pc.program @train on @mlp (%image: tensor<784xf32>, %label: tensor<10xf32>) {
      %h_lr = pc.hyper "h_lr" default 0.0105
      %w_lr = pc.hyper "w_lr" default 2.97e-4
      pc.clamp @image = %image : tensor<784xf32>
      pc.init forward
      pc.clamp @label = %label : tensor<10xf32>
      pc.repeat 8 {
        pc.infer sgd(lr = %h_lr, momentum = 0.65)
      }
      pc.report "energy" = energy
      pc.learn adamw(lr = %w_lr, weight_decay = 3.55e-4)
    }
    ```

    Statements run in order. Arguments are inputs, one value per sample.
    Numbers (rates, coefficients) are f64 values; `arith` and `math` operations
    compute with them. The role is train when parameters are updated, evaluate
    when not, unless `role(...)` says otherwise. With `attributes {trace}` all that
    `pc.output` gives away counts as a trace, and `--trace` holds for this program.

    ```mlir
    pc.program @train on @gen, @rec (%image: tensor<784xf32>) {
      pc.clamp @rec.image = %image : tensor<784xf32>
      pc.clamp @gen.image = %image : tensor<784xf32>
      ...
      pc.learn adamw(lr = %w_lr) params(@rec)
    }
    ```

    On several models the nodes and probes of each carry its name in front, as
    if it were a block applied `as` it; parameters keep their names, so models
    share those of one name. The free energy is the sum over the models.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       FlatSymbolRefAttr:$model,
                       OptionalAttr<PC_RoleAttr>:$role,
                       OptionalAttr<StrArrayAttr>:$input_names,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$other_models,
                       UnitAttr:$trace);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The role, derived when it is not written.
    ::pc::Role getEffectiveRole();
    /// The names of all its models, in order.
    ::llvm::SmallVector<::mlir::StringAttr> getModels();
    /// Name of the i-th input: that of its SSA value in the source.
    ::llvm::StringRef getInputName(unsigned index);
  }];
}

class PC_ProgramMemberOp<string mnemonic, list<Trait> traits = []>
    : PC_Op<mnemonic, !listconcat(traits,
        [ParentOneOf<["ProgramOp", "RepeatOp", "JointOp"]>])>;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

def PC_HyperOp : PC_ProgramMemberOp<"hyper", [Pure]> {
  let summary = "a number that can be set at run time";
  let description = [{
    ```mlir
    %lr = pc.hyper "w_lr" default 1.0e-3 min 0.0 max 1.0
    ```

    One name is one number in all programs of a file.
  }];
  let arguments = (ins StrAttr:$name, F64Attr:$value, OptionalAttr<F64Attr>:$min,
                       OptionalAttr<F64Attr>:$max);
  let results = (outs F64:$result);
  let assemblyFormat = [{
    $name `default` $value (`min` $min^)? (`max` $max^)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_CounterOp : PC_ProgramMemberOp<"counter"> {
  let summary = "weight steps taken so far, steps of the whole run, or epoch";
  let arguments = (ins PC_CounterKindAttr:$kind);
  let results = (outs F64:$result);
  let assemblyFormat = "custom<Keyword>($kind) attr-dict";
}

def PC_ScheduleOp : PC_ProgramMemberOp<"schedule"> {
  let summary = "a learning rate as a function of the weight step";
  let description = [{
    ```mlir
    %a = pc.schedule warmup_cosine(%base) peak(1.1) warmup(0.1) end(0.1)
    %b = pc.schedule cosine(%base) end(0.1)
    %c = pc.schedule step(%base) every(0.3) by(0.1)
    ```

    With N weight steps in the run and the count c of those taken:

    - `warmup_cosine` is optax.warmup_cosine_decay_schedule with init = base, peak
      and end as factors of base, warmup as a fraction of N: with w = floor(warmup
      N), linear from base to peak for c < w, then peak ((1 - a) (1 + cos(pi min(c
      - w, N - w) / (N - w))) / 2 + a) where a = end / peak;
    - `cosine` is the same without a warm-up and with peak = 1;
    - `step` multiplies base by `by` each time that c passes another `every` N:
      base by^floor(c / (every N)).

    Outside of a run, where N is 0, the rate is base. Evaluated where it stands: in
    a `pc.repeat` that learns, at every step.
  }];
  let arguments = (ins PC_ScheduleKindAttr:$kind, F64:$base,
                       DefaultValuedAttr<F64Attr, "1.0">:$peak,
                       DefaultValuedAttr<F64Attr, "0.0">:$warmup,
                       DefaultValuedAttr<F64Attr, "1.0">:$end,
                       OptionalAttr<F64Attr>:$every, OptionalAttr<F64Attr>:$by);
  let results = (outs F64:$result);
  let assemblyFormat = [{
    custom<Keyword>($kind) `(` $base `)` (`peak` `(` $peak^ `)`)?
    (`warmup` `(` $warmup^ `)`)? (`end` `(` $end^ `)`)?
    (`every` `(` $every^ `)`)? (`by` `(` $by^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

def PC_ClampOp : PC_ProgramMemberOp<"clamp"> {
  let summary = "sets a vode or an input to a value and holds it";
  let description = [{
    ```mlir
    pc.clamp @image = %image : tensor<784xf32>
    pc.clamp @image = %image mask(%known) : tensor<784xf32>
    ```

    With a mask only the elements where it is not zero are held; the others are
    free: they are initialised and inferred like those of a free vode (missing
    data, recall from a part).
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, PC_Tensor:$value,
                       Optional<PC_Tensor>:$mask);
  let assemblyFormat = [{
    $vode `=` $value (`mask` `(` $mask^ `:` type($mask) `)`)? attr-dict
    `:` type($value)
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$vode,
                                 "::mlir::Value":$value), [{
    build($_builder, $_state, vode, value, ::mlir::Value());
  }]>];
}

def PC_SetOp : PC_ProgramMemberOp<"set"> {
  let summary = "gives a free vode a value";
  let description = [{
    ```mlir
    %guess = pc.predict @proposal : tensor<32xf32>
    pc.set @z = %guess : tensor<32xf32>
    ```

    The vode stays free: the value is where its inference starts (amortised
    initialisation), or the result of a rule of the program's own. Its optimiser
    is reset.
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, PC_Tensor:$value);
  let assemblyFormat = "$vode `=` $value attr-dict `:` type($value)";
}

def PC_PrecisionOp : PC_ProgramMemberOp<"precision"> {
  let summary = "multiplies the energy of a vode from here on";
  let description = [{
    ```mlir
    pc.repeat 8 index(%t) {
      %first = arith.cmpf oeq, %t, %arrival : f64
      %p = arith.select %first, %one, %alpha : f64
      pc.precision @h1 = %p
      pc.infer sgd(lr = %lr)
    }
    ```

    All terms of the vode count with this factor, beside their own precision,
    in gradients and reports, until another `pc.precision`. Without one it is 1.
    Schedules of the precision over t: Qi et al., ICML 2026.
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, F64:$precision);
  let assemblyFormat = "$vode `=` $precision attr-dict";
}

def PC_NudgeOp : PC_ProgramMemberOp<"nudge"> {
  let summary = "holds a vode at u + beta (y - u), u its prediction now";
  let description = [{
    ```mlir
    pc.nudge @label = %label beta(%beta) : tensor<10xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, PC_Tensor:$value, F64:$beta);
  let assemblyFormat =
      "$vode `=` $value `beta` `(` $beta `)` attr-dict `:` type($value)";
}

def PC_ReleaseOp : PC_ProgramMemberOp<"release"> {
  let summary = "frees a clamped vode; its state stays as it is";
  let arguments = (ins FlatSymbolRefAttr:$vode);
  let assemblyFormat = "$vode attr-dict";
}

def PC_InitOp : PC_ProgramMemberOp<"init"> {
  let summary = "initialises free states and resets the state optimisers";
  let description = [{
    ```mlir
    pc.init forward                 // h = u, in the order of dependence
    pc.init zero vodes(@z)
    pc.init normal(0.05)            // standard deviation
    pc.init carried vodes(@z)       // as the last call left it
    pc.init forward keep_momentum
    ```

    Sets only free vodes: all, or those named. `carried` states outlive a call:
    they are zero at first and then what they were at the end of the last call of
    any program that carries them, sample slot by sample slot. With
    `keep_momentum` the momentum is not reset but that of the last call.
  }];
  let arguments = (ins PC_StateInitKindAttr:$kind, OptionalAttr<F64Attr>:$deviation,
                       UnitAttr:$keep_momentum,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$vodes);
  let assemblyFormat = [{
    custom<Keyword>($kind) (`(` $deviation^ `)`)? (`keep_momentum` $keep_momentum^)?
    (`vodes` `(` custom<Symbols>($vodes)^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Inference and learning
//===----------------------------------------------------------------------===//

def PC_RepeatOp : PC_ProgramMemberOp<"repeat", [SingleBlock, NoTerminator]> {
  let summary = "runs a sequence of statements several times";
  let description = [{
    ```mlir
    pc.repeat 8 { ... }
    pc.repeat %T max 64 { ... }          // bound known at run time only
    pc.repeat 8 index(%t) { ... }        // %t : f64, counts from 0
    pc.repeat @steps { ... }             // a parameter of the model: -D steps=8
    ```
  }];
  let arguments = (ins I64Attr:$count, Optional<F64>:$dynamicCount,
                       OptionalAttr<FlatSymbolRefAttr>:$size);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def PC_StopOp : PC_ProgramMemberOp<"stop", [HasParent<"RepeatOp">]> {
  let summary = "ends the repetitions of the samples that have converged";
  let description = [{
    ```mlir
    pc.repeat 200 {
      %p = pc.point
      %g = pc.gradient states at %p
      %n = pc.norm %g : tensor<f32>
      pc.stop %n below(%tolerance) : tensor<f32>
      pc.update %g sgd(lr = %lr)
    }
    pc.stop %n below(%tolerance) over mean : tensor<f32>
    ```

    A sample whose value is below the bound takes no further part in the innermost
    `pc.repeat` around: from here on its states, errors and momentum stay as they
    are. With `over`, all samples stop together when the mean (or the sum) over
    the batch is below it. The bound of the repeat stays the most repetitions.
  }];
  let arguments = (ins PC_Tensor:$value, F64:$bound,
                       OptionalAttr<PC_ReduceKindAttr>:$reduce);
  let assemblyFormat = [{
    $value `below` `(` $bound `)` (`over` custom<Keyword>($reduce)^)? attr-dict
    `:` type($value)
  }];
  let hasVerifier = 1;
}

def PC_JointOp : PC_ProgramMemberOp<"joint", [SingleBlock, NoTerminator]> {
  let summary = "updates that leave from one common point";
  let description = [{
    ```mlir
    pc.joint {
      pc.infer sgd(lr = %h_lr, momentum = 0.35)
      pc.learn adamw(lr = %w_lr)
    }
    ```

    Every gradient inside is taken at the states and parameters that hold on
    entry: the joint step of incremental predictive coding.
  }];
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
}

defvar PC_OptimiserArgs = (ins PC_OptimiserKindAttr:$optimiser,
    Variadic<F64>:$numbers, DictionaryAttr:$settings);

def PC_InferOp : PC_ProgramMemberOp<"infer"> {
  let summary = "one inference step: all free states move at once";
  let description = [{
    ```mlir
    pc.infer sgd(lr = %h_lr, momentum = 0.65)
    pc.infer adam(lr = 0.1) vodes(@h1, @h3)
    pc.infer langevin(lr = %lr, momentum = 0.5, variance = 1.0)
    pc.infer heun(lr = %dt)
    pc.infer sgd(lr = %lr) errors
    ```

    Each state moves along minus the gradient of its own sample's free energy,
    all gradients taken at one point (Jacobi); a sweep over layers is a sequence
    of statements with `vodes(...)`. `pc.init` resets the optimiser. `heun` is one
    step of Heun's method on dh/dt = -dF/dh. `langevin` adds noise to the gradient
    such that the stationary variance is `variance` times that of the posterior,
    for a small rate: MCPC (Oliviers et al., 2024). With `errors` the variables
    are eps = h - u of each free vode that has a prediction: the states are derived
    from them in the order of dependence and one step reaches all layers (ePC,
    arXiv:2505.20137). Sugar for `pc.point`, `pc.gradient`, `pc.update`.
  }];
  let arguments = (ins PC_OptimiserKindAttr:$optimiser, Variadic<F64>:$numbers,
                       DictionaryAttr:$settings, UnitAttr:$errors,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$vodes);
  let assemblyFormat = [{
    custom<Keyword>($optimiser) `(` custom<Settings>($numbers, $settings) `)`
    (`errors` $errors^)? (`vodes` `(` custom<Symbols>($vodes)^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_LearnOp : PC_ProgramMemberOp<"learn", [AttrSizedOperandSegments]> {
  let summary = "one weight step";
  let description = [{
    ```mlir
    pc.learn adamw(lr = %w_lr, weight_decay = 3.55e-4)
    pc.learn sgd(lr = 0.01, momentum = 0.9, nesterov) params(@fc1) scale(%s) over sum as @slow
    ```

    Parameters move along minus the gradient of the free energy, averaged (or
    summed) over the batch and times `scale` (1/beta when nudging). Settings:
    sgd: lr, momentum, nesterov; adam: lr, b1, b2, eps; adamw: and weight_decay,
    which spares the layers and parameters that `no_decay` names. The moments belong to the named optimiser (by default one per kind), live across
    batches and are shared by all programs that name it. `params` names layers
    or parameters.
  }];
  let arguments = (ins PC_OptimiserKindAttr:$optimiser, Variadic<F64>:$numbers,
                       DictionaryAttr:$settings,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$params,
                       Optional<F64>:$scale,
                       DefaultValuedAttr<PC_ReduceKindAttr, "::pc::ReduceKind::Mean">:$reduce,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$no_decay,
                       OptionalAttr<FlatSymbolRefAttr>:$owner);
  let assemblyFormat = [{
    custom<Keyword>($optimiser) `(` custom<Settings>($numbers, $settings) `)`
    (`params` `(` custom<Symbols>($params)^ `)`)? (`scale` `(` $scale^ `)`)?
    (`over` custom<Keyword>($reduce)^)?
    (`no_decay` `(` custom<Symbols>($no_decay)^ `)`)? (`as` $owner^)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_BackpropOp : PC_ProgramMemberOp<"backprop"> {
  let summary = "one weight step of backpropagation on the same model";
  let description = [{
    ```mlir
    pc.backprop @label = %label loss(sse) adamw(lr = %w_lr) : tensor<10xf32>
    ```

    The gradient of the loss between the vode's prediction and the value when
    every free state is its prediction. se is 1/2 sum (y - u)^2, sse is
    sum (y - u)^2, ce is sum -y log_softmax(u); the gradient is the batch's
    mean. The mean loss is reported when `report("name")` stands; `params` names
    the layers and parameters that move, all by default.
  }];
  let arguments = (ins FlatSymbolRefAttr:$vode, PC_Tensor:$value,
                       PC_LossKindAttr:$loss,
                       PC_OptimiserKindAttr:$optimiser, Variadic<F64>:$numbers,
                       DictionaryAttr:$settings,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$params,
                       OptionalAttr<StrAttr>:$report,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$no_decay,
                       OptionalAttr<FlatSymbolRefAttr>:$owner);
  let assemblyFormat = [{
    $vode `=` $value `loss` `(` custom<Keyword>($loss) `)`
    custom<Keyword>($optimiser) `(` custom<Settings>($numbers, $settings) `)`
    (`params` `(` custom<Symbols>($params)^ `)`)?
    (`report` `(` $report^ `)`)?
    (`no_decay` `(` custom<Symbols>($no_decay)^ `)`)? (`as` $owner^)?
    attr-dict `:` type($value)
  }];
  let hasVerifier = 1;
}

def PC_PointOp : PC_ProgramMemberOp<"point"> {
  let summary = "the values of all states and parameters now";
  let results = (outs PC_PointType:$result);
  let assemblyFormat = "attr-dict";
}

def PC_GradientOp : PC_ProgramMemberOp<"gradient"> {
  let summary = "gradient of the free energy at a point";
  let description = [{
    ```mlir
    %p = pc.point
    %gh = pc.gradient states at %p
    %ge = pc.gradient errors at %p
    %gw = pc.gradient params at %p over sum
    %gf = pc.gradient params at %start targets(%p)
    %g4 = pc.gradient params at %p only(@fc4)
    ```

    Of states and of errors (eps = h - u, see `pc.infer`): per sample. Of
    parameters: the mean (or sum) over the batch. With `targets(%q)` a vode's own
    state in its own terms is that of the point q, while predictions are made from
    the states of p: the forward update (Qi et al., ICML 2026; Ha et al., ICLR
    2026). `only` names vodes, or layers and parameters.
  }];
  let arguments = (ins PC_GradientKindAttr:$kind, PC_PointType:$point,
                       DefaultValuedAttr<PC_ReduceKindAttr, "::pc::ReduceKind::Mean">:$reduce,
                       Optional<PC_PointType>:$targets,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$only);
  let results = (outs PC_GradientType:$result);
  let assemblyFormat = [{
    custom<Keyword>($kind) `at` $point (`targets` `(` $targets^ `)`)?
    (`only` `(` custom<Symbols>($only)^ `)`)?
    (`over` custom<Keyword>($reduce)^)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_CombineOp : PC_ProgramMemberOp<"combine", [AttrSizedOperandSegments]> {
  let summary = "weighted sum of gradients";
  let description = [{
    ```mlir
    %sum = pc.combine %g0, %g1, %g2
    %centred = pc.combine %plus, %minus scale(%half, %minus_half)
    ```

    All of one kind. What one of them does not have counts as zero there.
  }];
  let arguments = (ins Variadic<PC_GradientType>:$gradients,
                       Variadic<F64>:$scales);
  let results = (outs PC_GradientType:$result);
  let assemblyFormat = "$gradients (`scale` `(` $scales^ `)`)? attr-dict";
  let hasVerifier = 1;
}

def PC_ClipOp : PC_ProgramMemberOp<"clip"> {
  let summary = "a gradient, clipped";
  let description = [{
    ```mlir
    %a = pc.clip %gw norm(%most)
    %b = pc.clip %gw value(%most)
    ```

    `norm` scales the whole gradient by min(1, c / |g|), |g| the Euclidean norm
    over all its arrays; of states and errors for each sample by itself. `value`
    clips every element to [-c, c].
  }];
  let arguments = (ins PC_GradientType:$gradient, PC_ClipKindAttr:$kind,
                       F64:$bound);
  let results = (outs PC_GradientType:$result);
  let assemblyFormat =
      "$gradient custom<Keyword>($kind) `(` $bound `)` attr-dict";
}

def PC_CurvatureOp : PC_ProgramMemberOp<"curvature"> {
  let summary = "product of the Hessian with a direction";
  let description = [{
    ```mlir
    %g = pc.gradient states at %p
    %c = pc.curvature %g vodes(@h1, @h2) along(%d1, %d2) : tensor<64xf32>, tensor<64xf32>
    %c1 = pc.read_gradient %c @h1 : tensor<64xf32>
    ```

    The derivative of the gradient of states or errors along the direction, which
    is zero for vodes that are not named: for each sample its Hessian times it,
    for all vodes that the gradient was taken of. Exact, by reverse mode over the
    gradient.
  }];
  let arguments = (ins PC_GradientType:$gradient,
                       FlatSymbolRefArrayAttr:$vodes,
                       Variadic<PC_Tensor>:$directions);
  let results = (outs PC_GradientType:$result);
  let assemblyFormat = [{
    $gradient `vodes` `(` custom<Symbols>($vodes) `)` `along` `(` $directions `)`
    attr-dict `:` type($directions)
  }];
  let hasVerifier = 1;
}

def PC_ReadGradientOp : PC_ProgramMemberOp<"read_gradient"> {
  let summary = "the gradient of one vode's state, a value per sample";
  let description = [{
    ```mlir
    %g = pc.read_gradient %gh @h1 : tensor<128xf32>
    ```
  }];
  let arguments = (ins PC_GradientType:$gradient, FlatSymbolRefAttr:$vode);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "$gradient $vode attr-dict `:` type($result)";
}

def PC_NormOp : PC_ProgramMemberOp<"norm"> {
  let summary = "Euclidean norm of a gradient of states, a number per sample";
  let description = [{
    ```mlir
    %n = pc.norm %g : tensor<f32>
    ```
  }];
  let arguments = (ins PC_GradientType:$gradient);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "$gradient attr-dict `:` type($result)";
}

def PC_RestoreOp : PC_ProgramMemberOp<"restore"> {
  let summary = "sets the free states to those of a point";
  let description = [{
    ```mlir
    %start = pc.point
    ...
    pc.restore %start
    ```

    Clamped vodes and parameters stay as they are; the optimisers of the states
    are reset.
  }];
  let arguments = (ins PC_PointType:$point);
  let assemblyFormat = "$point attr-dict";
}

def PC_UpdateOp : PC_ProgramMemberOp<"update", [AttrSizedOperandSegments]> {
  let summary = "moves states or parameters by an optimiser";
  let description = [{
    ```mlir
    pc.update %gh sgd(lr = %h_lr)
    pc.update %gw adamw(lr = %w_lr) only(@fc1) scale(%s) as @slow
    ```

    What it moves is what the gradient was taken of, starting from the values
    that hold now. `only` names vodes, or layers and parameters.
  }];
  let arguments = (ins PC_GradientType:$gradient,
                       PC_OptimiserKindAttr:$optimiser, Variadic<F64>:$numbers,
                       DictionaryAttr:$settings,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$only,
                       Optional<F64>:$scale,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$no_decay,
                       OptionalAttr<FlatSymbolRefAttr>:$owner);
  let assemblyFormat = [{
    $gradient custom<Keyword>($optimiser)
    `(` custom<Settings>($numbers, $settings) `)`
    (`only` `(` custom<Symbols>($only)^ `)`)? (`scale` `(` $scale^ `)`)?
    (`no_decay` `(` custom<Symbols>($no_decay)^ `)`)? (`as` $owner^)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_AverageOp : PC_ProgramMemberOp<"average"> {
  let summary = "moves an exponential average of the parameters";
  let description = [{
    ```mlir
    pc.learn adam(lr = %w_lr)
    pc.average @ema decay(%decay)
    ```

    a <- d a + (1 - d) w for every parameter, or those in `params(...)`, where a
    is a buffer named `ema.<parameter>` that starts as the initial parameter.
  }];
  let arguments = (ins FlatSymbolRefAttr:$name, F64:$decay,
                       OptionalAttr<FlatSymbolRefArrayAttr>:$params);
  let assemblyFormat = [{
    $name `decay` `(` $decay `)` (`params` `(` custom<Symbols>($params)^ `)`)?
    attr-dict
  }];
}

def PC_UseOp : PC_ProgramMemberOp<"use"> {
  let summary = "takes averages for the parameters from here on";
  let description = [{
    ```mlir
    pc.program @evaluate on @mlp (%image: tensor<784xf32>) {
      pc.use @ema
      ...
    ```

    Until the end of the program, which then must not learn. Parameters without
    an average of that name stay what they are.
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let assemblyFormat = "$name attr-dict";
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

def PC_PredictOp : PC_ProgramMemberOp<"predict"> {
  let summary = "the prediction of a vode at the states that hold now";
  let arguments = (ins FlatSymbolRefAttr:$vode);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "$vode attr-dict `:` type($result)";
}

def PC_ReadOp : PC_ProgramMemberOp<"read"> {
  let summary = "the state of a vode now";
  let arguments = (ins FlatSymbolRefAttr:$vode);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "$vode attr-dict `:` type($result)";
}

def PC_EvaluateOp : PC_ProgramMemberOp<"evaluate"> {
  let summary = "the value of a pc.probe at the states that hold now";
  let arguments = (ins FlatSymbolRefAttr:$probe);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "$probe attr-dict `:` type($result)";
}

def PC_FreeEnergyOp : PC_ProgramMemberOp<"free_energy"> {
  let summary = "the free energy now, of all terms or of a vode's, per sample";
  let description = [{
    ```mlir
    %F = pc.free_energy : tensor<f32>
    %E = pc.free_energy @label : tensor<f32>
    ```
  }];
  let arguments = (ins OptionalAttr<FlatSymbolRefAttr>:$vode);
  let results = (outs PC_Tensor:$result);
  let assemblyFormat = "($vode^)? attr-dict `:` type($result)";
}

def PC_OutputOp : PC_ProgramMemberOp<"output"> {
  let summary = "an output of the program, one value per sample";
  let arguments = (ins StrAttr:$name, PC_Tensor:$value);
  let assemblyFormat = "$name `=` $value attr-dict `:` type($value)";
}

def PC_ReportOp : PC_ProgramMemberOp<"report"> {
  let summary = "a number to report: the free energy, a vode's, or a value";
  let description = [{
    ```mlir
    pc.report "energy" = energy              // mean over the batch
    pc.report "energy.h1" = energy(@h1)
    pc.report "loss" = %v : tensor<f32>
    pc.report "total" = energy over sum
    ```

    At the states that hold now. Ragged batches weigh by their samples. A total
    brings its parts, `energy.h1` and so on, as outputs that are not shown: when
    the total is no number they say which vode it was.
  }];
  let arguments = (ins StrAttr:$name, Optional<PC_Tensor>:$value,
                       OptionalAttr<FlatSymbolRefAttr>:$vode,
                       DefaultValuedAttr<PC_ReduceKindAttr, "::pc::ReduceKind::Mean">:$reduce);
  let assemblyFormat = [{
    $name `=` custom<Reported>($value, type($value), $vode)
    (`over` custom<Keyword>($reduce)^)? attr-dict
  }];
  let hasVerifier = 1;
}

def PC_WarnOp : PC_ProgramMemberOp<"warn"> {
  let summary = "a warning to whoever runs the program, where a number says so";
  let description = [{
    ```mlir
    %epoch = pc.counter epoch
    %late = arith.cmpf oge, %epoch, %most : f64
    pc.warn %late "the rate no longer falls from here on"
    ```

    The condition is computed from numbers: hyper-parameters, counters, sizes.
    `pcx-run train` prints the text once, in the first epoch in which it holds.
    In the artifact a warning is an output like a report, 1 where the condition
    holds and 0 elsewhere, under the text as its name.
  }];
  let arguments = (ins I1:$condition, StrAttr:$message);
  let assemblyFormat = "$condition $message attr-dict";
  let hasVerifier = 1;
}

#endif // PC_PROGRAM_OPS_TD
