// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs | FileCheck %s
// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs=unroll | FileCheck %s --check-prefix=UNROLL

// Every statement has its streams, every repetition its numbers; a loop draws the same whether
// it is unrolled or not.

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %h1 = pc.vode @h1 %x energy(se) : tensor<4xf32>
  %h2 = pc.vode @h2 %h1 energy(se) : tensor<4xf32>
}

// CHECK: scf.for %[[T:[^ ]*]] = %
// CHECK: %[[I:.*]] = arith.index_cast %[[T]] : index to i64
// CHECK: %[[BASE:.*]] = arith.muli %[[CALL:.*]], %c2_i64{{.*}} : i64
// CHECK: %[[DRAW:.*]] = arith.addi %[[BASE]], %[[I]] : i64
// CHECK: pc.random_normal seed(%[[SEED:.*]]) call(%[[DRAW]]) stream(0)
// CHECK: pc.random_normal {{.*}} stream(1)
// CHECK: }
// CHECK: pc.random_normal seed(%[[SEED]]) call(%[[CALL]]) stream(3)
// CHECK-NOT: random_normal

// UNROLL: pc.random_normal {{.*}} stream(0)
// UNROLL: pc.random_normal {{.*}} stream(1)
// UNROLL: pc.random_normal {{.*}} stream(0)
// UNROLL: pc.random_normal {{.*}} stream(1)
// UNROLL: pc.random_normal {{.*}} stream(3)
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
