# Install rules and the exported package: find_package(PCX).
include(CMakePackageConfigHelpers)
