// Signs and verifies with the libraries of providers: a job on each line of stdin, its answer on a line of stdout.
//
// A job is {"library", "secret", "body" (base64), "time" (seconds), "id", "method", "target"}, and to verify also
// {"headers"}. The answer is {"headers"}, {"valid"} or, where the library does not take such a job, {"refused": why}.
import { createInterface } from "node:readline";

import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { sign as signGithub, verify as verifyGithub } from "@octokit/webhooks-methods";
import atlassian from "atlassian-jwt";
import discord from "discord-interactions";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

// Most of these libraries take text, and would sign something else in the place of bytes that are none.
function text(job) {
  const body = Buffer.from(job.body, "base64");
  const text = body.toString("utf8");
  if (!Buffer.from(text, "utf8").equals(body)) {
    throw new Error("the body is no text");
  }
  return text;
}

const sign = {
  "@octokit/webhooks-methods": async (job) => ({ "x-hub-signature-256": await signGithub(job.secret, text(job)) }),
  stripe: (job) => ({
    "stripe-signature": Stripe.webhooks.generateTestHeaderString({
      payload: text(job),
      secret: job.secret,
      timestamp: job.time,
    }),
  }),
  standardwebhooks: (job) => ({
    "webhook-id": job.id,
    "webhook-timestamp": String(job.time),
    "webhook-signature": new Webhook(job.secret).sign(job.id, new Date(job.time * 1000), text(job)),
  }),
  "atlassian-jwt": (job) => {
    const request = atlassian.fromMethodAndUrl(job.method, job.target);
    const qsh = atlassian.createQueryStringHash(request, false, "");
    const claims = { iss: "client-key", iat: job.time, exp: job.time + 180, qsh };
    return { authorization: `JWT ${atlassian.encodeSymmetric(claims, job.secret)}` };
  },
};

const verify = {
  "@octokit/webhooks-methods": (job) => verifyGithub(job.secret, text(job), job.headers["x-hub-signature-256"]),
  "@linear/sdk": (job) => {
    const body = Buffer.from(job.body, "base64");
    return new LinearWebhookClient(job.secret).verify(body, job.headers["linear-signature"]);
  },
  "discord-interactions": (job) => {
    const { "x-signature-ed25519": signature, "x-signature-timestamp": timestamp } = job.headers;
    return discord.verifyKey(Buffer.from(job.body, "base64"), signature, timestamp, job.secret);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let answer;
  try {
    answer = job.headers
      ? { valid: await verify[job.library](job) }
      : { headers: await sign[job.library](job) };
  } catch (error) {
    answer = { refused: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
