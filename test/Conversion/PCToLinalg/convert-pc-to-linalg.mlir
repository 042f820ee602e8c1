// RUN: pc-opt %s --convert-pc-to-linalg | FileCheck %s

// Inside of stages every operation becomes a structured one.

// CHECK-DAG: #[[$MK:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$KN:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[$NK:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[$KM:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-DAG: #[[$MN:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$COLUMN:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-DAG: #[[$TURNED:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-DAG: #[[$FROM2:.*]] = affine_map<(d0, d1) -> (d0, d1 + 2)>
// CHECK-DAG: #[[$FIRST6:.*]] = affine_map<(d0, d1) -> (d0, d1 mod 6)>
// CHECK-DAG: #[[$FROM6:.*]] = affine_map<(d0, d1) -> (d0, d1 + 6)>
// CHECK-DAG: #[[$FROM1:.*]] = affine_map<(d0, d1) -> (d0, d1 + 1)>

// Products: `transposed` or not is a map. A bias that all samples share is a map
// too, a number of the program is rounded once, outside of the loops.
// CHECK-LABEL: func.func @products(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>, %[[W:.*]]: tensor<6x4xf32>, %[[V:.*]]: tensor<4x6xf32>, %[[B:.*]]: tensor<4xf32>, %[[L:.*]]: f64):
// CHECK: %[[ZERO:.*]] = linalg.fill ins(%{{.*}} : f32)
// CHECK: %[[A:.*]] = linalg.generic {indexing_maps = [#[[$MK]], #[[$KN]], #[[$MN]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[W]] : {{.*}}) outs(%[[ZERO]] :
// CHECK: arith.mulf %in, %{{.*}} : f32
// CHECK-NEXT: arith.addf %out, %{{.*}} : f32
// CHECK: %[[C:.*]] = linalg.generic {indexing_maps = [#[[$MK]], #[[$NK]], #[[$MN]]], {{.*}}} ins(%[[X]], %[[V]] :
// CHECK-NOT: linalg.broadcast
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$COLUMN]], #[[$ALL]]], iterator_types = ["parallel", "parallel"]} ins(%[[A]], %[[B]] :
// CHECK: arith.addf %in, %{{.*}} : f32
// CHECK: arith.subf
// CHECK: %[[RATE:.*]] = arith.truncf %[[L]] : f64 to f32
// CHECK: linalg.generic
// CHECK: arith.mulf %in, %[[RATE]] : f32
func.func @products(%x: tensor<?x6xf32>, %w: tensor<6x4xf32>, %v: tensor<4x6xf32>, %b: tensor<4xf32>, %lr: f64) -> tensor<?x4xf32> {
  %r = pc.stage samples ins(%x, %w, %v, %b, %lr : tensor<?x6xf32>, tensor<6x4xf32>, tensor<4x6xf32>, tensor<4xf32>, f64) -> tensor<?x4xf32> {
  ^bb0(%xb: tensor<8x6xf32>, %w0: tensor<6x4xf32>, %v0: tensor<4x6xf32>, %b0: tensor<4xf32>, %l: f64):
    %a = pc.dense %xb, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    %c = pc.dense %xb, %v0 : tensor<8x6xf32>, tensor<4x6xf32> -> tensor<8x4xf32>
    %bb = pc.batch_broadcast %b0 : tensor<4xf32> -> tensor<8x4xf32>
    %u = pc.add %a, %bb : tensor<8x4xf32>
    %d = pc.sub %u, %c : tensor<8x4xf32>
    %s = pc.scale %d, %l : tensor<8x4xf32>
    pc.yield %s : tensor<8x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// A splat becomes a number of the body, also of a region of the user's.
// CHECK-LABEL: func.func @elements(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>):
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]]], {{.*}}} ins(%[[X]] :
// CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: arith.mulf %in, %[[TWO]] : f32
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]]]
// CHECK: math.sin %in : f32
// One operand read twice is one operand.
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]]]
// CHECK: arith.mulf %in, %in : f32
func.func @elements(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%x : tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%xb: tensor<8x6xf32>):
    %two = pc.splat 2.0 : tensor<8x6xf32>
    %a = pc.mul %xb, %two : tensor<8x6xf32>
    %b = pc.elementwise %a : (tensor<8x6xf32>) -> tensor<8x6xf32> {
    ^bb0(%e: f32):
      %s = math.sin %e : f32
      pc.yield %s : f32
    }
    %c = pc.mul %b, %b : tensor<8x6xf32>
    pc.yield %c : tensor<8x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// Identities and detach are nothing.
