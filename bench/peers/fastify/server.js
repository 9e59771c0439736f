// A receiver of GitHub's webhooks on Fastify: it verifies the signature and answers 202 when the event is on disk, in SQLite.
//
// node server.js MODE FOLDER
//   single    a transaction for each event
//   batched   a transaction for all events that arrived since the last one, as somebody would do who needs the speed

'use strict'

const { createHmac, timingSafeEqual } = require('node:crypto')
const path = require('node:path')
const Database = require('better-sqlite3')
const fastify = require('fastify')

const [mode, folder] = process.argv.slice(2)
const secret = process.env.BENCH_GITHUB_SECRET

const database = new Database(path.join(folder, 'events.sqlite'))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL') // in WAL mode, the least that syncs at every commit
database.exec('CREATE TABLE events (position INTEGER PRIMARY KEY, delivery TEXT NOT NULL UNIQUE, body BLOB NOT NULL)')
const insert = database.prepare('INSERT OR IGNORE INTO events (delivery, body) VALUES (?, ?)')
const insertAll = database.transaction((events) => {
  for (const { delivery, body } of events) insert.run(delivery, body)
})

async function keepSingle(delivery, body) {
  insert.run(delivery, body)
}

let waiting = []

function keepBatched(delivery, body) {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(commit)
    waiting.push({ delivery, body, resolve, reject })
  })
}

function commit() {
  const events = waiting
  waiting = []
  try {
    insertAll(events)
  } catch (error) {
    for (const { reject } of events) reject(error)
    return
  }
  for (const { resolve } of events) resolve()
}

const keep = { single: keepSingle, batched: keepBatched }[mode]

function isSigned(body, header = '') {
  const stated = Buffer.from(header.replace(/^sha256=/, ''), 'hex')
  return stated.length === 32 && timingSafeEqual(stated, createHmac('sha256', secret).update(body).digest())
}

const app = fastify()

// The signature covers the bytes, so they are not parsed.
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body))

app.post('/webhooks/github', async (request, reply) => {
  if (!isSigned(request.body, request.headers['x-hub-signature-256'])) return reply.code(401).send()
  await keep(request.headers['x-github-delivery'], request.body)
  return reply.code(202).send()
})

app.listen({ host: '127.0.0.1', port: 0 }).then((address) => console.log(`Serving on ${address}/`))
