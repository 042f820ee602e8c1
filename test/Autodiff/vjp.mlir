// RUN: pc-opt %s --test-pc-differentiate | FileCheck %s

// The vector-Jacobian product of every operation, as it is emitted. The second
// result of a function, if it has one, is the cotangent of its energy.

// CHECK-LABEL: func.func @identity
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[G]]
func.func @identity(%x: tensor<?x4xf32>) -> tensor<?xf32> {
  %0 = pc.identity %x : tensor<?x4xf32>
  %e = pc.sum %0 : tensor<?x4xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @detach
// CHECK-NOT: pc.broadcast
// CHECK: %[[Z:.*]] = pc.splat 0.000000e+00 : tensor<?x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[Z]]
func.func @detach(%x: tensor<?x4xf32>) -> tensor<?xf32> {
  %0 = pc.sum %x : tensor<?x4xf32> -> tensor<?xf32>
  %e = pc.detach %0 : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @relu
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>, %[[G:.*]]: tensor<?xf32>
// CHECK: %[[D:.*]] = pc.act_grad relu %[[X]] : tensor<?xf32>
// CHECK-NEXT: pc.mul %[[G]], %[[D]] : tensor<?xf32>
func.func @relu(%x: tensor<?xf32>, %g: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %e = pc.relu %x : tensor<?xf32>
  return %e, %g : tensor<?xf32>, tensor<?xf32>
}

// CHECK-LABEL: func.func @leaky_relu
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>, %[[G:.*]]: tensor<?xf32>
// CHECK: %[[D:.*]] = pc.act_grad leaky_relu %[[X]] slope(2.000000e-01) : tensor<?xf32>
// CHECK-NEXT: pc.mul %[[G]], %[[D]] : tensor<?xf32>
func.func @leaky_relu(%x: tensor<?xf32>, %g: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %e = pc.leaky_relu %x slope(0.2) : tensor<?xf32>
  return %e, %g : tensor<?xf32>, tensor<?xf32>
}

// CHECK-LABEL: func.func @gelu
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad gelu %[[X]] : tensor<?xf32>
func.func @gelu(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.gelu %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @gelu_exact
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad gelu_exact %[[X]] : tensor<?xf32>
func.func @gelu_exact(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.gelu %x exact : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @silu
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad silu %[[X]] : tensor<?xf32>
func.func @silu(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.silu %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @tanh
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad tanh %[[X]] : tensor<?xf32>
func.func @tanh(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.tanh %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @hard_tanh
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad hard_tanh %[[X]] : tensor<?xf32>
func.func @hard_tanh(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.hard_tanh %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @sigmoid
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad sigmoid %[[X]] : tensor<?xf32>
func.func @sigmoid(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.sigmoid %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @softplus
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: pc.act_grad softplus %[[X]] : tensor<?xf32>
func.func @softplus(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.softplus %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @arithmetic
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>, %[[Y:.*]]: tensor<?xf32>, %[[S:.*]]: f64
// CHECK: %[[A:.*]] = pc.add %[[X]], %[[Y]]
// CHECK: %[[M:.*]] = pc.mul %{{.*}}, %[[Y]]
// CHECK: %[[G:.*]] = pc.splat 1.000000e+00 : tensor<?xf32>
// CHECK-NEXT: %[[GS:.*]] = pc.scale %[[G]], %[[S]] : tensor<?xf32>
// CHECK-NEXT: %[[GN:.*]] = pc.neg %[[GS]] : tensor<?xf32>
// CHECK-NEXT: %[[GL:.*]] = pc.mul %[[GN]], %[[Y]] : tensor<?xf32>
// CHECK-NEXT: %[[GR:.*]] = pc.mul %[[GN]], %{{.*}} : tensor<?xf32>
// CHECK-NEXT: %[[GX:.*]] = pc.neg %[[GL]] : tensor<?xf32>
// The product's, then the sum's contribution to y; the difference's, then the
// sum's to x.
// CHECK-NEXT: %[[DX:.*]] = pc.add %[[GX]], %[[GL]] : tensor<?xf32>
// CHECK-NEXT: %[[DY:.*]] = pc.add %[[GR]], %[[GL]] : tensor<?xf32>
// CHECK-NEXT: return %{{.*}}, %[[DX]], %[[DY]]
func.func @arithmetic(%x: tensor<?xf32>, %y: tensor<?xf32>, %s: f64) -> tensor<?xf32> {
  %0 = pc.add %x, %y : tensor<?xf32>
  %1 = pc.sub %0, %x : tensor<?xf32>
  %2 = pc.mul %1, %y : tensor<?xf32>
  %3 = pc.neg %2 : tensor<?xf32>
  %e = pc.scale %3, %s : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @square
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK: %[[G:.*]] = pc.splat 1.000000e+00 : tensor<?xf32>
// CHECK-NEXT: %[[A:.*]] = pc.mul %[[G]], %[[X]]
// CHECK-NEXT: %[[B:.*]] = pc.mul %[[G]], %[[X]]
// CHECK: pc.add %[[A]], %[[B]]
func.func @square(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.mul %x, %x : tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @dense
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<3x4xf32>
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x3xf32>
// CHECK-NEXT: %[[DX:.*]] = pc.dense %[[G]], %[[W]] transposed difference : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[DW:.*]] = pc.batch_outer %[[G]], %[[X]] : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[DX]], %[[DW]]
func.func @dense(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>) -> tensor<?xf32> {
  %0 = pc.dense %x, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  %e = pc.sum %0 : tensor<?x3xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @dense_transposed
// CHECK-SAME: %[[X:.*]]: tensor<?x3xf32>, %[[W:.*]]: tensor<3x4xf32>
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[DX:.*]] = pc.dense %[[G]], %[[W]] difference : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
// CHECK-NEXT: %[[DW:.*]] = pc.batch_outer %[[X]], %[[G]] : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[DX]], %[[DW]]
func.func @dense_transposed(%x: tensor<?x3xf32>, %w: tensor<3x4xf32>) -> tensor<?xf32> {
  %0 = pc.dense %x, %w transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
  %e = pc.sum %0 : tensor<?x4xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// One sample is a batch of one where a weight's gradient is asked for.
// CHECK-LABEL: func.func @dense_per_sample
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[W:.*]]: tensor<3x4xf32>
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<f32> -> tensor<3xf32>
// CHECK-NEXT: %[[DX:.*]] = pc.dense %[[G]], %[[W]] transposed difference : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
// CHECK-NEXT: %[[G1:.*]] = pc.reshape %[[G]] : tensor<3xf32> -> tensor<1x3xf32>
// CHECK-NEXT: %[[X1:.*]] = pc.reshape %[[X]] : tensor<4xf32> -> tensor<1x4xf32>
// CHECK-NEXT: %[[DW:.*]] = pc.batch_outer %[[G1]], %[[X1]] : tensor<1x3xf32>, tensor<1x4xf32> -> tensor<3x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[DX]], %[[DW]]
func.func @dense_per_sample(%x: tensor<4xf32>, %w: tensor<3x4xf32>) -> tensor<f32> {
  %0 = pc.dense %x, %w : tensor<4xf32>, tensor<3x4xf32> -> tensor<3xf32>
  %e = pc.sum %0 : tensor<3xf32> -> tensor<f32>
  return %e : tensor<f32>
}

// CHECK-LABEL: func.func @batch_outer
// CHECK-SAME: %[[X:.*]]: tensor<?x3xf32>, %[[Y:.*]]: tensor<?x4xf32>
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<f32> -> tensor<3x4xf32>
// CHECK-NEXT: %[[DX:.*]] = pc.dense %[[Y]], %[[G]] : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
// CHECK-NEXT: %[[DY:.*]] = pc.dense %[[X]], %[[G]] transposed : tensor<?x3xf32>, tensor<3x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT: return %{{.*}}, %[[DX]], %[[DY]]
func.func @batch_outer(%x: tensor<?x3xf32>, %y: tensor<?x4xf32>) -> tensor<f32> {
  %0 = pc.batch_outer %x, %y : tensor<?x3xf32>, tensor<?x4xf32> -> tensor<3x4xf32>
  %e = pc.sum %0 : tensor<3x4xf32> -> tensor<f32>
  return %e : tensor<f32>
}

// CHECK-LABEL: func.func @batch_sum
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<f32> -> tensor<3xf32>
// CHECK-NEXT: pc.batch_broadcast %[[G]] : tensor<3xf32> -> tensor<?x3xf32>
func.func @batch_sum(%x: tensor<?x3xf32>) -> tensor<f32> {
  %0 = pc.batch_sum %x : tensor<?x3xf32> -> tensor<3xf32>
  %e = pc.sum %0 : tensor<3xf32> -> tensor<f32>
  return %e : tensor<f32>
}

// What all samples share receives the sum over the batch.
// CHECK-LABEL: func.func @batch_broadcast
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x3xf32>
// CHECK-NEXT: pc.batch_sum %[[G]] : tensor<?x3xf32> -> tensor<3xf32>
func.func @batch_broadcast(%b: tensor<3xf32>) -> tensor<?xf32> {
  %0 = pc.batch_broadcast %b : tensor<3xf32> -> tensor<?x3xf32>
  %e = pc.sum %0 : tensor<?x3xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @broadcast
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x3xf32>
// CHECK-NEXT: pc.sum %[[G]] : tensor<?x3xf32> -> tensor<?xf32>
func.func @broadcast(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = pc.broadcast %x : tensor<?xf32> -> tensor<?x3xf32>
  %e = pc.sum %0 : tensor<?x3xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @shapes
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<?xf32> -> tensor<?x9xf32>
// CHECK-NEXT: %[[S:.*]] = pc.slice %[[G]] axis(-1) offset(2) : tensor<?x9xf32> -> tensor<?x5xf32>
// CHECK-NEXT: %[[P:.*]] = pc.pad %[[S]] axis(-1) offset(1) : tensor<?x5xf32> -> tensor<?x6xf32>
// CHECK-NEXT: %[[A:.*]] = pc.slice %[[P]] axis(-1) offset(0) : tensor<?x6xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[B:.*]] = pc.slice %[[P]] axis(-1) offset(4) : tensor<?x6xf32> -> tensor<?x2xf32>
// CHECK-NEXT: %[[R:.*]] = pc.reshape %[[A]] : tensor<?x4xf32> -> tensor<?x2x2xf32>
// CHECK-NEXT: return %{{.*}}, %[[R]], %[[B]]
func.func @shapes(%x: tensor<?x2x2xf32>, %y: tensor<?x2xf32>) -> tensor<?xf32> {
  %0 = pc.reshape %x : tensor<?x2x2xf32> -> tensor<?x4xf32>
  %1 = pc.concat %0, %y axis(-1) : tensor<?x4xf32>, tensor<?x2xf32> -> tensor<?x6xf32>
  %2 = pc.slice %1 axis(-1) offset(1) : tensor<?x6xf32> -> tensor<?x5xf32>
  %3 = pc.pad %2 axis(-1) offset(2) : tensor<?x5xf32> -> tensor<?x9xf32>
  %e = pc.sum %3 : tensor<?x9xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @transpose
// CHECK: %[[G:.*]] = pc.broadcast %{{.*}} : tensor<f32> -> tensor<4x3xf32>
// CHECK-NEXT: pc.transpose %[[G]] : tensor<4x3xf32> -> tensor<3x4xf32>
func.func @transpose(%w: tensor<3x4xf32>) -> tensor<f32> {
  %0 = pc.transpose %w : tensor<3x4xf32> -> tensor<4x3xf32>
  %e = pc.sum %0 : tensor<4x3xf32> -> tensor<f32>
  return %e : tensor<f32>
}

// CHECK-LABEL: func.func @softmax
// CHECK: %[[Y:.*]] = pc.softmax
// CHECK: %[[G:.*]] = pc.broadcast
// CHECK-NEXT: %[[P:.*]] = pc.mul %[[G]], %[[Y]] : tensor<?x4xf32>
// CHECK-NEXT: %[[S:.*]] = pc.sum %[[P]] : tensor<?x4xf32> -> tensor<?xf32>
// CHECK-NEXT: %[[B:.*]] = pc.broadcast %[[S]] : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[C:.*]] = pc.sub %[[G]], %[[B]] : tensor<?x4xf32>
// CHECK-NEXT: pc.mul %[[C]], %[[Y]] : tensor<?x4xf32>
func.func @softmax(%x: tensor<?x4xf32>) -> tensor<?xf32> {
  %0 = pc.softmax %x : tensor<?x4xf32>
  %e = pc.sum %0 : tensor<?x4xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @log_softmax
// CHECK-SAME: %[[X:.*]]: tensor<?x2x4xf32>
// CHECK: %[[G:.*]] = pc.broadcast
// CHECK-NEXT: %[[Y:.*]] = pc.softmax %[[X]] : tensor<?x2x4xf32>
// CHECK-NEXT: %[[S:.*]] = pc.sum %[[G]] : tensor<?x2x4xf32> -> tensor<?x2xf32>
// CHECK-NEXT: %[[B:.*]] = pc.broadcast %[[S]] : tensor<?x2xf32> -> tensor<?x2x4xf32>
// CHECK-NEXT: %[[P:.*]] = pc.mul %[[Y]], %[[B]] : tensor<?x2x4xf32>
// CHECK-NEXT: pc.sub %[[G]], %[[P]] : tensor<?x2x4xf32>
func.func @log_softmax(%x: tensor<?x2x4xf32>) -> tensor<?xf32> {
  %0 = pc.log_softmax %x : tensor<?x2x4xf32>
  %e = pc.sum %0 : tensor<?x2x4xf32> -> tensor<?xf32>
  return %e : tensor<?xf32>
}

// CHECK-LABEL: func.func @se_energy
// CHECK-SAME: %[[H:.*]]: tensor<?x4xf32>, %[[U:.*]]: tensor<?x4xf32>, %[[S:.*]]: tensor<?xf32>
// CHECK: %[[G:.*]] = pc.broadcast %[[S]] : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[E:.*]] = pc.sub %[[H]], %[[U]] : tensor<?x4xf32>
// CHECK-NEXT: %[[DH:.*]] = pc.mul %[[G]], %[[E]] : tensor<?x4xf32>
// CHECK-NEXT: %[[DU:.*]] = pc.neg %[[DH]] : tensor<?x4xf32>
// CHECK: return %{{.*}}, %[[DH]], %[[DU]]
func.func @se_energy(%h: tensor<?x4xf32>, %u: tensor<?x4xf32>, %g: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %e = pc.se_energy %h, %u : tensor<?x4xf32> -> tensor<?xf32>
  return %e, %g : tensor<?xf32>, tensor<?xf32>
}

// CHECK-LABEL: func.func @ce_energy
// CHECK-SAME: %[[H:.*]]: tensor<?x4xf32>, %[[U:.*]]: tensor<?x4xf32>, %[[S:.*]]: tensor<?xf32>
// CHECK: %[[G:.*]] = pc.broadcast %[[S]] : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[L:.*]] = pc.log_softmax %[[U]] : tensor<?x4xf32>
// CHECK-NEXT: %[[M:.*]] = pc.neg %[[L]] : tensor<?x4xf32>
// CHECK-NEXT: %[[DH:.*]] = pc.mul %[[G]], %[[M]] : tensor<?x4xf32>
// CHECK-NEXT: %[[P:.*]] = pc.softmax %[[U]] : tensor<?x4xf32>
// CHECK-NEXT: %[[N:.*]] = pc.sum %[[H]] : tensor<?x4xf32> -> tensor<?xf32>
// CHECK-NEXT: %[[B:.*]] = pc.broadcast %[[N]] : tensor<?xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %[[Q:.*]] = pc.mul %[[P]], %[[B]] : tensor<?x4xf32>
// CHECK-NEXT: %[[D:.*]] = pc.sub %[[Q]], %[[H]] : tensor<?x4xf32>
// CHECK-NEXT: %[[DU:.*]] = pc.mul %[[G]], %[[D]] : tensor<?x4xf32>
// CHECK: return %{{.*}}, %[[DH]], %[[DU]]
func.func @ce_energy(%h: tensor<?x4xf32>, %u: tensor<?x4xf32>, %g: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %e = pc.ce_energy %h, %u : tensor<?x4xf32> -> tensor<?xf32>
  return %e, %g : tensor<?xf32>, tensor<?xf32>
}
