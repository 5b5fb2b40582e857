# Installs a build into an empty prefix, builds an outside project against it and runs that, and weighs what was
# installed.
#   cmake -DBUILD_DIR=… -DWORK_DIR=… -DGENERATOR=… -DCXX_COMPILER=… -DMAX_BYTES=… -P check.cmake
# MAX_BYTES 0: no limit.
file(REMOVE_RECURSE ${WORK_DIR})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix --strip)

file(GLOB_RECURSE installed ${WORK_DIR}/prefix/*)
set(bytes 0)
foreach(file IN LISTS installed)
  if(NOT IS_SYMLINK ${file})
    file(SIZE ${file} size)
    math(EXPR bytes "${bytes} + ${size}")
  endif()
endforeach()
message(STATUS "installed: ${bytes} bytes")
if(MAX_BYTES AND bytes GREATER MAX_BYTES)
  message(FATAL_ERROR "the stripped install may have ${MAX_BYTES} bytes")
endif()

# Every installed header must stand on its own feet: none may need one that stayed behind.
file(GLOB_RECURSE headers RELATIVE ${WORK_DIR}/prefix/include ${WORK_DIR}/prefix/include/*.hpp)
list(LENGTH headers count)
if(count LESS 10)
  message(FATAL_ERROR "only ${count} headers were installed")
endif()
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>\n")
string(JOIN "" includes ${headers})
file(WRITE ${WORK_DIR}/all_headers.cpp "${includes}")

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK_DIR}/build -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix -DALL_HEADERS=${WORK_DIR}/all_headers.cpp)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/outside)
message(STATUS "${output}")
run(${WORK_DIR}/build/files)
if(EXISTS ${WORK_DIR}/prefix/bin/telaio)
  run(${WORK_DIR}/prefix/bin/telaio --help)
endif()

# What is loaded while a program runs may have been forgotten when it was copied: that must be said.
file(GLOB_RECURSE threads ${WORK_DIR}/prefix/libtelaio_threads.so*)
if(threads)
  file(REMOVE ${threads})
  run(${WORK_DIR}/build/outside)
  execute_process(COMMAND ${WORK_DIR}/prefix/bin/telaio train --data digits --threads 2 RESULT_VARIABLE result
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result EQUAL 0 OR NOT output MATCHES "threads cannot be started: libtelaio_threads")
    message(FATAL_ERROR "without libtelaio_threads.so: exit code ${result}, output\n${output}")
  endif()
endif()
