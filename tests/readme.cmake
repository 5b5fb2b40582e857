# The first program that README.md shows is examples/first_graph.cpp, to the letter, and prints what README.md says.
#   cmake -DREADME=… -DSOURCE=… -DPROGRAM=… -P readme.cmake
file(READ ${README} readme)
file(READ ${SOURCE} source)
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
foreach(part IN ITEMS source output)
  string(FIND "${readme}" "${${part}}" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "${README} does not have the ${part} of ${SOURCE}:\n${${part}}")
  endif()
endforeach()
