import {
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  status as grpcStatus,
  type ServiceError,
} from '@grpc/grpc-js';
import { TransientError, WherryError } from '../../core/errors.ts';
import { type Decoded, decode, type Encodable, encode, type Fields, type Message } from '../../wire/protobuf.ts';
import * as cri from './cri-messages.ts';

/** What a container runtime answered instead of doing what it was asked for. */
export class CriError extends WherryError {
  /** The gRPC status, e.g. 5 for NOT_FOUND. */
  readonly grpcCode: number;

  constructor(method: string, error: ServiceError) {
    super('CRI_FAILED', error.details || error.message, { cause: error });
    this.grpcCode = error.code;
    this.method = method;
  }
  /** E.g. `CreateContainer`. */
  readonly method: string;
}

/** The runtime does not know the container, sandbox or image. */
export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof CriError && thrown.grpcCode === grpcStatus.NOT_FOUND;
}

/** The runtime does not have this method. */
export function isUnimplemented(thrown: unknown): boolean {
  return thrown instanceof CriError && thrown.grpcCode === grpcStatus.UNIMPLEMENTED;
}

/** The call took longer than its time. */
export function isDeadlineExceeded(thrown: unknown): boolean {
  return thrown instanceof CriError && thrown.grpcCode === grpcStatus.DEADLINE_EXCEEDED;
}

