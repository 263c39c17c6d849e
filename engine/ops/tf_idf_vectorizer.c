/* TfIdfVectorizer: how often the n-grams of a pool occur in each row of texts or integers, with up to
 * `max_skip_count` elements left out between two of an n-gram, and what that weighs. Single elements are
 * counted once, not once for each width of the gaps. */
#include <string.h>

#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct tfidf_attrs {
  const char *mode;
  int64_t min_gram_length, max_gram_length, max_skip_count;
  ig_ints ngram_counts, ngram_indexes, pool_int64s;
  ig_strings pool_strings;
  ig_floats weights;
} tfidf_attrs;

#define REQUIRED(member, type_)                                                                    \
  {.name = #member, .type = type_, .offset = offsetof(tfidf_attrs, member), .required = true}

static const ig_attr_field fields[] = {
    REQUIRED(mode, IG_ATTR_STRING),
    REQUIRED(min_gram_length, IG_ATTR_INT),
    REQUIRED(max_gram_length, IG_ATTR_INT),
    REQUIRED(max_skip_count, IG_ATTR_INT),
    REQUIRED(ngram_counts, IG_ATTR_INTS),
    REQUIRED(ngram_indexes, IG_ATTR_INTS),
    IG_FIELD_INTS(tfidf_attrs, pool_int64s),
    IG_FIELD_STRINGS(tfidf_attrs, pool_strings),
    IG_FIELD_FLOATS(tfidf_attrs, weights),
    {.name = NULL},
};

/* Words are numbered, so that an n-gram is a list of numbers. */
typedef struct counting {
  const tfidf_attrs *attrs;
  int64_t pool;       /* elements in it */
  ig_key_table words; /* of the pool */
  int64_t *numbers;   /* of the pool's elements */
  int64_t width;      /* of an output row */
} counting;

static ig_status check_indexes(counting *c) {
  const ig_ints *indexes = &c->attrs->ngram_indexes;
  for (int i = 0; i < indexes->n; i++) {
    IG_CHECK(indexes->v[i] >= 0 && indexes->v[i] < INT32_MAX, IG_ERR_INPUT, "ngram_indexes has %lld",
             (long long)indexes->v[i]);
    c->width = IG_MAX(c->width, indexes->v[i] + 1);
  }
  IG_CHECK(indexes->n > 0, IG_ERR_INPUT, "ngram_indexes is empty");
  return IG_OK;
}

/* The pool's n-grams of each length together must be as many as there are indexes. */
static ig_status check(counting *c) {
  const tfidf_attrs *a = c->attrs;
  IG_CHECK(a->min_gram_length >= 1 && a->max_gram_length >= a->min_gram_length &&
               a->max_gram_length <= a->ngram_counts.n && a->max_skip_count >= 0,
           IG_ERR_INPUT, "n-grams of %lld to %lld with gaps of %lld, where the pool has %d lengths",
           (long long)a->min_gram_length, (long long)a->max_gram_length,
           (long long)a->max_skip_count, a->ngram_counts.n);
  int64_t grams = 0;
  for (int i = 0; i < a->ngram_counts.n; i++) {
    int64_t from = a->ngram_counts.v[i];
    int64_t to = i + 1 < a->ngram_counts.n ? a->ngram_counts.v[i + 1] : c->pool;
    IG_CHECK(from >= 0 && to >= from && to <= c->pool && (to - from) % (i + 1) == 0, IG_ERR_INPUT,
             "ngram_counts: the pool has no %d-grams from %lld to %lld", i + 1, (long long)from,
             (long long)to);
    grams += (to - from) / (i + 1);
  }
  IG_CHECK(grams == a->ngram_indexes.n && (a->weights.n == 0 || a->weights.n == grams), IG_ERR_INPUT,
           "%lld n-grams, %d indexes and %d weights", (long long)grams, a->ngram_indexes.n,
           a->weights.n);
  return check_indexes(c);
}

/* The n-gram at `at` of the row, as its number in the pool, or -1. */
static int64_t find(const counting *c, const int64_t *row, int64_t at, int64_t step, int n) {
  const ig_ints *counts = &c->attrs->ngram_counts;
  int64_t gram = 0;
  for (int i = 0; i < n - 1; i++) gram += (counts->v[i + 1] - counts->v[i]) / (i + 1);
  int64_t to = n < counts->n ? counts->v[n] : c->pool;
  for (int64_t p = counts->v[n - 1]; p < to; p += n, gram++) {
    int k = 0;
    while (k < n && row[at + k * step] >= 0 && row[at + k * step] == c->numbers[p + k]) k++;
    if (k == n) return gram;
  }
  return -1;
}

static void count_row(const counting *c, const int64_t *row, int64_t length, float *out) {
  const tfidf_attrs *a = c->attrs;
  bool once = strcmp(a->mode, "IDF") == 0, weighs = strcmp(a->mode, "TF") != 0 && a->weights.n;
  for (int n = (int)a->min_gram_length; n <= a->max_gram_length; n++) {
    int64_t most = n == 1 ? 1 : IG_MIN(a->max_skip_count + 1, length);
    for (int64_t step = 1; step <= most; step++) {
      for (int64_t at = 0; at + (n - 1) * step < length; at++) {
        int64_t gram = find(c, row, at, step, n);
        if (gram < 0) continue;
        float *to = &out[a->ngram_indexes.v[gram]], weight = weighs ? a->weights.v[gram] : 1;
        *to = once ? weight : *to + weight;
      }
    }
  }
}

static ig_status count(counting *c, const ig_datum *x, ig_datum **out) {
  const ig_shape *shape = &x->shape;
  IG_CHECK(shape->rank == 1 || shape->rank == 2, IG_ERR_SHAPE,
           "input 0 must have shape [C] or [N, C], found %s", IG_SHAPE_STR(shape));
  int64_t rows = shape->rank == 2 ? shape->dims[0] : 1, length = shape->dims[shape->rank - 1];
  ig_shape made = *shape;
  made.dims[made.rank - 1] = c->width;
  IG_TRY(ig_datum_tensor(IG_F32, &made, out));
  int64_t *row = ig_alloc_zero((size_t)length + 1, sizeof *row);
  IG_CHECK_ALLOC(row);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < length; i++) {
      ig_key key = ig_key_at(x->dtype, x->data, r * length + i);
      row[i] = ig_key_table_find(&c->words, &key);
    }
    count_row(c, row, length, (float *)(*out)->data + r * c->width);
  }
  ig_free(row);
  return IG_OK;
}

