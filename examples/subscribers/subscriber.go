// Reads the events of a consumer and acknowledges them. Go 1.19 or later, standard library only.
//
//	GATEWAY_URL=http://127.0.0.1:8080 GATEWAY_API_KEY=... go run subscriber.go [--out FILE]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	consumer     = "audit"
	longestPause = time.Minute
)

// errRefused means that coming back would not help.
var errRefused = errors.New("refused")

type subscriber struct {
	url, key string
	out      *os.File
	lease    string        // empty while the consumer is read elsewhere
	wait     time.Duration // the gateway asks for it
	silence  time.Duration // after so long without a sign the connection is dead
	failures int
}

// message has the fields of all messages that are used here.
type message struct {
	Event struct {
		ID, Type string
		Subject  *string
	}
	Consumer  *struct{ Lease string }
	Lease     string
	PingMS    int64 `json:"ping_ms"`
	AfterMS   int64 `json:"after_ms"`
	Reconnect bool
	Reason    string
}

// call returns an answer that is 200 or 409.
func (s *subscriber) call(ctx context.Context, method, path, accept string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errRefused, err)
	}
	request.Header.Set("authorization", "Bearer "+s.key)
	request.Header.Set("accept", accept)
	request.Header.Set("content-type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	status := response.StatusCode
	if status == http.StatusOK || status == http.StatusConflict {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
		return nil, fmt.Errorf("%w: %s: %s", errRefused, response.Status, text)
	}
	if seconds, err := strconv.Atoi(response.Header.Get("retry-after")); err == nil {
		s.wait = time.Duration(seconds) * time.Second
	}
	return nil, fmt.Errorf("%s: %s", response.Status, text)
}

// read reads the stream until it ends.
func (s *subscriber) read() error {
	s.lease = ""
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := time.AfterFunc(s.silence, cancel)
	defer watch.Stop()
	response, err := s.call(ctx, "GET", "/api/subscribe?consumer="+consumer, "text/event-stream", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var rest []byte
	piece := make([]byte, 64<<10)
	for {
		n, ended := response.Body.Read(piece)
		watch.Reset(s.silence)
		blocks := bytes.Split(append(rest, piece[:n]...), []byte("\n\n"))
		rest = append([]byte(nil), blocks[len(blocks)-1]...)
		var done []string
		for _, block := range blocks[:len(blocks)-1] {
			id, err := s.hear(string(block))
			if err != nil {
				return err
			}
			if id != "" {
				done = append(done, id)
			}
		}
		// What comes together is acknowledged together.
		if len(done) > 0 {
			if err := s.acknowledge(done); err != nil {
				return err
			}
		}
		if ended != nil {
			return ended
		}
	}
}

// hear takes in one block of the stream and returns the id of an event that is done with.
func (s *subscriber) hear(block string) (string, error) {
	var name string
	var data []string
	for _, line := range strings.Split(block, "\n") {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			name = value
		case "data":
			data = append(data, value)
		case "retry":
			if milliseconds, err := strconv.Atoi(value); err == nil {
				s.wait = time.Duration(milliseconds) * time.Millisecond
			}
		}
	}
	// A position and a ping have no data.
	if data == nil {
		return "", nil
	}
	var m message
	if err := json.Unmarshal([]byte(strings.Join(data, "\n")), &m); err != nil {
		return "", err
	}
	switch name {
	case "event":
		return m.Event.ID, s.work(m)
	case "connection.ack":
		s.failures = 0
		s.silence = 3 * time.Duration(m.PingMS) * time.Millisecond
		if m.Consumer != nil {
			s.lease = m.Consumer.Lease
		}
	case "consumer":
		s.lease = m.Lease
	case "gap":
		log.Println("events are missing:", strings.Join(data, ""))
	case "connection.close":
		if !m.Reconnect {
			return "", fmt.Errorf("%w: %s", errRefused, m.Reason)
		}
		s.wait = time.Duration(m.AfterMS) * time.Millisecond
	}
	return "", nil
}

// work is yours. An event that was not acknowledged comes again, so it must not matter whether it is done twice.
func (s *subscriber) work(m message) error {
	subject := "-"
	if m.Event.Subject != nil {
		subject = *m.Event.Subject
	}
	fmt.Println(m.Event.Type, subject, m.Event.ID)
	if s.out == nil {
		return nil
	}
	_, err := fmt.Fprintln(s.out, m.Event.ID)
	return err
}

func (s *subscriber) acknowledge(ids []string) error {
	body, err := json.Marshal(map[string]any{"lease": s.lease, "ids": ids})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.silence)
	defer cancel()
	response, err := s.call(ctx, "POST", "/api/consumers/"+consumer+"/ack", "application/json", body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusConflict {
		// The consumer has another receiver, or was moved. The stream says who has it next, and the events come again.
		log.Printf("not acknowledged: %s", text)
		return nil
	}
	// Only now they never come again.
	for _, id := range ids {
		fmt.Println("acked", id)
	}
	return nil
}

// pause is the wait that the gateway asks for, and a part that grows and is random, so that not all come back at once.
func (s *subscriber) pause() time.Duration {
	growing := longestPause
	if s.failures < 6 {
		growing = time.Second << s.failures
	}
	s.failures++
	return s.wait + growing/2 + time.Duration(rand.Int63n(int64(growing/2)))
}

func main() {
	file := flag.String("out", "", "a file for the ids of processed events")
	flag.Parse()
	rand.Seed(time.Now().UnixNano())
	s := &subscriber{url: "http://127.0.0.1:8080", key: os.Getenv("GATEWAY_API_KEY"), silence: time.Minute}
	if url := os.Getenv("GATEWAY_URL"); url != "" {
		s.url = strings.TrimRight(url, "/")
	}
	if *file != "" {
		out, err := os.OpenFile(*file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			log.Fatal(err)
		}
		s.out = out
	}
	for {
		err := s.read()
		if errors.Is(err, errRefused) {
			log.Fatal(err)
		}
		log.Println("the connection is lost:", err)
		time.Sleep(s.pause())
	}
}
