// RUN: pc-opt %s --split-input-file --verify-diagnostics

// One test or more per constraint of docs/spec.md, "Programs", that the
// verifiers check. The name of the symbol is the constraint's label. What needs
// the model is in Transforms/lower-programs-invalid.mlir.

// expected-error @below {{'pc.program' op expects one name for each of its 1 inputs}}
"pc.program"() <{input_names = [], model = @m, sym_name = "program_c1"}> ({
^bb0(%x: tensor<4xf32>):
}) : () -> ()

// -----

// expected-error @below {{'pc.program' op has two inputs named 'x'}}
pc.program @program_c2 on @m (%x: tensor<4xf32>, %y as "x": tensor<4xf32>) {
}

// -----

pc.program @tensor_c4 on @m (
    %x: tensor<4xf32>,
    // expected-error @below {{expected sizes from 1 to 2147483647, found 'tensor<0xf32>'}}
    %y: tensor<0xf32>) {
}

// -----

// expected-error @below {{'pc.program' op input 'x' has type 'tensor<4xi32>', expected a tensor of f32 or f64, per sample}}
pc.program @program_c3 on @m (%x: tensor<4xi32>) {
}

// -----

// expected-error @below {{'pc.program' op input 'x' has type 'f32', expected a tensor of f32 or f64, per sample}}
pc.program @program_c3_scalar on @m (%x: f32) {
}

// -----

pc.program @program_c4 on @m (%x: tensor<4xf32>) {
  // expected-error @below {{'tensor.empty' op cannot stand in a program}}
  %e = tensor.empty() : tensor<4xf32>
}

// -----

pc.program @program_c4_layer on @m (%x: tensor<4xf32>) {
  // expected-error @below {{'pc.linear' op expects parent op to be one of 'pc.model, pc.block'}}
  %e = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
}

// -----

pc.program @program_c4_tensors on @m (%x: tensor<4xf32>) {
  // expected-error @below {{'arith.addf' op computes with numbers in a program, found 'tensor<4xf32>'}}
  %e = arith.addf %x, %x : tensor<4xf32>
}

// -----

pc.program @program_c4_nested on @m (%x: tensor<4xf32>) {
  pc.repeat 2 {
    // expected-error @below {{'math.exp' op computes with numbers in a program, found 'tensor<4xf32>'}}
    %e = math.exp %x : tensor<4xf32>
  }
}

// -----

// expected-error @below {{unknown role 'training', expected train, evaluate, sample or other}}
pc.program @role_keyword on @m () role(training) {
}

// -----

pc.program @hyper_c1 on @m () {
  // expected-error @below {{'pc.hyper' op default 2.000000e+00 is outside of its bounds [0.000000e+00, 1.000000e+00]}}
  %lr = pc.hyper "lr" default 2.0 min 0.0 max 1.0
}

// -----

pc.program @hyper_c3 on @m () {
  // expected-error @below {{'pc.hyper' op expects a finite default, found INF}}
  %lr = pc.hyper "lr" default 0x7FF0000000000000
}

// -----

pc.program @hyper_c1_min on @m () {
  // expected-error @below {{'pc.hyper' op default -1.000000e+00 is outside of its bounds [0.000000e+00, }}
  %lr = pc.hyper "lr" default -1.0 min 0.0
}

// -----

pc.program @counter_keyword on @m () {
  // expected-error @below {{unknown 'epochs', expected weight_step, total_steps, epoch; did you mean 'epoch'?}}
  %e = pc.counter epochs
}

// -----

pc.program @schedule_c1 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a warm-up fraction in [0, 1), found 1.000000e+00}}
  %s = pc.schedule warmup_cosine(%lr) warmup(1.0)
}

// -----

pc.program @schedule_c1_negative on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a warm-up fraction in [0, 1), found -1.000000e-01}}
  %s = pc.schedule warmup_cosine(%lr) warmup(-0.1)
}

// -----

pc.program @schedule_c2 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a positive peak factor, found 0.000000e+00}}
  %s = pc.schedule warmup_cosine(%lr) peak(0.0)
}

// -----

pc.program @init_c1 on @m () {
  // expected-error @below {{'pc.init' op normal needs a standard deviation: normal(0.05)}}
  pc.init normal
}

// -----

pc.program @init_c1_forward on @m () {
  // expected-error @below {{'pc.init' op takes a standard deviation only with normal}}
  pc.init forward(0.1)
}

