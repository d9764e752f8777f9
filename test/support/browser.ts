/** Chromium, as tests of pages drive it. */

import { existsSync } from 'node:fs'
import puppeteer, { type Browser } from 'puppeteer-core'

const programs = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']

/** Throws where there is none: these tests are not left out. */
export function launchBrowser(): Promise<Browser> {
  const program = programs.find((one) => one !== undefined && existsSync(one))
  if (program === undefined) throw new Error('no browser: install chromium, or name one with CHROMIUM=…')
  return puppeteer.launch({ executablePath: program, headless: true, args: ['--no-sandbox', '--disable-gpu'] })
}
