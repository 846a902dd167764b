import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRelays } from './relay-rules.ts';

test('connections that the machine does not know go to the one that does', () => {
  const targets = new Map([
    ['192.0.2.9', '198.18.0.12'],
    ['192.0.2.1', '198.18.0.11'],
  ]);
  assert.equal(
    compileRelays('ip', 'relays', targets),
    `table ip relays {}
delete table ip relays
table ip relays {
  set addresses {
    type ipv4_addr
    elements = { 192.0.2.1, 192.0.2.9 }
  }
  map holders {
    type ipv4_addr : ipv4_addr
    elements = { 192.0.2.1 : 198.18.0.11, 192.0.2.9 : 198.18.0.12 }
  }
  chain relay {
    type filter hook prerouting priority -150; policy accept;
    ct state { new, invalid } tcp flags & (syn | rst | ack) != syn ip ttl > 8 ip daddr @addresses goto hand-over
  }
  chain hand-over {
    ip ttl set 8 dup to ip daddr map @holders drop
  }
}
`,
  );
});

test('with nothing to relay there is no table', () => {
  assert.equal(compileRelays('ip6', 'relays', new Map()), 'table ip6 relays {}\ndelete table ip6 relays\n');
});
