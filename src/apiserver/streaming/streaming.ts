import type { SubresourceTable } from '../routes.ts';
import { executeHandler, logHandler, portForwardHandler, type StreamingContext } from './pod-streams.ts';
import { proxyHandler } from './proxy.ts';

/** Adds the subresources that connect clients with nodes, pods and services. Call after all builtin ones are there. */
export function addStreamingSubresources(subresources: SubresourceTable, context: StreamingContext): void {
  subresources.add('pods', 'log', logHandler(context));
  subresources.add('pods', 'exec', executeHandler(context, 'exec'));
  subresources.add('pods', 'attach', executeHandler(context, 'attach'));
  subresources.add('pods', 'portforward', portForwardHandler(context));
  for (const what of ['pods', 'services', 'nodes'] as const)
    subresources.add(what, 'proxy', proxyHandler(context, what));
}
