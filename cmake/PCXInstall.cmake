# Install rules and the exported package: find_package(PCX).
#
# Each component (runtime, compiler) has an export set of its own,
# PCX-<component>-targets, so that the runtime can be installed and found alone:
#   cmake --install build --component runtime
# A component that adds targets calls pcx_export(<component> <targets>...); what
# its users must find first goes into cmake/PCX-<component>-dependencies.cmake,
# what they compile with beside the targets' own into PCX-<component>-usage.cmake.
include(CMakePackageConfigHelpers)
set(PCX_INSTALL_CMAKEDIR "${CMAKE_INSTALL_LIBDIR}/cmake/PCX")
set(PCX_COMPONENTS runtime compiler)

function(pcx_export component)
  install(TARGETS ${ARGN}
    EXPORT PCX-${component}-targets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${component}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component}
      NAMELINK_COMPONENT ${component}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component})
  install(EXPORT PCX-${component}-targets
    NAMESPACE PCX::
    DESTINATION ${PCX_INSTALL_CMAKEDIR}
    COMPONENT ${component})
  foreach(part dependencies usage)
    set(file "${PROJECT_SOURCE_DIR}/cmake/PCX-${component}-${part}.cmake")
    if(EXISTS "${file}")
      install(FILES "${file}"
        DESTINATION ${PCX_INSTALL_CMAKEDIR} COMPONENT ${component})
    endif()
  endforeach()
endfunction()

# The runtime: two public headers and one library.
pcx_export(runtime pcx)
install(FILES
  "${PROJECT_SOURCE_DIR}/include/pcx/abi.h"
  "${PROJECT_SOURCE_DIR}/include/pcx/pcx.h"
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pcx COMPONENT runtime)

# The compiler: programs, one library, headers and .td files, for dialects, passes
# and tools out of tree. `include "dialects/PC/PCOps.td"` works as it does here.
if(PCX_BUILD_COMPILER)
  get_property(compiler_tools GLOBAL PROPERTY PC_COMPILER_TOOLS)
  pcx_export(compiler PCCompiler ${compiler_tools})
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/pc" "${PROJECT_BINARY_DIR}/include/pc"
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT compiler
    FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/dialects"
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT compiler
    FILES_MATCHING PATTERN "*.td")
  # The tables that pc/Artifact describes.
  install(FILES "${PROJECT_SOURCE_DIR}/include/pcx/abi.h"
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pcx COMPONENT compiler)
endif()

# The package, for whichever components are there.
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/PCXConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/cmake/PCXConfig.cmake"
  INSTALL_DESTINATION ${PCX_INSTALL_CMAKEDIR})
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/cmake/PCXConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
foreach(component IN LISTS PCX_COMPONENTS)
  install(FILES
    "${PROJECT_BINARY_DIR}/cmake/PCXConfig.cmake"
    "${PROJECT_BINARY_DIR}/cmake/PCXConfigVersion.cmake"
    DESTINATION ${PCX_INSTALL_CMAKEDIR} COMPONENT ${component})
endforeach()
