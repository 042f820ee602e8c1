# LLVM, MLIR and lld for the compiler's libraries and tools.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(LLVM REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "pcc needs LLVM and MLIR 22, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
set(LLVM_RUNTIME_OUTPUT_INTDIR "${PROJECT_BINARY_DIR}/bin")
set(LLVM_LIBRARY_OUTPUT_INTDIR "${PROJECT_BINARY_DIR}/lib")
set(MLIR_BINARY_DIR "${PROJECT_BINARY_DIR}")
# MLIRConfig does not export this one (llvm-project#197175).
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_EXTERNAL_LIT "${LLVM_TOOLS_BINARY_DIR}/lit" CACHE FILEPATH "lit")
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(HandleLLVMOptions)
# LLVM's own shared libraries must stay loaded; what tests load must not.
foreach(kind SHARED MODULE)
  string(REPLACE "-Wl,-z,nodelete" "" CMAKE_${kind}_LINKER_FLAGS
    "${CMAKE_${kind}_LINKER_FLAGS}")
  if(PCX_SANITIZER)
    # The sanitizers' symbols come from the program.
    string(REPLACE "-Wl,-z,defs" "" CMAKE_${kind}_LINKER_FLAGS
      "${CMAKE_${kind}_LINKER_FLAGS}")
  endif()
endforeach()
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${LLVM_DEFINITIONS_LIST})
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include
  ${PROJECT_BINARY_DIR}/include)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${LLVM_LIBRARY_DIR}")
set(CMAKE_BUILD_RPATH "${LLVM_LIBRARY_DIR}")

# One precompiled header for all compiler libraries.
if(PCX_ENABLE_PCH)
  file(WRITE "${PROJECT_BINARY_DIR}/pch/pch.cpp" "")
  add_library(pc_pch OBJECT "${PROJECT_BINARY_DIR}/pch/pch.cpp")
  llvm_update_compile_flags(pc_pch)
  set_target_properties(pc_pch PROPERTIES CXX_VISIBILITY_PRESET default)
  target_precompile_headers(pc_pch PRIVATE "${PROJECT_SOURCE_DIR}/cmake/pch.h")
  target_compile_options(pc_pch PRIVATE -Xclang -fno-pch-timestamp)
endif()

function(pc_use_pch target)
  pcx_warnings(${target})
  # The header and what uses it must agree, and PCCompiler exports everything.
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET default)
  if(PCX_ENABLE_PCH AND TARGET ${target})
    target_precompile_headers(${target} REUSE_FROM pc_pch)
    # The header is compiled as PIC, which an executable's -fPIE would not match.
    target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp -fPIC)
  endif()
endfunction()

# pc_add_library(PCFoo a.cpp b.cpp [DEPENDS ...] [LINK_LIBS ...] [PRIVATE_TO_TOOL])
#
# A static library of the compiler. It links our own libraries by name; MLIR
# and LLVM always come from the shared libraries, so that there is one TypeID of
# everything. For the same reason programs and plugins do not link the static
# libraries: lib/CMakeLists.txt makes them one shared library, PCCompiler, unless
# PRIVATE_TO_TOOL. The static ones are for unit tests, which reach behind.
function(pc_add_library name)
  cmake_parse_arguments(ARG "PRIVATE_TO_TOOL" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  pc_use_pch(${name})
  add_dependencies(${name} pc-headers ${ARG_DEPENDS})
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS} MLIR LLVM)
  if(NOT ARG_PRIVATE_TO_TOOL)
    set_property(GLOBAL APPEND PROPERTY PC_COMPILER_LIBRARIES ${name})
  endif()
endfunction()

# pc_add_tool(pcc pcc.cpp [LINK_LIBS ...])
#
# A program of the compiler. It links PCCompiler, and can load plugins that do.
function(pc_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  pc_use_pch(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} PCCompiler MLIR LLVM)
  add_dependencies(${name} pc-headers)
  set_property(GLOBAL APPEND PROPERTY PC_COMPILER_TOOLS ${name})
endfunction()
