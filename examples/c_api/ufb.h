/* SPDX-License-Identifier: MIT
 *
 * A C interface to models in folders: load one, embed, classify, fill masks. For other languages and for C itself.
 *
 * A model is immutable: any number of threads may use one at a time, each with a session of its own. Every function
 * that can fail returns UFB_OK or another status, and then writes a message, cut to what fits and ended by a zero, to
 * `message`, which holds `size` bytes and may be null. Texts are UTF-8; bytes that are not become U+FFFD. Nothing here
 * prints, exits or keeps global state. */
#ifndef UFB_H
#define UFB_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define UFB_API
#else
#define UFB_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ufb_model ufb_model;     /* weights and tokenizer */
typedef struct ufb_session ufb_session; /* scratch memory of one thread */

typedef enum ufb_status {
  UFB_OK = 0,
  UFB_BAD_INPUT = 1,  /* an argument or text is outside what the call takes, or the model: too many tokens, say, where
                       * the call does not cut, or a word that its vocabulary has but its weights lack; also a call for
                       * another task */
  UFB_BAD_FOLDER = 2, /* of ufb_load alone: the folder holds no model that can be loaded */
  UFB_NO_MEMORY = 3,
  UFB_INTERNAL = 4 /* anything else; a fault of this library */
} ufb_status;

/* A word for a mask. */
typedef struct ufb_candidate {
  size_t position;    /* of the mask: number of its token in the text, special tokens counted */
  int64_t id;         /* of the word */
  double probability; /* of all words of the vocabulary */
  char token[64];     /* as the vocabulary spells it, cut to what fits, and ended by a zero */
} ufb_candidate;

/* Loads a folder as the Hugging Face hub stores it; its task decides which calls it takes. Free it by ufb_free. */
UFB_API ufb_status ufb_load(const char* folder, ufb_model** model, char* message, size_t size);
UFB_API void ufb_free(ufb_model* model); /* may be null */

/* Scratch memory that grows to the largest call. Free it by ufb_close. */
UFB_API ufb_status ufb_open(ufb_session** session, char* message, size_t size);
UFB_API void ufb_close(ufb_session* session); /* may be null */

UFB_API const char* ufb_task(const ufb_model* model);  /* "embedder", "sequence_classifier" or "masked_lm", say */
UFB_API size_t ufb_dimensions(const ufb_model* model); /* numbers of an embedding; 0 for other tasks */
UFB_API size_t ufb_labels(const ufb_model* model);     /* classes of a classifier; 0 for other tasks */
UFB_API const char* ufb_label(const ufb_model* model, size_t label); /* its name, or null if there is no such class */

/* One vector for each text. A text with more tokens than the model takes is cut. vectors: count * ufb_dimensions numbers, one text behind another. */
UFB_API ufb_status ufb_embed(const ufb_model* model, ufb_session* session, const char* const* texts, size_t count,
                             float* vectors, char* message, size_t size);

/* The score of each label for each text. A text with more tokens than the model takes is refused. scores: count * ufb_labels numbers. */
UFB_API ufb_status ufb_classify(const ufb_model* model, ufb_session* session, const char* const* texts, size_t count,
                                float* scores, char* message, size_t size);

/* The best `top` words for each mask of a text, mask after mask. At most `capacity` of them are written to
 * candidates; *found is how many there are. */
UFB_API ufb_status ufb_fill_mask(const ufb_model* model, ufb_session* session, const char* text, size_t top,
                                 ufb_candidate* candidates, size_t capacity, size_t* found, char* message, size_t size);

#ifdef __cplusplus
}
#endif
#endif
