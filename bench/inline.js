/**
 * One network in this process, as a program gets it that imports the package: times and memory as one line of JSON.
 *
 *     node --expose-gc bench/inline.js LIBRARY NETWORK [NAME=VALUE…]
 */

import { pathToFileURL } from 'node:url'

const [library, network, ...assignments] = process.argv.slice(2)
const resident = () => {
  // The second finds what finalizers of the first let go of.
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().rss / 1e6
}

const times = [performance.now()]
const { launch } = await import(pathToFileURL(library).href)
times.push(performance.now())
const beforeMb = resident()
times.push(performance.now())
const usedBefore = process.cpuUsage()
const net = await launch(network, { world: 'inline', set: Object.fromEntries(assignments.map((each) => each.split('='))) })
times.push(performance.now())
await net.verify({ only: ['echo'] })
times.push(performance.now())
const used = process.cpuUsage(usedBefore)
const readyMb = resident()
const nodes = net.nodes().length
times.push(performance.now())
await net.close()
times.push(performance.now())
const [importMs, , launchMs, echoMs, , closeMs] = times.slice(1).map((time, i) => time - times[i])
console.log(JSON.stringify({ nodes, importMs, launchMs, echoMs, closeMs, cpuMs: (used.user + used.system) / 1000, beforeMb, readyMb }))
