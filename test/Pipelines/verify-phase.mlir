// RUN: pc-opt %s --split-input-file --verify-diagnostics --pc-verify-phase=phase=functional


// expected-error @below {{is left after the functional phase: expected functions only}}
pc.model @m {
  %x = pc.input @x : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">}) attributes {pc.program = #pc.program_info<"m", other, 0>} {
  %y = arith.constant 1.0 : f32
  // expected-error @below {{is left after the functional phase: expected pure operations on tensors, numbers and loops}}
  %e = tensor.splat %y : tensor<4xf32>
  return
}
