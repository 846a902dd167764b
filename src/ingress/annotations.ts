import type { Affinity, BackendProtocol, Cors, RedirectCode, Rule } from '../engines/haproxy/config.ts';
import { isPrintable } from '../engines/haproxy/quote.ts';
import { parseGoDuration } from '../kube/go-duration.ts';
import { canonicalCidr, canonicalIp } from '../kube/ip-text.ts';

/** Something in an Ingress that can't be done as it stands, with a reason as Events have it. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** What an Ingress' annotations ask for; the same for all its paths. */
export interface IngressSettings {
  readonly listeners: readonly ('http' | 'https')[];
  readonly protocol?: BackendProtocol;
  readonly affinity?: Affinity;
  readonly connectTimeoutMs?: number;
  readonly serverTimeoutMs?: number;
  /** Paths are regular expressions. */
  readonly useRegex: boolean;
  readonly rewriteTarget?: string;
  /** For requests that reach a backend, in order. */
  readonly rules: readonly Rule[];
}

export interface ParsedAnnotations {
  readonly settings: IngressSettings;
  readonly problems: readonly Problem[];
}

const nginx = 'nginx.ingress.kubernetes.io/';
const traefik = 'traefik.ingress.kubernetes.io/';
/** Longest value that is read. */
const valueCharactersMax = 4_096;

type Read = (name: string) => string | undefined;

/** Reads the annotations of Traefik and ingress-nginx that have a meaning here; what has none, or makes no sense, is told. Pure. */
export function parseAnnotations(
  annotations: Readonly<Record<string, string>>,
  { hasTls }: { readonly hasTls: boolean },
): ParsedAnnotations {
  const problems: Problem[] = [];
  const used = new Set<string>();
  const readOf =
    (prefix: string): Read =>
    (name) => {
      const key = prefix + name;
      used.add(key);
      const value = annotations[key]?.trim();
      if (value === undefined) return undefined;
      if (isPrintable(value) && value.length <= valueCharactersMax) return value;
      problems.push({ reason: 'InvalidAnnotation', message: `${key} holds control characters or too many characters` });
      return undefined;
    };
  const reader = new AnnotationReader(readOf(nginx), readOf(traefik), problems);
  const settings = reader.settings(hasTls);
  for (const key of Object.keys(annotations).sort()) {
    if (used.has(key) || !(key.startsWith(nginx) || key.startsWith(traefik))) continue;
    problems.push({
      reason: 'UnsupportedAnnotation',
      message: `${key} is not supported and has no effect${instead(key)}`,
    });
  }
  return { settings, problems };
}

function instead(key: string): string {
  if (key === `${traefik}router.middlewares`)
    return ': middlewares are objects of Traefik; redirects, rewrites and address ranges can be had by annotations nginx.ingress.kubernetes.io/...';
  return '';
}

class AnnotationReader {
  readonly #nginx: Read;
  readonly #traefik: Read;
  readonly #problems: Problem[];

  constructor(nginxRead: Read, traefikRead: Read, problems: Problem[]) {
    this.#nginx = nginxRead;
    this.#traefik = traefikRead;
    this.#problems = problems;
  }

  settings(hasTls: boolean): IngressSettings {
    const protocol = this.#protocol();
    const affinity = this.#affinity();
    const connectTimeoutMs = this.#milliseconds('proxy-connect-timeout');
    const serverTimeoutMs = this.#milliseconds('proxy-read-timeout');
    const rewriteTarget = this.#nginx('rewrite-target');
    const useRegex = this.#flag('use-regex') ?? false;
    return {
      listeners: this.#listeners(),
      ...(protocol === undefined ? {} : { protocol }),
      ...(affinity === undefined ? {} : { affinity }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(serverTimeoutMs === undefined ? {} : { serverTimeoutMs }),
      ...(rewriteTarget === undefined ? {} : { rewriteTarget }),
      useRegex,
      rules: [...this.#allowed(), ...this.#redirects(hasTls), ...this.#cors(), ...this.#body()],
    };
  }

  #invalid(name: string, wanted: string): undefined {
    this.#problems.push({ reason: 'InvalidAnnotation', message: `${nginx}${name} is ignored: write ${wanted}` });
    return undefined;
  }

  #flag(name: string): boolean | undefined {
    const value = this.#nginx(name);
    if (value === undefined) return undefined;
    if (value === 'true' || value === 'false') return value === 'true';
    return this.#invalid(name, '"true" or "false"');
  }

