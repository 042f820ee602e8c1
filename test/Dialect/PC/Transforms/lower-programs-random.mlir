// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs | FileCheck %s
// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs=unroll | FileCheck %s --check-prefix=UNROLL

// Every draw of a program has its stream; a loop draws the same numbers whether
// it is unrolled or not.

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %h1 = pc.vode @h1 %x energy(se) : tensor<4xf32>
  %h2 = pc.vode @h2 %h1 energy(se) : tensor<4xf32>
}

// CHECK: scf.for
// CHECK: pc.random_normal {{.*}} stream(0)
// CHECK: pc.random_normal {{.*}} stream(1)
// CHECK: }
// CHECK: pc.random_normal {{.*}} stream(2)
// CHECK-NOT: random_normal

// UNROLL: pc.random_normal {{.*}} stream(0)
// UNROLL: pc.random_normal {{.*}} stream(1)
// UNROLL: pc.random_normal {{.*}} stream(0)
// UNROLL: pc.random_normal {{.*}} stream(1)
// UNROLL: pc.random_normal {{.*}} stream(2)
// UNROLL-NOT: random_normal
pc.program @p on @m (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat 2 {
    pc.init normal(0.05)
    pc.infer sgd(lr = 0.1)
  }
  pc.init normal(0.1) vodes(@h2)
  pc.infer sgd(lr = 0.1)
  %h = pc.read @h2 : tensor<4xf32>
  pc.output "h" = %h : tensor<4xf32>
}
