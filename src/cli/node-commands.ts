/** Commands that act on nodes of a run: stop, restart, kill, hup, vote. */

import type { Command } from 'commander'
import { withSession, type RunChoice } from './find-run.ts'
import { examples, withRun } from './options.ts'

export function addNodeCommands(program: Command): void {
  examples(
    withRun(program.command('stop').description('stop nodes of a run, or all of them; the run itself goes on (see `down`)').argument('[nodes...]', 'names of nodes')).action(
      (nodes: string[], choice: RunChoice) => withSession(choice, (session) => session.stop(nodes)),
    ),
    ['relish stop exit1 exit2', 'relish stop -n basic'],
  )
  examples(
    withRun(program.command('restart').description('stop a node and start it again; returns when it is ready').argument('<node>', 'name of the node')).action((node: string, choice: RunChoice) =>
      withSession(choice, (session) => session.restart(node)),
    ),
    ['relish restart auth1', 'relish restart client1 --dir /tmp/mine'],
  )
  examples(
    withRun(program.command('kill').description('end a node at once, as a crash would').argument('<node>', 'name of the node')).action((node: string, choice: RunChoice) =>
      withSession(choice, (session) => session.kill(node)),
    ),
    ['relish kill exit3'],
  )
  examples(
    withRun(program.command('hup').description('have nodes read their torrcs again (SIGHUP)').argument('[nodes...]', 'names of nodes; all if absent')).action((nodes: string[], choice: RunChoice) =>
      withSession(choice, (session) => session.hup(nodes)),
    ),
    ['relish hup', 'relish hup exit1'],
  )
  examples(
    withRun(program.command('vote').description('have the authorities vote now, without waiting for their schedule')).action((choice: RunChoice) => withSession(choice, (session) => session.vote())),
    ['relish vote'],
  )
}
