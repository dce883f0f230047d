package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// patience is how long a visitor waits: longer than the gateway.
const patience = 40 * time.Second

// visitor is a client with a network address of its own: all of 127.0.0.0/8 is this machine.
type visitor struct {
	base   string
	client *http.Client
}

func newVisitor(base string, number int) *visitor {
	ip := fmt.Sprintf("127.%d.%d.1", 10+number/200, 1+number%200)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &visitor{base, &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request is a visitor's request.
type request struct {
	method, path, kind, body string
}

// send sends a request and records the result.
func (v *visitor) send(ctx context.Context, c call, r request) call {
	c.Start = time.Now()
	made, err := http.NewRequestWithContext(ctx, r.method, v.base+r.path, strings.NewReader(r.body))
	if err != nil {
		c.End = time.Now()
		return c
	}
	if r.kind != "" {
		made.Header.Set("Content-Type", r.kind)
	}
	made.Header.Set("Accept", asJSON)
	response, err := v.client.Do(made)
	c.End = time.Now()
	if err != nil {
		return c
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	c.End = time.Now()
	if err != nil {
		return c
	}
	c.Status, c.RequestID = response.StatusCode, response.Header.Get("Apigw-Requestid")
	c.RetryAfter = response.Header.Get("Retry-After") != ""
	c.Gateway = response.Header.Get("X-Content-Type-Options") == "" // all of our answers have it
	return c
}

// encoded returns a body as JSON or as a form.
func encoded(form bool, fields map[string]string) (kind, body string) {
	if !form {
		content, _ := json.Marshal(fields) // strings always encode
		return asJSON, string(content)
	}
	values := url.Values{}
	for name, value := range fields {
		values.Set(name, value)
	}
	return asForm, values.Encode()
}
