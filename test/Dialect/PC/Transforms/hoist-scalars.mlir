// RUN: pc-opt %s --pc-hoist-scalars | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// The reciprocal and the rounded rate are made once; the rate itself is not read
// in the stage any more, the count is.
// CHECK-LABEL: func.func @update(
// CHECK-SAME: %[[W:.*]]: tensor<4xf32>, %[[RATE:.*]]: f64, %[[BIAS:.*]]: f64, %[[COUNT:.*]]: f64
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.0
// CHECK-DAG: %[[NARROW:.*]] = arith.truncf %[[RATE]]
// CHECK-DAG: %[[INVERSE:.*]] = arith.divf %[[ONE]], %[[BIAS]]
// CHECK: pc.stage params ins(%[[W]], %[[COUNT]], %[[NARROW]], %[[INVERSE]] : tensor<4xf32>, f64, f32, f64)
// CHECK-NEXT: ^bb0(%[[W0:.*]]: tensor<4xf32>, %[[C0:.*]]: f64, %[[N0:.*]]: f32, %[[I0:.*]]: f64):
// CHECK-NOT: arith.divf
// What is made of constants is no number to hand over.
// CHECK: %[[FEW:.*]] = arith.truncf %{{.*}} : f64 to f32
// CHECK: pc.group ins(%[[W0]], %[[N0]], %[[I0]], %[[C0]], %[[FEW]] :
func.func @update(%w: tensor<4xf32>, %rate: f64, %bias: f64, %count: f64) -> tensor<4xf32> {
  %r = pc.stage params ins(%w, %rate, %bias, %count : tensor<4xf32>, f64, f64, f64) -> tensor<4xf32> {
  ^bb0(%w0: tensor<4xf32>, %rate0: f64, %bias0: f64, %count0: f64):
    %one = arith.constant 1.0 : f64
    %tenth = arith.constant 0.1 : f64
    %narrow = arith.truncf %rate0 : f64 to f32
    %inverse = arith.divf %one, %bias0 : f64
    %few = arith.truncf %tenth : f64 to f32
    %g = pc.group ins(%w0, %narrow, %inverse, %count0, %few : tensor<4xf32>, f32, f64, f64, f32) -> tensor<4xf32> {
    ^bb0(%w1: tensor<4xf32>, %n1: f32, %i1: f64, %c1: f64, %f1: f32):
      %e = tensor.empty() : tensor<4xf32>
      %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
          ins(%w1 : tensor<4xf32>) outs(%e : tensor<4xf32>) {
      ^bb0(%in: f32, %out: f32):
        %s = arith.mulf %in, %n1 : f32
        linalg.yield %s : f32
      } -> tensor<4xf32>
      pc.yield %v : tensor<4xf32>
    }
    pc.yield %g : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// What a loop in the stage changes, and integers, stay.
// CHECK-LABEL: func.func @inside(
// CHECK: pc.stage params ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4xf32>, f32, i64)
// CHECK: arith.addi
// CHECK: scf.for
// CHECK: arith.mulf
func.func @inside(%w: tensor<4xf32>, %a: f32, %key: i64) -> tensor<4xf32> {
  %r = pc.stage params ins(%w, %a, %key : tensor<4xf32>, f32, i64) -> tensor<4xf32> {
  ^bb0(%w0: tensor<4xf32>, %a0: f32, %key0: i64):
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %k = arith.addi %key0, %key0 : i64
    %l:2 = scf.for %i = %c0 to %c3 step %c1 iter_args(%h = %w0, %x = %a0) -> (tensor<4xf32>, f32) {
      %y = arith.mulf %x, %a0 : f32
      %g = pc.group ins(%h, %y, %k : tensor<4xf32>, f32, i64) -> tensor<4xf32> {
      ^bb0(%w1: tensor<4xf32>, %y1: f32, %k1: i64):
        %e = tensor.empty() : tensor<4xf32>
        %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
            ins(%w1 : tensor<4xf32>) outs(%e : tensor<4xf32>) {
        ^bb0(%in: f32, %out: f32):
          %s = arith.mulf %in, %y1 : f32
          linalg.yield %s : f32
        } -> tensor<4xf32>
        pc.yield %v : tensor<4xf32>
      }
      scf.yield %g, %y : tensor<4xf32>, f32
    }
    pc.yield %l#0 : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
