// A destination of events: each event is posted to the setting `url`.

import { config } from 'gateway:plugin/host';
import { send } from 'gateway:plugin/http';
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

/** @type {typeof import('gateway:plugin/agent')} */
export const agent = {
  describe() {
    return JSON.stringify(manifest);
  },

  deliver() {
    const url = config('url');
    if (!url) {
      throw reject('invalid', "`url` is missing in the agent's `config`");
    }
    const response = post(url);
    const { status, headers, body } = response;
    const value = (/** @type {string} */ name) => headers.find(([known]) => known.toLowerCase() === name)?.[1];
    if (status >= 200 && status < 300) {
      return { contentType: value('content-type') ?? 'application/octet-stream', body, attributes: [] };
    }
    const message = `answered ${status}`;
    const after = value('retry-after');
    if (status === 429) throw retry('throttled', message, after);
    if (status === 503) throw retry('busy', message, after);
    if (status === 408 || status === 425 || status >= 500) throw retry('status', message, after);
    throw reject('status', message);
  },
};

/** @param {string} url */
function post(url) {
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
    /** @type {{ payload: import('gateway:plugin/http').Error }} */
    const { payload } = /** @type {any} */ (error);
    // A retry would end the same for these two codes, but may succeed for any other.
    const isFinal = payload.code === 'denied' || payload.code === 'too-large';
    throw isFinal ? reject(payload.code, payload.message) : retry(payload.code, payload.message);
  }
}

// Throw a plain object to report a failure; an `Error` makes the call trap.

/**
 * @param {string} code
 * @param {string} message
 * @param {string} [after]
 */
function retry(code, message, after) {
  return { tag: 'retry', val: { code, message, after } };
}

/**
 * @param {string} code
 * @param {string} message
 */
function reject(code, message) {
  return { tag: 'reject', val: { code, message } };
}
