// A source of events: each posted JSON object becomes an event.
//
// A reused instance must collect its garbage by hand, see `collectGarbage`.

package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"plugin-name/gateway/channel"
	"plugin-name/gateway/host"
	"plugin-name/gateway/inbound"
	"plugin-name/gateway/wit/runtime"
	wit "plugin-name/gateway/wit/types"
)

//go:embed manifest.json
var manifest string

// Describe returns the manifest.
func Describe() string {
	return manifest
}

// body has the members of the request's body that the plugin reads; the event's data is the whole body.
type body struct {
	Kind     string `json:"kind"`
	Subject  string `json:"subject"`
	Severity string `json:"severity"`
}

// Receive turns the request of `inbound` into events.
func Receive() wit.Result[channel.Receipt, channel.Rejection] {
	collectGarbage()
	var read *body
	if err := json.Unmarshal([]byte(inbound.Text()), &read); err != nil {
		return refuse(fmt.Sprintf("expected a JSON object: %v", err))
	}
	if read == nil {
		return refuse("expected a JSON object")
	}
	kind := read.Kind
	if kind == "" {
		kind = host.Config("default_kind").SomeOr("received")
	}
	host.Log("info", fmt.Sprintf("`%s` about `%s`", kind, read.Subject))

	event := channel.Event{Kind: kind, DeliveryId: inbound.Header("x-delivery-id")}
	if read.Subject != "" {
		event.Subject = wit.Some(read.Subject)
	}
	if read.Severity != "" {
		severity := wit.Tuple2[string, string]{F0: "severity", F1: read.Severity}
		event.Attributes = append(event.Attributes, severity)
	}
	receipt := channel.Receipt{Events: []channel.Event{event}}
	return wit.Ok[channel.Receipt, channel.Rejection](receipt)
}

func refuse(detail string) wit.Result[channel.Receipt, channel.Rejection] {
	return wit.Err[channel.Receipt](channel.Rejection{Status: 400, Detail: detail})
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
