// RUN: pc-opt %s --pc-choose-layouts --cse --split-input-file | FileCheck %s

// The weight is only read by a product that wants its transpose, so the
// transpose is kept, as are the moments and the gradient; the port says so. The
// gradient of the transpose is the product the other way around.

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x6xf32>
// CHECK-SAME: %[[D:[^:]*]]: tensor<?x4xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK-SAME: %[[M:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<optimiser "m"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK-SAME: %[[V:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<optimiser "v"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK-SAME: -> (tensor<?x4xf32> {pc.port = #pc.port<output "y"{{ *}}>}, tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}, tensor<6x4xf32> {pc.port = #pc.port<optimiser "m"{{ +}}{strides = array<i64: 1, 4>}>}, tensor<6x4xf32> {pc.port = #pc.port<optimiser "v"{{ +}}{strides = array<i64: 1, 4>}>})
// CHECK-NOT: pc.transpose
// CHECK: %[[Y:.*]] = pc.dense %[[X]], %[[W]] transposed : tensor<?x6xf32>, tensor<6x4xf32> -> tensor<?x4xf32>
// CHECK: %[[G:.*]] = pc.batch_outer %[[X]], %[[D]] : tensor<?x6xf32>, tensor<?x4xf32> -> tensor<6x4xf32>
// CHECK: %[[P:.*]], %[[NM:.*]], %[[NV:.*]] = pc.adam_update %[[W]], %[[G]], %[[M]], %[[V]]
// CHECK-SAME: : tensor<6x4xf32>
// CHECK: return %[[Y]], %[[P]], %[[NM]], %[[NV]]
func.func @step(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %d: tensor<?x4xf32> {pc.port = #pc.port<input "d">},
                %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
                %m: tensor<4x6xf32> {pc.port = #pc.port<optimiser "m">},
                %v: tensor<4x6xf32> {pc.port = #pc.port<optimiser "v">},
                %lr: f64 {pc.port = #pc.port<hyper "lr">})
    -> (tensor<?x4xf32> {pc.port = #pc.port<output "y">},
        tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
        tensor<4x6xf32> {pc.port = #pc.port<optimiser "m">},
        tensor<4x6xf32> {pc.port = #pc.port<optimiser "v">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %y = pc.dense %x, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %g = pc.batch_outer %d, %x : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<4x6xf32>
  %p, %nm, %nv = pc.adam_update %w, %g, %m, %v lr(%lr) b1(%lr) b2(%lr) eps(%lr) weight_decay(%lr) corrections(%lr, %lr) : tensor<4x6xf32>
  return %y, %p, %nm, %nv : tensor<?x4xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}

// Another program gets the same array the same way, though it only wants it as
// it is.
// CHECK-LABEL: func.func @feedback(
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK: %[[T:.*]] = pc.transpose %[[W]] : tensor<6x4xf32> -> tensor<4x6xf32>
// CHECK: pc.dense %{{.*}}, %[[T]] transposed
// CHECK: pc.dense %{{.*}}, %[[W]] transposed
func.func @feedback(%d: tensor<?x4xf32> {pc.port = #pc.port<input "d">},
                    %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x4xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %e = pc.dense %d, %w transposed : tensor<?x4xf32>, tensor<4x6xf32> -> tensor<?x6xf32>
  %y = pc.dense %e, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What is no program is left alone.
// CHECK-LABEL: func.func @helper(
// CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
func.func @helper(%x: tensor<?x6xf32>, %w: tensor<4x6xf32>) -> tensor<?x4xf32> {
  %y = pc.dense %x, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A product both ways needs a transpose either way: nothing is gained, and the
// matrix stays as the user knows it.

// CHECK-LABEL: func.func @both(
// CHECK-SAME: tensor<4x6xf32> {pc.port = #pc.port<parameter "w"{{ *}}>}
// CHECK: pc.transpose
// CHECK-NOT: pc.transpose
// CHECK: return
func.func @both(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x6xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %a = pc.dense %x, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %b = pc.dense %a, %w transposed : tensor<?x4xf32>, tensor<4x6xf32> -> tensor<?x6xf32>
  %c = pc.dense %b, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %y = pc.dense %c, %w transposed : tensor<?x4xf32>, tensor<4x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// What a loop carries lies like the array that it starts with, and like the
// steps that move it. A constant has no place: each use has its own, and the
// other array, which is not read by rows, stays.

// CHECK-LABEL: func.func @loop(
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK-SAME: tensor<4x6xf32> {pc.port = #pc.port<buffer "s"{{ *}}>}
// CHECK-DAG: %[[ZT:.*]] = pc.splat 0.{{0*e\+00}} : tensor<6x4xf32>
// CHECK-DAG: %[[Z:.*]] = pc.splat 0.{{0*e\+00}} : tensor<4x6xf32>
// CHECK: scf.for {{.*}} iter_args(%[[WT:.*]] = %[[W]], %[[MT:.*]] = %[[ZT]]) -> (tensor<6x4xf32>, tensor<6x4xf32>)
// CHECK: pc.dense %{{.*}}, %[[WT]] transposed
// CHECK: pc.batch_outer {{.*}} -> tensor<6x4xf32>
// CHECK: pc.add {{.*}} : tensor<6x4xf32>
// CHECK: pc.sub {{.*}} : tensor<6x4xf32>
// CHECK: pc.sub {{.*}}, %[[Z]] : tensor<4x6xf32>
func.func @loop(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
                %s: tensor<4x6xf32> {pc.port = #pc.port<buffer "s">})
    -> (tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
        tensor<4x6xf32> {pc.port = #pc.port<buffer "s">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %from = arith.constant 0 : i64
  %to = arith.constant 5 : i64
  %by = arith.constant 1 : i64
  %zero = pc.splat 0.0 : tensor<4x6xf32>
  %r:2 = scf.for %t = %from to %to step %by iter_args(%wt = %w, %mt = %zero) -> (tensor<4x6xf32>, tensor<4x6xf32>) : i64 {
    %y = pc.dense %x, %wt : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
    %g = pc.batch_outer %y, %x : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<4x6xf32>
    %m = pc.add %mt, %g : tensor<4x6xf32>
    %p = pc.sub %wt, %m : tensor<4x6xf32>
    scf.yield %p, %m : tensor<4x6xf32>, tensor<4x6xf32>
  }
  %n = pc.sub %s, %zero : tensor<4x6xf32>
  return %r#0, %n : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

// A report of a matrix, and what works on all of it, see it as the user does.

// CHECK-LABEL: func.func @report(
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}
// CHECK-SAME: %[[A:[^:]*]]: tensor<4x6xf32> {pc.port = #pc.port<input "a"{{ *}}>}
// CHECK-SAME: -> (tensor<6x4xf32> {pc.port = #pc.port<parameter "w"{{ +}}{strides = array<i64: 1, 4>}>}, tensor<4x6xf32> {pc.port = #pc.port<output "w"{{ *}}>}
// CHECK: %[[AT:.*]] = pc.transpose %[[A]] : tensor<4x6xf32> -> tensor<6x4xf32>
// CHECK: %[[PT:.*]] = pc.add %[[W]], %[[AT]] : tensor<6x4xf32>
// CHECK: %[[P:.*]] = pc.transpose %[[PT]] : tensor<6x4xf32> -> tensor<4x6xf32>
// CHECK: return %[[PT]], %[[P]]
func.func @report(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                  %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
                  %a: tensor<4x6xf32> {pc.port = #pc.port<input "a">})
    -> (tensor<4x6xf32> {pc.port = #pc.port<parameter "w">},
        tensor<4x6xf32> {pc.port = #pc.port<output "w">},
        tensor<?x4xf32> {pc.port = #pc.port<output "y">},
        tensor<?x4xf32> {pc.port = #pc.port<output "z">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %y = pc.dense %x, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %p = pc.add %w, %a : tensor<4x6xf32>
  %q = pc.neg %p : tensor<4x6xf32>
  %r = pc.neg %q : tensor<4x6xf32>
  %z = pc.dense %x, %q : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %z2 = pc.dense %x, %r : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %z3 = pc.add %z, %z2 : tensor<?x4xf32>
  return %p, %p, %y, %z3 : tensor<4x6xf32>, tensor<4x6xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}
