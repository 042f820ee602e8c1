# Run by ctest: installs the compiler alone, builds the plugins of EXAMPLES
# against it, runs their lit tests, and loads one into pcc.
file(REMOVE_RECURSE "${WORK}")
set(prefix "${WORK}/prefix")

function(run what)
  execute_process(COMMAND ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output
    WORKING_DIRECTORY "${BUILD}")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(flags)
if(SANITIZER)
  set(flags "-DCMAKE_C_FLAGS=-fsanitize=${SANITIZER}"
    "-DCMAKE_CXX_FLAGS=-fsanitize=${SANITIZER}")
endif()
run("installing the compiler"
  ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}" --component compiler)

# A plugin in a folder: configure, build, run its tests.
function(build example)
  run("configuring ${example}"
    ${CMAKE_COMMAND} -S "${EXAMPLES}/${example}" -B "${WORK}/${example}"
      -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
      "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" "-DCMAKE_C_COMPILER=${C_COMPILER}"
      ${flags})
  run("building ${example}" ${CMAKE_COMMAND} --build "${WORK}/${example}")
  run("the lit tests of ${example}"
    ${CMAKE_CTEST_COMMAND} --test-dir "${WORK}/${example}" --output-on-failure)
  if(NOT output MATCHES "100% tests passed, 0 tests failed out of 1")
    message(FATAL_ERROR "expected one passing test of ${example}, found:\n${output}")
  endif()
endfunction()

build(out-of-tree-pass)

# What is installed is enough: the runtime is another component.
if(EXISTS "${prefix}/bin/pcx-run")
  message(FATAL_ERROR "expected the compiler alone in ${prefix}")
endif()
run("loading the plugin into pcc"
  "${prefix}/bin/pcc" "${MODELS}/digits.pcir"
    "--load-pass-plugin=${WORK}/out-of-tree-pass/libSetPrecision.so"
    "--pass-after=input:pc.model(set-precision{value=0.5})" --emit=pcir -o -)
string(REGEX MATCHALL "precision\\(5.000000e-01\\)" found "${output}")
list(LENGTH found count)
if(NOT count EQUAL 2)
  message(FATAL_ERROR "expected the two hidden vodes to have a precision, found:\n${output}")
endif()
run("compiling with the plugin"
  "${prefix}/bin/pcc" "${MODELS}/digits.pcir" -o "${WORK}/digits.pcx"
    "--load-pass-plugin=${WORK}/out-of-tree-pass/libSetPrecision.so"
    "--pass-after=input:pc.model(set-precision{value=0.5})")

# A dialect: its operation goes through all phases, and the code learns.
build(out-of-tree-dialect)
set(example "${WORK}/out-of-tree-dialect")
run("compiling with the dialect"
  "${prefix}/bin/pcc" "${EXAMPLES}/out-of-tree-dialect/test/softsign.pcir"
    "--load-dialect-plugin=${example}/libActs.so" -o "${example}/softsign.pcx")
run("training" "${BUILD}/bin/pcx-run" train "${example}/softsign.pcx"
  --recipe "${MODELS}/recipes/digits.toml" --epochs 10)
if(NOT output MATCHES "9[0-9]\\.[0-9]+ ?%")
  message(FATAL_ERROR "expected an accuracy above 90 %, found:\n${output}")
endif()

# With the compiler beside it the runtime still needs no LLVM.
run("installing the runtime"
  ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}" --component runtime)
file(WRITE "${WORK}/consumer/CMakeLists.txt" "
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(PCX REQUIRED COMPONENTS \${COMPONENTS})
if(NOT TARGET PCX::pcx)
  message(FATAL_ERROR \"expected PCX::pcx\")
endif()
")
set(consume ${CMAKE_COMMAND} -S "${WORK}/consumer" -G "${GENERATOR}"
  "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_C_COMPILER=${C_COMPILER}"
  -DCMAKE_DISABLE_FIND_PACKAGE_LLVM=ON -DCMAKE_DISABLE_FIND_PACKAGE_MLIR=ON)
run("finding the runtime without LLVM" ${consume} -B "${WORK}/consumer/runtime")
execute_process(
  COMMAND ${consume} -B "${WORK}/consumer/compiler" -DCOMPONENTS=compiler
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "component 'compiler' needs LLVM and +MLIR 22")
  message(FATAL_ERROR "expected the compiler to need LLVM, found:\n${output}")
endif()
