// Generated from `wit/plugin.wit`: do not edit.
declare module 'gateway:plugin/channel' {
  /**
   * The plugin's manifest: JSON after `manifest.schema.json`. Called once when the plugin is loaded.
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
     * Dotted type, such as `pull_request.opened`; the host puts the channel's name in front.
     */
    kind: string,
    /**
     * What the event is about, such as `octo/repo#7`. Events of one subject are delivered in order.
     */
    subject?: string | null,
    /**
     * The provider's own id of this delivery, such as `X-GitHub-Delivery`. A repeat is recognised by channel,
     * delivery id, digest of the body and position in the receipt.
     */
    deliveryId?: string | null,
    /**
     * A key of the plugin's own that says "the same event" whatever the delivery; it takes the place of the above.
     */
    key?: string | null,
    /**
     * The payload; none stands for the request body, byte for byte, which is then not copied.
     */
    data?: Content | null,
    /**
     * Media type of `data`; none means the request's.
     */
    contentType?: string | null,
    /**
     * Further facts: `severity`, `command`, `fingerprint`, `status`, `priority`, ... Names are 1 to 20 of `a-z0-9`
     * (CloudEvents extension attributes).
     */
    attributes: Array<[string, string]>,
  }
  export interface Receipt {
    events: Array<Event>,
    /**
     * What to answer; none leaves the answer to the host.
     */
    response?: Response | null,
  }
  export interface Rejection {
    /**
     * 400 to 499; anything else counts as 422.
     */
    status: number,
    detail: string,
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
declare module 'gateway:plugin/inbound' {
  export function method(): string;
  /**
   * The path below the channel's mount point; starts with `/`.
   */
  export function path(): string;
  /**
   * The query string without `?`, undecoded; empty when there is none. What the host used as a credential is removed.
   */
  export function query(): string;
  /**
   * The first value of a header, by name in any case. Credentials are never shown.
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
