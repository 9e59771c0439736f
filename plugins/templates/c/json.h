// Reads the string members of a JSON object, without a dependency.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The most levels of nested values.
#define JSON_DEPTH 64

static const char *json_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

static int json_hex(const char *at) {
  int code = 0;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code;
}

// The end of the string that starts with the quote `at`, or NULL.
static const char *json_skip_text(const char *at, const char *end) {
  for (at++; at < end; at++) {
    if (*at == '"') return at + 1;
    if ((unsigned char)*at < 0x20) return NULL;
    if (*at != '\\') continue;
    if (++at == end) return NULL;
    if (*at == 'u') {
      if (end - at < 5 || json_hex(at + 1) < 0) return NULL;
      at += 4;
    } else if (!strchr("\"\\/bfnrt", *at)) {
      return NULL;
    }
  }
  return NULL;
}

static const char *json_skip_digits(const char *at, const char *end) {
  const char *start = at;
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at == start ? NULL : at;
}

static const char *json_skip_number(const char *at, const char *end) {
  if (*at == '-') at++;
  if (at == end) return NULL;
  at = *at == '0' ? at + 1 : json_skip_digits(at, end);
  if (at && at < end && *at == '.') at = json_skip_digits(at + 1, end);
  if (at && at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    at = json_skip_digits(at, end);
  }
  return at;
}

// The end of the value that starts at `at`, or NULL if it is not valid.
static const char *json_skip(const char *at, const char *end, int depth) {
  if (at == end || depth == 0) return NULL;
  if (*at == '"') return json_skip_text(at, end);
  if (*at == '-' || (*at >= '0' && *at <= '9')) return json_skip_number(at, end);
  static const char *const words[] = {"true", "false", "null"};
  for (int i = 0; i < 3; i++) {
    size_t len = strlen(words[i]);
    if ((size_t)(end - at) >= len && !memcmp(at, words[i], len)) return at + len;
  }
  if (*at != '{' && *at != '[') return NULL;
  bool is_object = *at == '{';
  char close = is_object ? '}' : ']';
  at = json_space(at + 1, end);
  if (at < end && *at == close) return at + 1;
  for (;;) {
    if (is_object) {
      if (at == end || *at != '"' || !(at = json_skip_text(at, end))) return NULL;
      at = json_space(at, end);
      if (at == end || *at != ':') return NULL;
      at = json_space(at + 1, end);
    }
    if (!(at = json_skip(at, end, depth - 1))) return NULL;
    at = json_space(at, end);
    if (at == end) return NULL;
    if (*at == close) return at + 1;
    if (*at != ',') return NULL;
    at = json_space(at + 1, end);
  }
}

// Whether the text is exactly one JSON object.
static bool json_is_object(const char *text, size_t len) {
  const char *end = text + len;
  const char *at = json_space(text, end);
  if (at == end || *at != '{') return false;
  at = json_skip(at, end, JSON_DEPTH);
  return at && json_space(at, end) == end;
}

// Replaces bytes that are not UTF-8, the only text that the gateway accepts: a text that was cut off within a character must not
// cost the others.
static void json_mend(uint8_t *text, size_t len) {
  for (size_t at = 0; at < len;) {
    uint8_t first = text[at];
    size_t size = first < 0x80 ? 1 : first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bool is_whole = size > 0 && size <= len - at;
    for (size_t i = 1; is_whole && i < size; i++) {
      uint8_t least = i > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
      uint8_t most = i > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
      is_whole = text[at + i] >= least && text[at + i] <= most;
    }
    if (!is_whole) text[at] = '?';
    at += is_whole ? size : 1;
  }
}

static size_t json_utf8(uint32_t code, uint8_t *into) {
  if (code < 0x80) return into[0] = code, 1;
  if (code < 0x800) return into[0] = 0xc0 | code >> 6, into[1] = 0x80 | (code & 0x3f), 2;
  if (code < 0x10000) {
    return into[0] = 0xe0 | code >> 12, into[1] = 0x80 | (code >> 6 & 0x3f), into[2] = 0x80 | (code & 0x3f), 3;
  }
  into[0] = 0xf0 | code >> 18, into[1] = 0x80 | (code >> 12 & 0x3f);
  return into[2] = 0x80 | (code >> 6 & 0x3f), into[3] = 0x80 | (code & 0x3f), 4;
}

// Copies the valid string between two quotes and decodes its escapes. The caller must free the copy.
static uint8_t *json_unescape(const char *at, const char *end, size_t *len) {
  uint8_t *copy = malloc(end - at + 1);
  size_t size = 0;
  while (at < end) {
    if (*at != '\\') {
      copy[size++] = *at++;
      continue;
    }
    at++;
    if (*at != 'u') {
      static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
      const char *known = strchr(from, *at);
      copy[size++] = known ? to[known - from] : *at;
      at++;
      continue;
    }
    uint32_t code = json_hex(at + 1);
    at += 5;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
      uint32_t low = json_hex(at + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      }
    }
    // Half of a pair is not a character: the gateway accepts only UTF-8.
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    size += json_utf8(code, copy + size);
  }
  *len = size;
  return copy;
}

// A copy of a string member of a valid object, or NULL if it is missing, empty or not a string.
static uint8_t *json_member(const char *text, size_t text_len, const char *name, size_t *len) {
  const char *end = text + text_len;
  const char *at = json_space(json_space(text, end) + 1, end);
  while (*at == '"') {
    const char *key = at + 1, *key_end = json_skip_text(at, end) - 1;
    at = json_space(json_space(key_end + 1, end) + 1, end);
    const char *value = at;
    at = json_skip(at, end, JSON_DEPTH);
    if ((size_t)(key_end - key) == strlen(name) && !memcmp(key, name, key_end - key)) {
      return *value == '"' && at - value > 2 ? json_unescape(value + 1, at - 1, len) : NULL;
    }
    at = json_space(at, end);
    if (*at == ',') at = json_space(at + 1, end);
  }
  return NULL;
}

#endif
