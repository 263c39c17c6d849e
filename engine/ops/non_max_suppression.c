/* NonMaxSuppression: of each class of each batch entry, boxes by falling score, without those that overlap
 * one already taken too much. How many there are hangs on the values, so it is interpreted alone. Boxes are
 * [batch, n, 4], scores [batch, classes, n]; the result lists [batch, class, box]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/ops/op.h"

typedef struct nms_attrs {
  int64_t center_point_box;
} nms_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_INT(nms_attrs, center_point_box, 0), {0}};

typedef struct candidate {
  float score;
  int64_t box;
} candidate;

/* Falling scores; of equal ones, the first box. */
static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return x->box < y->box ? -1 : x->box > y->box;
}

/* Corners of a box: [y, x] of the lower and of the upper one. */
static void corners(const float *box, bool center, double low[2], double high[2]) {
  for (int i = 0; i < 2; i++) {
    double a = (double)box[i], b = (double)box[2 + i];
    low[i] = center ? a - b / 2 : fmin(a, b);
    high[i] = center ? a + b / 2 : fmax(a, b);
  }
}

/* Intersection over union. */
static double overlap(const float *a, const float *b, bool center) {
  double low[2][2], high[2][2], common = 1, areas[2] = {1, 1};
  corners(a, center, low[0], high[0]);
  corners(b, center, low[1], high[1]);
  for (int i = 0; i < 2; i++) {
    common *= fmax(0, fmin(high[0][i], high[1][i]) - fmax(low[0][i], low[1][i]));
    for (int k = 0; k < 2; k++) areas[k] *= high[k][i] - low[k][i];
  }
  if (!(common > 0) || !(areas[0] > 0) || !(areas[1] > 0)) return 0;
  return common / (areas[0] + areas[1] - common);
}

typedef struct limits {
  int64_t most;
  double overlap;
  bool scored;
  double score;
} limits;

static ig_status read_limits(ig_datum *const *in, int n, limits *out) {
  *out = (limits){0};
  for (int i = 2; i < n; i++) {
    if (!in[i]) continue;
    IG_CHECK(in[i]->kind == IG_DATUM_TENSOR && ig_shape_count(&in[i]->shape) == 1 &&
                 in[i]->dtype == (i == 2 ? IG_I64 : IG_F32),
             IG_ERR_SHAPE, "input %d must be one %s", i, i == 2 ? "i64" : "f32");
    double value = ig_load_f64(in[i]->dtype, in[i]->data, 0);
    if (i == 2) out->most = value > 0 ? (int64_t)fmin(value, 0x1p53) : 0;
    if (i == 3) out->overlap = value;
    if (i == 4) {
      out->scored = true;
      out->score = value;
    }
  }
  return IG_OK;
}

/* Sorts the candidates of one class and keeps those taken at their front; gives their number. */
static int64_t take(const limits *l, bool center, const float *boxes, const float *scores, int64_t n,
                    candidate *list) {
  int64_t count = 0, taken = 0;
  for (int64_t i = 0; i < n; i++) {
    if (isnan(scores[i]) || (l->scored && !((double)scores[i] > l->score))) continue;
    list[count++] = (candidate){scores[i], i};
  }
  qsort(list, (size_t)count, sizeof *list, by_score);
  for (int64_t i = 0; i < count && taken < l->most; i++) {
    bool free = true;
    for (int64_t k = 0; k < taken && free; k++) {
      free = !(overlap(boxes + 4 * list[i].box, boxes + 4 * list[k].box, center) > l->overlap);
    }
    if (free) list[taken++] = list[i];
  }
  return taken;
}

static ig_status check(const ig_node *node, ig_datum *const *in, ig_shape *all) {
  const nms_attrs *a = IG_ATTRS_OF(nms_attrs, node);
  const ig_datum *boxes = in[0], *scores = in[1];
  IG_CHECK(a->center_point_box == 0 || a->center_point_box == 1, IG_ERR_USAGE,
           "attribute center_point_box is %lld, expected 0 or 1", (long long)a->center_point_box);
  IG_CHECK(boxes->kind == IG_DATUM_TENSOR && scores->kind == IG_DATUM_TENSOR &&
               boxes->dtype == IG_F32 && scores->dtype == IG_F32 && boxes->shape.rank == 3 &&
               scores->shape.rank == 3 && boxes->shape.dims[2] == 4 &&
               boxes->shape.dims[0] == scores->shape.dims[0] &&
               boxes->shape.dims[1] == scores->shape.dims[2],
           IG_ERR_SHAPE, "boxes %s and scores %s do not fit", IG_SHAPE_STR(&boxes->shape),
           IG_SHAPE_STR(&scores->shape));
  *all = IG_SHAPE(ig_shape_count(&scores->shape), 3);
  return ig_shape_check(all, IG_I64);
}

/* Triples of all classes go to `triples`, which has room for every box of every class. */
static int64_t select_boxes(ig_datum *const *in, const limits *l, bool center, candidate *list,
                            int64_t *triples) {
  const ig_shape *s = &in[1]->shape;
  int64_t n = s->dims[2], count = 0;
  for (int64_t bc = 0; bc < s->dims[0] * s->dims[1]; bc++) {
    const float *boxes = (const float *)in[0]->data + bc / s->dims[1] * n * 4;
    int64_t taken = take(l, center, boxes, (const float *)in[1]->data + bc * n, n, list);
    for (int64_t i = 0; i < taken; i++) {
      const int64_t triple[3] = {bc / s->dims[1], bc % s->dims[1], list[i].box};
      memcpy(triples + 3 * count++, triple, sizeof triple);
    }
  }
  return count;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  limits l;
  ig_shape all;
  IG_UNUSED(interpreter);
  IG_TRY(check(node, in, &all));
  IG_TRY(read_limits(in, node->n_inputs, &l));
  candidate *list = ig_alloc_zero((size_t)in[1]->shape.dims[2] + 1, sizeof *list);
  int64_t *triples = ig_alloc(ig_shape_bytes(&all, IG_I64));
  ig_status status = IG_OK;
  if (list && triples) {
    bool center = IG_ATTRS_OF(nms_attrs, node)->center_point_box != 0;
    ig_shape shape = IG_SHAPE(select_boxes(in, &l, center, list, triples), 3);
    status = ig_datum_tensor(IG_I64, &shape, &out[0]);
    if (status == IG_OK) memcpy(out[0]->data, triples, ig_shape_bytes(&shape, IG_I64));
  } else {
    status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  ig_free(list);
  ig_free(triples);
  return status;
}

const ig_op ig_op_non_max_suppression = {
    .name = "NonMaxSuppression",
    .since = 11,
    .n_in = {2, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(nms_attrs),
    .interpret = interpret,
};
