/** Servers live on when the process that started them is interrupted, unless somebody stops them. */
const running = new Set<AsyncDisposable>();

/** Has it disposed of when the bench is interrupted; the function returned ends that. */
export function whenInterrupted(disposable: AsyncDisposable): () => void {
  running.add(disposable);
  return () => void running.delete(disposable);
}

async function stop(): Promise<void> {
  await Promise.allSettled([...running].map((one) => one[Symbol.asyncDispose]()));
  process.exit(1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
