/** What clients of a Service see while Wherry itself is killed and started again: nothing. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

/** Opens one connection after the other until it is disposed; `failures` says when which could not be had. */
class Client implements AsyncDisposable {
  readonly failures: string[] = [];
  count = 0;
  #isEnding = false;
  readonly #loop: Promise<void>;

  constructor(host: string, port: number) {
    this.#loop = this.#run(host, port);
  }

  async #run(host: string, port: number): Promise<void> {
    while (!this.#isEnding) {
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      const socket = connect({ host, port, timeout: 2000 });
      socket.once('connect', () => resolve(undefined));
      socket.once('error', (error) => resolve(error.message));
      socket.once('timeout', () => resolve('no answer in 2 s'));
      const failure = await promise;
      socket.destroy();
      this.count += 1;
      if (failure !== undefined) this.failures.push(failure);
      await new Promise(setImmediate);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    await this.#loop;
  }
}

test('a Service answers through kill -9 and a new start, and its pods stay ready', { timeout: 240_000 }, async () => {
  await using cluster = await startCluster({ name: 'restart', images: [await imageArchive('nginx')] });
  await cluster.must(['create', 'deployment', 'web', '--image=nginx:stable-alpine', '--replicas=2', '--port=80']);
  await cluster.must(['expose', 'deployment', 'web', '--port=80', '--type=NodePort']);
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  const readySince = () =>
    cluster.must([
      'get',
      'pods',
      '-o',
      'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].lastTransitionTime}',
    ]);
  const before = await readySince();
  const port = Number(await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}']));
  await using client = new Client(cluster.nodeIp, port);
  await eventually('the client is served', 10_000, async () => client.count > 10 || undefined);
  for (let round = 0; round < 2; round += 1) {
    await cluster.kill();
    await cluster.restart();
    const { count } = client;
    await eventually('the client goes on', 10_000, async () => client.count > count + 100 || undefined);
  }
  assert.deepEqual(client.failures, []);
  assert.equal(await readySince(), before);
});
