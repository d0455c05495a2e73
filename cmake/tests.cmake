# daffi_unit_test(NAME LIBRARIES…): the cmocka suite tests/unit/NAME.c, run by ctest as NAME.
function(daffi_unit_test name)
    add_executable(${name} ${name}.c)
    target_link_libraries(${name} PRIVATE daffi_flags cmocka ${ARGN})
    target_compile_definitions(${name} PRIVATE TESTS_DIR="${PROJECT_SOURCE_DIR}/tests")
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

# daffi_fuzz_target(NAME LIBRARIES…): the libFuzzer target tests/fuzz/NAME.c, seeded by tests/fuzz/corpus/NAME. In builds without
# libFuzzer it is compiled all the same, so that whoever changes a header learns at once what it breaks here.
function(daffi_fuzz_target name)
    if(DAFFI_FUZZ)
        add_executable(${name} ${name}.c)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_library(${name} OBJECT ${name}.c)
    endif()
    target_link_libraries(${name} PRIVATE daffi_flags ${ARGN})
endfunction()
