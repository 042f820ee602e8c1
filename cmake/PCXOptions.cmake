# Flags that every target shares.
if(PCX_SANITIZER)
  add_compile_options(-fsanitize=${PCX_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${PCX_SANITIZER})
endif()
if(PCX_ENABLE_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
# pcx_calls_artifacts(source...): for the sources of this folder that call into
# artifacts. The check of indirect calls reads a signature in front of the callee,
# which code that clang did not compile has not, and may be the end of a page.
function(pcx_calls_artifacts)
  if(PCX_SANITIZER MATCHES "undefined")
    set_property(SOURCE ${ARGN} APPEND PROPERTY
      COMPILE_OPTIONS -fno-sanitize=function)
  endif()
endfunction()
# pcx_not_measured(target): leaves out what PCX_ENABLE_COVERAGE adds, for code that
# is loaded and unloaded as artifacts are, which need no library.
function(pcx_not_measured target)
  if(PCX_ENABLE_COVERAGE)
    target_compile_options(${target} PRIVATE
      -fno-profile-instr-generate -fno-coverage-mapping)
    # The linker's driver knows no option that takes this one back.
    get_target_property(options ${target} LINK_OPTIONS)
    list(REMOVE_ITEM options -fprofile-instr-generate)
    set_target_properties(${target} PROPERTIES LINK_OPTIONS "${options}")
  endif()
endfunction()
find_program(PCX_CCACHE ccache)
if(PCX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The slops are what ccache needs to cache through a precompiled header.
  set(launcher ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${PCX_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

# Warnings for our own code; MLIR's headers come in as SYSTEM.
function(pcx_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
endfunction()
