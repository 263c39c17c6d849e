/* What is said of --precision where it does not do what one asks it for. */
#ifndef IG_CLI_PRECISION_H
#define IG_CLI_PRECISION_H

#include "cli/verb.h"
#include "engine/backend/backend.h"

/* A line when products of `precision` ("f32", "tf32", ...) are no faster than those of f32 there. */
void ig_warn_of_precision(const ig_cli *cli, const char *precision, const ig_backend *backend);

#endif
