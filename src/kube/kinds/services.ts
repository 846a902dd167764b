import { setServiceDefaults } from '../defaults/service.ts';
import type { Kind } from '../kind.ts';
import { nameIsDnsLabel } from '../names.ts';
import { services } from '../resources.gen.ts';
import { prepareServiceForCreate, prepareServiceForUpdate } from '../strategy/service.ts';
import { serviceWarnings } from '../strategy/service-warnings.ts';
import { specAndStatusResetFields, statusSubresource } from '../strategy/status.ts';
import type { Service } from '../types.gen.ts';
import { validateService, validateServiceStatusUpdate, validateServiceUpdate } from '../validation/core/service.ts';
import { kindOf } from './kind-of.ts';

export const serviceKind: Kind<Service> = kindOf(services, {
  allowCreateOnUpdate: true,
  setDefaults: setServiceDefaults,
  prepareForCreate: prepareServiceForCreate,
  prepareForUpdate: prepareServiceForUpdate,
  validateCreate: validateService,
  validateUpdate: validateServiceUpdate,
  warnings: serviceWarnings,
  validateName: nameIsDnsLabel,
  selectableFields: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
  subresources: { status: statusSubresource({ validateUpdate: validateServiceStatusUpdate }) },
  resetFields: specAndStatusResetFields(),
});
