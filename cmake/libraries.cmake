# The libraries: telaio_core computes, telaio_io reads and writes files, telaio_threads is oneTBB's; how they are compiled
# and linked, and `telaio`, which programs link with.
file(GLOB_RECURSE TELAIO_SOURCES CONFIGURE_DEPENDS autograd/*.cpp ops/*.cpp nn/*.cpp)
list(FILTER TELAIO_SOURCES EXCLUDE REGEX "/ops/samples/")
# What reads and writes files is a library of its own: it needs PNG, zlib and JSON, and to load those takes a process
# that only computes a twelfth of the time until its first step is done.
set(TELAIO_IO_SOURCES ${TELAIO_SOURCES})
set(io_sources "io/[a-z_0-9]+|describe|data/(cifar|csv|idx|image_folder|load_dataset|png)|train/(checkpoint|loggers|tensorboard)")
list(FILTER TELAIO_IO_SOURCES INCLUDE REGEX "/nn/(${io_sources})\\.cpp$")
set(TELAIO_CORE_SOURCES ${TELAIO_SOURCES})
list(REMOVE_ITEM TELAIO_CORE_SOURCES ${TELAIO_IO_SOURCES})
# What runs once a compilation, a step, a layer or a file is compiled for size: the loops over elements are elsewhere.
set(TELAIO_COLD_SOURCES ${TELAIO_SOURCES})
set(cold_nn "nn/([a-z_]+|layers/[a-z_]+|io/[a-z_0-9]+|train/[a-z_]+|data/[a-z_]+|insight/[a-z_]+)")
set(cold_passes "autograd/(checkpoint|compile|draw|grad|gradcheck|print|tensor|runtime/(feed_readers|fuse_elementwise|graph|lower|memory|parts|profile|run_together|schedule|simplify|slice|together|views))")
list(FILTER TELAIO_COLD_SOURCES INCLUDE REGEX "/(${cold_nn}|${cold_passes}|ops/[a-z_0-9]+)\\.cpp$")
list(FILTER TELAIO_COLD_SOURCES EXCLUDE REGEX
     "/(check_finite|augment|pixels|warp|standardize|digit_pen|digits|sample_random|initializer)\\.cpp$")
set_source_files_properties(${TELAIO_COLD_SOURCES} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-Os>")
# Unrolling would double what there is once for every operation, type and target, where loops are seldom long or hot; in
# register tiles what matters is unrolled by hand.
set_source_files_properties(ops/kernels/reduce_integer.cpp ops/kernels/softmax.cpp
                            PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2>")
# GCC's choice of induction variables advances the address of each row of a register tile instead of one index.
set_source_files_properties(ops/kernels/gemm_micro.cpp
  PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2$<$<CXX_COMPILER_ID:GNU>:;-fno-ivopts>>")

include(CheckLinkerFlag)
# One library must not use what only another has that it is not linked with.
check_linker_flag(CXX -Wl,-z,defs TELAIO_FINDS_ALL_SYMBOLS)
# What is looked up when a library is loaded, and again at the first call of each function, costs every process: its own
# functions are bound to one another when it is linked. Most other relocations are of tables of its own; packed they need
# a hundredth (glibc 2.36 reads them).
check_linker_flag(CXX -Wl,-Bsymbolic-functions TELAIO_BINDS_OWN_FUNCTIONS)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs TELAIO_PACKS_RELOCATIONS)
set(internal_symbols -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/internal_symbols.map)
check_linker_flag(CXX ${internal_symbols} TELAIO_HIDES_INTERNAL_SYMBOLS)
# Code and tables in one segment: a mapping less, and no room between them.
check_linker_flag(CXX -Wl,-z,noseparate-code TELAIO_JOINS_SEGMENTS)
set(text_order -Wl,-T,${PROJECT_SOURCE_DIR}/cmake/text_order.ld)
check_linker_flag(CXX ${text_order} TELAIO_ORDERS_TEXT)
check_linker_flag(CXX -Wl,--push-state,--as-needed,--pop-state TELAIO_LINKS_AS_NEEDED)
set(TELAIO_PACK_RELOCATIONS $<$<BOOL:${TELAIO_PACKS_RELOCATIONS}>:-Wl,-z,pack-relative-relocs>)

function(telaio_library target)
  add_library(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                                             POSITION_INDEPENDENT_CODE ON VISIBILITY_INLINES_HIDDEN ON)
  set_property(TARGET ${target} APPEND PROPERTY BUILD_RPATH "$ORIGIN")
  set_property(TARGET ${target} APPEND PROPERTY INSTALL_RPATH "$ORIGIN")
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} PUBLIC Boost::headers PRIVATE fmt::fmt $<BUILD_INTERFACE:telaio_options>)
  if(BUILD_SHARED_LIBS)
    target_link_options(${target}
      PRIVATE $<$<BOOL:${TELAIO_FINDS_ALL_SYMBOLS}>:-Wl,-z,defs>
              $<$<BOOL:${TELAIO_BINDS_OWN_FUNCTIONS}>:-Wl,-Bsymbolic-functions>
              $<$<CONFIG:Release>:${TELAIO_PACK_RELOCATIONS}>
              $<$<AND:$<CONFIG:Release>,$<BOOL:${TELAIO_JOINS_SEGMENTS}>>:-Wl,-z,noseparate-code>
              $<$<AND:$<CONFIG:Release>,$<BOOL:${TELAIO_HIDES_INTERNAL_SYMBOLS}>>:${internal_symbols}>)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/internal_symbols.map)
  endif()
endfunction()
if(BUILD_SHARED_LIBS)
  # What oneTBB runs is loaded when there is work for a second thread.
  list(FILTER TELAIO_CORE_SOURCES EXCLUDE REGEX "/runtime/threads\\.cpp$")
  telaio_library(telaio_threads autograd/runtime/threads.cpp)
  target_link_libraries(telaio_threads PRIVATE TBB::tbb)
endif()
telaio_library(telaio_core ${TELAIO_CORE_SOURCES})
set_target_properties(telaio_core PROPERTIES OUTPUT_NAME telaio EXPORT_NAME core)
target_link_libraries(telaio_core PRIVATE ${CMAKE_DL_LIBS} $<BUILD_INTERFACE:telaio_highway>)
if(BUILD_SHARED_LIBS)
  add_dependencies(telaio_core telaio_threads)
  set_property(SOURCE autograd/runtime/load_threads.cpp PROPERTY COMPILE_DEFINITIONS
               TELAIO_THREADS_LIBRARY="$<TARGET_SONAME_FILE_NAME:telaio_threads>")
else()
  target_link_libraries(telaio_core PRIVATE TBB::tbb)
endif()
if(BUILD_SHARED_LIBS AND TELAIO_ORDERS_TEXT)
  target_compile_options(telaio_core PRIVATE $<$<CONFIG:Release>:-ffunction-sections>)
  target_link_options(telaio_core PRIVATE $<$<CONFIG:Release>:${text_order};-Wl,--gc-sections>)
  set_property(TARGET telaio_core APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/text_order.ld)
endif()
# The linker writes a file in small pieces, and in such it lies in the machine's memory until it is read from the disk
# again: each process takes half a millisecond longer to find its pages than those of a copy.
find_program(CP_PROGRAM cp)
if(BUILD_SHARED_LIBS AND CP_PROGRAM)
  add_custom_command(TARGET telaio_core POST_BUILD
    COMMAND ${CP_PROGRAM} $<TARGET_FILE:telaio_core> $<TARGET_FILE:telaio_core>.copy
    COMMAND ${CMAKE_COMMAND} -E rename $<TARGET_FILE:telaio_core>.copy $<TARGET_FILE:telaio_core> VERBATIM)
endif()
telaio_library(telaio_io ${TELAIO_IO_SOURCES})
set_target_properties(telaio_io PROPERTIES EXPORT_NAME io)
target_link_libraries(telaio_io PUBLIC telaio_core PRIVATE Boost::json PNG::PNG ZLIB::ZLIB)

# Both, of which a program loads what it uses.
add_library(telaio INTERFACE)
add_library(telaio::telaio ALIAS telaio)
if(BUILD_SHARED_LIBS AND TELAIO_LINKS_AS_NEEDED)
  # CMake leaves out a flag that it has seen before, were it another target's pop-state: this one is spelt as none is.
  target_link_libraries(telaio INTERFACE -Wl,--push-state,--as-needed telaio_io telaio_core
                                         -Wl,--push-state,--pop-state,--pop-state)
else()
  target_link_libraries(telaio INTERFACE telaio_io telaio_core)
endif()
