package lists

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are how programs write times that can be read in one way only. Without a zone they are taken as UTC;
// fractions of a second may follow the seconds in all of them. Names of zones other than UTC and GMT are not read: Go
// takes an unknown one as UTC.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 GMT",
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -0700 MST", // Ruby's and Go's Time as text
	"2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04", "2006-01-02 03:04:05 PM", "2006-01-02 03:04 PM", time.DateOnly,
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "20060102T150405Z", "20060102",
	"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon Jan _2 15:04:05 2006",
	"2 Jan 2006 15:04:05", "2 Jan 2006 15:04", "2 Jan 2006", "02-Jan-2006 15:04:05", "02-Jan-2006", "2-Jan-06",
	"Jan 2, 2006 15:04:05", "Jan 2, 2006 03:04:05 PM", "Jan 2, 2006 03:04 PM", "Jan 2, 2006, 03:04 PM", "Jan 2, 2006 15:04", "Jan 2, 2006",
	"January 2, 2006 15:04:05", "January 2, 2006 03:04 PM", "January 2, 2006", "2 January 2006 15:04", "2 January 2006",
}

// clocks are the times of day that follow a date with points or slashes.
var clocks = []string{"", " 15:04:05", " 15:04", " 03:04:05 PM", " 03:04 PM", ", 15:04:05", ", 15:04"}

// minTime is before any newsletter that was ever asked for by a form: older times, such as those of the years 1 and
// 1970, are how programs write that there is none.
var minTime = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// dayOrder is the order of day and month in the dates of a column. With points, the day comes first (DIN 5008 and most
// of Europe). With slashes or hyphens it depends on the country: the column decides, by a date whose first or second
// number is no month.
type dayOrder struct{ dayFirst, monthFirst bool }

var numericDate = regexp.MustCompile(`^(\d{1,2})([./-])(\d{1,2})[./-](\d{4}|\d{2})\b`)

// learn looks at a value of the column.
func (o *dayOrder) learn(value string) {
	value = strings.TrimSpace(value)
	if len(value) < len("1/2/06") || value[1] != '/' && value[1] != '-' && value[2] != '/' && value[2] != '-' { // no other is worth a regular expression
		return
	}
	parts := numericDate.FindStringSubmatch(value)
	if parts == nil {
		return
	}
	first, _ := strconv.Atoi(parts[1])
	second, _ := strconv.Atoi(parts[3])
	o.dayFirst = o.dayFirst || first > 12
	o.monthFirst = o.monthFirst || second > 12
}

// parse reads a time of a list: one of timeLayouts, a date in the order of the column, seconds or milliseconds since 1970,
// or days since 1900 as Excel counts. It reports false for what cannot be read, and for times to come.
func (o dayOrder) parse(text string, now time.Time) (time.Time, bool) {
	at, ok := o.read(strings.TrimSpace(text))
	if !ok || at.Before(minTime) || at.After(now) {
		return time.Time{}, false
	}
	return at.UTC(), true
}

func (o dayOrder) read(text string) (time.Time, bool) {
	if at, ok := parseNumber(text); ok {
		return at, true
	}
	if parts := numericDate.FindStringSubmatch(text); parts != nil {
		year := "2006"
		if len(parts[4]) == 2 {
			year = "06"
		}
		switch {
		case parts[2] == ".":
			return parseAny(text, "2.1."+year)
		case o.dayFirst && !o.monthFirst:
			return parseAny(text, "2"+parts[2]+"1"+parts[2]+year)
		case o.monthFirst && !o.dayFirst:
			return parseAny(text, "1"+parts[2]+"2"+parts[2]+year)
		}
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func parseAny(text, date string) (time.Time, bool) {
	for _, clock := range clocks {
		if at, err := time.Parse(date+clock, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// looksLikeTime reports whether a value is a time in some order, also one to come or from before minTime.
func looksLikeTime(value string) bool {
	value = strings.TrimSpace(value)
	if numericDate.MatchString(value) {
		return true
	}
	_, ok := dayOrder{}.read(value)
	return ok
}

// parseNumber reads seconds or milliseconds since 1970, or days since 1900: Excel's 1 January 1900 is 1, and it counts a
// 29 February 1900.
func parseNumber(text string) (time.Time, bool) {
	const (
		milliseconds = 1e11 // as seconds it would be in the year 5138
		firstDay     = 32874
		lastDay      = 100000 // in the year 2173; as seconds it would be in 1970
	)
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || n < firstDay || len(text) == len("20060102") && !strings.Contains(text, "."):
		return time.Time{}, false
	case n < lastDay:
		return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(24*time.Hour))).Round(time.Second), true
	case n > milliseconds:
		return time.UnixMilli(int64(n)), true
	}
	return time.Unix(int64(n), 0), true
}
