import { setRoleBindingDefaults } from '../defaults/policies.ts';
import type { Kind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import {
  certificatesigningrequests,
  clusterrolebindings,
  clusterroles,
  rolebindings,
  roles,
} from '../resources.gen.ts';
import { csrApproval, csrStatus, prepareCsrForCreate, prepareCsrForUpdate } from '../strategy/certificate.ts';
import { kindOf } from './kind-of.ts';

const rbac = { allowCreateOnUpdate: true, validateName: nameIsPathSegment };

/** Who may do what, and certificates for those who are. */
export const accessKinds: readonly Kind[] = [
  kindOf(clusterroles, rbac),
  kindOf(clusterrolebindings, { ...rbac, setDefaults: setRoleBindingDefaults }),
  kindOf(roles, rbac),
  kindOf(rolebindings, { ...rbac, setDefaults: setRoleBindingDefaults }),
  kindOf(certificatesigningrequests, {
    prepareForCreate: prepareCsrForCreate,
    prepareForUpdate: prepareCsrForUpdate,
    selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
    subresources: {
      status: { ...csrStatus, validateUpdate: () => [] },
      approval: { ...csrApproval, validateUpdate: () => [] },
    },
    resetFields: {
      '': [['f:spec'], ['f:status']],
      status: [
        ['f:spec'],
        ['f:status', 'f:conditions', 'k:{"type":"Approved"}'],
        ['f:status', 'f:conditions', 'k:{"type":"Denied"}'],
      ],
      approval: [['f:spec'], ['f:status', 'f:certificate']],
    },
  }),
];
