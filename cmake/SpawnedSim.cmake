# libspawned-sim.a: the main function of simulated tests (src/sim), linked instead of nothing:
# the program under test is the same objects, and the library has the simulated backend.
#
# spawned_add_sim_test(name file...) makes a test program of SP_SIM_TEST()s.

file(GLOB spawned_sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/sim/*.c)
add_library(spawned_sim STATIC ${spawned_sim_sources})
set_target_properties(spawned_sim PROPERTIES OUTPUT_NAME spawned-sim EXPORT_NAME sim)
target_include_directories(spawned_sim
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(spawned_sim PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
target_link_libraries(spawned_sim PUBLIC spawned PRIVATE $<BUILD_INTERFACE:spawned_flags>)
add_library(Spawned::sim ALIAS spawned_sim)

function(spawned_add_sim_test name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE spawned_sim spawned spawned_flags)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

if(SPAWNED_BUILD_TESTS)
    file(GLOB spawned_sim_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim/*.c)
    spawned_add_sim_test(sim_cases ${spawned_sim_tests})
endif()
