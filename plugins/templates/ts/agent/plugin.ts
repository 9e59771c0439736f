// A destination of events: each event is posted to the setting `url`.

import type { Answer, Failure } from 'gateway:plugin/agent';
import { config } from 'gateway:plugin/host';
import { type Error as HttpError, type Response, send } from 'gateway:plugin/http';
import { envelope, id } from 'gateway:plugin/outbound';

const manifest = {
  name: 'plugin-name',
  version: '0.1.0',
  summary: 'Posts each event to a URL',
  config: {
    url: { type: 'string', summary: 'URL that receives the events; its host must be in `allow_hosts`', required: true },
    credential: { type: 'string', summary: 'name of a credential of this agent, which the gateway adds' },
  },
};

export const agent: typeof import('gateway:plugin/agent') = {
  describe: () => JSON.stringify(manifest),
  deliver,
};

function deliver(): Answer {
  const url = config('url');
  if (!url) {
    throw reject('invalid', "`url` is missing in the agent's `config`");
  }
  const { status, headers, body } = post(url);
  const value = (name: string) => headers.find(([known]) => known.toLowerCase() === name)?.[1];
  if (status >= 200 && status < 300) {
    return { contentType: value('content-type') ?? 'application/octet-stream', body, attributes: [] };
  }
  const message = `answered ${status}`;
  const after = value('retry-after');
  if (status === 429) throw retry('throttled', message, after);
  if (status === 503) throw retry('busy', message, after);
  if (status === 408 || status === 425 || status >= 500) throw retry('status', message, after);
  throw reject('status', message);
}

function post(url: string): Response {
  try {
    return send({
      method: 'POST',
      url,
      headers: [
        ['content-type', 'application/json'],
        ['idempotency-key', id()],
      ],
      body: { tag: 'text', val: envelope() },
      credential: config('credential'),
    });
  } catch (error) {
    const { code, message } = (error as { payload: HttpError }).payload;
    // A retry would end the same for these two codes, but may succeed for any other.
    throw code === 'denied' || code === 'too-large' ? reject(code, message) : retry(code, message);
  }
}

// Throw a plain object to report a failure; an `Error` makes the call trap.

function retry(code: string, message: string, after?: string): Failure {
  return { tag: 'retry', val: { code, message, after } };
}

function reject(code: string, message: string): Failure {
  return { tag: 'reject', val: { code, message } };
}
