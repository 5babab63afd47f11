// SPDX-License-Identifier: MIT
//
// What the reference makes of a text or of a text and its pair, in the form of `ufb_tokens`.
'use strict';

module.exports = async (tokenizer, [text, pair]) => {
  try {
    const found = await tokenizer.encode(text, pair ?? null);
    const ids = found.getIds();
    return { ids, tokens: found.getTokens(), types: found.getTypeIds(), offsets: found.getOffsets(), special: found.getSpecialTokensMask(),
      decoded: await tokenizer.decode(ids, true), decoded_all: await tokenizer.decode(ids, false) };
  } catch (error) {
    return { error: String(error.message) };
  }
};
