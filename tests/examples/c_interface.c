/* SPDX-License-Identifier: MIT
 *
 * usage: ufb_c_interface MODELS ODD
 * The C interface as a program in C uses it: every call, every kind of refusal. ODD: folders of models whose vocabulary
 * does not fit them (see CMakeLists.txt). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_api/ufb.h"

static int failures = 0;

static void check(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "FAIL: %s\n", what);
  ++failures;
}

static ufb_model* load(const char* models, const char* name) {
  char folder[4096];
  char message[512] = "";
  ufb_model* model = NULL;
  snprintf(folder, sizeof folder, "%s/%s", models, name);
  if (ufb_load(folder, &model, message, sizeof message) != UFB_OK) {
    fprintf(stderr, "FAIL: %s\n", message);
    exit(1);
  }
  return model;
}

/* What the library would call a fault of the vocabulary: found in a text it is one of the text, found in a folder that
 * is loaded, of the folder. */
static void check_odd_vocabularies(const char* folders, ufb_session* session) {
  char message[512] = "";
  char folder[4096];
  float numbers[256];
  ufb_candidate candidate;
  size_t found = 0;
  ufb_model* none = NULL;
  const char* fine[] = {"known"};
  const char* without_row[] = {"known rare"};
  const char* endless[] = {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};

  ufb_model* embedder = load(folders, "embedder");
  check(ufb_dimensions(embedder) <= 256, "room for a vector");
  check(ufb_embed(embedder, session, fine, 1, numbers, message, sizeof message) == UFB_OK, "a word of the embedder");
  check(ufb_embed(embedder, session, without_row, 1, numbers, message, sizeof message) == UFB_BAD_INPUT &&
            strstr(message, "bad_vocabulary") != NULL,
        "a word that the embedder has no weights for");
  check(ufb_embed(embedder, session, endless, 1, numbers, message, sizeof message) == UFB_BAD_INPUT &&
            strstr(message, "limit_exceeded") != NULL,
        "a text that grows without end");
  ufb_free(embedder);

  ufb_model* classifier = load(folders, "classifier");
  check(ufb_labels(classifier) <= 256, "room for the scores");
  check(ufb_classify(classifier, session, fine, 1, numbers, message, sizeof message) == UFB_OK,
        "a word of the classifier");
  check(ufb_classify(classifier, session, without_row, 1, numbers, message, sizeof message) == UFB_BAD_INPUT &&
            strstr(message, "bad_vocabulary") != NULL,
        "a word that the classifier has no weights for");
  ufb_free(classifier);

  ufb_model* filler = load(folders, "filler");
  check(ufb_fill_mask(filler, session, "known [MASK]", 1, &candidate, 1, &found, message, sizeof message) == UFB_OK &&
            found == 1,
        "a mask of the language model");
  check(ufb_fill_mask(filler, session, "rare [MASK]", 1, &candidate, 1, &found, message, sizeof message) ==
                UFB_BAD_INPUT &&
            strstr(message, "bad_vocabulary") != NULL,
        "a word that the language model has no weights for");
  ufb_free(filler);

  snprintf(folder, sizeof folder, "%s/unmarked", folders);
  check(ufb_load(folder, &none, message, sizeof message) == UFB_BAD_FOLDER && none == NULL &&
            strstr(message, "missing_token") != NULL,
        "a vocabulary without a word for the start of a text");
}

