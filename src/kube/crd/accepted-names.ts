import { goQuote } from '../go-json.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from '../types.gen.ts';
import { conditionOf } from './conditions.ts';

/** What a definition's status should say of its names. */
export interface Naming {
  readonly acceptedNames: CustomResourceDefinitionNames;
  readonly namesAccepted: CustomResourceDefinitionCondition;
  readonly established: CustomResourceDefinitionCondition;
}

/**
 * Gives a definition the names that it asks for unless another definition of its group has them. Names once accepted
 * stay until a change of the definition is accepted, and so does what is established.
 */
export function nameDefinition(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
): Naming {
  const { names, group } = definition.spec;
  const accepted = definition.status?.acceptedNames ?? { plural: '', kind: '' };
  const rivals = others.filter((other) => other !== definition && other.spec.group === group);
  const taken = namesOf(rivals);
  let conflict: { readonly reason: string; readonly message: string } | undefined;
  const claim = (reason: string, wanted: string | undefined, owned: string | undefined, used: ReadonlySet<string>) => {
    if (wanted === undefined || wanted === owned || !used.has(wanted)) return wanted;
    conflict = { reason, message: `${goQuote(wanted)} is already in use` };
    return owned;
  };
  const plural = claim('PluralConflict', names.plural, accepted.plural, taken.resources) ?? '';
  const singular = claim('SingularConflict', names.singular, accepted.singular, taken.resources);
  let { shortNames } = names;
  const lost = (names.shortNames ?? []).filter(
    (name) => !(accepted.shortNames ?? []).includes(name) && taken.resources.has(name),
  );
  if (lost.length > 0) {
    const texts = lost.map((name) => `${goQuote(name)} is already in use`);
    const message = texts.length === 1 ? texts.join('') : `[${texts.join(', ')}]`;
    conflict = { reason: 'ShortNamesConflict', message };
    shortNames = accepted.shortNames;
  }
  const kind = claim('KindConflict', names.kind, accepted.kind, taken.kinds) ?? '';
  const listKind = claim('ListKindConflict', names.listKind, accepted.listKind, taken.kinds);
  return {
    acceptedNames: {
      plural,
      ...(singular ? { singular } : {}),
      ...(shortNames !== undefined && shortNames.length > 0 ? { shortNames } : {}),
      kind,
      ...(listKind ? { listKind } : {}),
      ...(names.categories !== undefined && names.categories.length > 0 ? { categories: names.categories } : {}),
    },
    namesAccepted:
      conflict === undefined
        ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
        : { type: 'NamesAccepted', status: 'False', ...conflict },
    established: establishedAfter(definition, conflict === undefined),
  };
}

function establishedAfter(
  definition: CustomResourceDefinition,
  isAccepted: boolean,
): CustomResourceDefinitionCondition {
  const standing = conditionOf(definition, 'Established');
  if (standing?.status === 'True') return standing;
  if (isAccepted) {
    const message = 'the initial names have been accepted';
    return { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message };
  }
  if (standing !== undefined) return standing;
  return { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
}

function namesOf(definitions: readonly CustomResourceDefinition[]): {
  readonly resources: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
} {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { status } of definitions) {
    const names = status?.acceptedNames;
    if (names === undefined) continue;
    for (const name of [names.plural, names.singular, ...(names.shortNames ?? [])]) if (name) resources.add(name);
    for (const kind of [names.kind, names.listKind]) if (kind) kinds.add(kind);
  }
  return { resources, kinds };
}
