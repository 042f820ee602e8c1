// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front --canonicalize --cse | FileCheck %s
// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front --remark-policy=all --remarks-filter=pc-peel-error-front -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK
// RUN: pc-opt %S/Inputs/chain.pcir --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front=max-steps=1 --canonicalize --cse | FileCheck %s --check-prefix=LIMIT
// RUN: pc-opt %S/Inputs/deep.pcir --pc-inline-blocks --pc-expand-layers --pc-lower-programs --canonicalize --cse \
// RUN:   --loop-invariant-code-motion --pc-peel-error-front=max-steps=3 --canonicalize --cse --remark-policy=all --remarks-filter=pc-peel-error-front 2>&1 \
// RUN:   | FileCheck %s --check-prefix=DEEP
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

// One copy of the body is no gain: it would do what a whole step does.
// LIMIT-LABEL: func.func @pc(
// LIMIT-DAG: %[[FIRST:.*]] = arith.constant 0 : index
// LIMIT: scf.for %{{.*}} = %[[FIRST]] to

// A front of eight steps, cut into three loops. The first one moves the two last
// hidden vodes: a product forward and two back. Where it ends the carried states go on into the next loop, which
// has three more vodes; and no loop carries what no error has reached.
// DEEP: steps 0 to 1 are a loop of their own
// DEEP: steps 2 to 4 are a loop of their own
// DEEP: steps 5 to 7 are a loop of their own
// DEEP-NOT: are a loop of their own
// DEEP-LABEL: func.func @pc(
// DEEP-DAG: %[[C0:.*]] = arith.constant 0 : index
// DEEP-DAG: %[[C2:.*]] = arith.constant 2 : index
// DEEP-DAG: %[[C5:.*]] = arith.constant 5 : index
// DEEP-DAG: %[[C8:.*]] = arith.constant 8 : index
// DEEP-DAG: %[[C20:.*]] = arith.constant 20 : index
// DEEP-COUNT-8: pc.dense
// DEEP: %[[A:.*]]:2 = scf.for %{{.*}} = %[[C0]] to %[[C2]] step %{{.*}} iter_args(%[[H7:.*]] = %{{.*}}, %[[H8:.*]] = %{{.*}}) ->
// DEEP-NEXT: pc.dense %[[H8]], %{{.*}} -> tensor<?x2xf32>
// DEEP-COUNT-2: pc.dense %{{.*}} transposed
// DEEP-NOT: pc.dense
// DEEP: pc.sub %[[H7]],
// DEEP: pc.sub %[[H8]],
// DEEP: scf.yield
// DEEP: %[[B:.*]]:5 = scf.for %{{.*}} = %[[C2]] to %[[C5]] step %{{.*}} iter_args({{.*}} = %[[A]]#0, %{{.*}} = %[[A]]#1) ->
// DEEP: %[[C:.*]]:8 = scf.for %{{.*}} = %[[C5]] to %[[C8]] step %{{.*}} iter_args({{.*}} = %[[B]]#0, {{.*}} = %[[B]]#4) ->
// DEEP: scf.for %{{.*}} = %[[C8]] to %[[C20]] step %{{.*}} iter_args({{.*}} = %[[C]]#0, {{.*}} = %[[C]]#7) ->

// What no error reaches keeps its state: the loop does not carry it, neither its
// state nor its momentum, and only the step in which the error arrives is peeled.
// BRANCH: step 0 is peeled
// BRANCH-NOT: step 1 is peeled
// BRANCH: operations a sample are provably nothing in every step
// BRANCH-LABEL: func.func @pc(
// BRANCH: %{{.*}}:2 = scf.for {{.*}} -> (tensor<?x5xf32>, tensor<?x5xf32>)
// BRANCH-NOT: tensor<?x3xf32>
// BRANCH: scf.yield
