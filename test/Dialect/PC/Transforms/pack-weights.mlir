// RUN: pc-opt %s --pc-pack-weights=panel-bytes=64 --split-input-file | FileCheck %s
// RUN: not pc-opt %s --pc-pack-weights=panel-bytes=96 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: error: expected panels of a power of two of bytes, at least 64, found 96

// A weight that a product reads, its moments and its gradient lie in panels;
// so does the transpose that feeds back, which is a matrix of its own. The bias
// and the narrow weight have one layout only.

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[W:[^:]*]]: tensor<6x40xf32, #pc.panels<16>> {pc.port = #pc.port<parameter "w"{{ +}}{panel = 16 : i64, strides = array<i64: 1, 40>}>}
// CHECK-SAME: %[[M:[^:]*]]: tensor<6x40xf32, #pc.panels<16>> {pc.port = #pc.port<optimiser "m"{{ +}}{panel = 16 : i64}>}
// CHECK-SAME: %[[V:[^:]*]]: tensor<40x16xf32> {pc.port = #pc.port<parameter "v"{{ *}}>}
// CHECK-SAME: -> (tensor<6x40xf32, #pc.panels<16>> {pc.port = #pc.port<parameter "w"{{ +}}{panel = 16 : i64, strides = array<i64: 1, 40>}>}
// CHECK: pc.dense %{{.*}}, %[[W]] transposed : tensor<?x6xf32>, tensor<6x40xf32, #pc.panels<16>> -> tensor<?x40xf32>
// CHECK: pc.dense %{{.*}}, %[[V]] transposed : tensor<?x40xf32>, tensor<40x16xf32> -> tensor<?x16xf32>
// CHECK: %[[T:.*]] = pc.transpose %[[V]] : tensor<40x16xf32> -> tensor<16x40xf32, #pc.panels<16>>
// CHECK: pc.dense %{{.*}}, %[[T]] transposed
// CHECK: %[[G:.*]] = pc.batch_outer %{{.*}} -> tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[N:.*]] = pc.add %[[M]], %[[G]] : tensor<6x40xf32, #pc.panels<16>>
// CHECK: pc.sub %[[W]], %[[N]] : tensor<6x40xf32, #pc.panels<16>>
func.func @step(%x: tensor<?x6xf32> {pc.port = #pc.port<input "x">},
                %w: tensor<6x40xf32> {pc.port = #pc.port<parameter "w" {strides = array<i64: 1, 40>}>},
                %m: tensor<6x40xf32> {pc.port = #pc.port<optimiser "m">},
                %v: tensor<40x16xf32> {pc.port = #pc.port<parameter "v">})
    -> (tensor<6x40xf32> {pc.port = #pc.port<parameter "w" {strides = array<i64: 1, 40>}>},
        tensor<6x40xf32> {pc.port = #pc.port<optimiser "m">})
    attributes {pc.program = #pc.program_info<"toy", train, 1>} {
  %h = pc.dense %x, %w transposed : tensor<?x6xf32>, tensor<6x40xf32> -> tensor<?x40xf32>
  %y = pc.dense %h, %v transposed : tensor<?x40xf32>, tensor<40x16xf32> -> tensor<?x16xf32>
  %t = pc.transpose %v : tensor<40x16xf32> -> tensor<16x40xf32>
  %d = pc.dense %y, %t transposed : tensor<?x16xf32>, tensor<16x40xf32> -> tensor<?x40xf32>
  %g = pc.batch_outer %x, %d : tensor<?x6xf32>, tensor<?x40xf32> -> tensor<6x40xf32>
  %n = pc.add %m, %g : tensor<6x40xf32>
  %p = pc.sub %w, %n : tensor<6x40xf32>
  return %p, %n : tensor<6x40xf32>, tensor<6x40xf32>
}

// -----

// What the caller gives and gets, and what knows rows only, is relaid; a
// broadcast and a constant are made in panels, and a sum of all elements takes
// them in any order.

// CHECK-LABEL: func.func @rows(
// CHECK-SAME: %[[A:[^:]*]]: tensor<6x40xf32> {pc.port = #pc.port<input "a"{{ *}}>}
// CHECK: %[[AP:.*]] = pc.relayout %[[A]] : tensor<6x40xf32> -> tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[C:.*]] = pc.splat 2.{{.*}} : tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[B:.*]] = pc.broadcast %{{.*}} : tensor<6xf32> -> tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[P:.*]] = pc.mul %[[AP]], %[[C]] : tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[Q:.*]] = pc.add %[[P]], %[[B]] : tensor<6x40xf32, #pc.panels<16>>
// CHECK: %[[QR:.*]] = pc.relayout %[[Q]] : tensor<6x40xf32, #pc.panels<16>> -> tensor<6x40xf32>
// CHECK: pc.dense %{{.*}}, %[[Q]] transposed
// CHECK: pc.sum %[[Q]]
// CHECK: pc.slice %[[QR]]
// CHECK: return %{{.*}}, %[[QR]]
func.func @rows(%a: tensor<6x40xf32> {pc.port = #pc.port<input "a">},
                %b: tensor<6xf32> {pc.port = #pc.port<parameter "b">},
                %x: tensor<?x6xf32> {pc.port = #pc.port<input "x">})
    -> (tensor<?x40xf32> {pc.port = #pc.port<output "y">},
        tensor<6x40xf32> {pc.port = #pc.port<output "q">},
        tensor<f32> {pc.port = #pc.port<output "s">},
        tensor<6x4xf32> {pc.port = #pc.port<output "part">})
    attributes {pc.program = #pc.program_info<"toy", other, 0>} {
  %c = pc.splat 2.0 : tensor<6x40xf32>
  %r = pc.broadcast %b : tensor<6xf32> -> tensor<6x40xf32>
  %p = pc.mul %a, %c : tensor<6x40xf32>
  %q = pc.add %p, %r : tensor<6x40xf32>
  %y = pc.dense %x, %q transposed : tensor<?x6xf32>, tensor<6x40xf32> -> tensor<?x40xf32>
  %s = pc.sum %q : tensor<6x40xf32> -> tensor<f32>
  %part = pc.slice %q axis(-1) offset(0) : tensor<6x40xf32> -> tensor<6x4xf32>
  return %y, %q, %s, %part : tensor<?x40xf32>, tensor<6x40xf32>, tensor<f32>, tensor<6x4xf32>
}
