// RUN: pc-opt %s --test-pc-elements | FileCheck %s
// RUN: pc-opt %s --test-pc-elements=width=8 | FileCheck %s --check-prefix=VECTOR
// RUN: pc-opt %s --test-pc-elements --cse | FileCheck %s --check-prefix=SHARED

// What elementwise operations do with one element, or with a vector of them.
// No operation carries fast-math flags.

// CHECK-NOT: fastmath
// VECTOR-NOT: fastmath

// CHECK-LABEL: func.func @arithmetic(
// CHECK-SAME: %[[X:.*]]: f32, %[[Y:.*]]: f32, %[[S:.*]]: f64) -> f32
// CHECK-NEXT: %[[A:.*]] = arith.addf %[[X]], %[[Y]] : f32
// CHECK-NEXT: %[[B:.*]] = arith.subf %[[A]], %[[X]] : f32
// CHECK-NEXT: %[[C:.*]] = arith.mulf %[[B]], %[[Y]] : f32
// CHECK-NEXT: %[[D:.*]] = arith.negf %[[C]] : f32
// CHECK-NEXT: %[[F:.*]] = arith.truncf %[[S]] : f64 to f32
// CHECK-NEXT: %[[E:.*]] = arith.mulf %[[D]], %[[F]] : f32
// CHECK-NEXT: return %[[E]] : f32
// VECTOR-LABEL: func.func @arithmetic(
// VECTOR-SAME: %[[X:.*]]: vector<8xf32>, %[[Y:.*]]: vector<8xf32>, %[[S:.*]]: f64) -> vector<8xf32>
// VECTOR-NEXT: arith.addf %[[X]], %[[Y]] : vector<8xf32>
func.func @arithmetic(%x: tensor<4xf32>, %y: tensor<4xf32>, %s: f64) -> tensor<4xf32> {
  %0 = pc.add %x, %y : tensor<4xf32>
  %1 = pc.sub %0, %x : tensor<4xf32>
  %2 = pc.mul %1, %y : tensor<4xf32>
  %3 = pc.neg %2 : tensor<4xf32>
  %4 = pc.scale %3, %s : tensor<4xf32>
  return %4 : tensor<4xf32>
}

// A NaN comes out as a NaN: the comparison that is false for it selects x.
// CHECK-LABEL: func.func @relu(
// CHECK-SAME: %[[X:.*]]: f32
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %[[C:.*]] = arith.cmpf olt, %[[X]], %[[ZERO]] : f32
// CHECK-NEXT: %[[R:.*]] = arith.select %[[C]], %[[ZERO]], %[[X]] : f32
// CHECK-NEXT: return %[[R]]
func.func @relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.relu %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @leaky_relu(
// CHECK-SAME: %[[X:.*]]: f32
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %[[C:.*]] = arith.cmpf oge, %[[X]], %[[ZERO]] : f32
// CHECK-NEXT: %[[SLOPE:.*]] = arith.constant 2.500000e-01 : f32
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[SLOPE]], %[[X]] : f32
// CHECK-NEXT: %[[R:.*]] = arith.select %[[C]], %[[X]], %[[M]] : f32
// CHECK-NEXT: return %[[R]]
// VECTOR-LABEL: func.func @leaky_relu(
// VECTOR: arith.constant dense<0.000000e+00> : vector<8xf32>
// VECTOR-NEXT: %[[C:.*]] = arith.cmpf oge, %{{.*}}, %{{.*}} : vector<8xf32>
// VECTOR: arith.select %[[C]], %{{.*}}, %{{.*}} : vector<8xi1>, vector<8xf32>
func.func @leaky_relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.leaky_relu %x slope(0.25) : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// An activation and its derivative share what they have in common: one
// exponential, one division, one comparison.
// SHARED-LABEL: func.func @gelu_and_slope(
// SHARED: math.exp
// SHARED: arith.divf
// SHARED: arith.cmpf oge
// SHARED-NOT: math.exp
// SHARED-NOT: arith.divf
// SHARED-NOT: arith.cmpf
// SHARED: return
func.func @gelu_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.gelu %x : tensor<4xf32>
  %1 = pc.act_grad gelu %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// SHARED-LABEL: func.func @gelu_exact_and_slope(
// SHARED: math.erf
// SHARED-NOT: math.erf
// SHARED: return
func.func @gelu_exact_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.gelu %x exact : tensor<4xf32>
  %1 = pc.act_grad gelu_exact %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// SHARED-LABEL: func.func @silu_and_slope(
