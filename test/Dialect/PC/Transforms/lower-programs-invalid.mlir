// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs --split-input-file --verify-diagnostics

// expected-note @below {{the model is here}}
pc.model @m {
  %x = pc.input @image : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<2xf32>
  %h = pc.vode @label %u energy(se) : tensor<2xf32>
}

// program_c5
pc.program @unknown_vode on @m (%x: tensor<4xf32>) {
  // expected-error @below {{names the unknown vode '@imgae' of model '@m'; did you mean 'image'?}}
  pc.clamp @imgae = %x : tensor<4xf32>
}

// program_c7
pc.program @unknown_param on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{names the unknown parameter '@fcc'}}
  pc.learn sgd(lr = 0.1) params(@fcc)
}

// clamp_c1: both shapes are named.
pc.program @clamp_type on @m (%x: tensor<3xf32>) {
  // expected-error @below {{sets '@image' of type 'tensor<4xf32>' to a value of type 'tensor<3xf32>'}}
  pc.clamp @image = %x : tensor<3xf32>
}

// -----

pc.model @m {
  // expected-note @below {{declared here}}
  %x = pc.input @image : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<2xf32>
  %h = pc.vode @label %u energy(se) : tensor<2xf32>
}

// program_c8
pc.program @unclamped on @m () {
  // expected-error @below {{needs '@image', which has no value yet; clamp it first: pc.clamp @image}}
  pc.init forward
}

// -----

// program_c10
pc.model @mlp {
  %x = pc.input @image : tensor<4xf32>
}
// expected-error @below {{is on the unknown model '@mpl'; did you mean 'mlp'?}}
pc.program @unknown_model on @mpl () {
}

// -----

// program_c8, for a state.
pc.model @m {
  %x = pc.input @image : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<2xf32>
  %h = pc.vode @label %u energy(se) : tensor<2xf32>
}
pc.program @uninitialised on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{moves '@label', which has no value yet; pc.init must come before}}
  pc.infer sgd(lr = 0.1)
}

// program_c6
pc.program @clamped on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  pc.clamp @label = %y : tensor<2xf32>
  // expected-error @below {{moves '@label', which is clamped}}
  pc.infer sgd(lr = 0.1) vodes(@label)
}

// program_c6
pc.program @input on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{moves '@image', which is an input}}
  pc.infer sgd(lr = 0.1) vodes(@image)
}

// release_c1
pc.program @release on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{'@image' is an input: it has no energy to move by}}
  pc.release @image
}

// release_c1
pc.program @release_free on @m () {
  // expected-error @below {{'@label' is not clamped}}
  pc.release @label
}

// nudge_c1
pc.program @nudge on @m (%x: tensor<4xf32>) {
  %b = arith.constant 0.5 : f64
  // expected-error @below {{vode '@image' has no prediction}}
  pc.nudge @image = %x beta(%b) : tensor<4xf32>
}

// predict_c1
pc.program @predict on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{vode '@image' has no prediction}}
  %p = pc.predict @image : tensor<4xf32>
}

// predict_c2
pc.program @predict_type on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{has type 'tensor<3xf32>' but '@label' is 'tensor<2xf32>'}}
  %p = pc.predict @label : tensor<3xf32>
}

// read_c1
pc.program @read_type on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{has type 'tensor<3xf32>' but '@image' is 'tensor<4xf32>'}}
  %p = pc.read @image : tensor<3xf32>
}

// program_c9
pc.program @no_energy on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{vode '@image' has no energy}}
  pc.report "e" = energy(@image)
}

// output_c1
pc.program @output_in_loop on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  pc.init forward
  pc.repeat 2 {
    // expected-error @below {{cannot stand in a loop: it would have many values}}
    pc.output "x" = %x : tensor<4xf32>
  }
}

// output_c2
// expected-error @below {{has two outputs named 'x'}}
pc.program @two_outputs on @m (%x: tensor<4xf32>) {
  pc.output "x" = %x : tensor<4xf32>
  pc.output "x" = %x : tensor<4xf32>
}

// repeat_c4
pc.program @clamp_in_loop on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{clamps or releases a vode for the rest of the program; do so outside}}
  pc.repeat 2 {
    pc.clamp @label = %y : tensor<2xf32>
  }
}

