// A source of events: each posted JSON object becomes an event.

#include "gateway/channel_plugin.h"
#include "json.h"

typedef channel_plugin_string_t text;
typedef exports_gateway_plugin_channel_event_t event;

static const char MANIFEST[] = {
#embed "manifest.json"
    , 0};

// A text with a static lifetime. A value that is passed to the gateway for good must be a copy instead.
static text lasting(const char *words) {
  text result;
  channel_plugin_string_set(&result, words);
  return result;
}

static bool member(text body, const char *name, text *value) {
  value->ptr = json_member((const char *)body.ptr, body.len, name, &value->len);
  return value->ptr != NULL;
}

void exports_gateway_plugin_channel_describe(text *ret) { channel_plugin_string_dup(ret, MANIFEST); }

// Returns true for a receipt, false for a rejection. The gateway's glue frees all that they point to after the call.
bool exports_gateway_plugin_channel_receive(
    exports_gateway_plugin_channel_receipt_t *ret, exports_gateway_plugin_channel_rejection_t *err) {
  text body;
  gateway_plugin_inbound_text(&body);
  if (!json_is_object((const char *)body.ptr, body.len)) {
    err->status = 400;
    channel_plugin_string_dup(&err->detail, "expected a JSON object");
    channel_plugin_string_free(&body);
    return false;
  }

  // Without `data`, the event's data is the whole request body.
  event *made = calloc(1, sizeof(event));
  text name = lasting("default_kind");
  if (!member(body, "kind", &made->kind) && !gateway_plugin_host_config(&name, &made->kind)) {
    channel_plugin_string_dup(&made->kind, "received");
  }
  made->subject.is_some = member(body, "subject", &made->subject.val);
  name = lasting("x-delivery-id");
  made->delivery_id.is_some = gateway_plugin_inbound_header(&name, &made->delivery_id.val);
  text severity;
  if (member(body, "severity", &severity)) {
    made->attributes.ptr = malloc(sizeof(*made->attributes.ptr));
    made->attributes.len = 1;
    channel_plugin_string_dup(&made->attributes.ptr->f0, "severity");
    made->attributes.ptr->f1 = severity;
  }
  channel_plugin_string_free(&body);

  text level = lasting("info");
  gateway_plugin_host_log(&level, &made->kind);
  memset(ret, 0, sizeof(*ret));
  ret->events.ptr = made;
  ret->events.len = 1;
  return true;
}
