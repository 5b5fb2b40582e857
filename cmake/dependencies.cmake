# Every package is in Debian 12; docs/dependencies.md says why each is here.
find_package(TBB REQUIRED CONFIG)
find_package(Boost 1.81 REQUIRED COMPONENTS program_options json)
find_package(fmt REQUIRED CONFIG)
find_package(hwy REQUIRED CONFIG)
find_package(PNG 1.6 REQUIRED)
find_package(ZLIB REQUIRED)
# Of Highway its headers only: its library measures the clock when it is loaded, which takes 4 ms.
add_library(telaio_highway INTERFACE)
target_include_directories(telaio_highway INTERFACE $<TARGET_PROPERTY:hwy::hwy,INTERFACE_INCLUDE_DIRECTORIES>)
if(TELAIO_TESTS)
  find_package(GTest REQUIRED)
endif()
if(TELAIO_BENCH)
  find_package(benchmark REQUIRED)
endif()
# Chart.js draws the curves of a report: the program carries it along.
find_file(TELAIO_CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js REQUIRED
          DOC "Chart.js, of Debian's package libjs-chart.js")
