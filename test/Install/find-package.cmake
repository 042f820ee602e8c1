# Run by ctest: installs the runtime, builds the example out of tree, runs it.
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
  set(flags "-DCMAKE_C_FLAGS=-fsanitize=${SANITIZER}")
endif()
run("installing the runtime"
  ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}" --component runtime)
run("configuring the example"
  ${CMAKE_COMMAND} -S "${EXAMPLE}" -B "${WORK}/build" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_C_COMPILER=${C_COMPILER}" ${flags})
run("building the example" ${CMAKE_COMMAND} --build "${WORK}/build")
run("running the example"
  "${WORK}/build/run" "${ARTIFACT}" train 5 "${WORK}/toy.safetensors")
if(NOT output MATCHES "${EXPECTED}")
  message(FATAL_ERROR "expected '${EXPECTED}', found:\n${output}")
endif()

# A component that is not there is named.
file(WRITE "${WORK}/missing/CMakeLists.txt" "
cmake_minimum_required(VERSION 3.25)
project(missing LANGUAGES C)
find_package(PCX REQUIRED COMPONENTS quantum)
")
execute_process(
  COMMAND ${CMAKE_COMMAND} -S "${WORK}/missing" -B "${WORK}/missing/build"
    -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_C_COMPILER=${C_COMPILER}" ${flags}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "unknown component 'quantum'")
  message(FATAL_ERROR "expected an unknown component, found:\n${output}")
endif()
