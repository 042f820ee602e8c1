// RUN: pc-opt %s --pc-schedule="max-batch=32 sample-block=8" --convert-pc-to-linalg --canonicalize --cse --pc-form-groups --pc-plan-buffers -o %t.mlir
// RUN: pc-opt %t.mlir --pc-emit-cpu=cpus=x86-64-v4,x86-64-v3 | FileCheck %s

// What the artifact says of all programs: every array as the user sees it, which
// is 20x6 here although its transpose lies in memory.
// CHECK: module attributes {pc.hypers = [#pc.port<hyper "lr" {{ *}}{value = 1.000000e-01 : f64}>], pc.storage = {{\[\[}}#pc.port<parameter "w"{{.*}}>, tensor<20x6xf32>], [#pc.port<optimiser "t"{{.*}}>, tensor<i64>],

// The entry: refuses a batch that is too large, counts, cuts the samples.
// CHECK: llvm.func @"step$x86-64-v4"(%[[ARGS:.*]]: !llvm.ptr) -> i32 attributes {pc.entry = {cpu = "x86-64-v4",
// CHECK-SAME: inputs = {{\[\[}}#pc.port<input "x"{{.*}}>, tensor<?x6xf32>]]
// CHECK-SAME: kernels = {{\[\[}}"0 contract_8x20x6",
// CHECK-SAME: ["1 contract_6x20xn",
// CHECK-SAME: max_batch = 32 : i64
// CHECK-SAME: outputs = {{\[\[}}#pc.port<output "y"{{.*}}>, tensor<?x20xf32>]]
// CHECK-SAME: reads = array<i64: 0, 1>
// CHECK-SAME: sample_block = 8 : i64
// CHECK-SAME: writes = array<i64: 0, 1>
// CHECK: %[[MOST:.*]] = arith.constant 32 : i64
// CHECK: arith.cmpi sle, %{{.*}}, %[[MOST]] : i64
// CHECK: scf.if
// CHECK: arith.addi %{{.*}}, %{{.*}} : i64
// CHECK: llvm.mlir.addressof @"step$x86-64-v4$samples1"
// CHECK: llvm.call
// CHECK: } else {
// One block needs no other thread.
// CHECK: llvm.call @"step$x86-64-v4$samples1"
// CHECK: llvm.call @"step$x86-64-v4$params2_0"
// CHECK: } else {
// CHECK: %[[BAD:.*]] = arith.constant 1 : i32
// CHECK-NEXT: scf.yield %[[BAD]]

// The task of a block of samples calls kernels.
// CHECK: llvm.func internal @"step$x86-64-v4$samples1"(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-SAME: target_cpu = "x86-64-v4", target_features = #llvm.target_features<["-prefer-256-bit"]>
// CHECK: llvm.call @"step$x86-64-v4$0$contract_8x20x6"

// A tile of eight rows by two vectors: sixteen chains of multiply-adds. The last
// four columns are masked. The epilogue works on the sums.
// CHECK: llvm.func internal @"step$x86-64-v4$0$contract_8x20x6"(%{{.*}}: !llvm.ptr {llvm.noalias}
// CHECK-SAME: no_inline
// CHECK: scf.for
// CHECK: %[[MASK:.*]] = arith.constant dense<[true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false]> : vector<16xi1>
// CHECK: %[[SUMS:.*]]:16 = scf.for
// CHECK: llvm.load %{{.*}} -> vector<16xf32>
// CHECK: llvm.intr.masked.load %{{.*}}, %[[MASK]]
// CHECK-COUNT-16: math.fma %{{.*}} : vector<16xf32>
// CHECK-NOT: math.fma
// CHECK: scf.yield
// CHECK: math.tanh %[[SUMS]]#0 : vector<16xf32>
// CHECK: llvm.store
// CHECK: math.tanh %[[SUMS]]#1 : vector<16xf32>
// CHECK: llvm.intr.masked.store %{{.*}}, %{{.*}}, %[[MASK]]
// CHECK-COUNT-14: math.tanh
// CHECK-NOT: math.tanh
// CHECK: llvm.return

// A sum over the batch: six rows are less than a tile, so six rows are a tile.
// The number that the stage reads is rounded once, in front.
// CHECK: llvm.func internal @"step$x86-64-v4$params2_0"
// CHECK: %[[RATE:.*]] = arith.truncf %{{.*}} : f64 to f32
// CHECK: llvm.call @"step$x86-64-v4$1$contract_6x20xn"(%{{.*}}, %{{.*}}, %{{.*}}, %[[RATE]],
// CHECK: llvm.func internal @"step$x86-64-v4$1$contract_6x20xn"(
// CHECK: %{{.*}}:12 = scf.for
// CHECK-COUNT-12: math.fma
// CHECK: arith.mulf
// CHECK: arith.subf

