# Which file is what. Sets SPAWNED_SOURCES (the library) and SPAWNED_UNIT_TESTS.
#
#   src/**/*.c              the library
#   src/**/*_<arch>.c, .S   the library, where CMAKE_SYSTEM_PROCESSOR is <arch>
#   src/**/*_ucontext.c     the library, on other processors or with SPAWNED_UCONTEXT
#   src/**/*_test.c         a test executable each
#   src/**/*_fuzz.c         a libFuzzer target each

file(GLOB_RECURSE SPAWNED_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.c)
file(GLOB_RECURSE spawned_asm CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.S)
# The main function of simulated tests is a library of its own: SpawnedSim.cmake. So is the HTTP
# endpoint: SpawnedHttp.cmake, and the exporter of traces: SpawnedOtlp.cmake (SpawnedParts.cmake).
list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "/src/(sim|http|otlp)/")
list(FILTER spawned_asm EXCLUDE REGEX "/src/http/")
set(SPAWNED_UNIT_TESTS ${SPAWNED_SOURCES})
list(FILTER SPAWNED_UNIT_TESTS INCLUDE REGEX "_test\\.c$")
list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "_(test|fuzz)\\.c$")

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" spawned_arch)
if(spawned_arch STREQUAL "amd64")
    set(spawned_arch x86_64)
elseif(spawned_arch STREQUAL "arm64")
    set(spawned_arch aarch64)
endif()
list(APPEND SPAWNED_SOURCES ${spawned_asm})
# What is left in here is for other processors.
set(spawned_other_arch "x86_64|aarch64")
if(spawned_arch MATCHES "^(x86_64|aarch64)$" AND NOT SPAWNED_UCONTEXT)
    string(REGEX REPLACE "\\|?${spawned_arch}\\|?" "" spawned_other_arch ${spawned_other_arch})
    list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "_ucontext\\.c$")
endif()
list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "_(${spawned_other_arch})\\.[cS]$")
if(NOT SPAWNED_SOURCES)
    file(WRITE ${PROJECT_BINARY_DIR}/empty.c "typedef int spawned_empty;\n")
    set(SPAWNED_SOURCES ${PROJECT_BINARY_DIR}/empty.c)
endif()