// repeat_c5
pc.program @init_in_loop on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{gives '@label' its first value; initialise it before the loop}}
  pc.repeat 2 {
    pc.init forward
  }
}

// joint_c1
pc.program @nested_joint on @m (%x: tensor<4xf32>) {
  pc.joint {
    // expected-error @below {{cannot stand in another pc.joint}}
    pc.joint {
    }
  }
}

// backprop_c1
pc.program @backprop on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{vode '@image' has no prediction}}
  pc.backprop @image = %x loss(se) sgd(lr = 0.1) : tensor<4xf32>
}

// backprop_c2
pc.program @backprop_type on @m (%x: tensor<4xf32>) {
  pc.clamp @image = %x : tensor<4xf32>
  // expected-error @below {{compares '@label' of type 'tensor<2xf32>' with a value of type 'tensor<4xf32>'}}
  pc.backprop @label = %x loss(se) sgd(lr = 0.1) : tensor<4xf32>
}

// -----

// A cycle of predictions has no order.
pc.model @cycle {
  %a = pc.state @a : tensor<4xf32>
  %b = pc.state @b : tensor<4xf32>
  %ua = pc.tanh %b : tensor<4xf32>
  %ub = pc.tanh %a : tensor<4xf32>
  %ea = pc.se_energy %a, %ua : tensor<4xf32> -> tensor<f32>
  %eb = pc.se_energy %b, %ub : tensor<4xf32> -> tensor<f32>
  pc.term @a prediction(%ua : tensor<4xf32>) energy(%ea : tensor<f32>)
  pc.term @b prediction(%ub : tensor<4xf32>) energy(%eb : tensor<f32>)
}
// init_c3
pc.program @forward on @cycle () {
  // expected-error @below {{forward needs an order, but predictions form a cycle: @a <- @b <- @a; set one of them first (pc.init zero vodes(@a)) and name the others in pc.init forward vodes(...)}}
  pc.init forward
}
// backprop_c4
pc.program @backprop on @cycle (%y: tensor<4xf32>) {
  // expected-error @below {{needs an order, but the predictions form a cycle through '@a'}}
  pc.backprop @a = %y loss(se) sgd(lr = 0.1) : tensor<4xf32>
}

// -----

pc.model @latent {
  // expected-note @below {{declared here}}
  %z = pc.state @z : tensor<4xf32>
  %u = pc.linear @fc %z : tensor<4xf32> -> tensor<2xf32>
  %h = pc.vode @h %u energy(se) : tensor<2xf32>
}
// init_c4
pc.program @forward on @latent () {
  // expected-error @below {{forward cannot set '@z', which has no prediction; before it, say pc.init zero vodes(@z)}}
  pc.init forward
}
// infer_c2: nothing is clamped, so there is nothing to infer from.
pc.program @unreachable on @latent () {
  pc.init zero
  // expected-error @below {{moves '@z', which no energy ties to a clamped vode}}
  pc.infer sgd(lr = 0.1)
}
// backprop_c3
pc.program @backprop on @latent (%y: tensor<2xf32>) {
  // expected-error @below {{needs a prediction of '@z', which is a free latent}}
  pc.backprop @h = %y loss(se) sgd(lr = 0.1) : tensor<2xf32>
}

// -----

// Fewer steps than layers: who never learns is said.
pc.model @deep {
  %x = pc.input @x : tensor<4xf32>
  %u1 = pc.linear @fc1 %x : tensor<4xf32> -> tensor<4xf32>
  %h1 = pc.vode @h1 %u1 energy(se) : tensor<4xf32>
  %u2 = pc.linear @fc2 %h1 : tensor<4xf32> -> tensor<4xf32>
  %h2 = pc.vode @h2 %u2 energy(se) : tensor<4xf32>
  %u3 = pc.linear @fc3 %h2 : tensor<4xf32> -> tensor<4xf32>
  %h3 = pc.vode @h3 %u3 energy(se) : tensor<4xf32>
  %u4 = pc.linear @fc4 %h3 : tensor<4xf32> -> tensor<2xf32>
  %h4 = pc.vode @y %u4 energy(se) : tensor<2xf32>
}
pc.program @short on @deep (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 2 {
    // expected-remark @below {{2 inference steps are fewer than the distance to the clamped output: the predictions of @h1 never learn}}
    pc.infer sgd(lr = 0.1)
  }
  pc.learn sgd(lr = 0.1)
}
// Steps that are written out count as well.
pc.program @short_update on @deep (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-remark @below {{1 inference steps are fewer than the distance to the clamped output: the predictions of @h1, @h2 never learn}}
  pc.update %g sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}
