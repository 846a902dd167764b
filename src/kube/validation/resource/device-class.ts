import { type FieldError, invalid } from '../../field-error.ts';
import type { DeviceClass } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { isExtendedResource } from '../resources.ts';
import { validateConfiguration, validateSelectors } from './configuration.ts';
import { validateList } from './lists.ts';

const configurationsMax = 32;

export function validateDeviceClass(deviceClass: DeviceClass): readonly FieldError[] {
  return [...specErrors(deviceClass)];
}

export function validateDeviceClassUpdate(deviceClass: DeviceClass, old: DeviceClass): readonly FieldError[] {
  return [
    ...validateObjectMeta(deviceClass.metadata, { namespaced: false }),
    ...validateMetaUpdateOfKind(deviceClass.metadata, old.metadata),
    ...specErrors(deviceClass, old),
  ];
}

/** Selectors and configurations that are as they were need not meet today's bounds. */
function* specErrors({ spec = {} }: DeviceClass, old?: DeviceClass): Errors {
  const { selectors = [], config = [], extendedResourceName: name } = spec;
  const sameSelectors = old !== undefined && semanticallyEqual(selectors, old.spec?.selectors);
  const sameConfig = old !== undefined && semanticallyEqual(config, old.spec?.config);
  yield* validateSelectors(selectors, 'spec.selectors', sameSelectors);
  yield* validateList(
    config,
    configurationsMax,
    ({ opaque }, field) => validateConfiguration(opaque, field, sameConfig),
    'spec.config',
  );
  if (name !== undefined && !isExtendedResource(name)) {
    yield invalid('spec.extendedResourceName', name, 'must be a valid extended resource name');
  }
}
