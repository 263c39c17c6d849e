/* The table of operators for docs/onnx.md, from their descriptors. */
#ifndef IG_CLI_INSPECT_OPERATORS_H
#define IG_CLI_INSPECT_OPERATORS_H

#include <stdio.h>

/* Markdown: one row for each operator of ONNX's domains, in the order of their names. */
void ig_inspect_operators(FILE *out);

#endif
