import { compareElements, type PathElement, showElement } from './path-element.ts';

/**
 * A set of field paths, in the very form that FieldsV1 has on the wire, so that it is neither parsed nor rendered. A
 * member is an element whose node is empty, or has `.` when paths below it are in the set too. The root is a set and not
 * a member: an empty root is the empty set. Nodes are never changed, and operations share what they don't change.
 */
export interface FieldSet {
  readonly [element: PathElement]: FieldSet;
}

type Draft = { [element: PathElement]: FieldSet };

/** The empty set; below the root, a member without paths below it. */
export const leaf: FieldSet = Object.freeze({});
export const emptySet: FieldSet = leaf;

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** True when the element with this node is itself in the set. */
export function isMember(node: FieldSet): boolean {
  return node['.'] !== undefined || isEmpty(node);
}

/** The node of a member that has `children` below it. */
export function memberWith(children: FieldSet | undefined): FieldSet {
  if (children === undefined || isEmpty(children)) return leaf;
  return children['.'] === undefined ? { '.': leaf, ...children } : children;
}

/** The set of one path. */
export function setOf(...path: readonly PathElement[]): FieldSet {
  return path.reduceRight<FieldSet>((node, element) => ({ [element]: node }), leaf);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || isEmpty(b)) return a;
  return isEmpty(a) ? b : mergeNodes(a, b);
}

function unionOfNodes(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  if (isEmpty(a)) return memberWith(b);
  return isEmpty(b) ? memberWith(a) : mergeNodes(a, b);
}

function mergeNodes(a: FieldSet, b: FieldSet): FieldSet {
  let merged: Draft | null = null;
  let sorted = true;
  for (const element in b) {
    const right = b[element] as FieldSet;
    const left = a[element];
    const node = left === undefined ? right : unionOfNodes(left, right);
    if (node === left) continue;
    merged ??= { ...a };
    merged[element] = node;
    if (left === undefined) sorted = false;
  }
  if (merged === null) return a;
  return sorted ? merged : inOrder(merged);
}

/** A copy with the elements in canonical order. */
export function inOrder(node: FieldSet): FieldSet {
  const elements = Object.keys(node);
  let ordered = true;
  for (let i = 1; i < elements.length && ordered; i++) {
    ordered = compareElements(elements[i - 1] as string, elements[i] as string) < 0;
  }
  if (ordered) return node;
  const result: Draft = {};
  for (const element of elements.sort(compareElements)) result[element] = node[element] as FieldSet;
  return result;
}

/** Paths of `a` that aren't in `b`. Paths below a member of `b` stay, unless they are in `b` themselves. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || isEmpty(b)) return a;
  return differenceBelow(a, b) ?? emptySet;
}

function differenceOfNodes(a: FieldSet, b: FieldSet): FieldSet | undefined {
  const stays = isMember(a) && !isMember(b);
  const below = differenceBelow(a, b);
  if (!stays) return below === undefined ? undefined : withoutDot(below);
  return memberWith(below);
}

function differenceBelow(a: FieldSet, b: FieldSet): FieldSet | undefined {
  return mapElements(a, (node, element) => {
    const other = b[element];
    return other === undefined ? node : differenceOfNodes(node, other);
  });
}

/** Paths of `a` that are neither in `b` nor below a path of `b`. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || isEmpty(b)) return a;
  return recursiveDifferenceBelow(a, b) ?? emptySet;
}

function recursiveDifferenceBelow(a: FieldSet, b: FieldSet): FieldSet | undefined {
  return mapElements(a, (node, element) => {
    const other = b[element];
    if (other === undefined) return node;
    if (isMember(other)) return undefined;
    const below = recursiveDifferenceBelow(node, other);
    return isMember(node) ? memberWith(below) : below;
  });
}

/** Paths that are in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return intersectionBelow(a, b) ?? emptySet;
}

function intersectionBelow(a: FieldSet, b: FieldSet): FieldSet | undefined {
  if (a === b) return isEmpty(a) ? undefined : a;
  return mapElements(a, (node, element) => {
    const other = b[element];
    if (other === undefined) return undefined;
    const below = intersectionBelow(node, other);
    const both = isMember(node) && isMember(other);
    if (both) return memberWith(below);
    return below === undefined ? undefined : withoutDot(below);
  });
}

/** Members that have no paths below them. */
export function leaves(set: FieldSet): FieldSet {
  return mapElements(set, (node) => (isEmpty(node) ? node : leaves(node))) ?? emptySet;
}

// The elements of a node but `.`, each replaced or left out; undefined when none remains.
function mapElements(
  node: FieldSet,
  replace: (child: FieldSet, element: PathElement) => FieldSet | undefined,
): FieldSet | undefined {
  const result: Draft = {};
  let changed = false;
  let some = false;
  for (const element in node) {
    const child = node[element] as FieldSet;
    if (element === '.') {
      changed = true;
      continue;
    }
    const replacement = replace(child, element);
    if (replacement !== child) changed = true;
    if (replacement === undefined) continue;
    result[element] = replacement;
    some = true;
  }
  if (!some) return undefined;
  return changed ? result : node;
}

function withoutDot(node: FieldSet): FieldSet | undefined {
  if (node['.'] === undefined) return node;
  const { '.': _, ...rest } = node;
  return isEmpty(rest) ? undefined : rest;
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  let size = 0;
  for (const element in a) {
    size++;
    const other = b[element];
    if (other === undefined || !equalSets(a[element] as FieldSet, other)) return false;
  }
  for (const _ in b) size--;
  return size === 0;
}

export function hasPath(set: FieldSet, path: readonly PathElement[]): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path) node = node?.[element];
  return path.length > 0 && node !== undefined && isMember(node);
}

/** Every path of the set as messages show it, members of a node before what lies below them. */
export function showPaths(set: FieldSet, prefix = ''): readonly string[] {
  const paths: string[] = [];
  for (const element in set) {
    if (element !== '.' && isMember(set[element] as FieldSet)) paths.push(prefix + showElement(element));
  }
  for (const element in set) {
    if (element !== '.') paths.push(...showPaths(set[element] as FieldSet, prefix + showElement(element)));
  }
  return paths;
}
