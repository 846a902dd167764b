import { WherryError } from '../../src/core/errors.ts';
import type { NodeParts, NodePartsContext } from '../../src/node/agent.ts';

/**
 * The parts of a node agent in their plainest form, for tests of the agent's own work: pods without volumes, literal
 * environment, no probes, and hooks that are executed in the container.
 */
export function plainParts({ cri }: NodePartsContext): NodeParts {
  return {
    volumes: {
      prepare: async () => {},
      mounts: async () => [],
      cleanup: async () => {},
      podUids: async () => [],
      [Symbol.asyncDispose]: async () => {},
    },
    environment: {
      resolve: async (_pod, container) => (container.env ?? []).map(({ name, value = '' }) => ({ name, value })),
    },
    probes: {
      set() {},
      result: () => ({ started: true, ready: true, failed: null }),
      terminating() {},
      forget() {},
      subscribe: () => ({ [Symbol.dispose]() {} }),
      [Symbol.asyncDispose]: async () => {},
    },
    hooks: {
      async run({ containerId }, handler, signal) {
        const { exitCode } = await cri.execSync({ containerId, cmd: handler.exec?.command ?? [] }, { signal });
        if (exitCode !== 0) throw new WherryError('HOOK', `exit code ${exitCode}`);
      },
    },
  };
}
