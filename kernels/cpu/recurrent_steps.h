/* Recurrent layers in the element type REAL, named by SUFFIX: included once for each. All inputs of a
 * direction go through one product; then come the steps. What a step makes is kept by time, so that the
 * backward sweep finds it: `a` holds what the activations get, `h` and `c` the states with the first one
 * in front. The backward sweep collects the gradients of `a` and makes those of the weights of whole
 * sequences by one product each. */

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(stem, SUFFIX)

typedef struct NAME(sweep) {
  const ig_recurrent *s;
  int direction;
  int64_t g, bh, gh; /* gates; batch * hidden; gates * hidden */
  bool reverse;
  REAL *wt, *rt;     /* transposed weights: [I, GH], [H, GH] */
  REAL *a;           /* [T, B, GH] */
  REAL *h, *c;       /* [T + 1, B, H], by step, not by time */
  REAL *part;        /* GRU: [T, B, H], h R_h^T + Rb_h, or r h */
  REAL *da, *dar;    /* gradients of a, and as the recurrent weights see them */
  REAL *dh, *dc, *dn; /* [B, H] */
} NAME(sweep);

static inline REAL NAME(value)(const ig_cell_function *f, REAL x) {
  REAL a = (REAL)f->alpha, b = (REAL)f->beta;
  switch (f->kind) {
  case IG_CELL_RELU: return x > 0 ? x : 0;
  case IG_CELL_TANH: return TANH(x);
  case IG_CELL_SIGMOID: return 1 / (1 + EXP(-x));
  case IG_CELL_AFFINE: return a * x + b;
  case IG_CELL_LEAKY_RELU: return x >= 0 ? x : a * x;
  case IG_CELL_THRESHOLDED_RELU: return x > a ? x : 0;
  case IG_CELL_SCALED_TANH: return a * TANH(b * x);
  case IG_CELL_HARD_SIGMOID: {
    REAL y = a * x + b;
    return y < 0 ? 0 : y > 1 ? 1 : y;
  }
  case IG_CELL_ELU: return x >= 0 ? x : a * (EXP(x) - 1);
  case IG_CELL_SOFTSIGN: return x / (1 + (x < 0 ? -x : x));
  default: return x > 0 ? x + LOG1P(EXP(-x)) : LOG1P(EXP(x));
  }
}

/* The derivative at x, where the value is y. */
static inline REAL NAME(slope)(const ig_cell_function *f, REAL x, REAL y) {
  REAL a = (REAL)f->alpha, b = (REAL)f->beta;
  switch (f->kind) {
  case IG_CELL_RELU: return x > 0;
  case IG_CELL_TANH: return 1 - y * y;
  case IG_CELL_SIGMOID: return y * (1 - y);
  case IG_CELL_AFFINE: return a;
  case IG_CELL_LEAKY_RELU: return x >= 0 ? 1 : a;
  case IG_CELL_THRESHOLDED_RELU: return x > a;
  case IG_CELL_SCALED_TANH: {
    REAL t = TANH(b * x);
    return a * b * (1 - t * t);
  }
  case IG_CELL_HARD_SIGMOID: return y > 0 && y < 1 ? a : 0;
  case IG_CELL_ELU: return x >= 0 ? 1 : y + a;
  case IG_CELL_SOFTSIGN: {
    REAL d = 1 + (x < 0 ? -x : x);
    return 1 / (d * d);
  }
  default: return 1 / (1 + EXP(-x));
  }
}

static inline REAL NAME(clipped)(const ig_recurrent *s, REAL x) {
  REAL c = (REAL)s->clip;
  return c <= 0 ? x : x > c ? c : x < -c ? -c : x;
}

static inline REAL NAME(activate)(const ig_recurrent *s, const ig_cell_function *f, REAL x) {
  return NAME(value)(f, NAME(clipped)(s, x));
}

/* Of f(clip(x)), where it is y. */
static inline REAL NAME(back)(const ig_recurrent *s, const ig_cell_function *f, REAL x, REAL y) {
  REAL inside = NAME(clipped)(s, x);
  return inside == x ? NAME(slope)(f, x, y) : 0;
}

/* --- where things are --------------------------------------------------------------------------- */

