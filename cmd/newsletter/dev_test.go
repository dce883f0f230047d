package main

import (
	"maps"
	"testing"
)

// TestSettingsFromEnv checks that the local system reads only settings from the environment, and not secrets.
func TestSettingsFromEnv(t *testing.T) {
	t.Setenv("SITE_ALLOWED_ORIGINS", "http://localhost:5173")
	t.Setenv("SITE_NAME", "")
	t.Setenv("SENTRY_DSN", "https://key@sentry.example/1")
	if got := settingsFromEnv(); !maps.Equal(got, map[string]string{"SITE_ALLOWED_ORIGINS": "http://localhost:5173"}) {
		t.Errorf("%v", got)
	}
}
