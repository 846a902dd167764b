import type { Backend, Certificate, HaproxyConfig, Route, Rule } from '../engines/haproxy/config.ts';
import { keyOf } from '../kube/resource.ts';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass } from '../kube/types.gen.ts';
import { type IngressSettings, type Problem, parseAnnotations } from './annotations.ts';
import { planBackend, type ServiceView } from './backends.ts';
import { covers, type TlsMaterial } from './certificates.ts';
import { servedIngresses } from './classes.ts';
import { pathProblem, patternProblem } from './paths.ts';

export interface IngressInput extends ServiceView {
  readonly ingresses: readonly Ingress[];
  readonly classes: readonly IngressClass[];
  /** What the TLS Secret of this key holds; undefined: there is none. */
  certificate(key: string): TlsMaterial | undefined;
  /** Milliseconds since 1970, for certificates that have expired. */
  readonly nowMs: number;
  /** The ports of the listeners. */
  readonly ports: { readonly http: number; readonly https: number };
}

export interface IngressPlan {
  readonly config: Pick<HaproxyConfig, 'listeners' | 'backends' | 'certificates'>;
  /** By the keys of all Ingresses that are served, also those without a problem. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
  /** Keys of the TLS Secrets that are shown. */
  readonly secrets: ReadonlySet<string>;
}

type ListenerName = 'http' | 'https';
type TableName = 'exact' | 'prefix' | 'pattern' | 'fallback';

/** What HAProxy is to do for all Ingresses of a cluster, and what is wrong with each. Of two that want the same the older has it. Pure. */
export function planIngress(input: IngressInput): IngressPlan {
  const planner = new Planner(input);
  for (const ingress of servedIngresses(input.ingresses, input.classes)) planner.add(ingress);
  return planner.plan();
}

class Planner {
  readonly #input: IngressInput;
  readonly #backends = new Map<string, Backend>();
  /** By listener, table, host and path: the route, and the Ingress that has it. */
  readonly #routes = new Map<
    string,
    { readonly listener: ListenerName; readonly table: TableName; readonly route: Route; readonly owner: string }
  >();
  readonly #hosts = new Map<string, { readonly secret: string; readonly owner: string }>();
  readonly #problems = new Map<string, Problem[]>();

  constructor(input: IngressInput) {
    this.#input = input;
  }

  add(ingress: Ingress): void {
    const key = keyOf(ingress);
    const problems: Problem[] = [];
    this.#problems.set(key, problems);
    const { spec, metadata } = ingress;
    const tls = spec?.tls ?? [];
    const parsed = parseAnnotations(metadata.annotations ?? {}, { hasTls: tls.length > 0 });
    problems.push(...parsed.problems);
    for (const { hosts, secretName } of tls) if (secretName) this.#addTls(ingress, secretName, hosts ?? [], problems);
    const rules = spec?.rules ?? [];
    for (const { host = '', http } of rules)
      for (const path of http?.paths ?? []) this.#addPath(ingress, host.toLowerCase(), path, parsed.settings, problems);
    if (spec?.defaultBackend !== undefined) {
      const hosts = rules.length === 0 ? [''] : new Set(rules.map(({ host = '' }) => host.toLowerCase()));
      for (const host of hosts) {
        const { settings } = parsed;
        const route = { host, path: '' };
        this.#route(ingress, 'fallback', route, spec.defaultBackend, settings, settings.rules, problems);
      }
    }
  }

