// RUN: pc-opt %s --convert-pc-to-linalg --verify-diagnostics

func.func @group(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %r = pc.stage samples ins(%x : tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%xb: tensor<8x6xf32>):
    // expected-error @below {{'pc.group' op has no structured form}}
    %a = pc.group ins(%xb : tensor<8x6xf32>) -> tensor<8x6xf32> {
    ^bb0(%b: tensor<8x6xf32>):
      pc.yield %b : tensor<8x6xf32>
    }
    pc.yield %a : tensor<8x6xf32>
  }
  return %r : tensor<?x6xf32>
}
