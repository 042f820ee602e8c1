// RUN: pc-opt %models/mlp.pcir --pc-model-pipeline=define=width=64 | FileCheck %s --check-prefix=MODEL
// RUN: pc-opt %models/mlp.pcir --pc-to-functional-pipeline=float=f64 | FileCheck %s --check-prefix=FUNCTIONAL
// RUN: pc-opt %models/mlp.pcir --pc-to-simplified-pipeline | FileCheck %s --check-prefix=SIMPLIFIED
// RUN: pc-opt %models/mlp.pcir --pc-to-simplified-pipeline=eliminate=false | FileCheck %s --check-prefix=WHOLE

// MODEL: pc.model @mlp
// MODEL: pc.param @fc1.weight init(fan_in(7.840000e+02)) : tensor<64x784xf32>
// MODEL-NOT: pc.linear
// MODEL: pc.program @train

// FUNCTIONAL-NOT: f32
// FUNCTIONAL: func.func @train({{.*}}tensor<?x784xf64>
// FUNCTIONAL: scf.for
// FUNCTIONAL: func.func @evaluate(

// Three steps are peeled, five are left.
// SIMPLIFIED: func.func @train(
// SIMPLIFIED-DAG: %[[FIRST:.*]] = arith.constant 3 : index
// SIMPLIFIED-DAG: %[[LAST:.*]] = arith.constant 8 : index
// SIMPLIFIED: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]]
// SIMPLIFIED-COUNT-6: pc.dense
// SIMPLIFIED: scf.yield

// WHOLE: func.func @train(
// WHOLE-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// WHOLE: scf.for %{{.*}} = %[[ZERO]] to
