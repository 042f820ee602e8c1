// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs --canonicalize --cse | FileCheck %s
// RUN: not pc-opt %s --pc-expand-layers --pc-lower-programs=unroll 2>&1 | FileCheck %s --check-prefix=UNROLL

// repeat_c3
// UNROLL: has a bound that is known at run time only, so its steps cannot be unrolled

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %a energy(se) : tensor<3xf32>
}

// A run-time bound, and the loop's index.
// CHECK-LABEL: func.func @dynamic(
// CHECK: arith.minimumf
// CHECK: arith.fptosi
// CHECK: scf.for %[[T:[^ ]*]] =
// CHECK: arith.index_cast %[[T]]
pc.program @dynamic on @m (%x: tensor<4xf32>) {
  %T = pc.hyper "T" default 8.0
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat %T max 64 index(%t) {
    pc.infer sgd(lr = %t)
  }
  %h = pc.read @h : tensor<3xf32>
  pc.output "h" = %h : tensor<3xf32>
}