export interface CallTime {
  /** Milliseconds until the call is given up. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Milliseconds that a call may take where the caller says nothing: kubelet's --runtime-request-timeout. */
const defaultTimeoutMs = 120_000;
/** CRI answers (lists above all) are at most this long, in bytes: kubelet's own bound. */
const messageBytesMax = 16 * 1024 * 1024;

/** Those of containerd's events (api/events) that tell of an end; who starts something knows it without them. */
const taskEvents = { filters: ['topic~="^/tasks/(exit|delete|oom)"'] };

type Call<Q extends Message, R extends Message> = (request: Encodable<Q>, time?: CallTime) => Promise<Decoded<R>>;

/** The container runtime's RuntimeService and ImageService (CRI v1). Every method throws CriError, TransientError when the runtime can't be reached. */
export type Cri = ReturnType<typeof connectCri>;

/** Connects to a runtime's socket; the connection is made at the first call, and again whenever it was lost. */
export function connectCri(socketPath: string) {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    // Without it grpc-js sends the socket's path as :authority, which Go's HTTP/2 server refuses.
    'grpc.default_authority': 'localhost',
  });

  function unary<Q extends Fields, R extends Fields>(
    service: 'RuntimeService' | 'ImageService',
    method: string,
    request: Message<Q>,
    response: Message<R>,
  ): Call<Message<Q>, Message<R>> {
    return (value, time = {}) =>
      new Promise((resolve, reject) => {
        const { signal, timeoutMs = defaultTimeoutMs } = time;
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const call = client.makeUnaryRequest(
          `/runtime.v1.${service}/${method}`,
          (body: Encodable<Message<Q>>) => Buffer.from(encode<Q>(request, body)),
          (body: Buffer) => decode(response, body) as Decoded<Message<R>>,
          value,
          { deadline: Date.now() + timeoutMs },
          (error, answer) => {
            signal?.removeEventListener('abort', onAbort);
            if (error) reject(signal?.aborted ? signal.reason : wrap(method, socketPath, error));
            else if (answer === undefined) reject(new TransientError('CRI_UNAVAILABLE', `${method}: no answer`));
            else resolve(answer);
          },
        );
        const onAbort = () => call.cancel();
        signal?.addEventListener('abort', onAbort, { once: true });
      });
  }

  async function* serverStream<Q extends Fields>(
    path: string,
    request: Message<Q>,
    value: Encodable<Message<Q>>,
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<void> {
    const stream: ClientReadableStream<true> = client.makeServerStreamRequest(
      path,
      (body: Encodable<Message<Q>>) => Buffer.from(encode<Q>(request, body)),
      () => true as const,
      value,
    );
    const onAbort = () => stream.cancel();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.once('metadata', onOpen);
    try {
      for await (const _event of stream) yield;
    } catch (error) {
      if (!signal.aborted) throw wrap(path.slice(path.lastIndexOf('/') + 1), socketPath, error as ServiceError);
    } finally {
      signal.removeEventListener('abort', onAbort);
      stream.cancel();
    }
  }

  return {
    socketPath,
    version: unary('RuntimeService', 'Version', cri.versionRequest, cri.versionResponse),
    status: unary('RuntimeService', 'Status', cri.statusRequest, cri.statusResponse),
    updateRuntimeConfig: unary('RuntimeService', 'UpdateRuntimeConfig', cri.updateRuntimeConfigRequest, cri.empty),
    runPodSandbox: unary('RuntimeService', 'RunPodSandbox', cri.runPodSandboxRequest, cri.podSandboxId),
    stopPodSandbox: unary('RuntimeService', 'StopPodSandbox', cri.podSandboxId, cri.empty),
    removePodSandbox: unary('RuntimeService', 'RemovePodSandbox', cri.podSandboxId, cri.empty),
    podSandboxStatus: unary(
      'RuntimeService',
      'PodSandboxStatus',
      cri.podSandboxStatusRequest,
      cri.podSandboxStatusResponse,
    ),
    listPodSandbox: unary('RuntimeService', 'ListPodSandbox', cri.listPodSandboxRequest, cri.listPodSandboxResponse),
    createContainer: unary('RuntimeService', 'CreateContainer', cri.createContainerRequest, cri.containerId),
    startContainer: unary('RuntimeService', 'StartContainer', cri.containerId, cri.empty),
    /** `timeout` is the grace period in seconds, after which the runtime kills; the call's own time must exceed it. */
    stopContainer: unary('RuntimeService', 'StopContainer', cri.stopContainerRequest, cri.empty),
    removeContainer: unary('RuntimeService', 'RemoveContainer', cri.containerId, cri.empty),
    listContainers: unary('RuntimeService', 'ListContainers', cri.listContainersRequest, cri.listContainersResponse),
    containerStatus: unary(
      'RuntimeService',
      'ContainerStatus',
      cri.containerStatusRequest,
      cri.containerStatusResponse,
    ),
    updateContainerResources: unary(
      'RuntimeService',
      'UpdateContainerResources',
      cri.updateContainerResourcesRequest,
      cri.empty,
    ),
    reopenContainerLog: unary('RuntimeService', 'ReopenContainerLog', cri.containerId, cri.empty),
    /** `timeout` is in seconds; 0 for none. */
    execSync: unary('RuntimeService', 'ExecSync', cri.execSyncRequest, cri.execSyncResponse),
    exec: unary('RuntimeService', 'Exec', cri.execRequest, cri.urlResponse),
    attach: unary('RuntimeService', 'Attach', cri.attachRequest, cri.urlResponse),
    portForward: unary('RuntimeService', 'PortForward', cri.portForwardRequest, cri.urlResponse),
    listContainerStats: unary(
      'RuntimeService',
      'ListContainerStats',
      cri.listContainerStatsRequest,
      cri.listContainerStatsResponse,
    ),
    listImages: unary('ImageService', 'ListImages', cri.listImagesRequest, cri.listImagesResponse),
    imageStatus: unary('ImageService', 'ImageStatus', cri.imageRequest, cri.imageStatusResponse),
    pullImage: unary('ImageService', 'PullImage', cri.pullImageRequest, cri.pullImageResponse),
    removeImage: unary('ImageService', 'RemoveImage', cri.imageRequest, cri.empty),
    imageFsInfo: unary('ImageService', 'ImageFsInfo', cri.empty, cri.imageFsInfoResponse),

    /**
     * Yields whenever a container may have ended, until `signal` aborts; `onOpen` is called when the stream stands.
     * Containerd's own events, which all its versions have (CRI's came with 1.7), else CRI's; throws CriError
     * UNIMPLEMENTED where there are neither.
     */
    async *changes(signal: AbortSignal, onOpen: () => void): AsyncGenerator<void> {
      try {
        yield* serverStream(
          '/containerd.services.events.v1.Events/Subscribe',
          cri.subscribeRequest,
          taskEvents,
          signal,
          onOpen,
        );
      } catch (thrown) {
        if (!isUnimplemented(thrown)) throw thrown;
        yield* serverStream('/runtime.v1.RuntimeService/GetContainerEvents', cri.empty, {}, signal, onOpen);
      }
    },

    /** Whether the connection stands at this moment. */
    get isConnected(): boolean {
      return client.getChannel().getConnectivityState(false) === connectivityState.READY;
    },
    close(): void {
      client.close();
    },
  };
}

function wrap(method: string, socketPath: string, error: ServiceError): Error {
  if (error.code !== grpcStatus.UNAVAILABLE) return new CriError(method, error);
  return new TransientError('CRI_UNAVAILABLE', `the container runtime at ${socketPath} can't be reached`, {
    cause: error,
    hint: 'see whether containerd runs, and its log',
  });
}
