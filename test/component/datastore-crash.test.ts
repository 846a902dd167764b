import { test } from 'node:test';
import { crashRounds } from './datastore-crash.ts';

test('kill -9 at 200 random moments loses nothing that was acknowledged', { timeout: 300_000 }, async (t) => {
  const { acknowledged, seen } = await crashRounds(200);
  t.diagnostic(`${acknowledged} writes were acknowledged, ${seen} changes were seen`);
});
