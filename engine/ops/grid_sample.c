/* GridSample: X [N, C, spatial...] read at the places of a grid [N, out..., axes], whose coordinates run
 * from -1 to 1 and name the last axis first. */
#include "engine/ops/grid_sample.h"

#include <math.h>
#include <string.h>

const ig_attr_field ig_grid_sample_fields[] = {
    IG_FIELD_INT(ig_grid_sample_attrs, align_corners, 0),
    IG_FIELD_STRING(ig_grid_sample_attrs, mode, "linear"),
    IG_FIELD_STRING(ig_grid_sample_attrs, padding_mode, "zeros"),
    {0},
};

const ig_twin ig_grid_sample_twin = {
    .op = "ingot.GridSampleGrad", .n_in = 2, .n_out = 1, .wrt = 3};

ig_status ig_grid_sample_shape(const ig_node *node, ig_shape *out) {
  const ig_grid_sample_attrs *a = IG_ATTRS_OF(ig_grid_sample_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape, *grid = &node->inputs[1]->shape;
  bool mode = strcmp(a->mode, "linear") == 0 || strcmp(a->mode, "nearest") == 0 ||
              strcmp(a->mode, "cubic") == 0;
  bool padding = strcmp(a->padding_mode, "zeros") == 0 || strcmp(a->padding_mode, "border") == 0 ||
                 strcmp(a->padding_mode, "reflection") == 0;
  IG_CHECK(mode, IG_ERR_USAGE, "attribute mode is '%s', expected linear, nearest or cubic", a->mode);
  IG_CHECK(padding, IG_ERR_USAGE,
           "attribute padding_mode is '%s', expected zeros, border or reflection", a->padding_mode);
  IG_TRY(ig_require_float(node, 1));
  IG_CHECK(node->inputs[0]->dtype != IG_STRING, IG_ERR_UNSUPPORTED, "texts cannot be sampled");
  IG_CHECK((x->rank == 4 || x->rank == 5) && grid->rank == x->rank && grid->dims[0] == x->dims[0] &&
               grid->dims[x->rank - 1] == x->rank - 2,
           IG_ERR_SHAPE, "an input of %s does not fit a grid of %s", IG_SHAPE_STR(x),
           IG_SHAPE_STR(grid));
  for (int d = 2; d < x->rank; d++) {
    IG_CHECK(x->dims[d] >= 1 && x->dims[d] <= INT32_MAX, IG_ERR_SHAPE,
             "dimension %d of %s is empty or too large", d, IG_SHAPE_STR(x));
  }
  *out = *x;
  for (int d = 2; d < x->rank; d++) out->dims[d] = grid->dims[d - 1];
  return IG_OK;
}

/* Mirrored at both ends until it lies within; `sign` becomes the derivative. */
static double reflect(double x, double low, double high, double *sign) {
  double range = high - low, over = x < low ? low - x : x - high;
  if (x >= low && x <= high) return x;
  if (range <= 0) {
    *sign = 0;
    return low;
  }
  double turns = floor(over / range), rest = over - turns * range;
  bool even = fmod(turns, 2) == 0;
  *sign = even ? -1 : 1;
  return (x < low) == even ? low + rest : high - rest;
}

/* Keys' cubic filter with a = -0.75, at distances t + 1, t, 1 - t and 2 - t. */
static void cubic(double t, double weight[4], double slope[4]) {
  const double a = -0.75;
  for (int i = 0; i < 4; i++) {
    double signed_x = t + 1 - i, x = fabs(signed_x), sign = signed_x < 0 ? -1 : 1;
    bool near = i == 1 || i == 2;
    weight[i] = near ? ((a + 2) * x - (a + 3)) * x * x + 1
                     : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    slope[i] = sign * (near ? (3 * (a + 2) * x - 2 * (a + 3)) * x
                            : (3 * a * x - 10 * a) * x + 8 * a);
  }
}

ig_grid_taps ig_grid_taps_of(const ig_grid_sample_attrs *a, double coordinate, int64_t extent) {
  bool corners = a->align_corners != 0, zeros = a->padding_mode[0] == 'z';
  bool border = a->padding_mode[0] == 'b';
  double length = (double)extent, scale = (corners ? length - 1 : length) / 2, sign = 1;
  double low = corners ? 0 : -0.5, high = corners ? length - 1 : length - 0.5;
  double x = corners ? (coordinate + 1) / 2 * (length - 1) : ((coordinate + 1) * length - 1) / 2;
  ig_grid_taps taps = {.n = a->mode[0] == 'n' ? 1 : a->mode[0] == 'l' ? 2 : 4};
  x = isfinite(x) ? fmax(-0x1p40, fmin(x, 0x1p40)) : -0x1p40;
  if (taps.n == 1) x = rint(x);
  if (border && (x < low || x > high)) {
    x = fmax(0, fmin(x, length - 1));
    sign = 0;
  }
  if (!zeros && !border) x = reflect(x, low, high, &sign);
  double first = taps.n == 1 ? trunc(x) : floor(x), t = x - first;
  taps.weight[0] = 1;
  if (taps.n == 2) {
    taps.weight[0] = 1 - t;
    taps.weight[1] = t;
    taps.slope[0] = -1;
    taps.slope[1] = 1;
  }
  if (taps.n == 4) cubic(t, taps.weight, taps.slope);
  for (int i = 0; i < taps.n; i++) {
    double at = first + i - (taps.n == 4), ignored;
    bool outside = at < 0 || at > length - 1;
    if (border) at = fmax(0, fmin(at, length - 1));
    if (!zeros && !border) at = trunc(fmax(0, fmin(reflect(at, low, high, &ignored), length - 1)));
    taps.index[i] = zeros && outside ? -1 : (int64_t)at;
    taps.slope[i] *= sign * scale;
  }
  return taps;
}

void ig_grid_visit_taps(const ig_node *node, const double *grid, int64_t p, ig_grid_visit *visit,
                        void *context) {
  const ig_grid_sample_attrs *a = IG_ATTRS_OF(ig_grid_sample_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape;
  int axes = x->rank - 2, all = 1;
  ig_grid_taps taps[3];
  for (int i = 0; i < axes; i++) { /* the grid names the last axis first */
    taps[i] = ig_grid_taps_of(a, grid[p * axes + axes - 1 - i], x->dims[2 + i]);
    all *= taps[i].n;
  }
  for (int k = 0; k < all; k++) {
    int rest = k, tap[3];
    int64_t offset = 0;
    bool counts = true;
    double weight = 1, slope[3];
    for (int i = axes - 1; i >= 0; i--) {
      tap[i] = rest % taps[i].n;
      rest /= taps[i].n;
    }
    for (int i = 0; i < axes; i++) {
      counts = counts && taps[i].index[tap[i]] >= 0;
      offset = offset * x->dims[2 + i] + taps[i].index[tap[i]];
      weight *= taps[i].weight[tap[i]];
    }
    for (int i = 0; i < axes; i++) {
      double product = 1;
      for (int j = 0; j < axes; j++) {
        product *= i == j ? taps[j].slope[tap[j]] : taps[j].weight[tap[j]];
      }
      slope[axes - 1 - i] = product;
    }
    if (counts) visit(context, offset, weight, slope);
  }
}

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_grid_sample_shape(node, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_grid_sample_twin, g);
}

typedef struct reading {
  const double *x;
  double *y;
  int64_t channels, area, out_area;
} reading;

static void read(void *context, int64_t offset, double weight, const double *slope) {
  reading *r = context;
  IG_UNUSED(slope);
  for (int64_t c = 0; c < r->channels; c++) {
    r->y[c * r->out_area] += weight * r->x[c * r->area + offset];
  }
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
  reading r = {.channels = x->dims[1],
               .area = ig_shape_span(x, 2, x->rank),
               .out_area = ig_shape_span(y, 2, y->rank)};
  for (int64_t p = 0; p < x->dims[0] * r.out_area; p++) {
    int64_t n = p / r.out_area;
    r.x = d->in[0] + n * r.channels * r.area;
    r.y = d->out[0] + n * r.channels * r.out_area + p % r.out_area;
    ig_grid_visit_taps(node, d->in[1], p, read, &r);
  }
  return IG_OK;
}

/* Taps along each axis, for every element. */
static ig_cost cost(const ig_node *node) {
  return (ig_cost){32.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_grid_sample = {
    .name = "GridSample",
    .since = 20,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_grid_sample_fields,
    .attrs_size = sizeof(ig_grid_sample_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
