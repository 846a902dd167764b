import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Decoded, decode, encode, int32, message, string } from '../../wire/protobuf.ts';
import { hostPort } from './http-get.ts';
import type { ProbeOutcome } from './outcome.ts';

const healthCheckRequest = message({ service: string(1) });
const healthCheckResponse = message({ status: int32(1) });
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const serving = 1;

/** Asks grpc.health.v1.Health/Check, without TLS; the words are kubelet's. */
export function checkGrpcHealth(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
  userAgent: string,
): Promise<ProbeOutcome> {
  const client = new Client(hostPort(host, port), credentials.createInsecure(), {
    'grpc.primary_user_agent': userAgent,
    'grpc.enable_retries': 0,
    // Each probe makes a connection of its own, as a client of the service would.
    'grpc.use_local_subchannel_pool': 1,
  });
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const deadline = Date.now() + timeoutMs;
  client.makeUnaryRequest(
    '/grpc.health.v1.Health/Check',
    (value: { readonly service: string }) => Buffer.from(encode(healthCheckRequest, value)),
    (bytes: Buffer): Decoded<typeof healthCheckResponse> => decode(healthCheckResponse, bytes),
    { service },
    new Metadata(),
    { deadline },
    (error, answer) => {
      client.close();
      if (error) resolve({ result: 'failure', output: explain(error, hostPort(host, port), timeoutMs) });
      else if (answer?.status === serving) resolve({ result: 'success', output: 'service healthy' });
      else {
        const name = servingStatuses[answer?.status ?? 0] ?? String(answer?.status);
        resolve({ result: 'failure', output: `service unhealthy (responded with ${JSON.stringify(name)})` });
      }
    },
  );
  return promise;
}

function explain(error: ServiceError, address: string, timeoutMs: number): string {
  switch (error.code) {
    case status.UNIMPLEMENTED:
      return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`;
    case status.DEADLINE_EXCEEDED:
      return `timeout: failed to connect service ${JSON.stringify(address)} within ${timeoutMs / 1000}s: context deadline exceeded`;
    case status.UNAVAILABLE:
      return `error: failed to connect service at ${JSON.stringify(address)}: ${error.details}`;
    default:
      return `error: health rpc probe failed: ${error.message}`;
  }
}
