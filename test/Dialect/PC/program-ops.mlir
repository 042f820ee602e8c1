// RUN: pc-opt %s --verify-roundtrip | FileCheck %s
// RUN: pc-opt %s --emit-bytecode | pc-opt | FileCheck %s

// Every statement of a program, with and without its optional parts.

pc.model @mlp {
  %x = pc.input @image : tensor<8xf32>
  %a = pc.linear @fc1 %x : tensor<8xf32> -> tensor<4xf32>
  %h = pc.vode @h1 %a energy(se) : tensor<4xf32>
  %b = pc.linear @fc2 %h : tensor<4xf32> -> tensor<2xf32>
  %y = pc.vode @label %b energy(se) : tensor<2xf32>
}

// CHECK-LABEL: pc.program @train on @mlp (%image: tensor<8xf32>, %label: tensor<2xf32>) {
pc.program @train on @mlp (%image: tensor<8xf32>, %label: tensor<2xf32>) {
  // CHECK: %[[LR:.*]] = pc.hyper "h_lr" default 1.000000e-02
  %h_lr = pc.hyper "h_lr" default 0.01
  // CHECK: pc.hyper "w_lr" default 1.000000e-03 min 0.000000e+00 max 1.000000e+00
  %w_lr = pc.hyper "w_lr" default 1.0e-3 min 0.0 max 1.0
  // CHECK: pc.hyper "beta" default -5.000000e-01 max 1.000000e+00
  %beta = pc.hyper "beta" default -0.5 max 1.0
  // CHECK: pc.counter weight_step
  %step = pc.counter weight_step
  // CHECK: pc.counter total_steps
  %total = pc.counter total_steps
  // CHECK: pc.counter epoch
  %epoch = pc.counter epoch
  // CHECK: pc.schedule constant(%{{.*}})
  %s0 = pc.schedule constant(%w_lr)
  // CHECK: pc.schedule warmup_cosine(%{{.*}}) peak(1.100000e+00) warmup(1.000000e-01) end(1.000000e-01)
  %s1 = pc.schedule warmup_cosine(%w_lr) peak(1.1) warmup(0.1) end(0.1)
  // Numbers compute.
  // CHECK: arith.divf
  %one = arith.constant 1.0 : f64
  %scale = arith.divf %one, %beta : f64

  // CHECK: pc.clamp @image = %image : tensor<8xf32>
  pc.clamp @image = %image : tensor<8xf32>
  // CHECK: pc.init forward
  pc.init forward
  // CHECK: pc.init zero vodes(@h1)
  pc.init zero vodes(@h1)
  // CHECK: pc.init normal(5.000000e-02) vodes(@h1, @label)
  pc.init normal(0.05) vodes(@h1, @label)
  // CHECK: pc.nudge @label = %label beta(%{{.*}}) : tensor<2xf32>
  pc.nudge @label = %label beta(%beta) : tensor<2xf32>
  // CHECK: pc.repeat 8 {
  pc.repeat 8 {
    // CHECK: pc.infer sgd(lr = %[[LR]], momentum = 6.500000e-01)
    pc.infer sgd(momentum = 0.65, lr = %h_lr)
  }
  // CHECK: pc.repeat 3 index(%[[T:.*]]) {
  pc.repeat 3 index(%t) {
    // CHECK: pc.infer sgd(lr = 1.000000e-01) vodes(@h1)
    pc.infer sgd(lr = 0.1) vodes(@h1)
  }
  // CHECK: pc.repeat %{{.*}} max 64 {
  pc.repeat %total max 64 {
    // CHECK: pc.joint {
    pc.joint {
      // CHECK: pc.infer sgd(lr = %{{.*}}, momentum = %{{.*}})
      pc.infer sgd(lr = %h_lr, momentum = %beta)
      // CHECK: pc.learn adamw(lr = %{{.*}}, weight_decay = 1.000000e-04)
      pc.learn adamw(lr = %w_lr, weight_decay = 1.0e-4)
    }
  }
  // CHECK: pc.release @label
  pc.release @label
  // CHECK: pc.report "energy" = energy{{$}}
  pc.report "energy" = energy
  // CHECK: pc.report "energy.h1" = energy(@h1)
  pc.report "energy.h1" = energy(@h1)
  // CHECK: pc.report "total" = energy over sum
  pc.report "total" = energy over sum
  // CHECK: pc.learn sgd(lr = 1.000000e-02, momentum = 9.000000e-01) params(@fc1) scale(%{{.*}}) over sum as @slow
  pc.learn sgd(lr = 0.01, momentum = 0.9) params(@fc1) scale(%scale) over sum as @slow
  // CHECK: pc.learn adam(b1 = 9.000000e-01, b2 = 7.500000e-01, eps = 1.000000e-08, lr = 1.000000e-03)
  pc.learn adam(lr = 0.001, b1 = 0.9, b2 = 0.75, eps = 1.0e-8)
}