  #listeners(): readonly ('http' | 'https')[] {
    const onlyTls = this.#traefik('router.tls') === 'true';
    const entryPoints = this.#traefik('router.entrypoints');
    const names = (entryPoints ?? 'web,websecure').split(',').map((name) => name.trim());
    const known = { web: 'http', websecure: 'https' } as const;
    for (const name of names)
      if (!(name in known))
        this.#problems.push({
          reason: 'InvalidAnnotation',
          message: `${traefik}router.entrypoints: there is no ${JSON.stringify(name)}, only web (port 80) and websecure (port 443)`,
        });
    return names.flatMap((name) => {
      const listener = name === 'web' ? 'http' : name === 'websecure' ? 'https' : undefined;
      return listener === undefined || (onlyTls && listener === 'http') ? [] : [listener];
    });
  }

  #protocol(): BackendProtocol | undefined {
    const value = this.#nginx('backend-protocol');
    if (value === undefined) return undefined;
    const protocols: Readonly<Record<string, BackendProtocol>> = {
      ...{ HTTP: 'http', AUTO_HTTP: 'http', HTTPS: 'https', GRPC: 'h2c', H2C: 'h2c', GRPCS: 'h2' },
    };
    return protocols[value.toUpperCase()] ?? this.#invalid('backend-protocol', 'HTTP, HTTPS, GRPC, GRPCS or H2C');
  }

  #affinity(): Affinity | undefined {
    const kind = this.#nginx('affinity');
    const cookie = this.#nginx('session-cookie-name') ?? 'INGRESSCOOKIE';
    const sameSite = this.#nginx('session-cookie-samesite');
    const secure = this.#flag('session-cookie-secure') ?? false;
    if (kind === undefined) return undefined;
    if (kind !== 'cookie') return this.#invalid('affinity', '"cookie"');
    if (!isCookieName(cookie)) return this.#invalid('session-cookie-name', 'letters, digits, - and _');
    const affinity = { cookie, secure, httpOnly: true };
    if (sameSite === undefined) return affinity;
    if (sameSite !== 'None' && sameSite !== 'Lax' && sameSite !== 'Strict') {
      this.#invalid('session-cookie-samesite', 'None, Lax or Strict');
      return affinity;
    }
    return { ...affinity, sameSite };
  }

  /** Seconds when it has no unit, as nginx reads it. */
  #milliseconds(name: string): number | undefined {
    const value = this.#nginx(name);
    if (value === undefined) return undefined;
    const given = /^\d+$/.test(value) ? `${value}s` : value;
    const milliseconds = Math.round((parseGoDuration(given).nanoseconds ?? 0) / 1e6);
    if (milliseconds < 1 || milliseconds > timeoutMsMax)
      return this.#invalid(name, 'a number of seconds of at most a day');
    return milliseconds;
  }

  #allowed(): readonly Rule[] {
    const names = ['whitelist-source-range', 'allowlist-source-range'];
    const values = names.map((name) => [name, this.#nginx(name)] as const).filter(([, value]) => value !== undefined);
    const [name, value] = values[values.length - 1] ?? [];
    if (name === undefined || value === undefined) return [];
    const given = value.split(',').map((range) => range.trim());
    const ranges = given.flatMap((range) => {
      const canonical = range.includes('/') ? canonicalCidr(range)?.text : canonicalIp(range)?.text;
      return canonical === undefined ? [] : [canonical];
    });
    // To let in whom nobody meant would be worse than to let in nobody.
    if (ranges.length < given.length)
      this.#invalid(name, 'addresses and ranges with commas between; until then those that are valid are let in');
    return [{ kind: 'allow', ranges: ranges.length === 0 ? ['0.0.0.0/32'] : ranges }];
  }

  #redirects(hasTls: boolean): readonly Rule[] {
    const rules: Rule[] = [];
    const isForced = this.#flag('force-ssl-redirect') ?? false;
    if (((this.#flag('ssl-redirect') ?? false) && hasTls) || isForced) rules.push({ kind: 'secure', code: 308 });
    const appRoot = this.#nginx('app-root');
    if (appRoot?.startsWith('/')) rules.push({ kind: 'redirect', location: appRoot, code: 302, onlyPath: '/' });
    else if (appRoot !== undefined) this.#invalid('app-root', 'a path that begins with /');
    for (const [name, fallback] of [
      ['temporal-redirect', 302],
      ['permanent-redirect', 301],
    ] as const) {
      const location = this.#nginx(name);
      const code = this.#nginx(`${name}-code`);
      if (location === undefined) continue;
      const chosen = redirectCodes.find((one) => String(one) === code) ?? fallback;
      if (code !== undefined && String(chosen) !== code) this.#invalid(`${name}-code`, redirectCodes.join(', '));
      if (/^(https?:\/\/|\/)/.test(location)) rules.push({ kind: 'redirect', location, code: chosen });
      else this.#invalid(name, 'a URL');
    }
    return rules;
  }

  #body(): readonly Rule[] {
    const value = this.#nginx('proxy-body-size');
    if (value === undefined) return [];
    const [, digits, unit = ''] = /^(\d{1,9})([kmg]?)$/i.exec(value) ?? [];
    if (digits === undefined) {
      this.#invalid('proxy-body-size', 'a number with k, m or g behind it');
      return [];
    }
    const factor = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit.toLowerCase()] ?? 1;
    const bytes = Number(digits) * factor;
    return bytes === 0 ? [] : [{ kind: 'bodyMax', bytes }];
  }

  #cors(): readonly Rule[] {
    const isOn = this.#flag('enable-cors') ?? false;
    const value = (name: string, fallback: string) => this.#nginx(name) ?? fallback;
    const origins = value('cors-allow-origin', '*')
      .split(',')
      .map((origin) => origin.trim());
    const maxAge = value('cors-max-age', '1728000');
    const cors: Cors = {
      origins,
      methods: value('cors-allow-methods', 'GET, PUT, POST, DELETE, PATCH, OPTIONS'),
      headers: value(
        'cors-allow-headers',
        'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
      ),
      exposed: value('cors-expose-headers', ''),
      credentials: this.#flag('cors-allow-credentials') ?? true,
      maxAgeS: /^\d{1,9}$/.test(maxAge) ? Number(maxAge) : 1_728_000,
    };
    if (!isOn) return [];
    if (!origins.every((origin) => origin === '*' || /^https?:\/\/[\w.:[\]-]+$/.test(origin))) {
      this.#invalid('cors-allow-origin', '* or origins such as https://shop.example.org, with commas between');
      return [];
    }
    return [{ kind: 'cors', cors }];
  }
}

