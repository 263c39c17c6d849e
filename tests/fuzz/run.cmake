# One short run of a fuzz target: seeds made by the program, old failures, then new inputs.
file(REMOVE_RECURSE ${CORPUS})
file(MAKE_DIRECTORY ${CORPUS})
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN} ended with ${code}:\n${text}")
  endif()
  set(text "${text}" PARENT_SCOPE)
endfunction()
set(ENV{FUZZ_SEEDS} ${CORPUS})
run(${PROGRAM})
unset(ENV{FUZZ_SEEDS})
file(GLOB seeds ${CORPUS}/*)
if(NOT seeds)
  message(FATAL_ERROR "${PROGRAM} made no seeds")
endif()
file(GLOB failures ${REGRESSIONS}/*)
if(failures)
  run(${PROGRAM} ${failures})
endif()
# -rss_limit_mb would be watched by a second thread, and a fork (formats/hdf5.h) while that one holds a
# lock of the sanitizer's allocator leaves a child that waits for ever.
run(${PROGRAM} -seed=1 -max_total_time=${SECONDS} -timeout=20 -rss_limit_mb=0 -malloc_limit_mb=2048
  -max_len=65536
  -artifact_prefix=${CORPUS}/../ -print_final_stats=1 ${CORPUS})
string(REGEX MATCH "number_of_executed_units: [0-9]+" done "${text}")
message("${done}")