// In error coordinates one step reaches all layers.
pc.program @errors_update on @deep (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  %p = pc.point
  %g = pc.gradient errors at %p
  pc.update %g sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}
// Enough steps: no remark.
pc.program @enough on @deep (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 3 {
    pc.infer sgd(lr = 0.1)
  }
  pc.learn sgd(lr = 0.1)
}

// -----

// dense_c4: the samples of a batch share a layer's weight.
pc.model @shared {
  %x = pc.input @x : tensor<4xf32>
  %w = pc.input @w : tensor<2x4xf32>
  // expected-error @below {{expects a weight that all samples share, but it depends on a state or an input}}
  %u = pc.dense %x, %w : tensor<4xf32>, tensor<2x4xf32> -> tensor<2xf32>
  %h = pc.vode @h %u energy(se) : tensor<2xf32>
}
pc.program @p on @shared (%x: tensor<4xf32>, %w: tensor<2x4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.clamp @w = %w : tensor<2x4xf32>
  pc.init forward
}

// -----

pc.model @hypers {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}
pc.program @first on @hypers (%x: tensor<4xf32>) {
  // expected-note @below {{first defined here}}
  %lr = pc.hyper "lr" default 0.1
  %same = pc.hyper "momentum" default 0.5 max 1.0
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
}
pc.program @second on @hypers (%x: tensor<4xf32>) {
  // hyper_c2
  // expected-error @below {{'lr' has another default or other bounds here than before}}
  %lr = pc.hyper "lr" default 0.2
  %same = pc.hyper "momentum" default 0.5 max 1.0
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
}

// -----

pc.model @masks {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}
pc.program @clamp_c2 on @masks (%x: tensor<4xf32>) {
  // expected-error @below {{'@x' is an input: nothing would move what the mask frees}}
  pc.clamp @x = %x mask(%x : tensor<4xf32>) : tensor<4xf32>
}
pc.program @clamp_c3 on @masks (%x: tensor<4xf32>, %m: tensor<3xf32>) {
  // expected-error @below {{masks '@h' of type 'tensor<4xf32>' by a value of type 'tensor<3xf32>'}}
  pc.clamp @h = %x mask(%m : tensor<3xf32>) : tensor<4xf32>
}
pc.program @set_c1 on @masks (%x: tensor<4xf32>) {
  // expected-error @below {{sets '@x', which is an input: clamp it}}
  pc.set @x = %x : tensor<4xf32>
}
pc.program @set_c1_clamped on @masks (%x: tensor<4xf32>) {
  pc.clamp @h = %x : tensor<4xf32>
  // expected-error @below {{sets '@h', which is clamped: release it first}}
  pc.set @h = %x : tensor<4xf32>
}
pc.program @set_c2 on @masks (%x: tensor<3xf32>) {
  // expected-error @below {{sets '@h' of type 'tensor<4xf32>' to a value of type 'tensor<3xf32>'}}
  pc.set @h = %x : tensor<3xf32>
}
pc.program @repeat_c4_mask on @masks (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{clamps or releases a vode for the rest of the program; do so outside}}
  pc.repeat 2 {
    pc.clamp @h = %x mask(%x : tensor<4xf32>) : tensor<4xf32>
  }
}
pc.program @read_gradient_c3 on @masks (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{has type 'tensor<3xf32>' but '@h' is 'tensor<4xf32>'}}
  %r = pc.read_gradient %g @h : tensor<3xf32>
}
pc.program @read_gradient_c1 on @masks (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient params at %p
  // expected-error @below {{reads the gradient of a state, found one of params}}
  %r = pc.read_gradient %g @h : tensor<4xf32>
}
pc.program @curvature_c4 on @masks (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{the gradient was not taken of '@x'}}
  %c = pc.curvature %g vodes(@x) along(%x) : tensor<4xf32>
}
pc.program @curvature_c5 on @masks (%x: tensor<4xf32>, %d: tensor<3xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{has a direction of type 'tensor<3xf32>' but '@h' is 'tensor<4xf32>'}}
  %c = pc.curvature %g vodes(@h) along(%d) : tensor<3xf32>
}
pc.program @read_gradient_c2 on @masks (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{the gradient was not taken of '@x'}}
  %r = pc.read_gradient %g @x : tensor<4xf32>
}

