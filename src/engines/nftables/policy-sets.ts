import type { PolicyRules, PolicySet } from './policy-rules.ts';

/** Elements of one command. */
const elementsMax = 500;

type Frame = Pick<PolicyRules, 'families'>;
type Kind = PolicySet['kind'];

/** nft sets are of one family: `NAME-4` and `NAME-6`. Ports have none. */
export function familiesOf({ families }: Frame, kind: Kind): readonly string[] {
  return kind === 'ports' ? [''] : families.map((family) => `-${family}`);
}

/** The suffix of the sets that an address or a range of addresses belongs in. */
export function suffixOf(element: string): '-4' | '-6' {
  return element.includes(':') ? '-6' : '-4';
}

export function declareSets(table: string, frame: Frame, name: string, { kind }: PolicySet): string[] {
  return familiesOf(frame, kind).map((suffix) => {
    const type = kind === 'ports' ? 'inet_service' : suffix === '-6' ? 'ipv6_addr' : 'ipv4_addr';
    const flags = kind === 'addresses' ? '' : ' flags interval;';
    return `add set inet ${table} ${name}${suffix} { type ${type};${flags} }`;
  });
}

export function addElements(table: string, frame: Frame, name: string, kind: Kind, elements: readonly string[]) {
  return elementCommands('add', table, frame, name, kind, elements);
}

export function deleteElements(table: string, frame: Frame, name: string, kind: Kind, elements: readonly string[]) {
  return elementCommands('delete', table, frame, name, kind, elements);
}

// Elements of a family that the cluster doesn't have match no packet, and there is no set for them.
function elementCommands(
  verb: 'add' | 'delete',
  table: string,
  frame: Frame,
  name: string,
  kind: Kind,
  elements: readonly string[],
): string[] {
  return familiesOf(frame, kind).flatMap((suffix) => {
    const own = suffix === '' ? elements : elements.filter((element) => suffixOf(element) === suffix);
    const commands: string[] = [];
    for (let at = 0; at < own.length; at += elementsMax) {
      const part = own.slice(at, at + elementsMax).join(', ');
      commands.push(`${verb} element inet ${table} ${name}${suffix} { ${part} }`);
    }
    return commands;
  });
}
