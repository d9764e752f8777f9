/**
 * One network in this process, as a program gets it that imports the package: times and memory as one line of JSON.
 *
 *     node bench/inline.js LIBRARY NETWORK [NAME=VALUE…]
 */

import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const [library, network, ...assignments] = process.argv.slice(2)
const residentMb = () => process.memoryUsage().rss / 1e6

const times = [performance.now()]
const { launch } = await import(pathToFileURL(library).href)
times.push(performance.now())
const beforeMb = residentMb()
const usedBefore = process.cpuUsage()
const net = await launch(network, { world: 'inline', set: Object.fromEntries(assignments.map((each) => each.split('='))) })
times.push(performance.now())
await net.verify({ only: ['echo'] })
times.push(performance.now())
const used = process.cpuUsage(usedBefore)
// Not an option of this process: with other flags V8 does not take the library's compiled code. The second time finds what finalizers let go of.
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
collect()
collect()
const readyMb = residentMb()
const nodes = net.nodes().length
times.push(performance.now())
await net.close()
times.push(performance.now())
const [importMs, launchMs, echoMs, , closeMs] = times.slice(1).map((time, i) => time - times[i])
console.log(JSON.stringify({ nodes, importMs, launchMs, echoMs, closeMs, cpuMs: (used.user + used.system) / 1000, beforeMb, readyMb }))
