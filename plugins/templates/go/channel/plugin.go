// A source of events: each JSON object that is posted is one.
//
// An instance that is used again must collect its garbage by hand, see `tidy`.

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

// body is what the plugin reads of the request's body; the event's data is the body as a whole.
type body struct {
	Kind     string `json:"kind"`
	Subject  string `json:"subject"`
	Severity string `json:"severity"`
}

// Receive turns the request of `inbound` into events.
func Receive() wit.Result[channel.Receipt, channel.Rejection] {
	tidy()
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

// calls counts those of this instance; it stays 1 unless the operator lets instances be used again.
var calls int

// Go's collector reads the clock, which traps when it happens to run while the gateway hands a value over. So it
// runs here and nowhere else: not at all in a fresh instance, once in a hundred calls in one that is used again.
func init() {
	debug.SetGCPercent(-1)
}

func tidy() {
	// The values that the gateway has handed over in the call before.
	runtime.Unpin()
	if calls++; calls%100 == 0 {
		goruntime.GC()
	}
}
