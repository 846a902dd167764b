/** The backends that the shorter run leaves out, each through the same. */
import { testBackend } from './pod-network-world.ts';

testBackend('host-gw');
testBackend('ipsec');
