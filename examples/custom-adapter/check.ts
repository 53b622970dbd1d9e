/** Every law of the ports, none skipped: `node --test examples/custom-adapter/check.ts`, after `npm run build`. */
import { test } from 'node:test';
import { runContract } from 'surehook/testing';
import { keyValueRepos } from './index.ts';
import { SortedStore } from './store.ts';

runContract({ test, create: () => ({ repos: keyValueRepos(new SortedStore()) }) });
