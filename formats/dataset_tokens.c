/* Token files (formats/token_file.h), mapped: as large as the disk allows. */
#include <string.h>
#include <xxhash.h>

#include "formats/token_file.h"
#include "formats/token_windows.h"

/* Files up to this are held against their digest when they are opened, unless by one of several ranks. */
#define MAX_VERIFIED ((size_t)64 << 20)

static int tokens_recognise(const ig_source *source) {
  bool is = source->n_prefix >= 8 && memcmp(source->prefix, IG_TOKEN_MAGIC, 8) == 0;
  return is ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
}

static ig_status read_tokens(const ig_source *source, const ig_dataset_open_options *options,
                             ig_holder *holder, ig_token_run *run, uint64_t *digest) {
  ig_token_header header;
  IG_TRY(ig_bytes_map(source->path, &holder->bytes));
  IG_TRY(ig_token_header_decode(source->spec, holder->bytes.data, holder->bytes.size, &header));
  const ig_field *like = ig_like_field(options, "x");
  int64_t expected = options->encoder ? options->encoder->vocabulary : like ? like->n_classes : 0;
  IG_CHECK(expected == 0 || header.vocabulary == expected, IG_ERR_INPUT,
           "%s: has a vocabulary of %lld tokens; the model's is %lld", source->spec,
           (long long)header.vocabulary, (long long)expected);
  const unsigned char *ids = holder->bytes.data + IG_TOKEN_HEADER_BYTES;
  size_t bytes = holder->bytes.size - IG_TOKEN_HEADER_BYTES;
  if (bytes <= MAX_VERIFIED && !options->by_offset) {
    uint64_t found = XXH3_64bits(ids, bytes);
    IG_CHECK(found == header.digest, IG_ERR_INPUT,
             "%s: the ids are damaged: expected the XXH3 digest %016llx, found %016llx",
             source->spec, (unsigned long long)header.digest, (unsigned long long)found);
  }
  *run = (ig_token_run){.ids = ids,
                        .width = header.width,
                        .count = header.count,
                        .vocabulary = header.vocabulary};
  *digest = header.digest;
  return IG_OK;
}

static ig_status tokens_open(const ig_source *source, const ig_dataset_open_options *options,
                             ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "token", false, false));
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_token_run run = {0};
  uint64_t digest = 0;
  ig_status status = read_tokens(source, options, holder, &run, &digest);
  if (status == IG_OK) {
    status = ig_token_windows_create(source, "tokens", &run, digest, options, holder, out);
  }
  if (status != IG_OK) ig_holder_destroy(holder);
  return status;
}

const ig_reader ig_reader_tokens = {
    .name = "tokens",
    .signature = "89 49 47 54 4f 4b 0d 0a",
    .recognise = tokens_recognise,
    .open = tokens_open,
    .by_offset = ig_always_by_offset,
};
