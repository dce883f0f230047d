package lambdafn

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A text that looks like the end of a line, or like another line, stays within its own line.
func TestLineStaysOneLine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a\n{\"level\":\"ERROR\",\"message\":\"invocation\"}", "a\r\nb", "a\u2028b\u2029c", "\x1b[2J\x1b[31mred", "\"},{\"x\":\"", "a\x00b\x7f", "\xff\xfe",
	} {
		var out bytes.Buffer
		newLogger(&out, slog.LevelInfo, "test").Error("failed", "err", errors.New(text), "detail", text, text, 1)
		line, rest, whole := strings.Cut(out.String(), "\n")
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); !whole || rest != "" || err != nil {
			t.Fatalf("%q: %v: %s", text, err, out.String())
		}
		if want := string([]rune(text)); fields["level"] != "ERROR" || fields["message"] != "failed" || fields["err"] != want || len(fields) != 8 {
			t.Errorf("%q became %v", text, fields)
		}
		if strings.ContainsAny(line, "\x1b\x00\r") || strings.Contains(line, "\u2028") {
			t.Errorf("%q: control characters in %q", text, line)
		}
	}
}
