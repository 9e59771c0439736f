// Serves the page and gets its tickets, so that the key stays here. Node 20 or later, standard library only.
//
//     GATEWAY_URL=http://127.0.0.1:8080 GATEWAY_API_KEY=... node page.mjs 127.0.0.1:9000
//
// Whoever reaches the page reads the events: put your login before it.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const url = (process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080').replace(/\/+$/, '');
const files = { '/': ['browser.html', 'text/html'], '/browser.js': ['browser.js', 'text/javascript'] };

// The address of one WebSocket.
async function ticket(response) {
  const headers = { authorization: `Bearer ${process.env.GATEWAY_API_KEY}` };
  const answer = await fetch(`${url}/api/tickets`, { method: 'POST', headers });
  if (!answer.ok) {
    const retryAfter = answer.headers.get('retry-after');
    return response.writeHead(answer.status, retryAfter ? { 'retry-after': retryAfter } : {}).end();
  }
  const query = new URLSearchParams({ consumer: 'audit', ticket: (await answer.json()).ticket });
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ url: `${url.replace(/^http/, 'ws')}/api/subscribe?${query}` }));
}

async function answer(request, response) {
  if (request.method === 'POST' && request.url === '/ticket') return ticket(response);
  const [file, type] = files[request.url] ?? [];
  if (request.method !== 'GET' || !file) return response.writeHead(404).end();
  const content = await readFile(new URL(file, import.meta.url));
  response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(content);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error.cause?.message ?? error.message);
    response.writeHead(502).end();
  });
});
const [host, port] = (process.argv[2] ?? '127.0.0.1:9000').split(':');
server.listen(Number(port), host, () => console.log(`listening on ${host}:${server.address().port}`));
