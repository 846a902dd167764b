import type { Draft } from '../draft.ts';
import { daemonsets, deployments } from '../resources.gen.ts';
import type { DaemonSet, Deployment } from '../types.gen.ts';
import { dropDisabledTemplateFields } from './disabled-fields.ts';
import { isSemanticallyEqual } from './equal.ts';
import { bumpGeneration, clearStatus, restore } from './status.ts';

export function prepareDeploymentForCreate(deployment: Draft<Deployment>): void {
  dropDisabledTemplateFields(deployment, null);
  clearStatus(deployments, deployment);
  deployment.metadata.generation = 1;
}

/** A change of the annotations counts too: controllers read some of them. */
export function prepareDeploymentForUpdate(deployment: Draft<Deployment>, old: Deployment): void {
  restore(deployment, old, 'status');
  dropDisabledTemplateFields(deployment, old);
  bumpGeneration(deployment, old, 'spec');
  if (deployment.metadata.generation !== old.metadata.generation) return;
  if (!isSemanticallyEqual(withoutNothing(deployment.metadata.annotations), withoutNothing(old.metadata.annotations))) {
    deployment.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
}

function withoutNothing(annotations: Readonly<Record<string, string>> | undefined): object | undefined {
  return annotations === undefined || Object.keys(annotations).length === 0 ? undefined : annotations;
}

/** Where apps/v1 keeps the generation of the template that extensions/v1beta1 had as a field. */
export const templateGeneration = 'deprecated.daemonset.template.generation';

/** Go has the generation as a field, so that an object without the annotation has generation 0. */
export function setTemplateGenerationDefault({ metadata }: Draft<DaemonSet>): void {
  metadata.annotations ??= {};
  metadata.annotations[templateGeneration] ??= '0';
}

export function prepareDaemonSetForCreate(daemonSet: Draft<DaemonSet>): void {
  dropDisabledTemplateFields(daemonSet, null);
  clearStatus(daemonsets, daemonSet);
  daemonSet.metadata.generation = 1;
  daemonSet.metadata.annotations ??= {};
  const given = Number(daemonSet.metadata.annotations[templateGeneration] ?? 0);
  daemonSet.metadata.annotations[templateGeneration] = String(Math.max(given, 1));
}

export function prepareDaemonSetForUpdate(daemonSet: Draft<DaemonSet>, old: DaemonSet): void {
  restore(daemonSet, old, 'status');
  dropDisabledTemplateFields(daemonSet, old);
  bumpGeneration(daemonSet, old, 'spec');
  const former = Number(old.metadata.annotations?.[templateGeneration] ?? 0);
  const isSameTemplate = isSemanticallyEqual(daemonSet.spec?.template, old.spec?.template);
  daemonSet.metadata.annotations ??= {};
  daemonSet.metadata.annotations[templateGeneration] = String(isSameTemplate ? former : former + 1);
}
