// RUN: pc-opt %s --convert-pc-to-linalg --canonicalize --cse --pc-form-groups | FileCheck %s
// RUN: pc-opt %s --convert-pc-to-linalg --canonicalize --cse --pc-form-groups=fuse=false | FileCheck %s --check-prefix=APART

// A product takes what reads its result at the same element: bias, activation,
// error. What feeds only its epilogue comes along.

// CHECK-LABEL: func.func @epilogue(
// CHECK: %[[RATE:.*]] = arith.truncf
// CHECK: %[[R:.*]]:2 = pc.group ins({{.*}}%[[RATE]] : {{.*}}) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
// CHECK: arith.negf
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: math.tanh
// CHECK: arith.subf
// CHECK: arith.mulf
// CHECK-NOT: pc.group
// CHECK: pc.yield %[[R]]#0, %[[R]]#1
// APART-LABEL: func.func @epilogue(
// APART: iterator_types = ["parallel", "parallel", "reduction"]
// APART: pc.group
// APART: math.tanh
// APART: pc.group
// APART: arith.subf
func.func @epilogue(%x: tensor<?x6xf32>, %h: tensor<?x4xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>, %lr: f64) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %r:2 = pc.stage samples ins(%x, %h, %w, %b, %lr : tensor<?x6xf32>, tensor<?x4xf32>, tensor<6x4xf32>, tensor<4xf32>, f64) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  ^bb0(%xb: tensor<8x6xf32>, %hb: tensor<8x4xf32>, %w0: tensor<6x4xf32>, %b0: tensor<4xf32>, %l: f64):
    %n = pc.neg %hb : tensor<8x4xf32>
    %a = pc.dense %xb, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    %bb = pc.batch_broadcast %b0 : tensor<4xf32> -> tensor<8x4xf32>
    %u = pc.add %a, %bb : tensor<8x4xf32>
    %t = pc.tanh %u : tensor<8x4xf32>
    %e = pc.sub %n, %t : tensor<8x4xf32>
    %s = pc.scale %e, %l : tensor<8x4xf32>
    pc.yield %t, %s : tensor<8x4xf32>, tensor<8x4xf32>
  }
  return %r#0, %r#1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// Two products are two kernels; the first takes the element-wise work between
// them, because it is there at that time.
// CHECK-LABEL: func.func @chain(
// CHECK: %[[T:.*]] = pc.group ins(%{{.*}}, %{{.*}} : tensor<8x6xf32>, tensor<6x4xf32>) -> tensor<8x4xf32> {
// CHECK: "reduction"
// CHECK: arith.cmpf
// CHECK: pc.yield
// CHECK: pc.group ins(%[[T]], %{{.*}}, %{{.*}} : tensor<8x4xf32>, tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<8x6xf32> {
// CHECK: "reduction"
// CHECK: arith.subf
// CHECK-NOT: pc.group
// CHECK: return
func.func @chain(%x: tensor<?x6xf32>, %w: tensor<6x4xf32>, %v: tensor<4x6xf32>) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%x, %w, %v : tensor<?x6xf32>, tensor<6x4xf32>, tensor<4x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%xb: tensor<8x6xf32>, %w0: tensor<6x4xf32>, %v0: tensor<4x6xf32>):
    %a = pc.dense %xb, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    %t = pc.relu %a : tensor<8x4xf32>
    %c = pc.dense %t, %v0 transposed : tensor<8x4xf32>, tensor<4x6xf32> -> tensor<8x6xf32>
    %e = pc.sub %c, %xb : tensor<8x6xf32>
    pc.yield %e : tensor<8x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// Sums of rows go with the elements that they add up, but not with a product,
