import { type FieldError, invalid, required } from '../../field-error.ts';
import { isDns1123Subdomain } from '../../names.ts';
import type { Event } from '../../types.gen.ts';
import { type Errors, each, immutable, qualifiedName, requiredString } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

/** Events are checked in their core form; those that come through events.k8s.io/v1 are held to more. */
export type EventVersion = 'v1' | 'events.k8s.io/v1';

const shortTextBytesMax = 128;
const noteBytesMax = 1024;

/** Metadata is checked by the registry alone. */
export function validateEvent(event: Event, version: EventVersion = 'v1'): readonly FieldError[] {
  return [...commonErrors(event, version), ...(version === 'v1' ? [] : strictCreateErrors(event))];
}

export function validateEventUpdate(event: Event, old: Event, version: EventVersion = 'v1'): readonly FieldError[] {
  return [...commonErrors(event, version), ...(version === 'v1' ? [] : strictUpdateErrors(event, old))];
}

function* commonErrors(event: Event, version: EventVersion): Errors {
  const { namespace = '' } = event.metadata;
  if (event.eventTime === undefined) yield* namespaceOfOldEvent(event);
  else yield* newEventErrors(event, version);
  yield* each(isDns1123Subdomain(namespace), 'namespace', namespace);
}

const namespaceDiffers = 'does not match event.namespace';

function* namespaceOfOldEvent({ metadata, involvedObject }: Event): Errors {
  const { namespace = '' } = metadata;
  const involved = involvedObject?.namespace ?? '';
  const matches = involved === '' ? namespace === '' || namespace === 'default' : namespace === involved;
  if (!matches) yield invalid('involvedObject.namespace', involved, namespaceDiffers);
}

function* newEventErrors(event: Event, version: EventVersion): Errors {
  const { metadata, involvedObject, reportingComponent = '', action = '', reason = '', message = '' } = event;
  const { namespace = '' } = metadata;
  const involved = involvedObject?.namespace ?? '';
  if (involved === '' && namespace !== 'default' && namespace !== 'kube-system') {
    yield invalid('involvedObject.namespace', involved, namespaceDiffers);
  }
  const controller = version === 'v1' ? 'reportingComponent' : 'reportingController';
  yield* requiredString(reportingComponent, controller);
  yield* qualifiedName(reportingComponent, controller);
  yield* shortText(event.reportingInstance ?? '', 'reportingInstance');
  yield* shortText(action, 'action');
  yield* shortText(reason, 'reason');
  yield* atMost(message, noteBytesMax, 'message');
}

function* shortText(text: string, field: string): Errors {
  yield* requiredString(text, field);
  yield* atMost(text, shortTextBytesMax, field);
}

function* atMost(text: string, bytesMax: number, field: string): Errors {
  if (Buffer.byteLength(text) > bytesMax) yield invalid(field, '', `can have at most ${bytesMax} characters`);
}

function* strictCreateErrors(event: Event): Errors {
  yield* seriesErrors(event);
  if (event.eventTime === undefined) yield required('eventTime');
  const { type = '', source } = event;
  if (type !== 'Normal' && type !== 'Warning') yield invalid('type', '', `has invalid value: ${type}`);
  const unset = 'needs to be unset';
  if (event.firstTimestamp !== undefined) yield invalid('firstTimestamp', '', unset);
  if (event.lastTimestamp !== undefined) yield invalid('lastTimestamp', '', unset);
  if ((event.count ?? 0) !== 0) yield invalid('count', '', unset);
  if ((source?.component ?? '') !== '' || (source?.host ?? '') !== '') yield invalid('source', '', unset);
}

function* seriesErrors({ series }: Event): Errors {
  if (series === undefined) return;
  if ((series.count ?? 0) < 2) yield invalid('series.count', '', 'should be at least 2');
  if (series.lastObservedTime === undefined) yield required('series.lastObservedTime');
}

function* strictUpdateErrors(event: Event, old: Event): Errors {
  yield* validateMetaUpdateOfKind(event.metadata, old.metadata);
  if (JSON.stringify(event.series) !== JSON.stringify(old.series)) yield* seriesErrors(event);
  const texts = (value: string | undefined) => value ?? '';
  yield* immutableStruct('ObjectReference', event.involvedObject ?? {}, old.involvedObject ?? {}, 'involvedObject');
  yield* immutable(texts(event.reason), texts(old.reason), 'reason');
  yield* immutable(texts(event.message), texts(old.message), 'message');
  yield* immutableStruct('EventSource', event.source ?? {}, old.source ?? {}, 'source');
  yield* immutable(event.firstTimestamp, old.firstTimestamp, 'firstTimestamp');
  yield* immutable(event.lastTimestamp, old.lastTimestamp, 'lastTimestamp');
  yield* immutable(event.count ?? 0, old.count ?? 0, 'count');
  yield* immutable(texts(event.reason), texts(old.reason), 'reason');
  yield* immutable(texts(event.type), texts(old.type), 'type');
  yield* immutable(event.eventTime, old.eventTime, 'eventTime');
  yield* immutable(texts(event.action), texts(old.action), 'action');
  yield* immutableStruct('ObjectReference', event.related, old.related, 'related');
  yield* immutable(texts(event.reportingComponent), texts(old.reportingComponent), 'reportingController');
  yield* immutable(texts(event.reportingInstance), texts(old.reportingInstance), 'reportingInstance');
}

function immutableStruct(type: string, value: object | undefined, old: object | undefined, field: string): Errors {
  return immutable(internalForm(type, value), internalForm(type, old), field);
}
