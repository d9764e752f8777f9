/** The page of a trace in a real browser: it draws, it can be driven, and it needs nothing from anywhere. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tracePage } from '../../src/trace/page.ts'
import { launchBrowser } from '../support/browser.ts'
import { joined, record } from '../trace/simulated-trace.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'relish-page-'))
const path = join(folder, 'trace.html')

let browser: Browser
let page: Page
const asked: string[] = []
const errors: string[] = []

beforeAll(async () => {
  const { lines } = await record()
  writeFileSync(path, tracePage(joined(lines), readFileSync(join(root, 'templates/trace-page.html'), 'utf8')))
  browser = await launchBrowser()
  page = await browser.newPage()
  await page.setViewport({ width: 1400, height: 900 })
  page.on('request', (request) => asked.push(request.url()))
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.goto(pathToFileURL(path).href)
  await page.waitForSelector('body[data-ready]')
}, 120_000)
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What runs in the page is text: the tests' own world has no document. */
const inPage = async <T>(expression: string): Promise<T> => (await page.evaluate(expression)) as T
const texts = (selector: string): Promise<string[]> => inPage(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent)`)
const now = (): Promise<string> => inPage(`document.querySelector('#now').textContent`)
/** How much of the timeline is painted, as a number that changes with what is painted. */
const painted = (): Promise<number> =>
  inPage(`(() => {
    const canvas = document.querySelector('#timeline')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    return data.reduce((sum, value, index) => (sum + value * ((index % 977) + 1)) % 1_000_000_007, 0)
  })()`)

describe('the page of a trace', () => {
  it('draws nodes, links, a timeline and the first built circuit as a sequence', async () => {
    expect(await texts('h1')).toEqual(['basic-min'])
    expect(new Set(await texts('#map .node ~ text'))).toEqual(new Set(['auth1', 'auth2', 'auth3', 'auth4', 'exit', 'client']))
    expect((await page.$$('#map line.link')).length).toBeGreaterThan(5)
    expect((await texts('.heads text')).length).toBe(4)
    const words = (await texts('#sequence .row text')).join('\n')
    expect(words).toMatch(/CREATE2 NTOR_V3[^]*CREATED2[^]*RELAY_EARLY: EXTEND2 to [^]*RELAY: EXTENDED2/)
    expect(await painted()).toBeGreaterThan(0)
  })

  it('goes where one points: a row, the timeline, the next message', async () => {
    const rows = await page.$$('#sequence .row')
    await rows[4]?.click()
    const there = await now()
    expect(there).toBe(`${(await texts('#sequence .row .time'))[4]} s`)
    expect((await page.$$('#sequence .row.now')).length).toBe(1)
    const before = await painted()
    const box = await (await page.$('#timeline'))?.boundingBox()
    await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) * 0.9, (box?.y ?? 0) + 40)
    expect(await now()).not.toBe(there)
    expect(await painted()).not.toBe(before)
    const at = await now()
    await page.keyboard.press('ArrowLeft')
    expect(Number.parseFloat(await now())).toBeLessThan(Number.parseFloat(at))
  })

  it('shows another circuit, and keeps it in the address', async () => {
    const options = await inPage<string[]>(`[...document.querySelectorAll('#circuit option')].map((one) => one.value)`)
    expect(options.length).toBeGreaterThan(1)
    await page.select('#circuit', options[0] ?? '')
    expect(page.url()).toMatch(/#\w+%23\d+$/)
    const heads = await texts('.heads text')
    await page.select('#circuit', options.at(-1) ?? '')
    expect(await texts('.heads text')).not.toEqual(heads)
  })

  it('tells what one node does, when it is clicked', async () => {
    await page.click('#map .node')
    expect(await inPage(`document.querySelector('#tab-log').getAttribute('aria-pressed')`)).toBe('true')
    const rows = await texts('#rows tr')
    expect(rows.length).toBeGreaterThan(10)
    expect(rows.every((row) => row.includes('auth1') || row.includes('client'))).toBe(true)
  })

  it('plays, pauses and zooms', async () => {
    await page.click('#play')
    const from = await now()
    await page.waitForFunction(`document.querySelector('#now').textContent !== ${JSON.stringify(from)}`)
    await page.click('#play')
    expect((await texts('#play'))[0]).toContain('play')
    const before = await painted()
    const box = await (await page.$('#timeline'))?.boundingBox()
    await page.mouse.move((box?.x ?? 0) + 300, (box?.y ?? 0) + 40)
    await page.mouse.wheel({ deltaY: -400 })
    await page.waitForFunction('state.to - state.from < 0.9')
    expect(await painted()).not.toBe(before)
  })

  it('has asked nobody for anything, and nothing went wrong', () => {
    expect(asked.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([])
    expect(errors).toEqual([])
  })
})
