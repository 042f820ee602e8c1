# What find_package(PCX COMPONENTS compiler) needs first.
find_package(MLIR QUIET CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(LLVM QUIET CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
if(NOT MLIR_FOUND OR NOT LLVM_FOUND)
  set(PCX_compiler_MISSING
    "needs LLVM and MLIR 22, which are not there (-DCMAKE_PREFIX_PATH=... names a folder)")
elseif(NOT LLVM_VERSION_MAJOR EQUAL 22)
  set(PCX_compiler_MISSING
    "was built with LLVM 22, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()