// The other CPU: eight floats a vector, four rows by two vectors.
// CHECK: llvm.func @"step$x86-64-v3"(
// CHECK-SAME: cpu = "x86-64-v3"
// CHECK: llvm.func internal @"step$x86-64-v3$0$contract_8x20x6"(
// CHECK-SAME: target_cpu = "x86-64-v3"
// CHECK: %[[SUMS:.*]]:8 = scf.for
// CHECK-COUNT-8: math.fma %{{.*}} : vector<8xf32>
// CHECK-NOT: math.fma
// CHECK: scf.yield
func.func @step(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<6x20xf32> {pc.port = #pc.port<parameter "w" {strides = array<i64: 1, 20>}>},
                %t: tensor<i64> {pc.port = #pc.port<optimiser "t">},
                %lr: f64 {pc.port = #pc.port<hyper "lr" {value = 0.1}>})
    -> (tensor<6x20xf32> {pc.port = #pc.port<parameter "w" {strides = array<i64: 1, 20>}>},
        tensor<?x20xf32> {pc.port = #pc.port<output "y">},
        tensor<i64> {pc.port = #pc.port<optimiser "t">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c = tensor.extract %t[] : tensor<i64>
  %one = arith.constant 1 : i64
  %d = arith.addi %c, %one : i64
  %n = tensor.from_elements %d : tensor<i64>
  %a = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x20xf32> -> tensor<?x20xf32>
  %y = pc.tanh %a : tensor<?x20xf32>
  %g = pc.batch_outer %x, %y : tensor<?x6xf32>, tensor<?x20xf32> -> tensor<6x20xf32>
  %s = pc.scale %g, %lr : tensor<6x20xf32>
  %p = pc.sub %w, %s : tensor<6x20xf32>
  return %p, %y, %n : tensor<6x20xf32>, tensor<?x20xf32>, tensor<i64>
}

// Kernels of one form are one function: this one is called twice.
// CHECK: llvm.func internal @"twice$x86-64-v4$samples1"
// CHECK: llvm.call @"[[KERNEL:twice\$x86-64-v4\$0\$contract_8x16x16]]"
// CHECK: llvm.call @"[[KERNEL]]"
// CHECK: llvm.return
// CHECK: llvm.func internal @"[[KERNEL]]"
// CHECK-NOT: llvm.func internal @"twice$x86-64-v4$1
// CHECK: llvm.func @"twice$x86-64-v3"
func.func @twice(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                 %v: tensor<16x16xf32> {pc.port = #pc.port<parameter "v">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %a = pc.dense %x, %v transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %b = pc.dense %a, %v transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  return %b : tensor<?x16xf32>
}

// A transpose goes through registers: sixteen rows in, four times eight exchanges
// of two vectors, sixteen rows out.
// CHECK: llvm.func internal @"turn$x86-64-v4$0$map_32x48"
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-16: llvm.load %{{.*}} -> vector<16xf32>
// CHECK-NOT: llvm.load
// CHECK-COUNT-64: vector.shuffle
// CHECK-NOT: vector.shuffle
// CHECK-COUNT-16: llvm.store %{{.*}} : vector<16xf32>
// CHECK-NOT: llvm.store
// CHECK: llvm.return
func.func @turn(%v: tensor<48x32xf32> {pc.port = #pc.port<parameter "u">})
    -> (tensor<32x48xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %y = pc.transpose %v : tensor<48x32xf32> -> tensor<32x48xf32>
  return %y : tensor<32x48xf32>
}

// Rows are added lane by lane, then the lanes pairwise; a sum over the batch is
// one chain in the order of the samples.
// CHECK: llvm.func internal @"sums$x86-64-v4$0$row_sum_8x40"
// CHECK: scf.for {{.*}} iter_args(%{{.*}}) -> (vector<16xf32>)
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: vector.shuffle
// CHECK: vector.extract
// CHECK: llvm.func internal @"sums$x86-64-v4$2$batch_sum_nx40"
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[N:.*]] step %{{.*}} iter_args(%[[SUM:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK: arith.addf %[[SUM]], %{{.*}} : vector<16xf32>
func.func @sums(%x: tensor<?x40xf32> {pc.port = #pc.port<input "x">})
    -> (tensor<?xf32> {pc.port = #pc.port<output "r">}, tensor<40xf32> {pc.port = #pc.port<output "s">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %r = pc.sum %x : tensor<?x40xf32> -> tensor<?xf32>
  %q = pc.mul %x, %x : tensor<?x40xf32>
  %s = pc.batch_sum %q : tensor<?x40xf32> -> tensor<40xf32>
  return %r, %s : tensor<?xf32>, tensor<40xf32>
}

// CHECK-NOT: tensor.
// CHECK-NOT: linalg.
