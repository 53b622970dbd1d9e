import type { WebhookRecord } from '../domain/webhook.ts';
import type { Random } from '../random.ts';
import type { WebhookRepo, WebhookStore } from '../repos.ts';
import { discreetly } from './discretion.ts';
import { isCredential } from './redact.ts';
import { Seal } from './sealed-text.ts';

/** What secrets are sealed with. */
export interface Sealing {
  /** 32 bytes each: the first seals, all open. None: what is stored stays readable. */
  readonly keys: readonly Uint8Array[];
  /** Where nonces come from: a source that repeats itself gives secrets away. */
  readonly random: Random;
}

/** Makes a text of a webhook anew; `field` is `secret`, or `header` and its name. */
type Recode = (text: string, field: string) => string;

/**
 * A repo whose store holds every signing secret and every credential header sealed. What is read is open again; what cannot be opened is read
 * sealed (`isSealed`), and an update leaves it as it is. A webhook that was stored before there was a key is read as it is, and sealed by its next
 * update. What the repo says when it fails to write a webhook is passed on without its secrets.
 */
export function sealedWebhooks<Repo extends WebhookRepo>(repo: Repo, { keys, random }: Sealing): Repo {
  const store: WebhookRepo & Partial<WebhookStore> = repo;
  const { subscribersOfAll, onChange, insert, update, delete: remove, list } = store;
  const seal = new Seal(keys, random);
  const sealed = (webhook: WebhookRecord): WebhookRecord =>
    recoded(webhook, (text, field) => seal.seal(text, { webhookId: webhook.id, field }));
  const opened = async (rows: Promise<readonly WebhookRecord[]>): Promise<readonly WebhookRecord[]> => {
    const webhooks = await rows;
    // A repo that answers with something else breaks its contract, which its caller finds.
    if (keys.length === 0 || !Array.isArray(webhooks)) return webhooks;
    return webhooks.map((webhook) =>
      recoded(webhook, (text, field) => seal.open(text, { webhookId: webhook.id, field })),
    );
  };
  const face: WebhookRepo & Partial<WebhookStore> = {
    getMany: (ids) => opened(repo.getMany(ids)),
    subscribers: (tenantId, eventType) => opened(repo.subscribers(tenantId, eventType)),
    setStatus: (changes) => repo.setStatus(changes),
    ...(subscribersOfAll && { subscribersOfAll: (pairs) => opened(subscribersOfAll.call(repo, pairs)) }),
    ...(onChange && { onChange: (listener) => onChange.call(repo, listener) }),
    ...(insert && { insert: (webhook) => discreetly(webhook, () => insert.call(repo, sealed(webhook))) }),
    ...(update && {
      update: (webhook, revision) => discreetly(webhook, () => update.call(repo, sealed(webhook), revision)),
    }),
    ...(remove && { delete: (id) => remove.call(repo, id) }),
    ...(list && { list: (query) => opened(list.call(repo, query)) }),
  };
  return face as Repo;
}

/** The webhook with its texts made anew; the very record where none changes. */
function recoded(webhook: WebhookRecord, recode: Recode): WebhookRecord {
  // In any place of the list: a rotation moves them.
  const secrets = webhook.secrets.map((one) => {
    const secret = recode(one.secret, 'secret');
    return secret === one.secret ? one : { ...one, secret };
  });
  const headers = webhook.headers && recodedHeaders(webhook.headers, recode);
  const isSame = secrets.every((secret, index) => secret === webhook.secrets[index]);
  if (isSame && headers === webhook.headers) return webhook;
  return { ...webhook, secrets, ...(headers && { headers }) };
}

function recodedHeaders(
  headers: Readonly<Record<string, string>>,
  recode: Recode,
): Readonly<Record<string, string>> {
  let changed: Record<string, string> | undefined;
  for (const name of Object.keys(headers)) {
    if (!isCredential(name)) continue;
    const value = headers[name] ?? '';
    const text = recode(value, `header ${name}`);
    if (text === value) continue;
    changed ??= { ...headers };
    changed[name] = text;
  }
  return changed ?? headers;
}
