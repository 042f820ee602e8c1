// RUN: pc-opt %s --pc-schedule="max-batch=32 sample-block=8" --convert-pc-to-linalg --canonicalize --cse --pc-form-groups --pc-plan-buffers --split-input-file | FileCheck %s
// RUN: pc-opt %s --pc-schedule="max-batch=32 sample-block=8" --convert-pc-to-linalg --canonicalize --cse --pc-form-groups --pc-plan-buffers=pad-rows --split-input-file | FileCheck %s --check-prefix=PADDED

// What one stage alone uses is a worker's scratch: two chained arrays of 8 x 16
// floats never live together with a third, so two places of 512 bytes suffice.
// The result goes where the caller wants it.
// CHECK-LABEL: func.func @scratch(
// CHECK-SAME: pc.worker_bytes = 1024 : i64, pc.workspace_bytes = 0 : i64
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 0>]}
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 512>]}
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 0>]}
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<output, 0>]}
// CHECK-NOT: pc.group
// CHECK: return

// Rows that are kept apart have 16 bytes more. What the caller or another stage
// sees does not change.
// PADDED-LABEL: func.func @scratch(
// PADDED-SAME: pc.padded_rows
// PADDED-SAME: pc.worker_bytes = 1280 : i64, pc.workspace_bytes = 0 : i64
// PADDED: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 0>]}
// PADDED: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 640>]}
func.func @scratch(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                   %w: tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %a = pc.dense %x, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %b = pc.dense %a, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %c = pc.dense %b, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %d = pc.dense %c, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  return %d : tensor<?x16xf32>
}

// -----

// What one stage makes and another reads is in the workspace that all threads
// share, with a row for each sample of the largest batch. A parameter is updated
// in place: the new value is the storage's own.
// PADDED-LABEL: func.func @update(
// PADDED-SAME: pc.worker_bytes = 0 : i64, pc.workspace_bytes = 2048 : i64
// CHECK-LABEL: func.func @update(
// CHECK-SAME: pc.worker_bytes = 0 : i64, pc.workspace_bytes = 2048 : i64
// CHECK: pc.stage samples
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<workspace, 0>]}
// CHECK: pc.stage params
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<storage, 0>]}
// CHECK-NOT: pc.group
// CHECK: return
func.func @update(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                  %w: tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %a = pc.dense %x, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %g = pc.batch_outer %x, %a : tensor<?x16xf32>, tensor<?x16xf32> -> tensor<16x16xf32>
  %p = pc.sub %w, %g : tensor<16x16xf32>
  return %p : tensor<16x16xf32>
}

// -----

// A loop's state is one place: the kernel that reads the old state element by
// element writes the new one over it. A product reads whole rows, so a state that
// is replaced by one gets a copy.
// CHECK-LABEL: func.func @loop(
// CHECK: %[[T:.*]] = pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<output, 0>]}
// CHECK: %[[V0:.*]] = pc.group ins(%[[T]] : {{.*}} attributes {pc.buffers = [#pc.buffer<output, 1>]}
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %[[T]], %[[V:.*]] = %[[V0]])
// CHECK: %[[U:.*]] = pc.group ins({{.*}}, %[[S]] : {{.*}} attributes {pc.buffers = [#pc.buffer<output, 0>]}
// CHECK: pc.group ins(%[[V]], {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 0>]}
// CHECK: %[[N:.*]] = pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<output, 1>]}
// CHECK: scf.yield %[[U]], %[[N]]
func.func @loop(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "y">}, tensor<?x16xf32> {pc.port = #pc.port<output "z">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %t = pc.tanh %x : tensor<?x16xf32>
  %r:2 = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %t, %v = %t) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
    %a = pc.dense %x, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %u = pc.add %s, %a : tensor<?x16xf32>
    %n = pc.dense %v, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    scf.yield %u, %n : tensor<?x16xf32>, tensor<?x16xf32>
  }
  return %r#0, %r#1 : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

