# CUDA: finding the toolkit, and the targets of what is compiled for it. The same sources are compiled a
# second time, by the host's compiler against tests/cuda_emulator, for the tests.
set(IG_CUDA AUTO CACHE STRING "Build the CUDA backend: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE IG_CUDA PROPERTY STRINGS AUTO ON OFF)
set(IG_CUDA_ARCHITECTURES "80-real;90a-real;90-virtual" CACHE STRING
  "What kernels are compiled for: sm_80, sm_90a, and PTX for newer GPUs")
set(IG_CUDNN AUTO CACHE STRING "Use cuDNN 9: AUTO (where its headers are found), ON or OFF")
set_property(CACHE IG_CUDNN PROPERTY STRINGS AUTO ON OFF)
set(IG_NCCL AUTO CACHE STRING "Use NCCL between GPUs: AUTO (where its header is found), ON or OFF")
set_property(CACHE IG_NCCL PROPERTY STRINGS AUTO ON OFF)
set(IG_HAVE_CUDA OFF)
set(IG_HAVE_CUDNN OFF)
set(IG_HAVE_NCCL OFF)
set(IG_CUDA_LIBRARIES "")

# nvcc of a toolkit, or of NVIDIA's Python packages (site-packages/nvidia/cu13/bin).
if(NOT IG_CUDA STREQUAL OFF AND NOT CMAKE_CUDA_COMPILER)
  file(GLOB ig_wheels /usr/lib/python3*/*-packages/nvidia/cu*/bin
    /usr/local/lib/python3*/*-packages/nvidia/cu*/bin $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cu*/bin
    $ENV{HOME}/.local/lib/python3*/site-packages/nvidia/cu*/bin)
  find_program(IG_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin /usr/local/cuda/bin ${ig_wheels})
  if(IG_NVCC)
    set(CMAKE_CUDA_COMPILER ${IG_NVCC})
  elseif(IG_CUDA STREQUAL ON)
    message(FATAL_ERROR "IG_CUDA=ON, but no nvcc was found: set CUDA_HOME or CMAKE_CUDA_COMPILER")
  endif()
endif()
if(NOT IG_CUDA STREQUAL OFF AND CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_ARCHITECTURES ${IG_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.4)
    message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} was found, 12.4 or newer is needed: "
      "-DIG_CUDA=OFF builds without")
  endif()
  find_package(CUDAToolkit REQUIRED)
  set(IG_HAVE_CUDA ON)
  # cuBLASLt is loaded when it is first needed, from where the loader finds it or from this folder.
  set(IG_CUDA_LIBRARIES CUDA::cudart_static ${CMAKE_DL_LIBS})
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  find_program(IG_CUDA_CCACHE ccache)
  if(IG_CUDA_CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${IG_CUDA_CCACHE})
  endif()
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
endif()

# cuDNN's headers, of the toolkit or of NVIDIA's Python packages; the library is loaded like cuBLASLt.
if(IG_HAVE_CUDA AND NOT IG_CUDNN STREQUAL OFF)
  file(GLOB ig_wheels /usr/lib/python3*/*-packages/nvidia/cudnn /usr/local/lib/python3*/*-packages/nvidia/cudnn
    $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cudnn
    $ENV{HOME}/.local/lib/python3*/site-packages/nvidia/cudnn)
  find_path(IG_CUDNN_INCLUDE cudnn_graph.h
    HINTS $ENV{CUDNN_HOME}/include ${CUDAToolkit_INCLUDE_DIRS} PATHS ${ig_wheels} PATH_SUFFIXES include)
  if(IG_CUDNN_INCLUDE)
    file(STRINGS ${IG_CUDNN_INCLUDE}/cudnn_version.h ig_cudnn_major REGEX "^#define CUDNN_MAJOR [0-9]+")
    string(REGEX REPLACE ".* " "" ig_cudnn_major "${ig_cudnn_major}")
    find_path(IG_CUDNN_FOLDER libcudnn.so.${ig_cudnn_major}
      HINTS ${IG_CUDNN_INCLUDE}/../lib ${IG_CUDNN_INCLUDE}/../lib64 ${CUDAToolkit_LIBRARY_DIR})
  endif()
  if(ig_cudnn_major STREQUAL 9)
    set(IG_HAVE_CUDNN ON)
  elseif(IG_CUDNN STREQUAL ON)
    message(FATAL_ERROR "IG_CUDNN=ON, but no header of cuDNN 9 was found: set CUDNN_HOME")
  endif()
  message(STATUS "cuDNN 9: ${IG_HAVE_CUDNN}")
endif()