static inline int64_t NAME(time)(const NAME(sweep) * w, int64_t step) {
  return w->reverse ? w->s->steps - 1 - step : step;
}

static inline bool NAME(active)(const NAME(sweep) * w, const int32_t *lengths, int64_t step,
                                int64_t n) {
  return !lengths || NAME(time)(w, step) < lengths[n];
}

/* Offsets of a row of x, of y, and of a state. */
static inline int64_t NAME(x_row)(const ig_recurrent *s, int64_t t, int64_t n) {
  return (s->batch_first ? n * s->steps + t : t * s->batch + n) * s->input;
}

static inline int64_t NAME(y_row)(const ig_recurrent *s, int64_t t, int d, int64_t n) {
  return (s->batch_first ? (n * s->steps + t) * s->directions + d
                         : (t * s->directions + d) * s->batch + n) * s->hidden;
}

static inline int64_t NAME(state_row)(const ig_recurrent *s, int d, int64_t n) {
  return (s->batch_first ? n * s->directions + d : d * s->batch + n) * s->hidden;
}

static NAME(sweep) NAME(lay_out)(const ig_recurrent *s, int d, REAL *at) {
  int64_t g = ig_recurrent_gates(s->kind), h = s->hidden, bh = s->batch * h, gh = g * h;
  NAME(sweep) w = {.s = s, .direction = d, .g = g, .bh = bh, .gh = gh};
  w.reverse = d == 1 || s->backwards;
  w.wt = at;
  w.rt = w.wt + s->input * gh;
  w.a = w.rt + h * gh;
  w.h = w.a + s->steps * s->batch * gh;
  w.c = w.h + (s->steps + 1) * bh;
  w.part = w.c + (s->steps + 1) * bh;
  w.dh = w.part + s->steps * bh;
  w.dc = w.dh + bh;
  w.dn = w.dc + bh;
  w.da = w.dn + bh; /* from here on backward only */
  w.dar = w.da + s->steps * s->batch * gh;
  return w;
}

/* --- forward ------------------------------------------------------------------------------------ */

/* a = x W^T + both biases; the recurrent bias of GRU's h gate stays out where it belongs inside. */
static void NAME(inputs)(NAME(sweep) * w, const ig_recurrent_data *q) {
  const ig_recurrent *s = w->s;
  const REAL *x = q->x, *weights = (const REAL *)q->w + w->direction * w->gh * s->input;
  const REAL *rec = (const REAL *)q->r + w->direction * w->gh * s->hidden;
  const REAL *b = q->b ? (const REAL *)q->b + w->direction * 2 * w->gh : NULL;
  int64_t apart = s->kind == IG_CELL_GRU && s->linear_before_reset ? 2 * s->hidden : w->gh;
  for (int64_t o = 0; o < w->gh; o++) {
    for (int64_t i = 0; i < s->input; i++) w->wt[i * w->gh + o] = weights[o * s->input + i];
    for (int64_t i = 0; i < s->hidden; i++) w->rt[i * w->gh + o] = rec[o * s->hidden + i];
  }
  for (int64_t row = 0; row < s->steps * s->batch; row++) {
    REAL *a = w->a + row * w->gh;
    for (int64_t o = 0; o < w->gh; o++) {
      a[o] = b ? b[o] + (o < apart ? b[w->gh + o] : 0) : 0;
    }
  }
  if (!s->batch_first) {
    NAME(product)(s->steps * s->batch, w->gh, s->input, x, s->input, 1, w->wt, w->gh, w->a, w->gh);
    return;
  }
  for (int64_t n = 0; n < s->batch; n++) {
    NAME(product)(s->steps, w->gh, s->input, x + NAME(x_row)(s, 0, n), s->input, 1, w->wt, w->gh,
                  w->a + n * w->gh, s->batch * w->gh);
  }
}

