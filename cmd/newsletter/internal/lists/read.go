package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// file is a copy of a list.
type file struct {
	*os.File
	text   text
	format format
}

// format reads the records of a list. An error of do ends it and is returned as it is; every other error names the line.
type format func(list *bufio.Reader, do func(record) error) error

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

func (r record) headings() []string {
	all := make([]string, len(r.cells))
	for i, c := range r.cells {
		all[i] = c.heading
	}
	return all
}

// cell is a value below its heading. Headings of a nested JSON object are joined by points.
type cell struct {
	heading, value string
}

// openFile copies a list and detects how it is written. The caller closes it.
func openFile(list io.Reader) (*file, error) {
	spool, err := copyText(list)
	if err != nil {
		return nil, err
	}
	f := &file{File: spool}
	if f.text, err = detectText(spool); err == nil {
		f.format, err = f.detectFormat()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close deletes the copy.
func (f *file) Close() {
	_ = f.File.Close()
	_ = os.Remove(f.Name()) // a second time, for systems that keep open files
}

// records reads the list from its beginning.
func (f *file) records(do func(record) error) error {
	in, err := f.text.open(f.File)
	if err != nil {
		return err
	}
	return f.format(in, do)
}

// peek is the number of bytes that are read to detect encodings and formats.
const peek = 1 << 16

// detectFormat detects the format by the first character.
func (f *file) detectFormat() (format, error) {
	in, err := f.text.open(f.File)
	if err != nil {
		return nil, err
	}
	head, err := in.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	switch first := bytes.TrimLeft(head, " \t\r\n"); {
	case len(first) == 0:
		return nil, errEmpty
	case first[0] == '[' || first[0] == '{':
		return readJSON, nil
	}
	return readCSV, nil
}