// -----

pc.model @latent {
  // expected-note @below {{declared here}}
  %z = pc.state @z : tensor<4xf32>
  %h = pc.vode @h %z energy(se) : tensor<4xf32>
}
pc.program @precision_c1 on @latent (%x: tensor<4xf32>) {
  %p = pc.hyper "p" default 2.0
  pc.clamp @h = %x : tensor<4xf32>
  // expected-error @below {{vode '@z' has no energy}}
  pc.precision @z = %p
}
pc.program @errors_without_value on @latent (%x: tensor<4xf32>) {
  pc.clamp @h = %x : tensor<4xf32>
  // expected-error @below {{moves '@z', which has no value yet; pc.init must come before}}
  pc.infer sgd(lr = 0.1) errors
}
pc.program @errors_loose on @latent () {
  // expected-error @below {{moves '@z', which no energy ties to a clamped vode}}
  pc.infer sgd(lr = 0.1) errors
}

// -----

pc.model @cycle {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.state @a : tensor<4xf32>
  %b = pc.state @b : tensor<4xf32>
  %ub = pc.add %a, %x : tensor<4xf32>
  %ua = pc.tanh %b : tensor<4xf32>
  %ea = pc.se_energy %a, %ua : tensor<4xf32> -> tensor<f32>
  %eb = pc.se_energy %b, %ub : tensor<4xf32> -> tensor<f32>
  pc.term @a prediction(%ua : tensor<4xf32>) energy(%ea : tensor<f32>)
  pc.term @b prediction(%ub : tensor<4xf32>) energy(%eb : tensor<f32>)
}
pc.program @infer_c4 on @cycle (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init zero
  // expected-error @below {{derives states from errors, which needs an order, but predictions form a cycle: @a <- @b <- @a}}
  pc.infer sgd(lr = 0.1) errors
}

// -----

pc.model @self {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.state @a : tensor<4xf32>
  %u = pc.linear @fc %a : tensor<4xf32> -> tensor<4xf32>
  %v = pc.add %u, %x : tensor<4xf32>
  %e = pc.se_energy %a, %v : tensor<4xf32> -> tensor<f32>
  pc.term @a prediction(%v : tensor<4xf32>) energy(%e : tensor<f32>)
}
pc.program @gradient_c2 on @self (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init zero
  %p = pc.point
  pc.infer sgd(lr = 0.1)
  %q = pc.point
  // expected-error @below {{takes the state of '@a' from its targets, but its prediction depends on it}}
  %g = pc.gradient params at %p targets(%q)
}

// -----

