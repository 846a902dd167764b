import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzipSync, gzip as gzipCallback } from 'node:zlib';
import type { Clock } from '../../core/clock.ts';
import { factsDigest } from '../../kube/schema/builtin.ts';
import type { Answer, Call } from '../answer.ts';
import type { CatalogGroup } from '../discovery/catalog.ts';
import type { KindRegistry, ServedKind } from '../kind-registry.ts';
import type { Route, RouteTable } from '../routes.ts';
import { customDocument } from './custom-document.ts';
import type { Document } from './document.ts';
import { builtinDocument, pathDocument } from './documents.ts';
import { encodeSwagger } from './gnostic.ts';
import { type Swagger, swaggerOf } from './swagger.ts';

export interface OpenApiOptions {
  readonly kinds: KindRegistry;
  readonly routes: RouteTable;
  readonly clock: Clock;
  /** What is served now, as discovery has it. */
  readonly groups: () => readonly CatalogGroup[];
}

const gzip = promisify(gzipCallback);
/** A document that nobody asks for is forgotten after this time, and made again when somebody does. */
const idleMs = 5 * 60_000;
const protobufTypes = [
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
];
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** Raised when other documents are made from the same facts: clients keep a document for as long as its hash stays. */
const formRevision = 1;

interface Rendered {
  readonly zipped: Buffer;
  readonly etag: string;
}

/**
 * Serves the API document: /openapi/v3 with one document a group version, and /openapi/v2 with all in one, as JSON and
 * as protobuf. Documents are made from the kinds when they are asked for, and kept compressed while they are used.
 */
export class OpenApi implements Disposable {
  readonly #options: OpenApiOptions;
  readonly #rendered = new Map<string, Promise<Rendered>>();
  readonly #lastUse = new Map<string, number>();
  readonly #subscription: Disposable;
  #hashes = new Map<string, string>();
  #timer: Disposable | undefined;

  constructor(options: OpenApiOptions) {
    this.#options = options;
    const v2: Route = { handle: (call) => this.#answerV2(call) };
    options.routes.add('/openapi/v2', v2);
    options.routes.add('/openapi/v3', { handle: () => this.#index() });
    options.routes.add('/openapi/v3/', { handle: () => this.#index() });
    options.routes.add('/openapi/v3/*', { handle: (call) => this.#answerV3(call) });
    this.#subscription = options.kinds.subscribe(({ added, removed }) => this.#forget([...added, ...removed]));
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }

  // Paths are those of /openapi/v3, without it: `apis/apps/v1`.
  #paths(): readonly string[] {
    const groups = this.#options.groups().filter((group) => !isCustomGroup(group));
    const paths = this.#options.groups().flatMap(({ name, versions }) => {
      const base = name === '' ? 'api' : `apis/${name}`;
      return versions.map(({ version }) => `${base}/${version}`);
    });
    const named = groups.filter(({ name }) => name !== '').map(({ name }) => `apis/${name}`);
    return ['api', 'apis', 'version', ...named, ...paths].sort();
  }

  #document(path: string): Document | undefined {
    const [first = '', group = '', version] = path.split('/');
    if (!this.#paths().includes(path)) return undefined;
    const isCore = first === 'api' && group !== '';
    if (!isCore && version === undefined) return pathDocument(path);
    const name = isCore ? '' : group;
    const wanted = isCore ? group : version;
    const found = this.#options
      .groups()
      .find((one) => one.name === name)
      ?.versions.find((one) => one.version === wanted);
    if (found === undefined || wanted === undefined) return undefined;
    const builtin = found.resources.filter(({ isCustom }) => !isCustom).map(({ resource }) => resource);
    const custom = this.#customKinds(name, wanted).map(({ kind }) => kind);
    if (builtin.length === 0) return customDocument(custom);
    const document = builtinDocument(name, wanted, builtin);
    return custom.length === 0 ? document : merged(document, customDocument(custom));
  }

  #customKinds(group: string, version: string): readonly ServedKind[] {
    const all = [...this.#options.kinds.all()];
    return all.filter((one) => one.isCustom && one.resource.group === group && one.resource.version === version);
  }

  #swagger(): Swagger {
    const documents = this.#paths().flatMap((path) => this.#document(path) ?? []);
    const [first] = documents;
    return swaggerOf(documents, first?.info ?? { title: 'Kubernetes', version: '' });
  }

  #render(key: string, make: () => Uint8Array): Promise<Rendered> {
    this.#lastUse.set(key, this.#options.clock.monotonic());
    this.#timer ??= this.#options.clock.after(idleMs, () => this.#dropIdle());
    let rendered = this.#rendered.get(key);
    if (rendered === undefined) {
      rendered = render(make());
      this.#rendered.set(key, rendered);
      rendered.catch(() => this.#rendered.delete(key));
    }
    return rendered;
  }

  #dropIdle(): void {
    const oldest = this.#options.clock.monotonic() - idleMs;
    for (const [key, used] of this.#lastUse) {
      if (used > oldest) continue;
      this.#lastUse.delete(key);
      this.#rendered.delete(key);
    }
    this.#timer = this.#lastUse.size === 0 ? undefined : this.#options.clock.after(idleMs, () => this.#dropIdle());
  }

  #forget(changed: readonly ServedKind[]): void {
    const stale = new Set(['v2 json', 'v2 protobuf']);
    for (const { resource } of changed) stale.add(`apis/${resource.group}/${resource.version}`);
    for (const key of stale) {
      this.#rendered.delete(key);
      this.#lastUse.delete(key);
      this.#hashes.delete(key);
    }
  }

  #index(): Answer {
    const paths: Record<string, object> = {};
    for (const path of this.#paths()) {
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${this.#hashOf(path)}` };
    }
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    return { type: 'raw', code: 200, headers, body: `${JSON.stringify({ paths }, null, 1)}\n` };
  }

  // What a document is made from decides what it says: no need to make it to know whether it changed.
  #hashOf(path: string): string {
    let hash = this.#hashes.get(path);
    if (hash !== undefined) return hash;
    const [, group = '', version = ''] = path.split('/');
    const custom = this.#customKinds(group, version).map(({ kind }) => [kind.resource, kind.custom?.schema]);
    const source = JSON.stringify([path, formRevision, factsDigest(), custom]);
    hash = createHash('sha512').update(source).digest('hex').toUpperCase();
    this.#hashes.set(path, hash);
    return hash;
  }

