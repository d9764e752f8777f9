/** The HTML report in a real browser: all of it is there, nothing is asked of anywhere, and it fits its window. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { htmlReport } from '../../src/testnet/report/html.ts'
import { launchBrowser } from '../support/browser.ts'
import { madeUpReport } from '../testnet/report/made-up-report.ts'

const folder = mkdtempSync(join(tmpdir(), 'relish-report-'))
const path = join(folder, 'report.html')

let browser: Browser
let page: Page
const asked: string[] = []

beforeAll(async () => {
  writeFileSync(path, htmlReport(madeUpReport()))
  browser = await launchBrowser()
  page = await browser.newPage()
  page.on('request', (request) => asked.push(request.url()))
  page.on('dialog', (dialog) => void dialog.dismiss().then(() => asked.push('a dialog')))
  await page.goto(pathToFileURL(path).href)
})
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

const inPage = async <T>(expression: string): Promise<T> => (await page.evaluate(expression)) as T
const texts = (selector: string): Promise<string[]> => inPage(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.innerText.trim())`)

describe('the HTML report', () => {
  it('asks nobody for anything, and runs nothing that a node has said', () => {
    expect(asked).toEqual([pathToFileURL(path).href])
  })

  it('shows verdict, checks, observations, stages and versions', async () => {
    expect(await texts('h1')).toEqual(['net failed'])
    expect(await texts('.check summary b')).toEqual(['echo', 'path', 'bulk', 'families', 'mine'])
    expect((await texts('.stages tbody td:first-child'))).toEqual(['starting', 'ready'])
    expect((await texts('body'))[0]).toContain('tor 0.4.9.11')
    // What failed is open, what passed is closed until one looks.
    expect(await inPage<boolean[]>(`[...document.querySelectorAll('.check')].map((one) => one.open)`)).toEqual([false, true, true, false, true])
    await (await page.$('.check summary'))?.click()
    expect((await texts('.check li'))[0]).toBe('client1: 20 lines')
  })

  it.each([[1280], [380]])('%i pixels wide: nothing sticks out', async (width) => {
    await page.setViewport({ width, height: 900 })
    expect(await inPage<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBeLessThanOrEqual(0)
  })

  it('can be read in the dark', async () => {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
    expect(await inPage<string>('getComputedStyle(document.body).backgroundColor')).toBe('rgb(20, 23, 29)')
  })
})
