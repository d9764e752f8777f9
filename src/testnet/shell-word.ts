/** Words of a command that somebody is told to run: a shell takes each for one word, whatever is in it. */

export const shellWord = (word: string): string => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
