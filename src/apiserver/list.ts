import { prefixRange, type Revision, RevisionError } from '../datastore/backend.ts';
import type { ListMeta } from '../kube/object.ts';
import type { ListAnswer } from './answer.ts';
import { type ContinueToken, decodeContinue, encodeContinue } from './cache/continue-token.ts';
import { decodeStored, type Entry } from './cache/entry.ts';
import type { WatchHub } from './cache/hub.ts';
import { parseStorageKey, resourcePrefix } from './cache/keys.ts';
import { badRequest, expired, failure, resourceVersionTooLarge } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import { type ListOptions, parseResourceVersion } from './options.ts';
import type { Selection } from './selection.ts';

/** How long a read waits for a revision that this server has not seen yet. */
export const freshnessTimeoutMs = 3000;
const storePageSize = 500;

/** Resolves when the caches are at least as new as `revision`; throws Timeout (504) when that takes too long. */
export async function waitForRevision(hub: WatchHub, revision: Revision, limitMs = freshnessTimeoutMs): Promise<void> {
  if (hub.revision >= revision) return;
  if (!(await hub.waitFor(revision, Math.min(limitMs, freshnessTimeoutMs))))
    throw resourceVersionTooLarge(revision, hub.revision);
}

/** What a list shows and where it goes on. */
interface Slice {
  readonly revision: Revision;
  readonly entries: readonly Entry[];
  /** Key (relative to the list's prefix) after which more follow; undefined at the end. */
  readonly last: string | undefined;
  readonly remaining: number;
}

/**
 * A list by the rules of resourceVersion, resourceVersionMatch, limit and continue (API concepts, "Resource versions").
 * The newest state, and any older one that has not changed since, comes from the cache; other revisions are read from
 * the datastore.
 */
export async function list(
  hub: WatchHub,
  served: ServedKind,
  selection: Selection,
  options: ListOptions,
): Promise<ListAnswer> {
  const plan = planList(options);
  if (plan.atLeast > 0) await waitForRevision(hub, plan.atLeast);
  const limit = plan.limit;
  if (plan.exact === undefined || served.cache.lastChange <= plan.exact) {
    const revision = plan.exact ?? hub.revision;
    return answer(served, selection, fromCache(served, selection, plan.start, limit, revision), limit);
  }
  try {
    return answer(served, selection, await fromStore(hub, served, selection, plan.start, limit, plan.exact), limit);
  } catch (thrown) {
    if (!(thrown instanceof RevisionError) || thrown.reason !== 'compacted') throw thrown;
    throw plan.token === undefined
      ? expired('The resourceVersion for the provided list is too old.')
      : continueExpired(plan.token);
  }
}

interface ListPlan {
  /** First key to show, relative; empty: from the beginning. */
  readonly start: string;
  readonly limit: number;
  /** The revision to show; undefined: the newest. */
  readonly exact: Revision | undefined;
  readonly atLeast: Revision;
  readonly token: ContinueToken | undefined;
}