static void NAME(lstm_cell)(NAME(sweep) * w, const REAL *p, REAL *a, const REAL *c, REAL *next_h,
                            REAL *next_c) {
  const ig_recurrent *s = w->s;
  const ig_cell_function *f = s->functions[w->direction];
  int64_t h = s->hidden;
  for (int64_t i = 0; i < h; i++) {
    if (p) a[i] += p[i] * c[i];
    if (p) a[2 * h + i] += p[2 * h + i] * c[i];
    REAL in = NAME(activate)(s, f, a[i]);
    REAL forget = s->coupled ? 1 - in : NAME(activate)(s, f, a[2 * h + i]);
    REAL cell = forget * c[i] + in * NAME(activate)(s, f + 1, a[3 * h + i]);
    if (p) a[h + i] += p[h + i] * cell;
    next_c[i] = cell;
    next_h[i] = NAME(activate)(s, f, a[h + i]) * NAME(value)(f + 2, cell);
  }
}

static void NAME(gru_cells)(NAME(sweep) * w, const ig_recurrent_data *q, int64_t step) {
  const ig_recurrent *s = w->s;
  const ig_cell_function *f = s->functions[w->direction];
  int64_t h = s->hidden, n_rows = s->batch, t = NAME(time)(w, step);
  const REAL *b = q->b ? (const REAL *)q->b + w->direction * 2 * w->gh + w->gh + 2 * h : NULL;
  REAL *a = w->a + t * n_rows * w->gh, *old = w->h + step * w->bh, *fresh = old + w->bh;
  REAL *part = w->part + t * w->bh;
  NAME(product)(n_rows, 2 * h, h, old, h, 1, w->rt, w->gh, a, w->gh);
  if (s->linear_before_reset) {
    for (int64_t i = 0; i < w->bh; i++) part[i] = b ? b[i % h] : 0;
    NAME(product)(n_rows, h, h, old, h, 1, w->rt + 2 * h, w->gh, part, h);
    for (int64_t i = 0; i < w->bh; i++) {
      REAL *row = a + i / h * w->gh + i % h;
      row[2 * h] += NAME(activate)(s, f, row[h]) * part[i];
    }
  } else {
    for (int64_t i = 0; i < w->bh; i++) {
      part[i] = NAME(activate)(s, f, a[i / h * w->gh + h + i % h]) * old[i];
    }
    NAME(product)(n_rows, h, h, part, h, 1, w->rt + 2 * h, w->gh, a + 2 * h, w->gh);
  }
  for (int64_t i = 0; i < w->bh; i++) {
    REAL *row = a + i / h * w->gh + i % h, z = NAME(activate)(s, f, row[0]);
    fresh[i] = (1 - z) * NAME(activate)(s, f + 1, row[2 * h]) + z * old[i];
  }
}

static void NAME(step)(NAME(sweep) * w, const ig_recurrent_data *q, int64_t step) {
  const ig_recurrent *s = w->s;
  int64_t h = s->hidden, t = NAME(time)(w, step);
  const REAL *p = q->p ? (const REAL *)q->p + w->direction * 3 * h : NULL;
  REAL *a = w->a + t * s->batch * w->gh, *old = w->h + step * w->bh, *fresh = old + w->bh;
  REAL *c = w->c + step * w->bh;
  if (s->kind == IG_CELL_GRU) {
    NAME(gru_cells)(w, q, step);
  } else {
    NAME(product)(s->batch, w->gh, h, old, h, 1, w->rt, w->gh, a, w->gh);
  }
  for (int64_t n = 0; n < s->batch; n++) {
    if (s->kind == IG_CELL_LSTM) {
      NAME(lstm_cell)(w, p, a + n * w->gh, c + n * h, fresh + n * h, c + w->bh + n * h);
    }
    for (int64_t i = 0; s->kind == IG_CELL_RNN && i < h; i++) {
      fresh[n * h + i] = NAME(activate)(s, s->functions[w->direction], a[n * w->gh + i]);
    }
    if (NAME(active)(w, q->lengths, step, n)) continue;
    memcpy(fresh + n * h, old + n * h, (size_t)h * sizeof(REAL));
    if (s->kind == IG_CELL_LSTM) memcpy(c + w->bh + n * h, c + n * h, (size_t)h * sizeof(REAL));
  }
}

static void NAME(start)(const NAME(sweep) * w, const REAL *first, REAL *state) {
  int64_t h = w->s->hidden;
  memset(state, 0, (size_t)w->bh * sizeof(REAL));
  for (int64_t n = 0; first && n < w->s->batch; n++) {
    memcpy(state + n * h, first + NAME(state_row)(w->s, w->direction, n), (size_t)h * sizeof(REAL));
  }
}

