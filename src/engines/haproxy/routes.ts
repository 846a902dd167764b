import type { Route, RouteTable } from './config.ts';

/** The maps of a listener, by what they answer. */
export type MapName = 'exact' | 'prefix' | 'pattern' | 'pattern-hosts' | 'fallback';

/**
 * Rules that find `txn.route`, and the maps that they ask. Only the steps that some route needs are asked for, so the rules
 * are part of the configuration's structure and the entries are not.
 */
export function compileRoutes(
  routes: RouteTable,
  fileOf: (map: MapName) => string,
): { readonly rules: readonly string[]; readonly maps: ReadonlyMap<MapName, string> } {
  const maps = new Map<MapName, string>();
  const put = (name: MapName, entries: readonly (readonly [string, string])[]) => {
    if (entries.length > 0) maps.set(name, entries.map((entry) => `${entry.join(' ')}\n`).join(''));
  };
  const sorted = (list: readonly Route[], key: (route: Route) => string) =>
    list.map((route) => [key(route), route.backend] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  put(
    'exact',
    sorted(routes.exact, ({ host, path }) => host + path),
  );
  put(
    'prefix',
    sorted(routes.prefix, ({ host, path }) => `${host}${path.replace(/\/+$/, '')}/`),
  );
  put(
    'fallback',
    sorted(routes.fallback, ({ host }) => `${host}/`),
  );
  put(
    'pattern',
    routes.pattern.map(({ host, path, backend }) => [`(?i)^${escapeHost(host)}${path}`, backend]),
  );
  put(
    'pattern-hosts',
    [...new Set(routes.pattern.map(({ host }) => host))].sort().map((host) => [`${host}/`, 'yes'] as const),
  );
  return { rules: [...lookUps(routes, fileOf)], maps };
}

function escapeHost(host: string): string {
  return host.replaceAll('.', '\\.').replaceAll('*', '\\*');
}

type Level = 'exact' | 'wildcard' | 'any';

function levelOf({ host }: Route): Level {
  if (host === '') return 'any';
  return host.startsWith('*') ? 'wildcard' : 'exact';
}

/** What stands for the host in the keys of a level. */
const hostOf: Readonly<Record<Level, string>> = { exact: 'var(txn.host)', wildcard: 'var(txn.wildcard)', any: 'str()' };

function* lookUps(routes: RouteTable, fileOf: (map: MapName) => string): Generator<string> {
  const { exact, prefix, pattern, fallback } = routes;
  const at = (list: readonly Route[], level: Level) => list.some((route) => levelOf(route) === level);
  const all = [...exact, ...prefix, ...pattern, ...fallback];
  const missing = '!{ var(txn.route) -m found }';
  let isFirst = true;
  const find = (key: string, more = '') => {
    const conditions = [...(isFirst ? [] : [missing]), ...(more === '' ? [] : [more])];
    isFirst = false;
    return `http-request set-var(txn.route) ${key}${conditions.length === 0 ? '' : ` if ${conditions.join(' ')}`}`;
  };
  // Nearly every request names its host in lower case and without a port: `base` is its key then, and no variable is needed.
  if (!at(pattern, 'exact')) {
    if (at(exact, 'exact')) yield find(`base,map_str(${fileOf('exact')})`);
    if (at(prefix, 'exact')) yield find(`base,concat(/),map_beg(${fileOf('prefix')})`);
  }
  const prepare = (name: string, value: string) =>
    `http-request set-var(txn.${name}) ${value}${isFirst ? '' : ` if ${missing}`}`;
  if (at(all, 'exact') || at(all, 'wildcard')) yield prepare('host', 'req.hdr(host),field(1,:),rtrim(.),lower');
  if (at(all, 'wildcard')) yield prepare('wildcard', "var(txn.host),regsub('^[^.]+','*')");
  if (exact.length + prefix.length + pattern.length > 0) yield prepare('path', 'path');
  const levels: readonly Level[] = ['exact', 'wildcard', 'any'];
  for (const level of levels) {
    const host = hostOf[level];
    if (at(exact, level)) yield find(`${host},concat(,txn.path),map_str(${fileOf('exact')})`);
    if (at(pattern, level)) {
      const isThere = `{ ${host},concat(/),map_str(${fileOf('pattern-hosts')}) -m found }`;
      yield find(`${host},concat(,txn.path),map_reg(${fileOf('pattern')})`, isThere);
    }
    if (at(prefix, level)) yield find(`${host},concat(,txn.path,/),map_beg(${fileOf('prefix')})`);
  }
  for (const level of levels)
    if (at(fallback, level)) yield find(`${hostOf[level]},concat(/),map_str(${fileOf('fallback')})`);
}
