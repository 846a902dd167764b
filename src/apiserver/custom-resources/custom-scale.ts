import type { JsonObject } from '../../core/json.ts';
import { simplePath, valueAt } from '../../kube/crd/scale.ts';
import { isJsonObject } from '../../kube/patch/json-object.ts';
import type { CustomResourceSubresourceScale } from '../../kube/types.gen.ts';
import type { ScaleAccess } from '../registry/scale.ts';

/** How the scale of a custom resource is read and set, by the paths of its definition. */
export function customScale(scale: CustomResourceSubresourceScale): ScaleAccess {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  const number = (object: object, path: string) => {
    const value = valueAt(object as JsonObject, path);
    return typeof value === 'number' ? value : 0;
  };
  return {
    replicasOf: (object) => number(object, specReplicasPath),
    statusReplicasOf: (object) => number(object, statusReplicasPath),
    managedPath: simplePath(specReplicasPath).map((name) => `f:${name}`),
    setReplicas(object, replicas) {
      const names = simplePath(specReplicasPath);
      let parent: Record<string, unknown> = object;
      for (const name of names.slice(0, -1)) {
        const inner = parent[name];
        const next: Record<string, unknown> = isJsonObject(inner as JsonObject) ? { ...(inner as JsonObject) } : {};
        parent[name] = next;
        parent = next;
      }
      parent[names.at(-1) ?? ''] = replicas;
    },
    selectorOf(object) {
      const value = labelSelectorPath ? valueAt(object as unknown as JsonObject, labelSelectorPath) : undefined;
      return typeof value === 'string' ? value : '';
    },
  };
}
