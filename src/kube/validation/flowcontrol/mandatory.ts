import type { FlowSchemaSpec, PriorityLevelConfigurationSpec } from '../../types.gen.ts';

const everyResource = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
const everyUrl = { verbs: ['*'], nonResourceURLs: ['*'] };

function group(name: string) {
  return { kind: 'Group', group: { name } };
}

/** The objects of flow control that a server can't do without, in the only form that they may have. */
export const mandatoryFlowSchemas: ReadonlyMap<string, FlowSchemaSpec> = new Map([
  [
    'exempt',
    {
      priorityLevelConfiguration: { name: 'exempt' },
      matchingPrecedence: 1,
      rules: [{ subjects: [group('system:masters')], resourceRules: [everyResource], nonResourceRules: [everyUrl] }],
    },
  ],
  [
    'catch-all',
    {
      priorityLevelConfiguration: { name: 'catch-all' },
      matchingPrecedence: 10000,
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [group('system:unauthenticated'), group('system:authenticated')],
          resourceRules: [everyResource],
          nonResourceRules: [everyUrl],
        },
      ],
    },
  ],
]);

/** What the exempt level lends and keeps is for administrators to say. */
export const mandatoryPriorityLevels: ReadonlyMap<string, PriorityLevelConfigurationSpec> = new Map([
  ['exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }],
  [
    'catch-all',
    {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' }, lendablePercent: 0 },
    },
  ],
]);