// -----

pc.program @init_c2 on @m () {
  // expected-error @below {{'pc.init' op expects a finite standard deviation of at least 0, found -1.000000e-01}}
  pc.init normal(-0.1)
}

// -----

pc.program @init_c2_nan on @m () {
  // expected-error @below {{'pc.init' op expects a finite standard deviation of at least 0, found nan}}
  pc.init normal(0x7FF8000000000000)
}

// -----

pc.program @init_keyword on @m () {
  // expected-error @below {{unknown 'foward', expected forward, zero, normal, carried; did you mean 'forward'?}}
  pc.init foward
}

// -----

pc.program @repeat_c1 on @m () {
  // expected-error @below {{'pc.repeat' op expects a count of at least 0, found -1}}
  pc.repeat -1 {
  }
}

// -----

pc.program @repeat_c2 on @m () {
  // expected-error @below {{'pc.repeat' op takes at most one index, an f64}}
  "pc.repeat"() <{count = 2 : i64}> ({
  ^bb0(%t: i32):
  }) : () -> ()
}

// -----

pc.program @optimiser_c1 on @m () {
  // expected-error @below {{'pc.infer' op optimiser sgd has no setting 'moment', expected one of lr, momentum, nesterov; did you mean 'momentum'?}}
  pc.infer sgd(lr = 0.1, moment = 0.9)
}

// -----

pc.program @optimiser_c1_adam on @m () {
  // expected-error @below {{'pc.learn' op optimiser adam has no setting 'weight_decay', expected one of lr, b1, b2, eps}}
  pc.learn adam(lr = 0.1, weight_decay = 0.9)
}

// -----

pc.program @optimiser_c2 on @m () {
  // expected-error @below {{'pc.learn' op setting 'lr' expects a finite number, found "fast"}}
  "pc.learn"() <{operandSegmentSizes = array<i32: 0, 0>, optimiser = #pc.optimiser_kind<sgd>, settings = {lr = "fast"}}> : () -> ()
}

// -----

pc.program @optimiser_c2_finite on @m () {
  // expected-error @below {{'pc.learn' op setting 'lr' expects a finite number, found 0x7FF0000000000000 : f64}}
  "pc.learn"() <{operandSegmentSizes = array<i32: 0, 0>, optimiser = #pc.optimiser_kind<sgd>, settings = {lr = 0x7FF0000000000000 : f64}}> : () -> ()
}

// -----

pc.program @optimiser_c6_rate on @m () {
  // expected-error @below {{'pc.infer' op setting 'lr' expects a number of at least 0, found -1.000000e-01}}
  pc.infer sgd(lr = -0.1)
}

// -----

pc.program @optimiser_c6_momentum on @m () {
  // expected-error @below {{'pc.infer' op setting 'momentum' expects a number in [0, 1), found 1.000000e+00}}
  pc.infer sgd(lr = 0.1, momentum = 1.0)
}

// -----

pc.program @optimiser_c6_moments on @m () {
  // expected-error @below {{'pc.learn' op setting 'b2' expects a number in [0, 1), found -5.000000e-01}}
  pc.learn adam(lr = 0.1, b2 = -0.5)
}

// -----

pc.program @optimiser_c6_decay on @m () {
  // expected-error @below {{'pc.learn' op setting 'weight_decay' expects a number of at least 0, found -1.000000e+00}}
  pc.learn adamw(lr = 0.0, weight_decay = -1.0)
}

// -----

// It divides by the rate.
pc.program @optimiser_c6_langevin on @m () {
  // expected-error @below {{'pc.infer' op setting 'lr' expects a number above 0, found 0.000000e+00}}
  pc.infer langevin(lr = 0.0)
}

// -----

pc.program @optimiser_c3 on @m () {
  // expected-error @below {{'pc.learn' op optimiser adamw needs a rate: lr = ...}}
  pc.learn adamw(weight_decay = 0.1)
}

// -----

pc.program @optimiser_c3_empty on @m () {
  // expected-error @below {{expected the optimiser's settings, e.g. lr = 0.01}}
  pc.learn adamw()
}

// -----

pc.program @optimiser_c4 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.infer' op has 1 operands for 0 settings that take one}}
  "pc.infer"(%lr) <{optimiser = #pc.optimiser_kind<sgd>, settings = {lr = 0.1 : f64}}> : (f64) -> ()
}

// -----

pc.program @setting_twice on @m () {
  // expected-error @below {{setting 'lr' is given twice}}
  pc.infer sgd(lr = 0.1, lr = 0.2)
}

// -----

pc.program @optimiser_keyword on @m () {
  // expected-error @below {{unknown 'adamv', expected sgd, adam, adamw, langevin, heun; did you mean 'adam'?}}
  pc.learn adamv(lr = 0.1)
}

// -----

pc.program @infer_c1 on @m () {
  // expected-error @below {{'pc.infer' op moves states by sgd, adam, langevin or heun, found adamw}}
  pc.infer adamw(lr = 0.1)
}

// -----

pc.program @infer_c3 on @m () {
  // expected-error @below {{'pc.infer' op moves errors by sgd or adam, found heun}}
  pc.infer heun(lr = 0.1) errors
}

// -----

pc.program @learn_c1 on @m () {
  // expected-error @below {{'pc.learn' op moves parameters by sgd, adam or adamw, found langevin}}
  pc.learn langevin(lr = 0.1)
}

// -----

pc.program @learn_c1_backprop on @m (%y: tensor<4xf32>) {
  // expected-error @below {{'pc.backprop' op moves parameters by sgd, adam or adamw, found heun}}
  pc.backprop @y = %y loss(se) heun(lr = 0.1) : tensor<4xf32>
}

// -----

pc.program @learn_c2 on @m () {
  // expected-error @below {{'pc.learn' op takes no_decay only with adamw, found sgd}}
  pc.learn sgd(lr = 0.1) no_decay(@fc1)
}

// -----

pc.program @optimiser_c5 on @m () {
  // expected-error @below {{'pc.learn' op setting 'nesterov' is a flag and takes no number}}
  pc.learn sgd(lr = 0.1, nesterov = 1.0)
}

// -----

pc.program @optimiser_c5_number on @m () {
  // expected-error @below {{'pc.learn' op setting 'momentum' expects a number: momentum = ...}}
  pc.learn sgd(lr = 0.1, momentum)
}

// -----

pc.program @update_c1 on @m () {
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{'pc.update' op moves states by sgd, adam, langevin or heun, found adamw}}
  pc.update %g adamw(lr = 0.1)
}

// -----

pc.program @update_c1_params on @m () {
  %p = pc.point
  %g = pc.gradient params at %p
  %c = pc.combine %g, %g
  // expected-error @below {{'pc.update' op moves parameters by sgd, adam or adamw, found langevin}}
  pc.update %c langevin(lr = 0.1)
}

// -----

pc.program @update_c3 on @m () {
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{'pc.update' op has one gradient, heun takes two: use pc.infer heun}}
  pc.update %g heun(lr = 0.1)
}