  async #answerV3(call: Call): Promise<Answer> {
    const path = call.info.path.slice('/openapi/v3/'.length).replace(/\/$/, '');
    if (!this.#paths().includes(path)) return { type: 'raw', code: 404, headers: {}, body: '' };
    const rendered = await this.#render(path, () => Buffer.from(JSON.stringify(this.#document(path))));
    const isPinned = call.query.get('hash') === this.#hashOf(path);
    const cached = isPinned ? { 'cache-control': 'public, immutable' } : {};
    return answer(call, rendered, { 'content-type': 'application/json', ...cached });
  }

  async #answerV2(call: Call): Promise<Answer> {
    const form = formOf(call.header?.('accept'));
    if (form === undefined) return { type: 'raw', code: 406, headers: {}, body: '' };
    const rendered = await this.#render(`v2 ${form}`, () => {
      const swagger = this.#swagger();
      return form === 'json' ? Buffer.from(JSON.stringify(swagger)) : encodeSwagger(swagger);
    });
    const type = form === 'json' ? 'application/json' : protobufType;
    return answer(call, rendered, { 'content-type': type, vary: 'Accept' });
  }
}

function isCustomGroup({ versions }: CatalogGroup): boolean {
  return versions.every(({ resources }) => resources.every(({ isCustom }) => isCustom));
}

function merged(a: Document, b: Document): Document {
  return {
    ...a,
    paths: { ...a.paths, ...b.paths },
    components: { ...a.components, schemas: { ...b.components.schemas, ...a.components.schemas } },
  };
}

async function render(bytes: Uint8Array): Promise<Rendered> {
  const etag = `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
  return { zipped: await gzip(bytes), etag };
}

function answer(call: Call, { zipped, etag }: Rendered, headers: Readonly<Record<string, string>>): Answer {
  const all = { ...headers, etag };
  if (call.header?.('if-none-match') === etag) return { type: 'raw', code: 304, headers: all, body: '' };
  const encodings = (call.header?.('accept-encoding') ?? '').split(',').map((text) => text.trim());
  if (!encodings.includes('gzip')) return { type: 'raw', code: 200, headers: all, body: gunzipSync(zipped) };
  return { type: 'raw', code: 200, headers: { ...all, 'content-encoding': 'gzip' }, body: zipped };
}

function formOf(accept: string | undefined): 'json' | 'protobuf' | undefined {
  for (const clause of (accept || '*/*').split(',')) {
    const type = clause.split(';')[0]?.trim() ?? '';
    if (protobufTypes.includes(type)) return 'protobuf';
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  }
  return undefined;
}
