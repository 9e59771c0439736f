"""Signs and verifies with the libraries of providers: a job on each line of stdin, its answer on a line of stdout.

Jobs and answers are those of `signers.mjs`.
"""

import base64
import datetime
import json
import sys

import slack_sdk.signature
import standardwebhooks


def slack_signature(job):
    verifier = slack_sdk.signature.SignatureVerifier(job["secret"])
    time = str(job["time"])
    signature = verifier.generate_signature(timestamp=time, body=base64.b64decode(job["body"]))
    return {"x-slack-request-timestamp": time, "x-slack-signature": signature}


def slack_verdict(job):
    class Clock:
        def now(self):
            return job["time"]

    verifier = slack_sdk.signature.SignatureVerifier(job["secret"], Clock())
    return verifier.is_valid_request(base64.b64decode(job["body"]), job["headers"])


def standard_signature(job):
    time = datetime.datetime.fromtimestamp(job["time"], datetime.timezone.utc)
    body = base64.b64decode(job["body"]).decode()
    return {
        "webhook-id": job["id"],
        "webhook-timestamp": str(job["time"]),
        "webhook-signature": standardwebhooks.Webhook(job["secret"]).sign(job["id"], time, body),
    }


SIGN = {"slack_sdk": slack_signature, "standardwebhooks": standard_signature}
VERIFY = {"slack_sdk": slack_verdict}

for line in sys.stdin:
    job = json.loads(line)
    try:
        if "headers" in job:
            answer = {"valid": VERIFY[job["library"]](job)}
        else:
            answer = {"headers": SIGN[job["library"]](job)}
    except Exception as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer), flush=True)
