package main

import (
	"os"
	"slices"
	"testing"

	"newsletter/internal/canary"
	"newsletter/internal/pgserver"
	"newsletter/internal/testenv"
)

// TestLook checks that values outside their place fail the run, and values in their place do not.
func TestLook(t *testing.T) {
	servers := &testenv.Servers{RedisSecret: "0123456789abcdef0123456789abcdef"}
	for text, want := range map[string]int{
		`{"message":"invocation"}`:                              0,
		`{"message":"no email for jane@example.org"}`:           1,
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

func TestRunOn(t *testing.T) {
	t.Setenv(pgserver.VersionVariable, "named")
	for _, tc := range []struct {
		all    bool
		fails  string
		status int
		want   []string
	}{
		{false, "", 0, []string{"named"}},
		{true, "", 0, []string{"15", "16", "17", "18"}},
		{true, "16", 3, []string{"15", "16"}},
	} {
		var ran []string
		status, err := runOn(tc.all, []string{"true"}, func([]string) (int, error) {
			version := os.Getenv(pgserver.VersionVariable)
			ran = append(ran, version)
			if version == tc.fails {
				return 3, nil
			}
			return 0, nil
		})
		if err != nil || status != tc.status || !slices.Equal(ran, tc.want) {
			t.Errorf("%+v: ran on %q, status %d, %v", tc, ran, status, err)
		}
	}
}
