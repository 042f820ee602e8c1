// RUN: pc-opt %s --pc-schedule=max-batch=0 --verify-diagnostics

// expected-error @below {{expected a largest batch of at least 1 and a sample block of at least 0, found 0 and 0}}
func.func @f(%x: tensor<?x4xf32> {pc.port = #pc.port<input "x">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  return
}