// CHECK-LABEL: func.func @nothing(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>):
// CHECK-NEXT: pc.yield %[[X]]
func.func @nothing(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%x : tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%xb: tensor<8x6xf32>):
    %a = pc.identity %xb : tensor<8x6xf32>
    %b = pc.detach %a : tensor<8x6xf32>
    pc.yield %b : tensor<8x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// Rows: the maximum is subtracted first.
// CHECK-LABEL: func.func @rows(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>):
// CHECK: arith.constant 0xFF800000 : f32
// CHECK: %[[MAX:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]} ins(%[[X]] :
// CHECK: arith.maximumf %out, %in
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]], #[[$ALL]]], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[MAX]] :
// CHECK: arith.subf
// CHECK-NEXT: math.exp
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]}
// CHECK: arith.addf
// CHECK: arith.divf
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK-NEXT: arith.addf
// CHECK: math.log
// CHECK: arith.subf
func.func @rows(%x: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %r:2 = pc.stage samples ins(%x : tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  ^bb0(%xb: tensor<8x6xf32>):
    %a = pc.softmax %xb : tensor<8x6xf32>
    %b = pc.log_softmax %xb : tensor<8x6xf32>
    pc.yield %a, %b : tensor<8x6xf32>, tensor<8x6xf32>
  }
  return %r#0, %r#1 : tensor<?x6xf32>, tensor<?x6xf32>
}

