# Files inside a program, without other tools than cmake and gzip (of every Debian).
#
#   telaio_embed(TARGET NAME FILE…)
#
# gives TARGET a source with the function `std::string_view telaio::cli::NAME()`: the files, one behind the other, packed
# by gzip. It is made anew when one of them changes. The second half of this file is what the build then runs:
#   cmake -DNAME=… -DFILES=a|b -DOUT=NAME.cpp -P embed.cmake
if(NOT CMAKE_SCRIPT_MODE_FILE)
  find_program(TELAIO_GZIP gzip REQUIRED)
  set(TELAIO_EMBED ${CMAKE_CURRENT_LIST_FILE})
  function(telaio_embed target name)
    set(out ${PROJECT_BINARY_DIR}/embedded/${name}.cpp)
    list(TRANSFORM ARGN REPLACE "^([^/].*)" "${PROJECT_SOURCE_DIR}/\\1" OUTPUT_VARIABLE files)
    list(JOIN files "|" joined)
    add_custom_command(OUTPUT ${out} DEPENDS ${files} ${TELAIO_EMBED} VERBATIM
      COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFILES=${joined} -DOUT=${out} -DGZIP=${TELAIO_GZIP} -P ${TELAIO_EMBED}
      COMMENT "Packing ${name}")
    target_sources(${target} PRIVATE ${out})
  endfunction()
  return()
endif()

string(REPLACE "|" ";" FILES "${FILES}")
get_filename_component(folder ${OUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
# -n: no time stamp, so that the same files give the same bytes.
execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${FILES} COMMAND ${GZIP} -9 -n -c OUTPUT_FILE ${OUT}.gz
                RESULTS_VARIABLE results COMMAND_ERROR_IS_FATAL ANY)
file(READ ${OUT}.gz bytes HEX)
file(REMOVE ${OUT}.gz)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REPEAT "0x..," 20 line)
string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include <string_view>
namespace telaio::cli {
namespace {
constexpr unsigned char bytes[] = {
${bytes}};
}
std::string_view ${NAME}();
std::string_view ${NAME}() { return {reinterpret_cast<const char*>(bytes), sizeof bytes}; }
}
")
