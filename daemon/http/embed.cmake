# daffi_embed(TABLE NAMES… PATHS… [DEPENDS…]): the files at PATHS, under NAMES, as the table `embedded_TABLE` of
# embedded.h. Sets embed_TABLE_sources to what has to be compiled. Each file is compressed with brotli (where it is
# installed) and gzip at build time.
#
# The same file, run as a script (cmake -P), writes that table.
cmake_minimum_required(VERSION 3.25)

if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(DAFFI_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
    find_program(BROTLI_PROGRAM brotli)
    find_program(GZIP_PROGRAM gzip)
    function(daffi_embed table)
        cmake_parse_arguments(EMBED "" "" "NAMES;PATHS;DEPENDS" ${ARGN})
        set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded_${table})
        file(MAKE_DIRECTORY ${folder})
        file(CONFIGURE OUTPUT ${folder}/list.cmake CONTENT
            "set(table ${table})\nset(names \"${EMBED_NAMES}\")\nset(paths \"${EMBED_PATHS}\")\n"
            @ONLY)
        add_custom_command(
            OUTPUT ${folder}/bytes.S ${folder}/table.c
            COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DBROTLI=${BROTLI_PROGRAM} -DGZIP=${GZIP_PROGRAM}
                    -P ${DAFFI_EMBED_SCRIPT}
            DEPENDS ${EMBED_PATHS} ${EMBED_DEPENDS} ${folder}/list.cmake ${DAFFI_EMBED_SCRIPT}
            COMMENT "Embedding ${table}"
            VERBATIM)
        set_source_files_properties(${folder}/bytes.S PROPERTIES OBJECT_DEPENDS "${EMBED_PATHS}")
        set(embed_${table}_sources ${folder}/bytes.S ${folder}/table.c PARENT_SCOPE)
    endfunction()
    return()
endif()

include(${FOLDER}/list.cmake)
set(assembly "    .section .rodata\n")
set(declarations "")
set(rows "")

# Adds the bytes of `path` as `symbol`, and sets `initializer`.
function(embed_bytes symbol path initializer)
    file(SIZE ${path} size)
    file(SHA256 ${path} hash)
    string(SUBSTRING ${hash} 0 32 tag)
    string(APPEND assembly
        "    .balign 16\n    .global ${symbol}\n    .hidden ${symbol}\n${symbol}:\n    .incbin \"${path}\"\n    .byte 0\n")
    string(APPEND declarations "extern const uint8_t ${symbol}[] __attribute__((visibility(\"hidden\")));\n")
    set(assembly "${assembly}" PARENT_SCOPE)
    set(declarations "${declarations}" PARENT_SCOPE)
    set(${initializer} "{${symbol}, ${size}, \"\\\"${tag}\\\"\"}" PARENT_SCOPE)
endfunction()

set(index 0)
foreach(name path IN ZIP_LISTS names paths)
    set(symbol embedded_${table}_${index})
    file(SIZE ${path} size)
    embed_bytes(${symbol} ${path} plain)
    set(brotli "{NULL, 0, NULL}")
    set(gzip "{NULL, 0, NULL}")
    if(BROTLI)
        execute_process(COMMAND ${BROTLI} -q 11 -f -o ${FOLDER}/${index}.br ${path} COMMAND_ERROR_IS_FATAL ANY)
        file(SIZE ${FOLDER}/${index}.br compressed)
        if(compressed LESS size)
            embed_bytes(${symbol}_br ${FOLDER}/${index}.br brotli)
        endif()
    endif()
    if(GZIP)
        execute_process(COMMAND ${GZIP} -9 -n -c ${path} OUTPUT_FILE ${FOLDER}/${index}.gz COMMAND_ERROR_IS_FATAL ANY)
        file(SIZE ${FOLDER}/${index}.gz compressed)
        if(compressed LESS size)
            embed_bytes(${symbol}_gz ${FOLDER}/${index}.gz gzip)
        endif()
    endif()
    string(APPEND rows "    {\"${name}\", ${plain}, ${brotli}, ${gzip}},\n")
    math(EXPR index "${index} + 1")
endforeach()

file(WRITE ${FOLDER}/bytes.S "${assembly}    .section .note.GNU-stack,\"\",%progbits\n")
if(rows STREQUAL "")
    file(WRITE ${FOLDER}/table.c
        "#include \"http/embedded.h\"\n\nconst struct embedded_files embedded_${table} = {NULL, 0};\n")
else()
    file(WRITE ${FOLDER}/table.c
        "#include \"http/embedded.h\"\n\n${declarations}\n"
        "static const struct embedded_file files[] = {\n${rows}};\n\n"
        "const struct embedded_files embedded_${table} = {files, sizeof files / sizeof *files};\n")
endif()
