// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs --canonicalize --cse --split-input-file | FileCheck %s
// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs=trace --canonicalize --cse --split-input-file | FileCheck %s --check-prefix=TRACE

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %u = pc.tanh %a : tensor<3xf32>
  %h = pc.vode @h %u energy(se) : tensor<3xf32>
  %v = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %v energy(se) : tensor<2xf32>
}

// CHECK-LABEL: func.func @pc(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32> {pc.port = #pc.port<input "x"{{ ?}}>}
// CHECK-SAME: %[[Y:[^:]*]]: tensor<?x2xf32> {pc.port = #pc.port<input "y" {target}>}
// CHECK-SAME: %[[W1:[^:]*]]: tensor<3x4xf32> {pc.port = #pc.port<parameter "fc1.weight" {init = #pc.init<fan_in(4.000000e+00)>, stream = 0 : i64}>}
// CHECK-SAME: tensor<i64> {pc.port = #pc.port<optimiser "weight_step"
// CHECK-SAME: tensor<3x4xf32> {pc.port = #pc.port<optimiser "adamw.m.fc1.weight"
// CHECK-SAME: f64 {pc.port = #pc.port<hyper "lr" {value = 1.000000e-01 : f64}>}
// CHECK-SAME: -> (tensor<f32> {pc.port = #pc.port<output "energy" {reduce = #pc.reduce<mean>, report}>}
// CHECK-SAME: tensor<f32> {pc.port = #pc.port<output "energy.h" {reduce = #pc.reduce<mean>}>}
// CHECK-SAME: tensor<f32> {pc.port = #pc.port<output "energy.y" {reduce = #pc.reduce<mean>}>}
// CHECK-SAME: tensor<3x4xf32> {pc.port = #pc.port<parameter "fc1.weight"
// CHECK-SAME: pc.program = #pc.program_info<"m", train, 1>
pc.program @pc on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %lr = pc.hyper "lr" default 0.1
  pc.clamp @x = %x : tensor<4xf32>
  // CHECK: %[[A:.*]] = pc.dense %[[X]], %[[W1]]
  // CHECK: %[[U:.*]] = pc.tanh
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  // The states and their momentum go around the loop; the target does not.
  // CHECK: %[[LOOP:.*]]:2 = scf.for {{.*}} iter_args(%[[H:.*]] = %{{.*}}, %[[M:.*]] = %{{.*}}) -> (tensor<?x3xf32>, tensor<?x3xf32>)
  pc.repeat 4 {
    // dE/dh = (h - u) - W2^T (y - v): reverse mode asks for no other gradient.
    // CHECK-COUNT-1: pc.dense {{.*}} transposed
    // CHECK-NOT: pc.batch_outer
    // CHECK: scf.yield
    pc.infer sgd(lr = %lr, momentum = 0.5)
  }
  // CHECK: pc.batch_sum
  // CHECK: pc.batch_size
  pc.report "energy" = energy
  // Weight gradients only: no product back to the input.
  // CHECK-NOT: transposed
  // CHECK-COUNT-2: pc.batch_outer
  // CHECK-COUNT-4: pc.adam_update
  pc.learn adamw(lr = 0.01)
}

// TRACE-LABEL: func.func @pc(
// TRACE-SAME: #pc.port<output "h.h.0" {trace}>
// TRACE-SAME: #pc.port<output "h.energy.0" {trace}>
// TRACE-SAME: #pc.port<output "h.grad.0" {trace}>
// TRACE-SAME: #pc.port<output "y.h.4" {trace}>
// TRACE-SAME: #pc.port<output "fc1.weight.grad.0" {last, trace}>
// TRACE-NOT: scf.for
// TRACE-LABEL: func.func

// -----

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %a energy(se) : tensor<3xf32>
  %v = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %v energy(se) : tensor<2xf32>
}

// The joint step: both gradients at the states and weights on entry, so the
// weight gradient reads the state that the loop carries, not the moved one.
// CHECK-LABEL: func.func @ipc(
// CHECK-SAME: pc.program = #pc.program_info<"m", train, 4>
// CHECK: scf.for {{.*}} iter_args(%[[H:[^ ]*]] =
// CHECK: pc.batch_outer %{{.*}}, %[[H]] :
pc.program @ipc on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.repeat 4 {
    pc.joint {
      pc.infer sgd(lr = 0.1)
      pc.learn sgd(lr = 0.1)
    }
  }
}

