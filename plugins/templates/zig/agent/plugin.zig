//! A destination of events: each event is posted to the setting `url`.

const std = @import("std");
const gateway = @import("gateway/bindings.zig");

// Memory passes between gateway and plugin in both directions and is freed with `free`.
const allocator = std.heap.c_allocator;
const Text = gateway.agent_plugin_string_t;
const Failure = gateway.exports_gateway_plugin_agent_failure_t;
const Response = gateway.gateway_plugin_types_response_t;

/// The default panic handler would import files and a clock.
pub const panic = std.debug.no_panic;

export fn exports_gateway_plugin_agent_describe(ret: *Text) void {
    ret.* = copy(@embedFile("manifest.json"));
}

/// Returns true for an answer, false for a failure. The gateway's glue frees all that they point to after the call.
export fn exports_gateway_plugin_agent_deliver(
    ret: *gateway.exports_gateway_plugin_agent_answer_t,
    err: *Failure,
) bool {
    const url = setting("url") orelse {
        err.* = reject(copy("invalid"), copy("`url` is missing in the agent's `config`"));
        return false;
    };
    var headers = [_]gateway.agent_plugin_tuple2_string_string_t{
        .{ .f0 = lasting("content-type"), .f1 = lasting("application/json") },
        .{ .f0 = lasting("idempotency-key") },
    };
    gateway.gateway_plugin_outbound_id(&headers[1].f1);
    var request: gateway.gateway_plugin_http_request_t = .{
        .method = lasting("POST"),
        .url = url,
        .headers = .{ .ptr = &headers, .len = headers.len },
    };
    request.body.is_some = true;
    request.body.val.tag = gateway.GATEWAY_PLUGIN_TYPES_CONTENT_TEXT;
    gateway.gateway_plugin_outbound_envelope(&request.body.val.val.text);
    if (setting("credential")) |name| request.credential = .{ .is_some = true, .val = name };

    var response: gateway.gateway_plugin_http_response_t = .{};
    var failed: gateway.gateway_plugin_http_error_t = .{};
    const is_answered = gateway.gateway_plugin_http_send(&request, &response, &failed);
    for ([_]*Text{ &request.url, &headers[1].f1, &request.body.val.val.text, &request.credential.val }) |text| {
        gateway.agent_plugin_string_free(text);
    }
    if (!is_answered) {
        const code = failed.code.ptr[0..failed.code.len];
        // A retry would end the same for these two codes, but may succeed for any other.
        const is_final = std.mem.eql(u8, code, "denied") or std.mem.eql(u8, code, "too-large");
        err.* = if (is_final) reject(failed.code, failed.message) else retry(failed.code, failed.message, null);
        return false;
    }
    defer gateway.gateway_plugin_types_response_free(&response);
    if (response.status >= 200 and response.status < 300) {
        const content_type = header(&response, "content-type") orelse copy("application/octet-stream");
        // The body is passed on to the gateway, which frees it.
        ret.* = .{ .content_type = content_type, .body = .{ .is_some = response.body.is_some, .val = response.body.val } };
        response.body.is_some = false;
        return true;
    }
    err.* = failureOf(&response);
    return false;
}

/// Maps a response that is not a 2xx to a failure.
fn failureOf(response: *const Response) Failure {
    const status = response.status;
    const message = owned(std.fmt.allocPrint(allocator, "answered {d}", .{status}) catch unreachable);
    const code: ?[]const u8 = switch (status) {
        429 => "throttled",
        503 => "busy",
        408, 425, 500...502, 504...599 => "status",
        else => null,
    };
    const known = code orelse return reject(copy("status"), message);
    return retry(copy(known), message, header(response, "retry-after"));
}

fn retry(code: Text, message: Text, after: ?Text) Failure {
    var failure: Failure = .{ .tag = gateway.EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_RETRY };
    failure.val.retry = .{ .code = code, .message = message };
    if (after) |value| failure.val.retry.after = .{ .is_some = true, .val = value };
    return failure;
}

fn reject(code: Text, message: Text) Failure {
    var failure: Failure = .{ .tag = gateway.EXPORTS_GATEWAY_PLUGIN_AGENT_FAILURE_REJECT };
    failure.val.reject = .{ .code = code, .message = message };
    return failure;
}

fn header(response: *const Response, name: []const u8) ?Text {
    for (response.headers.ptr[0..response.headers.len]) |known| {
        if (std.ascii.eqlIgnoreCase(known.f0.ptr[0..known.f0.len], name)) return copy(known.f1.ptr[0..known.f1.len]);
    }
    return null;
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