/** Longest time that an annotation may set. */
const timeoutMsMax = 86_400_000;
const redirectCodes: readonly RedirectCode[] = [301, 302, 303, 307, 308];

/** What Traefik reads on a Service: how its endpoints are spoken to, and whether clients stay with one. */
export function parseServiceAnnotations(annotations: Readonly<Record<string, string>>): {
  readonly protocol?: BackendProtocol;
  readonly affinity?: Affinity;
} {
  const at = (name: string) => annotations[`${traefik}service.${name}`];
  const protocols: Readonly<Record<string, BackendProtocol>> = { http: 'http', https: 'https', h2c: 'h2c' };
  const protocol = protocols[at('serversscheme') ?? ''];
  const cookie = at('sticky.cookie.name') ?? 'wherry';
  const sites = { none: 'None', lax: 'Lax', strict: 'Strict' } as const;
  const asked = at('sticky.cookie.samesite');
  const sameSite = asked === 'none' || asked === 'lax' || asked === 'strict' ? sites[asked] : undefined;
  const affinity: Affinity | undefined =
    at('sticky.cookie') === 'true' && isCookieName(cookie)
      ? {
          cookie,
          secure: at('sticky.cookie.secure') === 'true',
          httpOnly: at('sticky.cookie.httponly') === 'true',
          ...(sameSite === undefined ? {} : { sameSite }),
        }
      : undefined;
  return { ...(protocol === undefined ? {} : { protocol }), ...(affinity === undefined ? {} : { affinity }) };
}

function isCookieName(name: string): boolean {
  return /^[\w-]{1,64}$/.test(name);
}
