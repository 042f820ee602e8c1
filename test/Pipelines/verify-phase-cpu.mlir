// RUN: pc-opt %s --verify-diagnostics --pc-verify-phase=phase=cpu --split-input-file

func.func @f(%x: f32) -> f32 {
  // expected-error @below {{is left after the cpu phase: expected kernels and their calls only}}
  %t = tensor.from_elements %x : tensor<1xf32>
  return %x : f32
}

// -----

func.func @g() -> f64 {
  // expected-error @below {{is left after the cpu phase: expected kernels and their calls only}}
  %n = pc.batch_size
  return %n : f64
}
