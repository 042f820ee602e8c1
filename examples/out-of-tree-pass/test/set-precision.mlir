// RUN: pc-opt %s %plugin --pass-pipeline='builtin.module(pc.model(set-precision{value=0.5}))' | FileCheck %s
// RUN: not pc-opt %s %plugin --pass-pipeline='builtin.module(pc.model(set-precision{value=0.0}))' 2>&1 | FileCheck %s --check-prefix=ZERO

// ZERO: error: set-precision: expected a positive value, found 0

// CHECK-LABEL: pc.model @m
pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  // CHECK: pc.vode @plain {{.*}} energy(se) precision(5.000000e-01)
  %a = pc.vode @plain %x energy(se) : tensor<4xf32>
  // CHECK: pc.vode @set {{.*}} energy(se) precision(2.000000e+00)
  %b = pc.vode @set %a energy(se) precision(2.0) : tensor<4xf32>
  // CHECK: pc.vode @classes {{.*}} energy(ce) :
  %c = pc.vode @classes %b energy(ce) : tensor<4xf32>
  // CHECK: pc.vode @last {{.*}} energy(se) :
  %d = pc.vode @last %c energy(se) : tensor<4xf32>
}
