import { forbidden, invalid } from '../../../field-error.ts';
import { goQuote } from '../../../go-json.ts';
import type {
  Container,
  EphemeralContainer,
  ObjectMeta,
  PodSpec,
  SeccompProfile,
  Toleration,
} from '../../../types.gen.ts';
import { type Errors, entriesOf, localDescendingPath } from '../../common.ts';
import { deletionCostAnnotation, isDeletionCost, type PodRules } from './rules.ts';
import { validateTolerations } from './scheduling.ts';
import { placedContainers } from './visit.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';
const tolerationsAnnotation = 'scheduler.alpha.kubernetes.io/tolerations';
const podSeccompAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
const containerSeccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/';
const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';

/** The annotations that mean something to the API server itself, some of them ancestors of today's fields. */
export function* validatePodAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  spec: PodSpec,
  field: string,
  rules: PodRules,
): Errors {
  const mirror = annotations?.[mirrorAnnotation];
  if (mirror !== undefined && (spec.nodeName ?? '') === '') {
    const detail = 'must set spec.nodeName if mirror pod annotation is set';
    yield invalid(`${field}[${mirrorAnnotation}]`, mirror, detail);
  }
  yield* validateTolerationsAnnotation(annotations?.[tolerationsAnnotation] ?? '', field);
  const cost = annotations?.[deletionCostAnnotation];
  if (cost !== undefined && !isDeletionCost(cost) && !rules.allowInvalidDeletionCost) {
    yield invalid(`${field}[${deletionCostAnnotation}]`, cost, 'must be a 32bit integer');
  }
  const podProfile = annotations?.[podSeccompAnnotation];
  if (podProfile !== undefined) yield* validateSeccompText(podProfile, `${field}.${podSeccompAnnotation}`);
  for (const [name, profile] of entriesOf(annotations)) {
    if (name.startsWith(containerSeccompPrefix)) yield* validateSeccompText(profile, `${field}.${name}`);
  }
  for (const [name, profile] of entriesOf(annotations)) {
    if (name.startsWith(appArmorPrefix)) yield* validateAppArmorText(name, profile, spec, field);
  }
}

function* validateTolerationsAnnotation(text: string, field: string): Errors {
  if (text === '') return;
  const tolerations = parseTolerations(text);
  if (tolerations === undefined)
    yield invalid(field, tolerationsAnnotation, "couldn't get tolerations from the annotation: it is not a JSON list");
  else yield* validateTolerations(tolerations, `${field}.${tolerationsAnnotation}`);
}

function parseTolerations(text: string): readonly Toleration[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null) ? value : undefined;
  } catch {
    return undefined;
  }
}

function* validateSeccompText(profile: string, field: string): Errors {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return;
  if (profile.startsWith('localhost/')) yield* localDescendingPath(profile.slice('localhost/'.length), field);
  else yield invalid(field, profile, 'must be a valid seccomp profile');
}

function* validateAppArmorText(name: string, profile: string, spec: PodSpec, field: string): Errors {
  const container = name.slice(appArmorPrefix.length);
  const path = `${field}[${name}]`;
  if (!placedContainers(spec, 'spec').some((placed) => placed.container.name === container)) {
    yield invalid(path, container, 'container not found');
  }
  if (!['', 'runtime/default', 'unconfined'].includes(profile) && !profile.startsWith('localhost/')) {
    yield invalid(path, profile, `invalid AppArmor profile name: ${goQuote(profile)}`);
  }
}

/** Profiles given both as annotation and as field must be the same. */
export function* validateProfilesMatch(meta: ObjectMeta | undefined, spec: PodSpec, field: string): Errors {
  yield* validateSeccompMatches(meta, spec, field);
  if (spec.os?.name !== 'windows') yield* validateAppArmorMatches(meta, spec, field);
}

function* validateSeccompMatches(meta: ObjectMeta | undefined, spec: PodSpec, field: string): Errors {
  const annotations = meta?.annotations ?? {};
  yield* seccompMatches(
    annotations[podSeccompAnnotation],
    spec.securityContext?.seccompProfile,
    `${field}.securityContext.seccompProfile`,
  );
  for (const { container, field: path } of placedContainers(spec, field)) {
    const annotation = annotations[`${containerSeccompPrefix}${container.name}`];
    yield* seccompMatches(
      annotation,
      container.securityContext?.seccompProfile,
      `${path}.securityContext.seccompProfile`,
    );
  }
}

function* seccompMatches(annotation: string | undefined, profile: SeccompProfile | undefined, field: string): Errors {
  if (annotation === undefined || profile === undefined) return;
  const { type, localhostProfile } = profile;
  const expected: Readonly<Record<string, readonly string[]>> = {
    Unconfined: ['unconfined'],
    RuntimeDefault: ['runtime/default', 'docker/default'],
  };
  const same =
    type === 'Localhost' ? annotation.startsWith('localhost/') : (expected[type] ?? [annotation]).includes(annotation);
  if (!same) yield forbidden(`${field}.type`, 'seccomp type in annotation and field must match');
  else if (type === 'Localhost' && annotation !== `localhost/${localhostProfile}`) {
    yield forbidden(`${field}.localhostProfile`, 'seccomp profile in annotation and field must match');
  }
}

function* validateAppArmorMatches(meta: ObjectMeta | undefined, spec: PodSpec, field: string): Errors {
  for (const { container, field: path } of placedContainers(spec, field)) {
    yield* appArmorMatches(meta?.annotations?.[`${appArmorPrefix}${container.name}`], container, spec, path);
  }
}

function* appArmorMatches(
  annotation: string | undefined,
  container: Container | EphemeralContainer,
  spec: PodSpec,
  containerPath: string,
): Errors {
  const profile = container.securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile;
  if (annotation === undefined || profile === undefined) return;
  const field = `${containerPath}.securityContext.appArmorProfile`;
  const expected: Readonly<Record<string, string>> = { Unconfined: 'unconfined', RuntimeDefault: 'runtime/default' };
  const { type, localhostProfile } = profile;
  const same =
    type === 'Localhost' ? annotation.startsWith('localhost/') : (expected[type] ?? annotation) === annotation;
  if (!same) yield forbidden(`${field}.type`, 'apparmor type in annotation and field must match');
  else if (type === 'Localhost' && annotation !== `localhost/${localhostProfile}`) {
    yield forbidden(`${field}.localhostProfile`, 'apparmor profile in annotation and field must match');
  }
}

/** AppArmor and mirror annotations stay as they were made. */
export function* validateAnnotationsKept(meta: ObjectMeta, old: ObjectMeta, field: string): Errors {
  const annotations = meta.annotations ?? {};
  const before = old.annotations ?? {};
  for (const [name, value] of entriesOf(before)) {
    if (annotations[name] === value) continue;
    if (name.startsWith(appArmorPrefix)) {
      yield forbidden(`${field}[${name}]`, 'may not remove or update AppArmor annotations');
    }
    if (name === mirrorAnnotation)
      yield forbidden(`${field}[${name}]`, 'may not remove or update mirror pod annotation');
  }
  for (const [name] of entriesOf(annotations)) {
    if (before[name] !== undefined) continue;
    if (name.startsWith(appArmorPrefix)) yield forbidden(`${field}[${name}]`, 'may not add AppArmor annotations');
    if (name === mirrorAnnotation) yield forbidden(`${field}[${name}]`, 'may not add mirror pod annotation');
  }
}
