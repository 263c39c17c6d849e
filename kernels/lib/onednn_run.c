/* A primitive with its operands in the caller's layouts: put together once, run many times. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "kernels/lib/onednn_parts.h"

static const char *code_of(const_dnnl_primitive_desc_t desc) {
  const char *text = NULL;
  dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &text);
  return text ? text : "";
}

bool ig_dnn_is_slow(dnnl_primitive_desc_t desc) {
  return strncmp(code_of(desc), "ref", 3) == 0;
}

/* --- putting together ------------------------------------------------------------------------- */

ig_status ig_dnn_open(dnnl_primitive_desc_t desc, ig_dnn **out) {
  ig_dnn *dnn = ig_alloc_zero(1, sizeof *dnn);
  if (!dnn) {
    dnnl_primitive_desc_destroy(desc);
    return ig_fail(IG_ERR_MEMORY, "oneDNN: out of memory");
  }
  dnn->desc = desc;
  *out = dnn;
  return ig_dnn_engine(&dnn->engine, &dnn->stream);
}

/* Adds `bytes` to the workspace, 64-byte aligned. */
static ig_status reserve(ig_dnn *dnn, size_t bytes, size_t *offset) {
  size_t end;
  *offset = dnn->workspace;
  IG_CHECK(ig_add_size(dnn->workspace, bytes, &end) && ig_align_size(end, IG_ALIGNMENT, &end),
           IG_ERR_MEMORY, "oneDNN: the workspace exceeds the address space");
  dnn->workspace = end;
  return IG_OK;
}

static dnnl_status_t make(dnnl_primitive_desc_t desc, dnnl_primitive_t *out) {
  if (!ig_dnn_headroom()) return dnnl_out_of_memory;
  ig_dnn_lock();
  dnnl_status_t s = dnnl_primitive_create(out, desc);
  ig_dnn_unlock();
  return s;
}

static ig_status memory_of(const ig_dnn *dnn, ig_dnn_md md, dnnl_memory_t *out) {
  return ig_dnn_status(dnnl_memory_create(out, md, dnn->engine, DNNL_MEMORY_NONE), "tensor");
}

/* A copy between layouts; its scratch is in the part that all copies and the primitive share. */
static ig_status copy_create(ig_dnn *dnn, ig_dnn_md from, ig_dnn_md to, ig_dnn_copy *copy) {
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_attr_create(1, false, NULL, NULL, &attr));
  ig_dnn_lock();
  dnnl_status_t s =
      dnnl_reorder_primitive_desc_create(&desc, from, dnn->engine, to, dnn->engine, attr);
  ig_dnn_unlock();
  dnnl_primitive_attr_destroy(attr);
  IG_DNN_TRY(s, "reorder");
  s = make(desc, &copy->primitive);
  ig_dnn_md scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
  if (!s) s = dnnl_memory_create(&copy->scratch, scratch, dnn->engine, DNNL_MEMORY_NONE);
  if (!s) dnn->copy_bytes = IG_MAX(dnn->copy_bytes, dnnl_memory_desc_get_size(scratch));
  dnnl_primitive_desc_destroy(desc);
  return ig_dnn_status(s, "reorder");
}

static void copy_destroy(ig_dnn_copy *copy) {
  if (copy->scratch) dnnl_memory_destroy(copy->scratch);
  if (copy->primitive) dnnl_primitive_destroy(copy->primitive);
}

static dnnl_status_t copy_run(const ig_dnn *dnn, const ig_dnn_copy *copy, dnnl_memory_t from,
                              dnnl_memory_t to, void *scratch) {
  dnnl_exec_arg_t args[] = {
      {DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, copy->scratch}};
  dnnl_status_t s = dnnl_memory_set_data_handle(copy->scratch, scratch);
  return s ? s : dnnl_primitive_execute(copy->primitive, dnn->stream, 3, args);
}

