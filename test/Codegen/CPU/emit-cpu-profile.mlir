// Marks around stages and kernels, where the runtime wants them; without the
// option there is nothing of it.
// RUN: pc-opt %s --pc-to-scheduled-pipeline=mcpu=x86-64-v3 -o %t.mlir
// RUN: pc-opt %t.mlir --pc-emit-cpu="cpus=x86-64-v3 profile" | FileCheck %s
// RUN: pc-opt %t.mlir --pc-emit-cpu=cpus=x86-64-v3 | FileCheck %s --check-prefix=PLAIN

pc.model @m {
  %x = pc.input @x : tensor<6xf32>
  %a = pc.linear @fc %x : tensor<6xf32> -> tensor<5xf32>
  %h = pc.vode @h %a energy(se) : tensor<5xf32>
  %c = pc.linear @out %h : tensor<5xf32> -> tensor<3xf32>
  %o = pc.vode @y %c energy(se) : tensor<3xf32>
}

// The last field of the host, if it has it, goes to the context.
// CHECK-LABEL: llvm.func @"train$x86-64-v3"
// CHECK-SAME: marked = true
// A stage: its function, its runs a call, its kernels and their calls a run. The
// prediction of the label is computed in front of the loop and in its steps.
// CHECK-SAME: stages = {{\[\[}}"params1_0", "train$x86-64-v3$params1_0", 1.000000e+00, array<i64: 0>, array<f64: 1.000000e+00>], ["samples2", "train$x86-64-v3$samples2", 1.000000e+00, array<i64: 1, 2, {{.*}}>, array<f64: 1.000000e+00, 8.000000e+00,
// CHECK: %[[HOST:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: %[[SIZE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK: %[[LEAST:.*]] = arith.constant 32 : i32
// CHECK: %[[HAS:.*]] = arith.cmpi uge, %[[SIZE]], %[[LEAST]] : i32
// CHECK: scf.if %[[HAS]]
// Stage 0 begins with rows -1, on worker 0.
// CHECK: %[[BEGIN:.*]] = arith.constant -1 : i64
// CHECK: %[[MARK:.*]] = llvm.load
// CHECK: %[[NONE:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK: %[[WANTED:.*]] = llvm.icmp "ne" %[[MARK]], %[[NONE]]
// CHECK: scf.if %[[WANTED]] {
// CHECK:   %[[STAGE:.*]] = arith.constant -2147483648 : i32
// CHECK:   llvm.call %[[MARK]](%{{.*}}, %{{.*}}, %[[STAGE]], %[[BEGIN]])
// CHECK: llvm.call @"train$x86-64-v3$params1_0"
// CHECK: arith.constant -2147483648 : i32
// CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: arith.constant -2147483647 : i32
// CHECK: llvm.mlir.addressof @"train$x86-64-v3$samples2"

// Kernels are marked with the worker of their task, and at the end with the
// samples of its block.
// CHECK-LABEL: llvm.func internal @"train$x86-64-v3$samples2"
// CHECK-SAME: (%{{.*}}: !llvm.ptr, %{{.*}}: i64, %[[WORKER:.*]]: i64)
// CHECK: %[[SAMPLES:.*]] = arith.minsi
// CHECK: llvm.call %{{.*}}(%{{.*}}, %[[WORKER]], %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, i32, i64) -> ()
// CHECK: llvm.call @"train$x86-64-v3$1$
// CHECK: llvm.call %{{.*}}(%{{.*}}, %[[WORKER]], %{{.*}}, %[[SAMPLES]]) : !llvm.ptr, (!llvm.ptr, i64, i32, i64) -> ()

// PLAIN-LABEL: llvm.func @"train$x86-64-v3"
// PLAIN-SAME: marked = false
// PLAIN-NOT: (!llvm.ptr, i64, i32, i64) -> ()
pc.program @train on @m (%x: tensor<6xf32>, %y: tensor<3xf32>) {
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<3xf32>
  pc.repeat 7 {
    pc.infer sgd(lr = 0.1)
  }
  pc.learn sgd(lr = 0.1)
}
