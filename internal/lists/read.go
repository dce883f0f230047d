package lists

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Line is one person of a list, as it stands there.
type Line struct {
	Number  int    // of the line, or of the member of a JSON array, from 1
	Email   string // as it was written
	Status  string // lower case; empty if the list has none
	At      time.Time
	Locale  string
	Page    string
	IP      string
	Agent   string
	Version string // of the consent text
	// Evidence is what the list says about the consent, in words.
	Evidence string
}

// names are how lists call things, in lower case and without blanks, - and _.
var names = map[string]func(l *Line, value string) error{
	"email": setEmail, "emailaddress": setEmail, "mail": setEmail, "address": setEmail,
	"status":      func(l *Line, v string) error { l.Status = strings.ToLower(strings.TrimSpace(v)); return nil },
	"confirmedat": setTime, "subscribedat": setTime, "timestamp": setTime, "createdat": setTime, "date": setTime, "optintime": setTime,
	"locale": setLocale, "language": setLocale, "lang": setLocale,
	"page": setPage, "source": setPage, "url": setPage, "signupsource": setPage,
	"ip": setIP, "ipaddress": setIP, "optinip": setIP,
	"useragent":      func(l *Line, v string) error { l.Agent = v; return nil },
	"consentversion": func(l *Line, v string) error { l.Version = v; return nil },
	"evidence":       setEvidence, "consent": setEvidence, "consenttext": setEvidence,
}

func setEmail(l *Line, v string) error { l.Email = strings.TrimSpace(v); return nil }
func setLocale(l *Line, v string) error {
	l.Locale = strings.ReplaceAll(strings.TrimSpace(v), "_", "-")
	return nil
}
func setPage(l *Line, v string) error     { l.Page = v; return nil }
func setIP(l *Line, v string) error       { l.IP = strings.TrimSpace(v); return nil }
func setEvidence(l *Line, v string) error { l.Evidence = v; return nil }

// layouts are how lists write times; without a zone they are taken as UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.DateOnly}

// setTime takes the first time that it finds: a confirmation stands before a sign-up in most lists.
func setTime(l *Line, v string) error {
	v = strings.TrimSpace(v)
	if v == "" || !l.At.IsZero() {
		return nil
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, v); err == nil {
			l.At = at.UTC()
			return nil
		}
	}
	return errTime
}

var (
	errTime = errors.New("bad_time")
	errJSON = errors.New("bad_json")
	errCSV  = errors.New("bad_csv")
)

// name is a heading as names has it.
func name(heading string) string {
	return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(heading)))
}

// peek is how much is looked at to tell the formats apart.
const peek = 4096

// Read gives the lines of a list, one after the other, whatever its size: JSON (an array of objects or of addresses, an
// object with the member "subscribers", or an object on each line) or CSV with headings (separated by commas, semicolons or
// tabs). A line that cannot be read comes with an error, and the next ones follow; an error without a line ends the list.
func Read(r io.Reader) iter.Seq2[Line, error] {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3)
	}
	head, _ := buffered.Peek(peek) // an error of reading comes again
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(text) > 0 && text[0] == '[':
		return array(json.NewDecoder(buffered))
	case len(text) > 0 && text[0] == '{' && bytes.Contains(head, []byte(`"subscribers"`)):
		return member(json.NewDecoder(buffered))
	case len(text) > 0 && text[0] == '{':
		return lines(buffered)
	}
	return table(buffered, head)
}

// member goes to the array that an object has as "subscribers".
func member(d *json.Decoder) iter.Seq2[Line, error] {
	for {
		token, err := d.Token()
		if err != nil {
			return failing(fmt.Errorf("the JSON text has no list: %w", err))
		}
		if token == "subscribers" {
			return array(d)
		}
	}
}

func failing(err error) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) { yield(Line{}, err) }
}

func array(d *json.Decoder) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if token, err := d.Token(); err != nil || token != json.Delim('[') {
			yield(Line{}, fmt.Errorf("the JSON text has no list: %w", err))
			return
		}
		for n := 1; d.More(); n++ {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				yield(Line{}, fmt.Errorf("member %d: %w", n, err))
				return
			}
			line, err := object(raw, n)
			if !yield(line, err) {
				return
			}
		}
	}
}

func lines(r *bufio.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 1<<20)
		for n := 1; scanner.Scan(); n++ {
			if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
				continue
			}
			line, err := object(scanner.Bytes(), n)
			if !yield(line, err) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(Line{}, err)
		}
	}
}

// object reads a person of a JSON list: an object, or the address alone.
func object(raw []byte, n int) (Line, error) {
	line := Line{Number: n}
	if err := json.Unmarshal(raw, &line.Email); err == nil {
		return line, nil
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return line, errJSON
	}
	for _, first := range []string{"confirmedat", "subscribedat"} { // in this order before other times
		for heading, value := range members {
			if text, ok := value.(string); ok && name(heading) == first {
				if err := setTime(&line, text); err != nil {
					return line, err
				}
			}
		}
	}
	for heading, value := range members {
		set, known := names[name(heading)]
		if !known || value == nil {
			continue
		}
		text, ok := value.(string)
		if number, isNumber := value.(float64); isNumber && name(heading) == "timestamp" {
			if number > 1e11 { // milliseconds
				number /= 1000
			}
			text, ok = time.Unix(int64(number), 0).UTC().Format(time.RFC3339), true
		}
		if !ok {
			continue
		}
		if err := set(&line, text); err != nil {
			return line, err
		}
	}
	return line, nil
}

func table(r io.Reader, head []byte) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		first, _, _ := bytes.Cut(head, []byte("\n"))
		reader := csv.NewReader(r)
		reader.FieldsPerRecord, reader.ReuseRecord, reader.LazyQuotes = -1, true, true
		for _, separator := range []rune{';', '\t'} {
			if bytes.ContainsRune(first, separator) && !bytes.ContainsRune(first, ',') {
				reader.Comma = separator
			}
		}
		headings, err := reader.Read()
		if err != nil {
			yield(Line{}, fmt.Errorf("the list has no headings: %w", err))
			return
		}
		setters, found := make([]func(*Line, string) error, len(headings)), false
		for i, heading := range headings {
			setters[i] = names[name(heading)]
			found = found || setters[i] != nil && strings.Contains(name(heading), "mail")
		}
		if !found {
			yield(Line{}, errors.New("the first line has no heading \"email\""))
			return
		}
		rows(reader, setters, yield)
	}
}

func rows(reader *csv.Reader, setters []func(*Line, string) error, yield func(Line, error) bool) {
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		number, _ := reader.FieldPos(0)
		line := Line{Number: number}
		if err != nil {
			err = errCSV
		}
		for i, value := range record {
			if err == nil && i < len(setters) && setters[i] != nil {
				err = setters[i](&line, value)
			}
		}
		if !yield(line, err) {
			return
		}
	}
}
