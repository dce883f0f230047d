package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// file is a list that was read once from its first to its last byte: its structure is whole, and no column that may
// mean an end is unknown.
type file struct {
	*os.File
	format format
	header header
	// lines is the number of lines or members with a person.
	lines int
}

// format reads the records of a list from its beginning. An error of do ends it and is returned as it is; every other
// error names the line.
type format func(list io.Reader, do func(record) error) error

// record is one line of a table or one member of a JSON list.
type record struct {
	line   int // of the file, or the number of the member of a JSON array, from 1
	member bool
	cells  []cell
}

// place names where the record is.
func (r record) place() string {
	if r.member {
		return fmt.Sprintf("member %d", r.line)
	}
	return fmt.Sprintf("line %d", r.line)
}

// cell is a value below its heading. Headings of a nested JSON object are joined by points.
type cell struct {
	heading, value string
}

// openList copies a list to a temporary file, because it is read twice, and judges the whole of it: a list with an
// error is refused before anything is written. The caller closes it.
func openList(list io.Reader) (*file, error) {
	spool, err := os.CreateTemp("", "import-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(spool.Name()) // it holds addresses: where the system allows it, no other process can find the file
	f := &file{File: spool, header: header{}}
	if err := f.judge(list); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *file) judge(list io.Reader) error {
	if err := copyText(f, list); err != nil {
		return err
	}
	var err error
	if f.format, err = detectFormat(f); err != nil {
		return err
	}
	err = f.records(func(r record) error {
		f.lines++
		return f.header.check(r)
	})
	switch {
	case err != nil:
		return err
	case f.lines == 0:
		return errors.New("the list is empty")
	}
	return f.header.err()
}

// Close deletes the copy.
func (f *file) Close() {
	_ = f.File.Close()
	_ = os.Remove(f.Name()) // a second time, for systems that keep open files
}

// records reads the list from its beginning.
func (f *file) records(do func(record) error) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.format(skipMark(f.File), do)
}

const byteOrderMark = '\ufeff'

// skipMark leaves out the byte order mark that some programs put in front of UTF-8.
func skipMark(list io.Reader) *bufio.Reader {
	in := bufio.NewReaderSize(list, 1<<16)
	if mark, _, err := in.ReadRune(); err == nil && mark != byteOrderMark {
		_ = in.UnreadRune() // right after ReadRune it cannot fail
	}
	return in
}

// copyText copies a list and refuses what is not UTF-8 with the line ends of Unix or Windows.
func copyText(to io.Writer, list io.Reader) error {
	in := bufio.NewReaderSize(io.TeeReader(list, to), 1<<16)
	if mark, _ := in.Peek(2); bytes.Equal(mark, []byte("\xff\xfe")) || bytes.Equal(mark, []byte("\xfe\xff")) {
		return errors.New("line 1: the list is UTF-16; save it as UTF-8")
	}
	line, first, last := 1, true, '\n'
	for ; ; first = false {
		c, size, err := in.ReadRune()
		wrong := ""
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case last == '\r' && (err != nil || c != '\n'):
			wrong = "a carriage return without a line feed; save the list with the line ends of Unix or Windows"
		case err != nil:
			return nil //nolint:nilerr // the end of the list
		case c == utf8.RuneError && size == 1:
			wrong = "it is not UTF-8; save the list as UTF-8"
		case c == 0:
			wrong = "a NUL byte; save the list as UTF-8"
		case c == byteOrderMark && !first:
			wrong = "a byte order mark in the midst of the list, as between two lists that were put together; take it out"
		}
		if wrong != "" {
			return fmt.Errorf("line %d: %s", line, wrong)
		}
		if last = c; c == '\n' {
			line++
		}
	}
}

// peek is how much is looked at to tell the formats apart.
const peek = 1 << 16

// detectFormat detects the format by the first character.
func detectFormat(list io.ReadSeeker) (format, error) {
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	head, err := skipMark(list).Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch text := bytes.TrimLeft(head, " \t\r\n"); {
	case len(text) == 0:
		return nil, errors.New("the list is empty")
	case text[0] == '[' || text[0] == '{':
		return readJSON, nil
	}
	return readCSV, nil
}