// Energies and sums reduce rows; a broadcast that only they read is a map.
// CHECK-LABEL: func.func @energies(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>, %[[U:.*]]: tensor<8x6xf32>):
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]} ins(%[[X]], %[[U]] :
// CHECK: arith.subf
// CHECK: arith.constant 5.000000e-01
// CHECK: %[[LOGS:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]], #[[$ROW]], #[[$ALL]]]
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]} ins(%[[X]], %[[LOGS]] :
// CHECK: arith.subf %out
// CHECK: %[[SUM:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]} ins(%[[U]] :
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]], #[[$ALL]]], {{.*}}} ins(%[[X]], %[[SUM]] :
func.func @energies(%x: tensor<?x6xf32>, %y: tensor<?x6xf32>) -> (tensor<?xf32>, tensor<?xf32>, tensor<?x6xf32>) {
  %r:3 = pc.stage samples ins(%x, %y : tensor<?x6xf32>, tensor<?x6xf32>) -> (tensor<?xf32>, tensor<?xf32>, tensor<?x6xf32>) {
  ^bb0(%h: tensor<8x6xf32>, %u: tensor<8x6xf32>):
    %a = pc.se_energy %h, %u : tensor<8x6xf32> -> tensor<8xf32>
    %b = pc.ce_energy %h, %u : tensor<8x6xf32> -> tensor<8xf32>
    %s = pc.sum %u : tensor<8x6xf32> -> tensor<8xf32>
    %t = pc.broadcast %s : tensor<8xf32> -> tensor<8x6xf32>
    %c = pc.mul %h, %t : tensor<8x6xf32>
    pc.yield %a, %b, %c : tensor<8xf32>, tensor<8xf32>, tensor<8x6xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<?xf32>, tensor<?xf32>, tensor<?x6xf32>
}

// Parts: a slice reads with an offset; padding and concatenation write into what
// is there. A part at the start counts `mod` its size.
// CHECK-LABEL: func.func @parts(
// CHECK: ^bb0(%[[X:.*]]: tensor<8x6xf32>):
// CHECK: linalg.generic {indexing_maps = [#[[$FROM2]], #[[$ALL]]]{{.*}} ins(%[[X]] : tensor<8x6xf32>) outs(%{{.*}} : tensor<8x4xf32>)
// CHECK: %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<8x9xf32>
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$FROM1]]]{{.*}} ins(%[[X]] : {{.*}}) outs(%[[ZERO]] :
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<8x12xf32>
// CHECK: %[[HALF:.*]] = linalg.generic {indexing_maps = [#[[$ALL]], #[[$FIRST6]]]{{.*}} outs(%[[EMPTY]] :
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$FROM6]]]{{.*}} outs(%[[HALF]] :
// CHECK: tensor.expand_shape %[[X]] {{\[\[}}0], [1, 2]] output_shape [8, 2, 3]
// CHECK: tensor.collapse_shape
func.func @parts(%x: tensor<?x6xf32>) -> (tensor<?x4xf32>, tensor<?x9xf32>, tensor<?x12xf32>, tensor<?x2x3xf32>, tensor<?x6xf32>) {
  %r:5 = pc.stage samples ins(%x : tensor<?x6xf32>) -> (tensor<?x4xf32>, tensor<?x9xf32>, tensor<?x12xf32>, tensor<?x2x3xf32>, tensor<?x6xf32>) {
  ^bb0(%xb: tensor<8x6xf32>):
    %c = pc.slice %xb axis(-1) offset(2) : tensor<8x6xf32> -> tensor<8x4xf32>
    %d = pc.pad %xb axis(-1) offset(1) : tensor<8x6xf32> -> tensor<8x9xf32>
    %e = pc.concat %xb, %xb axis(-1) : tensor<8x6xf32>, tensor<8x6xf32> -> tensor<8x12xf32>
    %f = pc.reshape %xb : tensor<8x6xf32> -> tensor<8x2x3xf32>
    %g = pc.reshape %f : tensor<8x2x3xf32> -> tensor<8x6xf32>
    pc.yield %c, %d, %e, %f, %g : tensor<8x4xf32>, tensor<8x9xf32>, tensor<8x12xf32>, tensor<8x2x3xf32>, tensor<8x6xf32>
  }
  return %r#0, %r#1, %r#2, %r#3, %r#4 : tensor<?x4xf32>, tensor<?x9xf32>, tensor<?x12xf32>, tensor<?x2x3xf32>, tensor<?x6xf32>
}

// What crosses samples: sums over a dimension of unknown length.
// CHECK-LABEL: func.func @params(
// CHECK: ^bb0(%[[X:.*]]: tensor<?x6xf32>, %[[D:.*]]: tensor<?x4xf32>, %[[P:.*]]: tensor<4x6xf32>, %[[B:.*]]: f64):
// CHECK: %[[G:.*]] = linalg.generic {indexing_maps = [#[[$KM]], #[[$KN]], #[[$MN]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[D]], %[[X]] :
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$COLUMN]]], iterator_types = ["reduction", "parallel"]} ins(%[[D]] :
// CHECK: arith.addf %out, %in
// CHECK: linalg.generic {indexing_maps = [#[[$TURNED]], #[[$ALL]]], iterator_types = ["parallel", "parallel"]} ins(%[[P]] :
// What is made of numbers alone stands in front of the loops, in f64 until it is
// rounded.
// CHECK: %[[REST:.*]] = arith.subf %{{.*}}, %[[B]] : f64
// CHECK: arith.truncf %[[REST]] : f64 to f32
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[B]] : f64
// CHECK: arith.truncf %[[INVERSE]] : f64 to f32
// CHECK: linalg.generic {{.*}} ins(%[[P]], %[[G]] : {{.*}}) outs(%{{.*}}, %{{.*}}, %{{.*}} :
// CHECK-NOT: arith.truncf
// CHECK: math.sqrt
// CHECK: linalg.yield %{{.*}}, %{{.*}}, %{{.*}} : f32, f32, f32
func.func @params(%x: tensor<?x6xf32>, %d: tensor<?x4xf32>, %p: tensor<4x6xf32>, %b1: f64) -> (tensor<4x6xf32>, tensor<4xf32>, tensor<6x4xf32>) {
  %r:3 = pc.stage params ins(%x, %d, %p, %b1 : tensor<?x6xf32>, tensor<?x4xf32>, tensor<4x6xf32>, f64) -> (tensor<4x6xf32>, tensor<4xf32>, tensor<6x4xf32>) {
  ^bb0(%xs: tensor<?x6xf32>, %ds: tensor<?x4xf32>, %p0: tensor<4x6xf32>, %b: f64):
    %g = pc.batch_outer %ds, %xs : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<4x6xf32>
    %s = pc.batch_sum %ds : tensor<?x4xf32> -> tensor<4xf32>
    %t = pc.transpose %p0 : tensor<4x6xf32> -> tensor<6x4xf32>
    %z = pc.splat 0.0 : tensor<4x6xf32>
    %n:3 = pc.adam_update %p0, %g, %z, %z lr(%b) b1(%b) b2(%b) eps(%b) weight_decay(%b) corrections(%b, %b) : tensor<4x6xf32>
    pc.yield %n#0, %s, %t : tensor<4x6xf32>, tensor<4xf32>, tensor<6x4xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<4x6xf32>, tensor<4xf32>, tensor<6x4xf32>
}

// A product reads memory: what is one number for all elements gets a place.
// CHECK-LABEL: func.func @constant_operand(
// CHECK: %[[ONES:.*]] = linalg.generic {indexing_maps = [#[[$ALL]]], {{.*}}} outs(
// CHECK: arith.constant 1.000000e+00 : f32
// CHECK: linalg.generic {indexing_maps = [#[[$MK]], #[[$KN]], #[[$MN]]], {{.*}}} ins(%[[ONES]], %{{.*}} :
func.func @constant_operand(%w: tensor<6x4xf32>) -> tensor<?x4xf32> {
  %r = pc.stage samples ins(%w : tensor<6x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%w0: tensor<6x4xf32>):
    %ones = pc.splat 1.0 : tensor<8x6xf32>
    %a = pc.dense %ones, %w0 transposed : tensor<8x6xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
    pc.yield %a : tensor<8x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// A sum reads at least one array, which says how long it is.
// CHECK-LABEL: func.func @constant_sum(
// CHECK: %[[ONES:.*]] = linalg.generic
// CHECK: arith.constant 2.0
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]], #[[$ROW]]], iterator_types = ["parallel", "reduction"]} ins(%[[ONES]] : tensor<8x6xf32>)
func.func @constant_sum() -> tensor<?xf32> {
  %r = pc.stage samples -> tensor<?xf32> {
    %a = pc.splat 2.0 : tensor<8x6xf32>
    %s = pc.sum %a : tensor<8x6xf32> -> tensor<8xf32>
    pc.yield %s : tensor<8xf32>
  }
  return %r : tensor<?xf32>
}