// The core that infer, learn and joint are sugar for.

// CHECK-LABEL: pc.program @core on @mlp (%image: tensor<8xf32>, %{{.*}} as "label of the image": tensor<2xf32>) role(train) {
pc.program @core on @mlp (%image: tensor<8xf32>, %y as "label of the image": tensor<2xf32>) role(train) {
  %lr = pc.hyper "lr" default 0.1
  // CHECK: %[[P:.*]] = pc.point
  %p = pc.point
  // CHECK: %[[GH:.*]] = pc.gradient states at %[[P]]
  %gh = pc.gradient states at %p
  // CHECK: %[[GW:.*]] = pc.gradient params at %[[P]] over sum
  %gw = pc.gradient params at %p over sum
  // CHECK: pc.update %[[GH]] sgd(lr = %{{.*}}) only(@h1)
  pc.update %gh sgd(lr = %lr) only(@h1)
  // CHECK: pc.update %[[GW]] adamw(lr = %{{.*}}) only(@fc1, @fc2.bias) scale(%{{.*}}) as @slow
  pc.update %gw adamw(lr = %lr) only(@fc1, @fc2.bias) scale(%lr) as @slow
  // CHECK: pc.backprop @label = %{{.*}} loss(sse) adamw(lr = %{{.*}}) report("loss") as @fast : tensor<2xf32>
  pc.backprop @label = %y loss(sse) adamw(lr = %lr) report("loss") as @fast : tensor<2xf32>
  // CHECK: pc.backprop @label = %{{.*}} loss(ce) sgd(lr = %{{.*}}) : tensor<2xf32>
  pc.backprop @label = %y loss(ce) sgd(lr = %lr) : tensor<2xf32>
}

// CHECK-LABEL: pc.program @optimisers on @mlp
pc.program @optimisers on @mlp (%image: tensor<8xf32>, %known: tensor<2xf32>) {
  %lr = pc.hyper "lr" default 0.1
  // CHECK: pc.clamp @label = %known mask(%known : tensor<2xf32>) : tensor<2xf32>
  pc.clamp @label = %known mask(%known : tensor<2xf32>) : tensor<2xf32>
  // CHECK: pc.infer sgd(lr = 1.000000e-01, momentum = 5.000000e-01, nesterov)
  pc.infer sgd(nesterov, lr = 0.1, momentum = 0.5)
  // CHECK: pc.infer adam(lr = %{{.*}}) errors vodes(@h1)
  pc.infer adam(lr = %lr) errors vodes(@h1)
  // CHECK: pc.infer langevin(lr = %{{.*}}, momentum = 5.000000e-01, variance = 2.000000e+00)
  pc.infer langevin(lr = %lr, momentum = 0.5, variance = 2.0)
  // CHECK: pc.infer heun(lr = %{{.*}})
  pc.infer heun(lr = %lr)
  // CHECK: pc.learn adamw(lr = %{{.*}}) params(@fc1) no_decay(@fc1.bias) as @slow
  pc.learn adamw(lr = %lr) params(@fc1) no_decay(@fc1.bias) as @slow
  // CHECK: pc.backprop @label = %known loss(se) adamw(lr = %{{.*}}) no_decay(@fc1) : tensor<2xf32>
  pc.backprop @label = %known loss(se) adamw(lr = %lr) no_decay(@fc1) : tensor<2xf32>
  // CHECK: pc.schedule cosine(%{{.*}}) end(1.000000e-01)
  %cosine = pc.schedule cosine(%lr) end(0.1)
  // CHECK: pc.schedule step(%{{.*}}) every(2.500000e-01) by(5.000000e-01)
  %steps = pc.schedule step(%lr) every(0.25) by(0.5)
}

