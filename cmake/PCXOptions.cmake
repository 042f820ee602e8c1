# Flags that every target shares.
if(PCX_SANITIZER)
  add_compile_options(-fsanitize=${PCX_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${PCX_SANITIZER})
endif()
if(PCX_ENABLE_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
# pcx_not_measured(target): leaves out what PCX_ENABLE_COVERAGE adds, for code that
# is loaded and unloaded as artifacts are, which need no library.
function(pcx_not_measured target)
  if(PCX_ENABLE_COVERAGE)
    target_compile_options(${target} PRIVATE
      -fno-profile-instr-generate -fno-coverage-mapping)
    target_link_options(${target} PRIVATE -fno-profile-instr-generate)
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
