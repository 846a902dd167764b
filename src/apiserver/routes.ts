import type { Answer, Call } from './answer.ts';
import type { ServedKind } from './kind-registry.ts';

/** Answers a path that is no resource: /version, /healthz, discovery. */
export interface Route {
  /** Methods that it answers; absent: all. */
  readonly methods?: readonly string[];
  /** Health checks answer while the server is full or ends. */
  readonly isExempt?: boolean;
  handle(call: Call): Answer | Promise<Answer>;
}

/** Non-resource paths, exact or by prefix (the longest wins). They come and go at run time. */
export class RouteTable {
  readonly #exact = new Map<string, Route>();
  readonly #prefixes = new Map<string, Route>();

  /** A path that ends with `*` is a prefix. */
  add(path: string, route: Route): Disposable {
    const isPrefix = path.endsWith('*');
    const table = isPrefix ? this.#prefixes : this.#exact;
    const key = isPrefix ? path.slice(0, -1) : path;
    table.set(key, route);
    return {
      [Symbol.dispose]: () => {
        if (table.get(key) === route) table.delete(key);
      },
    };
  }

  find(path: string): Route | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return exact;
    let best: Route | undefined;
    let length = -1;
    for (const [prefix, route] of this.#prefixes) {
      if (prefix.length > length && path.startsWith(prefix)) {
        best = route;
        length = prefix.length;
      }
    }
    return best;
  }

  /** All exact paths, sorted: what `GET /` shows. */
  get paths(): readonly string[] {
    return [...this.#exact.keys()].sort();
  }
}

/** Answers the subresource of one kind, e.g. `scale` of deployments. Methods that are absent are not allowed (405). */
export interface SubresourceHandler {
  readonly GET?: SubresourceMethod;
  readonly POST?: SubresourceMethod;
  readonly PUT?: SubresourceMethod;
  readonly PATCH?: SubresourceMethod;
  readonly DELETE?: SubresourceMethod;
  /** True when a path may go on behind the subresource's name (`proxy/...`). */
  readonly takesPath?: boolean;
  /** The API server's verbs for long streams (`log -f`, exec): exempt from deadlines and limits. */
  readonly isLong?: (call: Call) => boolean;
}
export type SubresourceMethod = (call: Call, served: ServedKind) => Answer | Promise<Answer>;

/** Handlers of subresources by `plural.group/subresource` (`pods/log`, `deployments.apps/scale`). */
export class SubresourceTable {
  readonly #handlers = new Map<string, SubresourceHandler>();
  readonly #generic: ((served: ServedKind, subresource: string) => SubresourceHandler | undefined)[] = [];

  add(resource: string, subresource: string, handler: SubresourceHandler): Disposable {
    const key = `${resource}/${subresource}`;
    this.#handlers.set(key, handler);
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(key) === handler) this.#handlers.delete(key);
      },
    };
  }

  /** Asked when no handler was added for the kind itself; for subresources that many kinds have alike. */
  addGeneric(find: (served: ServedKind, subresource: string) => SubresourceHandler | undefined): void {
    this.#generic.push(find);
  }

  find(served: ServedKind, path: string): SubresourceHandler | undefined {
    const slash = path.indexOf('/');
    const name = slash < 0 ? path : path.slice(0, slash);
    const { group, plural } = served.resource;
    const own = this.#handlers.get(`${group === '' ? plural : `${plural}.${group}`}/${name}`);
    const handler = own ?? this.#findGeneric(served, name);
    return handler !== undefined && (slash < 0 || handler.takesPath === true) ? handler : undefined;
  }

  #findGeneric(served: ServedKind, name: string): SubresourceHandler | undefined {
    for (const find of this.#generic) {
      const handler = find(served, name);
      if (handler !== undefined) return handler;
    }
    return undefined;
  }
}
