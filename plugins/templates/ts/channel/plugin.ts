// A source of events: each posted JSON object becomes an event.

import type { Receipt, Rejection } from 'gateway:plugin/channel';
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

export const channel: typeof import('gateway:plugin/channel') = {
  describe: () => JSON.stringify(manifest),
  receive,
};

function receive(): Receipt {
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
}

function parse(json: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch (error) {
    throw refusal(`expected a JSON object: ${error}`);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw refusal('expected a JSON object');
  }
  return body as Record<string, unknown>;
}

/** Throw a plain object to refuse a request; an `Error` makes the call trap. */
function refusal(detail: string): Rejection {
  return { status: 400, detail };
}

function word(value: unknown): string | null {
  // JSON may contain half of a surrogate pair, but the gateway accepts only valid UTF-8.
  return typeof value === 'string' && value !== '' ? value.toWellFormed() : null;
}