// -----

pc.program @gradient_c1 on @m () {
  %p = pc.point
  // expected-error @below {{'pc.gradient' op takes targets only of parameters, found states}}
  %g = pc.gradient states at %p targets(%p)
}

// -----

pc.program @combine_c2 on @m () {
  %lr = pc.hyper "lr" default 0.1
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{'pc.combine' op has 1 scales for 2 gradients}}
  %c = pc.combine %g, %g scale(%lr)
}

// -----

pc.program @combine_c3 on @m () {
  %p = pc.point
  %g = pc.gradient states at %p
  %w = pc.gradient params at %p
  // expected-error @below {{'pc.combine' op adds a gradient of params to one of states}}
  %c = pc.combine %g, %w
}

// -----

// combine_c1
"pc.program"() <{sym_name = "combine_c1", model = @m, input_names = []}> ({
^bb0:
  // expected-error @below {{'pc.combine' op expects at least one gradient}}
  %c = "pc.combine"() <{operandSegmentSizes = array<i32: 0, 0>}> : () -> !pc.gradient
}) : () -> ()

// -----

pc.program @schedule_c3 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op step needs every(...) and by(...)}}
  %s = pc.schedule step(%lr) every(0.5)
}

// -----

pc.program @schedule_c3_cosine on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op takes every and by only with step, found cosine}}
  %s = pc.schedule cosine(%lr) every(0.5)
}

// -----

pc.program @schedule_c4 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a positive fraction of the run in every, found 0}}
  %s = pc.schedule step(%lr) every(0.0) by(0.1)
}

// -----

pc.program @schedule_c5 on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a finite factor of at least 0 in end, found nan}}
  %s = pc.schedule cosine(%lr) end(0x7FF8000000000000)
}

