// RUN: pc-opt %s --test-pc-differentiate | FileCheck %s
// RUN: pc-opt %s --test-pc-differentiate --canonicalize --cse | FileCheck %s --check-prefix=FOLDED

// Without a seed every sample's energy has the cotangent 1, and folds leave what
// one would write by hand: the error, and what it sends back.

// FOLDED-LABEL: func.func @layer
// FOLDED-SAME: %[[H0:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<3x4xf32>, %[[B:.*]]: tensor<3xf32>, %[[H1:.*]]: tensor<?x3xf32>
// FOLDED: %[[A:.*]] = pc.add
// FOLDED-NEXT: %[[U:.*]] = pc.gelu %[[A]]
// FOLDED-NEXT: %[[E:.*]] = pc.se_energy %[[H1]], %[[U]]
// FOLDED-NEXT: %[[EPS:.*]] = pc.sub %[[H1]], %[[U]] : tensor<?x3xf32>
// FOLDED-NEXT: %[[N:.*]] = pc.neg %[[EPS]] : tensor<?x3xf32>
// FOLDED-NEXT: %[[F:.*]] = pc.act_grad gelu %[[A]] : tensor<?x3xf32>
// FOLDED-NEXT: %[[D:.*]] = pc.mul %[[N]], %[[F]] : tensor<?x3xf32>
// FOLDED-NEXT: %[[GB:.*]] = pc.batch_sum %[[D]] : tensor<?x3xf32> -> tensor<3xf32>
// FOLDED-NEXT: %[[GX:.*]] = pc.dense %[[D]], %[[W]] transposed
// FOLDED-NEXT: %[[GW:.*]] = pc.batch_outer %[[D]], %[[H0]]
// FOLDED-NEXT: return %[[E]], %[[GX]], %[[GW]], %[[GB]], %[[EPS]]
func.func @layer(%h0: tensor<?x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>, %h1: tensor<?x3xf32>) -> tensor<?xf32> {
  %p = pc.dense %h0, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  %bb = pc.batch_broadcast %b : tensor<3xf32> -> tensor<?x3xf32>
  %a = pc.add %p, %bb : tensor<?x3xf32>
  %u = pc.gelu %a : tensor<?x3xf32>
  %e = pc.se_energy %h1, %u : tensor<?x3xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// A variable that an operation defines is independent of that operation's
// operands: x receives -g through u, and nothing by way of h.
// CHECK-LABEL: func.func @state_at_its_prediction
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: %[[U:.*]] = pc.tanh %[[X]]
// CHECK-NEXT: %[[H:.*]] = pc.identity %[[U]]
// CHECK: %[[GH:.*]] = pc.mul
// CHECK-NEXT: %[[GU:.*]] = pc.neg %[[GH]]
// CHECK-NEXT: %[[F:.*]] = pc.act_grad tanh %[[X]]
// CHECK-NEXT: %[[GX:.*]] = pc.mul %[[GU]], %[[F]]
// CHECK-NEXT: return %{{.*}}, %[[GX]], %[[GH]]
// After a forward initialisation both are one value, and all of it is zero.
// FOLDED-LABEL: func.func @state_at_its_prediction
// FOLDED-NEXT: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<?xf32>
// FOLDED-NEXT: return %[[Z]], %[[Z]], %[[Z]]
func.func @state_at_its_prediction(%x: tensor<?xf32>) -> tensor<?xf32> {
  %u = pc.tanh %x : tensor<?xf32>
  %h = pc.identity %u {test.variable} : tensor<?xf32>
  %e = pc.se_energy %h, %u : tensor<?xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// Nothing is computed for operations off the path: %q is not differentiated,
// and neither is what only the constant depends on.
// CHECK-LABEL: func.func @off_the_path
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>, %[[Y:.*]]: tensor<?xf32>
// CHECK: %[[C:.*]] = pc.tanh %{{.*}} : tensor<?xf32>
// CHECK: %[[Q:.*]] = pc.silu
// CHECK: %[[E:.*]] = pc.mul
// CHECK-NEXT: %[[ONE:.*]] = pc.splat 1.000000e+00
// CHECK-NEXT: %[[GX:.*]] = pc.mul %[[ONE]], %[[C]]
// CHECK-NEXT: %[[GY:.*]] = pc.splat 0.000000e+00 : tensor<?xf32>
// CHECK-NEXT: return %[[E]], %[[GX]], %[[GY]]
func.func @off_the_path(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %k = pc.splat 0.3 : tensor<?xf32>
  %c = pc.tanh %k : tensor<?xf32>
  %q = pc.silu %y : tensor<?xf32>
  %e = pc.mul %x, %c : tensor<?xf32>
  return %e : tensor<?xf32>
}

// An operation without a rule is no error where no gradient has to pass.
// CHECK-LABEL: func.func @inactive_without_rule
// CHECK: pc.act_grad tanh
// CHECK: pc.mul
func.func @inactive_without_rule(%x: tensor<?xf32>, %n: i64) -> tensor<?xf32> {
  %k = pc.random_normal seed(%n) call(%n) stream(3) : tensor<?xf32>
  %c = pc.act_grad tanh %k : tensor<?xf32>
  %e = pc.mul %x, %c : tensor<?xf32>
  return %e : tensor<?xf32>
}

// Contributions are added in the reverse order of the uses.
// CHECK-LABEL: func.func @fan_out
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: %[[ONE:.*]] = pc.splat 1.000000e+00
// CHECK-NEXT: %[[TC:.*]] = pc.act_grad tanh %[[X]]
// CHECK-NEXT: %[[C:.*]] = pc.mul %[[ONE]], %[[TC]]
// CHECK-NEXT: %[[SC:.*]] = pc.act_grad silu %[[X]]
// CHECK-NEXT: %[[S:.*]] = pc.mul %[[ONE]], %[[SC]]
// CHECK-NEXT: %[[A:.*]] = pc.add %[[C]], %[[S]]
// CHECK-NEXT: %[[RC:.*]] = pc.act_grad relu %[[X]]
// CHECK-NEXT: %[[R:.*]] = pc.mul %[[ONE]], %[[RC]]
// CHECK-NEXT: %[[G:.*]] = pc.add %[[A]], %[[R]]
// CHECK-NEXT: return %{{.*}}, %[[G]]
func.func @fan_out(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = pc.relu %x : tensor<?xf32>
  %b = pc.silu %x : tensor<?xf32>
  %c = pc.tanh %x : tensor<?xf32>
  %ab = pc.add %a, %b : tensor<?xf32>
  %e = pc.add %ab, %c : tensor<?xf32>
  return %e : tensor<?xf32>
}

// The energy may be one of the variables.
// CHECK-LABEL: func.func @itself
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: %[[ONE:.*]] = pc.splat 1.000000e+00 : tensor<?xf32>
// CHECK-NEXT: return %[[X]], %[[ONE]]
func.func @itself(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// CHECK-LABEL: func.func @depends_on_nothing
// CHECK: %[[C:.*]] = pc.splat 3.000000e+00 : tensor<?xf32>
// CHECK-NEXT: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<?x4xf32>
// CHECK-NEXT: return %[[C]], %[[Z]]
func.func @depends_on_nothing(%x: tensor<?x4xf32>) -> tensor<?xf32> {
  %e = pc.splat 3.0 : tensor<?xf32>
  return %e : tensor<?xf32>
}

// A region is differentiated by its own operations; g comes in last.
// FOLDED-LABEL: func.func @region
// FOLDED-SAME: %[[X:.*]]: tensor<?xf32>, %[[Y:.*]]: tensor<?xf32>, %[[G:.*]]: tensor<?xf32>
// FOLDED: %[[DX:.*]] = pc.elementwise %[[X]], %[[Y]], %[[G]] : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> {
// FOLDED-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32):
// FOLDED-NEXT: %[[P:.*]] = arith.mulf %[[C]], %[[B]] : f32
// FOLDED-NEXT: %[[Q:.*]] = math.cos %[[A]] : f32
// FOLDED-NEXT: %[[R:.*]] = arith.mulf %[[P]], %[[Q]] : f32
// FOLDED-NEXT: pc.yield %[[R]] : f32
// FOLDED: %[[DY:.*]] = pc.elementwise %[[X]], %[[Y]], %[[G]] :
// FOLDED-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32):
// FOLDED-NEXT: %[[S:.*]] = math.sin %[[A]] : f32
// FOLDED-NEXT: %[[R:.*]] = arith.mulf %[[C]], %[[S]] : f32
// FOLDED-NEXT: pc.yield %[[R]] : f32
// FOLDED: return %{{.*}}, %[[DX]], %[[DY]]
func.func @region(%x: tensor<?xf32>, %y: tensor<?xf32>, %g: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %e = pc.elementwise %x, %y : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = math.sin %a : f32
    %p = arith.mulf %s, %b : f32
    pc.yield %p : f32
  }
  return %e, %g : tensor<?xf32>, tensor<?xf32>
}

// The result may not depend on an operand, or only in steps: no cotangent.
// CHECK-LABEL: func.func @region_without_slope
// CHECK: pc.elementwise
// CHECK: pc.yield
// CHECK-NOT: pc.elementwise
// CHECK: pc.splat 0.000000e+00 : tensor<?xf32>
// CHECK: pc.splat 0.000000e+00 : tensor<?xf32>
func.func @region_without_slope(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.elementwise %x, %y : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.constant 0.0 : f32
    %d = arith.constant 1.0 : f32
    %q = arith.cmpf ogt, %a, %c : f32
    %r = arith.select %q, %c, %d : f32
    pc.yield %r : f32
  }
  return %e : tensor<?xf32>
}
