// No function, expanded or native, ends as a call on either CPU level, and the
// vectors use the full width.

// RUN: pc-opt %s --pc-expand-math --convert-math-to-llvm --convert-vector-to-llvm --convert-arith-to-llvm --convert-func-to-llvm --reconcile-unrealized-casts | mlir-translate --mlir-to-llvmir -o %t.ll
// RUN: opt -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 %t.ll | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,V4 --implicit-check-not=call --implicit-check-not=jmp
// RUN: opt -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3 %t.ll | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,V3 --implicit-check-not=call --implicit-check-not=jmp

// CHECK-LABEL: f32_functions:
// V4: vfmadd{{.*}}ps {{.*}}zmm
// V3: vfmadd{{.*}}ps {{.*}}ymm
func.func @f32_functions(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.expm1 %0 : vector<16xf32>
  %2 = math.log %1 : vector<16xf32>
  %3 = math.log1p %2 : vector<16xf32>
  %4 = math.tanh %3 : vector<16xf32>
  %5 = math.erf %4 : vector<16xf32>
  %6 = math.powf %5, %x : vector<16xf32>
  %7 = math.rsqrt %6 : vector<16xf32>
  %8 = math.exp2 %7 : vector<16xf32>
  %9 = math.sin %8 : vector<16xf32>
  %10 = math.cos %9 : vector<16xf32>
  return %10 : vector<16xf32>
}

// CHECK-LABEL: f64_functions:
// V4: vfmadd{{.*}}pd {{.*}}zmm
// V3: vfmadd{{.*}}pd {{.*}}ymm
func.func @f64_functions(%x: vector<8xf64>) -> vector<8xf64> {
  %0 = math.exp %x : vector<8xf64>
  %1 = math.expm1 %0 : vector<8xf64>
  %2 = math.log %1 : vector<8xf64>
  %3 = math.log1p %2 : vector<8xf64>
  %4 = math.tanh %3 : vector<8xf64>
  %5 = math.erf %4 : vector<8xf64>
  %6 = math.powf %5, %x : vector<8xf64>
  %7 = math.rsqrt %6 : vector<8xf64>
  %8 = math.exp2 %7 : vector<8xf64>
  %9 = math.sin %8 : vector<8xf64>
  %10 = math.cos %9 : vector<8xf64>
  return %10 : vector<8xf64>
}

// CHECK-LABEL: native:
// V4: vsqrtps %zmm
// V3: vsqrtps %ymm
func.func @native(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.sqrt %x : vector<16xf32>
  %1 = math.fma %0, %x, %x : vector<16xf32>
  %2 = math.absf %1 : vector<16xf32>
  %3 = math.copysign %2, %x : vector<16xf32>
  %4 = math.floor %3 : vector<16xf32>
  %5 = math.ceil %4 : vector<16xf32>
  %6 = math.roundeven %5 : vector<16xf32>
  %7 = math.trunc %6 : vector<16xf32>
  %8 = math.round %7 : vector<16xf32>
  return %8 : vector<16xf32>
}

// CHECK-LABEL: native_scalar:
func.func @native_scalar(%x: f64) -> (f64, i1, i1) {
  %0 = math.sqrt %x : f64
  %1 = math.fma %0, %x, %x : f64
  %2 = math.absf %1 : f64
  %3 = math.copysign %2, %x : f64
  %4 = math.floor %3 : f64
  %5 = math.ceil %4 : f64
  %6 = math.roundeven %5 : f64
  %7 = math.trunc %6 : f64
  %8 = math.round %7 : f64
  %9 = math.isnan %x : f64
  %10 = math.isfinite %x : f64
  return %8, %9, %10 : f64, i1, i1
}
