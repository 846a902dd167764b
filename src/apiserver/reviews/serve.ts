import type { Clock } from '../../core/clock.ts';
import type { JsonObject } from '../../core/json.ts';
import { managerName } from '../../kube/apply/manager-name.ts';
import { updateManagedFields } from '../../kube/apply/update.ts';
import { apiVersionOf, type Resource } from '../../kube/resource.ts';
import {
  localsubjectaccessreviews,
  selfsubjectaccessreviews,
  selfsubjectreviews,
  selfsubjectrulesreviews,
  subjectaccessreviews,
  tokenreviews,
} from '../../kube/resources.gen.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import { formatTime } from '../../kube/time.ts';
import { type Answer, type Call, objectAnswer } from '../answer.ts';
import type { VirtualResource } from '../dispatch.ts';
import { badRequest } from '../errors.ts';
import { parseWriteOptions } from '../options.ts';
import { decodeBody } from '../registry/codec.ts';
import type { ReviewHandler } from './review.ts';

const resources: readonly Resource[] = [
  tokenreviews,
  selfsubjectreviews,
  subjectaccessreviews,
  selfsubjectaccessreviews,
  localsubjectaccessreviews,
  selfsubjectrulesreviews,
];

/** The reviews as the API server serves them: decoded and managed like any object that is created, and answered with 201. */
export function virtualReviews(handlers: ReadonlyMap<string, ReviewHandler>, clock: Clock): readonly VirtualResource[] {
  return resources.flatMap((resource) => {
    const handler = handlers.get(`${resource.plural}.${resource.group}`);
    if (handler === undefined) return [];
    const { group, version, plural, namespaced } = resource;
    const handle = (call: Call) => answer(resource, handler, clock, call);
    return [{ group, version, plural, namespaced, methods: ['POST'], handle }];
  });
}

async function answer(resource: Resource, handler: ReviewHandler, clock: Clock, call: Call): Promise<Answer> {
  const { group, version, kind, typeName } = resource;
  const schema = (typeName === null ? undefined : findSchema(typeName)) ?? { type: 'any', atomic: false };
  const options = parseWriteOptions(call.query, 'CreateOptions');
  const expected = { group, version, kind, schema };
  const { object, warnings } = decodeBody(await call.body(), call.contentType, expected, options.fieldValidation);
  for (const text of warnings) call.warn(text);
  const namespace = resource.namespaced ? call.info.namespace : '';
  const own = object.metadata.namespace ?? '';
  if (namespace !== '' && own !== '' && own !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const given = namespace === '' ? object : { ...object, metadata: { ...object.metadata, namespace } };
  const managed =
    schema.type === 'object'
      ? updateManagedFields(null, given as unknown as JsonObject, {
          schema,
          manager: managerName(options.fieldManager, call.userAgent),
          apiVersion: apiVersionOf(resource),
          kind,
          now: formatTime(clock.now()),
          inVersion: () => null,
        })
      : given;
  const body = managed as unknown as Readonly<Record<string, unknown>>;
  return objectAnswer(201, null, handler(body, { user: call.user, namespace }));
}
