// RUN: pc-opt %s --pc-difference-products --split-input-file | FileCheck %s

// The loop carries how far the state is from where it started, zero at first;
// the product of it is added to that of the start, bias included. The error of
// a state whose prediction does not move is the same difference.

// CHECK-LABEL: func.func @loop(
// CHECK-SAME: %[[H0:[^:]*]]: tensor<?x20xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<20x17xf32>
// CHECK-SAME: %[[B:[^:]*]]: tensor<?x17xf32>
// CHECK-DAG: %[[P0:.*]] = pc.dense %[[H0]], %[[W]] transposed :
// CHECK-DAG: %[[A0:.*]] = pc.add %[[P0]], %[[B]]
// CHECK-DAG: %[[Z:.*]] = pc.splat 0.0{{.*}} : tensor<?x20xf32>
// CHECK: %[[R:.*]]:2 = scf.for {{.*}} iter_args(%[[H:.*]] = %[[H0]], %[[D:.*]] = %[[Z]])
// CHECK-NEXT: %[[P:.*]] = pc.dense %[[D]], %[[W]] transposed difference :
// CHECK-NEXT: %[[A:.*]] = pc.add %[[P]], %[[A0]]
// CHECK-NEXT: %[[F:.*]] = pc.dense %[[A]], %{{.*}} transposed difference :
// CHECK-NEXT: %[[G:.*]] = pc.add %[[F]], %[[D]]
// CHECK-NEXT: %[[N:.*]] = pc.sub %[[H]], %[[G]]
// CHECK-NEXT: %[[E:.*]] = pc.sub %[[N]], %[[H0]]
// CHECK-NEXT: scf.yield %[[N]], %[[E]]
// CHECK: %[[L:.*]] = pc.dense %[[R]]#1, %[[W]] transposed difference :
// CHECK-NEXT: %[[S:.*]] = pc.add %[[L]], %[[P0]]
// CHECK-NEXT: return %[[S]]
func.func @loop(%h0: tensor<?x20xf32> {pc.port = #pc.port<input "h0">},
                %w: tensor<20x17xf32> {pc.port = #pc.port<parameter "w">},
                %b: tensor<?x17xf32> {pc.port = #pc.port<input "b">},
                %t: tensor<17x20xf32> {pc.port = #pc.port<parameter "t">})
    -> (tensor<?x17xf32> {pc.port = #pc.port<output "r0">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %p0 = pc.dense %h0, %w transposed : tensor<?x20xf32>, tensor<20x17xf32> -> tensor<?x17xf32>
  %a0 = pc.add %p0, %b : tensor<?x17xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %h0) -> tensor<?x20xf32> {
    %p = pc.dense %h, %w transposed : tensor<?x20xf32>, tensor<20x17xf32> -> tensor<?x17xf32>
    %a = pc.add %p, %b : tensor<?x17xf32>
    %f = pc.dense %a, %t transposed difference : tensor<?x17xf32>, tensor<17x20xf32> -> tensor<?x20xf32>
    %e = pc.sub %h, %h0 : tensor<?x20xf32>
    %g = pc.add %f, %e : tensor<?x20xf32>
    %n = pc.sub %h, %g : tensor<?x20xf32>
    scf.yield %n : tensor<?x20xf32>
  }
  %last = pc.dense %r, %w transposed : tensor<?x20xf32>, tensor<20x17xf32> -> tensor<?x17xf32>
  return %last : tensor<?x17xf32>
}

// -----

// Steps in front of a loop (a peeled error front), and a state that two loops
// move: each starts from how far the one before has come.

// CHECK-LABEL: func.func @peeled(
// CHECK-SAME: %[[H0:[^:]*]]: tensor<?x20xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<20x20xf32>
// CHECK: %[[P0:.*]] = pc.dense %[[H0]], %[[W]] transposed :
// CHECK-NEXT: %[[G:.*]] = pc.dense %[[P0]], %[[W]] transposed difference
// CHECK-NEXT: %[[H1:.*]] = pc.sub %[[H0]], %[[G]]
// CHECK: %[[D1:.*]] = pc.sub %[[H1]], %[[H0]]
// CHECK: pc.dense %{{.*}}, %[[W]] transposed difference
// CHECK: %[[R:.*]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %[[H1]], %{{.*}} = %{{.*}})
// CHECK: %[[Q:.*]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %[[R]]#0, %[[D:.*]] = %[[R]]#1)
// CHECK-NEXT: pc.dense %[[D]], %[[W]] transposed difference
func.func @peeled(%h0: tensor<?x20xf32> {pc.port = #pc.port<input "h0">},
                  %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %p0 = pc.dense %h0, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %g0 = pc.dense %p0, %w transposed difference : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %h1 = pc.sub %h0, %g0 : tensor<?x20xf32>
  %p1 = pc.dense %h1, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %h1) -> tensor<?x20xf32> {
    %n = pc.sub %h, %p1 : tensor<?x20xf32>
    scf.yield %n : tensor<?x20xf32>
  }
  %q = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %r) -> tensor<?x20xf32> {
    %p = pc.dense %h, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %n = pc.sub %h, %p : tensor<?x20xf32>
    scf.yield %n : tensor<?x20xf32>
  }
  return %q : tensor<?x20xf32>
}

// -----

// A weight that meets two starts: each state is measured from its own.

// CHECK-LABEL: func.func @twice(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x20xf32>
// CHECK-SAME: %[[Y:[^:]*]]: tensor<?x20xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<20x20xf32>
// CHECK: %[[P:.*]] = pc.dense %[[X]], %[[W]] transposed :
// CHECK: %[[Q:.*]] = pc.dense %[[Y]], %[[W]] transposed :
// CHECK: %[[DX:.*]] = pc.sub %{{.*}}, %[[X]] :
// CHECK: %[[DY:.*]] = pc.sub %{{.*}}, %[[Y]] :
// CHECK: %[[A:.*]] = pc.dense %[[DX]], %[[W]] transposed difference
// CHECK-NEXT: pc.add %[[A]], %[[P]]
// CHECK: %[[B:.*]] = pc.dense %[[DY]], %[[W]] transposed difference
// CHECK-NEXT: pc.add %[[B]], %[[Q]]
func.func @twice(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                 %y: tensor<?x20xf32> {pc.port = #pc.port<input "y">},
                 %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r1">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %p = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %q = pc.dense %y, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %f = pc.dense %p, %w transposed difference : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %g = pc.dense %q, %w transposed difference : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %h = pc.sub %x, %f : tensor<?x20xf32>
  %k = pc.sub %y, %g : tensor<?x20xf32>
  %a = pc.dense %h, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %b = pc.dense %k, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  return %a, %b : tensor<?x20xf32>, tensor<?x20xf32>
}

// -----

// A sum with the bias that comes later is not there yet.

// CHECK-LABEL: func.func @later(
// CHECK: %[[P:.*]] = pc.dense %{{.*}}, %{{.*}} transposed :
// CHECK: %[[M:.*]] = pc.sub %{{.*}}, %{{.*}} :
// CHECK: %[[E:.*]] = pc.sub %[[M]], %{{.*}} :
// CHECK: %[[D:.*]] = pc.dense %[[E]], %{{.*}} transposed difference
// CHECK: %[[S:.*]] = pc.add %[[D]], %[[P]]
// CHECK-NEXT: pc.add %[[S]], %[[B:.*]] :
// CHECK-NEXT: pc.add %[[P]], %[[B]] :
func.func @later(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                 %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">},
                 %b: tensor<?x20xf32> {pc.port = #pc.port<input "b">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r1">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %p = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %f = pc.dense %p, %w transposed difference : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %h = pc.sub %x, %f : tensor<?x20xf32>
  %q = pc.dense %h, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %s = pc.add %q, %b : tensor<?x20xf32>
  %t = pc.add %p, %b : tensor<?x20xf32>
  return %s, %t : tensor<?x20xf32>, tensor<?x20xf32>
}

// -----

// States that change places, and one that stays where it is once its sample has
// stopped (what the early exit of a loop is found by), are left alone.

// CHECK-LABEL: func.func @swapped(
// CHECK-NOT: pc.sub
// CHECK-NOT: difference
// CHECK: return
func.func @swapped(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                   %y: tensor<?x20xf32> {pc.port = #pc.port<input "y">},
                   %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r1">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r2">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %p0 = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %r:3 = scf.for %i = %c0 to %c4 step %c1 iter_args(%a = %x, %b = %y, %s = %x)
      -> (tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x20xf32>) {
    %p = pc.dense %a, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %q = pc.dense %s, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %m = pc.add %q, %s : tensor<?x20xf32>
    %n = pc.mul %m, %p : tensor<?x20xf32>
    scf.yield %b, %a, %n : tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x20xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x20xf32>
}

// -----

// Nothing to start from: the weight is a new one in each step, met no state
// before, or met one that this one did not come from.

// CHECK-LABEL: func.func @alone(
// CHECK-NOT: pc.sub
// CHECK-NOT: difference
// CHECK: return
func.func @alone(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                 %y: tensor<?x20xf32> {pc.port = #pc.port<input "y">},
                 %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">},
                 %v: tensor<20x20xf32> {pc.port = #pc.port<parameter "v">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r1">},
        tensor<20x20xf32> {pc.port = #pc.port<output "r2">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %p = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %r:3 = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %x, %k = %y, %u = %w)
      -> (tensor<?x20xf32>, tensor<?x20xf32>, tensor<20x20xf32>) {
    %a = pc.dense %h, %u transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %b = pc.dense %a, %v transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %c = pc.dense %k, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %n = pc.add %p, %b : tensor<?x20xf32>
    %g = pc.batch_outer %x, %n : tensor<?x20xf32>, tensor<?x20xf32> -> tensor<20x20xf32>
    scf.yield %n, %c, %g : tensor<?x20xf32>, tensor<?x20xf32>, tensor<20x20xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<?x20xf32>, tensor<?x20xf32>, tensor<20x20xf32>
}

// -----

// What will not be rounded needs no difference.

// CHECK-LABEL: func.func @output(
// CHECK-NOT: pc.sub
// CHECK-NOT: difference
// CHECK: return
func.func @output(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                  %w: tensor<20x10xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x10xf32> {pc.port = #pc.port<output "r0">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %p0 = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x10xf32> -> tensor<?x10xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %x) -> tensor<?x20xf32> {
    %m = pc.add %h, %x : tensor<?x20xf32>
    scf.yield %m : tensor<?x20xf32>
  }
  %p = pc.dense %r, %w transposed : tensor<?x20xf32>, tensor<20x10xf32> -> tensor<?x10xf32>
  %s = pc.add %p, %p0 : tensor<?x10xf32>
  return %s : tensor<?x10xf32>
}
