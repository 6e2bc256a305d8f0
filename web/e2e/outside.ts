// outside_rig.py, steered: kamailio as a proxy, baresip as telephones, a mail server.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

export interface Outside {
  tell: <T>(order: Record<string, unknown>) => Promise<T>;
  stop: () => Promise<void>;
}

export function outside(): Outside {
  const child = spawn('python3', [join(here, 'outside_rig.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  return {
    async tell(order) {
      const line = new Promise<string>((done) => waiting.push(done));
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const answer = JSON.parse(await Promise.race([line, ended.then(() => '{"error":"the outside is gone"}')])) as { error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer as never;
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
