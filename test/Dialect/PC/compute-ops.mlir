// RUN: pc-opt %s --verify-roundtrip | FileCheck %s

// Every compute operation, per sample, batched and with named dimensions.

// CHECK-LABEL: func.func @constants
func.func @constants() -> (tensor<?x4xf32>, tensor<f64>, f64) {
  // CHECK: pc.splat 0.000000e+00 : tensor<?x4xf32>
  %0 = pc.splat 0.0 : tensor<?x4xf32>
  // CHECK: pc.splat 1.000000e-01 : tensor<f64>
  %1 = pc.splat 0.1 : tensor<f64>
  // CHECK: pc.batch_size
  %2 = pc.batch_size
  return %0, %1, %2 : tensor<?x4xf32>, tensor<f64>, f64
}

// CHECK-LABEL: func.func @activations
func.func @activations(%x: tensor<?x4xf32>) {
  // CHECK: pc.identity %{{.*}} : tensor<?x4xf32>
  %0 = pc.identity %x : tensor<?x4xf32>
  // CHECK: pc.relu %{{.*}} : tensor<?x4xf32>
  %1 = pc.relu %x : tensor<?x4xf32>
  // CHECK: pc.leaky_relu %arg0 : tensor<?x4xf32>
  %2 = pc.leaky_relu %x : tensor<?x4xf32>
  // CHECK: pc.leaky_relu %{{.*}} slope(2.000000e-01) : tensor<?x4xf32>
  %3 = pc.leaky_relu %x slope(0.2) : tensor<?x4xf32>
  // CHECK: pc.gelu %arg0 : tensor<?x4xf32>
  %4 = pc.gelu %x : tensor<?x4xf32>
  // CHECK: pc.gelu %{{.*}} exact : tensor<?x4xf32>
  %5 = pc.gelu %x exact : tensor<?x4xf32>
  // CHECK: pc.silu %{{.*}} : tensor<?x4xf32>
  %6 = pc.silu %x : tensor<?x4xf32>
  // CHECK: pc.tanh %{{.*}} : tensor<?x4xf32>
  %7 = pc.tanh %x : tensor<?x4xf32>
  // CHECK: pc.hard_tanh %{{.*}} : tensor<?x4xf32>
  %8 = pc.hard_tanh %x : tensor<?x4xf32>
  // CHECK: pc.sigmoid %{{.*}} : tensor<?x4xf32>
  %9 = pc.sigmoid %x : tensor<?x4xf32>
  // CHECK: pc.softplus %{{.*}} : tensor<?x4xf32>
  %10 = pc.softplus %x : tensor<?x4xf32>
  // CHECK: pc.act_grad gelu_exact %{{.*}} : tensor<?x4xf32>
  %11 = pc.act_grad gelu_exact %x : tensor<?x4xf32>
  // CHECK: pc.act_grad leaky_relu %{{.*}} slope(2.000000e-01) : tensor<?x4xf32>
  %12 = pc.act_grad leaky_relu %x slope(0.2) : tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @elements
func.func @elements(%x: tensor<?x4xf64>, %y: tensor<?x4xf64>, %s: f64) {
  // CHECK: pc.add %{{.*}}, %{{.*}} : tensor<?x4xf64>
  %0 = pc.add %x, %y : tensor<?x4xf64>
  // CHECK: pc.sub %{{.*}}, %{{.*}} : tensor<?x4xf64>
  %1 = pc.sub %x, %y : tensor<?x4xf64>
  // CHECK: pc.mul %{{.*}}, %{{.*}} : tensor<?x4xf64>
  %2 = pc.mul %x, %y : tensor<?x4xf64>
  // CHECK: pc.neg %{{.*}} : tensor<?x4xf64>
  %3 = pc.neg %x : tensor<?x4xf64>
  // CHECK: pc.scale %{{.*}}, %{{.*}} : tensor<?x4xf64>
  %4 = pc.scale %x, %s : tensor<?x4xf64>
  // CHECK: pc.detach %{{.*}} : tensor<?x4xf64>
  %5 = pc.detach %x : tensor<?x4xf64>
  // CHECK: pc.elementwise %{{.*}}, %{{.*}} : (tensor<?x4xf64>, tensor<?x4xf64>) -> tensor<?x4xf64> {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: f64, %[[B:.*]]: f64):
  // CHECK: math.sin %[[A]] : f64
  // CHECK: pc.yield %{{.*}} : f64
  %6 = pc.elementwise %x, %y : (tensor<?x4xf64>, tensor<?x4xf64>) -> tensor<?x4xf64> {
  ^bb0(%a: f64, %b: f64):
    %two = arith.constant 2.0 : f64
    %sin = math.sin %a : f64
    %p = arith.mulf %sin, %two : f64
    %q = arith.cmpf ogt, %p, %b : f64
    %r = arith.select %q, %p, %b : f64
    pc.yield %r : f64
  }
  return
}

// CHECK-LABEL: func.func @adam
func.func @adam(%p: tensor<8x4xf32>, %g: tensor<8x4xf32>, %m: tensor<8x4xf32>, %v: tensor<8x4xf32>, %s: f64) {
  // CHECK: pc.adam_update %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} lr(%[[S:.*]]) b1(%[[S]]) b2(%[[S]]) eps(%[[S]]) weight_decay(%[[S]]) corrections(%[[S]], %[[S]]) : tensor<8x4xf32>
  %0:3 = pc.adam_update %p, %g, %m, %v lr(%s) b1(%s) b2(%s) eps(%s) weight_decay(%s) corrections(%s, %s) : tensor<8x4xf32>
  return
}

// CHECK-LABEL: func.func @per_sample
func.func @per_sample(%x: tensor<4xf32>, %w: tensor<3x4xf32>, %d: tensor<3xf32>) {
  // CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<3x4xf32> -> tensor<3xf32>
  %0 = pc.dense %x, %w : tensor<4xf32>, tensor<3x4xf32> -> tensor<3xf32>
  // CHECK: pc.dense %{{.*}}, %{{.*}} transposed : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
  %1 = pc.dense %d, %w transposed : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
  // CHECK: pc.dense %{{.*}}, %{{.*}} transposed difference bf16(2) : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
  %n = pc.dense %d, %w transposed difference bf16(2) : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
  // CHECK: pc.sum %{{.*}} : tensor<4xf32> -> tensor<f32>
  %2 = pc.sum %x : tensor<4xf32> -> tensor<f32>
  // CHECK: pc.broadcast %{{.*}} : tensor<f32> -> tensor<4xf32>
  %3 = pc.broadcast %2 : tensor<f32> -> tensor<4xf32>
  // CHECK: pc.reshape %{{.*}} : tensor<4xf32> -> tensor<2x2xf32>
  %4 = pc.reshape %x : tensor<4xf32> -> tensor<2x2xf32>
  // CHECK: pc.concat %{{.*}}, %{{.*}} axis(-1) : tensor<4xf32>, tensor<3xf32> -> tensor<7xf32>
  %5 = pc.concat %x, %d axis(-1) : tensor<4xf32>, tensor<3xf32> -> tensor<7xf32>
  // CHECK: pc.slice %{{.*}} axis(-1) offset(2) : tensor<7xf32> -> tensor<4xf32>
  %6 = pc.slice %5 axis(-1) offset(2) : tensor<7xf32> -> tensor<4xf32>
  // CHECK: pc.pad %{{.*}} axis(-1) offset(3) : tensor<4xf32> -> tensor<7xf32>
  %7 = pc.pad %6 axis(-1) offset(3) : tensor<4xf32> -> tensor<7xf32>
  // CHECK: pc.transpose %{{.*}} : tensor<3x4xf32> -> tensor<4x3xf32>
  %8 = pc.transpose %w : tensor<3x4xf32> -> tensor<4x3xf32>
  // CHECK: pc.softmax %{{.*}} : tensor<4xf32>
  %9 = pc.softmax %x : tensor<4xf32>
  // CHECK: pc.log_softmax %{{.*}} : tensor<4xf32>
  %10 = pc.log_softmax %x : tensor<4xf32>
  // CHECK: pc.se_energy %{{.*}}, %{{.*}} : tensor<4xf32> -> tensor<f32>
  %11 = pc.se_energy %x, %9 : tensor<4xf32> -> tensor<f32>
  // CHECK: pc.ce_energy %{{.*}}, %{{.*}} : tensor<4xf32> -> tensor<f32>
  %12 = pc.ce_energy %x, %9 : tensor<4xf32> -> tensor<f32>
  // CHECK: pc.se_energy %{{.*}}, %{{.*}} : tensor<f32> -> tensor<f32>
  %13 = pc.se_energy %11, %12 : tensor<f32> -> tensor<f32>
  return
}

// CHECK-LABEL: func.func @batched
func.func @batched(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>, %d: tensor<?x3xf32>, %b: tensor<3xf32>, %n: i64) {
  // CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  %0 = pc.dense %x, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  // CHECK: pc.dense %{{.*}}, %{{.*}} transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
  %1 = pc.dense %d, %w transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
  // CHECK: pc.batch_outer %{{.*}}, %{{.*}} : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
  %2 = pc.batch_outer %d, %x : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
  // CHECK: pc.batch_sum %{{.*}} : tensor<?x3xf32> -> tensor<3xf32>
  %3 = pc.batch_sum %d : tensor<?x3xf32> -> tensor<3xf32>
  // CHECK: pc.batch_broadcast %{{.*}} : tensor<3xf32> -> tensor<?x3xf32>
  %4 = pc.batch_broadcast %b : tensor<3xf32> -> tensor<?x3xf32>
  // CHECK: pc.sum %{{.*}} : tensor<?x4xf32> -> tensor<?xf32>
  %5 = pc.sum %x : tensor<?x4xf32> -> tensor<?xf32>
  // CHECK: pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x4xf32>
  %6 = pc.broadcast %5 : tensor<?xf32> -> tensor<?x4xf32>
  // CHECK: pc.reshape %{{.*}} : tensor<?x4xf32> -> tensor<?x2x2xf32>
  %7 = pc.reshape %x : tensor<?x4xf32> -> tensor<?x2x2xf32>
  // CHECK: pc.concat %{{.*}}, %{{.*}} axis(-2) : tensor<?x2x2xf32>, tensor<?x2x2xf32> -> tensor<?x4x2xf32>
  %8 = pc.concat %7, %7 axis(-2) : tensor<?x2x2xf32>, tensor<?x2x2xf32> -> tensor<?x4x2xf32>
  // CHECK: pc.slice %{{.*}} axis(-2) offset(1) : tensor<?x4x2xf32> -> tensor<?x3x2xf32>
  %9 = pc.slice %8 axis(-2) offset(1) : tensor<?x4x2xf32> -> tensor<?x3x2xf32>
  // CHECK: pc.pad %{{.*}} axis(-2) offset(0) : tensor<?x3x2xf32> -> tensor<?x4x2xf32>
  %10 = pc.pad %9 axis(-2) offset(0) : tensor<?x3x2xf32> -> tensor<?x4x2xf32>
  // CHECK: pc.softmax %{{.*}} : tensor<?x2x2xf32>
  %11 = pc.softmax %7 : tensor<?x2x2xf32>
  // CHECK: pc.se_energy %{{.*}}, %{{.*}} : tensor<?x2x2xf32> -> tensor<?xf32>
  %12 = pc.se_energy %7, %11 : tensor<?x2x2xf32> -> tensor<?xf32>
  // CHECK: pc.ce_energy %{{.*}}, %{{.*}} : tensor<?x4xf32> -> tensor<?xf32>
  %13 = pc.ce_energy %x, %1 : tensor<?x4xf32> -> tensor<?xf32>
  // CHECK: pc.random_normal seed(%{{.*}}) call(%{{.*}}) stream(7) : tensor<?x4xf32>
  %14 = pc.random_normal seed(%n) call(%n) stream(7) : tensor<?x4xf32>
  return
}

// A sample block has a static leading dimension.
// CHECK-LABEL: func.func @block
func.func @block(%x: tensor<32x4xf32>, %w: tensor<3x4xf32>) -> tensor<32xf32> {
  // CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<32x4xf32>, tensor<3x4xf32> -> tensor<32x3xf32>
  %0 = pc.dense %x, %w : tensor<32x4xf32>, tensor<3x4xf32> -> tensor<32x3xf32>
  %1 = pc.se_energy %0, %0 : tensor<32x3xf32> -> tensor<32xf32>
  return %1 : tensor<32xf32>
}

// Named dimensions agree with every size.
// CHECK-LABEL: func.func @named
func.func @named(%x: tensor<?xf32, #pc.dims<width>>, %w: tensor<10x?xf32, #pc.dims<width>>) {
  // CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<?xf32, #pc.dims<width>>, tensor<10x?xf32, #pc.dims<width>> -> tensor<10xf32>
  %0 = pc.dense %x, %w : tensor<?xf32, #pc.dims<width>>, tensor<10x?xf32, #pc.dims<width>> -> tensor<10xf32>
  // CHECK: pc.sum %{{.*}} : tensor<?xf32, #pc.dims<width>> -> tensor<f32>
  %1 = pc.sum %x : tensor<?xf32, #pc.dims<width>> -> tensor<f32>
  // CHECK: pc.reshape %{{.*}} : tensor<?xf32, #pc.dims<width>> -> tensor<2x?xf32, #pc.dims<half>>
  %2 = pc.reshape %x : tensor<?xf32, #pc.dims<width>> -> tensor<2x?xf32, #pc.dims<half>>
  // CHECK: pc.concat %{{.*}}, %{{.*}} axis(-1) : tensor<?xf32, #pc.dims<width>>, tensor<10xf32> -> tensor<?xf32, #pc.dims<both>>
  %3 = pc.concat %x, %0 axis(-1) : tensor<?xf32, #pc.dims<width>>, tensor<10xf32> -> tensor<?xf32, #pc.dims<both>>
  // CHECK: pc.slice %{{.*}} axis(-1) offset(2) : tensor<?xf32, #pc.dims<width>> -> tensor<4xf32>
  %4 = pc.slice %x axis(-1) offset(2) : tensor<?xf32, #pc.dims<width>> -> tensor<4xf32>
  return
}
