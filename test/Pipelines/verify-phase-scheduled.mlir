// RUN: pc-opt %s --verify-diagnostics --pc-verify-phase=phase=scheduled

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = pc.stage samples ins(%x : tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%b: tensor<8x4xf32>):
    %t = pc.tanh %b : tensor<8x4xf32>
    pc.yield %t : tensor<8x4xf32>
  }
  // expected-error @below {{is left after the scheduled phase: it should stand in a stage}}
  %z = pc.tanh %y : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
