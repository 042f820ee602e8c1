// REQUIRES: pc-interpret
// The tool on functions: outputs, storage, hyper-parameters, counters, files.

// RUN: pc-interpret %s --program make -n 2 | FileCheck %s --check-prefix=MAKE
// RUN: pc-interpret %s --program make -n 4 -o %t.x.npz
// RUN: pc-interpret %s --program step --calls 2 --set lr=0.5 \
// RUN:   --input x=%t.x.npz:x --total-steps 7 --epoch 3 --seed 40 \
// RUN:   --save-params %t.w.npz | FileCheck %s --check-prefix=STEP
// RUN: pc-interpret %s --program read --params %t.w.npz \
// RUN:   | FileCheck %s --check-prefix=READ
// RUN: pc-interpret %s --program third | FileCheck %s --check-prefix=DOUBLE
// RUN: pc-interpret %s --program third --round \
// RUN:   | FileCheck %s --check-prefix=SINGLE

// MAKE: x: 2x3 [1.5, 1.5, 1.5, 1.5, 1.5, 1.5]
func.func @make() -> (tensor<?x3xf32> {pc.port = #pc.port<output "x">})
    attributes {pc.program = #pc.program_info<"m", other, 0>} {
  %x = pc.splat 1.5 : tensor<?x3xf32>
  func.return %x : tensor<?x3xf32>
}

// w goes from 10 to 10 - 2 * 0.5 * (1.5 + 1.5).
// STEP: call: 1
// STEP: counters: 50
// STEP: n: 2
func.func @step(
    %x: tensor<?x3xf32> {pc.port = #pc.port<input "x">},
    %w: tensor<3xf32> {pc.port = #pc.port<parameter "w" {init = #pc.init<constant(10)>}>},
    %lr: f64 {pc.port = #pc.port<hyper "lr" {value = 1.0 : f64}>},
    %total: f64 {pc.port = #pc.port<counter "total_steps">},
    %epoch: f64 {pc.port = #pc.port<counter "epoch">},
    %seed: i64 {pc.port = #pc.port<counter "seed">},
    %call: i64 {pc.port = #pc.port<counter "call">})
    -> (tensor<3xf32> {pc.port = #pc.port<parameter "w">},
        f64 {pc.port = #pc.port<output "counters">},
        i64 {pc.port = #pc.port<output "call">},
        f64 {pc.port = #pc.port<output "n">})
    attributes {pc.program = #pc.program_info<"m", train, 1>} {
  %g = pc.batch_sum %x : tensor<?x3xf32> -> tensor<3xf32>
  %d = pc.scale %g, %lr : tensor<3xf32>
  %v = pc.sub %w, %d : tensor<3xf32>
  %s = arith.sitofp %seed : i64 to f64
  %a = arith.addf %total, %epoch : f64
  %b = arith.addf %a, %s : f64
  %n = pc.batch_size
  func.return %v, %b, %call, %n : tensor<3xf32>, f64, i64, f64
}

// READ: w: 3 [7, 7, 7]
func.func @read(
    %w: tensor<3xf32> {pc.port = #pc.port<parameter "w" {init = #pc.init<constant(10)>}>})
    -> (tensor<3xf32> {pc.port = #pc.port<output "w">})
    attributes {pc.program = #pc.program_info<"m", evaluate, 0>} {
  func.return %w : tensor<3xf32>
}

// DOUBLE: y: 1 [0.333333333]
// SINGLE: y: 1 [0.333333343]
func.func @third() -> (tensor<?xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"m", other, 0>} {
  %x = pc.splat 1.0 : tensor<?xf32>
  %third = arith.constant 0.33333333333333331 : f64
  %y = pc.scale %x, %third : tensor<?xf32>
  func.return %y : tensor<?xf32>
}