// CHECK-LABEL: pc.program @gradients on @mlp
pc.program @gradients on @mlp (%image: tensor<8xf32>) role(other) {
  %lr = pc.hyper "lr" default 0.1
  // CHECK: %[[P:.*]] = pc.point
  %p = pc.point
  // CHECK: pc.precision @h1 = %{{.*}}
  pc.precision @h1 = %lr
  %q = pc.point
  // CHECK: %[[E:.*]] = pc.gradient errors at %[[P]] only(@h1)
  %e = pc.gradient errors at %p only(@h1)
  // CHECK: %[[F:.*]] = pc.gradient params at %[[P]] targets(%{{.*}}) only(@fc1) over sum
  %f = pc.gradient params at %p targets(%q) only(@fc1) over sum
  // CHECK: %[[G:.*]] = pc.gradient params at %[[P]]{{$}}
  %g = pc.gradient params at %p
  // CHECK: pc.combine %[[F]], %[[G]]{{$}}
  %sum = pc.combine %f, %g
  // CHECK: %[[C:.*]] = pc.combine %[[F]], %[[G]] scale(%[[L:.*]], %[[L]])
  %c = pc.combine %f, %g scale(%lr, %lr)
  // CHECK: %[[N:.*]] = pc.clip %[[C]] norm(%[[L]])
  %n = pc.clip %c norm(%lr)
  // CHECK: %[[V:.*]] = pc.clip %[[N]] value(%[[L]])
  %v = pc.clip %n value(%lr)
  // CHECK: pc.update %[[V]] adamw(lr = %[[L]]) no_decay(@fc1.bias)
  pc.update %v adamw(lr = %lr) no_decay(@fc1.bias)
  // CHECK: %[[R:.*]] = pc.read_gradient %[[E]] @h1 : tensor<4xf32>
  %r = pc.read_gradient %e @h1 : tensor<4xf32>
  // CHECK: %[[H:.*]] = pc.curvature %[[E]] vodes(@h1) along(%[[R]]) : tensor<4xf32>
  %h = pc.curvature %e vodes(@h1) along(%r) : tensor<4xf32>
  // CHECK: pc.read_gradient %[[H]] @h1 : tensor<4xf32>
  %hr = pc.read_gradient %h @h1 : tensor<4xf32>
  // CHECK: pc.set @h1 = %[[R]] : tensor<4xf32>
  pc.set @h1 = %r : tensor<4xf32>
  // CHECK: pc.restore %[[P]]
  pc.restore %p
}

