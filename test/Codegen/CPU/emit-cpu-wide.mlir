// RUN: split-file %s %t
// RUN: pc-opt %t/wide.pcir --pc-to-scheduled-pipeline=mcpu=x86-64-v3 -o %t/wide.mlir
// RUN: pc-opt %t/wide.mlir --pc-emit-cpu=cpus=x86-64-v3 | FileCheck %s
// RUN: pc-opt %t/small.pcir --pc-to-scheduled-pipeline=mcpu=x86-64-v3 -o %t/small.mlir
// RUN: pc-opt %t/small.mlir --pc-emit-cpu=cpus=x86-64-v3 | FileCheck %s --check-prefix=SMALL
// RUN: pc-opt %t/stop.pcir --pc-to-scheduled-pipeline=mcpu=x86-64-v3 -o %t/stop.mlir
// RUN: pc-opt %t/stop.mlir --pc-emit-cpu=cpus=x86-64-v3 | FileCheck %s --check-prefix=SMALL

// With more than one worker and less than two tiles of samples for each, and no
// more blocks than workers, kernels are handed out one by one, the loop outside;
// else blocks of samples are.

// CHECK-LABEL: llvm.func @"each$x86-64-v3"
// CHECK: %[[WORKERS:.*]] = arith.select %{{.*}}, %{{.*}}, %{{.*}} : i64
// CHECK: %[[BLOCKS:.*]] = arith.divui %{{.*}}, %c32_i64{{[^ ]*}} : i64
// CHECK: %[[TILES:.*]] = arith.divui %{{.*}}, %c4_i64{{[^ ]*}} : i64
// CHECK: %[[SEVERAL:.*]] = arith.cmpi slt, %c1_i64{{[^ ]*}}, %[[WORKERS]] : i64
// CHECK: %[[TWICE:.*]] = arith.muli %[[WORKERS]], %c2_i64{{[^ ]*}} : i64
// CHECK: %[[FEW:.*]] = arith.cmpi slt, %[[TILES]], %[[TWICE]] : i64
// CHECK: %[[BOTH:.*]] = arith.andi %[[SEVERAL]], %[[FEW]] : i1
// CHECK: %[[HOLD:.*]] = arith.cmpi sle, %[[BLOCKS]], %[[WORKERS]] : i64
// CHECK: %[[ALL:.*]] = arith.andi %[[BOTH]], %[[HOLD]] : i1
// CHECK: scf.if %[[ALL]] {
// CHECK:   llvm.mlir.addressof @"each$x86-64-v3$samples2_1"
// CHECK:   scf.for %{{.*}} = %c0{{[^ ]*}} to %c9{{[^ ]*}} step
// CHECK:     llvm.mlir.addressof @"each$x86-64-v3$samples2_3"
// CHECK: } else {
// CHECK:   llvm.mlir.addressof @"each$x86-64-v3$samples2" :
// CHECK: }

// The task of a part of a block: the block is the quotient of its number and the
// number of parts, and arrays are in the memory of the worker of that number.

// CHECK-LABEL: llvm.func internal @"each$x86-64-v3$samples2_1"
// CHECK-SAME: (%[[CONTEXT:.*]]: !llvm.ptr, %[[INDEX:.*]]: i64, %{{.*}}: i64)
// CHECK: %[[BLOCK:.*]] = arith.divui %[[INDEX]], %[[PARTS:.*]] : i64
// CHECK: %[[PART:.*]] = arith.remui %[[INDEX]], %[[PARTS]] : i64
// CHECK: arith.muli %[[BLOCK]], %{{.*}} : i64
// CHECK: arith.muli %[[BLOCK]], %c{{[0-9]+}}_i64{{[^ ]*}} : i64
// CHECK: %[[FROM:.*]] = arith.muli %[[PART]], %[[EACH:.*]] : i64
// CHECK: %[[TO:.*]] = arith.addi %[[FROM]], %[[EACH]] : i64
// CHECK: %[[END:.*]] = arith.minsi %[[TO]], %{{.*}} : i64
// CHECK: llvm.call @"each$x86-64-v3${{[0-9]+}}$contract_{{.*}}"({{.*}}, %[[FROM]], %[[END]], %c0_i64{{[^ ]*}}, %{{.*}}, %{{.*}}, %{{.*}})

// Small layers, and loops that blocks leave one by one, have the one form.

// SMALL-LABEL: llvm.func @"each$x86-64-v3"
// SMALL: llvm.mlir.addressof @"each$x86-64-v3$samples{{[0-9]+}}" :
// SMALL-NOT: $samples{{[0-9]+}}_

//--- wide.pcir
pc.model @m {
  %x = pc.input @x : tensor<400xf32>
  %a = pc.linear @fc %x : tensor<400xf32> -> tensor<400xf32>
  %h = pc.vode @h %a energy(se) : tensor<400xf32>
  %c = pc.linear @out %h : tensor<400xf32> -> tensor<400xf32>
  %o = pc.vode @y %c energy(se) : tensor<400xf32>
}
pc.program @each on @m (%x: tensor<400xf32>, %y: tensor<400xf32>) {
  pc.clamp @x = %x : tensor<400xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<400xf32>
  pc.repeat 9 { pc.infer sgd(lr = 0.1, momentum = 0.5) }
  %h = pc.read @h : tensor<400xf32>
  pc.output "h" = %h : tensor<400xf32>
}

//--- small.pcir
pc.model @m {
  %x = pc.input @x : tensor<300xf32>
  %a = pc.linear @fc %x : tensor<300xf32> -> tensor<300xf32>
  %h = pc.vode @h %a energy(se) : tensor<300xf32>
  %c = pc.linear @out %h : tensor<300xf32> -> tensor<300xf32>
  %o = pc.vode @y %c energy(se) : tensor<300xf32>
}
pc.program @each on @m (%x: tensor<300xf32>, %y: tensor<300xf32>) {
  pc.clamp @x = %x : tensor<300xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<300xf32>
  pc.repeat 9 { pc.infer sgd(lr = 0.1, momentum = 0.5) }
  %h = pc.read @h : tensor<300xf32>
  pc.output "h" = %h : tensor<300xf32>
}

//--- stop.pcir
pc.model @m {
  %x = pc.input @x : tensor<400xf32>
  %a = pc.linear @fc %x : tensor<400xf32> -> tensor<400xf32>
  %h = pc.vode @h %a energy(se) : tensor<400xf32>
  %c = pc.linear @out %h : tensor<400xf32> -> tensor<400xf32>
  %o = pc.vode @y %c energy(se) : tensor<400xf32>
}
pc.program @each on @m (%x: tensor<400xf32>, %y: tensor<400xf32>) {
  %tolerance = arith.constant 0.01 : f64
  pc.clamp @x = %x : tensor<400xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<400xf32>
  pc.repeat 100 {
    %p = pc.point
    %g = pc.gradient states at %p
    %n = pc.norm %g : tensor<f32>
    pc.stop %n below(%tolerance) : tensor<f32>
    pc.update %g sgd(lr = 0.1, momentum = 0.5)
  }
  %h = pc.read @h : tensor<400xf32>
  pc.output "h" = %h : tensor<400xf32>
}
