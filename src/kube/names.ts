/**
 * The syntax of names, labels and other small strings (k8s.io/apimachinery/pkg/util/validation). Each function returns
 * what is wrong in Kubernetes' own words, nothing when the value is fine.
 */

const labelFormat = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainFormat = `${labelFormat}(\\.${labelFormat})*`;
const labelUnderscoreFormat = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const subdomainUnderscoreFormat = `${labelUnderscoreFormat}(\\.${labelUnderscoreFormat})*`;
const label1035Format = '[a-z]([-a-z0-9]*[a-z0-9])?';
const labelKeyFormat = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValueFormat = `(${labelKeyFormat})?`;
const pathFormat = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const identifierFormat = '[A-Za-z_][A-Za-z0-9_]*';
const environmentFormat = '[-._a-zA-Z][-._a-zA-Z0-9]*';
const headerFormat = '[-A-Za-z0-9]+';
const configKeyFormat = '[-._a-zA-Z0-9]+';
const percentFormat = '[0-9]+%';

const labelPattern = whole(labelFormat);
const subdomainPattern = whole(subdomainFormat);
const subdomainUnderscorePattern = whole(subdomainUnderscoreFormat);
const wildcardPattern = whole(`\\*\\.${subdomainFormat}`);
const label1035Pattern = whole(label1035Format);
const labelKeyPattern = whole(labelKeyFormat);
const labelValuePattern = whole(labelValueFormat);
const pathPattern = whole(pathFormat);
const identifierPattern = whole(identifierFormat);
const environmentPattern = whole(environmentFormat);
const headerPattern = whole(headerFormat);
const configKeyPattern = whole(configKeyFormat);
const percentPattern = whole(percentFormat);

const labelMessage =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const subdomainMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const subdomainUnderscoreMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
const label1035Message =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const labelKeyMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const labelValueMessage =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

function whole(format: string): RegExp {
  return new RegExp(`^(?:${format})$`);
}

/** `MESSAGE (e.g. 'a',  or 'b', regex used for validation is 'FORMAT')`. */
export function regexError(message: string, format: string, ...examples: readonly string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${format}')`;
  const quoted = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${quoted}regex used for validation is '${format}')`;
}

export const emptyError = 'must be non-empty';

export function maxLengthError(length: number): string {
  return `must be no more than ${length} characters`;
}

/** The same where Kubernetes counts (and says) bytes: label keys and values. */
function maxBytesError(length: number): string {
  return `must be no more than ${length} bytes`;
}

export function inclusiveRangeError(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** Length in bytes, as Go counts it. */
function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** A label as RFC 1123 has it, 63 characters at most. */
export function isDns1123Label(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 63) errors.push(maxLengthError(63));
  if (!labelPattern.test(value)) {
    if (subdomainPattern.test(value)) errors.push('must not contain dots');
    else errors.push(regexError(labelMessage, labelFormat, 'my-name', '123-abc'));
  }
  return errors;
}

/** Labels joined by dots, 253 characters at most. */
export function isDns1123Subdomain(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 253) errors.push(maxLengthError(253));
  if (!subdomainPattern.test(value)) errors.push(regexError(subdomainMessage, subdomainFormat, 'example.com'));
  return errors;
}

/** The same with underscores, for DNS names that pods search. */
export function isDns1123SubdomainWithUnderscore(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 253) errors.push(maxLengthError(253));
  if (!subdomainUnderscorePattern.test(value)) {
    errors.push(regexError(subdomainUnderscoreMessage, subdomainUnderscoreFormat, 'example.com'));
  }
  return errors;
}

/** A label that starts with a letter, as RFC 1035 has it: the names of Services. */
export function isDns1035Label(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 63) errors.push(maxLengthError(63));
  if (!label1035Pattern.test(value)) errors.push(regexError(label1035Message, label1035Format, 'my-name', 'abc-123'));
  return errors;
}

/** `*.` and a subdomain: hosts of Ingress rules. */
export function isWildcardDns1123Subdomain(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 253) errors.push(maxLengthError(253));
  if (!wildcardPattern.test(value)) {
    errors.push(
      regexError(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        `\\*\\.${subdomainFormat}`,
        '*.example.com',
      ),
    );
  }
  return errors;
}

/** A label key: `[prefix/]name`. Also names of resources, conditions and taints. */
export function isQualifiedName(value: string): readonly string[] {
  const errors: string[] = [];
  const parts = value.split('/');
  if (parts.length > 2) {
    const format = regexError(labelKeyMessage, labelKeyFormat, 'MyName', 'my.name', '123-abc');
    return [`a valid label key ${format} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') errors.push(`prefix part ${emptyError}`);
    else for (const error of isDns1123Subdomain(prefix)) errors.push(`prefix part ${error}`);
  }
  const name = parts.at(-1) ?? '';
  if (name === '') errors.push(`name part ${emptyError}`);
  else if (byteLength(name) > 63) errors.push(`name part ${maxBytesError(63)}`);
  if (!labelKeyPattern.test(name)) {
    errors.push(`name part ${regexError(labelKeyMessage, labelKeyFormat, 'MyName', 'my.name', '123-abc')}`);
  }
  return errors;
}

/** The value of a label: empty, or at most 63 characters. */
export function isLabelValue(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 63) errors.push(maxBytesError(63));
  if (!labelValuePattern.test(value)) {
    errors.push(regexError(labelValueMessage, labelValueFormat, 'MyValue', 'my_value', '12345'));
  }
  return errors;
}

