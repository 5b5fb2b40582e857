# What `cmake --install` puts where, so that an outside project can say find_package(telaio).
include(CMakePackageConfigHelpers)
set(TELAIO_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/telaio)

install(TARGETS telaio telaio_core telaio_io EXPORT telaio_targets)
if(TARGET telaio_threads)
  install(TARGETS telaio_threads)
endif()
install(EXPORT telaio_targets NAMESPACE telaio:: FILE telaio-targets.cmake DESTINATION ${TELAIO_PACKAGE_DIR})
if(TARGET telaio_cli)
  install(TARGETS telaio_cli)
endif()

# The public headers: not the samples, which are for tests, nor the kernels, nor what only sources include.
install(FILES telaio.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/telaio)
install(DIRECTORY autograd ops nn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/telaio FILES_MATCHING PATTERN "*.hpp"
        PATTERN "ops/kernels" EXCLUDE PATTERN "ops/samples" EXCLUDE PATTERN "nn/io/json.hpp" EXCLUDE
        PATTERN "nn/io/json_keys.hpp" EXCLUDE PATTERN "nn/walk.hpp" EXCLUDE PATTERN "nn/layers/checks.hpp" EXCLUDE
        PATTERN "autograd/runtime/threads.hpp" EXCLUDE)

# A shared library brings its dependencies along; who links the static one needs them too.
configure_package_config_file(cmake/telaio-config.cmake.in telaio-config.cmake INSTALL_DESTINATION ${TELAIO_PACKAGE_DIR})
write_basic_package_version_file(telaio-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/telaio-config.cmake ${PROJECT_BINARY_DIR}/telaio-config-version.cmake
        DESTINATION ${TELAIO_PACKAGE_DIR})