// whose tiles see a part of the row; softmax reads its sums, so it is cut.
// CHECK-LABEL: func.func @rows(
// CHECK: pc.group {{.*}} -> (tensor<8x6xf32>, tensor<8xf32>) {
// CHECK: arith.mulf %in, %in
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: %[[A:.*]] = pc.group {{.*}} -> tensor<8x4xf32> {
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-NOT: linalg.generic
// CHECK: %[[MAX:.*]] = pc.group ins(%[[A]] : tensor<8x4xf32>) -> tensor<8xf32> {
// CHECK: arith.maximumf
// CHECK: %[[E:.*]]:2 = pc.group ins(%[[A]], %[[MAX]] : {{.*}}) -> (tensor<8x4xf32>, tensor<8xf32>) {
// CHECK: math.exp
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: pc.group ins(%[[E]]#0, %[[E]]#1 :
// CHECK: arith.divf
// CHECK-NOT: pc.group
// CHECK: return
func.func @rows(%x: tensor<?x6xf32>, %w: tensor<6x4xf32>) -> (tensor<?x6xf32>, tensor<?xf32>, tensor<?x4xf32>) {
  %r:3 = pc.stage samples ins(%x, %w : tensor<?x6xf32>, tensor<6x4xf32>) -> (tensor<?x6xf32>, tensor<?xf32>, tensor<?x4xf32>) {
  ^bb0(%xb: tensor<8x6xf32>, %w0: tensor<6x4xf32>):
    %q = pc.mul %xb, %xb : tensor<8x6xf32>
    %s = pc.sum %q : tensor<8x6xf32> -> tensor<8xf32>
    %a = pc.dense %xb, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    %m = pc.softmax %a : tensor<8x4xf32>
    pc.yield %q, %s, %m : tensor<8x6xf32>, tensor<8xf32>, tensor<8x4xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<?x6xf32>, tensor<?xf32>, tensor<?x4xf32>
}

// What the product is added to is computed after it, from what was there before:
// the trace of a state's momentum. It comes into the epilogue, too.
// CHECK-LABEL: func.func @momentum(
// CHECK: pc.group {{.*}} -> (tensor<8x4xf32>, tensor<8x4xf32>) {
// CHECK: "reduction"
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: arith.subf
// CHECK-NOT: pc.group
// CHECK: return
func.func @momentum(%e: tensor<?x6xf32>, %h: tensor<?x4xf32>, %v: tensor<?x4xf32>, %w: tensor<6x4xf32>, %m: f64) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %r:2 = pc.stage samples ins(%e, %h, %v, %w, %m : tensor<?x6xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<6x4xf32>, f64) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  ^bb0(%eb: tensor<8x6xf32>, %hb: tensor<8x4xf32>, %vb: tensor<8x4xf32>, %w0: tensor<6x4xf32>, %m0: f64):
    %g = pc.dense %eb, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    %k = pc.scale %vb, %m0 : tensor<8x4xf32>
    %n = pc.add %g, %k : tensor<8x4xf32>
    %s = pc.sub %hb, %n : tensor<8x4xf32>
    pc.yield %n, %s : tensor<8x4xf32>, tensor<8x4xf32>
  }
  return %r#0, %r#1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// Parts of one array are written by one kernel.
// CHECK-LABEL: func.func @parts(
// CHECK: %[[C:.*]] = pc.group ins(%{{.*}}, %{{.*}} : tensor<8x6xf32>, tensor<8x3xf32>) -> tensor<8x9xf32> {
// CHECK: %[[HALF:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<8x6xf32>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<8x3xf32>) outs(%[[HALF]] : tensor<8x9xf32>)
// CHECK-NOT: math.tanh
// CHECK: pc.group ins(%[[C]] : tensor<8x9xf32>)
// CHECK: math.tanh
func.func @parts(%x: tensor<?x6xf32>, %y: tensor<?x3xf32>) -> tensor<?x9xf32> {
  %r = pc.stage samples ins(%x, %y : tensor<?x6xf32>, tensor<?x3xf32>) -> tensor<?x9xf32> {
  ^bb0(%xb: tensor<8x6xf32>, %yb: tensor<8x3xf32>):
    %c = pc.concat %xb, %yb axis(-1) : tensor<8x6xf32>, tensor<8x3xf32> -> tensor<8x9xf32>
    %t = pc.tanh %c : tensor<8x9xf32>
    pc.yield %t : tensor<8x9xf32>
  }
  return %r : tensor<?x9xf32>
}

// Arrays that begin with the same part, which CSE leaves once, are written by
// two kernels: the second needs what is computed from the first.
// CHECK-LABEL: func.func @shared_part(
// CHECK: %[[C:.*]] = pc.group ins(%{{.*}}, %{{.*}} : tensor<8x6xf32>, tensor<8x3xf32>) -> tensor<8x9xf32> {
// CHECK: %[[A:.*]] = pc.group ins(%[[C]], %{{.*}} : tensor<8x9xf32>, tensor<9x3xf32>) -> tensor<8x3xf32> {
// CHECK: pc.group ins(%{{.*}}, %[[A]] : tensor<8x6xf32>, tensor<8x3xf32>) -> tensor<8x9xf32> {
// CHECK: %[[HALF:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<8x6xf32>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<8x3xf32>) outs(%[[HALF]] : tensor<8x9xf32>)
// CHECK-NOT: pc.group
// CHECK: return
func.func @shared_part(%x: tensor<?x6xf32>, %y: tensor<?x3xf32>, %w: tensor<9x3xf32>) -> tensor<?x9xf32> {
  %r = pc.stage samples ins(%x, %y, %w : tensor<?x6xf32>, tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<?x9xf32> {
  ^bb0(%xb: tensor<8x6xf32>, %yb: tensor<8x3xf32>, %w0: tensor<9x3xf32>):
    %c = pc.concat %xb, %yb axis(-1) : tensor<8x6xf32>, tensor<8x3xf32> -> tensor<8x9xf32>
    %a = pc.dense %c, %w0 transposed : tensor<8x9xf32>, tensor<9x3xf32> -> tensor<8x3xf32>
    %d = pc.concat %xb, %a axis(-1) : tensor<8x6xf32>, tensor<8x3xf32> -> tensor<8x9xf32>
    pc.yield %d : tensor<8x9xf32>
  }
  return %r : tensor<?x9xf32>
}

// So are they where one of them is in a loop.
// CHECK-LABEL: func.func @shared_part_in_loop(
// CHECK: scf.for
// CHECK: %[[HALF:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<8x6xf32>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<8x3xf32>) outs(%[[HALF]] : tensor<8x9xf32>)
// CHECK: scf.yield
func.func @shared_part_in_loop(%x: tensor<?x6xf32>, %y: tensor<?x3xf32>, %w: tensor<9x3xf32>) -> (tensor<?x9xf32>, tensor<?x3xf32>) {
  %r:2 = pc.stage samples ins(%x, %y, %w : tensor<?x6xf32>, tensor<?x3xf32>, tensor<9x3xf32>) -> (tensor<?x9xf32>, tensor<?x3xf32>) {
  ^bb0(%xb: tensor<8x6xf32>, %yb: tensor<8x3xf32>, %w0: tensor<9x3xf32>):
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %c = pc.concat %xb, %yb axis(-1) : tensor<8x6xf32>, tensor<8x3xf32> -> tensor<8x9xf32>
    %h = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %yb) -> tensor<8x3xf32> {
      %d = pc.concat %xb, %s axis(-1) : tensor<8x6xf32>, tensor<8x3xf32> -> tensor<8x9xf32>
      %a = pc.dense %d, %w0 transposed : tensor<8x9xf32>, tensor<9x3xf32> -> tensor<8x3xf32>
      scf.yield %a : tensor<8x3xf32>
    }
    pc.yield %c, %h : tensor<8x9xf32>, tensor<8x3xf32>
  }
  return %r#0, %r#1 : tensor<?x9xf32>, tensor<?x3xf32>
}

// The sum over the batch and the update that reads it are one kernel; updates of
// other arrays are their own. Numbers come first.
// CHECK-LABEL: func.func @update(
// CHECK: pc.stage params
// CHECK: %[[RATE:.*]] = arith.truncf
// CHECK: pc.group ins({{.*}}, %[[RATE]], {{.*}}) -> tensor<4x6xf32> {
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.subf
// CHECK: pc.yield
// CHECK: pc.group ins({{.*}}, %[[RATE]], {{.*}}) -> tensor<4xf32> {
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.subf
// CHECK-NOT: pc.group
// CHECK: return
func.func @update(%x: tensor<?x6xf32>, %d: tensor<?x4xf32>, %p: tensor<4x6xf32>, %q: tensor<4xf32>, %lr: f64) -> (tensor<4x6xf32>, tensor<4xf32>) {
  %r:2 = pc.stage params ins(%x, %d, %p, %q, %lr : tensor<?x6xf32>, tensor<?x4xf32>, tensor<4x6xf32>, tensor<4xf32>, f64) -> (tensor<4x6xf32>, tensor<4xf32>) {
  ^bb0(%xs: tensor<?x6xf32>, %ds: tensor<?x4xf32>, %p0: tensor<4x6xf32>, %q0: tensor<4xf32>, %l: f64):
    %g = pc.batch_outer %ds, %xs : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<4x6xf32>
    %gl = pc.scale %g, %l : tensor<4x6xf32>
    %np = pc.sub %p0, %gl : tensor<4x6xf32>
    %s = pc.batch_sum %ds : tensor<?x4xf32> -> tensor<4xf32>
    %sl = pc.scale %s, %l : tensor<4xf32>
    %nq = pc.sub %q0, %sl : tensor<4xf32>
    pc.yield %np, %nq : tensor<4x6xf32>, tensor<4xf32>
  }
  return %r#0, %r#1 : tensor<4x6xf32>, tensor<4xf32>
}

// Loops keep their own groups; what two groups read is computed once.
// CHECK-LABEL: func.func @loop(
// CHECK: %[[T:.*]] = pc.group
// CHECK: math.tanh
// CHECK: %[[H:.*]] = scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<8x6xf32>) {
// CHECK-NEXT: %[[U:.*]] = pc.group ins(%[[S]], %{{.*}}, %[[T]] :
// CHECK-NOT: math.tanh
// CHECK: scf.yield %[[U]]
// CHECK: pc.yield %[[H]], %[[T]]
func.func @loop(%x: tensor<?x6xf32>, %w: tensor<6x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %r:2 = pc.stage samples ins(%x, %w : tensor<?x6xf32>, tensor<6x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  ^bb0(%xb: tensor<8x6xf32>, %w0: tensor<6x6xf32>):
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %t = pc.tanh %xb : tensor<8x6xf32>
    %h = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %xb) -> (tensor<8x6xf32>) {
      %a = pc.dense %s, %w0 transposed : tensor<8x6xf32>, tensor<6x6xf32> -> tensor<8x6xf32>
      %u = pc.add %a, %t : tensor<8x6xf32>
      scf.yield %u : tensor<8x6xf32>
    }
    pc.yield %h, %t : tensor<8x6xf32>, tensor<8x6xf32>
  }
  return %r#0, %r#1 : tensor<?x6xf32>, tensor<?x6xf32>
}
