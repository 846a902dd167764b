import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';

/**
 * `wherry compile`, for the launcher alone: loads every module of the server, so that Node keeps them compiled
 * (NODE_COMPILE_CACHE), and ends.
 */
export function addCompile(program: Command): void {
  program.command('compile', { hidden: true }).action(async () => {
    const [{ openSqliteBackend }] = await Promise.all([
      import('../datastore/sqlite/backend.ts'),
      import('../server/server.ts'),
      import('../server/local-node.ts'),
      import('../server/agent.ts'),
      import('pino'),
    ]);
    // The datastore's threads load modules of their own.
    const directory = await mkdtemp(path.join(tmpdir(), 'wherry-compile-'));
    try {
      const backend = await openSqliteBackend({ directory });
      await backend[Symbol.asyncDispose]();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}
