package capture

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/getsentry/sentry-go"
)

// These patterns match what is removed from texts. Our own errors contain none of it; those of drivers and the network
// can.
var (
	addressPattern = regexp.MustCompile(`[^\s"<>(),;:]+(@|%(?:25)*40)[^\s"'<>()=,;:]+`)
	ipv4Pattern    = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)
	// Four groups or more, or two around "::"; a time of day has three.
	ipv6Pattern  = regexp.MustCompile(`(?i)\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){3,7}|\b[0-9a-f]{1,4}::[0-9a-f]{0,4}\b`)
	keyPattern   = regexp.MustCompile(`[A-Za-z0-9_\-+/=]{20,}`)
	uuidPattern  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	valuePattern = regexp.MustCompile(`=\([^)]*\)`) // PostgreSQL's "Key (email)=(…) already exists."
	// examplePattern matches the parts of our own errors' examples that look like addresses: a sender, the password of
	// a URL, and policies of the rate limiter.
	examplePattern = regexp.MustCompile(`^(news@example\.org|password@host|\d+/[0-9a-z]+@(host|site))$`)
)

// Scrub removes from a text everything that looks like an email address, a network address, a key, a token or a value
// that PostgreSQL quotes. UUIDs stay, because they identify subscribers where addresses are not allowed. The examples
// in our errors stay, too.
func Scrub(s string) string {
	if strings.Contains(s, "=(") {
		s = valuePattern.ReplaceAllString(s, "=([value])")
	}
	if strings.ContainsAny(s, "@%") {
		s = addressPattern.ReplaceAllStringFunc(s, func(found string) string {
			if examplePattern.MatchString(found) {
				return found
			}
			return "[address]"
		})
	}
	if strings.Count(s, ".") >= 3 {
		s = ipv4Pattern.ReplaceAllString(s, "[ip]")
	}
	if strings.Count(s, ":") >= 2 {
		s = ipv6Pattern.ReplaceAllString(s, "[ip]")
	}
	if len(s) >= 20 {
		s = keyPattern.ReplaceAllStringFunc(s, scrubKey)
	}
	return s
}

// scrubKey returns "[key]" for random characters, and words, paths and ids unchanged.
func scrubKey(run string) string {
	if uuidPattern.MatchString(run) || !isRandom(run) {
		return run
	}
	return "[key]"
}

// minChanges is the minimum share of neighbors of different kinds (upper, lower, digit) in a random run. In base64 it
// is 0.63 on average, in identifiers and paths about 0.2. One key of 43 characters in 10,000 is below; most of these
// have more capitals or digits than identifiers have. Measured: one in 150,000 is missed.
const minChanges = 0.36

func isRandom(run string) bool {
	var changes, length, digits, upper, hexLetters int
	last := ' '
	for _, r := range run {
		kind := 'a'
		switch {
		case unicode.IsDigit(r):
			kind = '0'
			digits++
		case unicode.IsUpper(r):
			kind = 'A'
			upper++
		case !unicode.IsLower(r):
			continue // separates words
		}
		if r|0x20 >= 'a' && r|0x20 <= 'f' {
			hexLetters++
		}
		if length > 0 && kind != last {
			changes++
		}
		last = kind
		length++
	}
	if hex := digits+hexLetters == length; hex && digits > 0 && hexLetters > 0 {
		return length >= 20
	}
	lower := length - digits - upper
	return float64(changes) >= minChanges*float64(length-1) ||
		4*upper >= length && 6*lower >= length ||
		digits >= 4 && upper >= 4 && lower >= 4
}

// scrubEvent copies the allowed fields to a new event and drops all others.
func scrubEvent(in *sentry.Event) *sentry.Event {
	out := &sentry.Event{
		EventID: in.EventID, Timestamp: in.Timestamp, Level: in.Level, Platform: in.Platform, Sdk: in.Sdk,
		Environment: in.Environment, Release: in.Release, ServerName: in.ServerName,
		Message: Scrub(in.Message), Fingerprint: in.Fingerprint, Tags: make(map[string]string),
	}
	for _, key := range []string{tagRequest, tagTrace, tagRoute, tagRepeats} {
		if value, found := in.Tags[key]; found {
			out.Tags[key] = value
		}
	}
	for _, exception := range in.Exception {
		out.Exception = append(out.Exception, sentry.Exception{
			Type: exception.Type, Value: Scrub(exception.Value), Mechanism: scrubMechanism(exception.Mechanism),
			Stacktrace: scrubStack(exception.Stacktrace),
		})
	}
	for _, crumb := range in.Breadcrumbs {
		out.Breadcrumbs = append(out.Breadcrumbs, scrubBreadcrumb(crumb))
	}
	return out
}

// scrubMechanism keeps the relations of a chain's errors.
func scrubMechanism(in *sentry.Mechanism) *sentry.Mechanism {
	if in == nil {
		return nil
	}
	return &sentry.Mechanism{Type: in.Type, ExceptionID: in.ExceptionID, ParentID: in.ParentID, Source: in.Source,
		IsExceptionGroup: in.IsExceptionGroup}
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
	if took, isNumber := in.Data["duration_ms"].(int64); isNumber {
		out.Data = map[string]any{"duration_ms": took}
	}
	return out
}
