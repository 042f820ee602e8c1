// RUN: pc-opt %s --pc-convert-float=type=f64 | FileCheck %s
// RUN: pc-opt %s --pc-convert-float=type=f64 --pc-convert-float=type=f32 | FileCheck %s --check-prefix=BACK
// RUN: not pc-opt %s --pc-convert-float=type=f16 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown element type 'f16', expected f32 or f64

// CHECK-LABEL: pc.model @m
// BACK-LABEL: pc.model @m
pc.model @m {
  // CHECK: pc.input @x : tensor<4xf64>
  // BACK: pc.input @x : tensor<4xf32>
  %x = pc.input @x : tensor<4xf32>
  // CHECK: pc.elementwise %{{.*}} : (tensor<4xf64>) -> tensor<4xf64>
  // CHECK-NEXT: ^bb0(%{{.*}}: f64):
  // CHECK: arith.constant 2.500000e-01 : f64
  // CHECK: arith.mulf %{{.*}}, %{{.*}} : f64
  // BACK: arith.mulf %{{.*}}, %{{.*}} : f32
  %u = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    %q = arith.constant 0.25 : f32
    %m = arith.mulf %a, %q : f32
    pc.yield %m : f32
  }
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
}

// The numbers of a program are f64 in any case.
// CHECK-LABEL: pc.program @train on @m (%x: tensor<4xf64>)
pc.program @train on @m (%x: tensor<4xf32>) {
  // CHECK: pc.hyper "lr" default
  %lr = pc.hyper "lr" default 0.1
  // BACK: arith.constant 2.000000e+00 : f64
  %two = arith.constant 2.0 : f64
  %rate = arith.mulf %lr, %two : f64
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.infer sgd(lr = %rate)
}
