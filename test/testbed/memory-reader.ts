import type { ClusterReader } from '../../src/apiserver/reader.ts';
import type { ChangeHandler } from '../../src/client/informer.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { groupResourceOf, keyOf, type ObjectKey, type Resource } from '../../src/kube/resource.ts';

/** A cluster's state in memory, which a test changes by hand. */
export class MemoryReader implements ClusterReader {
  private readonly objects = new Map<string, Map<string, KubeObject>>();
  private readonly handlers = new Map<string, Set<ChangeHandler<KubeObject>>>();

  put<T extends KubeObject>(resource: Resource<T>, object: Omit<T, 'apiVersion' | 'kind'>): T {
    const whole = {
      apiVersion: `${resource.group}/${resource.version}`,
      kind: resource.kind,
      ...object,
    } as unknown as T;
    const key = keyOf(whole);
    const old = this.kept(resource).get(key);
    this.kept(resource).set(key, whole);
    this.tell(resource, key, old, whole);
    return whole;
  }

  remove(resource: Resource, key: ObjectKey): void {
    const text = keyOf({ metadata: key });
    const old = this.kept(resource).get(text);
    if (old === undefined) return;
    this.kept(resource).delete(text);
    this.tell(resource, text, old, undefined);
  }

  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey): T | undefined {
    return this.kept(resource).get(keyOf({ metadata: key })) as T | undefined;
  }

  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): readonly T[] {
    const all = [...this.kept(resource).values()] as T[];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  subscribe<T extends KubeObject>(resource: Resource<T>, handler: ChangeHandler<T>): Disposable {
    const name = groupResourceOf(resource);
    const set = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, set);
    const known = handler as unknown as ChangeHandler<KubeObject>;
    set.add(known);
    for (const [key, current] of this.kept(resource)) known({ key, old: undefined, current });
    return { [Symbol.dispose]: () => void set.delete(known) };
  }

  private kept(resource: Resource): Map<string, KubeObject> {
    const name = groupResourceOf(resource);
    const map = this.objects.get(name) ?? new Map<string, KubeObject>();
    this.objects.set(name, map);
    return map;
  }

  private tell(resource: Resource, key: string, old: KubeObject | undefined, current: KubeObject | undefined): void {
    for (const handler of this.handlers.get(groupResourceOf(resource)) ?? []) handler({ key, old, current });
  }
}
