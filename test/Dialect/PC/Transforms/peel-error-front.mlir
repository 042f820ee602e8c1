// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front --canonicalize --cse | FileCheck %s
// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front --remark-policy=all --remarks-filter=pc-peel-error-front -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK
// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front=max-steps=1 --canonicalize --cse | FileCheck %s --check-prefix=LIMIT
// RUN: pc-opt %S/Inputs/branch.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front --canonicalize --cse --remark-policy=all --remarks-filter=pc-peel-error-front 2>&1 \
// RUN:   | FileCheck %s --check-prefix=BRANCH

// Of 20 steps, two are peeled (two hidden vodes); the rest stays a loop.
// CHECK-LABEL: func.func @pc(
// CHECK-DAG: %[[FIRST:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[LAST:.*]] = arith.constant 20 : index
//
// The forward pass: three products.
// CHECK-COUNT-3: pc.dense %{{.*}}, %{{.*}} : tensor
// Step 0: only the last hidden vode moves, by the output's error alone.
// CHECK: %[[G:.*]] = pc.dense %{{.*}}, %{{.*}} transposed difference : tensor<?x2xf32>
// CHECK-NEXT: pc.scale %[[G]]
// CHECK-NEXT: pc.sub
// Step 1: one product forward, two back.
// CHECK: pc.dense %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<2x4xf32>
// CHECK: pc.dense %{{.*}}, %{{.*}} transposed difference : tensor<?x2xf32>
// CHECK: pc.dense %{{.*}}, %{{.*}} transposed difference : tensor<?x4xf32>
// CHECK-NOT: pc.dense
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]]
// The first prediction is a constant: not in the loop.
// CHECK-NOT: tensor<?x6xf32>
// CHECK: scf.yield

// Weights move at every step: only the first step is shorter.
// CHECK-LABEL: func.func @ipc(
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: scf.for %{{.*}} = %[[ONE]] to

// Nothing is known before a random start.
// CHECK-LABEL: func.func @normal(
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: scf.for %{{.*}} = %[[ZERO]] to

// A bound that is known at run time only.
// CHECK-LABEL: func.func @dynamic(
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: scf.for %{{.*}} = %[[ZERO]] to %{{.*}}

// REMARK: step 0 is peeled: {{[0-9]+}} of {{[0-9]+}} operations a sample are provably nothing
// REMARK: step 1 is peeled
// REMARK: no step is peeled: the first step is as much work as any
// REMARK: no step is peeled: the number of steps is known at run time only

// LIMIT-LABEL: func.func @pc(
// LIMIT-DAG: %[[FIRST:.*]] = arith.constant 1 : index
// LIMIT: scf.for %{{.*}} = %[[FIRST]] to

// What no error reaches keeps its state: the loop does not carry it, neither its
// state nor its momentum, and only the step in which the error arrives is peeled.
// BRANCH: step 0 is peeled
// BRANCH-NOT: step 1 is peeled
// BRANCH: operations a sample are provably nothing in every step
// BRANCH-LABEL: func.func @pc(
// BRANCH: %{{.*}}:2 = scf.for {{.*}} -> (tensor<?x5xf32>, tensor<?x5xf32>)
// BRANCH-NOT: tensor<?x3xf32>
// BRANCH: scf.yield
