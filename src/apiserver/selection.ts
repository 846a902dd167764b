import type { KubeObject } from '../kube/object.ts';
import { zeroObject } from '../kube/schema/zero.ts';
import { type LabelQuery, parseFieldQuery, parseLabelQuery, SelectorError } from '../kube/selector.ts';
import type { Entry } from './cache/entry.ts';
import { badRequest } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import type { ListOptions } from './options.ts';

/** Which objects of a kind a list, a watch or a deletion of a collection is about. */
export interface Selection {
  /** Empty: all namespaces. */
  readonly namespace: string;
  /** Set when only one name can match. */
  readonly name: string | undefined;
  /** True when every object of the namespace is selected. */
  readonly isEverything: boolean;
  matches(entry: Entry): boolean;
}

interface FieldTest {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/** Throws BadRequest, in upstream's words, for selectors that can't be read or name unknown fields. */
export function selectionOf(
  served: ServedKind,
  namespace: string,
  options: Pick<ListOptions, 'labelSelector' | 'fieldSelector'>,
  name?: string,
): Selection {
  const labels = options.labelSelector === '' ? null : read(() => parseLabelQuery(options.labelSelector));
  const terms = options.fieldSelector === '' ? [] : read(() => parseFieldQuery(options.fieldSelector));
  for (const { field } of terms) checkField(served, field);
  const tests = name === undefined ? terms : [...terms, { field: 'metadata.name', value: name, negated: false }];
  const equals = (field: string) => tests.find((test) => test.field === field && !test.negated)?.value;
  const onlyNamespace = equals('metadata.namespace');
  return {
    namespace:
      namespace === '' && onlyNamespace !== undefined && served.resource.namespaced ? onlyNamespace : namespace,
    name: equals('metadata.name'),
    isEverything: (labels === null || labels.requirements.length === 0) && tests.length === 0,
    matches: matcher(served, labels, tests),
  };
}

function matcher(served: ServedKind, labels: LabelQuery | null, tests: readonly FieldTest[]): Selection['matches'] {
  if (labels === null && tests.length === 0) return () => true;
  const { selectableFields } = served.kind.strategy;
  const own = tests.filter(({ field }) => field !== 'metadata.name' && field !== 'metadata.namespace');
  return (entry) => {
    for (const { field, value, negated } of tests) {
      if (field === 'metadata.name' && (entry.name === value) === negated) return false;
      if (field === 'metadata.namespace' && (entry.namespace === value) === negated) return false;
    }
    if (labels !== null && !labels.matches(entry.object.metadata.labels)) return false;
    if (own.length === 0) return true;
    const fields = selectableFields?.(entry.object) ?? {};
    return own.every(({ field, value, negated }) => ((fields[field] ?? '') === value) !== negated);
  };
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    if (thrown instanceof SelectorError) throw badRequest(thrown.message);
    throw thrown;
  }
}

// Kinds with fields of their own word the refusal differently, some in a way of their own.
function checkField(served: ServedKind, field: string): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && served.resource.namespaced)) return;
  const { selectableFields } = served.kind.strategy;
  const { group, version, kind } = served.resource;
  if (selectableFields === undefined) {
    if (field === 'metadata.namespace' && !served.isCustom) return;
    if (served.isCustom) throw badRequest(`field label not supported: ${field}`);
    throw badRequest(
      `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
    );
  }
  if (Object.hasOwn(selectableFields(skeleton(served)), field)) return;
  if (group === 'batch') throw badRequest(`field label ${JSON.stringify(field)} not supported for ${kind}`);
  if (group === 'resource.k8s.io') {
    throw badRequest(`field label not supported for ${group}/${version}, Kind=${kind}: ${field}`);
  }
  throw badRequest(`field label not supported: ${field}`);
}

// An object without anything: its selectable fields are all there are, with empty values.
function skeleton(served: ServedKind): KubeObject {
  const { schema, resource, apiVersion } = served;
  const zero = schema.type === 'object' ? zeroObject(schema) : {};
  return { spec: {}, status: {}, ...zero, kind: resource.kind, apiVersion, metadata: {} } as KubeObject;
}
