// Shows the events of a consumer as they come, and acknowledges them. `page.mjs` serves it.

const longestPause = 60_000;
const patience = 10_000; // milliseconds; what is acknowledged is confirmed long before
const mostShown = 500;

let failures = 0;

function show(state) {
  document.getElementById('state').textContent = state;
}

// Comes back after the wait that the gateway asks for, and a part that grows and is random, so that not all come at once.
function later(why, wait) {
  const growing = Math.min(1000 * 2 ** failures, longestPause);
  failures += 1;
  show(`${why}, comes back`);
  setTimeout(connect, wait + growing * (0.5 + Math.random() / 2));
}

// Your work. An event that was not acknowledged comes again, so it must not matter whether it is done twice. Events are written
// by others: they become text, never HTML.
function process(event) {
  const row = document.createElement('li');
  row.textContent = `${event.type} ${event.subject ?? '-'} ${event.id}`;
  const list = document.getElementById('events');
  list.append(row);
  if (list.children.length > mostShown) list.firstChild.remove();
  return row;
}

async function connect() {
  // A browser cannot send a key with a WebSocket. A ticket is good for one connection.
  let answer;
  try {
    answer = await fetch('ticket', { method: 'POST' });
  } catch {
    return later('the page is out of reach', 0);
  }
  if ([401, 403, 404].includes(answer.status)) return show(`refused: ${answer.status}`);
  if (!answer.ok) return later(`not now: ${answer.status}`, 1000 * Number(answer.headers.get('retry-after') ?? 0));
  subscribe((await answer.json()).url);
}

function subscribe(url) {
  const socket = new WebSocket(url, 'gateway.v1');
  let done = []; // processed, as [id, row]
  let sent = []; // acknowledged, and not confirmed yet
  let watch; // the timer while there are such
  let close = { reconnect: true, after_ms: 0 };

  // One acknowledgement at a time, so that it is clear what is confirmed.
  function acknowledge() {
    if (sent.length || !done.length) return;
    [sent, done] = [done, []];
    socket.send(JSON.stringify({ type: 'ack', ids: sent.map(([id]) => id) }));
    watch = setTimeout(() => socket.close(), patience);
  }

  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    switch (message.type) {
      case 'connection.ack':
        failures = 0;
        show(message.consumer.role);
        break;
      case 'consumer':
        show(message.role);
        break;
      case 'event':
        done.push([message.event.id, process(message.event)]);
        acknowledge();
        break;
      case 'acked':
        // Only now they never come again.
        clearTimeout(watch);
        for (const [, row] of sent) row.className = 'acked';
        sent = [];
        acknowledge();
        break;
      case 'error':
        // The consumer has another receiver, or was moved. What was not confirmed comes again.
        clearTimeout(watch);
        sent = [];
        show(`not acknowledged: ${message.detail}`);
        acknowledge();
        break;
      case 'gap':
        show(`events are missing: ${message.reason}`);
        break;
      case 'connection.close':
        close = message;
    }
  };
  socket.onclose = ({ code, reason }) => {
    clearTimeout(watch);
    if (code >= 4500 || !close.reconnect) return show(`refused: ${code} ${reason}`);
    // Why a connection was not let in is told to nobody in a browser: the code is 1006 then, as after a lost one.
    later(`the connection has ended with ${code}`, close.after_ms);
  };
}

connect();