// The weights' step needs the old states after the new ones are made. The stage
// that first reads the old ones copies its rows; nothing else moves between the
// stages, and the new states are written over what was copied.
// CHECK-LABEL: func.func @both(
// CHECK: scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}, %[[W:.*]] = %{{.*}}) ->
// CHECK-NEXT: %[[R:.*]]:2 = pc.stage samples ins(%[[S]], %[[W]] : {{.*}} -> (tensor<?x16xf32>, tensor<?x16xf32>)
// CHECK-NEXT: ^bb0(%[[OLD:.*]]: tensor<8x16xf32>, %{{.*}}: tensor<16x16xf32
// CHECK-NEXT: %[[COPY:.*]] = pc.group ins(%[[OLD]] : {{.*}} attributes {pc.buffers = [#pc.buffer<workspace, [[PLACE:[0-9]+]]>]}
// CHECK: %[[NEW:.*]] = pc.group ins(%[[COPY]], {{.*}} attributes {pc.buffers = [#pc.buffer<output, 0>]}
// CHECK: pc.yield %[[NEW]], %[[COPY]]
// CHECK: pc.stage params ins(%[[R]]#0, %[[R]]#1,
// CHECK-NOT: pc.stage
// CHECK: scf.yield %[[R]]#0,
func.func @both(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "y">}, tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    attributes {pc.program = #pc.program_info<"toy", train, 3>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %t = pc.tanh %x : tensor<?x16xf32>
  %r:2 = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %t, %v = %w) -> (tensor<?x16xf32>, tensor<16x16xf32>) {
    %n = pc.dense %s, %v transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %g = pc.batch_outer %n, %s : tensor<?x16xf32>, tensor<?x16xf32> -> tensor<16x16xf32>
    %p = pc.sub %v, %g : tensor<16x16xf32>
    scf.yield %n, %p : tensor<?x16xf32>, tensor<16x16xf32>
  }
  return %r#0, %r#1 : tensor<?x16xf32>, tensor<16x16xf32>
}

// -----

