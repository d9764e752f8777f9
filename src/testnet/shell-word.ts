/** Words of a command that somebody is told to run: a shell takes each for one word, whatever is in it. */

export const shellWord = (word: string): string => (/^[A-Za-z0-9_./=:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