static ig_status run(counting *c, const ig_datum *x, ig_arena *arena, ig_datum **out) {
  const tfidf_attrs *a = c->attrs;
  const ig_string *texts = NULL;
  bool words = a->pool_strings.n > 0;
  IG_TRY(ig_texts_from_attr(&a->pool_strings, arena, &texts));
  const void *pool = words ? (const void *)texts : a->pool_int64s.v;
  ig_dtype dtype = words ? IG_STRING : IG_I64;
  c->pool = words ? a->pool_strings.n : a->pool_int64s.n;
  bool fits = words ? x->dtype == IG_STRING : x->dtype == IG_I64 || x->dtype == IG_I32;
  IG_CHECK(fits, IG_ERR_SHAPE, "input 0 is %s, the pool holds %s", ig_dtype_name(x->dtype),
           words ? "texts" : "integers");
  IG_TRY(check(c));
  c->numbers = ig_arena_alloc(arena, ((size_t)c->pool + 1) * sizeof *c->numbers);
  IG_CHECK_ALLOC(c->numbers);
  IG_TRY(ig_key_table_create(dtype, pool, c->pool, &c->words));
  for (int64_t i = 0; i < c->pool; i++) {
    ig_key key = ig_key_at(dtype, pool, i);
    c->numbers[i] = ig_key_table_find(&c->words, &key);
  }
  return count(c, x, out);
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  counting c = {.attrs = IG_ATTRS_OF(tfidf_attrs, node)};
  const char *mode = c.attrs->mode ? c.attrs->mode : "";
  IG_CHECK(strcmp(mode, "TF") == 0 || strcmp(mode, "IDF") == 0 || strcmp(mode, "TFIDF") == 0,
           IG_ERR_INPUT, "mode is '%s'", mode);
  IG_CHECK(in[0]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "input 0 must be a tensor");
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = run(&c, in[0], arena, &out[0]);
  ig_key_table_free(&c.words);
  ig_arena_destroy(arena);
  return status;
}

const ig_op ig_op_tf_idf_vectorizer = {
    IG_INTERPRETED("TfIdfVectorizer", 9, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(tfidf_attrs),
};
