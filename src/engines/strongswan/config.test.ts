import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compileSettings,
  compileTunnel,
  type IpsecSettings,
  type IpsecTunnel,
  isFailure,
  tunnelStates,
} from './config.ts';

const tunnel: IpsecTunnel = {
  name: 'n2/4',
  ownNode: 'n1',
  peerNode: 'n2',
  ownAddress: '192.0.2.1',
  peerAddress: '192.0.2.2',
  ownRange: '10.42.1.0/24',
  peerRange: '10.42.2.0/24',
};
const settings: IpsecSettings = {
  driver: 'kernel',
  identity: { kind: 'certificate', certificate: 'OWN', key: 'KEY', authority: 'CA' },
  espProposal: 'aes128gcm16-sha256-prfsha256-ecp256',
  udpEncap: false,
};

test('a tunnel is a connection with one child, by certificate, through the interface', () => {
  assert.deepEqual(compileTunnel(tunnel, settings), {
    'n2/4': {
      version: '2',
      local_addrs: ['192.0.2.1'],
      remote_addrs: ['192.0.2.2'],
      proposals: ['aes128gcm16-prfsha256-x25519', 'aes128gcm16-prfsha256-ecp256'],
      encap: 'no',
      mobike: 'no',
      dpd_delay: '10s',
      rekey_time: '14400s',
      keyingtries: '0',
      unique: 'replace',
      local: { auth: 'pubkey', id: 'O=system:nodes, CN=system:node:n1', certs: ['OWN'] },
      remote: { auth: 'pubkey', id: 'O=system:nodes, CN=system:node:n2', cacerts: ['CA'] },
      children: {
        pods: {
          mode: 'tunnel',
          local_ts: ['10.42.1.0/24'],
          remote_ts: ['10.42.2.0/24'],
          esp_proposals: ['aes128gcm16-sha256-prfsha256-ecp256'],
          rekey_time: '3600s',
          replay_window: '256',
          dpd_action: 'restart',
          start_action: 'start',
          close_action: 'start',
          if_id_in: '87',
          if_id_out: '87',
        },
      },
    },
  });
});

test('of two nodes one begins; libipsec needs UDP; a shared secret replaces certificates', () => {
  const identity = { kind: 'secret', secret: 's' } as const;
  const other = { ...tunnel, name: 'n0/4', peerNode: 'n0' };
  const { 'n0/4': connection } = compileTunnel(other, { ...settings, driver: 'libipsec', identity });
  assert.match(
    JSON.stringify(connection),
    /"encap":"yes".*"local":\{"auth":"psk","id":"[^"]*"\}.*"start_action":"none"/,
  );
  assert.doesNotMatch(JSON.stringify(connection), /if_id|certs/);
});

test('charon reads its own settings, and libipsec comes before the kernel', () => {
  const text = compileSettings({ driver: 'libipsec', socket: '/data/charon.vici' });
  assert.match(text, /kernel-libipsec kernel-netlink socket-default vici\n/);
  assert.match(text, /socket = unix:\/\/\/data\/charon\.vici\n/);
  assert.doesNotMatch(compileSettings({ driver: 'kernel', socket: '/s' }), /libipsec kernel/);
  assert.equal(text.match(/\{/g)?.length, text.match(/\}/g)?.length);
});

test('a tunnel stands when one of its associations carries packets', () => {
  const child = (state: string) => ({ 'child-sas': { 'pods-1': { name: 'pods', state } } });
  const states = tunnelStates([
    { a: { state: 'CONNECTING' } },
    { b: { state: 'ESTABLISHED', ...child('INSTALLED') } },
    { a: { state: 'ESTABLISHED', ...child('REKEYING') } },
    { b: { state: 'CONNECTING' } },
    { c: { state: 'ESTABLISHED', ...child('DELETING') } },
  ]);
  assert.deepEqual(
    [...states],
    [
      ['a', 'up'],
      ['b', 'up'],
      ['c', 'empty'],
    ],
  );
});

test('of what the log says, reasons are told and the rest is not', () => {
  assert.ok(isFailure('received AUTHENTICATION_FAILED notify error'));
  assert.ok(isFailure("no trusted ECDSA public key found for 'O=system:nodes, CN=system:node:n2'"));
  assert.ok(!isFailure('IKE_SA n2/4[1] established between 192.0.2.1...192.0.2.2'));
});
