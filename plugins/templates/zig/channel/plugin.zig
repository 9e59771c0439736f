//! A source of events: each JSON object that is posted is one.

const std = @import("std");
const gateway = @import("gateway/bindings.zig");

// What the gateway gives is freed with `free`, and so is what it takes over.
const allocator = std.heap.c_allocator;
const Text = gateway.channel_plugin_string_t;

/// Without it a panic would bring files and a clock along.
pub const panic = std.debug.no_panic;

/// What the plugin reads of the body; the event's data is the body as a whole.
const Body = struct {
    kind: ?[]const u8 = null,
    subject: ?[]const u8 = null,
    severity: ?[]const u8 = null,
};

export fn exports_gateway_plugin_channel_describe(ret: *Text) void {
    ret.* = copy(@embedFile("manifest.json"));
}

/// True is a receipt, false a rejection. Whatever either of them points to is freed after the call.
export fn exports_gateway_plugin_channel_receive(
    ret: *gateway.exports_gateway_plugin_channel_receipt_t,
    err: *gateway.exports_gateway_plugin_channel_rejection_t,
) bool {
    var text: Text = .{};
    gateway.gateway_plugin_inbound_text(&text);
    defer gateway.channel_plugin_string_free(&text);
    const parsed = std.json.parseFromSlice(Body, allocator, text.ptr[0..text.len], .{
        .ignore_unknown_fields = true,
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

fn setting(comptime key: []const u8) ?Text {
    var name = lasting(key);
    var value: Text = .{};
    return if (gateway.gateway_plugin_host_config(&name, &value)) value else null;
}

/// A text that lives as long as the program; what the gateway takes over must be a copy.
fn lasting(comptime text: []const u8) Text {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn copy(text: []const u8) Text {
    return owned(allocator.dupe(u8, text) catch unreachable);
}

fn owned(text: []u8) Text {
    return .{ .ptr = text.ptr, .len = text.len };
}