// CHECK-LABEL: pc.program @memory on @mlp
pc.program @memory on @mlp (%image: tensor<8xf32>) role(other) {
  %d = pc.hyper "d" default 0.5
  // CHECK: pc.use @ema
  pc.use @ema
  // CHECK: pc.init carried vodes(@h1)
  pc.init carried vodes(@h1)
  // CHECK: pc.init normal(5.000000e-02) keep_momentum
  pc.init normal(0.05) keep_momentum
  pc.repeat 3 {
    %p = pc.point
    %g = pc.gradient states at %p
    // CHECK: %[[N:.*]] = pc.norm %{{.*}} : tensor<f32>
    %n = pc.norm %g : tensor<f32>
    // CHECK: pc.stop %[[N]] below(%{{.*}}) : tensor<f32>
    pc.stop %n below(%d) : tensor<f32>
    // CHECK: %[[F:.*]] = pc.free_energy : tensor<f32>
    %F = pc.free_energy : tensor<f32>
    // CHECK: pc.stop %[[F]] below(%{{.*}}) over mean : tensor<f32>
    pc.stop %F below(%d) over mean : tensor<f32>
  }
  // CHECK: pc.free_energy @h1 : tensor<f32>
  %E = pc.free_energy @h1 : tensor<f32>
  // CHECK: pc.repeat @steps index(%{{.*}}) {
  pc.repeat @steps index(%t) {
  }
  // CHECK: pc.evaluate @a1 : tensor<4xf32>
  %a = pc.evaluate @a1 : tensor<4xf32>
  // CHECK: pc.average @ema decay(%{{.*}}) params(@fc1)
  pc.average @ema decay(%d) params(@fc1)
}

// CHECK-LABEL: pc.program @evaluate on @mlp (%image: tensor<8xf32>) role(evaluate) {
pc.program @evaluate on @mlp (%image: tensor<8xf32>) role(evaluate) {
  // CHECK: %[[U:.*]] = pc.predict @label : tensor<2xf32>
  %u = pc.predict @label : tensor<2xf32>
  // CHECK: %[[H:.*]] = pc.read @h1 : tensor<4xf32>
  %h = pc.read @h1 : tensor<4xf32>
  // CHECK: pc.output "prediction" = %[[U]] : tensor<2xf32>
  pc.output "prediction" = %u : tensor<2xf32>
  // CHECK: %[[S:.*]] = pc.sum %[[H]]
  %s = pc.sum %h : tensor<4xf32> -> tensor<f32>
  // CHECK: pc.report "sum" = %[[S]] : tensor<f32>
  pc.report "sum" = %s : tensor<f32>
  // CHECK: pc.report "most" = %[[S]] : tensor<f32> over sum
  pc.report "most" = %s : tensor<f32> over sum
}

// CHECK-LABEL: pc.program @warns on @mlp ()
pc.program @warns on @mlp () {
  %beta = pc.hyper "beta" default 0.75
  %width = pc.size @width
  %epoch = pc.counter epoch
  // CHECK: %[[C:.*]] = arith.cmpf ogt
  %late = arith.cmpf ogt, %epoch, %beta : f64
  // CHECK: pc.warn %[[C]] "it is |\22late\22|: \CE\B2 > 1"
  pc.warn %late "it is |\"late\"|: β > 1"
  %wide = arith.cmpf ogt, %width, %beta : f64
  %both = arith.andi %wide, %late : i1
  // CHECK: pc.warn %{{.*}} "both"
  pc.warn %both "both"
}

// CHECK-LABEL: pc.program @nothing on @mlp () role(sample) {
// CHECK-NEXT: }
pc.program @nothing on @mlp () role(sample) {
}

pc.model @rec {
  %x = pc.input @image : tensor<8xf32>
  %a = pc.linear @rec1 %x : tensor<8xf32> -> tensor<2xf32>
  %y = pc.vode @label %a energy(se) : tensor<2xf32>
}

// CHECK-LABEL: pc.program @two on @mlp, @rec (%image: tensor<8xf32>, %label: tensor<2xf32>) role(other) {
pc.program @two on @mlp, @rec (%image: tensor<8xf32>, %label: tensor<2xf32>) role(other) {
  // CHECK: pc.clamp @rec.image = %image
  pc.clamp @rec.image = %image : tensor<8xf32>
  // CHECK: pc.init forward vodes(@rec)
  pc.init forward vodes(@rec)
  // CHECK: pc.backprop @rec.label = %label loss(se) sgd(lr = 1.000000e-01) params(@rec) report("loss") : tensor<2xf32>
  pc.backprop @rec.label = %label loss(se) sgd(lr = 0.1) params(@rec) report("loss") : tensor<2xf32>
}
