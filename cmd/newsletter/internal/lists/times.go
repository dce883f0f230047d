package lists

import (
	"strconv"
	"strings"
	"time"
)

// layouts are how programs write times that can be read in one way only. Without a zone they are taken as UTC;
// fractions of a second may follow the seconds in all of them. Days and months in an order that depends on the country
// are not read.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC",
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -0700 MST", // Ruby's and Go's Time as text
	time.DateOnly,
}

// earliest is before any newsletter that was ever asked for by a form: older times, such as those of the years 1 and
// 1970, are how programs write that there is none.
var minTime = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// parseTime reads a time of a list: one of layouts, or seconds or milliseconds since 1970. It reports false for what
// cannot be read, and for times to come.
func parseTime(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	at, err := parseUnix(text)
	for _, layout := range layouts {
		if err == nil {
			break
		}
		at, err = time.Parse(layout, text)
	}
	if err != nil || at.Before(minTime) || at.After(now) {
		return time.Time{}, false
	}
	return at.UTC(), true
}

func parseUnix(text string) (time.Time, error) {
	const milliseconds = 1e11 // as seconds it would be in the year 5138
	n, err := strconv.ParseInt(text, 10, 64)
	if n > milliseconds {
		return time.UnixMilli(n), err
	}
	return time.Unix(n, 0), err
}
