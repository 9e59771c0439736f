// A destination of events: each event is posted to the setting `url`.

#include <string.h>
#include <strings.h>

#include "gateway/agent_plugin.h"

typedef agent_plugin_string_t text;
typedef exports_gateway_plugin_agent_failure_t failure;

static const char MANIFEST[] = {
#embed "manifest.json"
    , 0};

// A text with a static lifetime. A value that is passed to the gateway for good must be a copy instead.
static text lasting(const char *words) {
  text result;
  agent_plugin_string_set(&result, words);
  return result;
}

static bool equal(text left, const char *right) {
  return left.len == strlen(right) && !memcmp(left.ptr, right, left.len);
}

static bool header(const gateway_plugin_types_response_t *response, const char *name, text *value) {
  for (size_t i = 0; i < response->headers.len; i++) {
    text known = response->headers.ptr[i].f0;
    if (known.len == strlen(name) && !strncasecmp((const char *)known.ptr, name, known.len)) {
      agent_plugin_string_dup_n(value, (const char *)response->headers.ptr[i].f1.ptr, response->headers.ptr[i].f1.len);
      return true;
    }
  }
  return false;
}

// A failure to be retried, not before the response's `Retry-After`.
static bool retry(failure *err, const char *code, const char *message, const gateway_plugin_types_response_t *response) {
  memset(err, 0, sizeof(*err));
  err->tag = EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_RETRY;
  agent_plugin_string_dup(&err->val.retry.code, code);
  agent_plugin_string_dup(&err->val.retry.message, message);
  err->val.retry.after.is_some = response && header(response, "retry-after", &err->val.retry.after.val);
  return false;
}

// A failure not to be retried.
static bool reject(failure *err, const char *code, const char *message) {
  memset(err, 0, sizeof(*err));
  err->tag = EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_REJECT;
  agent_plugin_string_dup(&err->val.reject.code, code);
  agent_plugin_string_dup(&err->val.reject.message, message);
  return false;
}

// Maps a response to the outcome of the delivery.
static bool outcome(
    gateway_plugin_types_response_t *response, exports_gateway_plugin_agent_answer_t *ret, failure *err) {
  uint16_t status = response->status;
  if (status >= 200 && status < 300) {
    memset(ret, 0, sizeof(*ret));
    if (!header(response, "content-type", &ret->content_type)) {
      agent_plugin_string_dup(&ret->content_type, "application/octet-stream");
    }
    // The body is passed on to the gateway, which frees it.
    ret->body.is_some = response->body.is_some;
    ret->body.val = response->body.val;
    response->body.is_some = false;
    return true;
  }
  // By hand: `snprintf` would import files and a clock.
  char message[] = "answered 000";
  for (char *digit = message + sizeof(message) - 2; status > 0; status /= 10) *digit-- += status % 10;
  status = response->status;
  if (status == 429) return retry(err, "throttled", message, response);
  if (status == 503) return retry(err, "busy", message, response);
  if (status == 408 || status == 425 || status >= 500) return retry(err, "status", message, response);
  return reject(err, "status", message);
}

void exports_gateway_plugin_agent_describe(text *ret) { agent_plugin_string_dup(ret, MANIFEST); }

// Returns true for an answer, false for a failure. The gateway's glue frees all that they point to after the call.
bool exports_gateway_plugin_agent_deliver(exports_gateway_plugin_agent_answer_t *ret, failure *err) {
  gateway_plugin_http_request_t request = {.method = lasting("POST")};
  text name = lasting("url");
  if (!gateway_plugin_host_config(&name, &request.url)) {
    return reject(err, "invalid", "`url` is missing in the agent's `config`");
  }
  name = lasting("credential");
  request.credential.is_some = gateway_plugin_host_config(&name, &request.credential.val);
  agent_plugin_tuple2_string_string_t headers[] = {
      {lasting("content-type"), lasting("application/json")},
      {lasting("idempotency-key"), {0}},
  };
  gateway_plugin_outbound_id(&headers[1].f1);
  request.headers.ptr = headers;
  request.headers.len = 2;
  request.body.is_some = true;
  request.body.val.tag = GATEWAY_PLUGIN_TYPES_CONTENT_TEXT;
  gateway_plugin_outbound_envelope(&request.body.val.val.text);

  gateway_plugin_http_response_t response;
  gateway_plugin_http_error_t error;
  bool is_answered = gateway_plugin_http_send(&request, &response, &error);
  agent_plugin_string_free(&request.url);
  agent_plugin_string_free(&headers[1].f1);
  agent_plugin_string_free(&request.body.val.val.text);
  if (request.credential.is_some) agent_plugin_string_free(&request.credential.val);

  if (is_answered) {
    bool is_delivered = outcome(&response, ret, err);
    gateway_plugin_types_response_free(&response);
    return is_delivered;
  }
  // A retry would end the same for these two codes, but may succeed for any other.
  bool is_final = equal(error.code, "denied") || equal(error.code, "too-large");
  memset(err, 0, sizeof(*err));
  if (is_final) {
    err->tag = EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_REJECT;
    err->val.reject.code = error.code;
    err->val.reject.message = error.message;
  } else {
    err->tag = EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_RETRY;
    err->val.retry.code = error.code;
    err->val.retry.message = error.message;
  }
  return false;
}