// SHARED: math.exp
// SHARED-NOT: math.exp
// SHARED: return
func.func @silu_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.silu %x : tensor<4xf32>
  %1 = pc.act_grad silu %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// SHARED-LABEL: func.func @tanh_and_slope(
// SHARED: math.tanh
// SHARED-NOT: math.tanh
// SHARED: return
func.func @tanh_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.tanh %x : tensor<4xf32>
  %1 = pc.act_grad tanh %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// SHARED-LABEL: func.func @softplus_and_slope(
// SHARED: math.exp
// SHARED-NOT: math.exp
// SHARED: return
func.func @softplus_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.softplus %x : tensor<4xf32>
  %1 = pc.act_grad softplus %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// SHARED-LABEL: func.func @hard_tanh_and_slope(
// SHARED-COUNT-2: arith.cmpf
// SHARED-NOT: arith.cmpf
// SHARED: return
func.func @hard_tanh_and_slope(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = pc.hard_tanh %x : tensor<4xf32>
  %1 = pc.act_grad hard_tanh %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Constants of a region become vectors, and so do comparisons and integers.
// CHECK-LABEL: func.func @region(
// CHECK-SAME: %[[X:.*]]: f32, %[[Y:.*]]: f32) -> f32
// CHECK-NEXT: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT: %[[THREE:.*]] = arith.constant 3 : i32
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[X]], %[[TWO]] : f32
// CHECK-NEXT: %[[C:.*]] = arith.cmpf ogt, %[[M]], %[[Y]] : f32
// CHECK-NEXT: %[[I:.*]] = arith.fptosi %[[M]] : f32 to i32
// CHECK-NEXT: %[[J:.*]] = arith.addi %[[I]], %[[THREE]] : i32
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[J]] : i32 to f32
// CHECK-NEXT: %[[R:.*]] = arith.select %[[C]], %[[F]], %[[Y]] : f32
// CHECK-NEXT: return %[[R]] : f32
// VECTOR-LABEL: func.func @region(
// VECTOR-SAME: %[[X:.*]]: vector<8xf32>, %[[Y:.*]]: vector<8xf32>) -> vector<8xf32>
// VECTOR-NEXT: %[[TWO:.*]] = arith.constant dense<2.000000e+00> : vector<8xf32>
// VECTOR-NEXT: %[[THREE:.*]] = arith.constant dense<3> : vector<8xi32>
// VECTOR-NEXT: %[[M:.*]] = arith.mulf %[[X]], %[[TWO]] : vector<8xf32>
// VECTOR-NEXT: %[[C:.*]] = arith.cmpf ogt, %[[M]], %[[Y]] : vector<8xf32>
// VECTOR-NEXT: %[[I:.*]] = arith.fptosi %[[M]] : vector<8xf32> to vector<8xi32>
// VECTOR-NEXT: %[[J:.*]] = arith.addi %[[I]], %[[THREE]] : vector<8xi32>
// VECTOR-NEXT: %[[F:.*]] = arith.sitofp %[[J]] : vector<8xi32> to vector<8xf32>
// VECTOR-NEXT: %[[R:.*]] = arith.select %[[C]], %[[F]], %[[Y]] : vector<8xi1>, vector<8xf32>
// VECTOR-NEXT: return %[[R]] : vector<8xf32>
func.func @region(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.elementwise %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    %two = arith.constant 2.0 : f32
    %three = arith.constant 3 : i32
    %m = arith.mulf %a, %two : f32
    %c = arith.cmpf ogt, %m, %b : f32
    %i = arith.fptosi %m : f32 to i32
    %j = arith.addi %i, %three : i32
    %f = arith.sitofp %j : i32 to f32
    %r = arith.select %c, %f, %b : f32
    pc.yield %r : f32
  }
  return %0 : tensor<4xf32>
}

// A region that returns its argument has nothing to do.
// CHECK-LABEL: func.func @region_of_nothing(
// CHECK-SAME: %[[X:.*]]: f32) -> f32
// CHECK-NEXT: return %[[X]]
func.func @region_of_nothing(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    pc.yield %a : f32
  }
  return %0 : tensor<4xf32>
}