/* Packs bytes that never change, now. */
static ig_status pack(ig_dnn *dnn, ig_dnn_operand *o, size_t bytes) {
  o->packed = ig_alloc(bytes);
  void *scratch = ig_alloc(dnn->copy_bytes);
  ig_status status = IG_OK;
  if (!o->packed || !scratch) {
    status = ig_fail(IG_ERR_MEMORY, "oneDNN: out of memory");
  } else {
    dnnl_status_t s = dnnl_memory_set_data_handle(o->user, (void *)o->fixed);
    if (!s) s = dnnl_memory_set_data_handle(o->own, o->packed);
    if (!s) s = copy_run(dnn, &o->load, o->user, o->own, scratch);
    status = ig_dnn_status(s, "reorder");
  }
  ig_free(scratch);
  return status;
}

ig_status ig_dnn_operand_add(ig_dnn *dnn, int arg, int index, ig_dnn_use use, ig_dnn_md user,
                             const void *fixed) {
  ig_dnn_operand *o = &dnn->operands[dnn->n_operands++];
  *o = (ig_dnn_operand){.index = index, .fixed = fixed};
  ig_dnn_md own = dnnl_primitive_desc_query_md(dnn->desc, dnnl_query_exec_arg_md, arg);
  IG_TRY(memory_of(dnn, user, &o->user));
  if (dnnl_memory_desc_equal(user, own)) {
    o->own = o->user;
    if (fixed) IG_DNN_TRY(dnnl_memory_set_data_handle(o->own, (void *)fixed), "tensor");
  } else {
    size_t bytes = dnnl_memory_desc_get_size(own);
    IG_TRY(memory_of(dnn, own, &o->own));
    if (use != IG_DNN_OUT) IG_TRY(copy_create(dnn, user, own, &o->load));
    if (use != IG_DNN_IN) IG_TRY(copy_create(dnn, own, user, &o->store));
    IG_TRY(fixed ? pack(dnn, o, bytes) : reserve(dnn, bytes, &o->offset));
  }
  dnn->args[dnn->n_args++] = (dnnl_exec_arg_t){arg, o->own};
  return IG_OK;
}

ig_status ig_dnn_number_add(ig_dnn *dnn, int arg, int index) {
  const int64_t one = 1;
  ig_dnn_md md;
  ig_dnn_operand *o = &dnn->operands[dnn->n_operands++];
  *o = (ig_dnn_operand){.index = index};
  IG_TRY(ig_dnn_md_rows(IG_I32, 1, &one, &md));
  ig_status status = memory_of(dnn, md, &o->user);
  ig_dnn_md_free(md);
  o->own = o->user;
  dnn->args[dnn->n_args++] = (dnnl_exec_arg_t){arg, o->own};
  return status;
}

ig_status ig_dnn_close(ig_dnn *dnn) {
  ig_dnn_md scratch = dnnl_primitive_desc_query_md(dnn->desc, dnnl_query_scratchpad_md, 0);
  IG_TRY(memory_of(dnn, scratch, &dnn->scratch));
  /* Nothing of a copy's scratch is needed once it has run: the primitive's covers it. */
  size_t bytes = IG_MAX(dnnl_memory_desc_get_size(scratch), dnn->copy_bytes);
  IG_TRY(reserve(dnn, bytes, &dnn->scratch_offset));
  dnn->args[dnn->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, dnn->scratch};
  return ig_dnn_status(make(dnn->desc, &dnn->primitive), "primitive");
}

void ig_dnn_destroy(ig_dnn *dnn) {
  if (!dnn) return;
  for (int i = 0; i < dnn->n_operands; i++) {
    ig_dnn_operand *o = &dnn->operands[i];
    if (o->own && o->own != o->user) dnnl_memory_destroy(o->own);
    if (o->user) dnnl_memory_destroy(o->user);
    copy_destroy(&o->load);
    copy_destroy(&o->store);
    ig_free(o->packed);
  }
  ig_free(dnn->kept);
  if (dnn->scratch) dnnl_memory_destroy(dnn->scratch);
  if (dnn->primitive) dnnl_primitive_destroy(dnn->primitive);
  if (dnn->desc) dnnl_primitive_desc_destroy(dnn->desc);
  ig_free(dnn);
}

