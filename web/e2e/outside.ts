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

// A proxy with the expert's telephone and the customer's, and the configuration by which call-backs go through it; RTP of call-backs
// at 40 ports from `rtpFirst`.
export async function callBacks(world: Outside, expert: string, customer: string, rtpFirst: number): Promise<Record<string, string>> {
  const proxy = await world.tell<{ port: number; realm: string; user: string; password_file: string }>({ do: 'proxy' });
  await world.tell({ do: 'phone', name: expert, hz: 440 });
  await world.tell({ do: 'phone', name: customer, hz: 1000 });
  return {
    sip: 'own_numbers = ["7*"]',
    recorder: 'rtp_timeout_s = 10',
    callback: [
      `proxy = "sip:127.0.0.1:${proxy.port}"`, `from = "sip:+442079460000@${proxy.realm}"`, `expert_uri = "sip:{extension}@${proxy.realm}"`,
      `customer_uri = "sip:{number}@${proxy.realm}"`, `user = "${proxy.user}"`, `realm = "${proxy.realm}"`, `password_file = "${proxy.password_file}"`,
      `rtp_port_first = ${rtpFirst}`, `rtp_port_last = ${rtpFirst + 39}`,
    ].join('\n'),
  };
}