static void NAME(run)(NAME(sweep) * w, const ig_recurrent_data *q) {
  NAME(start)(w, q->h0, w->h);
  if (w->s->kind == IG_CELL_LSTM) NAME(start)(w, q->c0, w->c);
  NAME(inputs)(w, q);
  for (int64_t step = 0; step < w->s->steps; step++) NAME(step)(w, q, step);
}

static void NAME(finish)(const NAME(sweep) * w, const REAL *last, REAL *out) {
  int64_t h = w->s->hidden;
  for (int64_t n = 0; out && n < w->s->batch; n++) {
    memcpy(out + NAME(state_row)(w->s, w->direction, n), last + n * h, (size_t)h * sizeof(REAL));
  }
}

void NAME(ig_cpu_recurrent)(const ig_recurrent *spec, const ig_recurrent_data *data,
                             REAL *scratch) {
  int64_t h = spec->hidden;
  for (int d = 0; d < spec->directions; d++) {
    NAME(sweep) w = NAME(lay_out)(spec, d, scratch);
    NAME(run)(&w, data);
    for (int64_t step = 0; data->y && step < spec->steps; step++) {
      for (int64_t n = 0; n < spec->batch; n++) {
        REAL *y = (REAL *)data->y + NAME(y_row)(spec, NAME(time)(&w, step), d, n);
        bool live = NAME(active)(&w, data->lengths, step, n);
        for (int64_t i = 0; i < h; i++) y[i] = live ? w.h[(step + 1) * w.bh + n * h + i] : 0;
      }
    }
    NAME(finish)(&w, w.h + spec->steps * w.bh, data->yh);
    if (spec->kind == IG_CELL_LSTM) NAME(finish)(&w, w.c + spec->steps * w.bh, data->yc);
  }
}

/* --- backward ----------------------------------------------------------------------------------- */

/* One sequence's step. dh and dc hold the gradients of the new states and get those of the old ones, as far
 * as they do not go through the recurrent weights. */
static void NAME(lstm_back)(NAME(sweep) * w, const REAL *p, REAL *dp, int64_t a_row, const REAL *c,
                            REAL *dh, REAL *dc) {
  const ig_recurrent *s = w->s;
  const ig_cell_function *f = s->functions[w->direction];
  const REAL *a = w->a + a_row;
  REAL *da = w->da + a_row;
  int64_t h = s->hidden;
  for (int64_t i = 0; i < h; i++) {
    REAL in = NAME(activate)(s, f, a[i]), out = NAME(activate)(s, f, a[h + i]);
    REAL forget = s->coupled ? 1 - in : NAME(activate)(s, f, a[2 * h + i]);
    REAL fresh = NAME(activate)(s, f + 1, a[3 * h + i]), cell = forget * c[i] + in * fresh;
    REAL shown = NAME(value)(f + 2, cell);
    da[h + i] = dh[i] * shown * NAME(back)(s, f, a[h + i], out);
    REAL d = dc[i] + dh[i] * out * NAME(slope)(f + 2, cell, shown);
    if (p) d += da[h + i] * p[h + i];
    REAL din = d * fresh - (s->coupled ? d * c[i] : 0);
    da[i] = din * NAME(back)(s, f, a[i], in);
    da[2 * h + i] = s->coupled ? 0 : d * c[i] * NAME(back)(s, f, a[2 * h + i], forget);
    da[3 * h + i] = d * in * NAME(back)(s, f + 1, a[3 * h + i], fresh);
    dc[i] = d * forget;
    dh[i] = 0;
    if (!p) continue;
    dc[i] += da[i] * p[i] + da[2 * h + i] * p[2 * h + i];
    dp[i] += da[i] * c[i];
    dp[h + i] += da[h + i] * cell;
    dp[2 * h + i] += da[2 * h + i] * c[i];
  }
}

