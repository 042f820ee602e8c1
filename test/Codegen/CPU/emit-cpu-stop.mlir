// RUN: pc-opt %s --pc-to-scheduled-pipeline=mcpu=x86-64-v3 -o %t.mlir
// RUN: pc-opt %t.mlir --pc-emit-cpu=cpus=x86-64-v3 | FileCheck %s
// RUN: pc-opt %s --pc-to-scheduled-pipeline="mcpu=cooperlake precision=bf16" -o %t.narrow.mlir
// RUN: pc-opt %t.narrow.mlir --pc-emit-cpu=cpus=cooperlake | FileCheck %s --check-prefix=NARROW

pc.model @m {
  %x = pc.input @x : tensor<6xf32>
  %a = pc.linear @fc %x : tensor<6xf32> -> tensor<5xf32>
  %h = pc.vode @h %a energy(se) : tensor<5xf32>
  %c = pc.linear @out %h : tensor<5xf32> -> tensor<3xf32>
  %o = pc.vode @y %c energy(se) : tensor<3xf32>
}

// With products of bfloat16, too.
// NARROW-LABEL: llvm.func internal @each$cooperlake$samples
// NARROW: scf.while

// A loop goes on while a sample of the block is running: the rows of the last
// block that are no samples do not count.
// CHECK-LABEL: llvm.func internal @"each$x86-64-v3$samples
// CHECK-DAG: %[[FIRST:.*]] = arith.muli %arg1
// CHECK: %[[LEFT:.*]] = arith.subi %{{.*}}, %[[FIRST]]
// CHECK: %[[SAMPLES:.*]] = arith.minsi %{{.*}}, %[[LEFT]]
// CHECK: scf.while (%[[T:.*]] = %{{.*}}) : (index) -> index {
// CHECK:   %[[MORE:.*]] = arith.cmpi slt, %[[T]], %{{.*}} : index
// CHECK:   %[[ANY:.*]] = scf.for %{{.*}} to %[[SAMPLES]] {{.*}} -> (i1)
// CHECK:     llvm.load {{.*}} -> f32
// CHECK:     arith.cmpf une
// CHECK:     arith.ori
// CHECK:   %[[ON:.*]] = arith.andi %[[MORE]], %[[ANY]]
// CHECK:   scf.condition(%[[ON]]) %[[T]]
// CHECK: } do {
// CHECK:   llvm.call
// CHECK:   scf.yield
// CHECK: llvm.return
pc.program @each on @m (%x: tensor<6xf32>, %y: tensor<3xf32>) {
  %tolerance = pc.hyper "tolerance" default 0.01
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<3xf32>
  pc.repeat 100 {
    %p = pc.point
    %g = pc.gradient states at %p
    %n = pc.norm %g : tensor<f32>
    pc.stop %n below(%tolerance) : tensor<f32>
    pc.update %g sgd(lr = 0.1, momentum = 0.5)
  }
  %r = pc.read @h : tensor<5xf32>
  pc.output "h" = %r : tensor<5xf32>
}

// Adam's count goes on, whoever has stopped: all iterations change something.
// CHECK-LABEL: llvm.func internal @"counts$x86-64-v3$samples
// CHECK-NOT: scf.while
// CHECK: scf.for
// CHECK-NOT: scf.while
// CHECK: llvm.return
pc.program @counts on @m (%x: tensor<6xf32>, %y: tensor<3xf32>) {
  %tolerance = pc.hyper "tolerance" default 0.01
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<3xf32>
  pc.repeat 100 {
    %p = pc.point
    %g = pc.gradient states at %p
    %n = pc.norm %g : tensor<f32>
    pc.stop %n below(%tolerance) : tensor<f32>
    pc.update %g adam(lr = 0.1)
  }
  %r = pc.read @h : tensor<5xf32>
  pc.output "h" = %r : tensor<5xf32>
}
