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
import {
  validateCertificateRequest,
  validateCertificateRequestApproval,
  validateCertificateRequestStatusUpdate,
  validateCertificateRequestUpdate,
} from '../validation/certificates/certificate-signing-request.ts';
import {
  validateClusterRole,
  validateClusterRoleUpdate,
  validateRole,
  validateRoleUpdate,
} from '../validation/rbac/role.ts';
import {
  validateClusterRoleBinding,
  validateClusterRoleBindingUpdate,
  validateRoleBinding,
  validateRoleBindingUpdate,
} from '../validation/rbac/role-binding.ts';
import { kindOf } from './kind-of.ts';

const rbac = { allowCreateOnUpdate: true, validateName: nameIsPathSegment };

/** Who may do what, and certificates for those who are. */
export const accessKinds: readonly Kind[] = [
  kindOf(clusterroles, { ...rbac, validateCreate: validateClusterRole, validateUpdate: validateClusterRoleUpdate }),
  kindOf(clusterrolebindings, {
    ...rbac,
    setDefaults: setRoleBindingDefaults,
    validateCreate: validateClusterRoleBinding,
    validateUpdate: validateClusterRoleBindingUpdate,
  }),
  kindOf(roles, { ...rbac, validateCreate: validateRole, validateUpdate: validateRoleUpdate }),
  kindOf(rolebindings, {
    ...rbac,
    setDefaults: setRoleBindingDefaults,
    validateCreate: validateRoleBinding,
    validateUpdate: validateRoleBindingUpdate,
  }),
  kindOf(certificatesigningrequests, {
    prepareForCreate: prepareCsrForCreate,
    prepareForUpdate: prepareCsrForUpdate,
    validateCreate: validateCertificateRequest,
    validateUpdate: validateCertificateRequestUpdate,
    selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
    subresources: {
      status: { ...csrStatus, validateUpdate: validateCertificateRequestStatusUpdate },
      approval: { ...csrApproval, validateUpdate: validateCertificateRequestApproval },
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
