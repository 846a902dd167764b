import { withSortedKeys } from '../go-json.ts';
import { shownMember } from '../schema/empty-members.ts';
import { otherShapes } from './internal-shapes-others.ts';
import { podShapes } from './internal-shapes-pod.ts';
import { storageShapes } from './internal-shapes-storage.ts';
import { workloadShapes } from './internal-shapes-workload.ts';

/**
 * Kubernetes validates internal types, which differ from the versioned ones in the names and the order of their members
 * when they are printed: `{"Name":"a","Mode":null}`. A shape lists a type's members in the order of their declaration.
 * One word a member, in Go's name, with a sign for its type:
 *
 *     Name          string, empty when absent        Count#   number, 0 when absent
 *     Flag!         boolean, false when absent       Mode?    pointer to a scalar, null when absent
 *     Items~        slice or map, null when absent   Port%    IntOrString, 0 when absent
 *     Size$         quantity, "0" when absent        Probe:T  struct T;  Probe:*T pointer to T;  Probes:[T] slice of T
 *     ...T          the members of T, embedded       +name    left out when absent or empty (types of metav1)
 *
 * `Go=json` gives the versioned name where it isn't the Go name with its first letters in lower case.
 */
export type Shapes = Readonly<Record<string, string>>;

type Kind = 'string' | 'number' | 'boolean' | 'nullable' | 'collection' | 'intOrString' | 'quantity' | 'struct';

interface Member {
  readonly goName: string;
  readonly jsonName: string;
  readonly kind: Kind;
  readonly omitEmpty: boolean;
  readonly type: string;
  readonly wrapping: 'value' | 'pointer' | 'slice';
  /** An embedded struct that is a member of its own in the versioned type: metadata. */
  readonly within?: string;
}

const metaShapes: Shapes = {
  ObjectMeta:
    '+name +generateName +namespace +selfLink +uid +resourceVersion +generation? +creationTimestamp? +deletionTimestamp? ' +
    '+deletionGracePeriodSeconds? +labels~ +annotations~ +ownerReferences:[OwnerReference] +finalizers~ +managedFields~',
  OwnerReference: 'apiVersion kind name uid +controller? +blockOwnerDeletion?',
  LabelSelector: '+matchLabels~ +matchExpressions:[LabelSelectorRequirement]',
  LabelSelectorRequirement: 'key operator +values~',
};

const shapes: Shapes = { ...metaShapes, ...storageShapes, ...podShapes, ...workloadShapes, ...otherShapes };
const parsed = new Map<string, readonly Member[]>();

const signs: Readonly<Record<string, Kind>> = {
  '#': 'number',
  '!': 'boolean',
  '?': 'nullable',
  '~': 'collection',
  '%': 'intOrString',
  $: 'quantity',
};

function membersOf(type: string): readonly Member[] {
  const known = parsed.get(type);
  if (known !== undefined) return known;
  const text = shapes[type];
  if (text === undefined) throw new Error(`no shape is known for the internal type ${type}`);
  const members = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap(parseMember);
  parsed.set(type, members);
  return members;
}

function parseMember(word: string): readonly Member[] {
  if (word.startsWith('...')) {
    const embedded = membersOf(word.slice(3));
    return word === '...ObjectMeta' ? embedded.map((member) => ({ ...member, within: 'metadata' })) : embedded;
  }
  const omitEmpty = word.startsWith('+');
  const [declaration = '', typeText] = (omitEmpty ? word.slice(1) : word).split(':');
  const sign = signs[declaration.slice(-1)];
  const [goName = '', jsonName = jsonNameOf(goName)] = (
    sign === undefined ? declaration : declaration.slice(0, -1)
  ).split('=');
  if (typeText === undefined) {
    return [{ goName, jsonName, kind: sign ?? 'string', omitEmpty, type: '', wrapping: 'value' }];
  }
  const wrapping = typeText.startsWith('*') ? 'pointer' : typeText.startsWith('[') ? 'slice' : 'value';
  return [{ goName, jsonName, kind: 'struct', omitEmpty, type: typeText.replace(/[*[\]]/g, ''), wrapping }];
}

/** `FSType` is fsType, `TTY` tty, `HostIP` hostIP, `PDName` pdName. */
function jsonNameOf(goName: string): string {
  return goName.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+$|^[A-Z]/, (letters) => letters.toLowerCase());
}

/** The value of the internal type as Go would marshal it; null for an absent pointer. */
export function internalForm(type: string, value: object | null | undefined): Record<string, unknown> | null {
  if (value === undefined || value === null) return null;
  const source = type === 'PodSpec' ? withHostNamespacesInSecurityContext(value) : value;
  const form: Record<string, unknown> = {};
  for (const member of membersOf(type)) {
    const { within } = member;
    const parent: unknown = within === undefined ? source : Reflect.get(source, within);
    if (typeof parent !== 'object' || parent === null) continue;
    const formed = formOf(member, memberOf(parent === source ? value : parent, parent, member));
    if (member.omitEmpty && isEmpty(formed)) continue;
    form[member.goName] = formed;
  }
  return form;
}

/** The same for a slice; null when absent. */
export function internalForms(type: string, values: readonly object[] | null | undefined): readonly unknown[] | null {
  return values === undefined || values === null ? null : values.map((value) => internalForm(type, value));
}

// What a client wrote as empty is known of the object that it wrote, not of a copy.
function memberOf(written: object, parent: object, { kind, wrapping, jsonName }: Member): unknown {
  const value: unknown = Reflect.get(parent, jsonName);
  const isCollection = kind === 'collection' || wrapping === 'slice';
  return isCollection && (value === undefined || value === null) ? shownMember(written, jsonName) : value;
}

function formOf(member: Member, value: unknown): unknown {
  switch (member.kind) {
    case 'string':
      return value ?? '';
    case 'number':
    case 'intOrString':
      return value ?? 0;
    case 'boolean':
      return value ?? false;
    case 'quantity':
      return value ?? '0';
    case 'nullable':
      return value ?? null;
    case 'collection':
      return withSortedKeys(value ?? null);
    case 'struct':
      if (member.wrapping === 'slice') return Array.isArray(value) ? internalForms(member.type, value) : null;
      if (typeof value === 'object' && value !== null) return internalForm(member.type, value);
      return member.wrapping === 'value' ? internalForm(member.type, {}) : null;
  }
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

// The internal type keeps the host namespaces in the security context, which always exists.
function withHostNamespacesInSecurityContext(spec: object): object {
  const hostFields = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers'];
  const securityContext: Record<string, unknown> = { ...Reflect.get(spec, 'securityContext') };
  for (const name of hostFields) securityContext[name] = Reflect.get(spec, name);
  return { ...spec, securityContext };
}

/** Semantic equality: absent, empty list and empty map are one; absent and zero scalars too, where the type has no pointer. */
export function equalInternally(type: string, a: object | null | undefined, b: object | null | undefined): boolean {
  return semanticallyEqual(internalForm(type, a), internalForm(type, b));
}

/** The same for slices of a type. */
export function equalListsInternally(
  type: string,
  a: readonly object[] | undefined,
  b: readonly object[] | undefined,
): boolean {
  return semanticallyEqual(internalForms(type, a), internalForms(type, b));
}

/** Deep equality of JSON data in which null, [] and {} are one: k8s.io/apimachinery's equality.Semantic. */
export function semanticallyEqual(a: unknown, b: unknown): boolean {
  if (a === b || (isNothing(a) && isNothing(b))) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => semanticallyEqual(item, b[index]));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && semanticallyEqual(Reflect.get(a, key), Reflect.get(b, key)));
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}
