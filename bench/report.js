/** Figures as they are found: a line each on the terminal, all of them in one JSON file. */

import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'

export class Report {
  #rows = []

  /** A heading on the terminal; in the file, the group of the rows that follow. */
  group(name) {
    this.#group = name
    console.log(`\n${name}`)
  }

  #group = ''

  /** One figure, from the values of its runs. `target` is shown beside it: what it should be at most, or at least where it begins with ≥. */
  add(name, unit, values, target) {
    const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
    if (sorted.length === 0) return
    const row = { group: this.#group, name, unit, median: sorted[(sorted.length - 1) >> 1], least: sorted[0], greatest: sorted.at(-1), runs: sorted.length, ...(target === undefined ? {} : { target }) }
    this.#rows.push(row)
    const spread = sorted.length === 1 ? '' : `(${figure(row.least)}–${figure(row.greatest)}, ${row.runs} runs)`
    console.log(`  ${name.padEnd(52)} ${figure(row.median).padStart(8)} ${unit.padEnd(5)} ${spread}${target === undefined ? '' : `  target ${target}`}`)
  }

  /** The ratio of values that were measured by turns, pair by pair. */
  addRatio(name, ours, theirs, target) {
    this.add(name, '×', ours.map((value, i) => value / theirs[i]), target)
  }

  write(file) {
    writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), node: process.version, load: loadavg(), rows: this.#rows }, undefined, 2)}\n`)
    console.log(`\nwritten: ${file}`)
  }
}

const figure = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
