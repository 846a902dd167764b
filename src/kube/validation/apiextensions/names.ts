import { type FieldError, invalid, required } from '../../field-error.ts';
import { isDns1035Label } from '../../names.ts';
import type { CustomResourceDefinitionNames } from '../../types.gen.ts';

type Errors = Generator<FieldError, void>;

/** Names that a definition must ask for. */
export function* requiredNameErrors(names: CustomResourceDefinitionNames, path: string): Errors {
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    if (!names[name]) yield required(`${path}.${name}`);
  }
  yield* nameErrors(names, path);
}

/** The form of names, in spec and in status. */
export function* nameErrors(names: CustomResourceDefinitionNames, path: string): Errors {
  yield* label(names.plural, `${path}.plural`);
  yield* label(names.singular, `${path}.singular`);
  yield* kindName(names.kind, `${path}.kind`);
  yield* kindName(names.listKind, `${path}.listKind`);
  for (const [i, name] of (names.shortNames ?? []).entries()) yield* label(name, `${path}.shortNames[${i}]`);
  if (names.kind && names.kind === names.listKind) {
    yield invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same');
  }
  for (const [i, name] of (names.categories ?? []).entries()) yield* label(name, `${path}.categories[${i}]`);
}

function* label(name: string | undefined, field: string): Errors {
  if (!name) return;
  const why = isDns1035Label(name);
  if (why.length > 0) yield invalid(field, name, why.join(','));
}

function* kindName(name: string | undefined, field: string): Errors {
  if (!name) return;
  const why = isDns1035Label(name.toLowerCase());
  if (why.length === 0) return;
  yield invalid(field, name, `may have mixed case, but should otherwise match: ${why.join(',')}`);
}
