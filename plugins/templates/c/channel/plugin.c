// A source of events: each posted JSON object becomes an event.

#include "gateway/receiving_plugin.h"
#include "json.h"

typedef receiving_plugin_string_t text;
typedef receiving_plugin_list_u8_t bytes;
typedef exports_gateway_plugin_receive_event_t event;

static const char MANIFEST[] = {
#embed "manifest.json"
    , 0};

static bool member(text object, const char *name, text *value) {
  value->ptr = json_member((const char *)object.ptr, object.len, name, &value->len);
  return value->ptr != NULL;
}

// Copies the value of a header. `lines` has a line for each, `name: value`, with the name in lower case.
static bool header(text lines, const char *name, text *value) {
  const char *at = (const char *)lines.ptr, *end = at + lines.len;
  size_t length = strlen(name);
  while (at < end) {
    const char *line_end = memchr(at, '\n', end - at);
    if (!line_end) line_end = end;
    if ((size_t)(line_end - at) >= length + 2 && !memcmp(at, name, length) && !memcmp(at + length, ": ", 2)) {
      value->len = line_end - at - length - 2;
      value->ptr = memcpy(malloc(value->len + 1), at + length + 2, value->len);
      return true;
    }
    at = line_end + 1;
  }
  return false;
}

// Writes a line to the gateway's log: 0 is `debug`, 1 `info`, 2 `warn`, 3 `error`. Fewer than eight bytes end the line.
static void log_line(uint32_t level, text line) {
  for (size_t at = 0; at <= line.len; at += 8) {
    uint64_t part = 0;
    memcpy(&part, line.ptr + at, line.len - at < 8 ? line.len - at : 8);
    gateway_plugin_log_write(level, part);
  }
}

static bool rejected(exports_gateway_plugin_receive_rejection_t *err, const char *detail) {
  err->status = 400;
  receiving_plugin_string_dup(&err->detail, detail);
  return false;
}

// Without `data`, the event's data is the whole request body.
static bool received(
    text headers, text body, text config, exports_gateway_plugin_receive_receipt_t *ret,
    exports_gateway_plugin_receive_rejection_t *err) {
  // Some senders put a mark before a text.
  if (body.len >= 3 && !memcmp(body.ptr, "\xef\xbb\xbf", 3)) body.ptr += 3, body.len -= 3;
  json_mend(body.ptr, body.len);
  if (!json_is_object((const char *)body.ptr, body.len)) return rejected(err, "expected a JSON object");
  event *made = calloc(1, sizeof(event));
  if (!member(body, "kind", &made->kind) && !member(config, "default_kind", &made->kind)) {
    receiving_plugin_string_dup(&made->kind, "received");
  }
  made->subject.is_some = member(body, "subject", &made->subject.val);
  made->delivery_id.is_some = header(headers, "x-delivery-id", &made->delivery_id.val);
  text severity;
  if (member(body, "severity", &severity)) {
    made->attributes.ptr = malloc(sizeof(*made->attributes.ptr));
    made->attributes.len = 1;
    receiving_plugin_string_dup(&made->attributes.ptr->f0, "severity");
    made->attributes.ptr->f1 = severity;
  }
  log_line(1, made->kind);
  memset(ret, 0, sizeof(*ret));
  ret->events.ptr = made;
  ret->events.len = 1;
  return true;
}

void exports_gateway_plugin_receive_describe(text *ret) { receiving_plugin_string_dup(ret, MANIFEST); }

// Returns true for a receipt, false for a rejection. The gateway's glue frees all that they point to after the call.
bool exports_gateway_plugin_receive_receive(
    text *method, text *path, text *query, text *headers, bytes *body, text *config,
    exports_gateway_plugin_receive_receipt_t *ret, exports_gateway_plugin_receive_rejection_t *err) {
  bool is_receipt = received(*headers, (text){body->ptr, body->len}, *config, ret, err);
  // What the gateway passes in belongs to the plugin.
  text *texts[] = {method, path, query, headers, config};
  for (int i = 0; i < 5; i++) receiving_plugin_string_free(texts[i]);
  receiving_plugin_list_u8_free(body);
  return is_receipt;
}
