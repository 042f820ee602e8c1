// RUN: pc-opt %s --pc-bind-constants | FileCheck %s --check-prefix=DEFAULT
// RUN: pc-opt %s --pc-bind-constants="define=width=16,depth=3" | FileCheck %s --check-prefix=SET
// RUN: not pc-opt %s --pc-bind-constants="define=widht=16" 2>&1 | FileCheck %s --check-prefix=TYPO
// RUN: not pc-opt %s --pc-bind-constants="define=width=wide" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not pc-opt %s --pc-bind-constants="define=width=-1" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not pc-opt %s --pc-bind-constants="define=width=2147483648" 2>&1 | FileCheck %s --check-prefix=LARGE

// model_c3
// TYPO: error: -D widht=16: no model has a parameter 'widht'; did you mean 'width'?
// NUMBER: error: -D width=wide: expected name=integer
// dims_c3
// NEGATIVE: bind-constants.mlir:[[#@LINE+8]]:{{.*}} needs the dimension 'width' to be from 1 to 2147483647, found -1
// LARGE: bind-constants.mlir:[[#@LINE+7]]:{{.*}} needs the dimension 'width' to be from 1 to 2147483647, found 2147483648

!hidden = tensor<?xf32, #pc.dims<width>>

// DEFAULT-LABEL: pc.block @dense(%{{.*}}: tensor<8xf32>) -> tensor<8xf32>
// SET-LABEL: pc.block @dense(%{{.*}}: tensor<16xf32>) -> tensor<16xf32>
pc.block @dense(%x: !hidden) -> !hidden {
  %u = pc.linear @fc %x : !hidden -> !hidden
  pc.yield %u : !hidden
}

// DEFAULT-LABEL: pc.model @m
// SET-LABEL: pc.model @m
pc.model @m (width = 8, depth = 2) {
  %x = pc.input @x : tensor<4xf32>
  // DEFAULT: %[[N:.*]] = arith.constant 8.000000e+00 : f64
  // DEFAULT: pc.scale %{{.*}}, %[[N]]
  // SET: %[[N:.*]] = arith.constant 1.600000e+01 : f64
  // SET: pc.scale %{{.*}}, %[[N]]
  %n = pc.size @width
  %scaled = pc.scale %x, %n : tensor<4xf32>
  // DEFAULT: pc.linear @in %{{.*}} : tensor<4xf32> -> tensor<8xf32>
  // SET: pc.linear @in %{{.*}} : tensor<4xf32> -> tensor<16xf32>
  %u = pc.linear @in %x : tensor<4xf32> -> !hidden
  %h = pc.vode @h %u energy(se) : !hidden
  // DEFAULT: times(2) : (tensor<8xf32>) -> tensor<8xf32>
  // SET: times(3) : (tensor<16xf32>) -> tensor<16xf32>
  %v = pc.apply @dense %h as @stack times(@depth) : (!hidden) -> !hidden
}

// DEFAULT-LABEL: pc.program @read on @m
// SET-LABEL: pc.program @read on @m
pc.program @read on @m (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  // DEFAULT: pc.repeat 2 {
  // SET: pc.repeat 3 {
  pc.repeat @depth {
  }
  // DEFAULT: %[[W:.*]] = arith.constant 8.000000e+00 : f64
  // DEFAULT: arith.divf %{{.*}}, %[[W]] : f64
  // SET: %[[W:.*]] = arith.constant 1.600000e+01 : f64
  // SET: arith.divf %{{.*}}, %[[W]] : f64
  %lr = pc.hyper "lr" default 0.5
  %width = pc.size @width
  %rate = arith.divf %lr, %width : f64
  // DEFAULT: pc.read @h : tensor<8xf32>
  // SET: pc.read @h : tensor<16xf32>
  %h = pc.read @h : !hidden
  pc.output "h" = %h : !hidden
}
