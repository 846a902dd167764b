/** The README's commands, run on a cluster that `wherry up` started and on two machines: each must print what stands behind it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { kubectlPath } from '../testbed/kubectl.ts';
import { startLab } from '../testbed/lab/lab.ts';

const root = path.join(import.meta.dirname, '../..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const folder = mkdtempSync(path.join(tmpdir(), 'wherry-readme-'));
let cluster: TestCluster;

before(async () => {
  cluster = await startCluster({ name: 'readme', up: true, images: [await imageArchive('nginx')] });
  symlinkSync(kubectlPath('1.36'), path.join(folder, 'kubectl'));
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster?.[Symbol.asyncDispose]();
});

interface Step {
  readonly command: string;
  readonly output: string;
}

/** The `$ ` lines of the console blocks, each with the lines up to the next one. */
function stepsOf(text: string): Step[] {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n');
        return { command: part.slice(0, end), output: part.slice(end + 1) };
      }),
  );
}

/** Leaves out what differs from run to run: times, addresses, names that are made up, and so the width of columns. */
function comparable(text: string): string {
  return (
    text
      // Started beside the rest, so it may be told before or after the cluster is ready.
      .replace(/^ok +Ingress {2,}.*\n/gm, '')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UID')
      .replace(/K10[0-9a-f]{64}::\w{6}\.\w{16}/g, 'TOKEN')
      .replace(/\b\d+\.\d+ s\b/g, 'SECONDS')
      .replace(/\b\d+[smh](\d+[smh])?\b/g, 'AGE')
      .replace(/\d+\.\d+\.\d+\.\d+(?=:6443)/g, 'ADDRESS')
      .replace(/(\/var\/lib\/wherry|\/tmp\/\S+?\/data)\//g, 'DATA/')
      .replace(/\S*kubeconfig\.yaml/g, 'KUBECONFIG')
      .replace(/Linux \S+/g, 'Linux')
      .replace(/containerd:\/\/[^,]+/g, 'containerd')
      .replace(/ {2,}/g, '  ')
      .replace(/ +$/gm, '')
      .trim()
  );
}

const steps = stepsOf(readme);

/** The text of one chapter. */
function chapter(title: string): string {
  const [, text = ''] = readme.split(`\n## ${title}\n`);
  return text.split('\n## ')[0] ?? '';
}

test('`up` prints what the README shows', () => {
  const shown = steps.find((s) => s.command === 'sudo ./wherry up');
  assert.ok(shown);
  assert.ok(comparable(cluster.announced).startsWith(comparable(shown.output)), cluster.announced);
});

test('the tour prints what the README shows', async () => {
  const tour = stepsOf(chapter('A short tour'));
  assert.ok(tour.length >= 10);
  for (const { command, output } of tour) {
    const environment = { PATH: `${folder}:${process.env['PATH']}`, KUBECONFIG: cluster.kubeconfig };
    const result = await cluster.inside('sh', ['-c', command], { cwd: root, environment, timeoutMs: 90_000 });
    assert.equal(result.status, 0, `${command}\n${result.stdout}${result.stderr}`);
    assert.equal(comparable(result.stdout), comparable(output), command);
  }
});

test('a second machine joins as the README shows', async (t) => {
  const lab = await startLab({ name: 'readme' });
  t.after(() => lab[Symbol.asyncDispose]());
  const server = await lab.startServer(await lab.addHost({ name: 'node-1' }));
  const joining = await lab.addHost({ name: 'node-2' });
  const wherry = path.join(root, 'wherry');
  const [create, up, get, ...more] = stepsOf(chapter('A second machine'));
  assert.ok(create && up && get && more.length === 0);
  const argumentsOf = (command: string) => command.replace(/^sudo \.\/wherry /, '').split(' ');
  const created = await server.wherry(argumentsOf(create.command));
  assert.equal(comparable(created.stdout), comparable(create.output));
  const join = argumentsOf(up.command).map((word) =>
    word.startsWith('https://') ? server.url : word === 'K10...' ? created.stdout.trim() : word,
  );
  const dataDir = path.join(joining.folder, 'data');
  const joined = await joining.run(wherry, [...join, '--no-install', '--data-dir', dataDir], { timeoutMs: 120_000 });
  assert.equal(joined.status, 0, joined.stdout + joined.stderr);
  const [first = ''] = up.output.split('\n...\n');
  assert.ok(comparable(joined.stdout).startsWith(comparable(first)), joined.stdout);
  const [program = '', ...args] = get.command.split(' ');
  assert.equal(program, 'kubectl');
  assert.equal(comparable(await server.must(args)), comparable(get.output));
  assert.equal((await joining.run(wherry, ['down', '--no-install', '--data-dir', dataDir])).status, 0);
});

test('every command that the README names exists', async () => {
  const named = [...readme.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name ?? '');
  assert.ok(named.length >= 7);
  const help = (await cluster.inside(path.join(root, 'wherry'), ['--help'])).stdout;
  for (const name of named) assert.match(help, new RegExp(`^  ${name}\\b`, 'm'));
});
