package capture

import (
	"regexp"

	"github.com/getsentry/sentry-go"
)

// What is blotted out of texts. Our own errors hold none of it; those of drivers and the network may.
var (
	addressPattern = regexp.MustCompile(`[^\s"'<>()=,;:]+@[^\s"'<>()=,;:]+`)
	ipv4Pattern    = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)
	ipv6Pattern    = regexp.MustCompile(`(?i)\b[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}\b|(?i)::[0-9a-f]{1,4}(:[0-9a-f]{1,4})*`)
	keyPattern     = regexp.MustCompile(`[A-Za-z0-9_\-+/=]{24,}`)
	quotedPattern  = regexp.MustCompile(`=\([^)]*\)`) // PostgreSQL's "Key (email)=(…) already exists."
)

// Scrub blots out of a text what looks like a mail address, a network address, a key or a value that PostgreSQL quotes.
func Scrub(s string) string {
	s = quotedPattern.ReplaceAllString(s, "=([value])")
	s = addressPattern.ReplaceAllString(s, "[address]")
	s = ipv4Pattern.ReplaceAllString(s, "[ip]")
	s = ipv6Pattern.ReplaceAllString(s, "[ip]")
	return keyPattern.ReplaceAllString(s, "[key]")
}

// scrubEvent copies what may leave into a new event; what is not named here stays.
func scrubEvent(in *sentry.Event) *sentry.Event {
	out := &sentry.Event{
		EventID: in.EventID, Timestamp: in.Timestamp, Level: in.Level, Platform: in.Platform,
		Environment: in.Environment, Release: in.Release, ServerName: in.ServerName, Sdk: in.Sdk,
		Message: Scrub(in.Message), Fingerprint: in.Fingerprint, Type: in.Type, CheckIn: in.CheckIn, MonitorConfig: in.MonitorConfig,
	}
	if id, found := in.Tags["request_id"]; found {
		out.Tags = map[string]string{"request_id": id}
	}
	for _, exception := range in.Exception {
		exception.Value = Scrub(exception.Value)
		exception.Stacktrace = scrubStack(exception.Stacktrace)
		exception.Mechanism = nil
		out.Exception = append(out.Exception, exception)
	}
	for _, crumb := range in.Breadcrumbs {
		out.Breadcrumbs = append(out.Breadcrumbs, scrubBreadcrumb(crumb))
	}
	return out
}

func scrubStack(in *sentry.Stacktrace) *sentry.Stacktrace {
	if in == nil {
		return nil
	}
	out := &sentry.Stacktrace{}
	for _, frame := range in.Frames {
		out.Frames = append(out.Frames, sentry.Frame{
			Function: frame.Function, Module: frame.Module, Filename: frame.Filename, Lineno: frame.Lineno, InApp: frame.InApp,
		})
	}
	return out
}

func scrubBreadcrumb(in *sentry.Breadcrumb) *sentry.Breadcrumb {
	out := &sentry.Breadcrumb{Category: in.Category, Message: Scrub(in.Message), Level: in.Level, Timestamp: in.Timestamp}
	if took, found := in.Data["duration_ms"]; found {
		out.Data = map[string]any{"duration_ms": took}
	}
	return out
}
