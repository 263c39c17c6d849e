# Rooms and registries. A room's include root is a folder of links in the build tree, named like the
# source folders, so that `#include "engine/base/status.h"` is the true path and yet is found only by
# targets that may see it.
set(IG_ROOMS_DIR ${CMAKE_BINARY_DIR}/rooms)
set(IG_ROOM_LIBRARIES "")
set(IG_REGISTRY_SOURCES "")
set(IG_GENERATED ${CMAKE_BINARY_DIR}/generated)

function(ig_link_folder room folder)
  get_filename_component(parent ${IG_ROOMS_DIR}/${room}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  if(NOT EXISTS ${IG_ROOMS_DIR}/${room}/${folder})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${IG_ROOMS_DIR}/${room}/${folder} SYMBOLIC)
  endif()
endfunction()

# What each room shows to those that may see it. The public header is everyone's.
function(ig_define_rooms)
  file(REMOVE_RECURSE ${IG_ROOMS_DIR})
  file(MAKE_DIRECTORY ${IG_ROOMS_DIR}/public/engine)
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/engine/ingot.h ${IG_ROOMS_DIR}/public/engine/ingot.h SYMBOLIC)
  ig_link_folder(base engine/base)
  foreach(folder kernels dist formats lifecycle api cli)
    ig_link_folder(${folder} ${folder})
  endforeach()
  foreach(folder graph ops passes plan backend models train eval quantize)
    ig_link_folder(engine engine/${folder})
  endforeach()
  file(GLOB headers ${CMAKE_SOURCE_DIR}/engine/*.h)
  foreach(header ${headers})
    get_filename_component(name ${header} NAME)
    file(CREATE_LINK ${header} ${IG_ROOMS_DIR}/engine/engine/${name} SYMBOLIC)
  endforeach()
endfunction()
ig_define_rooms()

function(ig_sees target)
  target_include_directories(${target} PRIVATE ${IG_ROOMS_DIR}/public)
  foreach(room ${ARGN})
    target_include_directories(${target} PRIVATE ${IG_ROOMS_DIR}/${room})
  endforeach()
endfunction()

# ig_room(NAME SEES rooms... FOLDERS folders... EXCEPT files... SOURCES files... LINKS libraries...)
function(ig_room name)
  cmake_parse_arguments(R "" "" "SEES;FOLDERS;EXCEPT;SOURCES;LINKS" ${ARGN})
  set(sources ${R_SOURCES})
  foreach(folder ${R_FOLDERS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
    list(APPEND sources ${found})
  endforeach()
  list(TRANSFORM R_EXCEPT PREPEND ${CMAKE_SOURCE_DIR}/)
  list(REMOVE_ITEM sources "" ${R_EXCEPT})
  if(NOT sources) # a room without files yet is still a target that others name
    set(sources ${IG_GENERATED}/${name}_empty.c)
    file(CONFIGURE OUTPUT ${sources} CONTENT "typedef int ig_${name}_has_no_files;\n" @ONLY)
  endif()
  add_library(ig_${name} OBJECT ${sources})
  set_target_properties(ig_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(ig_${name} PRIVATE ig_flags ${R_LINKS})
  ig_sees(ig_${name} ${name} ${R_SEES})
  set(IG_ROOM_LIBRARIES ${IG_ROOM_LIBRARIES} ${R_LINKS} PARENT_SCOPE)
endfunction()

# ig_registry(NAME FOLDER TYPE SYMBOL_PREFIX [PREFIX file_prefix]): writes a table of every
# `const TYPE SYMBOL_PREFIX<file>` that FOLDER/<file_prefix><file>.c defines. A file without such a
# descriptor (shared helpers) is recognised by its lacking one.
function(ig_registry name folder type symbol)
  cmake_parse_arguments(R "" "PREFIX" "" ${ARGN})
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/${R_PREFIX}*.c)
  set(externs "")
  set(rows "")
  foreach(file ${found})
    get_filename_component(stem ${file} NAME_WE)
    if(R_PREFIX)
      string(REGEX REPLACE "^${R_PREFIX}" "" stem ${stem})
    endif()
    file(STRINGS ${file} descriptor REGEX "^const ${type} ${symbol}${stem} ")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    if(descriptor)
      string(APPEND externs "extern const struct ${type} ${symbol}${stem};\n")
      string(APPEND rows "    &${symbol}${stem},\n")
    endif()
  endforeach()
  set(out ${IG_GENERATED}/${name}_registry.c)
  file(CONFIGURE OUTPUT ${out} CONTENT
"/* Generated from the files of ${folder}; do not edit. */
#include <stddef.h>
struct ${type};
${externs}
extern const struct ${type} *const ${type}_registry[];
const struct ${type} *const ${type}_registry[] = {
${rows}    NULL};
" @ONLY)
  set(IG_REGISTRY_${name} ${out} PARENT_SCOPE)
  set(IG_REGISTRY_SOURCES ${IG_REGISTRY_SOURCES} ${out} PARENT_SCOPE)
endfunction()
