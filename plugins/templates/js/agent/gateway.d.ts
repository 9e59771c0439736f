// Generated from `wit/plugin.wit`: do not edit.
declare module 'gateway:plugin/agent' {
  /**
   * The plugin's manifest: JSON that follows `manifest.schema.json`. Called once for each load of the plugin.
   */
  export function describe(): string;
  /**
   * Delivers the event of `outbound` to the agent.
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
     * `dns`, `connect`, `tls`, `timeout`, `status`, `throttled`, `busy` or a code of the plugin's own.
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
     * `status`, `gone`, `invalid`, `too-large` or a code of the plugin's own.
     */
    code: string,
    message: string,
  }
  export type Failure = FailureRetry | FailureReject;
  /**
   * Retry the delivery.
   */
  export interface FailureRetry {
    tag: 'retry',
    val: Retry,
  }
  /**
   * Do not retry the delivery.
   */
  export interface FailureReject {
    tag: 'reject',
    val: Refusal,
  }
}
declare module 'gateway:plugin/host' {
  /**
   * Writes one line to the gateway's log under the plugin's name.
   * `level` is `debug`, `info`, `warn` or `error`; any other value counts as `info`.
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
   * `count` random bytes, at most 1024, from the host's cryptographic generator.
   */
  export function random(count: number): Uint8Array;
}
declare module 'gateway:plugin/http' {
  /**
   * Sends a request and returns the whole response. A body in `gzip`, `deflate`, `br` or `zstd` is decoded, and
   * `content-encoding` removed; the host asks for no coding by itself. Without a `user-agent` the host sets its own.
   */
  export function send(request: Request): Response;
  /**
   * As `send`, for a request whose status alone says that it was taken. A 2xx is a response even if its body is too large,
   * breaks off, does not end in time or cannot be decoded: the body is then what arrived, and the timeline of the event has a
   * note. Where the agent's answer is waited for, on a synchronous route or one with `respond = true`, it is `send`.
   */
  export function notify(request: Request): Response;
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
     * Name of a credential in `gateway.toml` that the host adds to the request; the plugin never sees its value.
     */
    credential?: string | null,
    /**
     * By default the agent's own timeout, which is also the maximum.
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
   * The event's id; use it as the idempotency key.
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
   * The number of the attempt; the first is 1.
   */
  export function attempt(): number;
}
declare module 'gateway:plugin/state' {
  /**
   * The stored value, including changes of this call.
   */
  export function get(key: string): Uint8Array | null;
  /**
   * Sets a value of at most 16384 bytes; a key has 1 to 128 bytes.
   */
  export function set(key: string, value: Uint8Array): void;
  /**
   * Removes a value; a missing value is not an error.
   */
  export { _delete as delete };
  function _delete(key: string): void;
  /**
   * The keys that start with `prefix`, sorted.
   */
  export function keys(prefix: string): Array<string>;
  export interface Error {
    /**
     * `denied` if no state is granted, `quota`, or `invalid` for a key or value that is too long.
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
