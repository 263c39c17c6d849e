/* The fields of a data set as JSON text: what a checkpoint keeps of the data that it was trained on,
 * so that later data can be read the same way.
 *
 *   {"path", "format", "samples", "sequential", "digest", "fields": [
 *     {"name", "kind", "dtype", "shape", "n_classes", "classes", "columns"}, ...]} */
#ifndef IG_FORMATS_SCHEMA_JSON_H
#define IG_FORMATS_SCHEMA_JSON_H

#include "engine/base/memory.h"
#include "engine/train/dataset.h"

/* *json is in `arena`. */
ig_status ig_schema_to_json(const ig_dataset *dataset, ig_arena *arena, const char **json);
/* Fields and their names in `arena`. `where` opens the messages; IG_ERR_INPUT for anything that
 * ig_schema_to_json would not have written. */
ig_status ig_schema_from_json(const char *json, const char *where, ig_arena *arena, int *n_fields,
                              ig_field **fields);

#endif
