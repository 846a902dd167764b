import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goArchitecture } from '../../../src/engines/containerd/pause-image.ts';
import { run } from '../../../src/engines/process/run.ts';
import { type OciImage, writeOciArchive } from '../../../src/wire/oci-archive.ts';
import type { TarEntry } from '../../../src/wire/tar.ts';
import { cacheFolder, fileEntry, libraryPackages, unpackPackages, withFolders } from './debian.ts';

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Raised when what is built changes, so that cached archives are built anew. */
const revision = 2;

/** docker.io/library/busybox:latest out of Debian's busybox-static. */
export async function busyboxImage(): Promise<OciImage> {
  return {
    names: ['docker.io/library/busybox:latest'],
    architecture: goArchitecture(process.arch),
    layers: [withFolders([...(await busyboxFiles()), ...(await nameServiceFiles())])],
    config: { Env: [path], Cmd: ['sh'], WorkingDir: '/' },
  };
}

/** docker.io/library/nginx:stable-alpine and :latest out of Debian's nginx, its libraries and busybox. */
export async function nginxImage(): Promise<OciImage> {
  const packages = ['nginx', 'nginx-common', ...(await libraryPackages('nginx'))];
  const root = await unpackPackages(packages);
  const program = join(root, 'usr/sbin/nginx');
  const loader = await dynamicLoader(program);
  const libraries = await neededLibraries(root, loader, program);
  const page =
    '<!DOCTYPE html>\n<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n';
  const text = (content: string) => new TextEncoder().encode(content);
  const files: TarEntry[] = [
    ...(await busyboxFiles('nginx:x:101:101:nginx:/var/cache/nginx:/sbin/nologin\n', 'nginx:x:101:\n')),
    await fileEntry(program, 'usr/sbin/nginx'),
    await fileEntry(join(root, 'etc/nginx/mime.types'), 'etc/nginx/mime.types', 0o644),
    { path: 'etc/nginx/nginx.conf', mode: 0o644, content: text(nginxConfig) },
    { path: 'etc/nginx/conf.d/default.conf', mode: 0o644, content: text(nginxSite) },
    { path: 'usr/share/nginx/html/index.html', mode: 0o644, content: text(page) },
    { path: 'var/log/nginx/access.log', mode: 0o777, linkTo: '/dev/stdout' },
    { path: 'var/log/nginx/error.log', mode: 0o777, linkTo: '/dev/stderr' },
    ...['body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((name) => ({ path: `var/lib/nginx/${name}/`, mode: 0o755 })),
    { path: 'run/', mode: 0o755 },
  ];
  for (const [target, source] of libraries) files.push(await fileEntry(source, target));
  return {
    names: ['docker.io/library/nginx:stable-alpine', 'docker.io/library/nginx:latest'],
    architecture: goArchitecture(process.arch),
    layers: [withFolders(files)],
    config: {
      Env: [path],
      Entrypoint: [],
      Cmd: ['nginx', '-g', 'daemon off;'],
      WorkingDir: '/',
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
    },
  };
}

/** Builds an image's archive (once) and resolves with its path. */
export async function imageArchive(name: 'busybox' | 'nginx'): Promise<string> {
  const file = join(cacheFolder, `${name}-${revision}.tar`);
  if (await stat(file).catch(() => null)) return file;
  const image = name === 'busybox' ? await busyboxImage() : await nginxImage();
  await mkdir(cacheFolder, { recursive: true });
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, writeOciArchive(image));
  await rename(partial, file);
  return file;
}

/**
 * Even a static program looks names up through the C library's modules, and busybox crashes in getaddrinfo(3) where the
 * library of its own version is absent.
 */
