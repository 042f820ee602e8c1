// RUN: pc-opt %s --pc-peel-last-step --canonicalize --split-input-file | FileCheck %s
// RUN: pc-opt %s --pc-peel-last-step --canonicalize --split-input-file --remark-policy=all --remarks-filter=pc-peel-last-step 2>&1 | FileCheck %s --check-prefix=REMARK

// Only the weights are read after the loop: the last step moves them, with the
// states of the step before, and leaves the states where they are.
// CHECK-LABEL: func.func @joint(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<4x4xf32>
// CHECK: %[[C7:.*]] = arith.constant 7 : index
// CHECK: %[[R:.*]]:2 = scf.for %{{.*}} to %[[C7]] step %{{.*}} iter_args(%{{.*}} = %[[X]], %{{.*}} = %[[W]])
// CHECK: pc.dense
// CHECK: pc.batch_outer
// CHECK: scf.yield
// CHECK: }
// CHECK-NOT: pc.dense
// CHECK: %[[G:.*]] = pc.batch_outer %[[R]]#0, %[[R]]#0
// CHECK: %[[LAST:.*]] = pc.sub %[[R]]#1, %[[G]]
// CHECK: return %[[LAST]]
// REMARK: 1 products of the last step are dropped
func.func @joint(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %r:2 = scf.for %t = %c0 to %c8 step %c1 iter_args(%h = %x, %v = %w) -> (tensor<?x4xf32>, tensor<4x4xf32>) {
    %n = pc.dense %h, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %g = pc.batch_outer %h, %h : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<4x4xf32>
    %p = pc.sub %v, %g : tensor<4x4xf32>
    scf.yield %n, %p : tensor<?x4xf32>, tensor<4x4xf32>
  }
  return %r#1 : tensor<4x4xf32>
}

// -----

// The states are read: nothing is dropped. The number of steps is known at run
// time only: the last one is not known.
// CHECK-LABEL: func.func @states(
// CHECK: scf.for
// CHECK: }
// CHECK-NOT: pc.dense
// CHECK: return
func.func @states(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %r = scf.for %t = %c0 to %c8 step %c1 iter_args(%h = %x) -> (tensor<?x4xf32>) {
    %n = pc.dense %h, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    scf.yield %n : tensor<?x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @open(
// CHECK: scf.for
// CHECK: }
// CHECK-NOT: pc.batch_outer
// CHECK: return
func.func @open(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %steps: index) -> tensor<4x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %t = %c0 to %steps step %c1 iter_args(%h = %x, %v = %w) -> (tensor<?x4xf32>, tensor<4x4xf32>) {
    %n = pc.dense %h, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %g = pc.batch_outer %h, %h : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<4x4xf32>
    %p = pc.sub %v, %g : tensor<4x4xf32>
    scf.yield %n, %p : tensor<?x4xf32>, tensor<4x4xf32>
  }
  return %r#1 : tensor<4x4xf32>
}
