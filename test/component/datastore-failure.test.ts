/** What an operator sees when the machine under the datastore fails, and that nothing is lost then. Runs as root. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { WherryError } from '../../src/core/errors.ts';
import { prefixRange } from '../../src/datastore/backend.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';

const BACKEND = new URL('../../src/datastore/sqlite/backend.ts', import.meta.url).href;

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'wherry-failure-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Matches an error that an operator can act on. */
function failure(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WherryError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.ok(error.hint, 'the error says what to do');
    return true;
  };
}

async function fill(directory: string, keys: number): Promise<void> {
  await using backend = await openSqliteBackend({ directory });
  await Promise.all(Array.from({ length: keys }, (_, i) => backend.write(`/${i}`, 0, Buffer.alloc(1024, i))));
}

describe('the SQLite datastore', () => {
  test('is refused to a second owner, in this process and in another, which is named; kill -9 frees it', async (t) => {
    const directory = await temporaryDirectory(t);
    const script = `const { openSqliteBackend } = await import(${JSON.stringify(BACKEND)});
      await openSqliteBackend({ directory: ${JSON.stringify(directory)} }); console.log('open');`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => owner.kill('SIGKILL'));
    await Promise.race([once(owner.stdout, 'data'), once(owner, 'exit').then(() => assert.fail('the owner ended'))]);
    await assert.rejects(
      openSqliteBackend({ directory }),
      failure('DATASTORE_LOCKED', new RegExp(`in use by process ${owner.pid}`)),
    );
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    await using first = await openSqliteBackend({ directory });
    await assert.rejects(openSqliteBackend({ directory }), failure('DATASTORE_LOCKED', /in use by this very process/));
    assert.ok((await first.write('/a', 0, Buffer.from('a'))).ok, 'the owner goes on');
  });

  test('refuses a file that is no database, a damaged one, a foreign one, and one of a later format', async (t) => {
    const directory = await temporaryDirectory(t);
    const path = join(directory, 'state.db');
    await writeFile(path, 'not a database, whatever its name says'.repeat(100));
    await assert.rejects(openSqliteBackend({ directory }), failure('DATASTORE_CORRUPT', /damaged/));

    await rm(path);
    await fill(directory, 200);
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    for (let page = 8; page < size / 4096; page += 3) await file.write(Buffer.alloc(2048, 0xa5), 0, 2048, page * 4096);
    await file.close();
    const damaged = await readFile(path);
    await assert.rejects(openSqliteBackend({ directory }), failure('DATASTORE_CORRUPT', /damaged/));
    assert.deepEqual(await readFile(path), damaged, 'the file stays as it is, for whoever repairs it');

    await rm(path);
    const foreign = new DatabaseSync(path);
    foreign.exec('CREATE TABLE theirs (a)');
    foreign.close();
    await assert.rejects(openSqliteBackend({ directory }), failure('DATASTORE_FOREIGN', /not made by Wherry/));

    await rm(path);
    await fill(directory, 1);
    const later = new DatabaseSync(path);
    later.exec('PRAGMA user_version = 99');
    later.close();
    await assert.rejects(openSqliteBackend({ directory }), failure('DATASTORE_FORMAT', /format 99/));
  });

  test('says so when it may not write, and keeps its files from other users', async (t) => {
    const directory = await temporaryDirectory(t);
    await mkdir(join(directory, 'store'));
    await chmod(directory, 0o755);
    const script = `const { openSqliteBackend } = await import(${JSON.stringify(BACKEND)});
      process.setgid(65534); process.setuid(65534);
      await openSqliteBackend({ directory: ${JSON.stringify(join(directory, 'store'))} })
        .catch((error) => console.log(JSON.stringify({ code: error.code, hint: error.hint })));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.equal(JSON.parse(output).code, 'DATASTORE_PERMISSION');
    assert.ok(JSON.parse(output).hint);
    await writeFile(join(directory, 'file'), '');
    await fill(join(directory, 'store', 'new'), 1);
    assert.equal((await stat(join(directory, 'store', 'new'))).mode & 0o777, 0o700);
    assert.equal((await stat(join(directory, 'store', 'new', 'state.db'))).mode & 0o777, 0o600);
  });

  test('refuses writes on a full disk, loses nothing, and goes on when there is space', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'wherry-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory]);
    t.after(async () => {
      execFileSync('umount', [directory]);
      await rm(directory, { recursive: true });
    });
    const ballast = join(directory, 'ballast');
    await writeFile(ballast, Buffer.alloc(2 * 1024 * 1024));
    const store = join(directory, 'store');
    const answered = new Map<string, number>();
    {
      await using backend = await openSqliteBackend({ directory: store });
      const write = async (key: string) => {
        const result = await backend.write(key, 0, Buffer.alloc(2048, 1));
        assert.ok(result.ok);
        answered.set(key, result.revision);
      };
      const writeUntilFull = async (round: string) => {
        for (let i = 0; i < 10_000; i++) await write(`/${round}/${i}`);
      };
      await assert.rejects(writeUntilFull('first'), failure('DATASTORE_FULL', /no space/));
      await assert.rejects(write('/refused'), failure('DATASTORE_FULL', /no space/));
      assert.equal((await backend.get('/refused')).kv, null);
      assert.equal(await backend.count(prefixRange('/')), answered.size, 'reads go on');
      await rm(ballast);
      const before = answered.size;
      await assert.rejects(writeUntilFull('second'), failure('DATASTORE_FULL', /no space/));
      assert.ok(answered.size > before, 'writes go on once there is space');
    }
    // A server must come back on a disk without a single free byte: somebody has to delete what fills it.
    execFileSync('sh', ['-c', 'cat /dev/zero > "$1" 2>/dev/null || true', 'sh', ballast]);
    assert.equal((await statfs(directory)).bavail, 0);
    await using reopened = await openSqliteBackend({ directory: store });
    const { items } = await reopened.list(prefixRange('/'));
    assert.deepEqual(new Map(items.map((kv) => [kv.key, kv.modRevision])), new Map([...answered].sort()));
    assert.equal(new Set(answered.values()).size, answered.size, 'no revision was used twice');
  });
});
