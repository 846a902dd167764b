import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../../tools/property.ts';
import type { Container, PodSpec } from '../../../kube/types.gen.ts';
import type { Subject } from './check.ts';
import { describeLevel, describeViolations, policyOf, violations } from './policy.ts';

const latest = Number.POSITIVE_INFINITY;

function subject(
  container: Partial<Container>,
  spec: Partial<PodSpec> = {},
  annotations: Record<string, string> = {},
): Subject {
  return { metadata: { annotations }, spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec } };
}

function reasons(level: 'baseline' | 'restricted', minor: number, of: Subject): string[] {
  return violations({ level, minor }, of).map(({ reason }) => reason);
}

const safe: Partial<Container> = {
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};

test('rules hold from the version on that brought them', () => {
  const withSysctl = (name: string) => subject({}, { securityContext: { sysctls: [{ name, value: '1' }] } });
  assert.deepEqual(reasons('baseline', 26, withSysctl('net.ipv4.ip_local_reserved_ports')), ['forbidden sysctls']);
  assert.deepEqual(reasons('baseline', 27, withSysctl('net.ipv4.ip_local_reserved_ports')), []);
  assert.deepEqual(reasons('baseline', 31, withSysctl('net.ipv4.tcp_rmem')), ['forbidden sysctls']);
  assert.deepEqual(reasons('baseline', 32, withSysctl('net.ipv4.tcp_rmem')), []);
  const engine = subject({ securityContext: { seLinuxOptions: { type: 'container_engine_t' } } });
  assert.deepEqual(reasons('baseline', 30, engine), ['seLinuxOptions']);
  assert.deepEqual(reasons('baseline', latest, engine), []);
  const probe = subject({ readinessProbe: { tcpSocket: { host: 'h', port: 1 } } });
  assert.deepEqual(reasons('baseline', 33, probe), []);
  assert.deepEqual(reasons('baseline', 34, probe), ['probe or lifecycle host']);
  const annotated = subject({}, {}, { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' });
  assert.deepEqual(reasons('baseline', 18, annotated), ['seccompProfile']);
  assert.deepEqual(reasons('baseline', 19, annotated), []);
  const root = subject({ securityContext: { ...safe.securityContext, runAsUser: 0 } });
  assert.deepEqual(reasons('restricted', 22, root), []);
  assert.deepEqual(reasons('restricted', 23, root), ['runAsUser=0']);
});

test('a restricted rule takes the place of its baseline twin', () => {
  const hostPath = subject(safe, { volumes: [{ name: 'v', hostPath: { path: '/' } }] });
  assert.deepEqual(reasons('baseline', latest, hostPath), ['hostPath volumes']);
  assert.deepEqual(reasons('restricted', latest, hostPath), ['restricted volume types']);
  const adding = subject({
    securityContext: { ...safe.securityContext, capabilities: { drop: ['ALL'], add: ['SYS_TIME'] } },
  });
  assert.deepEqual(reasons('restricted', 20, adding), ['non-default capabilities']);
  assert.deepEqual(reasons('restricted', latest, adding), ['unrestricted capabilities']);
});

test('pods for Windows, and pods with users of their own, are spared what does not concern them', () => {
  const windows = subject({ securityContext: { runAsNonRoot: true } }, { os: { name: 'windows' } });
  assert.deepEqual(reasons('restricted', latest, windows), []);
  assert.equal(reasons('restricted', 24, windows).length, 3);
  const own = subject(
    { securityContext: { ...safe.securityContext, runAsNonRoot: false, procMount: 'Unmasked' } },
    { hostUsers: false },
  );
  assert.deepEqual(reasons('baseline', latest, own), []);
  assert.deepEqual(reasons('restricted', latest, own), ['procMount']);
  assert.deepEqual(reasons('restricted', 34, own), ['procMount', 'runAsNonRoot != true']);
});

test('messages name pods and containers as Kubernetes does', () => {
  const spec: PodSpec = {
    securityContext: { seccompProfile: { type: 'Unconfined' }, seLinuxOptions: { type: 'x', role: 'r' } },
    initContainers: [{ name: 'i', securityContext: { privileged: true, seccompProfile: { type: 'Unconfined' } } }],
    containers: [{ name: 'c', securityContext: { privileged: true } }],
  };
  assert.equal(
    describeViolations(violations({ level: 'baseline', minor: latest }, { metadata: {}, spec })),
    'privileged (containers "i", "c" must not set securityContext.privileged=true), ' +
      'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"; role may not be set), ' +
      'seccompProfile (pod and container "i" must not set securityContext.seccompProfile.type to "Unconfined")',
  );
});

test('whatever restricted allows, baseline allows', () => {
  const securityContext = fc.record(
    {
      privileged: fc.boolean(),
      allowPrivilegeEscalation: fc.boolean(),
      runAsNonRoot: fc.boolean(),
      capabilities: fc.record({
        drop: fc.subarray(['ALL', 'KILL']),
        add: fc.subarray(['NET_BIND_SERVICE', 'CHOWN', 'SYS_ADMIN']),
      }),
      seccompProfile: fc.record({ type: fc.constantFrom('RuntimeDefault', 'Unconfined') }),
      procMount: fc.constantFrom('Default', 'Unmasked'),
    },
    { requiredKeys: [] },
  );
  const minor = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(latest));
  fc.assert(
    fc.property(securityContext, fc.boolean(), minor, (context, hostUsers, version) => {
      const of = subject({ securityContext: context }, { hostUsers });
      if (reasons('restricted', version, of).length > 0) return;
      assert.deepEqual(reasons('baseline', version, of), []);
    }),
  );
});

test('labels: levels, versions, mistakes', () => {
  const label = (mode: string) => `pod-security.kubernetes.io/${mode}`;
  const read = policyOf({
    [label('enforce')]: 'baseline',
    [label('enforce-version')]: 'v1.20',
    [label('warn')]: 'restricted',
  });
  assert.deepEqual(
    [describeLevel(read.policy.enforce), describeLevel(read.policy.warn)],
    ['baseline:v1.20', 'restricted:latest'],
  );
  assert.equal(read.policy.audit.level, 'privileged');
  const wrong = policyOf({ [label('enforce')]: 'x', [label('warn')]: 'y', [label('audit-version')]: 'v2' });
  assert.deepEqual([wrong.policy.enforce.level, wrong.policy.warn.level], ['restricted', 'privileged']);
  assert.equal(wrong.errors.length, 3);
});
