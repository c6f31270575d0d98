# What everything in the tree is compiled with: spawned_flags (ours: library, tests,
# examples) and spawned_library_flags (the library alone, on top).

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
# Asserts stay on in a release: a violated invariant must stop the process that violates it.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")
set(CMAKE_ASM_FLAGS_RELEASE "-g")
set(CMAKE_ASM_FLAGS_DEBUG "-g")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_library(spawned_flags INTERFACE)
target_compile_definitions(spawned_flags INTERFACE _GNU_SOURCE)
# Messages of asserts and checks name files from the root of the source tree.
target_compile_options(spawned_flags INTERFACE -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_compile_options(spawned_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
        -Wvla -Wpointer-arith -Wcast-qual -Wundef -Wwrite-strings -Wformat=2
        -Wimplicit-fallthrough -Wunused-result
        -fno-omit-frame-pointer -fstack-clash-protection>)
if(SPAWNED_WERROR)
    target_compile_options(spawned_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    target_compile_options(spawned_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wthread-safety>)
endif()

if(SPAWNED_SANITIZE)
    string(REPLACE ";" "," spawned_sanitize "${SPAWNED_SANITIZE}")
    target_compile_options(spawned_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fsanitize=${spawned_sanitize} -fno-sanitize-recover=all>)
    target_link_options(spawned_flags INTERFACE -fsanitize=${spawned_sanitize})
endif()
if(SPAWNED_FAULT_INJECTION)
    target_compile_definitions(spawned_flags INTERFACE SPAWNED_FAULT_INJECTION=1)
endif()
# Reports of what a process leaves behind are on unless the program says otherwise.
target_compile_definitions(spawned_flags INTERFACE $<$<CONFIG:Debug>:SPAWNED_LEAK_REPORTS=1>)
if(SPAWNED_UCONTEXT)
    target_compile_definitions(spawned_flags INTERFACE SPAWNED_UCONTEXT=1)
endif()
if(SPAWNED_COVERAGE)
    target_compile_options(spawned_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:--coverage -fprofile-update=atomic>)
    target_link_options(spawned_flags INTERFACE --coverage)
endif()
if(SPAWNED_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "SPAWNED_FUZZ needs clang (libFuzzer); use --preset fuzz")
    endif()
    target_compile_options(spawned_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
endif()

# Fault containment decides by address whether a fault happened inside the library, so
# all code of the library must lie in one section of its own: no hot/cold splitting here,
# and cmake/SpawnedLibrary.cmake renames the section. -fPIE, because the archive is linked
# into programs with and without PIE.
add_library(spawned_library_flags INTERFACE)
target_link_libraries(spawned_library_flags INTERFACE spawned_flags)
target_compile_options(spawned_library_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-fvisibility=hidden -fno-lto>
    $<$<COMPILE_LANG_AND_ID:C,GNU>:-fno-reorder-functions -fno-reorder-blocks-and-partition>)
