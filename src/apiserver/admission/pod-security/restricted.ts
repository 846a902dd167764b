import { procMount, seccompFields } from './baseline.ts';
import {
  type AnyContainer,
  allContainers,
  type Check,
  containersText,
  exceptUserNamespace,
  exceptWindows,
  namesWhere,
  plural,
  quoted,
  type Rule,
  setters,
  sortedUnique,
} from './check.ts';

const allowPrivilegeEscalation: Rule = ({ spec }) => {
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (names.length === 0) return undefined;
  const detail = `${containersText(names)} must set securityContext.allowPrivilegeEscalation=false`;
  return { reason: 'allowPrivilegeEscalation != false', detail };
};

const capabilities: Rule = ({ spec }) => {
  const extra = ({ securityContext }: AnyContainer) =>
    (securityContext?.capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE');
  const keeping = namesWhere(spec, ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'));
  const adding = namesWhere(spec, (container) => extra(container).length > 0);
  if (keeping.length === 0 && adding.length === 0) return undefined;
  const values = quoted(sortedUnique(allContainers(spec).flatMap(extra)));
  const parts = [
    ...(keeping.length > 0 ? [`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [`${containersText(adding)} must not include ${values} in securityContext.capabilities.add`]
      : []),
  ];
  return { reason: 'unrestricted capabilities', detail: parts.join('; ') };
};

const allowedVolumes = new Set(
  'configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret'.split(' '),
);

const volumes: Rule = ({ spec }) => {
  const sourceOf = (volume: object) =>
    Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined)?.[0];
  const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.has(sourceOf(volume) ?? 'emptyDir'));
  if (bad.length === 0) return undefined;
  const types = sortedUnique(bad.map((volume) => sourceOf(volume) ?? 'unknown'));
  const names = `${plural('volume', 'volumes', bad.length)} ${quoted(bad.map(({ name }) => name))}`;
  const noun = plural('restricted volume type', 'restricted volume types', types.length);
  const detail = `${names} ${plural('uses', 'use', bad.length)} ${noun} ${quoted(types)}`;
  return { reason: 'restricted volume types', detail };
};

const runAsNonRoot: Rule = ({ spec }) => {
  const ofPod = spec.securityContext?.runAsNonRoot;
  const nonRootOf = ({ securityContext }: AnyContainer) => securityContext?.runAsNonRoot;
  const reason = 'runAsNonRoot != true';
  const explicit = namesWhere(spec, (container) => nonRootOf(container) === false);
  if (ofPod === false || explicit.length > 0) {
    return { reason, detail: `${setters(ofPod === false, explicit)} must not set securityContext.runAsNonRoot=false` };
  }
  const silent = namesWhere(spec, (container) => nonRootOf(container) === undefined);
  if (ofPod === true || silent.length === 0) return undefined;
  return { reason, detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true` };
};

const runAsUser: Rule = ({ spec }) => {
  const isPod = spec.securityContext?.runAsUser === 0;
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.runAsUser === 0);
  if (!isPod && names.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${setters(isPod, names)} must not set runAsUser=0` };
};

const seccomp: Rule = (subject) => {
  const explicit = seccompFields(subject);
  const { spec } = subject;
  if (explicit !== undefined || spec.securityContext?.seccompProfile !== undefined) return explicit;
  const silent = namesWhere(spec, ({ securityContext }) => securityContext?.seccompProfile === undefined);
  if (silent.length === 0) return undefined;
  const detail = `pod or ${containersText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`;
  return { reason: 'seccompProfile', detail };
};

/** What the restricted level asks beyond the baseline; `overrides` names the baseline check that it takes the place of. */
export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    forms: [
      { since: 8, rule: allowPrivilegeEscalation },
      { since: 25, rule: exceptWindows(allowPrivilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    forms: [
      { since: 22, rule: capabilities, overrides: 'capabilities_baseline' },
      { since: 25, rule: exceptWindows(capabilities), overrides: 'capabilities_baseline' },
    ],
  },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    forms: [{ since: 35, rule: procMount, overrides: 'procMount_baseline' }],
  },
  { id: 'restrictedVolumes', level: 'restricted', forms: [{ since: 0, rule: volumes, overrides: 'hostPathVolumes' }] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    forms: [
      { since: 0, rule: runAsNonRoot },
      { since: 35, rule: exceptUserNamespace(runAsNonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    forms: [
      { since: 23, rule: runAsUser },
      { since: 35, rule: exceptUserNamespace(runAsUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    forms: [
      { since: 19, rule: seccomp, overrides: 'seccompProfile_baseline' },
      { since: 25, rule: exceptWindows(seccomp), overrides: 'seccompProfile_baseline' },
    ],
  },
];
