"""A receiver of GitHub's webhooks on FastAPI: it verifies the signature and answers 202 when the event is on disk, in SQLite.

python server.py FOLDER
"""

import hashlib
import hmac
import os
import socket
import sqlite3
import sys

import uvicorn
from fastapi import FastAPI, Request, Response

folder = sys.argv[1]
secret = os.environ["BENCH_GITHUB_SECRET"].encode()

# Every statement is a transaction of its own.
database = sqlite3.connect(os.path.join(folder, "events.sqlite"), isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")  # in WAL mode, the least that syncs at every commit
database.execute(
    "CREATE TABLE events (position INTEGER PRIMARY KEY, delivery TEXT NOT NULL UNIQUE, body BLOB NOT NULL)"
)

app = FastAPI()


@app.post("/webhooks/github")
async def receive(request: Request) -> Response:
    body = await request.body()
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    stated = request.headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(stated.encode(), expected.encode()):
        return Response(status_code=401)
    delivery = request.headers["x-github-delivery"]
    database.execute("INSERT OR IGNORE INTO events (delivery, body) VALUES (?, ?)", (delivery, body))
    return Response(status_code=202)


listener = socket.create_server(("127.0.0.1", 0))
host, port = listener.getsockname()
print(f"Serving on http://{host}:{port}/", flush=True)
config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
uvicorn.Server(config).run(sockets=[listener])
