import type { JsonObject } from '../../core/json.ts';
import { applyConfiguration } from '../../kube/apply/apply.ts';
import { ApplyError } from '../../kube/apply/apply-error.ts';
import type { FieldManagement } from '../../kube/apply/context.ts';
import { managerName } from '../../kube/apply/manager-name.ts';
import { updateManagedFields } from '../../kube/apply/update.ts';
import type { KubeObject } from '../../kube/object.ts';
import { formatTime } from '../../kube/time.ts';
import type { Call } from '../answer.ts';
import { badRequest, plainError } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { WriteOptions } from '../options.ts';
import type { ObjectDraft, Registry } from './registry.ts';

/** Who writes what through which endpoint: what managedFields are kept by. */
export interface Write {
  readonly served: ServedKind;
  readonly call: Call;
  readonly subresource: string;
  readonly options: WriteOptions;
}

function management(registry: Registry, { served, call, subresource, options }: Write): FieldManagement | null {
  const { schema } = served;
  if (schema.type !== 'object') return null;
  const { group } = served.resource;
  const resetFields = served.kind.strategy.resetFields?.[subresource];
  return {
    schema,
    manager: managerName(options.fieldManager, call.userAgent),
    apiVersion: served.apiVersion,
    kind: served.resource.kind,
    ...(subresource === '' ? {} : { subresource }),
    now: formatTime(registry.clock.now()),
    ...(resetFields === undefined ? {} : { resetFields }),
    inVersion: (object, apiVersion) => {
      const slash = apiVersion.indexOf('/');
      const version = slash < 0 ? apiVersion : apiVersion.slice(slash + 1);
      if (apiVersion.slice(0, Math.max(slash, 0)) !== group) return null;
      const other = registry.kinds.find(group, version, served.resource.plural);
      if (other === undefined || other.schema.type !== 'object') return null;
      const stored = served.toStorage(object as unknown as KubeObject);
      const converted = other.kind.storage?.fromStorage(stored) ?? stored;
      return { object: { ...converted, apiVersion } as unknown as JsonObject, schema: other.schema };
    },
  };
}

/** The object with the managedFields that this write leads to. `old` is null for a creation. */
export function withManagedFields(
  registry: Registry,
  write: Write,
  old: KubeObject | null,
  next: ObjectDraft,
): ObjectDraft {
  const context = management(registry, write);
  if (context === null) return next;
  return updateManagedFields(
    old as JsonObject | null,
    next as unknown as JsonObject,
    context,
  ) as unknown as ObjectDraft;
}

/** What applying a configuration makes of an object (server-side apply). Throws ApplyConflict, or a StatusError. */
export function appliedOver(
  registry: Registry,
  write: Write,
  live: KubeObject | null,
  configuration: JsonObject,
): JsonObject {
  const context = management(registry, write);
  if (context === null) throw plainError('the kind has no schema to apply by');
  try {
    const force = write.options.force === true;
    return applyConfiguration(live as JsonObject | null, configuration, { ...context, force });
  } catch (thrown) {
    if (!(thrown instanceof ApplyError)) throw thrown;
    throw thrown.kind === 'bad-request' ? badRequest(thrown.message) : plainError(thrown.message);
  }
}
