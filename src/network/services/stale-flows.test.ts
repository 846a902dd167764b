import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlows } from '../../engines/conntrack/conntrack.ts';
import { UdpFronts } from './stale-flows.ts';

const nodeAddresses = new Set(['192.0.2.1']);
const flow = (destination: string, destinationPort: number, answering: string, answeringPort: number) => ({
  destination,
  destinationPort,
  answering,
  answeringPort,
});
const serving = (...endpoints: readonly string[]) => new Set(endpoints);

test('flows to endpoints that are gone are stale, those to serving ones and of others are not', () => {
  const fronts = new UdpFronts();
  fronts.set('dns', [{ address: '10.43.0.5', port: 53, serving: serving('10.42.0.2 53') }]);
  const gone = flow('10.43.0.5', 53, '10.42.0.9', 53);
  const { stale } = fronts.take();
  assert.deepEqual(
    stale([gone, flow('10.43.0.5', 53, '10.42.0.2', 53), flow('8.8.8.8', 53, '8.8.8.8', 53)], nodeAddresses),
    [gone],
  );
});

test('a flow that was never rewritten is stale once there is an endpoint', () => {
  const fronts = new UdpFronts();
  const unanswered = flow('10.43.0.5', 53, '10.43.0.5', 53);
  fronts.set('dns', [{ address: '10.43.0.5', port: 53, serving: serving() }]);
  assert.deepEqual(fronts.take().stale([unanswered], nodeAddresses), []);
  fronts.set('dns', [{ address: '10.43.0.5', port: 53, serving: serving('10.42.0.2 53') }]);
  assert.ok(fronts.isChanged);
  assert.deepEqual(fronts.take().stale([unanswered], nodeAddresses), [unanswered]);
});

test('a node port is meant by any address of the node, and not by flows that pass it by', () => {
  const fronts = new UdpFronts();
  fronts.set('dns', [{ address: undefined, port: 30053, serving: serving('10.42.0.2 53') }]);
  const passing = flow('198.51.100.1', 30053, '198.51.100.1', 30053);
  const own = flow('192.0.2.1', 30053, '192.0.2.1', 30053);
  const former = flow('198.18.0.1', 30053, '10.42.0.9', 53);
  assert.deepEqual(fronts.take().stale([passing, own, former], nodeAddresses), [own, former]);
});

test('flows of a Service that is gone are stale, until another has its address', () => {
  const fronts = new UdpFronts();
  fronts.set('dns', [{ address: '10.43.0.5', port: 53, serving: serving('10.42.0.2 53') }]);
  fronts.take();
  fronts.set('dns', []);
  const old = flow('10.43.0.5', 53, '10.42.0.2', 53);
  assert.deepEqual(fronts.take().stale([old], nodeAddresses), [old]);
  assert.equal(fronts.isChanged, false);
  fronts.set('dns', [{ address: '10.43.0.5', port: 53, serving: serving('10.42.0.2 53') }]);
  assert.deepEqual(fronts.take().stale([old], nodeAddresses), []);
});

test('setting the same again is no change', () => {
  const fronts = new UdpFronts();
  const front = { address: '10.43.0.5', port: 53, serving: serving('10.42.0.2 53') };
  fronts.set('dns', [front]);
  fronts.take();
  fronts.set('dns', [{ ...front, serving: serving('10.42.0.2 53') }]);
  assert.equal(fronts.isChanged, false);
});

test('what conntrack prints is read, in both families and states', () => {
  const text = [
    'udp      17 29 src=10.42.0.2 dst=10.43.0.5 sport=40001 dport=53 [UNREPLIED] src=10.42.0.9 dst=10.42.0.2 sport=8053 dport=40001 mark=0 use=1',
    'udp      17 119 src=fd00::2 dst=fd00:43::5 sport=1 dport=53 src=fd00::9 dst=fd00::2 sport=53 dport=1 [ASSURED] mark=0 use=1',
    'udp      17 119 src=fd00::2 dst=fd00:43::5 sport=2 dport=53 src=fd00::9 dst=fd00::2 sport=53 dport=2 [ASSURED] mark=0 use=1',
  ].join('\n');
  assert.deepEqual(parseFlows(text), [flow('10.43.0.5', 53, '10.42.0.9', 8053), flow('fd00:43::5', 53, 'fd00::9', 53)]);
});
