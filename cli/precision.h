/* What is said of --precision where it does not do what one asks it for. */
#ifndef IG_CLI_PRECISION_H
#define IG_CLI_PRECISION_H

#include "cli/verb.h"
#include "engine/backend/backend.h"

/* Fails where fp8 is asked for and cannot be had: for anything but training, and on a GPU without it. */
ig_status ig_check_precision(const char *precision, bool training, const ig_backend *backend);
/* A line when products of `precision` ("f32", "tf32", ...) are no faster than those of f32 there. */
void ig_warn_of_precision(const ig_cli *cli, const char *precision, const ig_backend *backend);

#endif
