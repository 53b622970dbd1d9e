import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const hook = new URL('./from-sources.ts', import.meta.url).href;

/** How an example ended, and what it printed. */
export interface Outcome {
  readonly status: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sees what was printed so far. */
export type OnText = (text: string, child: ChildProcess) => void;

/** Runs `examples/NAME/index.ts` to its end, which is also that of the processes it starts: all hold the pipes. */
export async function runExample(
  name: string,
  { args, env = {} }: { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> },
  onText: OnText = () => {},
): Promise<Outcome> {
  const file = fileURLToPath(new URL(`../../examples/${name}/index.ts`, import.meta.url));
  const flags = ['--no-warnings', '--experimental-strip-types', '--import', hook];
  const child = spawn(process.execPath, [...flags, file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
    onText(stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return await new Promise((resolve) => {
    child.on('close', (status, killedBy) => resolve({ status, killedBy, stdout, stderr }));
  });
}
