// RUN: pc-opt %s --pc-schedule="max-batch=64 sample-block=20" --split-input-file --verify-diagnostics | FileCheck %s
// RUN: pc-opt %s --pc-schedule="max-batch=64 cache-bytes=4096" --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=CACHE
// RUN: pc-opt %s --pc-schedule="max-batch=3 cache-bytes=1073741824" --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=SMALL

// Inference is one samples stage with its whole loop; numbers are computed
// between stages; constants go into every stage that reads them. Sums over the
// batch and the updates that read them, element by element, share one stage.

// Twenty rows are rounded up to whole tiles.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x6xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x4xf32>
// CHECK-SAME: %[[B:[^:]*]]: tensor<4xf32>
// CHECK-SAME: %[[LR:[^:]*]]: f64
// CHECK-SAME: attributes {pc.max_batch = 64 : i64, pc.program = {{.*}}, pc.sample_block = 24 : i64}
// CHECK: %[[N:.*]] = pc.batch_size
// CHECK: %[[SCALE:.*]] = arith.divf %{{.*}}, %[[N]] : f64
// CHECK: %[[H:.*]] = pc.stage samples ins(%[[B]], %[[X]], %[[W]], %[[LR]] : tensor<4xf32>, tensor<?x6xf32>, tensor<6x4xf32>, f64) -> tensor<?x4xf32> {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<24x6xf32>, %{{.*}}: tensor<6x4xf32>, %{{.*}}: f64):
// CHECK-DAG: arith.constant 3 : index
// CHECK-DAG: %[[ZERO:.*]] = pc.splat {{.*}} : tensor<24x4xf32>
// CHECK: pc.batch_broadcast %{{.*}} : tensor<4xf32> -> tensor<24x4xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[ZERO]]) -> (tensor<24x4xf32>)
// CHECK: pc.dense %{{.*}} transposed : tensor<24x6xf32>, tensor<6x4xf32> -> tensor<24x4xf32>
// CHECK: pc.yield %{{.*}} : tensor<24x4xf32>
// CHECK: %[[P:.*]]:2 = pc.stage params ins(%[[X]], %[[H]], %[[SCALE]], %[[LR]], %[[W]], %[[B]] :
// CHECK: pc.batch_outer %{{.*}} : tensor<?x6xf32>, tensor<?x4xf32> -> tensor<6x4xf32>
// CHECK-COUNT-2: pc.scale {{.*}} : tensor<6x4xf32>
// CHECK: pc.sub {{.*}} : tensor<6x4xf32>
// CHECK: pc.batch_sum {{.*}} : tensor<?x4xf32> -> tensor<4xf32>
// CHECK: pc.sub {{.*}} : tensor<4xf32>
// CHECK: pc.yield
// CHECK-NOT: pc.stage
// CHECK: return %[[P]]#0, %[[P]]#1, %[[H]]