async function nameServiceFiles(): Promise<readonly TarEntry[]> {
  const root = await unpackPackages(['libc6']);
  const names = ['libc.so.6', 'libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2', 'ld-linux*.so.*'];
  const pattern = names.flatMap((name, index) => [...(index > 0 ? ['-o'] : []), '-name', name]);
  const { stdout } = await run('find', [root, '(', ...pattern, ')', '-not', '-path', '*/lib64/*']);
  const sources = stdout.trim().split('\n').sort();
  const loader = await dynamicLoader(join(root, 'usr/bin/getconf'));
  return [
    ...(await Promise.all(
      sources.map((source) => {
        const name = source.slice(source.lastIndexOf('/') + 1);
        return fileEntry(source, name.startsWith('ld-') ? loader.slice(1) : `usr/lib/${name}`);
      }),
    )),
    { path: 'etc/nsswitch.conf', mode: 0o644, content: new TextEncoder().encode('hosts: files dns\n') },
  ];
}

async function busyboxFiles(users = '', groups = ''): Promise<TarEntry[]> {
  const root = await unpackPackages(['busybox-static']);
  const program = (await stat(join(root, 'bin/busybox')).catch(() => null)) ? 'bin/busybox' : 'usr/bin/busybox';
  const { stdout } = await run(join(root, program), ['--list']);
  const applets = stdout
    .trim()
    .split('\n')
    .filter((name) => name !== 'busybox')
    .sort();
  const text = (content: string) => new TextEncoder().encode(content);
  return [
    await fileEntry(join(root, program), 'bin/busybox'),
    ...applets.map((name) => ({ path: `bin/${name}`, mode: 0o777, linkTo: 'busybox' })),
    {
      path: 'etc/passwd',
      mode: 0o644,
      content: text(`root:x:0:0:root:/root:/bin/sh\n${users}nobody:x:65534:65534:nobody:/home:/bin/false\n`),
    },
    { path: 'etc/group', mode: 0o644, content: text(`root:x:0:\n${groups}nogroup:x:65534:\n`) },
    { path: 'root/', mode: 0o700 },
    { path: 'tmp/', mode: 0o1777 },
  ];
}

/** The loader's path that is written into a program, e.g. /lib64/ld-linux-x86-64.so.2. */
async function dynamicLoader(program: string): Promise<string> {
  const { stdout } = await run('sh', [
    '-c',
    `strings -n 8 "$0" 2>/dev/null | grep -m1 '^/lib.*ld-linux' || true`,
    program,
  ]);
  if (stdout.trim() !== '') return stdout.trim();
  return process.arch === 'arm64' ? '/lib/ld-linux-aarch64.so.1' : '/lib64/ld-linux-x86-64.so.2';
}

/** Image path and source of the loader and of every library that a program loads, all out of the unpacked packages. */
async function neededLibraries(root: string, loader: string, program: string): Promise<ReadonlyMap<string, string>> {
  const { stdout: found } = await run('find', [root, '-name', '*.so*', '(', '-type', 'f', '-o', '-type', 'l', ')']);
  const files = found.trim().split('\n');
  const folders = [...new Set(files.map((file) => file.slice(0, file.lastIndexOf('/'))))].join(':');
  const own = files.find((file) => file.endsWith(loader.slice(loader.lastIndexOf('/'))));
  if (own === undefined) throw new Error(`no ${loader} among the packages`);
  const { stdout } = await run(own, ['--library-path', folders, '--list', program]);
  const libraries = new Map<string, string>([[loader.slice(1), own]]);
  for (const [, name, source] of stdout.matchAll(/^\s*(\S+) => (\/\S+) \(/gm))
    if (name !== undefined && source !== undefined && !name.includes('/')) libraries.set(`usr/lib/${name}`, source);
  return libraries;
}

const nginxConfig = `user nginx;
worker_processes 1;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 512; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /var/log/nginx/access.log;
  sendfile on;
  keepalive_timeout 65;
  include /etc/nginx/conf.d/*.conf;
}
`;

const nginxSite = `server {
  listen 80;
  server_name localhost;
  root /usr/share/nginx/html;
  index index.html;
}
`;
