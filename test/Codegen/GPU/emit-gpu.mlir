// RUN: pc-opt %s --pc-schedule="max-batch=32 sample-block=8 any-layout" --convert-pc-to-linalg --canonicalize --cse --pc-form-groups --pc-plan-buffers -o %t.mlir
// RUN: pc-opt %t.mlir --pc-emit-gpu=strategy=persistent | FileCheck %s
// RUN: pc-opt %t.mlir --pc-emit-gpu=tf32 | FileCheck %s --check-prefix=TF32
// RUN: not pc-opt %t.mlir --pc-emit-gpu=strategy=graph 2>&1 | FileCheck %s --check-prefix=BLOCK
// RUN: not pc-opt %t.mlir --pc-emit-gpu=strategy=swift 2>&1 | FileCheck %s --check-prefix=STRATEGY
// RUN: pc-opt %s --pc-schedule="max-batch=32 sample-block=32 any-layout" --convert-pc-to-linalg --canonicalize --cse --pc-form-groups --pc-plan-buffers -o %t.graph.mlir
// RUN: pc-opt %t.graph.mlir --pc-emit-gpu=strategy=graph | FileCheck %s --check-prefix=GRAPH

// Shared memory has the size that a launch gives it.
// CHECK: gpu.module @kernels {

// All blocks meet at a counter: the last one sets it back and starts the next
// generation, which the others wait for.
// CHECK: llvm.func internal @pcx_meet(%{{.*}}: !llvm.ptr<1>) attributes {convergent} {
// CHECK: nvvm.barrier
// CHECK: scf.if
// CHECK: llvm.load %{{.*}} atomic syncscope("device") monotonic
// CHECK: llvm.atomicrmw add %{{.*}} syncscope("device") acq_rel
// CHECK: llvm.store %{{.*}} atomic syncscope("device") monotonic
// CHECK: llvm.atomicrmw add %{{.*}} syncscope("device") release
// CHECK: scf.while
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
// CHECK: nvvm.barrier
// CHECK: llvm.mlir.global external @pcx_shared() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>

// One kernel for the program: the stage over samples, block by block, then all
// blocks meet, and the update of the weight, which reads the rate. The addresses
// of what it touches are parameters: of x, w, y and the workspace.
// CHECK: llvm.func @step(%[[TABLE:.*]]: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<4 x ptr<1>>}, %[[SCALARS:.*]]: !llvm.ptr<1>, %{{.*}}: i64) attributes {convergent, nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 256, 1, 1>}
// CHECK: scf.for
// CHECK: llvm.call @step_0_contract_8x20x6
// CHECK: nvvm.barrier
// CHECK: llvm.call @pcx_meet
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> f64
// CHECK: llvm.call @step_1_contract_6x20xn
// CHECK: llvm.return

// A tile of eight rows by 32 columns, two sums in each of 128 threads: all of its
// operands are copied to shared memory. The epilogue works on the sums.
// CHECK: llvm.func internal @step_0_contract_8x20x6(%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32)
// CHECK: llvm.mlir.addressof @pcx_shared : !llvm.ptr<3>
// CHECK: scf.for
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 8, cache = ca, %{{.*}}
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg, %{{.*}}
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.barrier
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> vector<4xf32>
// CHECK-COUNT-16: math.fma
// CHECK-NOT: math.fma
// CHECK: math.tanh
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>

// The weight's gradient and its update are one kernel. Two slices are on their
// way before the first one is waited for, and one while another is multiplied.
// CHECK: llvm.func internal @step_1_contract_6x20xn
// CHECK: scf.for
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 1
// CHECK: nvvm.barrier
// CHECK: nvvm.cp.async.commit.group
// CHECK: math.fma
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: arith.subf
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>

// Tensor cores take 16 columns of the weight by 8 samples.
// TF32: llvm.func internal @step_0_contract_8x20x6(
// TF32: nvvm.convert.float.to.tf32 %{{.*}} {rnd = #nvvm.fp_rnd_mode<rna>}
// TF32: nvvm.mma.sync A[%{{.*}}] B[%{{.*}}] C[%{{.*}}] {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<tf32>, multiplicandBPtxType = #nvvm.mma_type<tf32>, shape = #nvvm.shape<m = 16, n = 8, k = 8>}
// TF32-NOT: math.fma

