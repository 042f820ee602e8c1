// RUN: pc-opt %s --pc-expand-layers --pc-attach-analysis | FileCheck %s
// RUN: pc-opt %s --pc-expand-layers --pc-attach-analysis --pc-lower-programs | FileCheck %s --check-prefix=LOWERED

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %u energy(se) : tensor<3xf32>
  %v = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %v energy(ce) : tensor<2xf32>
}

// The output is nudged, so what is clamped depends on the prefix; the step
// stands in a loop.
// CHECK: pc.program @train on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
pc.program @train on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  %lr = pc.hyper "h_lr" default 0.1
  %beta = arith.constant 0.5 : f64
  pc.clamp @x = %x : tensor<4xf32>
  %late = arith.constant true
  pc.warn %late "it is late"
  pc.init forward
  pc.nudge @y = %y beta(%beta) : tensor<2xf32>
  pc.repeat 3 index(%t) {
    %p = arith.addf %t, %beta : f64
    pc.precision @h = %p
    pc.report "energy" = energy
    pc.infer sgd(lr = %lr, momentum = 0.5, nesterov)
  }
  pc.learn sgd(lr = 0.1)
}

// CHECK-LABEL: pc.program @train.errors on @m
// CHECK-SAME: (%x: tensor<4xf32>, %y: tensor<2xf32>, %h.error: tensor<3xf32>, %h.along: tensor<3xf32>) role(other) attributes {trace} {
// CHECK: pc.nudge @y = %y
// CHECK: pc.precision @h
// CHECK: %[[U:.*]] = pc.predict @h
// CHECK: %[[S:.*]] = pc.add %[[U]], %h.error
// CHECK: pc.set @h = %[[S]]
// CHECK: %[[G:.*]] = pc.gradient errors at %{{.*}} only(@h)
// CHECK: pc.output "h.grad"
// CHECK: pc.curvature %[[G]] vodes(@h) along(%h.along) : tensor<3xf32>
// CHECK: pc.output "h.curvature"

// CHECK-LABEL: pc.program @train.states on @m
// CHECK-SAME: (%x: tensor<4xf32>, %y: tensor<2xf32>, %h.h: tensor<3xf32>, %h.along: tensor<3xf32>) role(other) attributes {trace} {
// CHECK: pc.clamp @x = %x
// CHECK-NOT: pc.warn
// CHECK: pc.init forward
// CHECK: pc.nudge @y = %y
// The first repetition.
// CHECK: %[[T:.*]] = arith.constant 0.0{{.*}} : f64
// CHECK: %[[P:.*]] = arith.addf %[[T]]
// CHECK: pc.precision @h = %[[P]]
// CHECK-NOT: pc.report
// CHECK-NOT: pc.infer
// CHECK: pc.set @h = %h.h
// CHECK: pc.gradient states at %{{.*}} only(@h)
// CHECK-NOT: pc.learn

// CHECK-LABEL: pc.program @train.backprop on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) role(other) attributes {trace} {
// The loss fits the target's energy; the target is what it is nudged to.
// CHECK: pc.backprop @y = %y loss(ce) sgd(lr = 0.000000e+00)

// CHECK-LABEL: pc.program @train.start on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) role(other) attributes {trace} {
// CHECK: %[[LR:.*]] = pc.hyper "h_lr"
// CHECK: pc.output "input.x" = %x
// CHECK: pc.output "input.y" = %y
// CHECK: pc.output "h.h"
// CHECK: pc.output "h.error"
// CHECK: pc.output "errors"
// CHECK: pc.output "repeated"
// CHECK: %[[R:.*]] = pc.scale %{{.*}}, %[[LR]]
// CHECK: pc.output "rate" = %[[R]]
// CHECK: pc.output "momentum"
// CHECK: pc.output "nesterov"
// CHECK: pc.output "heun"

// CHECK-LABEL: pc.program @train.trace on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) role(other) attributes {trace} {
// CHECK: pc.repeat 3
// CHECK: pc.learn

// What does not train is left alone.
// CHECK-NOT: @evaluate.
pc.program @evaluate on @m (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  %u = pc.predict @y : tensor<2xf32>
  pc.output "prediction" = %u : tensor<2xf32>
}

// Only the copy is traced.
// LOWERED-LABEL: func.func @train(
// LOWERED-NOT: trace
// LOWERED-LABEL: func.func @train.errors(
// LOWERED-SAME: #pc.port<output "h.grad" {trace}>
// LOWERED-SAME: #pc.port<output "h.curvature" {trace}>
// LOWERED-LABEL: func.func @train.backprop(
// LOWERED-SAME: #pc.port<output "fc1.weight.grad.0" {last, trace}>
// LOWERED-LABEL: func.func @train.trace(
// LOWERED-SAME: #pc.port<output "h.h.0" {trace}>
// LOWERED-SAME: #pc.port<output "h.error.0" {trace}>
// LOWERED-SAME: #pc.port<output "h.error.3" {trace}>
