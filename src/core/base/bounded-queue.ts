import { RelishError } from './errors.ts'

/** A first-in first-out queue that refuses to grow past its limit. */
export class BoundedQueue<T> {
  readonly name: string
  readonly limit: number
  #items: T[] = []
  #head = 0

  constructor(name: string, limit: number) {
    this.name = name
    this.limit = limit
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  get isFull(): boolean {
    return this.length >= this.limit
  }

  /** Throws `limit` when full: the caller closes what overflowed. */
  push(item: T): void {
    if (this.isFull) throw new RelishError('limit', `${this.name} holds its limit of ${this.limit}`)
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#head++
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Everything queued, which leaves the queue empty. */
  drain(): T[] {
    const all = this.#head === 0 ? this.#items : this.#items.slice(this.#head)
    this.#items = []
    this.#head = 0
    return all
  }
}
