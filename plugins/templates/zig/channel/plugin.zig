//! A source of events: each posted JSON object becomes an event.

const std = @import("std");
const gateway = @import("gateway/bindings.zig");

// Memory passes between gateway and plugin in both directions and is freed with `free`.
const allocator = std.heap.c_allocator;
const Text = gateway.channel_plugin_string_t;

/// The default panic handler would import files and a clock.
pub const panic = std.debug.no_panic;

/// The members of the body that the plugin reads; the event's data is the whole body.
const Body = struct {
    kind: ?[]const u8 = null,
    subject: ?[]const u8 = null,
    severity: ?[]const u8 = null,
};

export fn exports_gateway_plugin_channel_describe(ret: *Text) void {
    ret.* = copy(@embedFile("manifest.json"));
}

/// Returns true for a receipt, false for a rejection. The gateway's glue frees all that they point to after the call.
export fn exports_gateway_plugin_channel_receive(
    ret: *gateway.exports_gateway_plugin_channel_receipt_t,
    err: *gateway.exports_gateway_plugin_channel_rejection_t,
) bool {
    var text: Text = .{};
    gateway.gateway_plugin_inbound_text(&text);
    defer gateway.channel_plugin_string_free(&text);
    const json = text.ptr[0..text.len];
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

    const kind = if (body.kind) |kind| copy(kind) else setting("default_kind") orelse copy("received");
    var level = lasting("info");
    var line = kind;
    gateway.gateway_plugin_host_log(&level, &line);

    const event = allocator.create(gateway.exports_gateway_plugin_channel_event_t) catch unreachable;
    event.* = .{ .kind = kind };
    if (body.subject) |subject| event.subject = .{ .is_some = true, .val = copy(subject) };
    var name = lasting("x-delivery-id");
    event.delivery_id.is_some = gateway.gateway_plugin_inbound_header(&name, &event.delivery_id.val);
    if (body.severity) |severity| {
        const attribute = allocator.create(gateway.channel_plugin_tuple2_string_string_t) catch unreachable;
        attribute.* = .{ .f0 = copy("severity"), .f1 = copy(severity) };
        event.attributes = .{ .ptr = attribute, .len = 1 };
    }
    ret.* = .{ .events = .{ .ptr = event, .len = 1 } };
    return true;
}

/// JSON may contain half of a surrogate pair, but the gateway accepts only valid UTF-8: it becomes U+FFFD.
fn mend(json: []u8) void {
    var at: usize = 0;
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

fn setting(comptime key: []const u8) ?Text {
    var name = lasting(key);
    var value: Text = .{};
    return if (gateway.gateway_plugin_host_config(&name, &value)) value else null;
}

/// A text with a static lifetime. A value that is passed to the gateway for good must be a copy instead.
fn lasting(comptime text: []const u8) Text {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn copy(text: []const u8) Text {
    return owned(allocator.dupe(u8, text) catch unreachable);
}

fn owned(text: []u8) Text {
    return .{ .ptr = text.ptr, .len = text.len };
}
