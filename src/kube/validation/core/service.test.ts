import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setServiceDefaults } from '../../defaults/service.ts';
import { draft } from '../../draft.ts';
import { renderFieldError } from '../../field-error.ts';
import type { Service, ServiceSpec } from '../../types.gen.ts';
import { validateService, validateServiceUpdate } from './service.ts';

function service(spec: ServiceSpec = {}): Service {
  const made = draft<Service>({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', namespace: 'n', uid: 'u', resourceVersion: '1' },
    spec: { ports: [{ port: 80 }], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ...spec },
  });
  setServiceDefaults(made);
  return made;
}

const cases: readonly (readonly [ServiceSpec, readonly RegExp[]])[] = [
  [{}, []],
  [{ ports: [] }, [/^spec.ports: Required value$/]],
  [{ ports: [{ port: 0, targetPort: 1 }] }, [/^spec.ports\[0\].port: Invalid value: 0: must be between 1 and 65535/]],
  [
    { ports: [{ port: 1 }, { port: 2 }] },
    [/^spec.ports\[0\].name: Required value$/, /^spec.ports\[1\].name: Required value$/],
  ],
  [
    {
      ports: [
        { name: 'a', port: 1 },
        { name: 'a', port: 2 },
      ],
    },
    [/^spec.ports\[1\].name: Duplicate value: "a"$/],
  ],
  [
    { ports: [{ port: 1, protocol: 'X' }] },
    [/protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"/],
  ],
  [{ type: 'X' }, [/^spec.type: Unsupported value: "X"/]],
  [{ sessionAffinity: 'X' }, [/^spec.sessionAffinity: Unsupported value: "X"/]],
  [{ externalIPs: ['127.0.0.1'] }, [/^spec.externalIPs\[0\]: Invalid value: "127.0.0.1": may not be in the loopback/]],
];

test('new Services', () => {
  for (const [spec, patterns] of cases) {
    const texts = validateService(service(spec)).map(renderFieldError);
    assert.equal(texts.length, patterns.length, `${JSON.stringify(spec)}: ${texts.join('; ')}`);
    for (const [index, pattern] of patterns.entries()) assert.match(texts[index] ?? '', pattern);
  }
});

test('the first address of a Service stays', () => {
  assert.deepEqual(validateServiceUpdate(service(), service()), []);
  const moved = service({ clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.2'] });
  assert.deepEqual(validateServiceUpdate(moved, service()).map(renderFieldError), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ]);
});
