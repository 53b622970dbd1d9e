import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** `npm run test:package`: what a user gets from the tarball. Needs npm and its registry. */
const config: ViteUserConfig = defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/package/*.check.ts'],
    globalSetup: ['test/package/install.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});

export default config;
