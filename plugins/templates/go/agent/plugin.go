// A destination of events: each event is posted to the setting `url`.
//
// A reused instance must collect its garbage by hand, see `collectGarbage`.

package main

import (
	_ "embed"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"strings"

	"plugin-name/gateway/agent"
	"plugin-name/gateway/host"
	"plugin-name/gateway/http"
	"plugin-name/gateway/outbound"
	"plugin-name/gateway/types"
	"plugin-name/gateway/wit/runtime"
	wit "plugin-name/gateway/wit/types"
)

//go:embed manifest.json
var manifest string

// Describe returns the manifest.
func Describe() string {
	return manifest
}

type delivered = wit.Result[agent.Answer, agent.Failure]

// Deliver sends the event of `outbound` to the agent.
func Deliver() delivered {
	collectGarbage()
	url := host.Config("url")
	if url.IsNone() {
		return reject("invalid", "`url` is missing in the agent's `config`")
	}
	sent := http.Send(http.Request{
		Method: "POST",
		Url:    url.Some(),
		Headers: []wit.Tuple2[string, string]{
			{F0: "content-type", F1: "application/json"},
			{F0: "idempotency-key", F1: outbound.Id()},
		},
		Body:       wit.Some(types.MakeContentText(outbound.Envelope())),
		Credential: host.Config("credential"),
	})
	if sent.IsOk() {
		return outcome(sent.Ok())
	}
	failed := sent.Err()
	// A retry would end the same for these two codes, but may succeed for any other.
	if failed.Code == "denied" || failed.Code == "too-large" {
		return reject(failed.Code, failed.Message)
	}
	return retry(failed.Code, failed.Message, wit.None[string]())
}

// outcome maps a response to the outcome of the delivery.
func outcome(response types.Response) delivered {
	message := fmt.Sprintf("answered %d", response.Status)
	after := header(response, "retry-after")
	switch status := response.Status; {
	case status >= 200 && status < 300:
		contentType := header(response, "content-type").SomeOr("application/octet-stream")
		return wit.Ok[agent.Answer, agent.Failure](agent.Answer{ContentType: contentType, Body: response.Body})
	case status == 429:
		return retry("throttled", message, after)
	case status == 503:
		return retry("busy", message, after)
	case status == 408 || status == 425 || status >= 500:
		return retry("status", message, after)
	default:
		return reject("status", message)
	}
}

func header(response types.Response, name string) wit.Option[string] {
	for _, known := range response.Headers {
		if strings.EqualFold(known.F0, name) {
			return wit.Some(known.F1)
		}
	}
	return wit.None[string]()
}

func retry(code, message string, after wit.Option[string]) delivered {
	failure := agent.MakeFailureRetry(agent.Retry{Code: code, Message: message, After: after})
	return wit.Err[agent.Answer](failure)
}

func reject(code, message string) delivered {
	failure := agent.MakeFailureReject(agent.Refusal{Code: code, Message: message})
	return wit.Err[agent.Answer](failure)
}

// calls counts the calls of this instance; it stays at 1 unless the operator lets the host reuse instances.
var calls int

// Go's collector reads the clock, which traps while the gateway passes a value to the plugin. So it runs only here: never
// in a fresh instance, and once in a hundred calls in a reused one.
func init() {
	debug.SetGCPercent(-1)
}

func collectGarbage() {
	// The values that the gateway passed in the previous call.
	runtime.Unpin()
	if calls++; calls%100 == 0 {
		goruntime.GC()
	}
}
