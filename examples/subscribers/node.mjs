// Reads the events of a consumer and acknowledges them. Node 20 or later, standard library only.
//
//     GATEWAY_URL=http://127.0.0.1:8080 GATEWAY_API_KEY=... node node.mjs [--out FILE]

import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { out: { type: 'string' } } });
const url = (process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080').replace(/\/+$/, '');
const key = process.env.GATEWAY_API_KEY;
const consumer = 'audit';
const longestPause = 60_000;

// Coming back would not help.
class Refused extends Error {}

let lease; // undefined while the consumer is read elsewhere
let wait = 0; // milliseconds that the gateway asks for
let silence = 60_000; // after so many milliseconds without a sign the connection is dead
let failures = 0;

async function call(path, init) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers };
  const response = await fetch(url + path, { ...init, headers });
  if (response.ok || response.status === 409) return response;
  const text = `${response.status}: ${await response.text()}`;
  if (response.status < 500 && ![408, 429].includes(response.status)) throw new Refused(text);
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  if (retryAfter >= 0) wait = retryAfter * 1000;
  throw new Error(text);
}

// One block of the stream. A position and a ping have no data.
function parse(block) {
  const fields = { event: '', data: [], retry: '' };
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w*): (.*)$/s.exec(line) ?? [];
    if (name === 'data') fields.data.push(value);
    else if (name in fields) fields[name] = value;
  }
  return { ...fields, data: fields.data.length ? JSON.parse(fields.data.join('\n')) : undefined };
}

async function read() {
  lease = undefined;
  const dead = new AbortController();
  const watch = setTimeout(() => dead.abort(new Error('the gateway says nothing')), silence);
  try {
    const headers = { accept: 'text/event-stream' };
    const response = await call(`/api/subscribe?consumer=${consumer}`, { headers, signal: dead.signal });
    let rest = '';
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      watch.refresh();
      const blocks = (rest + piece).split('\n\n');
      rest = blocks.pop();
      // What comes together is acknowledged together.
      const done = blocks.map((block) => hear(parse(block))).filter(Boolean);
      if (done.length) await acknowledge(done);
    }
  } finally {
    clearTimeout(watch);
  }
}

// Takes in a message. Returns the id of an event that is done with.
function hear({ event: name, data, retry }) {
  if (retry) wait = Number(retry);
  switch (name) {
    case 'event':
      work(data.event);
      return data.event.id;
    case 'connection.ack':
      failures = 0;
      silence = 3 * data.ping_ms;
      lease = data.consumer.lease;
      break;
    case 'consumer':
      lease = data.lease;
      break;
    case 'gap':
      console.error('events are missing:', JSON.stringify(data));
      break;
    case 'connection.close':
      if (!data.reconnect) throw new Refused(data.reason);
      wait = data.after_ms;
  }
}

// Your work. An event that was not acknowledged comes again, so it must not matter whether it is done twice.
function work(event) {
  console.log(event.type, event.subject ?? '-', event.id);
  if (options.out) appendFileSync(options.out, `${event.id}\n`);
}

async function acknowledge(ids) {
  const response = await call(`/api/consumers/${consumer}/ack`, {
    method: 'POST',
    body: JSON.stringify({ lease, ids }),
    signal: AbortSignal.timeout(silence),
  });
  const text = await response.text();
  // The consumer has another receiver, or was moved. The stream says who has it next, and the events come again.
  if (response.status === 409) return console.error('not acknowledged:', text);
  // Only now they never come again.
  for (const id of ids) console.log('acked', id);
}

for (;;) {
  try {
    await read();
    console.error('the stream has ended');
  } catch (error) {
    if (error instanceof Refused) {
      console.error('refused:', error.message);
      process.exit(1);
    }
    // Why `fetch` fails is in `cause`.
    console.error('the connection is lost:', error.cause?.message ?? error.message);
  }
  // The wait that the gateway asks for, and a part that grows and is random, so that not all come back at once.
  const growing = Math.min(1000 * 2 ** failures, longestPause);
  failures += 1;
  await sleep(wait + growing * (0.5 + Math.random() / 2));
}
