import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../kube/status-error.ts';
import { Query } from '../query.ts';
import { logParameters } from './log-options.ts';

const parse = (text: string) => String(logParameters(Query.parse(text), 'p'));

test('log options are passed on as the node reads them', () => {
  assert.equal(parse('follow=true&tailLines=5&previous=false&timestamps'), 'follow=true&timestamps=true&tailLines=5');
  assert.equal(
    parse('sinceTime=2026-01-02T03%3A04%3A05Z&limitBytes=7&container=c'),
    'limitBytes=7&sinceTime=2026-01-02T03%3A04%3A05Z',
  );
});

test('log options that make no sense are refused in upstream words', () => {
  const refusals = {
    'tailLines=-1': 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    'sinceSeconds=0': 'PodLogOptions "p" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
    'limitBytes=0': 'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0',
    'tailLines=x': 'strconv.ParseInt: parsing "x": invalid syntax',
  };
  for (const [query, message] of Object.entries(refusals))
    assert.throws(
      () => parse(query),
      (error) => error instanceof StatusError && error.message === message,
      query,
    );
});
