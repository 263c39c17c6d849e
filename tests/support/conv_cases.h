/* Geometries that every convolution operator is tried with: name, source, destination, filter, then
 * the attributes. Channels around blocks of 16, strides that leave a rest, dilations, groups, depth
 * by depth, one dimension, and a size that the Winograd code takes. */
#ifndef IG_TESTS_CONV_CASES_H
#define IG_TESTS_CONV_CASES_H

#include "conv_reference.h"

#define PAD1 LIST("pads", 1, 1, 1, 1)
#define CONV_GEOMETRIES(G)                                                                         \
  G("one by one", (2, 5, 4, 3), (2, 7, 4, 3), (7, 5, 1, 1), 0)                      \
  G("three by three", (2, 3, 6, 5), (2, 4, 6, 5), (4, 3, 3, 3), 1, PAD1)            \
  G("blocks", (2, 16, 5, 6), (2, 32, 5, 6), (32, 16, 3, 3), 1, PAD1)                \
  G("odd channels", (1, 19, 5, 5), (1, 21, 3, 3), (21, 19, 3, 3), 0)                \
  G("first layer", (2, 3, 8, 8), (2, 32, 8, 8), (32, 3, 3, 3), 1, PAD1)             \
  G("stride with a rest", (2, 16, 8, 7), (2, 16, 4, 4), (16, 16, 3, 3), 2, PAD1,    \
    LIST("strides", 2, 2))                                                                         \
  G("shortcut", (2, 16, 8, 8), (2, 32, 4, 4), (32, 16, 1, 1), 1,                    \
    LIST("strides", 2, 2))                                                                         \
  G("uneven", (1, 4, 9, 7), (1, 3, 5, 4), (3, 4, 2, 3), 3,                          \
    LIST("pads", 0, 1, 1, 0), LIST("strides", 2, 1), LIST("dilations", 1, 2))                      \
  G("dilated", (1, 16, 9, 9), (1, 16, 5, 5), (16, 16, 3, 3), 1,                     \
    LIST("dilations", 2, 2))                                                                       \
  G("groups", (2, 8, 5, 5), (2, 6, 5, 5), (6, 4, 3, 3), 2, PAD1,                    \
    NUMBER("group", 2))                                                                            \
  G("groups of blocks", (1, 32, 4, 4), (1, 32, 4, 4), (32, 16, 3, 3), 2, PAD1,      \
    NUMBER("group", 2))                                                                            \
  G("depth by depth", (2, 32, 6, 6), (2, 32, 6, 6), (32, 1, 3, 3), 2, PAD1,         \
    NUMBER("group", 32))                                                                           \
  G("depth by depth, odd", (1, 5, 7, 7), (1, 5, 4, 4), (5, 1, 3, 3), 3, PAD1,       \
    NUMBER("group", 5), LIST("strides", 2, 2))                                                     \
  G("one dimension", (2, 6, 11), (2, 4, 6), (4, 6, 3), 2, LIST("pads", 1, 1),       \
    LIST("strides", 2))                                                                            \
  G("wide", (1, 1, 3, 40), (1, 2, 1, 36), (2, 1, 3, 5), 0)

/* Several tiles of a GPU's kernels in every direction. */
#define TILE_GEOMETRY(G)                                                                           \
  G("several tiles", (2, 16, 9, 9), (2, 136, 9, 9), (136, 16, 3, 3), 1, PAD1)

/* So many groups that the largest tiles are worth while. */
#define GROUP_GEOMETRIES(G)                                                                        \
  G("many groups", (1, 1600, 2, 4), (1, 3200, 2, 4), (3200, 8, 1, 1), 1, NUMBER("group", 200))     \
  G("many wide groups", (1, 1600, 2, 4), (1, 14400, 2, 4), (14400, 8, 1, 1), 1,                    \
    NUMBER("group", 200))

/* The size that Winograd's code takes: apart, since the reference needs a second for it. */
#define WINOGRAD_GEOMETRY(G)                                                                       \
  G("winograd", (4, 32, 16, 16), (4, 32, 16, 16), (32, 32, 3, 3), 1, PAD1)

#endif
