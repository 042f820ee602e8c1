// RUN: pc-opt %s --pc-llvm-pipeline | FileCheck %s

// Loops over vectors become blocks, transcendental functions polynomials: no
// library is called, and a vector stays one. An explicit multiply-add stays
// fused, a product and a sum stay two operations.

// CHECK-NOT: llvm.call
// CHECK-LABEL: llvm.func @kernel(
// CHECK: llvm.br ^bb[[HEAD:[0-9]+]](
// CHECK: llvm.icmp "slt"
// CHECK-NEXT: llvm.cond_br
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> vector<16xf32>
// CHECK: llvm.intr.fma(%{{.*}}) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>
// CHECK: llvm.fmul %{{.*}} : vector<16xf32>
// CHECK-NOT: fastmath
// CHECK: llvm.fadd %{{.*}} : vector<16xf32>
// CHECK: llvm.store %{{.*}} : vector<16xf32>, !llvm.ptr
// CHECK: llvm.br ^bb[[HEAD]](
// CHECK: llvm.return
// CHECK-NOT: llvm.call
// CHECK-NOT: unrealized_conversion_cast
llvm.func @kernel(%x: !llvm.ptr, %y: !llvm.ptr, %n: i64) {
  %zero = arith.constant 0 : i64
  %step = arith.constant 16 : i64
  %half = arith.constant dense<0.5> : vector<16xf32>
  scf.for %i = %zero to %n step %step : i64 {
    %from = llvm.getelementptr %x[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %to = llvm.getelementptr %y[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %v = llvm.load %from {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
    %f = math.fma %v, %half, %v : vector<16xf32>
    %t = math.tanh %f : vector<16xf32>
    %p = arith.mulf %t, %v : vector<16xf32>
    %s = arith.addf %p, %half : vector<16xf32>
    llvm.store %s, %to {alignment = 4 : i64} : vector<16xf32>, !llvm.ptr
  }
  llvm.return
}

// Every function that an activation, an energy or a program needs.
// CHECK-LABEL: llvm.func @functions(
// CHECK: llvm.intr.sqrt
// CHECK-NOT: llvm.intr.{{exp|log|sin|cos|pow|tanh}}
// CHECK: llvm.return
llvm.func @functions(%x: vector<8xf64>, %z: f64) -> vector<8xf64> {
  %a = math.exp %x : vector<8xf64>
  %b = math.log %a : vector<8xf64>
  %c = math.log1p %b : vector<8xf64>
  %d = math.erf %c : vector<8xf64>
  %e = math.tanh %d : vector<8xf64>
  %f = math.sin %e : vector<8xf64>
  %g = math.cos %f : vector<8xf64>
  %p = math.powf %z, %z : f64
  %q = vector.broadcast %p : f64 to vector<8xf64>
  %r = arith.addf %g, %q : vector<8xf64>
  %s = math.sqrt %r : vector<8xf64>
  llvm.return %s : vector<8xf64>
}

// Lanes are added pairwise with shuffles, and masks are constants.
// CHECK-LABEL: llvm.func @lanes(
// CHECK: llvm.shufflevector
// CHECK: llvm.extractelement
// CHECK: llvm.intr.masked.store
llvm.func @lanes(%x: vector<4xf32>, %p: !llvm.ptr) -> f32 {
  %s = vector.shuffle %x, %x [2, 3, 0, 1] : vector<4xf32>, vector<4xf32>
  %a = arith.addf %s, %x : vector<4xf32>
  %e = vector.extract %a[0] : f32 from vector<4xf32>
  %m = arith.constant dense<[true, true, false, false]> : vector<4xi1>
  llvm.intr.masked.store %x, %p, %m {alignment = 4 : i32} : vector<4xf32>, vector<4xi1> into !llvm.ptr
  llvm.return %e : f32
}