# NCCL's header, of the system or of NVIDIA's Python packages; the library is loaded like cuBLASLt.
if(IG_HAVE_CUDA AND NOT IG_NCCL STREQUAL OFF)
  file(GLOB ig_wheels /usr/lib/python3*/*-packages/nvidia/nccl /usr/local/lib/python3*/*-packages/nvidia/nccl
    $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/nccl
    $ENV{HOME}/.local/lib/python3*/site-packages/nvidia/nccl)
  find_path(IG_NCCL_INCLUDE nccl.h
    HINTS $ENV{NCCL_HOME}/include ${CUDAToolkit_INCLUDE_DIRS} PATHS ${ig_wheels} PATH_SUFFIXES include)
  if(IG_NCCL_INCLUDE)
    find_path(IG_NCCL_FOLDER libnccl.so.2
      HINTS ${IG_NCCL_INCLUDE}/../lib ${IG_NCCL_INCLUDE}/../lib64 ${CUDAToolkit_LIBRARY_DIR})
    set(IG_HAVE_NCCL ON)
  elseif(IG_NCCL STREQUAL ON)
    message(FATAL_ERROR "IG_NCCL=ON, but no nccl.h was found: set NCCL_HOME")
  endif()
  message(STATUS "NCCL: ${IG_HAVE_NCCL}")
endif()

# Kernels for three targets are a hundred megabytes, and a tenth of that compressed for size. Line numbers
# are for profilers.
option(IG_CUDA_LINEINFO "Keep the kernels' line numbers for profilers" OFF)
set(IG_CUDA_FLAGS -Xfatbin=-compress-all)
if(IG_HAVE_CUDA AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  set(IG_CUDA_FLAGS --compress-mode=size)
endif()
if(IG_CUDA_LINEINFO)
  list(APPEND IG_CUDA_FLAGS -lineinfo)
endif()

ig_registry(device_ops engine/ops/cuda ig_device_ops ig_cuda_ops_)
ig_registry(no_device_ops engine/ops/none ig_device_ops ig_none_)
set(IG_REGISTRY_SOURCES "")

# ig_cuda_rooms(NAME [EMULATED] LINKS libraries...): the objects ig_kernels_NAME and ig_engine_NAME,
# which IG_OBJECTS_NAME then names for a library to be made of. EMULATED compiles for the host, where
# there is neither cuDNN nor NCCL.
function(ig_cuda_rooms name)
  cmake_parse_arguments(R "EMULATED" "" "LINKS" ${ARGN})
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu
    ${CMAKE_SOURCE_DIR}/kernels/lib/cuda/*.c)
  if(IG_HAVE_CUDNN AND NOT R_EMULATED)
    list(FILTER kernels EXCLUDE REGEX "/cudnn_none\\.c$")
  else()
    list(FILTER kernels EXCLUDE REGEX "/cudnn(_[^n][^/]*)?\\.c$")
  endif()
  if(IG_HAVE_NCCL AND NOT R_EMULATED)
    list(FILTER kernels EXCLUDE REGEX "/nccl_none\\.c$")
  else()
    list(FILTER kernels EXCLUDE REGEX "/nccl\\.c$")
  endif()
  file(GLOB engine CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/engine/ops/cuda/*.c)
  add_library(ig_kernels_${name} OBJECT)
  if(R_EMULATED)
    ig_emulated_sources(ig_kernels_${name} ${kernels})
  else()
    target_sources(ig_kernels_${name} PRIVATE ${kernels})
  endif()
  add_library(ig_engine_${name} OBJECT ${engine} ${CMAKE_SOURCE_DIR}/engine/backend/cuda.c
    ${IG_REGISTRY_device_ops})
  ig_sees(ig_kernels_${name} kernels base)
  ig_sees(ig_engine_${name} engine base kernels)
  foreach(target ig_kernels_${name} ig_engine_${name})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(${target} PRIVATE ig_flags ${R_LINKS})
  endforeach()
  target_compile_definitions(ig_kernels_${name} PRIVATE IG_CUBLAS_FOLDER="${CUDAToolkit_LIBRARY_DIR}")
  if(IG_HAVE_CUDNN AND NOT R_EMULATED)
    set(folder "")
    if(IG_CUDNN_FOLDER)
      set(folder ${IG_CUDNN_FOLDER})
    endif()
    target_compile_definitions(ig_kernels_${name} PRIVATE IG_CUDNN_FOLDER="${folder}")
    target_include_directories(ig_kernels_${name} SYSTEM PRIVATE ${IG_CUDNN_INCLUDE})
  endif()
  if(IG_HAVE_NCCL AND NOT R_EMULATED)
    set(folder "")
    if(IG_NCCL_FOLDER)
      set(folder ${IG_NCCL_FOLDER})
    endif()
    target_compile_definitions(ig_kernels_${name} PRIVATE IG_NCCL_FOLDER="${folder}")
    target_include_directories(ig_kernels_${name} SYSTEM PRIVATE ${IG_NCCL_INCLUDE})
  endif()
  set(IG_OBJECTS_${name} $<TARGET_OBJECTS:ig_kernels_${name}> $<TARGET_OBJECTS:ig_engine_${name}>
    PARENT_SCOPE)
endfunction()

function(ig_cuda_absent name)
  add_library(ig_engine_${name} OBJECT ${CMAKE_SOURCE_DIR}/engine/backend/cuda_none.c
    ${IG_REGISTRY_no_device_ops})
  ig_sees(ig_engine_${name} engine base kernels)
  target_link_libraries(ig_engine_${name} PRIVATE ig_flags)
  set_target_properties(ig_engine_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  set(IG_OBJECTS_${name} $<TARGET_OBJECTS:ig_engine_${name}> PARENT_SCOPE)
endfunction()