// An input of six elements and two states of four live at one time: 56 bytes a
// sample. Half of the cache has room for 36, of which the power of two is taken.
// CACHE-LABEL: func.func @step(
// CACHE-SAME: pc.sample_block = 32 : i64
// A block is no larger than the largest batch needs.
// SMALL-LABEL: func.func @step(
// SMALL-SAME: pc.max_batch = 3 : i64
// SMALL-SAME: pc.sample_block = 4 : i64
func.func @step(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<6x4xf32> {pc.port = #pc.port<parameter "w">},
                %b: tensor<4xf32> {pc.port = #pc.port<parameter "b">},
                %lr: f64 {pc.port = #pc.port<hyper "lr">})
    -> (tensor<6x4xf32> {pc.port = #pc.port<parameter "w">},
        tensor<4xf32> {pc.port = #pc.port<parameter "b">},
        tensor<?x4xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %one = arith.constant 1.0 : f64
  %n = pc.batch_size
  %scale = arith.divf %one, %n : f64
  %bb = pc.batch_broadcast %b : tensor<4xf32> -> tensor<?x4xf32>
  %zero = pc.splat 0.0 : tensor<?x4xf32>
  %h = scf.for %t = %c0 to %c3 step %c1 iter_args(%s = %zero) -> (tensor<?x4xf32>) {
    %a = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x4xf32> -> tensor<?x4xf32>
    %u = pc.add %a, %bb : tensor<?x4xf32>
    %e = pc.sub %u, %s : tensor<?x4xf32>
    %d = pc.scale %e, %lr : tensor<?x4xf32>
    %m = pc.add %s, %d : tensor<?x4xf32>
    scf.yield %m : tensor<?x4xf32>
  }
  %gw = pc.batch_outer %x, %h : tensor<?x6xf32>, tensor<?x4xf32> -> tensor<6x4xf32>
  %gs = pc.scale %gw, %scale : tensor<6x4xf32>
  %step = pc.scale %gs, %lr : tensor<6x4xf32>
  %p = pc.sub %w, %step : tensor<6x4xf32>
  %gb = pc.batch_sum %h : tensor<?x4xf32> -> tensor<4xf32>
  %q = pc.sub %b, %gb : tensor<4xf32>
  return %p, %q, %h : tensor<6x4xf32>, tensor<4xf32>, tensor<?x4xf32>
}

// -----

// Weights of 4 MiB do not stay in a cache of 4 KiB: every block reads them from
// behind it, so a block has all the rows that pay, 64, whatever lives with them.
// CACHE-LABEL: func.func @streams(
// CACHE-SAME: pc.sample_block = 64 : i64
func.func @streams(%x: tensor<?x1024xf32> {pc.port = #pc.port<input "x">}, %w: tensor<1024x1024xf32> {pc.port = #pc.port<parameter "w">}) -> (tensor<?x1024xf32> {pc.port = #pc.port<output "y">}) attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %a = pc.dense %x, %w transposed : tensor<?x1024xf32>, tensor<1024x1024xf32> -> tensor<?x1024xf32>
  %t = pc.tanh %a : tensor<?x1024xf32>
  return %t : tensor<?x1024xf32>
}

// A loop that moves weights stays in the function, with stages inside. What it
// starts with needs a place in memory, so a stage writes the constant.
// CHECK-LABEL: func.func @joint(
// CHECK: %[[S0:.*]] = pc.stage samples -> tensor<?x4xf32> {
// CHECK: pc.splat
// CHECK: pc.identity
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[S0]], %[[W:.*]] = %{{.*}}) -> (tensor<?x4xf32>, tensor<6x4xf32>) {
// CHECK-NEXT: pc.stage samples ins(
// CHECK: pc.dense
// CHECK: pc.stage params ins(
// CHECK: pc.batch_outer
// CHECK: pc.sub
// CHECK-NOT: pc.stage
// CHECK: scf.yield
func.func @joint(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                 %w: tensor<6x4xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<6x4xf32> {pc.port = #pc.port<parameter "w">})
    attributes {pc.program = #pc.program_info<"toy", train, 3>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = pc.splat 0.0 : tensor<?x4xf32>
  %r:2 = scf.for %t = %c0 to %c3 step %c1 iter_args(%s = %zero, %v = %w) -> (tensor<?x4xf32>, tensor<6x4xf32>) {
    %u = pc.dense %x, %v transposed : tensor<?x6xf32>, tensor<6x4xf32> -> tensor<?x4xf32>
    %e = pc.sub %s, %u : tensor<?x4xf32>
    %g = pc.batch_outer %x, %e : tensor<?x6xf32>, tensor<?x4xf32> -> tensor<6x4xf32>
    %p = pc.sub %v, %g : tensor<6x4xf32>
    scf.yield %u, %p : tensor<?x4xf32>, tensor<6x4xf32>
  }
  return %r#1 : tensor<6x4xf32>
}

// -----

// Two results that are not element-wise do not share a stage when one reads the
// other: all threads meet between them. Parameter work that is ready runs before
// any samples.

// CHECK-LABEL: func.func @levels(
// CHECK: pc.stage params
// CHECK-NEXT: ^bb0
// CHECK-NEXT: pc.transpose
// CHECK-NEXT: pc.yield
// CHECK: pc.stage samples
// CHECK: pc.dense
// CHECK: pc.stage params
// CHECK: pc.batch_outer
// CHECK: pc.yield
// CHECK: pc.stage params
// CHECK: pc.transpose
func.func @levels(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                  %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<6x4xf32> {pc.port = #pc.port<output "g">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %t = pc.transpose %w : tensor<4x6xf32> -> tensor<6x4xf32>
  %u = pc.dense %x, %t transposed : tensor<?x6xf32>, tensor<6x4xf32> -> tensor<?x4xf32>
  %g = pc.batch_outer %u, %x : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<4x6xf32>
  %r = pc.transpose %g : tensor<4x6xf32> -> tensor<6x4xf32>
  return %r : tensor<6x4xf32>
}

// -----

// Counters and numbers are the function's own: no stage.

// CHECK-LABEL: func.func @host(
// CHECK-NOT: pc.stage
// CHECK: tensor.extract
// CHECK: arith.addi
// CHECK: tensor.from_elements
func.func @host(%t: tensor<i64> {pc.port = #pc.port<optimiser "t">})
    -> (tensor<i64> {pc.port = #pc.port<optimiser "t">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c = tensor.extract %t[] : tensor<i64>
  %one = arith.constant 1 : i64
  %d = arith.addi %c, %one : i64
  %r = tensor.from_elements %d : tensor<i64>
  return %r : tensor<i64>
}

// What is no program is left alone.
// CHECK-LABEL: func.func @helper(
// CHECK-NOT: pc.stage
func.func @helper(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = pc.tanh %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @by_columns(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                      %w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x4xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  // expected-error @below {{'pc.dense' op reads its weight by columns; run pc-choose-layouts before pc-schedule}}
  %y = pc.dense %x, %w : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A deep network: eight rows of what lives at one time would fit, but fifteen
// weights, a little less than four times the cache, come from beyond it for every
// block.
// CHECK-LABEL: func.func @deep(
// CACHE-LABEL: func.func @deep(
// CACHE-SAME: pc.sample_block = 64 : i64
func.func @deep(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
              %w0: tensor<16x16xf32> {pc.port = #pc.port<parameter "w0">},
              %w1: tensor<16x16xf32> {pc.port = #pc.port<parameter "w1">},
              %w2: tensor<16x16xf32> {pc.port = #pc.port<parameter "w2">},
              %w3: tensor<16x16xf32> {pc.port = #pc.port<parameter "w3">},
              %w4: tensor<16x16xf32> {pc.port = #pc.port<parameter "w4">},
              %w5: tensor<16x16xf32> {pc.port = #pc.port<parameter "w5">},
              %w6: tensor<16x16xf32> {pc.port = #pc.port<parameter "w6">},
              %w7: tensor<16x16xf32> {pc.port = #pc.port<parameter "w7">},
              %w8: tensor<16x16xf32> {pc.port = #pc.port<parameter "w8">},
              %w9: tensor<16x16xf32> {pc.port = #pc.port<parameter "w9">},
              %w10: tensor<16x16xf32> {pc.port = #pc.port<parameter "w10">},
              %w11: tensor<16x16xf32> {pc.port = #pc.port<parameter "w11">},
              %w12: tensor<16x16xf32> {pc.port = #pc.port<parameter "w12">},
              %w13: tensor<16x16xf32> {pc.port = #pc.port<parameter "w13">},
              %w14: tensor<16x16xf32> {pc.port = #pc.port<parameter "w14">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %a1 = pc.dense %x, %w0 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a2 = pc.dense %a1, %w1 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a3 = pc.dense %a2, %w2 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a4 = pc.dense %a3, %w3 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a5 = pc.dense %a4, %w4 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a6 = pc.dense %a5, %w5 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a7 = pc.dense %a6, %w6 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a8 = pc.dense %a7, %w7 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a9 = pc.dense %a8, %w8 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a10 = pc.dense %a9, %w9 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a11 = pc.dense %a10, %w10 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a12 = pc.dense %a11, %w11 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a13 = pc.dense %a12, %w12 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a14 = pc.dense %a13, %w13 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %a15 = pc.dense %a14, %w14 transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %s = pc.add %a1, %a2 : tensor<?x16xf32>
  %y = pc.add %s, %a15 : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// The host knows how often a loop has counted before the stage with the loop
// begins: a step behind the loop goes on from there.
// CHECK-LABEL: func.func @numbers(
// CHECK: %[[COUNT:.*]] = scf.for {{.*}} -> (f64) {
// CHECK-NEXT: arith.addf
// CHECK-NEXT: scf.yield
// CHECK-NEXT: }
// CHECK: %[[NEXT:.*]] = arith.addf %[[COUNT]],
// CHECK: pc.stage samples ins({{.*}}%[[NEXT]]
// CHECK: scf.for
// CHECK: pc.scale
// CHECK: scf.yield
// CHECK: pc.scale
// CHECK-NOT: pc.stage
func.func @numbers(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">})
    -> (tensor<?x4xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %one = arith.constant 1.0 : f64
  %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %x, %n = %one) -> (tensor<?x4xf32>, f64) {
    %next = arith.addf %n, %one : f64
    %u = pc.scale %s, %next : tensor<?x4xf32>
    scf.yield %u, %next : tensor<?x4xf32>, f64
  }
  %m = arith.addf %r#1, %one : f64
  %y = pc.scale %r#0, %m : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
