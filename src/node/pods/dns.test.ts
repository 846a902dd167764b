import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../kube/types.gen.ts';
import { hostsFile, kernelHostname, parseResolvConf, podDns } from './dns.ts';

const cluster = { servers: ['10.43.0.10'], domain: 'cluster.local' };
const host = { servers: ['192.0.2.53'], searches: ['corp.example'], options: ['timeout:1'] };
const pod = (spec: Partial<Pod['spec']> & object): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { containers: [], ...spec },
});
const ofCluster = {
  servers: ['10.43.0.10'],
  searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example'],
  options: ['ndots:5'],
};

test('each DNS policy has its resolver', () => {
  assert.deepEqual(podDns(pod({}), cluster, host), ofCluster);
  assert.deepEqual(podDns(pod({ hostNetwork: true }), cluster, host), host);
  assert.deepEqual(podDns(pod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), cluster, host), ofCluster);
  assert.deepEqual(podDns(pod({ dnsPolicy: 'Default' }), cluster, host), host);
  assert.deepEqual(podDns(pod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'] } }), cluster, host), {
    servers: ['1.1.1.1'],
    searches: [],
    options: [],
  });
});

test('dnsConfig adds servers and searches and overrides options', () => {
  const dnsConfig = {
    nameservers: ['10.43.0.10', '9.9.9.9'],
    searches: ['a.example'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  };
  assert.deepEqual(podDns(pod({ dnsConfig }), cluster, host), {
    servers: ['10.43.0.10', '9.9.9.9'],
    searches: [...ofCluster.searches, 'a.example'],
    options: ['ndots:2', 'edns0'],
  });
});

test('resolv.conf is read as resolv.conf(5) says', () => {
  const text = '# c\nnameserver 1.1.1.1\nnameserver 2.2.2.2 ; x\nsearch old\nsearch a b. .\noptions ndots:1 rotate\n';
  assert.deepEqual(parseResolvConf(text), {
    servers: ['1.1.1.1', '2.2.2.2'],
    searches: ['a', 'b'],
    options: ['ndots:1', 'rotate'],
  });
});

test('host names come from the spec, and the hosts file names the pod', () => {
  assert.equal(kernelHostname(pod({ hostname: 'h', subdomain: 's' }), 'cluster.local'), 'h');
  assert.equal(
    kernelHostname(pod({ subdomain: 's', setHostnameAsFQDN: true }), 'cluster.local'),
    'web.s.shop.svc.cluster.local',
  );
  assert.match(hostsFile(pod({}), ['10.0.0.1', 'fd00::1'], 'cluster.local', ''), /\n10\.0\.0\.1\tweb\nfd00::1\tweb\n$/);
  const onHost = hostsFile(
    pod({ hostNetwork: true, hostAliases: [{ ip: '1.2.3.4', hostnames: ['x'] }] }),
    [],
    'd',
    '127.0.0.1 me\n',
  );
  assert.equal(
    onHost,
    '# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n\n# Entries added by HostAliases.\n1.2.3.4\tx\n',
  );
});
