import type { Draft } from '../draft.ts';
import { apiservices } from '../resources.gen.ts';
import { formatTime } from '../time.ts';
import type { APIService } from '../types.gen.ts';
import { clearStatus } from './status.ts';

/** What this server serves itself is available from the start; what a Service serves is up to a controller. */
export function prepareApiServiceForCreate(service: Draft<APIService>): void {
  clearStatus(apiservices, service);
  if (service.spec?.service !== undefined) return;
  service.status = {
    conditions: [
      {
        type: 'Available',
        status: 'True',
        lastTransitionTime: formatTime(Date.now()),
        reason: 'Local',
        message: 'Local APIServices are always available',
      },
    ],
  };
}
