import { eventFromEventsV1, eventToEventsV1 } from '../conversion/event.ts';
import type { Kind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { events, eventsV1Events } from '../resources.gen.ts';
import type { Event, EventsV1Event } from '../types.gen.ts';
import { validateEvent, validateEventUpdate } from '../validation/core/event.ts';
import { kindOf } from './kind-of.ts';

/** A PUT may make an Event, and who deletes one that is gone already has got what was wanted. */
export const eventKind: Kind<Event> = kindOf(events, {
  allowCreateOnUpdate: true,
  validateCreate: (event) => validateEvent(event),
  validateUpdate: (event, old) => validateEventUpdate(event, old),
  validateName: nameIsPathSegment,
  selectableFields(event) {
    const { involvedObject: object } = event;
    return {
      'involvedObject.kind': object.kind ?? '',
      'involvedObject.namespace': object.namespace ?? '',
      'involvedObject.name': object.name ?? '',
      'involvedObject.uid': object.uid ?? '',
      'involvedObject.apiVersion': object.apiVersion ?? '',
      'involvedObject.resourceVersion': object.resourceVersion ?? '',
      'involvedObject.fieldPath': object.fieldPath ?? '',
      reason: event.reason ?? '',
      reportingComponent: event.reportingComponent ?? '',
      source: event.source?.component || event.reportingComponent || '',
      type: event.type ?? '',
    };
  },
});

// Both versions are checked in the form in which they are stored.
function stored(event: EventsV1Event): Event {
  return eventFromEventsV1(event) as Event;
}

export const eventsV1EventKind: Kind<EventsV1Event> = kindOf(
  eventsV1Events,
  {
    allowCreateOnUpdate: true,
    validateCreate: (event) => validateEvent(stored(event), 'events.k8s.io/v1'),
    validateUpdate: (event, old) => validateEventUpdate(stored(event), stored(old), 'events.k8s.io/v1'),
    selectableFields(event) {
      const { regarding: object } = event;
      return {
        'regarding.kind': object?.kind ?? '',
        'regarding.namespace': object?.namespace ?? '',
        'regarding.name': object?.name ?? '',
        'regarding.uid': object?.uid ?? '',
        'regarding.apiVersion': object?.apiVersion ?? '',
        'regarding.resourceVersion': object?.resourceVersion ?? '',
        'regarding.fieldPath': object?.fieldPath ?? '',
        reason: event.reason ?? '',
        reportingController: event.reportingController ?? '',
        type: event.type ?? '',
      };
    },
  },
  { storage: { resource: events, toStorage: eventFromEventsV1, fromStorage: eventToEventsV1 } },
);
