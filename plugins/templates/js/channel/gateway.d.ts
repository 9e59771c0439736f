// Generated from `wit/plugin.wit`: do not edit.
declare module 'gateway:plugin/channel' {
  /**
   * The plugin's manifest: JSON that follows `manifest.schema.json`. Called once for each load of the plugin.
   */
  export function describe(): string;
  /**
   * Turns the request of `inbound` into events.
   */
  export function receive(): Receipt;
  export type Content = import('gateway:plugin/types').Content;
  export type Response = import('gateway:plugin/types').Response;
  export interface Event {
    /**
     * Dotted type, such as `pull_request.opened`; the host prepends the channel's name.
     */
    kind: string,
    /**
     * What the event is about, such as `octo/repo#7`. Events of one subject are delivered in order.
     */
    subject?: string | null,
    /**
     * The provider's own id of this delivery, such as `X-GitHub-Delivery`. Deduplication uses channel, delivery id,
     * digest of the body and position in the receipt.
     */
    deliveryId?: string | null,
    /**
     * The plugin's own deduplication key, used instead of the above: events with the same key are duplicates.
     */
    key?: string | null,
    /**
     * The payload. By default it is the request body, byte for byte, which is then not copied.
     */
    data?: Content | null,
    /**
     * Media type of `data`; by default that of the request.
     */
    contentType?: string | null,
    /**
     * Facts to route by: `severity`, `command`, `fingerprint`, `status`, `priority`, ... Names have 1 to 20 characters of
     * `a-z0-9` (CloudEvents extension attributes).
     */
    attributes: Array<[string, string]>,
  }
  export interface Receipt {
    events: Array<Event>,
    /**
     * The response to the request; by default the host's own.
     */
    response?: Response | null,
  }
  export interface Rejection {
    /**
     * 400 to 499; any other value counts as 422.
     */
    status: number,
    detail: string,
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
declare module 'gateway:plugin/inbound' {
  export function method(): string;
  /**
   * The path below the channel's mount point; starts with `/`.
   */
  export function path(): string;
  /**
   * The query string without `?`, undecoded; empty if there is none. Credentials are removed.
   */
  export function query(): string;
  /**
   * The first value of a header. Names are case-insensitive; credentials are never shown.
   */
  export function header(name: string): string | null;
  /**
   * All headers in order, names in lower case, without credentials.
   */
  export function headers(): Array<[string, string]>;
  /**
   * The body exactly as it was received.
   */
  export function body(): Uint8Array;
  /**
   * The body as text; bytes that are not UTF-8 become U+FFFD.
   */
  export function text(): string;
  /**
   * When the host received the request: RFC 3339, UTC, milliseconds.
   */
  export function receivedAt(): string;
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
