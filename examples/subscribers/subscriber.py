"""Reads the events of a consumer and acknowledges them. Python 3.9 or later, standard library only.

    GATEWAY_URL=http://127.0.0.1:8080 GATEWAY_API_KEY=... python3 subscriber.py [--out FILE]
"""

import argparse
import json
import os
import random
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8080").rstrip("/")
KEY = os.environ["GATEWAY_API_KEY"]
CONSUMER = "audit"
SILENCE = 60  # seconds; the gateway sends something every 20
LONGEST_PAUSE = 60  # seconds


class Refused(Exception):
    """Coming back would not help."""


def call(path, body=None, accept="application/json"):
    headers = {"authorization": f"Bearer {KEY}", "accept": accept, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return urlopen(Request(URL + path, data, headers), timeout=SILENCE)


def message(block):
    """One block of the stream, as its name, its data and its `retry`."""
    fields = {"event": "", "data": [], "retry": ""}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(": ")
        if name == "data":
            fields["data"].append(value)
        elif name in fields:
            fields[name] = value
    # A position and a ping have no data.
    data = json.loads("\n".join(fields["data"])) if fields["data"] else None
    return fields["event"], data, fields["retry"]


class Subscriber:
    def __init__(self, out):
        self.out = out
        self.lease = None  # of a consumer that is read elsewhere there is none
        self.wait = 0.0  # seconds that the gateway asks for
        self.failures = 0

    def run(self):
        while True:
            try:
                self.read()
                print("the stream has ended", file=sys.stderr)
            except HTTPError as error:
                if error.code < 500 and error.code not in (408, 429):
                    raise Refused(f"{error.code}: {error.read().decode()}") from None
                retry_after = error.headers.get("retry-after", "")
                self.wait = float(retry_after) if retry_after.isdecimal() else self.wait
                print(f"not now: {error}", file=sys.stderr)
            except (OSError, HTTPException) as error:
                print(f"the connection is lost: {error!r}", file=sys.stderr)
            time.sleep(self.pause())

    def pause(self):
        """The wait that the gateway asks for, and a part that grows and is random, so that not all come back at once."""
        growing = min(2**self.failures, LONGEST_PAUSE)
        self.failures = min(self.failures + 1, 10)
        return self.wait + growing * random.uniform(0.5, 1)

    def read(self):
        self.lease = None
        with call(f"/api/subscribe?consumer={CONSUMER}", accept="text/event-stream") as response:
            rest = b""
            while piece := response.read1(65536):
                *blocks, rest = (rest + piece).split(b"\n\n")
                # What comes together is acknowledged together.
                done = [id for block in blocks if (id := self.hear(*message(block)))]
                if done:
                    self.acknowledge(done)

    def hear(self, name, data, retry):
        """Takes in a message. Returns the id of an event that is done with."""
        if retry:
            self.wait = int(retry) / 1000
        if name == "event":
            self.process(data["event"])
            return data["event"]["id"]
        if name == "connection.ack":
            self.failures = 0
        if name in ("connection.ack", "consumer"):
            self.lease = data["consumer"]["lease"] if name == "connection.ack" else data["lease"]
        elif name == "gap":
            print(f"events are missing: {data}", file=sys.stderr)
        elif name == "connection.close":
            if not data["reconnect"]:
                raise Refused(data["reason"])
            self.wait = data["after_ms"] / 1000
        return None

    def process(self, event):
        """Your work. An event that was not acknowledged comes again, so it must not matter whether it is done twice."""
        print(event["type"], event.get("subject", "-"), event["id"], flush=True)
        if self.out:
            print(event["id"], file=self.out, flush=True)

    def acknowledge(self, ids):
        try:
            with call(f"/api/consumers/{CONSUMER}/ack", {"lease": self.lease, "ids": ids}) as response:
                response.read()
        except HTTPError as error:
            if error.code != 409:
                raise
            # The consumer has another receiver, or was moved. The stream says who has it next, and the events come again.
            print(f"not acknowledged: {error.read().decode()}", file=sys.stderr)
            return
        # Only now they never come again.
        for id in ids:
            print("acked", id, flush=True)


def main():
    parser = argparse.ArgumentParser(description="Reads the events of a consumer and acknowledges them.")
    parser.add_argument("--out", type=argparse.FileType("a"), help="a file for the ids of processed events")
    try:
        Subscriber(parser.parse_args().out).run()
    except Refused as refused:
        sys.exit(f"refused: {refused}")
    except KeyboardInterrupt:
        pass


main()
