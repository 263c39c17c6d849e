/* Tokenizers by name, for training on text and for reading it again. */
#ifndef IG_CLI_TEXT_SOURCE_H
#define IG_CLI_TEXT_SOURCE_H

#include "engine/train/snapshot.h"
#include "formats/dataset_open.h"
#include "formats/tokenizer.h"

/* "characters", "bytes", "bpe" (learns `vocabulary` tokens), or a folder with GPT-2's vocab.json and
 * merges.txt; NULL means characters. The text of `spec` decides where one is learned. *out is NULL
 * when the data is not text: token files need none. */
ig_status ig_text_tokenizer(const char *name, const char *spec, int64_t vocabulary,
                            ig_tokenizer **out);
/* The tokenizer that a checkpoint keeps; NULL when it has none. */
ig_status ig_text_tokenizer_of(const ig_snapshot *snapshot, const char *where, ig_tokenizer **out);
/* How a reader of text uses the tokenizer; borrows it. */
ig_text_encoder ig_text_encoder_of(const ig_tokenizer *tokenizer);

#endif
