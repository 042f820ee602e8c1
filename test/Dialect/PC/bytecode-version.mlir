// REQUIRES: pc-opt
// Bytecode says which version of the dialect wrote it, and a newer one is
// refused. The section of the version is its number (7), its length (1) and the
// version (1), each an integer of one byte with the lowest bit set.
// RUN: pc-opt %s --emit-bytecode -o %t.bc
// RUN: %python -c "import sys; b = open(sys.argv[1], 'rb').read(); old = bytes([7, 3, 3]); assert b.count(old) == 1; open(sys.argv[2], 'wb').write(b.replace(old, bytes([7, 3, 5])))" %t.bc %t.newer.bc
// RUN: not pc-opt %t.newer.bc 2>&1 | FileCheck %s
// CHECK: error: pc bytecode of version 2 is newer than the 1 that this compiler reads

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
}