// Numbers that all elements share are computed in f64 and rounded once: 1 - b2 of
// a rounded b2 would be off by 2^-24 / (1 - b2). The corrections' reciprocals
// times the moments, then the moments by each other.
// CHECK-LABEL: func.func @adam(
// CHECK-SAME: %[[P:[^:]*]]: f32, %[[G:[^:]*]]: f32, %[[M:[^:]*]]: f32, %[[V:[^:]*]]: f32, %[[LR:[^:]*]]: f64, %[[B1:[^:]*]]: f64, %[[B2:[^:]*]]: f64, %[[EPS:[^:]*]]: f64, %[[WD:[^:]*]]: f64, %[[C1:[^:]*]]: f64, %[[C2:[^:]*]]: f64)
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f64
// CHECK-DAG: %[[RLR:.*]] = arith.truncf %[[LR]] : f64 to f32
// CHECK-DAG: %[[RB1:.*]] = arith.truncf %[[B1]] : f64 to f32
// CHECK-DAG: %[[RB2:.*]] = arith.truncf %[[B2]] : f64 to f32
// CHECK-DAG: %[[REPS:.*]] = arith.truncf %[[EPS]] : f64 to f32
// CHECK-DAG: %[[RWD:.*]] = arith.truncf %[[WD]] : f64 to f32
// CHECK-DAG: %[[ONE1:.*]] = arith.subf %[[ONE]], %[[B1]] : f64
// CHECK-DAG: %[[RONE1:.*]] = arith.truncf %[[ONE1]] : f64 to f32
// CHECK-DAG: %[[ONE2:.*]] = arith.subf %[[ONE]], %[[B2]] : f64
// CHECK-DAG: %[[RONE2:.*]] = arith.truncf %[[ONE2]] : f64 to f32
// CHECK-DAG: %[[I1:.*]] = arith.divf %[[ONE]], %[[C1]] : f64
// CHECK-DAG: %[[RI1:.*]] = arith.truncf %[[I1]] : f64 to f32
// CHECK-DAG: %[[I2:.*]] = arith.divf %[[ONE]], %[[C2]] : f64
// CHECK-DAG: %[[RI2:.*]] = arith.truncf %[[I2]] : f64 to f32
// CHECK-DAG: %[[B1M:.*]] = arith.mulf %[[RB1]], %[[M]] : f32
// CHECK-DAG: %[[B1G:.*]] = arith.mulf %[[RONE1]], %[[G]] : f32
// CHECK: %[[NM:.*]] = arith.addf %[[B1M]], %[[B1G]] : f32
// CHECK-DAG: %[[B2V:.*]] = arith.mulf %[[RB2]], %[[V]] : f32
// CHECK-DAG: %[[GG:.*]] = arith.mulf %[[G]], %[[G]] : f32
// CHECK-DAG: %[[B2G:.*]] = arith.mulf %[[RONE2]], %[[GG]] : f32
// CHECK: %[[NV:.*]] = arith.addf %[[B2V]], %[[B2G]] : f32
// CHECK-DAG: %[[VC:.*]] = arith.mulf %[[NV]], %[[RI2]] : f32
// CHECK-DAG: %[[ROOT:.*]] = math.sqrt %[[VC]] : f32
// CHECK-DAG: %[[MC:.*]] = arith.mulf %[[NM]], %[[RI1]] : f32
// CHECK-DAG: %[[DEN:.*]] = arith.addf %[[ROOT]], %[[REPS]] : f32
// CHECK: %[[DIR:.*]] = arith.divf %[[MC]], %[[DEN]] : f32
// CHECK-NEXT: %[[DECAY:.*]] = arith.mulf %[[RWD]], %[[P]] : f32
// CHECK-NEXT: %[[STEP:.*]] = arith.addf %[[DIR]], %[[DECAY]] : f32
// CHECK-NEXT: %[[LRS:.*]] = arith.mulf %[[RLR]], %[[STEP]] : f32
// CHECK-NEXT: %[[NP:.*]] = arith.subf %[[P]], %[[LRS]] : f32
// CHECK-NEXT: return %[[NP]], %[[NM]], %[[NV]]
func.func @adam(%p: tensor<4xf32>, %g: tensor<4xf32>, %m: tensor<4xf32>, %v: tensor<4xf32>, %lr: f64, %b1: f64, %b2: f64, %eps: f64, %wd: f64, %c1: f64, %c2: f64) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0:3 = pc.adam_update %p, %g, %m, %v lr(%lr) b1(%b1) b2(%b2) eps(%eps) weight_decay(%wd) corrections(%c1, %c2) : tensor<4xf32>
  return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
