import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { DataPool } from './data-pool.ts';

test('a pool that a rush made large goes down again when it is quiet, and stays usable', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  let asked = 0;
  const pool = new DataPool((count) => {
    asked += count;
  }, systemClock);
  const waiting = Array.from({ length: 60 }, () => pool.open(notice).catch(() => {}));
  const give = () => {
    for (; asked > 0; asked--) pool.add(new PassThrough());
  };
  give();
  pool.fill();
  give();
  assert.ok(pool.idle > 60, `${pool.idle} lie ready`);
  for (let i = 0; i < 10; i++) context.mock.timers.tick(30_000);
  assert.equal(pool.idle, 8);
  pool.close();
  assert.equal(pool.idle, 0);
  await Promise.all(waiting);
});

const notice = {
  route: 'tcp/1',
  kind: 'tcp' as const,
  source: { address: '192.0.2.1', port: 1 },
  destination: { address: '192.0.2.2', port: 1 },
};
