# How code outside compiles against PCX::PCCompiler: as LLVM was compiled.
separate_arguments(PCX_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
target_include_directories(PCX::PCCompiler SYSTEM INTERFACE
  ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(PCX::PCCompiler INTERFACE ${PCX_LLVM_DEFINITIONS})
if(NOT LLVM_ENABLE_EH)
  target_compile_options(PCX::PCCompiler INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
endif()
if(NOT LLVM_ENABLE_RTTI)
  target_compile_options(PCX::PCCompiler INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
endif()