/** A subdomain of at least three labels: names of webhooks. An empty one is for the caller to refuse as required. */
export function isFullyQualifiedName(value: string): readonly string[] {
  const errors = isDns1123Subdomain(value);
  if (errors.length > 0) return errors;
  return value.split('.').length < 3 ? ['should be a domain with at least three segments separated by dots'] : [];
}

/** A fully qualified domain name, an optional dot at its end: at least two labels. */
export function isFullyQualifiedDomainName(value: string): readonly string[] {
  const name = value.endsWith('.') ? value.slice(0, -1) : value;
  if (name === '') return [emptyError];
  const errors = isDns1123Subdomain(name);
  if (errors.length > 0) return errors;
  const labels = name.split('.');
  if (labels.length < 2) return ['should be a domain with at least two segments separated by dots'];
  return labels.flatMap((label) => isDns1123Label(label));
}

/** `domain/path`: finalizers, signer names, allowed host paths. */
export function isDomainPrefixedPath(value: string): readonly string[] {
  if (value === '') return [emptyError];
  const slash = value.indexOf('/');
  const domain = slash < 0 ? value : value.slice(0, slash);
  const path = slash < 0 ? '' : value.slice(slash + 1);
  if (slash < 0 || domain === '' || path === '') return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  const errors = isDns1123Subdomain(domain).map((error) => `domain part ${error}`);
  if (!pathPattern.test(path)) {
    errors.push(`path part ${regexError('must be a valid path segment', pathFormat)}`);
  }
  return errors;
}

/** `domain/name`, the name shaped as a label key. */
export function isDomainPrefixedKey(value: string): readonly string[] {
  const errors: string[] = [];
  if (value === '') return [emptyError];
  if (!value.includes('/')) errors.push('must be a domain-prefixed key (such as "acme.io/foo")');
  return [...errors, ...isQualifiedName(value)];
}

export function isCIdentifier(value: string): readonly string[] {
  if (identifierPattern.test(value)) return [];
  return [
    regexError(
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
      identifierFormat,
      'my_name',
      'MY_NAME',
      'MyName',
    ),
  ];
}

/** The name of an environment variable as it was until 1.33. */
export function isEnvVarName(value: string): readonly string[] {
  const errors: string[] = [];
  if (!environmentPattern.test(value)) {
    errors.push(
      regexError(
        "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
        environmentFormat,
        'my.env-name',
        'MY_ENV.NAME',
        'MyEnvName1',
      ),
    );
  }
  return [...errors, ...hasDotChunks(value)];
}

/** The name of an environment variable: printable ASCII but for `=` (KEP-4369). */
export function isRelaxedEnvVarName(value: string): readonly string[] {
  if (value === '') return [`environment variable name ${emptyError}`];
  const fine = /^[\x20-\x7e]*$/.test(value) && !value.includes('=');
  return fine
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** A key of a ConfigMap or Secret. */
export function isConfigMapKey(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 253) errors.push(maxLengthError(253));
  if (!configKeyPattern.test(value)) {
    errors.push(
      regexError(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        configKeyFormat,
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    );
  }
  return [...errors, ...hasDotChunks(value)];
}

function hasDotChunks(value: string): readonly string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}

export function isHttpHeaderName(value: string): readonly string[] {
  if (headerPattern.test(value)) return [];
  return [
    regexError("a valid HTTP header must consist of alphanumeric characters or '-'", headerFormat, 'X-Header-Name'),
  ];
}

export function isPortNumber(port: number): readonly string[] {
  return isInRange(port, 1, 65535);
}

export function isInRange(value: number, low: number, high: number): readonly string[] {
  return value >= low && value <= high ? [] : [inclusiveRangeError(low, high)];
}

/** The name of a port as IANA has it (RFC 6335): 15 characters with a letter among them. */
export function isPortName(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 15) errors.push(maxLengthError(15));
  if (!/^[-a-z0-9]+$/.test(value))
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

/** User and group ids of Linux. */
export function isUserId(id: number): readonly string[] {
  return isInRange(id, 0, 2147483647);
}

export function isPercent(value: string): readonly string[] {
  if (percentPattern.test(value)) return [];
  return [
    regexError("a valid percent string must be a numeric string followed by an ending '%'", percentFormat, '1%', '93%'),
  ];
}

// Names of objects. A `prefix` (generateName) may end with a dash, because a suffix follows it.

/** Checks metadata.name of a kind; `prefix` is true for generateName. */
export type NameCheck = (name: string, prefix: boolean) => readonly string[];

function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name;
}

export const nameIsDnsSubdomain: NameCheck = (name, prefix) =>
  isDns1123Subdomain(prefix ? maskTrailingDash(name) : name);

export const nameIsDnsLabel: NameCheck = (name, prefix) => isDns1123Label(prefix ? maskTrailingDash(name) : name);

export const nameIsDns1035Label: NameCheck = (name, prefix) => isDns1035Label(prefix ? maskTrailingDash(name) : name);

/** What can stand as one element of a URL's path: names of RBAC objects. */
export const nameIsPathSegment: NameCheck = (name, prefix) => {
  const errors: string[] = [];
  if (!prefix && (name === '.' || name === '..')) return [`may not be '${name}'`];
  for (const character of ['/', '%']) if (name.includes(character)) errors.push(`may not contain '${character}'`);
  return errors;
};