static void NAME(gru_back)(NAME(sweep) * w, int64_t a_row, const REAL *old, const REAL *part,
                           REAL *dh) {
  const ig_recurrent *s = w->s;
  const ig_cell_function *f = s->functions[w->direction];
  const REAL *a = w->a + a_row;
  REAL *da = w->da + a_row, *dar = w->dar + a_row;
  int64_t h = s->hidden;
  for (int64_t i = 0; i < h; i++) {
    REAL z = NAME(activate)(s, f, a[i]), r = NAME(activate)(s, f, a[h + i]);
    REAL fresh = NAME(activate)(s, f + 1, a[2 * h + i]);
    da[i] = dh[i] * (old[i] - fresh) * NAME(back)(s, f, a[i], z);
    da[2 * h + i] = dh[i] * (1 - z) * NAME(back)(s, f + 1, a[2 * h + i], fresh);
    dar[2 * h + i] = s->linear_before_reset ? da[2 * h + i] * r : da[2 * h + i];
    /* Without linear_before_reset, r's gradient follows when that of r h is known. */
    if (s->linear_before_reset) {
      da[h + i] = da[2 * h + i] * part[i] * NAME(back)(s, f, a[h + i], r);
    }
    dh[i] *= z;
  }
}

/* dn holds the gradient of r h: through r, and through h. */
static void NAME(gru_reset_back)(NAME(sweep) * w, int64_t a_row, const REAL *old, const REAL *dn,
                                 REAL *dh) {
  const ig_recurrent *s = w->s;
  const ig_cell_function *f = s->functions[w->direction];
  int64_t h = s->hidden;
  for (int64_t i = 0; i < h; i++) {
    REAL x = w->a[a_row + h + i], r = NAME(activate)(s, f, x);
    w->da[a_row + h + i] = dn[i] * old[i] * NAME(back)(s, f, x, r);
    dh[i] += dn[i] * r;
  }
}

static void NAME(step_back)(NAME(sweep) * w, const ig_recurrent_data *q,
                            const ig_recurrent_grads *g, const REAL *rec, int64_t step) {
  const ig_recurrent *s = w->s;
  int64_t h = s->hidden, t = NAME(time)(w, step), row = t * s->batch * w->gh;
  const REAL *p = q->p ? (const REAL *)q->p + w->direction * 3 * h : NULL;
  REAL *dp = p ? (REAL *)g->dp + w->direction * 3 * h : NULL;
  bool gru = s->kind == IG_CELL_GRU, inner = gru && !s->linear_before_reset;
  for (int64_t n = 0; n < s->batch; n++) {
    int64_t at = row + n * w->gh;
    if (!NAME(active)(w, q->lengths, step, n)) {
      memset(w->da + at, 0, (size_t)w->gh * sizeof(REAL));
      memset(w->dar + at, 0, (size_t)w->gh * sizeof(REAL));
      continue;
    }
    REAL *dh = w->dh + n * h;
    const REAL *old = w->h + step * w->bh + n * h;
    const REAL *dy = g->dy ? (const REAL *)g->dy + NAME(y_row)(s, t, w->direction, n) : NULL;
    for (int64_t i = 0; dy && i < h; i++) dh[i] += dy[i];
    if (s->kind == IG_CELL_LSTM) {
      NAME(lstm_back)(w, p, dp, at, w->c + step * w->bh + n * h, dh, w->dc + n * h);
    } else if (gru) {
      NAME(gru_back)(w, at, old, w->part + t * w->bh + n * h, dh);
    }
    for (int64_t i = 0; s->kind == IG_CELL_RNN && i < h; i++) {
      const ig_cell_function *f = s->functions[w->direction];
      REAL x = w->a[at + i];
      w->da[at + i] = dh[i] * NAME(back)(s, f, x, NAME(activate)(s, f, x));
      dh[i] = 0;
    }
  }
  if (inner) {
    memset(w->dn, 0, (size_t)w->bh * sizeof(REAL));
    NAME(product)(s->batch, h, h, w->dar + row + 2 * h, w->gh, 1, rec + 2 * h * h, h, w->dn, h);
    for (int64_t n = 0; n < s->batch; n++) {
      if (!NAME(active)(w, q->lengths, step, n)) continue;
      NAME(gru_reset_back)(w, row + n * w->gh, w->h + step * w->bh + n * h, w->dn + n * h,
                           w->dh + n * h);
    }
  }
  /* What the recurrent weights see, then back through them. */
  int64_t through = inner ? 2 * h : w->gh, same = gru ? 2 * h : w->gh;
  for (int64_t n = 0; n < s->batch; n++) {
    memcpy(w->dar + row + n * w->gh, w->da + row + n * w->gh, (size_t)same * sizeof(REAL));
  }
  NAME(product)(s->batch, h, through, w->dar + row, w->gh, 1, rec, h, w->dh, h);
}