// Two arrays change places: both are read before either is written.
// CHECK-LABEL: func.func @swap(
// CHECK-SAME: %[[A:[^:]*]]: tensor<16xf32>
// CHECK-SAME: %[[B:[^:]*]]: tensor<16xf32>
// CHECK-SAME: pc.workspace_bytes = 128 : i64
// CHECK: %[[B1:.*]] = pc.stage params ins(%[[B]] :
// CHECK: pc.buffers = [#pc.buffer<workspace, 0>]
// CHECK: %[[A1:.*]] = pc.stage params ins(%[[A]] :
// CHECK: pc.buffers = [#pc.buffer<workspace, 64>]
// CHECK: pc.stage params ins(%[[B1]] :
// CHECK: pc.buffers = [#pc.buffer<storage, 0>]
// CHECK: pc.stage params ins(%[[A1]] :
// CHECK: pc.buffers = [#pc.buffer<storage, 1>]
func.func @swap(%a: tensor<16xf32> {pc.port = #pc.port<buffer "a">},
                %b: tensor<16xf32> {pc.port = #pc.port<buffer "b">})
    -> (tensor<16xf32> {pc.port = #pc.port<buffer "a">}, tensor<16xf32> {pc.port = #pc.port<buffer "b">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  return %b, %a : tensor<16xf32>, tensor<16xf32>
}

// -----

// An input that is an output is copied, and so is one value with two outputs. A
// counter is a number: its copy is one, too.
// CHECK-LABEL: func.func @copies(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x16xf32>
// CHECK-SAME: %[[T:[^:]*]]: tensor<i64>
// CHECK: %[[Y:.*]] = pc.stage samples ins(%[[X]] :
// CHECK: pc.buffers = [#pc.buffer<output, 1>]
// CHECK: math.tanh
// CHECK: pc.stage samples ins(%[[X]] :
// CHECK: pc.buffers = [#pc.buffer<output, 0>]
// CHECK: pc.stage samples ins(%[[Y]] :
// CHECK: pc.buffers = [#pc.buffer<output, 2>]
// CHECK: %[[COUNT:.*]] = tensor.extract %[[T]][]
// CHECK: tensor.from_elements %[[COUNT]] {pc.buffers = [#pc.buffer<output, 3>]}
func.func @copies(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                  %t: tensor<i64> {pc.port = #pc.port<optimiser "t">})
    -> (tensor<?x16xf32> {pc.port = #pc.port<output "x">},
        tensor<?x16xf32> {pc.port = #pc.port<output "y">},
        tensor<?x16xf32> {pc.port = #pc.port<output "z">},
        tensor<i64> {pc.port = #pc.port<output "t">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %y = pc.tanh %x : tensor<?x16xf32>
  return %x, %y, %y, %t : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<i64>
}

// -----

// An initial value that the loop itself reads, beside what it carries, keeps its
// place: the loop begins with a copy.
// CHECK-LABEL: func.func @initial(
// CHECK-SAME: pc.worker_bytes = 384 : i64
// CHECK: %[[A:.*]] = pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 0>]}
// CHECK: %[[B:.*]] = pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 128>]}
// CHECK: %[[COPY:.*]] = pc.group ins(%[[A]] {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 256>]}
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[COPY]], %[[T:.*]] = %[[B]])
// CHECK: pc.group ins(%[[A]], %[[T]] {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 256>]}
// CHECK: pc.group ins(%[[T]], {{.*}} attributes {pc.buffers = [#pc.buffer<scratch, 128>]}
func.func @initial(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">})
    -> (tensor<?x4xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %a = pc.relu %x : tensor<?x4xf32>
  %b = pc.tanh %x : tensor<?x4xf32>
  %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %a, %t = %b) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    %u = pc.add %a, %t : tensor<?x4xf32>
    %v = pc.add %t, %x : tensor<?x4xf32>
    scf.yield %u, %v : tensor<?x4xf32>, tensor<?x4xf32>
  }
  %y = pc.add %r#0, %r#1 : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A trace steps by itself, so the loop's first weights are made while samples
// still read the old ones, in whose place the loop ends: it begins with a copy.
// CHECK-LABEL: func.func @early(
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<workspace, 0>]}
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<output, 0>]}
// CHECK: %[[COPY:.*]] = pc.stage params
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<storage, 0>]}
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[COPY]],
func.func @early(%x: tensor<?x16xf32> {pc.port = #pc.port<input "x">},
                 %w: tensor<16x16xf32> {pc.port = #pc.port<parameter "w">})
    -> (tensor<16x16xf32> {pc.port = #pc.port<parameter "w">}, tensor<?x16xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", train, 3>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %w1 = pc.tanh %w : tensor<16x16xf32>
  %y1 = pc.dense %x, %w transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %r:2 = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %w1, %y = %y1) -> (tensor<16x16xf32>, tensor<?x16xf32>) {
    %n = pc.tanh %v : tensor<16x16xf32>
    %d = pc.dense %x, %v transposed : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %s = pc.add %y, %d : tensor<?x16xf32>
    scf.yield %n, %s : tensor<16x16xf32>, tensor<?x16xf32>
  }
  return %r#0, %r#1 : tensor<16x16xf32>, tensor<?x16xf32>
}

// -----

// One value of a loop ends where another began: it is copied there behind it.
// CHECK-LABEL: func.func @crossed(
// CHECK: %[[R:.*]]:2 = scf.for
// CHECK: pc.stage params ins(%[[R]]#0 :
// CHECK: pc.group {{.*}} attributes {pc.buffers = [#pc.buffer<storage, 0>]}
func.func @crossed(%a: tensor<16xf32> {pc.port = #pc.port<buffer "a">})
    -> (tensor<16xf32> {pc.port = #pc.port<buffer "a">}, tensor<16xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %t = pc.tanh %a : tensor<16xf32>
  %r:2 = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %t, %v = %a) -> (tensor<16xf32>, tensor<16xf32>) {
    %n = pc.sub %s, %v : tensor<16xf32>
    %m = pc.add %s, %v : tensor<16xf32>
    scf.yield %n, %m : tensor<16xf32>, tensor<16xf32>
  }
  return %r#0, %r#1 : tensor<16xf32>, tensor<16xf32>
}
