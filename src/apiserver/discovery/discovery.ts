import { createHash } from 'node:crypto';
import { isEncodable } from '../../kube/protobuf/encode.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Answer, Call } from '../answer.ts';
import { contentTypeOf, encodeValue } from '../http/encode.ts';
import type { KindRegistry } from '../kind-registry.ts';
import { negotiate, type Target } from '../media-type.ts';
import type { Route, RouteTable } from '../routes.ts';
import { type CatalogGroup, catalogOf } from './catalog.ts';
import { apiGroup, apiGroupDiscoveryList, apiGroupList, apiResourceList, apiVersions } from './documents.ts';

export interface DiscoveryOptions {
  readonly kinds: KindRegistry;
  readonly routes: RouteTable;
  /** Built-in resources, also those that are not stored. */
  readonly builtin: readonly Resource[];
  /** What is served besides, now; `refresh` when that has changed. */
  readonly others?: () => Iterable<Resource>;
  /** HOST:PORT where clients in the cluster reach this server. */
  readonly serverAddress: () => string;
}

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/**
 * Serves what there is to be served: /api, /apis and below, one document each or (KEP-3352) all in one. Each document
 * is made when it is first asked for after a change, and kept encoded.
 */
export class Discovery implements Disposable {
  readonly #options: DiscoveryOptions;
  readonly #subscription: Disposable;
  #groups: readonly CatalogGroup[] = [];
  #routes: Disposable[] = [];

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    options.routes.add('/', {
      methods: ['GET', 'HEAD'],
      handle: (call) => this.#answer(call, { paths: options.routes.paths.filter(isListed) }),
    });
    this.#subscription = options.kinds.subscribe(() => this.#build());
    this.#build();
  }

  /** All groups that are served now, in order. */
  get groups(): readonly CatalogGroup[] {
    return this.#groups;
  }

  /** Looks anew at what is served. */
  refresh(): void {
    this.#build();
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  #build(): void {
    for (const route of this.#routes) route[Symbol.dispose]();
    this.#routes = [];
    const { kinds, builtin, others = () => [], serverAddress } = this.#options;
    this.#groups = catalogOf([...builtin, ...others()], kinds.all());
    const core = this.#groups.filter(({ name }) => name === '');
    const named = this.#groups.filter(({ name }) => name !== '');
    this.#add(
      '/api',
      ['GET'],
      () => apiVersions(serverAddress()),
      () => apiGroupDiscoveryList(core),
    );
    this.#add(
      '/apis',
      ['GET'],
      () => apiGroupList(named),
      () => apiGroupDiscoveryList(named),
    );
    for (const group of this.#groups) {
      const base = group.name === '' ? '/api' : `/apis/${group.name}`;
      if (group.name !== '') this.#add(base, undefined, () => apiGroup(group));
      for (const version of group.versions) {
        this.#add(`${base}/${version.version}`, ['GET'], () => apiResourceList(group, version));
      }
    }
  }

  #add(path: string, methods: readonly string[] | undefined, make: () => object, makeAll?: () => object): void {
    const whole = makeAll === undefined ? undefined : once(makeAll);
    const single = once(make);
    const route: Route = {
      ...(methods === undefined ? {} : { methods }),
      handle: (call) =>
        whole !== undefined && wantsAggregated(call) ? answerAggregated(call, whole()) : this.#answer(call, single()),
    };
    this.#routes.push(this.#options.routes.add(path, route), this.#options.routes.add(`${path}/`, route));
  }

  #answer(call: Call, document: object): Answer {
    const asked = negotiate(call.header?.('accept'), { isList: false, isPretty: isPretty(call) });
    const hasForm = asked.serializer !== 'protobuf' || isEncodable(document);
    const target: Target = hasForm ? asked : { ...asked, serializer: 'json' };
    return raw(200, contentTypeOf(target), encode(document, target));
  }
}

// Each form of a document is encoded once.
const encoded = new WeakMap<object, Map<string, Buffer>>();

function encode(document: object, { serializer, pretty }: Target): Buffer {
  const forms = encoded.get(document) ?? new Map<string, Buffer>();
  encoded.set(document, forms);
  const key = `${serializer} ${pretty}`;
  const bytes = forms.get(key) ?? encodeValue(document, { serializer, pretty, convert: null });
  forms.set(key, bytes);
  return bytes;
}

function answerAggregated(call: Call, document: object): Answer {
  const bytes = encode(document, { serializer: 'json', pretty: false, convert: null });
  const etag = `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
  const headers = { etag, vary: 'Accept', 'cache-control': 'public' };
  if (call.header?.('if-none-match') === etag) return { type: 'raw', code: 304, headers, body: '' };
  return raw(200, aggregatedType, bytes, headers);
}

function raw(code: number, contentType: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): Answer {
  return { type: 'raw', code, headers: { 'content-type': contentType, ...headers }, body };
}

// The client's first choice decides; a version that nobody serves any more is passed over.
function wantsAggregated(call: Call): boolean {
  for (const clause of (call.header?.('accept') ?? '').split(',')) {
    const parameters = clause.split(';').map((part) => part.trim());
    const type = parameters[0] ?? '';
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/yaml') continue;
    if (!parameters.some((part) => part.startsWith('as='))) return false;
    const wanted = ['as=APIGroupDiscoveryList', 'g=apidiscovery.k8s.io', 'v=v2'];
    if (wanted.every((part) => parameters.includes(part))) return true;
  }
  return false;
}

function isPretty(call: Call): boolean {
  const pretty = call.query.get('pretty');
  return pretty !== undefined && pretty !== 'false' && pretty !== '0';
}

// Paths with a slash at the end are the same as those without.
function isListed(path: string): boolean {
  return path !== '/' && (!path.endsWith('/') || path === '/apis/');
}

function once(make: () => object): () => object {
  let made: object | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
