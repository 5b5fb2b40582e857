# Warnings, sanitizers and code generation for the project's own targets (never exported to users).
add_library(telaio_options INTERFACE)
target_compile_options(telaio_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  # The same source gives the same bits: no contraction of a*b+c that one compiler does and another does not.
  -ffp-contract=off
  # Nobody replaces the library's functions from outside: let its files inline their own.
  -fno-semantic-interposition)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies in "text" + std::string, and uninitialised members in tables of aggregates (its bugs
  # 105651 and 105562).
  target_compile_options(telaio_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(TELAIO_SANITIZE)
  target_compile_options(telaio_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                                                  -fno-omit-frame-pointer)
  target_link_options(telaio_options INTERFACE -fsanitize=address,undefined)
endif()
