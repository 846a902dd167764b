import { isObject } from '../../core/json.ts';
import { type FieldError, invalid as invalidField, notSupported } from '../../kube/field-error.ts';
import { decodeEnvelope, openEnvelope } from '../../kube/protobuf/decode.ts';
import { ProtobufError } from '../../kube/protobuf/wire-reader.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import { decode } from '../../kube/schema/decode.ts';
import { StatusError } from '../../kube/status-error.ts';
import type { Call } from '../answer.ts';
import { badRequest, invalid } from '../errors.ts';
import { protobufType } from '../media-type.ts';
import { dryRunErrors } from '../options.ts';
import type { Query } from '../query.ts';
import { isTrue } from '../request-info.ts';
import { parseBody, SyntaxFault } from './codec.ts';

export type Propagation = 'Orphan' | 'Background' | 'Foreground';

/** metav1.DeleteOptions. */
export interface DeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly propagationPolicy: Propagation | undefined;
  readonly orphanDependents: boolean | undefined;
  readonly dryRun: boolean;
}

/** From the body, where there is one, else from the query. Throws BadRequest or Invalid in upstream's words. */
export async function readDeleteOptions(call: Call): Promise<DeleteOptions> {
  const body = await call.body();
  const isEmpty = body.type === 'bytes' ? body.bytes.length === 0 : body.value === undefined;
  const raw = isEmpty ? fromQuery(call.query) : fromBody(body, call.contentType);
  const errors = optionErrors(raw);
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  const { gracePeriodSeconds, orphanDependents, propagationPolicy, preconditions, dryRun } = raw;
  return {
    gracePeriodSeconds: typeof gracePeriodSeconds === 'number' ? gracePeriodSeconds : undefined,
    preconditions: isObject(preconditions) ? preconditions : undefined,
    propagationPolicy: typeof propagationPolicy === 'string' ? (propagationPolicy as Propagation) : undefined,
    orphanDependents: typeof orphanDependents === 'boolean' ? orphanDependents : undefined,
    dryRun: Array.isArray(dryRun) && dryRun.length > 0,
  };
}

type Raw = Readonly<Record<string, unknown>>;

function fromBody(body: Parameters<typeof parseBody>[0], contentType: string): Raw {
  const isProtobuf = body.type === 'bytes' && contentType === protobufType;
  let value: unknown;
  try {
    value = isProtobuf ? parseProtobuf(body.bytes) : (parseBody(body, contentType).value ?? {});
  } catch (thrown) {
    if (thrown instanceof ProtobufError) throw badRequest(thrown.message);
    if (!(thrown instanceof SyntaxFault)) throw thrown;
    throw badRequest(`couldn't get version/kind; json parse error: ${thrown.message}`);
  }
  const kind = isObject(value) && typeof value['kind'] === 'string' ? value['kind'] : 'DeleteOptions';
  const version = isObject(value) && typeof value['apiVersion'] === 'string' ? value['apiVersion'] : 'v1';
  if (kind !== 'DeleteOptions' && kind !== '') {
    const where = 'in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"';
    throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(version)} ${where}`);
  }
  const schema = findSchema('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  if (schema === undefined) return isObject(value) ? value : {};
  try {
    return decode(schema, value, { fieldValidation: 'Ignore', groupVersionKind: { version, kind } }).object;
  } catch (thrown) {
    // Upstream gives the decoder's own words here, without the kind around them.
    if (!(thrown instanceof StatusError)) throw thrown;
    throw badRequest(thrown.message.replace(/^.*? cannot be handled as a DeleteOptions: /, ''));
  }
}

function parseProtobuf(bytes: Buffer): unknown {
  const envelope = openEnvelope(bytes);
  const named = { ...envelope, apiVersion: envelope.apiVersion || 'v1', kind: envelope.kind || 'DeleteOptions' };
  return decodeEnvelope(named) ?? { apiVersion: named.apiVersion, kind: named.kind };
}

function fromQuery(query: Query): Raw {
  const grace = query.get('gracePeriodSeconds');
  if (grace !== undefined && !/^[+-]?\d+$/.test(grace)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  }
  const orphan = query.get('orphanDependents');
  const policy = query.get('propagationPolicy');
  const uid = query.get('preconditions.uid');
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(orphan === undefined ? {} : { orphanDependents: isTrue(orphan) }),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    ...(uid === undefined ? {} : { preconditions: { uid } }),
    ...(query.has('dryRun') ? { dryRun: query.all('dryRun') } : {}),
  };
}

function optionErrors(raw: Raw): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { propagationPolicy: policy, orphanDependents, dryRun } = raw;
  if (policy !== undefined && orphanDependents !== undefined) {
    errors.push(
      invalidField('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  }
  if (policy !== undefined && policy !== 'Foreground' && policy !== 'Background' && policy !== 'Orphan') {
    errors.push(notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  }
  if (Array.isArray(dryRun)) errors.push(...dryRunErrors(dryRun.map(String)));
  return errors;
}
