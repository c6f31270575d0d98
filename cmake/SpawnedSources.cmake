# Which file is what. Sets SPAWNED_SOURCES (the library), SPAWNED_UNIT_TESTS, SPAWNED_FUZZERS.
#
#   src/**/*.c            library        *_test.c   a test executable each
#   src/**/*_<arch>.S     library, where CMAKE_SYSTEM_PROCESSOR is <arch>
#   src/**/*_ucontext.c   library, on other processors or with SPAWNED_UCONTEXT
#   *_fuzz.c, fuzz/*.c    libFuzzer targets

file(GLOB_RECURSE SPAWNED_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.c)
file(GLOB_RECURSE spawned_asm CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.S)
set(SPAWNED_UNIT_TESTS ${SPAWNED_SOURCES})
list(FILTER SPAWNED_UNIT_TESTS INCLUDE REGEX "_test\\.c$")
list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "_(test|fuzz)\\.c$")

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" spawned_arch)
if(spawned_arch STREQUAL "amd64")
    set(spawned_arch x86_64)
elseif(spawned_arch STREQUAL "arm64")
    set(spawned_arch aarch64)
endif()
if(spawned_arch MATCHES "^(x86_64|aarch64)$" AND NOT SPAWNED_UCONTEXT)
    list(FILTER SPAWNED_SOURCES EXCLUDE REGEX "_ucontext\\.c$")
    list(FILTER spawned_asm INCLUDE REGEX "_${spawned_arch}\\.S$")
    list(APPEND SPAWNED_SOURCES ${spawned_asm})
endif()
if(NOT SPAWNED_SOURCES)
    file(WRITE ${PROJECT_BINARY_DIR}/empty.c "typedef int spawned_empty;\n")
    set(SPAWNED_SOURCES ${PROJECT_BINARY_DIR}/empty.c)
endif()

file(GLOB SPAWNED_HEADERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/spawned/*.h)
