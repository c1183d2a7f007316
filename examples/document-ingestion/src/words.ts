// So common that sharing them says nothing. English only, as the stemmer is; other languages keep all their words.
const stopWords: ReadonlySet<string> = new Set(
  (
    "a about after all also am an and any are as at be been before but by can could did do does for from had has have how i if in into is it " +
    "its just may me more most my no not of on only or other our out over should so some such than that the their them then there these they " +
    "this to under up us was we were what when where which while who whom why will with would you your"
  ).split(" "),
);

/** The words of a text in lower case, in order, without the stop words. `retryPolicy` is two words, `child_process` too. */
export function words(text: string): string[] {
  const spaced = text.normalize("NFKC").replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2");
  const found = spaced.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return found.filter((word) => !stopWords.has(word));
}

/**
 * Takes the commonest English endings off, so that "retries", "retried", "retrying" and "retry" are one word. Wrong for
 * some words, but wrong in the same way in the question and in the text, which is what counts.
 */
export function stem(word: string): string {
  if (!/^[a-z]{4,40}$/.test(word)) return word;
  const base = word
    .replace(/(?:ies|ied)$/, "y")
    .replace(/(?<=ss|sh|ch|x|z)es$/, "")
    .replace(/(?<![su])s$/, "")
    // "string" and "red" have no vowel before the ending, "need" and "speed" an e: there it is part of the word.
    .replace(/(?<=[aeiouy].*)(?<=..)(?:ing|(?<!e)ed)$/, "")
    .replace(/ly$/, "");
  return base.replace(/([bdfgmnprt])\1$/, "$1").replace(/e$/, "");
}
