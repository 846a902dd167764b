import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenLines } from './token-table.ts';

const now = Date.parse('2026-01-01T12:00:00Z');

test('the columns are those of k3s and kubeadm', () => {
  const common = { usages: ['authentication', 'signing'], groups: ['system:bootstrappers:a'] } as const;
  const lines = tokenLines(
    [
      {
        ...common,
        credentials: { id: 'abcdef', secret: '0123456789abcdef' },
        description: '',
        expiresAt: now + 82_800_000,
      },
      { credentials: { id: 'b', secret: 'c' }, description: 'old', expiresAt: now - 1, usages: [], groups: [] },
      { ...common, credentials: { id: 'd', secret: 'e' }, description: 'the server', expiresAt: undefined },
    ],
    now,
  );
  assert.deepEqual(lines, [
    'TOKEN                     TTL         EXPIRES                USAGES                   DESCRIPTION   EXTRA GROUPS',
    'abcdef.0123456789abcdef   23h         2026-01-02T11:00:00Z   authentication,signing   <none>        system:bootstrappers:a',
    'b.c                       <expired>   2026-01-01T11:59:59Z   <none>                   old           <none>',
    'd.e                       <forever>   <never>                authentication,signing   the server    system:bootstrappers:a',
  ]);
});