/* Gradients of weights, biases and inputs over the whole sequence. */
static void NAME(collect)(NAME(sweep) * w, const ig_recurrent_data *q, const ig_recurrent_grads *g) {
  const ig_recurrent *s = w->s;
  int64_t h = s->hidden, gh = w->gh, d = w->direction, batch = s->batch;
  const REAL *weights = (const REAL *)q->w + d * gh * s->input;
  REAL *dw = (REAL *)g->dw + d * gh * s->input, *dr = (REAL *)g->dr + d * gh * h;
  REAL *db = (REAL *)g->db + d * 2 * gh;
  bool inner = s->kind == IG_CELL_GRU && !s->linear_before_reset;
  for (int64_t step = 0; step < s->steps; step++) {
    int64_t t = NAME(time)(w, step);
    const REAL *da = w->da + t * batch * gh, *dar = w->dar + t * batch * gh;
    const REAL *old = w->h + step * w->bh;
    NAME(product)(inner ? 2 * h : gh, h, batch, dar, 1, gh, old, h, dr, h);
    if (inner) {
      NAME(product)(h, h, batch, dar + 2 * h, 1, gh, w->part + t * w->bh, h, dr + 2 * h * h, h);
    }
    for (int64_t i = 0; i < batch * gh; i++) {
      db[i % gh] += da[i];
      db[gh + i % gh] += dar[i];
    }
    if (s->batch_first) continue;
    NAME(product)(gh, s->input, batch, da, 1, gh, (const REAL *)q->x + NAME(x_row)(s, t, 0),
                  s->input, dw, s->input);
  }
  if (!s->batch_first) {
    NAME(product)(s->steps * batch, s->input, gh, w->da, gh, 1, weights, s->input, g->dx, s->input);
    return;
  }
  for (int64_t n = 0; n < batch; n++) {
    int64_t x = NAME(x_row)(s, 0, n);
    NAME(product)(gh, s->input, s->steps, w->da + n * gh, 1, batch * gh, (const REAL *)q->x + x,
                  s->input, dw, s->input);
    NAME(product)(s->steps, s->input, gh, w->da + n * gh, batch * gh, 1, weights, s->input,
                  (REAL *)g->dx + x, s->input);
  }
}

void NAME(ig_cpu_recurrent_grad)(const ig_recurrent *spec, const ig_recurrent_data *data,
                                  const ig_recurrent_grads *grads, REAL *scratch) {
  const ig_recurrent *s = spec;
  int64_t gh = ig_recurrent_gates(s->kind) * s->hidden, d = s->directions;
  memset(grads->dx, 0, (size_t)(s->steps * s->batch * s->input) * sizeof(REAL));
  memset(grads->dw, 0, (size_t)(d * gh * s->input) * sizeof(REAL));
  memset(grads->dr, 0, (size_t)(d * gh * s->hidden) * sizeof(REAL));
  memset(grads->db, 0, (size_t)(d * 2 * gh) * sizeof(REAL));
  if (grads->dp) memset(grads->dp, 0, (size_t)(d * 3 * s->hidden) * sizeof(REAL));
  for (int i = 0; i < d; i++) {
    NAME(sweep) w = NAME(lay_out)(s, i, scratch);
    const REAL *rec = (const REAL *)data->r + i * gh * s->hidden;
    NAME(run)(&w, data);
    NAME(start)(&w, grads->dyh, w.dh);
    NAME(start)(&w, grads->dyc, w.dc);
    for (int64_t step = s->steps - 1; step >= 0; step--) {
      NAME(step_back)(&w, data, grads, rec, step);
    }
    NAME(collect)(&w, data, grads);
    NAME(finish)(&w, w.dh, grads->dh0);
    NAME(finish)(&w, w.dc, grads->dc0);
  }
}