pc.model @memory {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  pc.probe @pre = %u : tensor<4xf32>
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
}
pc.program @init_c6 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  // expected-error @below {{keeps the momentum of sgd and langevin, but states of this program move by adam}}
  pc.init carried
  pc.infer adam(lr = 0.1)
}
pc.program @norm_c1 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient params at %p
  // expected-error @below {{is per sample: expected a gradient of states or errors, found one of params}}
  %n = pc.norm %g : tensor<f32>
}
pc.program @norm_c2 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.clamp @h = %x : tensor<4xf32>
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{of a gradient of nothing: no vode is free}}
  %n = pc.norm %g : tensor<f32>
}
pc.program @norm_c3 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{has type 'tensor<4xf32>', expected a tensor of rank 0 of the model's element type}}
  %n = pc.norm %g : tensor<4xf32>
}
pc.program @free_energy_c1 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{has type 'tensor<4xf32>', expected a tensor of rank 0 of the model's element type}}
  %n = pc.free_energy : tensor<4xf32>
}
pc.program @evaluate_c1 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  // expected-error @below {{names the unknown probe '@prr' of model '@memory'; did you mean 'pre'?}}
  %n = pc.evaluate @prr : tensor<4xf32>
}
pc.program @evaluate_c2 on @memory (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  // expected-error @below {{has type 'tensor<3xf32>' but '@pre' is 'tensor<4xf32>'}}
  %n = pc.evaluate @pre : tensor<3xf32>
}
pc.program @train on @memory (%x: tensor<4xf32>) {
  %d = pc.hyper "d" default 0.5
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.average @ema decay(%d)
}
pc.program @average_c1 on @memory (%x: tensor<4xf32>) {
  %d = pc.hyper "d" default 0.5
  pc.use @ema
  // expected-error @below {{averages the parameters, but pc.use has replaced them}}
  pc.average @ema decay(%d)
}
pc.program @use_c1 on @memory (%x: tensor<4xf32>) {
  pc.repeat 2 {
    // expected-error @below {{holds until the end of the program and cannot stand in a loop}}
    pc.use @ema
  }
}
pc.program @use_c2 on @memory (%x: tensor<4xf32>) {
  pc.use @ema
  // expected-error @below {{cannot follow another pc.use}}
  pc.use @ema
}
pc.program @use_c3 on @memory (%x: tensor<4xf32>) {
  pc.use @ema
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{learns, but pc.use has replaced the parameters by averages}}
  pc.learn sgd(lr = 0.1)
}
pc.program @use_c4 on @memory (%x: tensor<4xf32>) {
  // expected-error @below {{names the unknown average '@emma'; did you mean 'ema'?}}
  pc.use @emma
}

// -----

pc.model @constants {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<2xf32>
  %y = pc.vode @y %u energy(se) : tensor<2xf32>
}
pc.program @optimiser_c6_infer on @constants (%x: tensor<4xf32>) {
  %lr = arith.constant -0.1 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{'pc.infer' op setting 'lr' expects a number of at least 0, found -1.000000e-01}}
  pc.infer sgd(momentum = 0.5, lr = %lr)
}
pc.program @optimiser_c6_learn on @constants (%x: tensor<4xf32>) {
  %b1 = arith.constant 1.5 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{'pc.learn' op setting 'b1' expects a number in [0, 1), found 1.500000e+00}}
  pc.learn adamw(b1 = %b1, lr = 0.1)
}
pc.program @optimiser_c6_update on @constants (%x: tensor<4xf32>) {
  %momentum = arith.constant 1.0 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient states at %p
  // expected-error @below {{'pc.update' op setting 'momentum' expects a number in [0, 1), found 1.000000e+00}}
  pc.update %g sgd(lr = 0.1, momentum = %momentum)
}
pc.program @optimiser_c6_backprop on @constants (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %lr = arith.constant -1.0 : f64
  pc.clamp @x = %x : tensor<4xf32>
  // expected-error @below {{'pc.backprop' op setting 'lr' expects a number of at least 0, found -1.000000e+00}}
  pc.backprop @y = %y loss(se) sgd(lr = %lr) : tensor<2xf32>
}
pc.program @precision_c2 on @constants (%x: tensor<4xf32>) {
  %minus = arith.constant -1.0 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{'pc.precision' op expects a precision of at least 0, found -1.000000e+00}}
  pc.precision @y = %minus
}
pc.program @clip_c1 on @constants (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %minus = arith.constant -1.0 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  %p = pc.point
  %g = pc.gradient params at %p
  // expected-error @below {{'pc.clip' op expects a bound of at least 0, found -1.000000e+00}}
  %c = pc.clip %g norm(%minus)
  pc.update %c sgd(lr = 0.1)
}
pc.program @average_c2 on @constants (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %two = arith.constant 2.0 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.learn sgd(lr = 0.1)
  // expected-error @below {{'pc.average' op expects a decay in [0, 1], found 2.000000e+00}}
  pc.average @ema decay(%two)
}
pc.program @repeat_c7 on @constants (%x: tensor<4xf32>) attributes {trace} {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat 4096 {
    // expected-error @below {{'pc.repeat' op is unrolled, because every step is kept, and expects at most 4096 steps, those of the loops around it counted, found 2; trace fewer steps}}
    pc.repeat 2 {
      pc.infer sgd(lr = 0.1)
    }
  }
}
pc.program @repeat_c8 on @constants (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat 2147483648 {
    // expected-error @below {{'pc.repeat' op expects at most 2^53 repetitions, those of the loops around it counted, found 4294967296}}
    pc.repeat 4294967296 {
      pc.infer sgd(lr = 0.1)
    }
  }
}
pc.program @repeat_c9 on @constants (%x: tensor<4xf32>) {
  %nan = arith.constant 0x7FF8000000000000 : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-error @below {{'pc.repeat' op expects a number of repetitions, found nan}}
  pc.repeat %nan max 5 {
    pc.infer sgd(lr = 0.1)
  }
}