size_t ig_dnn_workspace(const ig_dnn *dnn) {
  return dnn->workspace;
}

bool ig_dnn_keeps(const ig_dnn *dnn, int index) {
  for (int i = 0; i < dnn->n_operands; i++) {
    if (dnn->operands[i].index == index && dnn->operands[i].packed) return true;
  }
  return false;
}

const char *ig_dnn_code(const ig_dnn *dnn) {
  return code_of(dnn->desc);
}

/* --- running ---------------------------------------------------------------------------------- */

static void *at(void *workspace, size_t offset) {
  return workspace ? (char *)workspace + offset : NULL;
}

/* Points an operand at the caller's memory and brings what is read into the primitive's layout. */
static dnnl_status_t load(const ig_dnn *dnn, const ig_dnn_operand *o, const void *const *operands,
                          void *workspace) {
  if (o->fixed) return dnnl_success;
  dnnl_status_t s = dnnl_memory_set_data_handle(o->user, (void *)operands[o->index]);
  if (s || o->own == o->user) return s;
  s = dnnl_memory_set_data_handle(o->own, at(workspace, o->offset));
  if (s || !o->load.primitive) return s;
  return copy_run(dnn, &o->load, o->user, o->own, at(workspace, dnn->scratch_offset));
}

ig_status ig_dnn_run(ig_dnn *dnn, const void *const *operands, void *workspace) {
  void *scratch = at(workspace, dnn->scratch_offset);
  dnnl_status_t s = dnnl_memory_set_data_handle(dnn->scratch, scratch);
  for (int i = 0; i < dnn->n_operands && !s; i++) {
    s = load(dnn, &dnn->operands[i], operands, workspace);
  }
  if (!s) s = dnnl_primitive_execute(dnn->primitive, dnn->stream, dnn->n_args, dnn->args);
  for (int i = 0; i < dnn->n_operands && !s; i++) {
    const ig_dnn_operand *o = &dnn->operands[i];
    if (o->store.primitive) s = copy_run(dnn, &o->store, o->own, o->user, scratch);
  }
  return s ? ig_dnn_status(s, "primitive") : IG_OK;
}

/* --- reorders --------------------------------------------------------------------------------- */

static ig_status reorder_create(ig_dnn_md from, ig_dnn_md to, ig_dnn **out) {
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t desc = NULL;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  IG_TRY(ig_dnn_engine(&engine, &stream));
  IG_TRY(ig_dnn_attr_create(1, false, NULL, NULL, &attr));
  dnnl_status_t s = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, attr);
  dnnl_primitive_attr_destroy(attr);
  IG_DNN_TRY(s, "reorder");
  IG_TRY(ig_dnn_open(desc, out));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_FROM, 0, IG_DNN_IN, from, NULL));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_TO, 1, IG_DNN_OUT, to, NULL));
  return ig_dnn_close(*out);
}

ig_status ig_dnn_reorder_create(ig_dtype dtype, const int64_t dims[4], ig_layout from, ig_layout to,
                                ig_dnn **out) {
  ig_dnn_md from_md = NULL, to_md = NULL;
  ig_dnn *dnn = NULL;
  ig_status status = ig_dnn_md_layout(dtype, dims, from, &from_md);
  if (status == IG_OK) status = ig_dnn_md_layout(dtype, dims, to, &to_md);
  if (status == IG_OK) status = reorder_create(from_md, to_md, &dnn);
  ig_dnn_md_free(from_md);
  ig_dnn_md_free(to_md);
  if (status != IG_OK) {
    ig_dnn_destroy(dnn);
    return status;
  }
  *out = dnn;
  return IG_OK;
}
