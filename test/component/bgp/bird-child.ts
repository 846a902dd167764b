/**
 * Drives a node's BIRD on a host of a lab: a line of JSON says what to do, a line of JSON says how it went. Its end, however
 * it comes, leaves BIRD running, as that of Wherry does.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../../src/core/clock.ts';
import { describeError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { type BirdWish, createBird } from '../../../src/engines/bird/bird.ts';

export type BirdCommand =
  | { readonly do: 'apply'; readonly wish: BirdWish }
  | { readonly do: 'observe' | 'release' | 'stop' };

const [folder = ''] = process.argv.slice(2);
const bird = createBird({ folder, clock: systemClock, log: silentLog });

async function carryOut(command: BirdCommand): Promise<unknown> {
  if (command.do === 'apply') return Object.fromEntries(await bird.apply(command.wish));
  if (command.do === 'observe') return await bird.observe();
  await (command.do === 'release' ? bird.release() : bird.stop());
  return null;
}

for await (const line of createInterface(process.stdin)) {
  const answer = await carryOut(JSON.parse(line) as BirdCommand).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: describeError(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
