/** A binary heap ordered by `before`; items that compare equal leave in the order they came. */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean
  readonly #items: { value: T; sequence: number }[] = []
  #sequence = 0

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  push(value: T): void {
    this.#items.push({ value, sequence: this.#sequence++ })
    this.#up(this.#items.length - 1)
  }

  /** All of them, in no order. */
  *[Symbol.iterator](): Iterator<T> {
    for (const { value } of this.#items) yield value
  }

  peek(): T | undefined {
    return this.#items[0]?.value
  }

  pop(): T | undefined {
    const top = this.#items[0]
    const last = this.#items.pop()
    if (top === undefined || last === undefined) return undefined
    if (this.#items.length > 0) {
      this.#items[0] = last
      this.#down(0)
    }
    return top.value
  }

  #less(i: number, j: number): boolean {
    const a = this.#items[i]
    const b = this.#items[j]
    if (a === undefined || b === undefined) return false
    if (this.#before(a.value, b.value)) return true
    if (this.#before(b.value, a.value)) return false
    return a.sequence < b.sequence
  }

  #swap(i: number, j: number): void {
    const a = this.#items[i]
    const b = this.#items[j]
    if (a === undefined || b === undefined) return
    this.#items[i] = b
    this.#items[j] = a
  }

  #up(start: number): void {
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#less(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #down(start: number): void {
    let at = start
    for (;;) {
      const left = 2 * at + 1
      const right = left + 1
      let smallest = at
      if (left < this.#items.length && this.#less(left, smallest)) smallest = left
      if (right < this.#items.length && this.#less(right, smallest)) smallest = right
      if (smallest === at) return
      this.#swap(at, smallest)
      at = smallest
    }
  }
}