// -----

pc.program @schedule_c5_by on @m () {
  %lr = pc.hyper "lr" default 0.1
  // expected-error @below {{'pc.schedule' op expects a finite factor of at least 0 in by, found -1.000000e+00}}
  %s = pc.schedule step(%lr) every(0.1) by(-1.0)
}

// -----

pc.program @update_c2 on @m () {
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{'pc.update' op names an owner, but the optimiser of states belongs to the program}}
  pc.update %g sgd(lr = 0.1) as @slow
}

// -----

pc.program @optimiser_c3_backprop on @m (%y: tensor<4xf32>) {
  // expected-error @below {{'pc.backprop' op optimiser sgd needs a rate: lr = ...}}
  pc.backprop @y = %y loss(se) sgd(momentum = 0.5) : tensor<4xf32>
}

// -----

pc.program @loss_keyword on @m (%y: tensor<4xf32>) {
  // expected-error @below {{unknown 'mse', expected se, sse, ce; did you mean 'se'?}}
  pc.backprop @y = %y loss(mse) sgd(lr = 0.5) : tensor<4xf32>
}

// -----

pc.program @report_c1 on @m (%y: tensor<4xf32>) {
  // expected-error @below {{'pc.report' op reports one number per sample (a tensor of rank 0), found 'tensor<4xf32>'}}
  pc.report "y" = %y : tensor<4xf32>
}

// -----

pc.program @warn_c1 on @m () {
  %true = arith.constant true
  pc.repeat 2 {
    // expected-error @below {{'pc.warn' op cannot stand in a loop or in pc.joint: it warns of the whole call}}
    pc.warn %true "again and again"
  }
}

// -----

pc.program @warn_c1_joint on @m () {
  %true = arith.constant true
  pc.joint {
    // expected-error @below {{'pc.warn' op cannot stand in a loop or in pc.joint: it warns of the whole call}}
    pc.warn %true "joint"
  }
}

// -----

pc.program @warn_c2 on @m () {
  %true = arith.constant true
  // expected-error @below {{'pc.warn' op has no text}}
  pc.warn %true " "
}

// -----

pc.program @warn_c2_lines on @m () {
  %true = arith.constant true
  // expected-error @below {{'pc.warn' op expects one line of text, without control characters}}
  pc.warn %true "two\0Alines"
}

// -----

func.func @parents() {
  // expected-error @below {{'pc.init' op expects parent op to be one of 'pc.program, pc.repeat, pc.joint'}}
  pc.init forward
  return
}

// -----

pc.program @stop_c1 on @m (%x: tensor<4xf32>) {
  %t = pc.hyper "t" default 0.1
  pc.repeat 2 {
    // expected-error @below {{'pc.stop' op compares one number per sample (a tensor of rank 0), found 'tensor<4xf32>'}}
    pc.stop %x below(%t) : tensor<4xf32>
  }
}

// -----

pc.program @init_c5 on @m () {
  // expected-error @below {{'pc.init' op carried keeps the momentum as it is: keep_momentum says nothing more}}
  pc.init carried keep_momentum
}

// -----

pc.program @stop_parent on @m (%x: tensor<f32>) {
  %t = pc.hyper "t" default 0.1
  // expected-error @below {{'pc.stop' op expects parent op 'pc.repeat'}}
  pc.stop %x below(%t) : tensor<f32>
}

// -----

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
}
// expected-error @below {{'pc.program' op is on '@m' twice}}
pc.program @program_c11 on @m, @m () {
}

// -----

pc.program @curvature_c1 on @m (%x: tensor<4xf32>) {
  %p = pc.point
  %g = pc.gradient params at %p
  // expected-error @below {{expects what a pc.gradient of states or errors made}}
  %c = pc.curvature %g vodes(@h) along(%x) : tensor<4xf32>
}

// -----

pc.program @curvature_c2 on @m (%x: tensor<4xf32>) {
  %p = pc.point
  %g = pc.gradient states at %p
  pc.repeat 2 {
    // expected-error @below {{does not stand beside its gradient, but in another region}}
    %c = pc.curvature %g vodes(@h) along(%x) : tensor<4xf32>
  }
}

// -----

pc.program @curvature_c3 on @m (%x: tensor<4xf32>) {
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{names 2 vodes for 1 directions}}
  %c = pc.curvature %g vodes(@h, @k) along(%x) : tensor<4xf32>
}
