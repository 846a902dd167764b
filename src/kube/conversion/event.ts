import { draft } from '../draft.ts';
import type { KubeObject } from '../object.ts';
import { apiVersionOf } from '../resource.ts';
import { events, eventsV1Events } from '../resources.gen.ts';

/** Members of core/v1 Event and what events.k8s.io/v1 calls them. */
const names: readonly (readonly [core: string, eventsV1: string])[] = [
  ['metadata', 'metadata'],
  ['eventTime', 'eventTime'],
  ['series', 'series'],
  ['action', 'action'],
  ['reason', 'reason'],
  ['type', 'type'],
  ['related', 'related'],
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['reportingInstance', 'reportingInstance'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];

/** events.k8s.io/v1, as a client sent it, in the form in which Events are stored. */
export function eventFromEventsV1(event: KubeObject): KubeObject {
  const stored: Record<string, unknown> = { apiVersion: apiVersionOf(events), kind: events.kind };
  for (const [core, eventsV1] of names) copyMember(event, eventsV1, stored, core);
  stored['involvedObject'] ??= {};
  stored['source'] ??= {};
  // core/v1 writes these even when they are empty.
  stored['reportingComponent'] ??= '';
  stored['reportingInstance'] ??= '';
  return stored as unknown as KubeObject;
}

/** A stored Event as events.k8s.io/v1 has it. */
export function eventToEventsV1(stored: KubeObject): KubeObject {
  const event: Record<string, unknown> = { apiVersion: apiVersionOf(eventsV1Events), kind: eventsV1Events.kind };
  for (const [core, eventsV1] of names) copyMember(stored, core, event, eventsV1);
  for (const member of ['reportingController', 'reportingInstance']) if (event[member] === '') delete event[member];
  return event as unknown as KubeObject;
}

function copyMember(from: KubeObject, name: string, to: Record<string, unknown>, as: string): void {
  const value: unknown = Reflect.get(from, name);
  if (value !== undefined) to[as] = draft(value);
}
