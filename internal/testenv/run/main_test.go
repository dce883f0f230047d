package main

import (
	"testing"

	"newsletter/internal/canary"
	"newsletter/internal/testenv"
)

// What the tests let out fails the run, and what they keep does not.
func TestLook(t *testing.T) {
	servers := &testenv.Servers{RedisSecret: "0123456789abcdef0123456789abcdef"}
	for text, want := range map[string]int{
		`{"message":"invocation"}`:                              0,
		`{"message":"no mail for jane@example.org"}`:            1,
		`{"message":"AUTH 0123456789abcdef0123456789ABCDEF"}`:   1,
		`{"message":"both jane@example.org and 192.0.2.7"}`:     2,
		`{"message":"twice jane@example.org joe@example.org "}`: 1,
	} {
		t.Run("", func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv(canary.DirVariable, dir)
			canary.Record(canary.Log, "subscribe", text)
			if got, err := look(servers, dir); err != nil || got != want {
				t.Errorf("%s: %d findings, want %d: %v", text, got, want, err)
			}
		})
	}
}