function planList(options: ListOptions): ListPlan {
  if (options.continue !== '') {
    const token = decodeContinue(options.continue);
    if (options.resourceVersion !== '' && options.resourceVersion !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const cached = options.resourceVersion === '0';
    return {
      start: token.start,
      limit: cached ? 0 : options.limit,
      exact: token.revision < 0 || cached ? undefined : token.revision,
      atLeast: Math.max(token.revision, 0),
      token,
    };
  }
  const revision = parseResourceVersion(options.resourceVersion, 'list');
  const plan = { start: '', limit: options.limit, exact: undefined, atLeast: revision, token: undefined };
  if (options.resourceVersion === '') return plan;
  if (revision === 0) return { ...plan, limit: options.resourceVersionMatch === '' ? 0 : options.limit };
  const { resourceVersionMatch: match } = options;
  // A page without resourceVersionMatch shows exactly that revision: what clients of 1.18 and before rely on.
  const isExact = match === 'Exact' || (match === '' && options.limit > 0);
  return isExact ? { ...plan, exact: revision } : plan;
}

function fromCache(served: ServedKind, selection: Selection, start: string, limit: number, revision: Revision): Slice {
  const { namespace, name } = selection;
  if (name !== undefined && (namespace !== '' || !served.resource.namespaced)) {
    const entry = served.get(namespace, name);
    const found = entry !== undefined && name >= start && selection.matches(entry) ? [entry] : [];
    return { revision, entries: found, last: undefined, remaining: 0 };
  }
  if (start === '' && limit === 0 && selection.isEverything && served.kind.storage === undefined) {
    return { revision, entries: served.cache.snapshot(namespace), last: undefined, remaining: 0 };
  }
  const all = namespace === '' ? served.cache.all() : served.cache.inNamespace(namespace);
  const relative = namespace === '' ? (entry: Entry) => entry.key : (entry: Entry) => entry.name;
  const first = start === '' ? 0 : lowerBound(all, start, relative);
  const entries: Entry[] = [];
  for (let index = first; index < all.length; index += 1) {
    const stored = all[index];
    if (stored === undefined) break;
    const entry = served.view(stored);
    if (!selection.matches(entry)) continue;
    entries.push(entry);
    if (entries.length === limit && index + 1 < all.length) {
      return { revision, entries, last: relative(stored), remaining: all.length - index - 1 };
    }
  }
  return { revision, entries, last: undefined, remaining: 0 };
}

function lowerBound(entries: readonly Entry[], start: string, relative: (entry: Entry) => string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && relative(entry) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function fromStore(
  hub: WatchHub,
  served: ServedKind,
  selection: Selection,
  start: string,
  limit: number,
  revision: Revision,
): Promise<Slice> {
  const prefix = resourcePrefix(served.location) + (selection.namespace === '' ? '' : `${selection.namespace}/`);
  const range = { start: prefix + start, end: prefixRange(prefix).end };
  const entries: Entry[] = [];
  let last: string | undefined;
  let remaining = 0;
  for (let after: string | undefined; ; ) {
    const page = await hub.backend.list(
      range,
      revision,
      after === undefined ? { limit: storePageSize } : { limit: storePageSize, after },
    );
    for (const kv of page.items) {
      if (limit > 0 && entries.length === limit) {
        remaining += 1;
        continue;
      }
      const parsed = parseStorageKey(kv.key);
      if (parsed === null) continue;
      const entry = served.view(decodeStored(parsed.namespace, parsed.name, kv.modRevision, kv.value));
      if (!selection.matches(entry)) continue;
      entries.push(entry);
      last = kv.key.slice(prefix.length);
    }
    after = page.items.at(-1)?.key;
    if (!page.more || after === undefined) break;
  }
  return { revision, entries, last: remaining > 0 ? last : undefined, remaining };
}

function answer(served: ServedKind, selection: Selection, slice: Slice, limit: number): ListAnswer {
  const resourceVersion = String(slice.revision);
  if (slice.last === undefined || limit === 0) {
    return { type: 'list', served, entries: slice.entries, metadata: { resourceVersion } };
  }
  const metadata: ListMeta = {
    resourceVersion,
    continue: encodeContinue({ revision: slice.revision, start: `${slice.last}\0` }),
    // With a selector nobody knows how many of the rest would match.
    ...(selection.isEverything ? { remainingItemCount: slice.remaining } : {}),
  };
  return { type: 'list', served, entries: slice.entries, metadata };
}

function continueExpired(token: ContinueToken) {
  const error = failure({
    code: 410,
    reason: 'Expired',
    message:
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
  });
  const inconsistent = encodeContinue({ revision: -1, start: token.start });
  return new (error.constructor as typeof import('../kube/status-error.ts').StatusError)({
    ...error.status,
    metadata: { continue: inconsistent },
  });
}
