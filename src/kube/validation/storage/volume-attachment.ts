import { type FieldError, forbidden, invalid, required, tooLong } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import type { VolumeAttachment, VolumeAttachmentSource, VolumeError } from '../../types.gen.ts';
import { type Errors, each, entriesOf, fieldIsImmutable, inRange } from '../common.ts';
import { validateInlineVolume } from '../core/persistent-volume.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';

const metadataBytesMax = 256 * 1024;
const messageBytesMax = 1024;

/** New attachments are held to more than updates are: the driver's and the volume's name. */
export function validateVolumeAttachment(attachment: VolumeAttachment): readonly FieldError[] {
  return [...attachmentErrors(attachment), ...nameErrors(attachment)];
}

export function validateVolumeAttachmentUpdate(
  attachment: VolumeAttachment,
  old: VolumeAttachment,
): readonly FieldError[] {
  // Upstream's strategy checks the whole object, and the check of the update does again.
  const whole = [...validateObjectMeta(attachment.metadata, { namespaced: false }), ...attachmentErrors(attachment)];
  return [...whole, ...whole, ...specUpdateErrors(attachment, old)];
}

function* specUpdateErrors(attachment: VolumeAttachment, old: VolumeAttachment): Errors {
  const form = internalForm('VolumeAttachmentSpec', attachment.spec ?? {});
  const former = internalForm('VolumeAttachmentSpec', old.spec ?? {});
  if (!semanticallyEqual(form, former)) yield invalid('spec', form, fieldIsImmutable);
}

function* attachmentErrors({ spec, status }: VolumeAttachment): Errors {
  const { attacher = '', source, nodeName = '' } = spec ?? {};
  if (attacher === '') yield required('spec.attacher');
  yield* sourceErrors(source ?? {}, 'spec.source');
  yield* each(nameIsDnsSubdomain(nodeName, false), 'spec.nodeName', nodeName);
  yield* metadataErrors(status?.attachmentMetadata, 'status.attachmentMetadata');
  yield* volumeErrorErrors(status?.attachError, 'status.attachError');
  yield* volumeErrorErrors(status?.detachError, 'status.detachError');
}

function* sourceErrors(source: VolumeAttachmentSource, field: string): Errors {
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source;
  const exactlyOne = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inline !== undefined && name !== undefined) yield forbidden(field, exactlyOne);
  else if (inline !== undefined) yield* validateInlineVolume(inline, `${field}.inlineVolumeSpec`);
  else if (name === undefined) yield required(field, exactlyOne);
  else if (name === '') yield required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName');
}

function* nameErrors({ spec }: VolumeAttachment): Errors {
  yield* validateCsiDriverName(spec?.attacher ?? '', 'spec.attacher');
  const name = spec?.source?.persistentVolumeName;
  if (name !== undefined) yield* each(nameIsDnsSubdomain(name, false), 'spec.source.persistentVolumeName', name);
}

function* metadataErrors(metadata: Readonly<Record<string, string>> | undefined, field: string): Errors {
  let bytes = 0;
  for (const [key, value] of entriesOf(metadata)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (bytes > metadataBytesMax) yield tooLong(field, metadataBytesMax);
}

function* volumeErrorErrors(error: VolumeError | undefined, field: string): Errors {
  if (error === undefined) return;
  if (Buffer.byteLength(error.message ?? '') > messageBytesMax) yield tooLong(`${field}.message`, messageBytesMax);
  if (error.errorCode !== undefined) yield* inRange(error.errorCode, 0, 2147483647, `${field}.errorCode`);
}
