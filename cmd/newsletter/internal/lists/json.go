package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// readJSON reads JSON: an array of objects or of addresses, an object with such an array as "subscribers", or an object
// on each line. A duplicate name in an object is an error.
func readJSON(list *bufio.Reader, do func(record) error) error {
	lines := &lineCounter{Reader: list}
	err := jsonReader{jsontext.NewDecoder(lines), lines, do}.read()
	syntax, broken := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: the list ends in the midst of its JSON text", lines.at(lines.offset))
	case broken:
		return fmt.Errorf("line %d: the JSON text is broken: %w", lines.at(syntax.ByteOffset), syntax.Err)
	}
	return err
}

type jsonReader struct {
	*jsontext.Decoder
	lines *lineCounter
	do    func(record) error
}

func (m jsonReader) read() error {
	for {
		switch m.PeekKind() {
		case '[':
			if err := m.array(); err != nil {
				return err
			}
			if _, err := m.ReadToken(); !errors.Is(err, io.EOF) {
				return m.wrong("unexpected text after the list")
			}
			return nil
		case '{':
			if list, err := m.object(); err != nil || list {
				return err
			}
		default:
			_, err := m.ReadToken()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err == nil:
				err = m.wrong("neither an object nor a list of them")
			}
			return err
		}
	}
}

func (m jsonReader) wrong(what string) error {
	return fmt.Errorf("line %d: %s", m.lines.at(m.InputOffset()), what)
}

// array reads a list of people.
func (m jsonReader) array() error {
	if _, err := m.ReadToken(); err != nil {
		return err
	}
	for n := 1; m.PeekKind() != ']'; n++ {
		value, err := m.ReadValue()
		if err != nil {
			return err
		}
		r := record{line: n, member: true}
		switch value.Kind() {
		case '{':
			r.cells, err = flatten("", value)
		case '"':
			r.cells, err = flatten("email", value)
		default:
			err = m.wrong(fmt.Sprintf("member %d is neither an object nor an address", n))
		}
		if err == nil {
			err = m.do(r)
		}
		if err != nil {
			return err
		}
	}
	_, err := m.ReadToken()
	return err
}

// object reads one person, or the object around a list of people, and reports whether it was one.
func (m jsonReader) object() (list bool, err error) {
	if _, err := m.ReadToken(); err != nil {
		return false, err
	}
	r := record{line: m.lines.at(m.InputOffset())}
	for m.PeekKind() != '}' {
		name, err := m.ReadToken()
		if err != nil {
			return false, err
		}
		member := name.String()
		if member == "subscribers" && m.PeekKind() == '[' {
			list = true
			if err := m.array(); err != nil {
				return false, err
			}
			continue
		}
		value, err := m.ReadValue()
		if err != nil {
			return false, err
		}
		cells, err := flatten(member, value)
		if err != nil {
			return false, err
		}
		r.cells = append(r.cells, cells...)
	}
	if _, err := m.ReadToken(); err != nil {
		return false, err
	}
	if !list {
		return false, m.do(r)
	}
	for _, beside := range r.cells {
		c := (&header{}).judgeHeading(beside.heading)
		state, clear := c.judge(beside.value)
		if isEnd := c.smell == isEnding || c.smell == isAmbiguous || c.meaning.decides(); isEnd && (state != "" || !clear) {
			return false, m.wrong(fmt.Sprintf("%q beside the subscribers may hold people who left; remove it, and them from the subscribers", beside.heading))
		}
	}
	if _, err := m.ReadToken(); !errors.Is(err, io.EOF) {
		return false, m.wrong("unexpected text after the list")
	}
	return true, nil
}

// flatten returns the values of a JSON text, in the order of their names.
func flatten(name string, value jsontext.Value) ([]cell, error) {
	var read any
	if err := json.Unmarshal(value, &read); err != nil {
		return nil, err
	}
	return appendValues(nil, name, read), nil
}

func appendValues(cells []cell, name string, value any) []cell {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range slices.Sorted(maps.Keys(value)) {
			path := member
			if name != "" {
				path = name + "." + member
			}
			cells = appendValues(cells, path, value[member])
		}
	case []any:
		for _, item := range value {
			cells = appendValues(cells, name, item)
		}
	case string:
		cells = append(cells, cell{name, value})
	case bool:
		cells = append(cells, cell{name, strconv.FormatBool(value)})
	case float64:
		cells = append(cells, cell{name, strconv.FormatFloat(value, 'f', -1, 64)})
	default: // null
		cells = append(cells, cell{name, ""})
	}
	return cells
}

// lineCounter finds the line of a byte that was read through it.
type lineCounter struct {
	io.Reader
	offset int64
	ends   []int64 // the offsets of line feeds
}

// Read implements io.Reader.
func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	for i := 0; i < n; i++ {
		next := bytes.IndexByte(p[i:n], '\n')
		if next < 0 {
			break
		}
		i += next
		l.ends = append(l.ends, l.offset+int64(i))
	}
	l.offset += int64(n)
	return n, err
}

// at returns the line of a byte, from 1.
func (l *lineCounter) at(offset int64) int {
	before, _ := slices.BinarySearch(l.ends, offset)
	return before + 1
}
