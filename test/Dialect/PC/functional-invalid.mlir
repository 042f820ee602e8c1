// RUN: pc-opt %s --split-input-file --verify-diagnostics

// One test or more per constraint of docs/spec.md, "The functional form". The
// name of a function is the constraint's label.

// expected-error @below {{'func.func' op is a pc.program, but its argument #1 has no pc.port}}
func.func @port_c1(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">}, %w: tensor<4xf32>)
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  return
}

// -----

// expected-error @below {{'func.func' op is a pc.program, but its result #0 has no pc.port}}
func.func @port_c1_result(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">}) -> tensor<?x4xf32>
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  return %x : tensor<?x4xf32>
}

// -----

// expected-error @below {{'func.func' op changes "w", which is none of its arguments}}
func.func @port_c2(%v: tensor<4xf32> {pc.port = #pc.port<parameter "v">}) -> (tensor<4xf32> {pc.port = #pc.port<parameter "w">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  return %v : tensor<4xf32>
}

// -----

// expected-error @below {{'func.func' op expects pc.program to be #pc.program_info, on a func.func}}
func.func @port_c3() attributes {pc.program = "toy"} {
  return
}

// -----

// expected-error @below {{'func.func' op expects pc.sample_block to be at least 1, found 0 : i64}}
func.func @port_c4() attributes {pc.program = #pc.program_info<"toy", other, 0>, pc.sample_block = 0 : i64, pc.max_batch = 4 : i64} {
  return
}

// -----

// expected-error @below {{'func.func' op expects pc.program, pc.max_batch and pc.sample_block together}}
func.func @port_c4_alone() attributes {pc.program = #pc.program_info<"toy", other, 0>, pc.sample_block = 4 : i64} {
  return
}
