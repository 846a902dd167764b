/** Measures the network: `./wherry bench network`. */
import { benchPodnet } from './network/podnet.ts';

await benchPodnet();