// The host counts the step, appends the rate and launches.
// CHECK: llvm.func @step$cuda(%{{.*}}: !llvm.ptr) -> i32 attributes {pc.entry = {
// CHECK-SAME: launches = {{\[\[}}"step", array<i64: 256, 18432, 1, 1, 4, 0>, 1.000000e+00, array<i64: 0, 1, 2, 3>, {{[^]]*}}array<i64: {{0, 0, 2, 0, 1, 0, 6, 0}}>]
// CHECK-SAME: meets = 1.000000e+00
// CHECK-SAME: strategy = "persistent"
// CHECK: arith.addi
// CHECK: llvm.store %{{.*}} : i64, !llvm.ptr
// CHECK: llvm.call %{{.*}} : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64) -> ()
// CHECK: llvm.call %{{.*}} : !llvm.ptr, (!llvm.ptr, i32) -> i32

// A kernel for each group, one after another; none waits for other blocks.
// BLOCK: error: a kernel for each group takes all samples at once: expected a sample block of at least 32, found 8
// STRATEGY: error: unknown strategy 'swift', expected persistent or graph
// GRAPH-NOT: @pcx_meet
// GRAPH: llvm.func @step_kernel0_contract_32x20x6({{.*}}nvvm.kernel
// GRAPH: llvm.func @step_kernel1_contract_6x20xn({{.*}}nvvm.kernel
// GRAPH: llvm.func @twice_kernel0_contract_32x6x6(%{{.*}}: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<3 x ptr<1>>}
// GRAPH: llvm.func @step$cuda
// GRAPH-SAME: strategy = "graph"
// GRAPH-COUNT-2: (!llvm.ptr, i32) -> i32

// Layers that are alike have one kernel, which is given other addresses: of the
// input, the first weight and the workspace; of the workspace, the second
// weight and the output.
// GRAPH: llvm.func @twice$cuda
// GRAPH-SAME: launches = {{\[\[}}"twice_kernel0_contract_32x6x6", {{[^]]*}}array<i64: 0, 0, 4, 0, 6, 256>], ["twice_kernel0_contract_32x6x6", {{[^]]*}}array<i64: 6, 256, 5, 0, 1, 0>]]
func.func @step(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<6x20xf32> {pc.port = #pc.port<parameter "w">},
                %t: tensor<i64> {pc.port = #pc.port<optimiser "t">},
                %rate: f64 {pc.port = #pc.port<hyper "lr" {value = 1.0e-1 : f64}>})
    -> (tensor<6x20xf32> {pc.port = #pc.port<parameter "w">},
        tensor<?x20xf32> {pc.port = #pc.port<output "y">},
        tensor<i64> {pc.port = #pc.port<optimiser "t">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %c = tensor.extract %t[] : tensor<i64>
  %one = arith.constant 1 : i64
  %d = arith.addi %c, %one : i64
  %n = tensor.from_elements %d : tensor<i64>
  %a = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x20xf32> -> tensor<?x20xf32>
  %y = pc.tanh %a : tensor<?x20xf32>
  %g = pc.batch_outer %x, %y : tensor<?x6xf32>, tensor<?x20xf32> -> tensor<6x20xf32>
  %s = pc.scale %g, %rate : tensor<6x20xf32>
  %p = pc.sub %w, %s : tensor<6x20xf32>
  return %p, %y, %n : tensor<6x20xf32>, tensor<?x20xf32>, tensor<i64>
}

func.func @twice(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                 %v: tensor<6x6xf32> {pc.port = #pc.port<parameter "v">},
                 %w: tensor<6x6xf32> {pc.port = #pc.port<parameter "v2">})
    -> (tensor<?x6xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", evaluate, 1>} {
  %a = pc.dense %x, %v transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  %b = pc.dense %a, %w transposed : tensor<?x6xf32>, tensor<6x6xf32> -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
