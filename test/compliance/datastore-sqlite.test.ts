import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { datastoreCompliance } from './datastore.ts';

datastoreCompliance('sqlite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'wherry-datastore-'));
  let current = await openSqliteBackend({ directory });
  return {
    backend: current,
    reopen: async () => {
      await current[Symbol.asyncDispose]();
      current = await openSqliteBackend({ directory });
      return current;
    },
    [Symbol.asyncDispose]: async () => {
      await current[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
