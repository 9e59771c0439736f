"""A destination of events: each event is posted to the setting `url`."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.agent import Answer, Failure_Reject, Failure_Retry, Refusal, Retry
from wit_world.imports import host, http, outbound
from wit_world.imports.types import Content_Text, Response

MANIFEST = {
    "name": "plugin-name",
    "version": "0.1.0",
    "summary": "Posts each event to a URL",
    "config": {
        "url": {
            "type": "string",
            "summary": "URL that receives the events; its host must be in `allow_hosts`",
            "required": True,
        },
        "credential": {
            "type": "string",
            "summary": "name of a credential of this agent, which the gateway adds",
        },
    },
}


class Agent(exports.Agent):
    def describe(self) -> str:
        return json.dumps(MANIFEST)

    def deliver(self) -> Answer:
        url = host.config("url")
        if not url:
            raise reject("invalid", "`url` is missing in the agent's `config`")
        response = post(url)
        headers = {name.lower(): value for name, value in response.headers}
        message = f"answered {response.status}"
        after = headers.get("retry-after")
        match response.status:
            case status if 200 <= status < 300:
                content_type = headers.get("content-type", "application/octet-stream")
                return Answer(content_type=content_type, body=response.body, attributes=[])
            case 429:
                raise retry("throttled", message, after)
            case 503:
                raise retry("busy", message, after)
            case status if status in (408, 425) or status >= 500:
                raise retry("status", message, after)
            case _:
                raise reject("status", message)


def post(url: str) -> Response:
    request = http.Request(
        method="POST",
        url=url,
        headers=[("content-type", "application/json"), ("idempotency-key", outbound.id())],
        body=Content_Text(outbound.envelope()),
        credential=host.config("credential"),
        timeout_ms=None,
    )
    try:
        return http.send(request)
    except Err as error:
        code, message = error.value.code, error.value.message
        # A retry would end the same for these two codes, but may succeed for any other.
        if code in ("denied", "too-large"):
            raise reject(code, message)
        raise retry(code, message, None)


# Raise an `Err` to report a failure; any other exception makes the call trap.


def retry(code: str, message: str, after: str | None) -> Err:
    return Err(Failure_Retry(Retry(code, message, after)))


def reject(code: str, message: str) -> Err:
    return Err(Failure_Reject(Refusal(code, message)))
