# Fuzz targets (clang, libFuzzer): src/**/x_fuzz.c, examples/<dir>/x_fuzz.c (linked with
# the directory's sources) and fuzz/x.c => bin/fuzz_x. Corpus: fuzz/corpus/x.

file(GLOB_RECURSE spawned_fuzzers CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/src/*_fuzz.c ${PROJECT_SOURCE_DIR}/examples/*_fuzz.c)
file(GLOB spawned_fuzz_dir CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*.c)

if(NOT TARGET spawned_http)
    list(FILTER spawned_fuzz_dir EXCLUDE REGEX "/http_fuzz\\.c$")
endif()

foreach(file IN LISTS spawned_fuzzers spawned_fuzz_dir)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" name ${name})
    add_executable(fuzz_${name} ${file})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(fuzz_${name} PRIVATE spawned spawned_flags)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    if(name STREQUAL http)
        target_link_libraries(fuzz_http PRIVATE spawned_http)
    endif()
    if(file MATCHES "/examples/([^/]+)/")
        target_link_libraries(fuzz_${name} PRIVATE example_${CMAKE_MATCH_1})
    endif()
endforeach()
