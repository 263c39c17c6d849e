/* Tokenizers of other programs: Hugging Face's tokenizer.json, and the files of GPT-2 and BERT. */
#ifndef IG_FORMATS_TOKENIZER_FILES_H
#define IG_FORMATS_TOKENIZER_FILES_H

#include "formats/tokenizer.h"

/* The folder's tokenizer.json, or else vocab.json with merges.txt; *out is NULL where it has none. */
ig_status ig_tokenizer_read_folder(const char *folder, ig_tokenizer **out);
/* Writes FOLDER/tokenizer.json, and tokenizer_config.json, which has transformers read it; nothing for
 * tokenizers of characters or bytes, for which the format has no word. */
ig_status ig_tokenizer_write_folder(const ig_tokenizer *tokenizer, const char *folder);

#endif
