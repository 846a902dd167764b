import type { Http2ServerRequest } from 'node:http2';
import { badRequest, entityTooLarge, failure } from '../errors.ts';

/** Largest request body, bytes; upstream's limit. */
export const bodyLimitBytes = 3 * 1024 * 1024;

const empty = Buffer.alloc(0);

/**
 * Reads a request's body whole. Throws RequestEntityTooLarge as soon as it is known to exceed the limit, BadRequest
 * when the client went away in the middle of it.
 */
export function readBody(request: Http2ServerRequest, limitBytes: number = bodyLimitBytes): Promise<Buffer> {
  const length = request.headers['content-length'];
  if (length === '0') return Promise.resolve(empty);
  if (length !== undefined && Number(length) > limitBytes) {
    request.resume();
    return Promise.reject(entityTooLarge(limitBytes));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isRefused = false;
    request.on('data', (chunk: Buffer) => {
      if (isRefused) return;
      size += chunk.length;
      if (size <= limitBytes) {
        chunks.push(chunk);
        return;
      }
      isRefused = true;
      chunks.length = 0;
      reject(entityTooLarge(limitBytes));
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] ?? empty) : Buffer.concat(chunks)));
    request.on('aborted', () => reject(badRequest('unexpected EOF')));
    request.on('error', (error) => reject(failure({ code: 400, reason: 'BadRequest', message: error.message })));
  });
}
