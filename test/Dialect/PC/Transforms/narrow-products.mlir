// RUN: pc-opt %s --pc-narrow-products --split-input-file --verify-diagnostics | FileCheck %s

// A weight is rounded once for all its readers, its transpose straight from it,
// and what the update works on stays f32.

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x20xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<20x40xf32, #pc.panels<16>>
// CHECK: %[[N:.*]] = pc.narrow %[[W]] : tensor<20x40xf32, #pc.panels<16>> -> tensor<20x40xbf16, #pc.pairs<16>>
// CHECK: %[[T:.*]] = pc.narrow %[[W]] transposed : tensor<20x40xf32, #pc.panels<16>> -> tensor<40x20xbf16, #pc.pairs<16>>
// CHECK-NOT: pc.narrow
// CHECK-NOT: pc.transpose
// CHECK: %[[H:.*]] = pc.dense %[[X]], %[[N]] transposed bf16(1) : tensor<?x20xf32>, tensor<20x40xbf16, #pc.pairs<16>> -> tensor<?x40xf32>
// CHECK: pc.dense %[[X]], %[[N]] transposed bf16(1)
// CHECK: pc.dense %[[H]], %[[T]] transposed bf16(1)
// CHECK: %[[G:.*]] = pc.batch_outer %[[X]], %[[H]] bf16 : tensor<?x20xf32>, tensor<?x40xf32> -> tensor<20x40xf32, #pc.panels<16>>
// CHECK: pc.sub %[[W]], %[[G]] : tensor<20x40xf32, #pc.panels<16>>
func.func @step(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<20x40xf32, #pc.panels<16>> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x40xf32> {pc.port = #pc.port<output "r0">},
        tensor<?x20xf32> {pc.port = #pc.port<output "r1">},
        tensor<20x40xf32, #pc.panels<16>> {pc.port = #pc.port<output "r2">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %t = pc.transpose %w : tensor<20x40xf32, #pc.panels<16>> -> tensor<40x20xf32>
  %h = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x40xf32, #pc.panels<16>> -> tensor<?x40xf32>
  %g = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x40xf32, #pc.panels<16>> -> tensor<?x40xf32>
  %d = pc.dense %h, %t transposed : tensor<?x40xf32>, tensor<40x20xf32> -> tensor<?x20xf32>
  %o = pc.batch_outer %x, %h : tensor<?x20xf32>, tensor<?x40xf32> -> tensor<20x40xf32, #pc.panels<16>>
  %u = pc.sub %w, %o : tensor<20x40xf32, #pc.panels<16>>
  return %g, %d, %u : tensor<?x40xf32>, tensor<?x20xf32>, tensor<20x40xf32, #pc.panels<16>>
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
func.func @loop(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<20x20xf32> {pc.port = #pc.port<output "r1">},
        tensor<20x20xf32> {pc.port = #pc.port<output "r2">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %t = pc.transpose %w : tensor<20x20xf32> -> tensor<20x20xf32>
  %d = pc.dense %x, %t transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%v = %w) -> tensor<20x20xf32> {
    %y = pc.dense %x, %v transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %g = pc.batch_outer %x, %y : tensor<?x20xf32>, tensor<?x20xf32> -> tensor<20x20xf32>
    %n = pc.sub %v, %g : tensor<20x20xf32>
    scf.yield %n : tensor<20x20xf32>
  }
  return %d, %t, %r : tensor<?x20xf32>, tensor<20x20xf32>, tensor<20x20xf32>
}

// -----

// What inference has moved has two parts, by a loop or by the feedback of an
// error; but not if it is a difference. So has what the same weight multiplied
// before: a prediction that has not changed is the same to the bit. What depends
// on a weight that has moved was still computed forwards.

// CHECK-LABEL: func.func @moved(
// CHECK: %[[A:.*]] = pc.dense %{{.*}} transposed bf16(2)
// CHECK: %[[F:.*]] = pc.dense %[[A]], %{{.*}} transposed difference bf16(1)
// CHECK: pc.dense %[[F]], %{{.*}} transposed bf16(2)
// CHECK: scf.for {{.*}} iter_args(%[[H:.*]] = %{{.*}}, %{{.*}} = %{{.*}})
// CHECK: pc.dense %[[H]], %{{.*}} transposed bf16(2)
// CHECK: %[[B:.*]] = pc.dense %{{.*}} transposed bf16(1)
// CHECK: pc.dense %[[B]], %{{.*}} transposed bf16(1)
// CHECK: scf.yield
func.func @moved(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                 %w: tensor<20x20xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<20x20xf32> {pc.port = #pc.port<output "r1">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %a = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %f = pc.dense %a, %w transposed difference : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %m = pc.dense %f, %w transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
  %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%h = %m, %v = %w)
      -> (tensor<?x20xf32>, tensor<20x20xf32>) {
    %y = pc.dense %h, %v transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %b = pc.dense %x, %v transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %c = pc.dense %b, %v transposed : tensor<?x20xf32>, tensor<20x20xf32> -> tensor<?x20xf32>
    %g = pc.batch_outer %y, %c : tensor<?x20xf32>, tensor<?x20xf32> -> tensor<20x20xf32>
    scf.yield %y, %g : tensor<?x20xf32>, tensor<20x20xf32>
  }
  return %r#0, %r#1 : tensor<?x20xf32>, tensor<20x20xf32>
}

// -----

// Fewer than 16 rows or columns, as of most networks' output, fill no instruction:
// such a weight stays as it is, in both directions. Its gradient is rounded.

// CHECK-LABEL: func.func @output(
// CHECK: pc.narrow %{{.*}} : tensor<20x16xf32> ->
// CHECK-NOT: pc.narrow
// CHECK: pc.dense %{{.*}}, %{{.*}} transposed : tensor<?x20xf32>, tensor<20x10xf32> -> tensor<?x10xf32>
// CHECK: pc.dense %{{.*}}, %{{.*}} transposed difference : tensor<?x10xf32>, tensor<10x20xf32> -> tensor<?x20xf32>
// CHECK: pc.batch_outer %{{.*}}, %{{.*}} bf16 :
// CHECK: pc.dense %{{.*}} transposed bf16(1)
func.func @output(%x: tensor<?x20xf32> {pc.port = #pc.port<input "x">},
                  %w: tensor<20x10xf32> {pc.port = #pc.port<parameter "w">},
                  %v: tensor<20x16xf32> {pc.port = #pc.port<parameter "v">})
    -> (tensor<?x20xf32> {pc.port = #pc.port<output "r0">},
        tensor<20x10xf32> {pc.port = #pc.port<output "r1">},
        tensor<?x16xf32> {pc.port = #pc.port<output "r2">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %t = pc.transpose %w : tensor<20x10xf32> -> tensor<10x20xf32>
  %h = pc.dense %x, %w transposed : tensor<?x20xf32>, tensor<20x10xf32> -> tensor<?x10xf32>
  %d = pc.dense %h, %t transposed difference : tensor<?x10xf32>, tensor<10x20xf32> -> tensor<?x20xf32>
  %g = pc.batch_outer %x, %h : tensor<?x20xf32>, tensor<?x10xf32> -> tensor<20x10xf32>
  %y = pc.dense %x, %v transposed : tensor<?x20xf32>, tensor<20x16xf32> -> tensor<?x16xf32>
  return %d, %g, %y : tensor<?x20xf32>, tensor<20x10xf32>, tensor<?x16xf32>
}

// -----

func.func @wide(%x: tensor<?x20xf64> {pc.port = #pc.port<input "x">},
                %w: tensor<20x17xf64> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x17xf64> {pc.port = #pc.port<output "r0">})
    attributes {pc.program = #pc.program_info<"toy", evaluate, 0>} {
  // expected-error @below {{products in bf16 are for models of f32, but found 'tensor<?x17xf64>'; leave --precision out or use --float=f32}}
  %y = pc.dense %x, %w transposed : tensor<?x20xf64>, tensor<20x17xf64> -> tensor<?x17xf64>
  return %y : tensor<?x17xf64>
}
