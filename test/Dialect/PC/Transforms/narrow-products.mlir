// RUN: pc-opt %s --pc-narrow-products --split-input-file --verify-diagnostics | FileCheck %s

// A weight is rounded once for all its readers, its transpose straight from it,
// and what the update works on stays f32.

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x6xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[N:.*]] = pc.narrow %[[W]] : tensor<6x40xf32, #pc.panels<16>> -> tensor<6x40xbf16, #pc.pairs<16>>
// CHECK: %[[T:.*]] = pc.narrow %[[W]] transposed : tensor<6x40xf32, #pc.panels<16>> -> tensor<40x6xbf16, #pc.pairs<16>>
// CHECK-NOT: pc.narrow
// CHECK-NOT: pc.transpose
// CHECK: %[[H:.*]] = pc.dense %[[X]], %[[N]] transposed bf16(1) : tensor<?x6xf32>, tensor<6x40xbf16, #pc.pairs<16>> -> tensor<?x40xf32>
// CHECK: pc.dense %[[X]], %[[N]] transposed bf16(1)
// CHECK: pc.dense %[[H]], %[[T]] transposed bf16(1)
// CHECK: %[[G:.*]] = pc.batch_outer %[[X]], %[[H]] bf16 : tensor<?x6xf32>, tensor<?x40xf32> -> tensor<6x40xf32, #pc.panels<16>>
// CHECK: pc.sub %[[W]], %[[G]] : tensor<6x40xf32, #pc.panels<16>>
func.func @step(%x: tensor<?x6xf32>, %w: tensor<6x40xf32, #pc.panels<16>>)
    -> (tensor<?x40xf32>, tensor<?x6xf32>, tensor<6x40xf32, #pc.panels<16>>)
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %t = pc.transpose %w : tensor<6x40xf32, #pc.panels<16>> -> tensor<40x6xf32>
  %h = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x40xf32, #pc.panels<16>> -> tensor<?x40xf32>
  %g = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x40xf32, #pc.panels<16>> -> tensor<?x40xf32>
  %d = pc.dense %h, %t transposed : tensor<?x40xf32>, tensor<40x6xf32> -> tensor<?x6xf32>
  %o = pc.batch_outer %x, %h : tensor<?x6xf32>, tensor<?x40xf32> -> tensor<6x40xf32, #pc.panels<16>>
  %u = pc.sub %w, %o : tensor<6x40xf32, #pc.panels<16>>
  return %g, %d, %u : tensor<?x40xf32>, tensor<?x6xf32>, tensor<6x40xf32, #pc.panels<16>>
}

// -----

// A transpose that something else reads stays. Each value of a weight in a loop
// is rounded in the loop.

// CHECK-LABEL: func.func @loop(
// CHECK: pc.transpose
// CHECK: pc.narrow
// CHECK: scf.for {{.*}} iter_args(%[[W:.*]] = %{{.*}})
// CHECK: %[[N:.*]] = pc.narrow %[[W]] :
// CHECK: pc.dense %{{.*}}, %[[N]] transposed bf16(1)
// CHECK: scf.yield
func.func @loop(%x: tensor<?x6xf32>, %w: tensor<6x6xf32>)
    -> (tensor<?x6xf32>, tensor<6x6xf32>, tensor<6x6xf32>)
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %t = pc.transpose %w : tensor<6x6xf32> -> tensor<6x6xf32>
  %d = pc.dense %x, %t transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%v = %w) -> tensor<6x6xf32> {
    %y = pc.dense %x, %v transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
    %g = pc.batch_outer %x, %y : tensor<?x6xf32>, tensor<?x6xf32> -> tensor<6x6xf32>
    %n = pc.sub %v, %g : tensor<6x6xf32>
    scf.yield %n : tensor<6x6xf32>
  }
  return %d, %t, %r : tensor<?x6xf32>, tensor<6x6xf32>, tensor<6x6xf32>
}

// -----

// What inference has moved has two parts, by a loop or by the feedback of an
// error; but not if it is a difference. What depends on a weight that has moved
// was still computed forwards.

// CHECK-LABEL: func.func @moved(
// CHECK: %[[A:.*]] = pc.dense %{{.*}} transposed bf16(1)
// CHECK: %[[F:.*]] = pc.dense %[[A]], %{{.*}} transposed difference bf16(1)
// CHECK: pc.dense %[[F]], %{{.*}} transposed bf16(2)
// CHECK: scf.for {{.*}} iter_args(%[[H:.*]] = %{{.*}}, %{{.*}} = %{{.*}})
// CHECK: pc.dense %[[H]], %{{.*}} transposed bf16(2)
// CHECK: %[[B:.*]] = pc.dense %{{.*}} transposed bf16(1)
// CHECK: pc.dense %[[B]], %{{.*}} transposed bf16(1)
// CHECK: scf.yield
func.func @moved(%x: tensor<?x6xf32>, %w: tensor<6x6xf32>)
    -> (tensor<?x6xf32>, tensor<6x6xf32>)
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %a = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  %f = pc.dense %a, %w transposed difference : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  %m = pc.dense %f, %w transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %m, %v = %w)
      -> (tensor<?x6xf32>, tensor<6x6xf32>) {
    %y = pc.dense %h, %v transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
    %b = pc.dense %x, %v transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
    %c = pc.dense %b, %v transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
    %g = pc.batch_outer %y, %c : tensor<?x6xf32>, tensor<?x6xf32> -> tensor<6x6xf32>
    scf.yield %y, %g : tensor<?x6xf32>, tensor<6x6xf32>
  }
  return %r#0, %r#1 : tensor<?x6xf32>, tensor<6x6xf32>
}

// -----

func.func @wide(%x: tensor<?x6xf64>, %w: tensor<6x4xf64>) -> tensor<?x4xf64>
    attributes {pc.program = #pc.program_info<"toy", evaluate, 0>} {
  // expected-error @below {{products in bf16 are for models of f32, but found 'tensor<?x4xf64>'; leave --precision out or use --float=f32}}
  %y = pc.dense %x, %w transposed : tensor<?x6xf64>, tensor<6x4xf64> -> tensor<?x4xf64>
  return %y : tensor<?x4xf64>
}
