/**
 * Writes src/apiserver/rbac/bootstrap.gen.json: the objects that every Kubernetes cluster is born with (roles,
 * bindings, priority classes, namespaces, flow control), as data without what a server fills in.
 *
 *     node tools/generate-bootstrap.ts FACTS_DIRECTORY
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

type Recorded = Record<string, unknown> & { metadata: Record<string, unknown> };

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: node tools/generate-bootstrap.ts FACTS_DIRECTORY');
const read = (name: string) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as Record<string, Recorded[]>;
const rbac = read('bootstrap-rbac.json');
const other = read('bootstrap-other.json');

function tidied(object: Recorded): Recorded {
  const { status: _, metadata, ...rest } = object;
  const { generation: __, ...kept } = metadata;
  return { metadata: kept, ...rest };
}

function namespace(object: Recorded): Recorded {
  return { metadata: { name: object.metadata['name'] } };
}

const data = {
  namespaces: (other['namespaces'] ?? []).map(namespace),
  clusterroles: (rbac['clusterroles'] ?? []).map(tidied),
  clusterrolebindings: (rbac['clusterrolebindings'] ?? []).map(tidied),
  roles: (rbac['roles'] ?? []).map(tidied),
  rolebindings: (rbac['rolebindings'] ?? []).map(tidied),
  priorityclasses: (other['priorityclasses'] ?? []).map(tidied),
  prioritylevelconfigurations: (other['prioritylevelconfigurations'] ?? []).map(tidied),
  flowschemas: (other['flowschemas'] ?? []).map(tidied),
};
// One object a line: differences stay readable, and the file small.
const section = ([name, list]: [string, Recorded[]]) =>
  `"${name}":[\n${list.map((o) => JSON.stringify(o)).join(',\n')}\n]`;
const text = `{\n${Object.entries(data).map(section).join(',\n')}\n}\n`;
writeFileSync(new URL('../src/apiserver/rbac/bootstrap.gen.json', import.meta.url), text);