int main(int count, char** arguments) {
  char message[512] = "";
  char tiny[8];
  ufb_session* session = NULL;
  ufb_model* none = NULL;
  if (count != 3) return 2;

  check(ufb_open(&session, message, sizeof message) == UFB_OK, "a session opens");
  check(ufb_load("/no/such/folder", &none, message, sizeof message) == UFB_BAD_FOLDER, "a folder that is not there");
  check(strstr(message, "/no/such/folder") != NULL && none == NULL, "the message names it");
  check(ufb_load("/no/such/folder", &none, tiny, sizeof tiny) == UFB_BAD_FOLDER && strlen(tiny) == 7, "a cut message");
  for (size_t size = 1; size < 40; ++size) {
    check(
        ufb_load("\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", &none, message, size) == UFB_BAD_FOLDER &&
            strlen(message) < size && (size == 1 || message[strlen(message) - 1] != '\xC3'),
        "a message that is cut to what fits, but not within a character");
  }
  check(ufb_load("/no/such/folder", &none, NULL, 0) == UFB_BAD_FOLDER, "nobody reads the message");
  check(ufb_load(NULL, &none, message, sizeof message) == UFB_BAD_INPUT, "no folder");
  check(ufb_load("/no/such/folder", NULL, message, sizeof message) == UFB_BAD_INPUT, "no place for the model");

  ufb_model* filler = load(arguments[1], "tiny-mlm");
  ufb_candidate candidates[3];
  size_t found = 0;
  check(strcmp(ufb_task(filler), "masked_lm") == 0, "the task of the language model");
  check(ufb_dimensions(filler) == 0 && ufb_labels(filler) == 0 && ufb_label(filler, 0) == NULL, "what it has not");
  check(ufb_fill_mask(filler, session, "I would like a cup of <mask>, please.", 3, candidates, 3, &found, message,
                      sizeof message) == UFB_OK,
        "a mask is filled");
  check(found == 3 && strcmp(candidates[0].token, "coffee") == 0 && candidates[0].position == 6, "with coffee");
  check(candidates[0].probability > candidates[1].probability, "the best word comes first");
  check(ufb_fill_mask(filler, session, "a <mask> b <mask>", 3, candidates, 1, &found, message, sizeof message) ==
                UFB_OK &&
            found == 6,
        "room for one word of six");
  const char* texts[] = {"Will it rain in London tomorrow?", "play some jazz"};
  float scores[16];
  check(ufb_classify(filler, session, texts, 2, scores, message, sizeof message) == UFB_BAD_INPUT, "another task");
  check(strstr(message, "masked_lm") != NULL, "the message names the task");
  check(ufb_fill_mask(filler, NULL, "a", 1, candidates, 1, &found, message, sizeof message) == UFB_BAD_INPUT,
        "no session");
  ufb_free(filler);

  ufb_model* classifier = load(arguments[1], "tiny-classifier");
  check(ufb_labels(classifier) == 7 && ufb_label(classifier, 7) == NULL, "seven labels");
  check(ufb_classify(classifier, session, texts, 2, scores, message, sizeof message) == UFB_OK, "two texts");
  for (int text = 0; text < 2; ++text) {
    double sum = 0;
    size_t best = 0;
    for (size_t i = 0; i < 7; ++i) {
      sum += scores[text * 7 + (int)i];
      if (scores[text * 7 + (int)i] > scores[(size_t)text * 7 + best]) best = i;
    }
    check(fabs(sum - 1) < 1e-5, "scores are probabilities");
    check(strcmp(ufb_label(classifier, best), text == 0 ? "GetWeather" : "PlayMusic") == 0, "the best label");
  }
  const char* holes[] = {"a", NULL};
  check(ufb_classify(classifier, session, holes, 2, scores, message, sizeof message) == UFB_BAD_INPUT &&
            strstr(message, "texts[1]") != NULL,
        "a text that is null");
  check(ufb_classify(classifier, session, NULL, 0, NULL, message, sizeof message) == UFB_OK, "no texts");
  ufb_free(classifier);
  check_odd_vocabularies(arguments[2], session);

  check(ufb_embed(NULL, session, texts, 2, scores, message, sizeof message) == UFB_BAD_INPUT, "no model");
  ufb_free(NULL);
  ufb_close(NULL);
  ufb_close(session);
  if (failures == 0) puts("all as it should be");
  return failures != 0;
}
