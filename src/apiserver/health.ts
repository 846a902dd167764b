import { type Answer, type Call, textAnswer } from './answer.ts';
import type { Route, RouteTable } from './routes.ts';

/** One thing that must be well. Throws or rejects with the reason when it is not. */
export interface HealthCheck {
  readonly name: string;
  check(): void | Promise<void>;
}

/** The checks of /livez, /readyz and /healthz; each is also served by its own path. */
export class Health {
  readonly #checks = new Map<string, HealthCheck[]>([
    ['/livez', []],
    ['/readyz', []],
    ['/healthz', []],
  ]);

  /** Adds a check; without `endpoints` to all three. */
  add(
    check: HealthCheck,
    endpoints: readonly ('/livez' | '/readyz' | '/healthz')[] = ['/livez', '/readyz', '/healthz'],
  ): void {
    for (const endpoint of endpoints) this.#checks.get(endpoint)?.push(check);
  }

  serveOn(routes: RouteTable): void {
    for (const endpoint of this.#checks.keys()) {
      routes.add(endpoint, { isExempt: true, handle: (call) => this.#all(endpoint, call) });
      routes.add(`${endpoint}/*`, this.#one(endpoint));
    }
  }

  #one(endpoint: string): Route {
    return {
      isExempt: true,
      handle: async (call) => {
        const name = call.info.path.slice(endpoint.length + 1);
        const check = this.#checks.get(endpoint)?.find((one) => one.name === name);
        if (check === undefined) return textAnswer(404, '404 page not found\n');
        const problem = await problemOf(check);
        return problem === null ? textAnswer(200, 'ok') : textAnswer(500, `internal server error: ${problem}\n`);
      },
    };
  }

  async #all(endpoint: string, call: Call): Promise<Answer> {
    const title = endpoint.slice(1);
    const excluded = new Set(call.query.all('exclude'));
    const lines: string[] = [];
    let isWell = true;
    for (const check of this.#checks.get(endpoint) ?? []) {
      if (excluded.delete(check.name)) {
        lines.push(`[+]${check.name} excluded: ok`);
        continue;
      }
      const problem = await problemOf(check);
      lines.push(problem === null ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`);
      if (problem !== null) isWell = false;
    }
    if (excluded.size > 0) {
      const names = [...excluded].map((name) => JSON.stringify(name)).join(',');
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
    }
    if (!isWell) return textAnswer(500, `${lines.join('\n')}\n${title} check failed\n`);
    return textAnswer(200, call.query.has('verbose') ? `${lines.join('\n')}\n${title} check passed\n` : 'ok');
  }
}

async function problemOf(check: HealthCheck): Promise<string | null> {
  try {
    await check.check();
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
