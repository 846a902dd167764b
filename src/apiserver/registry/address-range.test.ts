import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AddressRange } from './address-range.ts';

describe('an address range', () => {
  it('has all addresses but those of the network and of broadcast', () => {
    const range = new AddressRange('10.43.0.0/24');
    assert.equal(range.firstAddress, '10.43.0.1');
    for (const [address, expected] of [
      ['10.43.0.0', false],
      ['10.43.0.1', true],
      ['10.43.0.254', true],
      ['10.43.0.255', false],
      ['10.44.0.1', false],
      ['fd00::1', false],
      ['x', false],
    ] as const) {
      assert.equal(range.has(address), expected, address);
    }
  });

  it('offers every address once, the lower band last', () => {
    const range = new AddressRange('10.43.0.0/24');
    const all = [...range.candidates()];
    assert.equal(new Set(all).size, 254);
    const lower = all.slice(-16).map((address) => Number(address.split('.')[3]));
    assert.ok(lower.every((last) => last >= 1 && last <= 16));
  });

  it('offers addresses of IPv6 too, without end in sight', () => {
    const range = new AddressRange('fd00:10::/108');
    assert.equal(range.family, 'IPv6');
    const first = range.candidates().next().value ?? '';
    assert.ok(range.has(first));
  });
});