// Random numbers are a function of seed, call, sample and element: integers, and
// Box and Muller's transform in f64.
// CHECK-LABEL: func.func @random(
// CHECK: ^bb0(%[[SEED:.*]]: i64, %[[CALL:.*]]: i64):
// CHECK: arith.addi %[[CALL]], %{{.*}} : i64
// CHECK: linalg.generic {indexing_maps = [#[[$ALL]]], {{.*}}} outs(
// CHECK-DAG: linalg.index 0
// CHECK-DAG: linalg.index 1
// CHECK: arith.xori
// CHECK: math.log %{{.*}} : f64
// CHECK: math.sqrt %{{.*}} : f64
// CHECK-DAG: math.sin %{{.*}} : f64
// CHECK-DAG: math.cos %{{.*}} : f64
// CHECK: arith.truncf %{{.*}} : f64 to f32
func.func @random(%seed: i64, %call: i64) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%seed, %call : i64, i64) -> tensor<?x6xf32> {
  ^bb0(%s: i64, %c: i64):
    %a = pc.random_normal seed(%s) call(%c) stream(3) : tensor<8x6xf32>
    pc.yield %a : tensor<8x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// What nothing reads is gone, and what stands in no stage stays.
// CHECK-LABEL: func.func @dead(
// CHECK: pc.stage
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<8x6xf32>):
// CHECK-NEXT: pc.yield %[[X]]
// CHECK: pc.tanh
func.func @dead(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%x : tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%xb: tensor<8x6xf32>):
    %a = pc.tanh %xb : tensor<8x6xf32>
    pc.yield %xb : tensor<8x6xf32>
  }
  %t = pc.tanh %r : tensor<?x6xf32>
  return %t : tensor<?x6xf32>
}
