import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { WherryError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { connectCri } from '../../src/engines/containerd/cri.ts';
import { createContainerdDaemon } from '../../src/engines/containerd/daemon.ts';
import { endpointPath, probeEndpoint } from '../../src/engines/containerd/endpoint.ts';
import { importImages } from '../../src/engines/containerd/images.ts';
import { goArchitecture, pauseImageArchive, pauseImageName } from '../../src/engines/containerd/pause-image.ts';
import { parseRegistries } from '../../src/engines/containerd/registries.ts';

const registries = parseRegistries('mirrors: {docker.io: {endpoint: ["http://127.0.0.1:1"]}}');

function daemonIn(folder: string, snapshotter: 'overlayfs' | 'native') {
  return createContainerdDaemon({
    containerd: {
      root: join(folder, 'root'),
      state: join(folder, 'state'),
      address: join(folder, 'c.sock'),
      sandboxImage: pauseImageName,
      snapshotter,
      systemdCgroup: false,
      restrictOomScoreAdj: true,
      cniConfigFolder: join(folder, 'net.d'),
      cniPluginFolder: '/usr/lib/cni',
      registryHostsFolder: join(folder, 'certs.d'),
      registryAuths: { 'registry.example': { username: 'a', password: 'b' } },
    },
    registries,
    folder,
    clock: systemClock,
    log: silentLog,
  });
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-containerd-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const hasCode = (code: string) => (error: unknown) =>
  error instanceof WherryError && error.code === code && error.hint !== undefined;

test('containerd accepts the configuration, speaks CRI, imports images, and says what the network lacks', () =>
  withFolder(async (folder) => {
    const daemon = daemonIn(folder, 'native');
    try {
      await daemon.start();
      assert.equal((await probeEndpoint(daemon.address)).name, 'containerd');
      const path = join(folder, 'pause.tar');
      await writeFile(path, pauseImageArchive(goArchitecture(process.arch)));
      assert.deepEqual(await importImages({ address: daemon.address, snapshotter: 'native', path }), [pauseImageName]);
      await writeFile(path, 'this is no archive');
      await assert.rejects(
        importImages({ address: daemon.address, snapshotter: 'native', path }),
        hasCode('IMAGE_ARCHIVE'),
      );
      const cri = connectCri(daemon.address);
      const { status } = await cri.status({});
      cri.close();
      const network = status?.conditions.find(({ type }) => type === 'NetworkReady');
      assert.equal(network?.status, false);
      assert.equal(network?.reason, 'NetworkPluginNotReady');
      // A second supervisor finds it running; a changed configuration starts it anew.
      const second = daemonIn(folder, 'native');
      await second.start();
      await second.release();
      const changed = daemonIn(folder, 'overlayfs');
      await changed.start();
      await changed.release();
    } finally {
      await daemon.stop();
    }
    await assert.rejects(probeEndpoint(daemon.address), hasCode('RUNTIME_ABSENT'));
  }));

test('a foreign runtime endpoint is judged in plain words', () =>
  withFolder(async (folder) => {
    assert.throws(() => endpointPath('tcp://127.0.0.1:1'), hasCode('RUNTIME_ENDPOINT'));
    assert.equal(endpointPath('unix:///run/x.sock'), '/run/x.sock');
    await assert.rejects(probeEndpoint(join(folder, 'absent.sock')), hasCode('RUNTIME_ABSENT'));
    const file = join(folder, 'file');
    await writeFile(file, '');
    await assert.rejects(probeEndpoint(file), hasCode('RUNTIME_ENDPOINT'));
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const foreign = join(folder, 'foreign.sock');
    await new Promise<void>((resolve) => server.listen(foreign, resolve));
    try {
      await assert.rejects(probeEndpoint(foreign), hasCode('RUNTIME_FOREIGN'));
    } finally {
      server.close();
    }
  }));

test('a socket path that the kernel would cut is refused before anything is started', () =>
  withFolder(async (folder) => {
    await assert.rejects(daemonIn(join(folder, 'x'.repeat(100)), 'native').start(), hasCode('SOCKET_PATH_TOO_LONG'));
  }));
