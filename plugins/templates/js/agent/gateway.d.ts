// Generated from `wit/plugin.wit`: do not edit.
declare module 'gateway:plugin/agent' {
  /**
   * The plugin's manifest: JSON after `manifest.schema.json`. Called once when the plugin is loaded.
   */
  export function describe(): string;
  /**
   * Hands the delivery of `outbound` to the agent.
   */
  export function deliver(): Answer;
  export type Content = import('gateway:plugin/types').Content;
  export interface Answer {
    contentType: string,
    body?: Content | null,
    attributes: Array<[string, string]>,
  }
  export interface Retry {
    /**
     * `dns`, `connect`, `tls`, `timeout`, `status`, `throttled`, `busy` or the plugin's own word.
     */
    code: string,
    message: string,
    /**
     * The agent's `Retry-After` as it was sent, seconds or a date; the host parses and caps it.
     */
    after?: string | null,
  }
  export interface Refusal {
    /**
     * `status`, `gone`, `invalid`, `too-large` or the plugin's own word.
     */
    code: string,
    message: string,
  }
  export type Failure = FailureRetry | FailureReject;
  /**
   * Worth another attempt.
   */
  export interface FailureRetry {
    tag: 'retry',
    val: Retry,
  }
  /**
   * Never try this event again.
   */
  export interface FailureReject {
    tag: 'reject',
    val: Refusal,
  }
}
declare module 'gateway:plugin/host' {
  /**
   * Writes one line to the gateway's log under the plugin's name.
   * `level` is `debug`, `info`, `warn` or `error`; anything else counts as `info`.
   */
  export function log(level: string, message: string): void;
  /**
   * A value of this instance's `config` table in `gateway.toml`: strings as they are, everything else as JSON.
   */
  export function config(key: string): string | null;
  /**
   * The host's clock: RFC 3339, UTC, milliseconds.
   */
  export function now(): string;
  /**
   * `count` bytes, at most 1024, from the host's cryptographic generator.
   */
  export function random(count: number): Uint8Array;
}
declare module 'gateway:plugin/http' {
  export function send(request: Request): Response;
  /**
   * Whether `gateway.toml` has a credential of this name. Its value is never shown.
   */
  export function hasCredential(name: string): boolean;
  export type Content = import('gateway:plugin/types').Content;
  export type Response = import('gateway:plugin/types').Response;
  export interface Request {
    method: string,
    url: string,
    headers: Array<[string, string]>,
    body?: Content | null,
    /**
     * Name of a credential from `gateway.toml` to add to the request; the guest never sees it.
     */
    credential?: string | null,
    /**
     * none means the agent's own limit, which also caps it.
     */
    timeoutMs?: number | null,
  }
  export interface Error {
    /**
     * `denied`, `dns`, `connect`, `tls`, `timeout`, `too-large` or `protocol`.
     */
    code: string,
    message: string,
  }
}
declare module 'gateway:plugin/outbound' {
  /**
   * The event's id; also the idempotency key to hand on.
   */
  export function id(): string;
  export function kind(): string;
  export function subject(): string | null;
  export function attribute(name: string): string | null;
  export function attributes(): Array<[string, string]>;
  export function contentType(): string;
  export function data(): Uint8Array;
  export function text(): string;
  /**
   * The event as a CloudEvent 1.0 in structured mode, JSON.
   */
  export function cloudEvent(): string;
  /**
   * The envelope as JSON: `version`, `timestamp`, `channel`, `skills`, `attempt` and `event`, the CloudEvent.
   */
  export function envelope(): string;
  /**
   * 1 for the first try.
   */
  export function attempt(): number;
}
declare module 'gateway:plugin/state' {
  /**
   * The value that was kept, or that this call has set.
   */
  export function get(key: string): Uint8Array | null;
  /**
   * Sets a value of at most 16384 bytes; a key is 1 to 128 bytes.
   */
  export function set(key: string, value: Uint8Array): void;
  /**
   * Removes a value; one that is not there is no error.
   */
  export { _delete as delete };
  function _delete(key: string): void;
  /**
   * The keys that begin with `prefix`, in order.
   */
  export function keys(prefix: string): Array<string>;
  export interface Error {
    /**
     * `denied` when no state is granted, `quota`, or `invalid` for a key or value that is too long.
     */
    code: string,
    message: string,
  }
}
declare module 'gateway:plugin/types' {
  /**
   * Text or bytes. Text is for guests without a text encoder; on the wire both are bytes.
   */
  export type Content = ContentText | ContentBytes;
  export interface ContentText {
    tag: 'text',
    val: string,
  }
  export interface ContentBytes {
    tag: 'bytes',
    val: Uint8Array,
  }
  /**
   * An HTTP response. Header names are case-insensitive and may repeat.
   */
  export interface Response {
    status: number,
    headers: Array<[string, string]>,
    body?: Content | null,
  }
}
