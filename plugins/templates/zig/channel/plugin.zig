//! A source of events: each posted JSON object becomes an event.

const std = @import("std");
const gateway = @import("gateway/bindings.zig");

// Memory passes between gateway and plugin in both directions and is freed with `free`.
const allocator = std.heap.c_allocator;
const Text = gateway.receiving_plugin_string_t;
const Bytes = gateway.receiving_plugin_list_u8_t;

/// The default panic handler would import files and a clock.
pub const panic = std.debug.no_panic;

/// The members of the body that the plugin reads; the event's data is the whole body.
const Body = struct {
    kind: ?[]const u8 = null,
    subject: ?[]const u8 = null,
    severity: ?[]const u8 = null,
};

/// The settings that the plugin reads. All settings are strings.
const Settings = struct {
    default_kind: []const u8 = "received",
};

export fn exports_gateway_plugin_receive_describe(ret: *Text) void {
    ret.* = copy(@embedFile("manifest.json"));
}

/// Returns true for a receipt, false for a rejection. The gateway's glue frees all that they point to after the call.
export fn exports_gateway_plugin_receive_receive(
    method: *Text,
    path: *Text,
    query: *Text,
    headers: *Text,
    bytes: *Bytes,
    config: *Text,
    ret: *gateway.exports_gateway_plugin_receive_receipt_t,
    err: *gateway.exports_gateway_plugin_receive_rejection_t,
) bool {
    // What the gateway passes in belongs to the plugin.
    defer for ([_]*Text{ method, path, query, headers, config }) |text| gateway.receiving_plugin_string_free(text);
    defer gateway.receiving_plugin_list_u8_free(bytes);
    var json = bytes.ptr[0..bytes.len];
    // Some senders put a mark before a text.
    if (std.mem.startsWith(u8, json, "\xef\xbb\xbf")) json = json[3..];
    mend(json);
    const parsed = std.json.parseFromSlice(Body, allocator, json, .{
        .ignore_unknown_fields = true,
        .duplicate_field_behavior = .use_last,
    }) catch |problem| {
        const detail = std.mem.concat(allocator, u8, &.{ "expected a JSON object: ", @errorName(problem) });
        err.* = .{ .status = 400, .detail = owned(detail catch unreachable) };
        return false;
    };
    defer parsed.deinit();
    const body = parsed.value;

    const kind = if (body.kind) |kind| copy(kind) else defaultKind(slice(config));
    log(.info, slice(&kind));

    const event = allocator.create(gateway.exports_gateway_plugin_receive_event_t) catch unreachable;
    event.* = .{ .kind = kind };
    if (body.subject) |subject| event.subject = .{ .is_some = true, .val = copy(subject) };
    if (header(slice(headers), "x-delivery-id")) |id| event.delivery_id = .{ .is_some = true, .val = copy(id) };
    if (body.severity) |severity| {
        const attribute = allocator.create(gateway.receiving_plugin_tuple2_string_string_t) catch unreachable;
        attribute.* = .{ .f0 = copy("severity"), .f1 = copy(severity) };
        event.attributes = .{ .ptr = attribute, .len = 1 };
    }
    ret.* = .{ .events = .{ .ptr = event, .len = 1 } };
    return true;
}

fn defaultKind(config: []const u8) Text {
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const settings = std.json.parseFromSlice(Settings, allocator, config, options) catch return copy("received");
    defer settings.deinit();
    return copy(settings.value.default_kind);
}

/// The value of a header. `lines` has a line for each, `name: value`, with the name in lower case.
fn header(lines: []const u8, name: []const u8) ?[]const u8 {
    var line = std.mem.splitScalar(u8, lines, '\n');
    while (line.next()) |found| {
        const colon = std.mem.indexOf(u8, found, ": ") orelse continue;
        if (std.mem.eql(u8, found[0..colon], name)) return found[colon + 2 ..];
    }
    return null;
}

/// Writes a line to the gateway's log, eight bytes at a time. Fewer than eight end the line.
fn log(level: enum(u32) { debug, info, warn, err }, line: []const u8) void {
    var at: usize = 0;
    while (at <= line.len) : (at += 8) {
        var part: [8]u8 = @splat(0);
        const rest = line[at..@min(at + 8, line.len)];
        @memcpy(part[0..rest.len], rest);
        gateway.gateway_plugin_log_write(@intFromEnum(level), @bitCast(part));
    }
}

/// The gateway accepts only valid UTF-8. JSON may contain half of a surrogate pair, which becomes U+FFFD. Bytes that are not UTF-8
/// become `?`: a text that was cut off within a character must not cost the others.
fn mend(json: []u8) void {
    var at: usize = 0;
    while (at < json.len) {
        const size = std.unicode.utf8ByteSequenceLength(json[at]) catch 0;
        const is_whole = size > 0 and size <= json.len - at and std.unicode.utf8ValidateSlice(json[at..][0..size]);
        if (!is_whole) json[at] = '?';
        at += if (is_whole) size else 1;
    }
    at = 0;
    while (at < json.len) {
        const code = escape(json, at) orelse {
            at += if (json[at] == '\\') 2 else 1;
            continue;
        };
        const next = escape(json, at + 6) orelse 0;
        if (code >= 0xd800 and code < 0xdc00 and next >= 0xdc00 and next < 0xe000) {
            at += 12;
            continue;
        }
        if (code >= 0xd800 and code < 0xe000) @memcpy(json[at + 2 ..][0..4], "fffd");
        at += 6;
    }
}

/// The code of an escape such as `\u00e9`.
fn escape(json: []const u8, at: usize) ?u16 {
    if (at + 6 > json.len or json[at] != '\\' or json[at + 1] != 'u') return null;
    return std.fmt.parseInt(u16, json[at + 2 ..][0..4], 16) catch null;
}

fn slice(text: *const Text) []const u8 {
    return text.ptr[0..text.len];
}

fn copy(text: []const u8) Text {
    return owned(allocator.dupe(u8, text) catch unreachable);
}

fn owned(text: []u8) Text {
    return .{ .ptr = text.ptr, .len = text.len };
}
