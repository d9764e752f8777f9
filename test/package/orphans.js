// A program that dies while it has a network: nobody may be left of it. Says who there is, and waits to be killed.
import { launch } from 'tor-relish'

const net = await launch('basic-min', { world: 'processes' })
console.log(JSON.stringify(net.nodes().map((node) => node.info().state.pid)))