  plan(): IngressPlan {
    const tableOf = (listener: ListenerName, table: TableName) =>
      [...this.#routes.values()]
        .filter((one) => one.listener === listener && one.table === table)
        .map(({ route }) => route);
    const routesOf = (listener: ListenerName) => ({
      exact: tableOf(listener, 'exact'),
      prefix: tableOf(listener, 'prefix'),
      // The longest first, as ingress-nginx has it; then in the order of Ingresses.
      pattern: tableOf(listener, 'pattern').sort((a, b) => b.path.length - a.path.length),
      fallback: tableOf(listener, 'fallback'),
    });
    const { ports } = this.#input;
    const listeners = {
      http: { port: ports.http, routes: routesOf('http') },
      https: { port: ports.https, routes: routesOf('https') },
    };
    const used = new Set([...this.#routes.values()].map(({ route }) => route.backend));
    const backends = [...this.#backends.values()]
      .filter(({ name }) => used.has(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const certificates = this.#certificates();
    return {
      config: { listeners, backends, certificates },
      problems: this.#problems,
      secrets: new Set([...this.#hosts.values()].map(({ secret }) => secret)),
    };
  }

  #certificates(): readonly Certificate[] {
    const bySecret = Map.groupBy(
      [...this.#hosts].sort(([a], [b]) => (a < b ? -1 : 1)),
      ([, { secret }]) => secret,
    );
    return [...bySecret]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([secret, entries]) => {
        const material = this.#input.certificate(secret);
        if (material === undefined || !material.ok) return [];
        return [{ name: secret.replace('/', '_'), pem: material.pem, hosts: entries.map(([host]) => host) }];
      });
  }

  #addTls(ingress: Ingress, secretName: string, hosts: readonly string[], problems: Problem[]): void {
    const secret = `${ingress.metadata.namespace}/${secretName}`;
    const material = this.#input.certificate(secret);
    const fallback = 'the default certificate is shown instead';
    if (material === undefined) {
      problems.push({
        reason: 'SecretNotFound',
        message: `there is no Secret ${secret}: ${fallback}`,
      });
      return;
    }
    if (!material.ok) {
      problems.push({ reason: 'InvalidCertificate', message: `the Secret ${secret}: ${material.why}; ${fallback}` });
      return;
    }
    const { names, leaf } = material;
    if (leaf.validToDate.getTime() < this.#input.nowMs)
      problems.push({
        reason: 'CertificateExpired',
        message: `the certificate in the Secret ${secret} has expired on ${leaf.validTo}`,
      });
    const wanted = hosts.length === 0 ? names : hosts.map((host) => host.toLowerCase());
    for (const host of wanted) {
      if (!covers(names, host)) {
        const shown = names.slice(0, 5).join(', ') || 'none';
        problems.push({
          reason: 'CertificateMismatch',
          message: `the certificate in the Secret ${secret} is not for ${host} (its names: ${shown}): ${fallback}`,
        });
        continue;
      }
      const holder = this.#hosts.get(host);
      if (holder !== undefined && holder.secret !== secret)
        problems.push({
          reason: 'CertificateTaken',
          message: `for ${host} the Secret ${holder.secret} of the older Ingress ${holder.owner} is shown`,
        });
      if (holder === undefined) this.#hosts.set(host, { secret, owner: keyOf(ingress) });
    }
  }

  #addPath(
    ingress: Ingress,
    host: string,
    path: HTTPIngressPath,
    settings: IngressSettings,
    problems: Problem[],
  ): void {
    const text = path.path || '/';
    const { useRegex, rewriteTarget } = settings;
    const isSpecific = path.pathType === 'ImplementationSpecific';
    const isPattern = useRegex || (isSpecific && rewriteTarget !== undefined && /[()[\]|\\$]/.test(text));
    const wrong = isPattern ? patternProblem(text) : pathProblem(text);
    if (wrong !== undefined) {
      problems.push({
        reason: 'InvalidPath',
        message: `the path ${JSON.stringify(text.slice(0, 200))} ${wrong} and is left out`,
      });
      return;
    }
    const rewrite: readonly Rule[] =
      rewriteTarget === undefined
        ? []
        : [{ kind: 'rewrite', pattern: isPattern ? `(?i)^${text}` : '^.*$', target: rewriteTarget }];
    const rules = [...settings.rules, ...rewrite];
    if (isPattern) this.#route(ingress, 'pattern', { host, path: text }, path.backend, settings, rules, problems);
    else if (path.pathType === 'Exact')
      this.#route(ingress, 'exact', { host, path: text }, path.backend, settings, rules, problems);
    else {
      // `/*` is how some clouds' controllers write a prefix.
      const prefix = (isSpecific ? text.replace(/\/\*$/, '/') : text).replace(/\/+$/, '');
      this.#route(ingress, 'prefix', { host, path: `${prefix}/` }, path.backend, settings, rules, problems);
    }
  }

  #route(
    ingress: Ingress,
    table: TableName,
    place: Omit<Route, 'backend'>,
    backend: IngressBackend,
    settings: IngressSettings,
    rules: readonly Rule[],
    problems: Problem[],
  ): void {
    const key = keyOf(ingress);
    const planned = planBackend(ingress.metadata.namespace ?? '', backend, settings, rules, this.#input);
    const { name } = planned.backend;
    this.#backends.set(name, planned.backend);
    // Nobody misses endpoints behind a redirect.
    const isRedirect = rules.some((rule) => rule.kind === 'redirect' && rule.onlyPath === undefined);
    if (!isRedirect)
      for (const problem of planned.problems)
        if (!problems.some(({ message }) => message === problem.message)) problems.push(problem);
    let holder: string | undefined;
    for (const listener of settings.listeners) {
      const id = [listener, table, place.host, place.path].join('\0');
      const standing = this.#routes.get(id);
      if (standing === undefined)
        this.#routes.set(id, { listener, table, route: { ...place, backend: name }, owner: key });
      else holder ??= standing.owner;
    }
    if (holder === undefined) return;
    const what = `${place.host === '' ? 'any host' : place.host}${table === 'fallback' ? ' (the default backend)' : place.path}`;
    const whose =
      holder === key ? 'stands in this Ingress twice: the first one counts' : `belongs to the older Ingress ${holder}`;
    problems.push({ reason: 'PathTaken', message: `${what} ${whose}` });
  }
}
