import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { configmaps } from '../kube/resources.gen.ts';
import { type Informers, type Watch, watchOf } from '../runtime/controller.ts';
import { type Configuration, type ConfigurationInput, configurationOf } from './configuration.ts';
import { configMapName, readConfigMap } from './metallb/config-map.ts';
import {
  bfdProfiles,
  bgpAdvertisements,
  bgpPeers,
  communities,
  ipAddressPools,
  l2Advertisements,
  metallbNamespace,
} from './metallb/kinds.ts';

/** Selects the older ConfigMap. */
export const olderOptions = { namespace: metallbNamespace, fieldSelector: `metadata.name=${configMapName}` };

/** The kinds that the configuration is made of. */
const kinds: readonly Resource[] = [
  ipAddressPools as Resource,
  l2Advertisements as Resource,
  bgpAdvertisements as Resource,
  bgpPeers as Resource,
  bfdProfiles as Resource,
  communities as Resource,
];

/** Watches that wake `keys` when any part of the configuration changes. */
export function configurationWatches(keys: () => readonly string[]): readonly Watch[] {
  return [...kinds.map((kind) => watchOf(kind, keys)), watchOf(configmaps, keys, olderOptions)];
}

/** Reads the configuration that stands, from informers that are in. */
export function readConfiguration(informers: Informers): Configuration {
  const list = <T extends KubeObject>(kind: Resource<T>) => informers.of(kind).list();
  const input: ConfigurationInput = {
    pools: list(ipAddressPools),
    l2Advertisements: list(l2Advertisements),
    bgpAdvertisements: list(bgpAdvertisements),
    bgpPeers: list(bgpPeers),
    bfdProfiles: list(bfdProfiles),
    communities: list(communities),
  };
  const older = informers.of(configmaps, olderOptions).get(`${metallbNamespace}/${configMapName}`);
  if (older === undefined) return configurationOf(input);
  const read = readConfigMap(older);
  const both: ConfigurationInput = {
    pools: [...input.pools, ...read.input.pools],
    l2Advertisements: [...input.l2Advertisements, ...read.input.l2Advertisements],
    bgpAdvertisements: [...input.bgpAdvertisements, ...read.input.bgpAdvertisements],
    bgpPeers: [...input.bgpPeers, ...read.input.bgpPeers],
    bfdProfiles: [...input.bfdProfiles, ...read.input.bfdProfiles],
    communities: [...input.communities, ...read.input.communities],
  };
  return read.told(configurationOf(both));
}
