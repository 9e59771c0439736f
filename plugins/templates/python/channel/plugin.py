"""A source of events: each posted JSON object becomes an event."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.channel import Event, Receipt, Rejection
from wit_world.imports import host, inbound

MANIFEST = {
    "name": "plugin-name",
    "version": "0.1.0",
    "summary": "Turns each posted JSON object into an event",
    # To let in signed requests only, describe what the provider signs:
    # "verification": [
    #     {
    #         "scheme": "hmac",
    #         "algorithm": "sha256",
    #         "header": "x-signature",
    #         "prefix": "sha256=",
    #         "encoding": "hex",
    #         "signed": ["body"],
    #     },
    # ],
    "config": {
        "default_kind": {
            "type": "string",
            "summary": "kind of an event whose body has none",
            "default": "received",
        },
    },
}


class Channel(exports.Channel):
    def describe(self) -> str:
        return json.dumps(MANIFEST)

    def receive(self) -> Receipt:
        body = parse(inbound.text())
        kind = word(body.get("kind")) or host.config("default_kind") or "received"
        subject = word(body.get("subject"))
        severity = word(body.get("severity"))
        host.log("info", f"`{kind}` about {subject or 'nothing'}")
        event = Event(
            kind=kind,
            subject=subject,
            delivery_id=inbound.header("x-delivery-id"),
            key=None,
            # Without data, the event's data is the whole request body.
            data=None,
            content_type=None,
            attributes=[("severity", severity)] if severity else [],
        )
        return Receipt(events=[event], response=None)


def parse(text: str) -> dict:
    """Refuses a body that is not a JSON object. Any exception other than `Err` makes the call trap."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise Err(Rejection(400, f"expected a JSON object: {error}"))
    if not isinstance(body, dict):
        raise Err(Rejection(400, "expected a JSON object"))
    return body


def word(value: object) -> str | None:
    # JSON may contain half of a surrogate pair, but the gateway accepts only valid UTF-8.
    return value.encode(errors="replace").decode() if isinstance(value, str) and value else None
