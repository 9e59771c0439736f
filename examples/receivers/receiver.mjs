// Receives events of the gateway and verifies their signatures. Node 18 or later, standard library only.
//
//     TRIAGE_KEY=whsec_... node receiver.mjs 127.0.0.1:9000

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.TRIAGE_KEY.replace(/^whsec_/, ''), 'base64');
const tolerance = 300; // seconds

// Whether the gateway signed this body, within the last five minutes.
function isGenuine(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several signatures while the secret is rotated. `timingSafeEqual` takes the same time wherever they differ.
  return (signatures ?? '').split(' ').filter((one) => one.startsWith('v1,')).some((one) => {
    const given = Buffer.from(one.slice(3), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const genuine = isGenuine(request.headers, body);
  if (genuine) {
    const { event } = JSON.parse(body);
    // Delivery is at least once: remember the id, and do nothing if you have seen it.
    console.log('verified', event.type, event.id);
  }
  response.writeHead(genuine ? 204 : 401).end();
});

const [host, port] = (process.argv[2] ?? '127.0.0.1:9000').split(':');
server.listen(Number(port), host, () => console.log(`listening on ${host}:${server.address().port}`));
