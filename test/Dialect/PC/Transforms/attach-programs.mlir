// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs="algorithm=pc steps=3" | FileCheck %s --check-prefixes=CHECK,PC
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=ipc | FileCheck %s --check-prefixes=CHECK,IPC
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=bp | FileCheck %s --check-prefixes=CHECK,BP
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=zil | FileCheck %s --check-prefixes=CHECK,ZIL
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=epc | FileCheck %s --check-prefixes=CHECK,EPC
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=pn | FileCheck %s --check-prefixes=CHECK,PN
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=nn | FileCheck %s --check-prefixes=CHECK,NN
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=cn | FileCheck %s --check-prefixes=CHECK,CN
// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs | FileCheck %s --check-prefix=NONE
// RUN: not pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=bpp 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// NONE-NOT: pc.program
// algorithm_c1
// UNKNOWN: error: unknown algorithm 'bpp', expected pc, ipc, bp, zil, epc, pn, nn or cn; did you mean 'bp'?

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
// PN: %[[BETA:.*]] = pc.hyper "beta" default 5.000000e-01 min 0.000000e+00
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
// ZIL: pc.clamp @y = %y
// ZIL: %[[P0:.*]] = pc.point
// ZIL: %[[G0:.*]] = pc.gradient params at %[[P0]] only(@fc2.weight, @fc2.bias)
// ZIL: pc.infer sgd(lr = 1.000000e+00)
// ZIL: %[[P1:.*]] = pc.point
// ZIL: %[[G1:.*]] = pc.gradient params at %[[P1]] only(@fc1.weight, @fc1.bias)
// ZIL-NOT: pc.infer
// ZIL: %[[G:.*]] = pc.combine %[[G0]], %[[G1]]
// ZIL: pc.update %[[G]] adamw
// EPC: pc.repeat 3
// EPC:   pc.infer sgd(lr = %{{.*}}, momentum = %{{.*}}) errors
// EPC: pc.learn adamw
// PN: %[[SCALE:.*]] = arith.divf %{{.*}}, %[[BETA]]
// PN: pc.nudge @y = %y beta(%[[BETA]])
// PN: pc.learn adamw({{.*}}) scale(%[[SCALE]])
// NN: %[[MINUS:.*]] = arith.subf %{{.*}}, %{{.*}} : f64
// NN: %[[SCALE:.*]] = arith.divf %{{.*}}, %[[MINUS]]
// NN: pc.nudge @y = %y beta(%[[MINUS]])
// NN: pc.learn adamw({{.*}}) scale(%[[SCALE]])
// CN: %[[START:.*]] = pc.point
// CN: pc.nudge @y = %y beta(%[[BETA:.*]]) :
// CN: pc.repeat 3
// CN: %[[A:.*]] = pc.gradient params at
// CN: pc.release @y
// CN: pc.restore %[[START]]
// CN: pc.nudge @y = %y beta(%{{.*}}) :
// CN: %[[B:.*]] = pc.gradient params at
// CN: %[[G:.*]] = pc.combine %[[A]], %[[B]] scale(
// CN: pc.update %[[G]] adamw
// BP: pc.backprop @y = %y loss(sse) adamw({{.*}}) report("loss")

// CHECK-LABEL: pc.program @evaluate on @m (%x: tensor<4xf32>)
// CHECK: pc.clamp @x = %x
// CHECK: pc.init forward
// CHECK: %[[P:.*]] = pc.predict @y : tensor<2xf32>
// CHECK: pc.output "prediction" = %[[P]]
