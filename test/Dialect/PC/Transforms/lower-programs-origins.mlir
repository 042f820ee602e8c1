// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: pc-opt %s --pc-expand-layers --pc-lower-programs --canonicalize --cse --pc-peel-error-front --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=PEEL

// What is built for a statement says so, and for which vode: predictions,
// energies and their gradients the vode that they belong to, steps what moves.

// CHECK-LABEL: func.func @train
// CHECK: pc.dense {{.*}} loc(fused<#pc.origin<"init" "h">>["{{.*}}lower-programs-origins.mlir":[[@LINE+16]]:8])
// CHECK: scf.for
// CHECK: pc.dense {{.*}} transposed {{.*}} loc(fused<#pc.origin<"infer" "label">>
// CHECK: pc.scale {{.*}} loc(fused<#pc.origin<"infer" "h">>["{{.*}}":[[@LINE+22]]:
// CHECK: pc.batch_outer {{.*}} loc(fused<#pc.origin<"learn" "h">>
// CHECK: pc.sub {{.*}} tensor<2x3xf32> loc(fused<#pc.origin<"learn" "h">>

// A peeled step has its number; what a loop keeps has none.
// PEEL-LABEL: func.func @train
// PEEL: pc.dense {{.*}} loc(fused<#pc.origin<"init" "h">>
// PEEL: pc.dense {{.*}} loc(fused<#pc.origin<"infer" "label", 0>>
// PEEL: scf.for
// PEEL: pc.dense {{.*}} loc(fused<#pc.origin<"infer" "label">>

pc.model @tiny {
  %x = pc.input @x : tensor<3xf32>
  %a = pc.linear @fc1 %x : tensor<3xf32> -> tensor<2xf32>
  %h = pc.vode @h %a energy(se) : tensor<2xf32>
  %b = pc.linear @fc2 %h : tensor<2xf32> -> tensor<1xf32>
  %y = pc.vode @label %b energy(se) : tensor<1xf32>
}
pc.program @train on @tiny (%x: tensor<3xf32>, %label: tensor<1xf32>) {
  pc.clamp @x = %x : tensor<3xf32>
  pc.init forward
  pc.clamp @label = %label : tensor<1xf32>
  pc.repeat 9 { pc.infer sgd(lr = 0.1) }
  pc.learn sgd(lr = 0.1)
}
