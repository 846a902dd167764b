import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import type { FlowSchema, PriorityLevelConfiguration, QueuingConfiguration } from '../../types.gen.ts';
import { validateFlowSchema } from './flow-schema.ts';
import { mandatoryFlowSchemas, mandatoryPriorityLevels } from './mandatory.ts';
import { nonResourceUrlProblem } from './non-resource-url.ts';
import { validatePriorityLevel } from './priority-level.ts';

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1';

test('the mandatory objects are right as they are, and in no other form', () => {
  for (const [name, spec] of mandatoryFlowSchemas) {
    const schema: FlowSchema = { apiVersion, kind: 'FlowSchema', metadata: { name }, spec };
    assert.deepEqual(validateFlowSchema(schema), []);
    const [error] = validateFlowSchema({ ...schema, spec: { ...spec, rules: [] } });
    assert.match(renderFieldError(error ?? assert.fail()), /must equal the fixed value$/);
  }
  for (const [name, spec] of mandatoryPriorityLevels) {
    const level: PriorityLevelConfiguration = {
      apiVersion,
      kind: 'PriorityLevelConfiguration',
      metadata: { name },
      spec,
    };
    assert.deepEqual(validatePriorityLevel(level), []);
  }
});

test('a hand of queues fits the hash from which it is dealt', () => {
  const level = (queuing: QueuingConfiguration): PriorityLevelConfiguration => ({
    apiVersion,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'l' },
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing } } },
  });
  const fine = { queues: 128, handSize: 8, queueLengthLimit: 50 };
  assert.deepEqual(validatePriorityLevel(level(fine)), []);
  const [error] = validatePriorityLevel(level({ ...fine, handSize: 9 }));
  assert.match(error?.message ?? '', /required entropy bits of deckSize 128 and handSize 9/);
  const [tooLarge] = validatePriorityLevel(level({ ...fine, queues: 4 }));
  assert.match(tooLarge?.message ?? '', /should not be greater than queues \(4\)/);
});

test('paths of non-resource rules end in a wildcard or have none', () => {
  assert.equal(nonResourceUrlProblem('/healthz/*'), undefined);
  assert.equal(nonResourceUrlProblem('/a*'), 'wildcard can only do suffix matching');
  assert.equal(nonResourceUrlProblem('/a//b'), 'must not contain double slash');
  assert.equal(nonResourceUrlProblem('a'), 'must start with slash');
});
