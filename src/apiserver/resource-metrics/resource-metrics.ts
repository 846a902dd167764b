import type { KubeObject } from '../../kube/object.ts';
import { apiVersionOf, type Resource } from '../../kube/resource.ts';
import {
  nodeMetrics,
  nodeMetricsBody,
  nodeMetricsTable,
  podMetrics,
  podMetricsBody,
  podMetricsTable,
  type UsageSource,
} from '../../kube/resource-metrics.ts';
import { nodes, pods } from '../../kube/resources.gen.ts';
import { formatTime } from '../../kube/time.ts';
import { type Answer, type Call, type ListedKind, objectAnswer } from '../answer.ts';
import { Entry } from '../cache/entry.ts';
import type { VirtualResource } from '../dispatch.ts';
import { notFound, serviceUnavailable } from '../errors.ts';
import type { KindRegistry, ServedKind } from '../kind-registry.ts';
import { parseListOptions } from '../options.ts';
import { type Selection, selectionOf } from '../selection.ts';

/** The members of a metrics object beside its metadata; undefined while there are none. */
type Measure = (source: UsageSource, of: Entry) => object | undefined;

/**
 * The resource metrics API, metrics.k8s.io/v1beta1, as metrics-server serves it: made for each request out of the nodes
 * and pods there are and of what `source` measured of them.
 */
export function resourceMetrics(
  kinds: KindRegistry,
  source: UsageSource,
  now: () => number,
): readonly VirtualResource[] {
  return [
    virtual({ kinds, source, now, about: nodes, table: nodeMetricsTable, resource: nodeMetrics }, (from, { name }) => {
      const usage = from.node(name);
      return usage && nodeMetricsBody(usage);
    }),
    virtual(
      { kinds, source, now, about: pods, table: podMetricsTable, resource: podMetrics },
      (from, { namespace, name }) => {
        const usage = from.pod(namespace, name);
        return usage && podMetricsBody(usage);
      },
    ),
  ];
}

interface Parts<T extends KubeObject> {
  readonly kinds: KindRegistry;
  readonly source: UsageSource;
  readonly now: () => number;
  /** What is measured. */
  readonly about: Resource;
  readonly resource: Resource<T>;
  readonly table: ListedKind['kind']['table'];
}

function virtual<T extends KubeObject>(parts: Parts<T>, measure: Measure): VirtualResource {
  const { kinds, source, now, about, resource, table } = parts;
  const { group, version, plural, namespaced, kind } = resource;
  const served: ListedKind = { resource, apiVersion: apiVersionOf(resource), kind: { table }, isCustom: false };
  // Errors name the kind where others name the resource.
  const named = { group, plural: kind.toLowerCase() };

  function metricsOf(entry: Entry): Entry | undefined {
    const measured = measure(source, entry);
    if (measured === undefined) return undefined;
    const { labels } = entry.object.metadata;
    const metadata = {
      name: entry.name,
      ...(entry.namespace === '' ? {} : { namespace: entry.namespace }),
      creationTimestamp: formatTime(now()),
      ...(labels === undefined ? {} : { labels }),
    };
    const object = { kind, apiVersion: served.apiVersion, metadata, ...measured };
    return new Entry(entry.namespace, entry.name, 0, Buffer.from(`${JSON.stringify(object)}\n`), object);
  }

  function measured(): ServedKind {
    const standing = kinds.of(about);
    // As an aggregated API whose server is not ready yet.
    if (standing === undefined || !source.isReady)
      throw serviceUnavailable('the server is currently unable to handle the request');
    return standing;
  }

  function get({ info }: Call): Answer {
    const entry = measured().get(info.namespace, info.name);
    const metrics = entry && metricsOf(entry);
    if (metrics === undefined)
      throw notFound(named, info.namespace === '' ? info.name : `${info.namespace}/${info.name}`);
    return objectAnswer(200, served, metrics);
  }

  function list(call: Call): Answer {
    const standing = measured();
    const selection = selectionOf(standing, call.info.namespace, parseListOptions(call.query, false));
    const entries = [...selected(standing, selection)].flatMap((entry) => metricsOf(entry) ?? []);
    return { type: 'list', served, entries, metadata: {} };
  }

  return {
    group,
    version,
    plural,
    namespaced,
    methods: ['GET'],
    discovered: resource,
    handle: (call) => (call.info.name === '' ? list(call) : get(call)),
  };
}

function* selected(served: ServedKind, selection: Selection): Iterable<Entry> {
  const { namespace } = selection;
  const all = namespace === '' ? served.cache.all() : served.cache.inNamespace(namespace);
  for (const entry of all) if (selection.matches(entry)) yield entry;
}
