import { standardParts } from '../../src/node/standard-parts.ts';
import { startNode } from './node-harness.ts';

/** A node in a process of its own, to be killed: makes two pods, tells their container ids, and waits for its end. */
const [folder = ''] = process.argv.slice(2);
const node = await startNode(standardParts, { folder });
const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];
const ids: string[] = [];
for (const name of ['kept', 'removed']) {
  await node.create(name, {
    containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command }],
  });
  const pod = await node.until(name, 'it runs', (p) => p?.status?.containerStatuses?.[0]?.state?.running !== undefined);
  ids.push(pod?.status?.containerStatuses?.[0]?.containerID ?? '');
}
process.stdout.write(`${JSON.stringify(ids)}\n`);
