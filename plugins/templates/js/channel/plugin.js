// A source of events: each posted JSON object becomes an event.

import { config, log } from 'gateway:plugin/host';
import { header, text } from 'gateway:plugin/inbound';

const manifest = {
  name: 'plugin-name',
  version: '0.1.0',
  summary: 'Turns each posted JSON object into an event',
  // To let in signed requests only, describe what the provider signs:
  // verification: [
  //   { scheme: 'hmac', algorithm: 'sha256', header: 'x-signature', prefix: 'sha256=', encoding: 'hex', signed: ['body'] },
  // ],
  config: {
    default_kind: { type: 'string', summary: 'kind of an event whose body has none', default: 'received' },
  },
};

/** @type {typeof import('gateway:plugin/channel')} */
export const channel = {
  describe() {
    return JSON.stringify(manifest);
  },

  receive() {
    const body = parse(text());
    const kind = word(body.kind) ?? config('default_kind') ?? 'received';
    const subject = word(body.subject);
    const severity = word(body.severity);
    log('info', `\`${kind}\` about ${subject ?? 'nothing'}`);
    return {
      events: [
        {
          kind,
          subject,
          deliveryId: header('x-delivery-id'),
          // Without `data`, the event's data is the whole request body.
          attributes: severity ? [['severity', severity]] : [],
        },
      ],
    };
  },
};

/**
 * Throw a plain object to refuse a request; an `Error` makes the call trap.
 *
 * @param {string} json
 * @returns {Record<string, unknown>}
 */
function parse(json) {
  let body;
  try {
    body = JSON.parse(json);
  } catch (error) {
    throw { status: 400, detail: `expected a JSON object: ${error}` };
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw { status: 400, detail: 'expected a JSON object' };
  }
  return body;
}

/** @param {unknown} value */
function word(value) {
  // JSON may contain half of a surrogate pair, but the gateway accepts only valid UTF-8.
  return typeof value === 'string' && value !== '' ? value.toWellFormed() : null;
}
