// RUN: pc-opt %s --canonicalize --split-input-file | FileCheck %s

// Every fold is exact on finite values (+0 equals -0).

//===----------------------------------------------------------------------===//
// Zeros through linear maps
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @zero_dense
// CHECK-NOT: pc.dense
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<?x3xf32>
// CHECK-NEXT: return %[[Z]] : tensor<?x3xf32>
func.func @zero_dense(%w: tensor<3x4xf32>) -> tensor<?x3xf32> {
  %z = pc.splat 0.0 : tensor<?x4xf32>
  %0 = pc.dense %z, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @zero_weight
// CHECK-NOT: pc.dense
// CHECK: pc.splat 0.000000e+00 : tensor<?x3xf32>
func.func @zero_weight(%x: tensor<?x4xf32>) -> tensor<?x3xf32> {
  %z = pc.splat -0.0 : tensor<3x4xf32>
  %0 = pc.dense %x, %z : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @zero_batch_outer
// CHECK-NOT: pc.batch_outer
// CHECK: pc.splat 0.000000e+00 : tensor<3x4xf32>
func.func @zero_batch_outer(%x: tensor<?x4xf32>) -> tensor<3x4xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.batch_outer %z, %x : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @zero_batch_sum
// CHECK-NOT: pc.batch_sum
// CHECK: pc.splat 0.000000e+00 : tensor<3xf32>
func.func @zero_batch_sum() -> tensor<3xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.batch_sum %z : tensor<?x3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: func.func @zero_sum
// CHECK-NOT: pc.sum
// CHECK: pc.splat 0.000000e+00 : tensor<?xf32>
func.func @zero_sum() -> tensor<?xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.sum %z : tensor<?x3xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @zero_product
// CHECK-NOT: pc.mul
// CHECK: pc.splat 0.000000e+00 : tensor<?x3xf32>
func.func @zero_product(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.mul %z, %x : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @zero_scaled
// CHECK-NOT: pc.scale
// CHECK: pc.splat 0.000000e+00 : tensor<?x3xf32>
func.func @zero_scaled(%s: f64) -> tensor<?x3xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.scale %z, %s : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @zero_detached
// CHECK-NOT: pc.detach
// CHECK: pc.splat 0.000000e+00 : tensor<?x3xf32>
func.func @zero_detached() -> tensor<?x3xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.detach %z : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @zero_padded
// CHECK-NOT: pc.pad
// CHECK: pc.splat 0.000000e+00 : tensor<?x9xf32>
func.func @zero_padded() -> tensor<?x9xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.pad %z axis(-1) offset(2) : tensor<?x3xf32> -> tensor<?x9xf32>
  return %0 : tensor<?x9xf32>
}

// One zero among the operands leaves the others.
// CHECK-LABEL: func.func @zero_in_concat
// CHECK: pc.concat
func.func @zero_in_concat(%x: tensor<?x3xf32>) -> tensor<?x6xf32> {
  %z = pc.splat 0.0 : tensor<?x3xf32>
  %0 = pc.concat %x, %z axis(-1) : tensor<?x3xf32>, tensor<?x3xf32> -> tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}

// Another constant is not enough.
// CHECK-LABEL: func.func @one_dense
// CHECK: pc.dense
func.func @one_dense(%w: tensor<3x4xf32>) -> tensor<?x3xf32> {
  %z = pc.splat 1.0 : tensor<?x4xf32>
  %0 = pc.dense %z, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// Exact elimination in one picture: with the state at its prediction, the
// error, what it sends down and its share of the weight gradient are zero.
// CHECK-LABEL: func.func @zero_error
// CHECK-SAME: %[[U:.*]]: tensor<?x3xf32>, %[[A:.*]]: tensor<?x3xf32>
// CHECK-DAG: %[[ZX:.*]] = pc.splat 0.000000e+00 : tensor<?x4xf32>
// CHECK-DAG: %[[ZW:.*]] = pc.splat 0.000000e+00 : tensor<3x4xf32>
// CHECK-NOT: pc.
// CHECK: return %[[ZX]], %[[ZW]]
func.func @zero_error(%u: tensor<?x3xf32>, %a: tensor<?x3xf32>, %w: tensor<3x4xf32>, %x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<3x4xf32>) {
  %e = pc.sub %u, %u : tensor<?x3xf32>
  %n = pc.neg %e : tensor<?x3xf32>
  %d = pc.act_grad gelu %a : tensor<?x3xf32>
  %m = pc.mul %n, %d : tensor<?x3xf32>
  %gx = pc.dense %m, %w transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
  %gw = pc.batch_outer %m, %x : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
  return %gx, %gw : tensor<?x4xf32>, tensor<3x4xf32>
}

// A zero gradient still moves a weight.
// CHECK-LABEL: func.func @zero_gradient
// CHECK: pc.adam_update
func.func @zero_gradient(%p: tensor<4xf32>, %m: tensor<4xf32>, %v: tensor<4xf32>, %s: f64) -> tensor<4xf32> {
  %z = pc.splat 0.0 : tensor<4xf32>
  %0:3 = pc.adam_update %p, %z, %m, %v lr(%s) b1(%s) b2(%s) eps(%s) weight_decay(%s) corrections(%s, %s) : tensor<4xf32>
  return %0#0 : tensor<4xf32>
}

// Nothing moves before the first gradient that is not zero.
// CHECK-LABEL: func.func @zero_adam(
// CHECK-SAME: %[[P:[^:]*]]: tensor<4xf32>
// CHECK-NOT: pc.adam_update
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00
// CHECK-NOT: pc.adam_update
// CHECK: return %[[P]], %[[Z]], %[[Z]]
func.func @zero_adam(%p: tensor<4xf32>, %s: f64) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %z = pc.splat 0.0 : tensor<4xf32>
  %eps = arith.constant 1.0e-8 : f64
  %zero = arith.constant 0.0 : f64
  %0:3 = pc.adam_update %p, %z, %z, %z lr(%s) b1(%s) b2(%s) eps(%eps) weight_decay(%zero) corrections(%s, %s) : tensor<4xf32>
  return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// It does with a decay, and 0 / 0 is no number: an eps that float32 rounds to
// zero.
// CHECK-LABEL: func.func @zero_adam_decays(
// CHECK-COUNT-2: pc.adam_update
func.func @zero_adam_decays(%p: tensor<4xf32>, %s: f64) -> (tensor<4xf32>, tensor<4xf32>) {
  %z = pc.splat 0.0 : tensor<4xf32>
  %eps = arith.constant 1.0e-8 : f64
  %tiny = arith.constant 1.0e-60 : f64
  %zero = arith.constant 0.0 : f64
  %0:3 = pc.adam_update %p, %z, %z, %z lr(%s) b1(%s) b2(%s) eps(%eps) weight_decay(%s) corrections(%s, %s) : tensor<4xf32>
  %1:3 = pc.adam_update %p, %z, %z, %z lr(%s) b1(%s) b2(%s) eps(%tiny) weight_decay(%zero) corrections(%s, %s) : tensor<4xf32>
  return %0#0, %1#0 : tensor<4xf32>, tensor<4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Element-wise operations
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @sub_itself
// CHECK-NOT: pc.sub
// CHECK: pc.splat 0.000000e+00 : tensor<4xf32>
func.func @sub_itself(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.sub %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// (u - d) - u = -d reassociates: it stays.
// CHECK-LABEL: func.func @sub_of_sub
// CHECK: %[[A:.*]] = pc.sub
// CHECK: pc.sub %[[A]]
func.func @sub_of_sub(%u: tensor<4xf32>, %d: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.sub %u, %d : tensor<4xf32>
  %1 = pc.sub %0, %u : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: func.func @with_zero
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK: %[[N:.*]] = pc.neg %[[X]]
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[N]]
func.func @with_zero(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %z = pc.splat 0.0 : tensor<4xf32>
  %0 = pc.add %x, %z : tensor<4xf32>
  %1 = pc.add %z, %x : tensor<4xf32>
  %2 = pc.sub %x, %z : tensor<4xf32>
  %3 = pc.sub %z, %x : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @with_one
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]]
func.func @with_one(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %one = pc.splat 1.0 : tensor<4xf32>
  %s = arith.constant 1.0 : f64
  %0 = pc.mul %x, %one : tensor<4xf32>
  %1 = pc.mul %one, %x : tensor<4xf32>
  %2 = pc.scale %x, %s : tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// The factor counts after rounding: this one is 1 in f32, but not in f64.
// CHECK-LABEL: func.func @rounded_factor
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf64>
// CHECK: %[[S:.*]] = pc.scale %[[Y]]
// CHECK-NEXT: return %[[X]], %[[S]]
func.func @rounded_factor(%x: tensor<4xf32>, %y: tensor<4xf64>) -> (tensor<4xf32>, tensor<4xf64>) {
  %s = arith.constant 1.000000001 : f64
  %0 = pc.scale %x, %s : tensor<4xf32>
  %1 = pc.scale %y, %s : tensor<4xf64>
  return %0, %1 : tensor<4xf32>, tensor<4xf64>
}

// CHECK-LABEL: func.func @scale_by_zero
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<4xf32>
// CHECK-NEXT: return %[[Z]]
func.func @scale_by_zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s = arith.constant 0.0 : f64
  %0 = pc.scale %x, %s : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @scale_by_two
// CHECK: pc.scale
func.func @scale_by_two(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s = arith.constant 2.0 : f64
  %0 = pc.scale %x, %s : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @neg_neg
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @neg_neg(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.neg %x : tensor<4xf32>
  %1 = pc.neg %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: func.func @with_neg
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[A:.*]] = pc.sub %[[X]], %[[Y]]
// CHECK-NEXT: %[[B:.*]] = pc.sub %[[X]], %[[Y]]
// CHECK-NEXT: %[[C:.*]] = pc.add %[[X]], %[[Y]]
// CHECK-NEXT: return %[[A]], %[[B]], %[[C]]
func.func @with_neg(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %n = pc.neg %y : tensor<4xf32>
  %0 = pc.add %x, %n : tensor<4xf32>
  %1 = pc.add %n, %x : tensor<4xf32>
  %2 = pc.sub %x, %n : tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @neg_sub
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>
// CHECK-NEXT: %[[D:.*]] = pc.sub %[[Y]], %[[X]] : tensor<4xf32>
// CHECK-NEXT: return %[[D]]
func.func @neg_sub(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.sub %x, %y : tensor<4xf32>
  %1 = pc.neg %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// One subtraction and one sign are no more than two subtractions.
// CHECK-LABEL: func.func @neg_of_shared_sub
// CHECK: %[[D:.*]] = pc.sub
// CHECK-NEXT: %[[N:.*]] = pc.neg %[[D]]
// CHECK-NEXT: return %[[D]], %[[N]]
func.func @neg_of_shared_sub(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.sub %x, %y : tensor<4xf32>
  %1 = pc.neg %0 : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @identity
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT: return %[[X]]
func.func @identity(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.identity %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A gradient may still have to stop here.
// CHECK-LABEL: func.func @detach
// CHECK: pc.detach
func.func @detach(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.detach %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Splats
//===----------------------------------------------------------------------===//

// Arithmetic on splats rounds as the element type does: 0.1 + 0.2 in f64, then
// the f32 numbers nearest to 0.1, 0.2 and to their sum.
// CHECK-LABEL: func.func @splat_add
// CHECK-DAG: %[[D:.*]] = pc.splat 0.30000000000000004 : tensor<4xf64>
// CHECK-DAG: %[[F:.*]] = pc.splat 0.30000001192092896 : tensor<4xf32>
// CHECK: return %[[D]], %[[F]]
func.func @splat_add() -> (tensor<4xf64>, tensor<4xf32>) {
  %a = pc.splat 0.1 : tensor<4xf64>
  %b = pc.splat 0.2 : tensor<4xf64>
  %c = pc.splat 0.1 : tensor<4xf32>
  %d = pc.splat 0.2 : tensor<4xf32>
  %0 = pc.add %a, %b : tensor<4xf64>
  %1 = pc.add %c, %d : tensor<4xf32>
  return %0, %1 : tensor<4xf64>, tensor<4xf32>
}

// CHECK-LABEL: func.func @splat_sub_mul_neg_scale
// CHECK-DAG: %[[S:.*]] = pc.splat 3.000000e+00 : tensor<4xf32>
// CHECK-DAG: %[[M:.*]] = pc.splat 1.000000e+01 : tensor<4xf32>
// CHECK-DAG: %[[N:.*]] = pc.splat -5.000000e+00 : tensor<4xf32>
// CHECK-DAG: %[[C:.*]] = pc.splat 2.500000e+00 : tensor<4xf32>
// CHECK: return %[[S]], %[[M]], %[[N]], %[[C]]
func.func @splat_sub_mul_neg_scale() -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = pc.splat 5.0 : tensor<4xf32>
  %b = pc.splat 2.0 : tensor<4xf32>
  %s = arith.constant 0.5 : f64
  %0 = pc.sub %a, %b : tensor<4xf32>
  %1 = pc.mul %a, %b : tensor<4xf32>
  %2 = pc.neg %a : tensor<4xf32>
  %3 = pc.scale %a, %s : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @activations_of_zero
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<4xf32>
// CHECK-NEXT: return %[[Z]], %[[Z]], %[[Z]], %[[Z]], %[[Z]], %[[Z]], %[[Z]]
func.func @activations_of_zero() -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %z = pc.splat 0.0 : tensor<4xf32>
  %0 = pc.relu %z : tensor<4xf32>
  %1 = pc.leaky_relu %z : tensor<4xf32>
  %2 = pc.gelu %z : tensor<4xf32>
  %3 = pc.gelu %z exact : tensor<4xf32>
  %4 = pc.silu %z : tensor<4xf32>
  %5 = pc.tanh %z : tensor<4xf32>
  %6 = pc.hard_tanh %z : tensor<4xf32>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @not_zero_at_zero
// CHECK-DAG: pc.sigmoid
// CHECK-DAG: pc.softplus
// CHECK-DAG: pc.act_grad tanh
// CHECK-DAG: pc.elementwise
func.func @not_zero_at_zero() -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %z = pc.splat 0.0 : tensor<4xf32>
  %0 = pc.sigmoid %z : tensor<4xf32>
  %1 = pc.softplus %z : tensor<4xf32>
  %2 = pc.act_grad tanh %z : tensor<4xf32>
  %3 = pc.elementwise %z : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    %c = math.cos %a : f32
    pc.yield %c : f32
  }
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @tanh_of_one
// CHECK: pc.tanh
func.func @tanh_of_one() -> tensor<4xf32> {
  %z = pc.splat 1.0 : tensor<4xf32>
  %0 = pc.tanh %z : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @shapes_of_splats
// CHECK-DAG: %[[A:.*]] = pc.splat 2.000000e+00 : tensor<?x4xf32>
// CHECK-DAG: %[[B:.*]] = pc.splat 2.000000e+00 : tensor<4x6xf32>
// CHECK-DAG: %[[C:.*]] = pc.splat 2.000000e+00 : tensor<2x2xf32>
// CHECK-DAG: %[[D:.*]] = pc.splat 2.000000e+00 : tensor<6x4xf32>
// CHECK-DAG: %[[E:.*]] = pc.splat 2.000000e+00 : tensor<3xf32>
// CHECK-DAG: %[[F:.*]] = pc.splat 2.000000e+00 : tensor<8xf32>
// CHECK-NOT: pc.
// CHECK: return %[[A]], %[[B]], %[[C]], %[[D]], %[[E]], %[[F]]
func.func @shapes_of_splats() -> (tensor<?x4xf32>, tensor<4x6xf32>, tensor<2x2xf32>, tensor<6x4xf32>, tensor<3xf32>, tensor<8xf32>) {
  %x = pc.splat 2.0 : tensor<4xf32>
  %0 = pc.batch_broadcast %x : tensor<4xf32> -> tensor<?x4xf32>
  %1 = pc.broadcast %x : tensor<4xf32> -> tensor<4x6xf32>
  %2 = pc.reshape %x : tensor<4xf32> -> tensor<2x2xf32>
  %3 = pc.transpose %1 : tensor<4x6xf32> -> tensor<6x4xf32>
  %4 = pc.slice %x axis(-1) offset(1) : tensor<4xf32> -> tensor<3xf32>
  %5 = pc.concat %x, %x axis(-1) : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<?x4xf32>, tensor<4x6xf32>, tensor<2x2xf32>, tensor<6x4xf32>, tensor<3xf32>, tensor<8xf32>
}

// Sums of other splats than zero would have to be evaluated in order.
// CHECK-LABEL: func.func @sum_of_splat
// CHECK: pc.sum
func.func @sum_of_splat() -> tensor<f32> {
  %x = pc.splat 2.0 : tensor<4xf32>
  %0 = pc.sum %x : tensor<4xf32> -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func @concat_of_different_splats
// CHECK: pc.concat
func.func @concat_of_different_splats() -> tensor<8xf32> {
  %x = pc.splat 2.0 : tensor<4xf32>
  %y = pc.splat 3.0 : tensor<4xf32>
  %0 = pc.concat %x, %y axis(-1) : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

//===----------------------------------------------------------------------===//
// Shapes and energies
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @nothing_to_do
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]]
func.func @nothing_to_do(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = pc.reshape %x : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = pc.concat %x axis(-1) : tensor<?x4xf32> -> tensor<?x4xf32>
  %2 = pc.slice %x axis(-1) offset(0) : tensor<?x4xf32> -> tensor<?x4xf32>
  %3 = pc.pad %x axis(-1) offset(0) : tensor<?x4xf32> -> tensor<?x4xf32>
  %4 = pc.sum %x : tensor<?x4xf32> -> tensor<?x4xf32>
  %5 = pc.broadcast %x : tensor<?x4xf32> -> tensor<?x4xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}

// Two dynamic sizes along the axis need not be one.
// CHECK-LABEL: func.func @dynamic_axis
// CHECK: pc.slice
// CHECK: pc.pad
func.func @dynamic_axis(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %0 = pc.slice %x axis(-1) offset(0) : tensor<?xf32> -> tensor<?xf32>
  %1 = pc.pad %x axis(-1) offset(0) : tensor<?xf32> -> tensor<?xf32>
  return %0, %1 : tensor<?xf32>, tensor<?xf32>
}

// CHECK-LABEL: func.func @reshape_reshape
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>
// CHECK: %[[R:.*]] = pc.reshape %[[X]] : tensor<?x8xf32> -> tensor<?x2x2x2xf32>
// CHECK-NEXT: return %[[R]], %[[X]]
func.func @reshape_reshape(%x: tensor<?x8xf32>) -> (tensor<?x2x2x2xf32>, tensor<?x8xf32>) {
  %0 = pc.reshape %x : tensor<?x8xf32> -> tensor<?x4x2xf32>
  %1 = pc.reshape %0 : tensor<?x4x2xf32> -> tensor<?x2x2x2xf32>
  %2 = pc.reshape %0 : tensor<?x4x2xf32> -> tensor<?x8xf32>
  return %1, %2 : tensor<?x2x2x2xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: func.func @transpose_transpose
// CHECK-SAME: %[[X:.*]]: tensor<3x4xf32>
// CHECK-NEXT: return %[[X]]
func.func @transpose_transpose(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = pc.transpose %x : tensor<3x4xf32> -> tensor<4x3xf32>
  %1 = pc.transpose %0 : tensor<4x3xf32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @dense_of_transpose
// CHECK-SAME: %[[X:.*]]: tensor<?x3xf32>, %[[Y:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<3x4xf32>
// CHECK-DAG: %[[A:.*]] = pc.dense %[[X]], %[[W]] transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
// CHECK-DAG: %[[B:.*]] = pc.dense %[[Y]], %[[W]] : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
// CHECK-NOT: pc.transpose
// CHECK: return %[[A]], %[[B]]
func.func @dense_of_transpose(%x: tensor<?x3xf32>, %y: tensor<?x4xf32>, %w: tensor<3x4xf32>) -> (tensor<?x4xf32>, tensor<?x3xf32>) {
  %t = pc.transpose %w : tensor<3x4xf32> -> tensor<4x3xf32>
  %0 = pc.dense %x, %t : tensor<?x3xf32>, tensor<4x3xf32> -> tensor<?x4xf32>
  %1 = pc.dense %y, %t transposed : tensor<?x4xf32>, tensor<4x3xf32> -> tensor<?x3xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x3xf32>
}

// CHECK-LABEL: func.func @energy_of_itself
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<?xf32>
// CHECK-NEXT: return %[[Z]]
func.func @energy_of_itself(%h: tensor<?x4xf32>) -> tensor<?xf32> {
  %0 = pc.se_energy %h, %h : tensor<?x4xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// Constants stay inside a region.
// CHECK-LABEL: func.func @region_constants
// CHECK: pc.elementwise
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.constant 6.000000e+00 : f32
func.func @region_constants(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    %three = arith.constant 3.0 : f32
    %six = arith.mulf %two, %three : f32
    %r = arith.mulf %a, %six : f32
    pc.yield %r : f32
  }
  return %0 : tensor<4xf32>
}
