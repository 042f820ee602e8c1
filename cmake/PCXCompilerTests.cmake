# GoogleTest executables of the compiler's side.
find_package(GTest REQUIRED)
include(GoogleTest)

# pc_add_unittest(pc-foo-tests Foo a.cpp ... [LINK_LIBS ...] [DEFINITIONS ...])
#
# The tests appear in ctest as "Foo.Suite.Test".
function(pc_add_unittest name prefix)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS;DEFINITIONS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  pc_use_pch(${name})
  target_compile_definitions(${name} PRIVATE ${ARG_DEFINITIONS})
  target_link_libraries(${name} PRIVATE
    ${ARG_LINK_LIBS} GTest::gtest_main MLIR LLVM)
  add_dependencies(${name} pc-headers)
  gtest_discover_tests(${name} TEST_PREFIX "${prefix}." DISCOVERY_TIMEOUT 60)
endfunction()
