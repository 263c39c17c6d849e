/* Tokenizers of other programs: Hugging Face's tokenizer.json, and the files of GPT-2 and BERT. */
#ifndef IG_FORMATS_TOKENIZER_FILES_H
#define IG_FORMATS_TOKENIZER_FILES_H

#include "formats/tokenizer.h"

/* The folder's tokenizer.json, or else vocab.json with merges.txt, or else vocab.txt (in lower case unless
 * tokenizer_config.json says otherwise); *out is NULL where it has none. */
ig_status ig_tokenizer_read_folder(const char *folder, ig_tokenizer **out);
/* A tokenizer.json. IG_ERR_UNSUPPORTED names the part of its pipeline that Ingot lacks. */
ig_status ig_tokenizer_read_json(const char *path, ig_tokenizer **out);
/* A token a line, with BERT's normalisation. */
ig_status ig_tokenizer_read_vocab_txt(const char *path, bool lowercase, ig_tokenizer **out);
/* Gives it as many ids as the model has, which may be more than it has tokens. */
ig_status ig_tokenizer_fit(ig_tokenizer *tokenizer, int64_t vocabulary, const char *where);
/* Writes FOLDER/tokenizer.json, and tokenizer_config.json, which has transformers read it; nothing for
 * tokenizers of characters or bytes, for which the format has no word. */
ig_status ig_tokenizer_write_folder(const ig_tokenizer *tokenizer, const char *folder);

#endif