// The same with explicit points; a schedule counts the weight steps.
// CHECK-LABEL: func.func @points(
// CHECK-SAME: f64 {pc.port = #pc.port<counter "total_steps"{{ ?}}>}
// CHECK: scf.for {{.*}} iter_args(%[[H:[^ ]*]] =
// CHECK: pc.batch_outer %{{.*}}, %[[H]] :
// CHECK: math.cos
// TRACE-LABEL: func.func @points(
pc.program @points on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  %base = pc.hyper "w_lr" default 0.1
  pc.repeat 4 {
    %p = pc.point
    %gh = pc.gradient states at %p
    %gw = pc.gradient params at %p
    pc.update %gh sgd(lr = 0.1)
    %lr = pc.schedule warmup_cosine(%base) peak(1.1) warmup(0.1) end(0.1)
    pc.update %gw sgd(lr = %lr)
  }
}

// Backpropagation: one pass back, through the predictions.
// CHECK-LABEL: func.func @bp(
// CHECK-NOT: scf.for
// CHECK-COUNT-1: pc.dense {{.*}} transposed
// CHECK-COUNT-2: pc.batch_outer
pc.program @bp on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.backprop @y = %y loss(sse) adamw(lr = 0.1) report("loss") : tensor<2xf32>
}

// Nudging holds u + beta (y - u), and 1/beta scales the weights' gradient.
// CHECK-LABEL: func.func @nudged(
// CHECK: %[[D:.*]] = pc.sub %{{.*}}, %[[V:.*]] : tensor<?x2xf32>
// CHECK: %[[S:.*]] = pc.scale %[[D]], %{{.*}} : tensor<?x2xf32>
// CHECK: pc.add %[[V]], %[[S]] : tensor<?x2xf32>
pc.program @nudged on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %beta = pc.hyper "beta" default 0.5
  %one = arith.constant 1.0 : f64
  %scale = arith.divf %one, %beta : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.nudge @y = %y beta(%beta) : tensor<2xf32>
  pc.repeat 4 {
    pc.infer sgd(lr = 0.1)
  }
  pc.learn sgd(lr = 0.1) scale(%scale)
}

// Random initialisation draws from the counter-based generator.
// CHECK-LABEL: func.func @normal(
// CHECK: pc.random_normal seed(%{{.*}}) call(%{{.*}}) stream(0) : tensor<?x3xf32>
pc.program @normal on @m (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init normal(0.05)
  pc.repeat 4 {
    pc.infer sgd(lr = 0.1)
  }
  %h = pc.read @h : tensor<3xf32>
  pc.output "h" = %h : tensor<3xf32>
}

// infer_c2: a memory that falls from a noisy image; nothing is clamped any more.
// CHECK-LABEL: func.func @recall(
pc.model @memory {
  %z = pc.state @z : tensor<4xf32>
  %u = pc.linear @fc %z : tensor<4xf32> -> tensor<2xf32>
  %h = pc.vode @h %u energy(se) : tensor<2xf32>
}
pc.program @recall on @memory (%x: tensor<2xf32>) {
  pc.clamp @h = %x : tensor<2xf32>
  pc.init zero
  pc.release @h
  // CHECK: pc.sub
  pc.infer sgd(lr = 0.1)
  %y = pc.read @h : tensor<2xf32>
  pc.output "recalled" = %y : tensor<2xf32>
}

// -----

pc.model @warned {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}

// A warning is a number that all samples share, under its text.
// CHECK-LABEL: func.func @warn(
// CHECK-SAME: %[[EPOCH:[^:]*]]: f64 {pc.port = #pc.port<counter "epoch"
// CHECK-SAME: -> (tensor<f32> {pc.port = #pc.port<output "it is late" {reduce = #pc.reduce<sum>, warning}>})
pc.program @warn on @warned (%x: tensor<4xf32>) {
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.0
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1.0
  // CHECK-DAG: %[[MOST:.*]] = arith.constant 3.0
  // CHECK-DAG: %[[T:.*]] = pc.splat 1.000000e+00 : tensor<f32>
  %epoch = pc.counter epoch
  %most = arith.constant 3.0 : f64
  // CHECK: %[[C:.*]] = arith.cmpf oge, %[[EPOCH]], %[[MOST]]
  // CHECK: %[[N:.*]] = arith.select %[[C]], %[[ONE]], %[[ZERO]] : f64
  // CHECK: %[[W:.*]] = pc.scale %[[T]], %[[N]] : tensor<f32>
  // CHECK: return %[[W]]
  %late = arith.cmpf oge, %epoch, %most : f64
  pc.warn %late "it is late"
}
