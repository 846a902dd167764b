import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setPodDefaults } from '../../../defaults/pod.ts';
import { draft } from '../../../draft.ts';
import { renderFieldError } from '../../../field-error.ts';
import type { Container, Pod, PodSpec } from '../../../types.gen.ts';
import { validatePod } from './pod.ts';
import { validatePodResize } from './resize.ts';
import { validatePodUpdate } from './update.ts';

const container: Container = { name: 'c', image: 'i' };

function pod(spec: Partial<PodSpec> = {}): Pod {
  const made = draft<Pod>({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1' },
    spec: { containers: [container], ...spec },
  });
  setPodDefaults(made);
  return made;
}

const withC = (more: Partial<Container>): Partial<PodSpec> => ({ containers: [{ ...container, ...more }] });

const cases: readonly (readonly [Partial<PodSpec>, readonly RegExp[]])[] = [
  [{}, []],
  [{ containers: [] }, [/^spec.containers: Required value$/]],
  [{ containers: [container, container] }, [/^spec.containers\[1\].name: Duplicate value: "c"$/]],
  [withC({ image: '' }), [/^spec.containers\[0\].image: Required value$/]],
  [withC({ image: ' i' }), [/^spec.containers\[0\].image: Invalid value: " i": must not have leading or trailing/]],
  [withC({ ports: [{ containerPort: 70000 }] }), [/containerPort: Invalid value: 70000: must be between 1 and 65535/]],
  [
    withC({ env: [{ name: 'a', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
    [/valueFrom: Invalid value: "": may not be specified when `value` is not empty$/],
  ],
  [
    withC({ env: [{ name: 'a', valueFrom: { fieldRef: { fieldPath: 'spec.nothing' } } }] }),
    [/fieldPath: Invalid value: "spec.nothing": error converting fieldPath: field label not supported/],
  ],
  [
    withC({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    [/^spec.containers\[0\].volumeMounts\[0\].name: Not found: "v"$/],
  ],
  [
    withC({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
    [/requests: Invalid value: "2": must be less than or equal to cpu limit of 1$/],
  ],
  [withC({ livenessProbe: {} }), [/^spec.containers\[0\].livenessProbe: Required value: must specify a handler type$/]],
  [withC({ securityContext: { runAsUser: -1 } }), [/runAsUser: Invalid value: -1: must be between 0 and 2147483647/]],
  [{ volumes: [{ name: 'v' }] }, []],
  [{ volumes: [{ name: 'V', emptyDir: {} }] }, [/^spec.volumes\[0\].name: Invalid value: "V": a lowercase/]],
  [
    { volumes: [{ name: 'v', hostPath: { path: '/a/../b', type: '' } }] },
    [/^spec.volumes\[0\].hostPath.path: Invalid value: "\/a\/..\/b": must not contain '..'$/],
  ],
  [{ restartPolicy: 'x' }, [/^spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure"/]],
  [{ activeDeadlineSeconds: 0 }, [/^spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647/]],
  [{ hostname: 'a.b' }, [/^spec.hostname: Invalid value: "a.b": must not contain dots$/]],
  [{ dnsPolicy: 'None' }, [/^spec.dnsConfig: Required value|^spec.dnsConfig.nameservers: Required value/]],
  [
    { tolerations: [{ operator: 'Equal', value: 'x' }] },
    [/operator: Invalid value: "Equal": operator must be Exists when `key` is empty/],
  ],
  [{ schedulingGates: [{ name: 'a/b' }], nodeName: 'n' }, [/^spec.nodeName: Forbidden: cannot be set until all/]],
  [
    { ephemeralContainers: [{ name: 'e', image: 'i' }] },
    [/^spec.ephemeralContainers: Forbidden: cannot be set on cre/],
  ],
];

test('new pods', () => {
  for (const [spec, patterns] of cases) {
    const texts = validatePod(pod(spec))
      .map(renderFieldError)
      .filter((text) => !/ephemeralContainers\[/.test(text));
    assert.equal(texts.length, patterns.length, `${JSON.stringify(spec)}: ${texts.join('; ')}`);
    for (const [index, pattern] of patterns.entries()) assert.match(texts[index] ?? '', pattern);
  }
});

test('an update changes images, and says what else it would have changed', () => {
  assert.deepEqual(validatePodUpdate(pod(withC({ image: 'other' })), pod()), []);
  const [error] = validatePodUpdate(pod(withC({ command: ['x'] })), pod()).map(renderFieldError);
  assert.match(error ?? '', /^spec: Forbidden: pod updates may not change fields other than `spec.containers/);
  assert.match(error ?? '', /\n- {3}"Command": null,\n\+ {3}"Command": \[\n\+ {4}"x"\n\+ {3}\],\n/);
});

test('a resize changes CPU and memory and keeps the class', () => {
  const sized = (cpu: string, more: Partial<Container> = {}) =>
    pod(withC({ resources: { requests: { cpu }, limits: { cpu: '2' } }, ...more }));
  assert.deepEqual(validatePodResize(sized('1500m'), sized('1')), []);
  assert.deepEqual(validatePodResize(sized('1', { command: ['x'] }), sized('1')).map(renderFieldError), [
    'spec: Forbidden: only cpu and memory resources are mutable',
  ]);
  assert.match(renderFieldError(validatePodResize(pod(), sized('1'))[0] ?? assert.fail()), /QOS Class may not change/);
});
