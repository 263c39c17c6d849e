/* Which memory every value of a plan lives in. Values that are views of one another, or written over
 * one another in place, share a storage. */
#ifndef IG_PLAN_STORAGE_H
#define IG_PLAN_STORAGE_H

#include "engine/graph/graph.h"

typedef enum ig_place {
  IG_IN_SLAB,  /* at an offset of the plan's slab */
  IG_IN_FIXED, /* computed once from frozen parameters; a block of its own */
  IG_IN_STORE, /* a PARAM or STATE */
  IG_IN_CONST, /* the graph's constant bytes */
  IG_IN_BOUND, /* the caller's input, or the device copy of it */
  IG_IN_BUCKET /* the communicator's memory of an operand, by the attribute of that name */
} ig_place;

typedef struct ig_storage {
  ig_place place;
  const ig_value *owner; /* the PARAM, STATE, CONST, INPUT or first RESULT that lives there */
  size_t size;
  int operand;     /* IG_IN_BUCKET */
  int first, last; /* steps of the first write and the last read; outputs last to the end */
  void *memory;    /* filled in by the plan */
} ig_storage;

typedef struct ig_storage_map {
  int n;
  ig_storage *storages;
  int *of_value;     /* by value id; -1 for values that no step touches */
  size_t *offset;    /* by value id: where in its storage the value begins */
  bool *in_place;    /* by assignment: the producer writes the target directly */
} ig_storage_map;

/* Decides for the steps `order[0..n)`. fixed[node id] marks nodes that run once. */
ig_status ig_storage_assign(const ig_graph *graph, ig_node *const *order, int n,
                            const bool *fixed, ig_storage_map *out);
void ig_storage_map_free(ig_storage_map *map);

#endif
