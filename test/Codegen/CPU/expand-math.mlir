// RUN: pc-opt %s --split-input-file --pc-expand-math | FileCheck %s

// Vectors stay vectors, and no op is left that would become a call.

// CHECK-LABEL: func.func @exp_vector
// CHECK-SAME: (%[[X:.*]]: vector<16xf32>)
// CHECK-NOT: math.exp
// CHECK-NOT: vector.extract
// CHECK: arith.cmpf olt
// CHECK: arith.cmpf ogt
// CHECK-COUNT-9: math.fma %{{.*}} : vector<16xf32>
// CHECK: arith.mulf %{{.*}} : vector<16xf32>
// CHECK-NEXT: return
func.func @exp_vector(%x: vector<16xf32>) -> vector<16xf32> {
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}

// -----

// CHECK-LABEL: func.func @scalars
// CHECK-NOT: math.{{cos|erf|exp|log|pow|rsqrt|sin|tanh}}
// CHECK-NOT: arith.remf
// CHECK: return
func.func @scalars(%x: f64, %y: f32) -> (f64, f32) {
  %0 = math.exp %x : f64
  %1 = math.expm1 %0 : f64
  %2 = math.log %1 : f64
  %3 = math.log1p %2 : f64
  %4 = math.tanh %3 : f64
  %5 = math.erf %4 : f64
  %6 = math.powf %5, %x : f64
  %7 = math.rsqrt %6 : f64
  %8 = math.exp2 %7 : f64
  %9, %10 = math.sincos %8 : f64
  %11 = arith.remf %9, %10 : f64
  %12 = math.sin %y : f32
  %13 = math.cos %12 : f32
  return %11, %13 : f64, f32
}

// -----

// f32 angles are reduced in f64.

// CHECK-LABEL: func.func @sin_vector
// CHECK: arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK-NOT: math.sin
// CHECK: arith.truncf %{{.*}} : vector<8xf64> to vector<8xf32>
func.func @sin_vector(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.sin %x : vector<8xf32>
  return %y : vector<8xf32>
}

// -----

// What is one instruction, or integer arithmetic, stays.

// CHECK-LABEL: func.func @native
// CHECK: math.sqrt
// CHECK: math.fma
// CHECK: math.absf
// CHECK: math.copysign
// CHECK: math.floor
// CHECK: math.ceil
// CHECK: math.roundeven
// CHECK: math.trunc
// CHECK: math.ctpop
func.func @native(%x: vector<8xf32>, %i: i64) -> (vector<8xf32>, i64) {
  %0 = math.sqrt %x : vector<8xf32>
  %1 = math.fma %0, %x, %x : vector<8xf32>
  %2 = math.absf %1 : vector<8xf32>
  %3 = math.copysign %2, %x : vector<8xf32>
  %4 = math.floor %3 : vector<8xf32>
  %5 = math.ceil %4 : vector<8xf32>
  %6 = math.roundeven %5 : vector<8xf32>
  %7 = math.trunc %6 : vector<8xf32>
  %8 = math.ctpop %i : i64
  return %7, %8 : vector<8xf32>, i64
}

// -----

// No fast-math flag reaches the arithmetic, whose order matters.

// CHECK-LABEL: func.func @flags
// CHECK-NOT: fastmath
func.func @flags(%x: f32) -> f32 {
  %y = math.exp %x fastmath<fast> : f32
  return %y : f32
}
