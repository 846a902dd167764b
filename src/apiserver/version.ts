import { textAnswer } from './answer.ts';
import type { RouteTable } from './routes.ts';

/** The Kubernetes API that this server speaks, as /version says it. Clients compare major and minor. */
export const versionInfo = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.2',
  gitCommit: 'wherry',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'gc',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const;

export function serveVersion(routes: RouteTable): void {
  const body = `${JSON.stringify(versionInfo, null, 2)}\n`;
  const methods = ['GET'];
  const handle = () => ({ type: 'raw', code: 200, headers: { 'content-type': 'application/json' }, body }) as const;
  routes.add('/version', { methods, handle });
  // With a slash at the end it is the same document, which GET / does not list twice.
  const notFound = textAnswer(404, '404 page not found\n');
  routes.add('/version/*', { methods, handle: ({ info }) => (info.path === '/version/' ? handle() : notFound) });
}
