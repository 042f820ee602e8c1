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
// CHECK-SAME: stages = {{\[\[}}"samples1", "train$x86-64-v3$samples1", 1.000000e+00 : f64, array<i64: 0
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
// CHECK: llvm.mlir.addressof @"train$x86-64-v3$samples1"
// CHECK: arith.constant -2147483648 : i32
// CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})

// Kernels are marked with the worker of their task, and at the end with the
// samples of its block.
// CHECK-LABEL: llvm.func internal @"train$x86-64-v3$samples1"
// CHECK-SAME: (%{{.*}}: !llvm.ptr, %{{.*}}: i64, %[[WORKER:.*]]: i64)
// CHECK: %[[SAMPLES:.*]] = arith.minsi
// CHECK: llvm.call %{{.*}}(%{{.*}}, %[[WORKER]], %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, i32, i64) -> ()
// CHECK: llvm.call @"train$x86-64-v3$0$
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
