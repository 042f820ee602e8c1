// RUN: pc-opt %s --pc-link-models | FileCheck %s

pc.model @gen {
  %z = pc.state @z : tensor<2xf32>
  %w = pc.param @fc.weight : tensor<2x2xf32>
  %u = pc.dense %z, %w : tensor<2xf32>, tensor<2x2xf32> -> tensor<2xf32>
  pc.probe @u = %u : tensor<2xf32>
  %x = pc.state @x : tensor<2xf32>
  %e = pc.se_energy %x, %u : tensor<2xf32> -> tensor<f32>
  pc.term @x prediction(%u : tensor<2xf32>) energy(%e : tensor<f32>)
}

pc.model @rec {
  %x = pc.input @x : tensor<2xf32>
  %w = pc.param @fc.weight : tensor<2x2xf32>
  %v = pc.param @v : tensor<2xf32>
  %a = pc.dense %x, %w : tensor<2xf32>, tensor<2x2xf32> -> tensor<2xf32>
  %u = pc.add %a, %v : tensor<2xf32>
  %z = pc.state @z : tensor<2xf32>
  %e = pc.se_energy %z, %u : tensor<2xf32> -> tensor<f32>
  pc.term @z prediction(%u : tensor<2xf32>) energy(%e : tensor<f32>)
}

// Nodes, terms and probes carry the name of the model, parameters do not.
// CHECK: pc.model @"gen+rec"
// CHECK-NEXT: %[[Z:.*]] = pc.state @gen.z
// CHECK-NEXT: %[[W:.*]] = pc.param @fc.weight
// CHECK-NEXT: %[[U:.*]] = pc.dense %[[Z]], %[[W]]
// CHECK-NEXT: pc.probe @gen.u = %[[U]]
// CHECK-NEXT: %[[X:.*]] = pc.state @gen.x
// CHECK-NEXT: %[[E:.*]] = pc.se_energy %[[X]], %[[U]]
// CHECK-NEXT: pc.term @gen.x prediction(%[[U]] : tensor<2xf32>) energy(%[[E]] : tensor<f32>)
// CHECK-NEXT: %[[IN:.*]] = pc.input @rec.x
// CHECK-NEXT: %[[SHARED:.*]] = pc.param @fc.weight
// CHECK-NEXT: %{{.*}} = pc.param @v
// CHECK-NEXT: pc.dense %[[IN]], %[[SHARED]]
// CHECK: pc.term @rec.z

// CHECK-LABEL: pc.program @train on @"gen+rec" (
pc.program @train on @gen, @rec (%x: tensor<2xf32>) {
  pc.clamp @rec.x = %x : tensor<2xf32>
  pc.clamp @gen.x = %x : tensor<2xf32>
  // CHECK: pc.init forward vodes(@rec)
  pc.init forward vodes(@rec)
  pc.init zero vodes(@gen)
  // Where parameters are named, those of the model stand for it.
  %p = pc.point
  // CHECK: pc.gradient states at %{{.*}} only(@gen)
  %s = pc.gradient states at %p only(@gen)
  pc.update %s sgd(lr = 0.1) only(@gen)
  // CHECK: pc.gradient params at %{{.*}} only(@fc.weight, @v)
  %g = pc.gradient params at %p only(@rec)
  // CHECK: pc.update %{{.*}} adamw(lr = 1.000000e-01) only(@fc.weight) no_decay(@fc.weight, @v)
  pc.update %g adamw(lr = 0.1) only(@gen) no_decay(@rec)
  // CHECK: pc.learn adamw(lr = 1.000000e-01) params(@v, @fc.weight) no_decay(@fc.weight)
  pc.learn adamw(lr = 0.1) params(@v, @rec, @gen) no_decay(@gen)
  // CHECK: pc.backprop @rec.z = %{{.*}} loss(se) adamw(lr = 1.000000e-01) params(@fc.weight, @v) no_decay(@fc.weight) : tensor<2xf32>
  pc.backprop @rec.z = %x loss(se) adamw(lr = 0.1) params(@rec) no_decay(@gen) : tensor<2xf32>
  // CHECK: pc.average @ema decay(%{{.*}}) params(@fc.weight)
  %d = arith.constant 0.9 : f64
  pc.average @ema decay(%d) params(@gen)
}

// One list of models is one model; another order is another one.
// CHECK-LABEL: pc.program @evaluate on @"gen+rec" (
pc.program @evaluate on @gen, @rec (%x: tensor<2xf32>) {
}
// CHECK-LABEL: pc.program @other on @"rec+gen" (
pc.program @other on @rec, @gen (%x: tensor<2xf32>) {
}
// CHECK-LABEL: pc.program @alone on @rec (
pc.program @alone on @rec (%x: tensor<2xf32>) {
  // CHECK: params(@v)
  pc.learn sgd(lr = 0.1) params(@v)
}