// -----

pc.model @entropy {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %a energy(se) : tensor<3xf32>
  %logits = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  // expected-note @below {{declared here}}
  %y = pc.vode @y %logits energy(ce) : tensor<2xf32>
}
pc.program @infer_c5 on @entropy (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat 3 {
    // expected-warning @below {{moves '@y', which nothing but its cross entropy reads: that is linear in the state and has no minimum; clamp it, or leave it out of vodes(...)}}
    pc.infer sgd(lr = 0.1)
  }
}
pc.program @infer_c5_gradient on @entropy (%x: tensor<4xf32>, %m: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  // What the mask leaves free moves.
  pc.clamp @y = %m mask(%m : tensor<2xf32>) : tensor<2xf32>
  pc.init forward
  %p = pc.point
  // expected-warning @below {{moves '@y', which nothing but its cross entropy reads}}
  %g = pc.gradient states at %p
  pc.update %g sgd(lr = 0.1)
}
pc.program @infer_c6 on @entropy (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-warning @below {{takes the prediction of '@y', which pc.init forward has made its state, for a distribution: its cross entropy expects probabilities; clamp it, or predict by pc.softmax}}
  pc.infer sgd(lr = 0.1) vodes(@h)
  // expected-warning @below {{takes the prediction of '@y'}}
  pc.learn sgd(lr = 0.1)
  %p = pc.point
  // expected-warning @below {{takes the prediction of '@y'}}
  %g = pc.gradient params at %p
}
// Nothing to say: it is clamped, or what the program has set.
pc.program @entropy_clamped on @entropy (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.set @y = %y : tensor<2xf32>
  pc.infer sgd(lr = 0.1) vodes(@h)
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.infer sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}

// -----

// The state predicts another one, and is predicted by a distribution.
pc.model @entropy_below {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %p = pc.softmax %a : tensor<3xf32>
  %h = pc.vode @h %p energy(ce) : tensor<3xf32>
  %u = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %u energy(se) : tensor<2xf32>
}
pc.program @entropy_hidden on @entropy_below (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.infer sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}

// -----

pc.model @idle {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<2xf32>
  %y = pc.vode @y %u energy(se) : tensor<2xf32>
  %v = pc.linear @head %x : tensor<4xf32> -> tensor<2xf32>
  %z = pc.vode @z %v energy(zero) : tensor<2xf32>
  %f = pc.linear @frozen %x no_bias : tensor<4xf32> -> tensor<2xf32>
  %d = pc.detach %f : tensor<2xf32>
  %w = pc.vode @w %d energy(se) : tensor<2xf32>
}
pc.program @learn_c3 on @idle (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // expected-warning @below {{moves @head.weight, @head.bias, @frozen.weight by a gradient that is zero: no energy depends on them}}
  pc.learn adamw(lr = 0.1)
  pc.learn adamw(lr = 0.1) params(@fc)
}
pc.program @learn_c3_update on @idle (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %p = pc.point
  %g = pc.gradient params at %p
  %both = pc.combine %g, %g
  // expected-warning @below {{moves @frozen.weight by a gradient that is zero: no energy depends on it}}
  pc.update %both sgd(lr = 0.1) only(@fc, @frozen)
}
pc.program @learn_c3_backprop on @idle (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.backprop @y = %y loss(se) sgd(lr = 0.1) : tensor<2xf32>
  // expected-warning @below {{moves @head.weight, @head.bias by a gradient that is zero: no energy depends on them}}
  pc.backprop @y = %y loss(se) sgd(lr = 0.1) params(@fc, @head) : tensor<2xf32>
}
