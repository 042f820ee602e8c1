// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs="algorithm=pc steps=3" | FileCheck %s --check-prefixes=CHECK,PC
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=ipc | FileCheck %s --check-prefixes=CHECK,IPC
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=bp | FileCheck %s --check-prefixes=CHECK,BP
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs | FileCheck %s --check-prefix=NONE
// RUN: not pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=bpp 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// NONE-NOT: pc.program
// algorithm_c1
// UNKNOWN: error: unknown algorithm 'bpp', expected pc, ipc or bp; did you mean 'bp'?

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %u energy(se) : tensor<3xf32>
  %v = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %v energy(se) : tensor<2xf32>
}

// CHECK-LABEL: pc.program @train on @m (%x: tensor<4xf32>, %y: tensor<2xf32>)
// PC: pc.hyper "h_lr"
// CHECK: pc.hyper "w_lr"
// CHECK: pc.clamp @x = %x
// PC: pc.init forward
// PC: pc.clamp @y = %y
// PC: pc.repeat 3
// PC:   pc.infer sgd(lr = %{{.*}}, momentum = %{{.*}})
// PC: pc.report "energy" = energy
// PC: pc.learn adamw(lr = %{{.*}}, weight_decay = %{{.*}})
// IPC: pc.repeat 3
// IPC:   pc.report "energy" = energy
// IPC:   pc.joint
// IPC:     pc.infer sgd
// IPC:     pc.learn adamw
// BP: pc.backprop @y = %y loss(sse) adamw({{.*}}) report("loss")

// CHECK-LABEL: pc.program @evaluate on @m (%x: tensor<4xf32>)
// CHECK: pc.clamp @x = %x
// CHECK: pc.init forward
// CHECK: %[[P:.*]] = pc.predict @y : tensor<2xf32>
// CHECK: pc.output "prediction" = %[[P]]
