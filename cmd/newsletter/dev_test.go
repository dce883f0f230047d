package main

import (
	"maps"
	"testing"
)

// TestTheLocalSystemTakesSettings from its environment, and nothing else, such as the owner's secrets.
func TestTheLocalSystemTakesSettings(t *testing.T) {
	t.Setenv("SITE_ALLOWED_ORIGINS", "http://localhost:5173")
	t.Setenv("SITE_NAME", "")
	t.Setenv("SENTRY_DSN", "https://key@sentry.example/1")
	if got := settingsFromEnv(); !maps.Equal(got, map[string]string{"SITE_ALLOWED_ORIGINS": "http://localhost:5173"}) {
		t.Errorf("%v", got)
	}
}
