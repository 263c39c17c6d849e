/* The names of element types in safetensors files, for reader and writer. */
#ifndef IG_FORMATS_SAFETENSORS_TYPES_H
#define IG_FORMATS_SAFETENSORS_TYPES_H

#include "engine/base/dtype.h"

typedef struct ig_safetensors_type {
  const char *name;
  ig_dtype dtype;
} ig_safetensors_type;

/* Types of less than a byte and complex numbers are not among ours. */
static const ig_safetensors_type ig_safetensors_types[] = {
    {"F32", IG_F32},         {"BF16", IG_BF16},       {"F16", IG_F16}, {"F64", IG_F64},
    {"I64", IG_I64},         {"I32", IG_I32},         {"I16", IG_I16}, {"I8", IG_I8},
    {"U64", IG_U64},         {"U32", IG_U32},         {"U16", IG_U16}, {"U8", IG_U8},
    {"BOOL", IG_BOOL},       {"F8_E4M3", IG_F8E4M3},  {"F8_E5M2", IG_F8E5M2},
    {"F8_E8M0", IG_F8E8M0},
};

#endif
