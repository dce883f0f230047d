package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

var errEmpty = errors.New("the list is empty")

// text is the encoding and the line ends of a file.
type text struct {
	encoding string
	decoder  *encoding.Decoder // nil for UTF-8
	// returns means that lines end with a carriage return alone, as Excel for Mac writes them.
	returns bool
}

const byteOrderMark = '\ufeff'

// detectText looks at the whole of a file. The error names the line.
func detectText(file io.ReadSeeker) (text, error) {
	t, err := detectEncoding(file)
	if err != nil {
		return t, err
	}
	in, err := t.open(file)
	if err != nil {
		return t, err
	}
	line, feeds, returns, last := 1, 0, 0, '\n'
	for first := true; ; first = false {
		c, _, err := in.ReadRune()
		if last == '\r' && c != '\n' {
			returns++
		}
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return t, err
		case c == 0:
			return t, fmt.Errorf("line %d: a NUL byte; save the list as UTF-8", line)
		case c == byteOrderMark && !first:
			return t, fmt.Errorf("line %d: a byte order mark inside the list, as between two lists that were put together; remove it", line)
		case c == '\n':
			feeds++
			line++
		}
		last = c
	}
	t.returns = returns > 0 && feeds == 0
	if t.returns && t.encoding == windows1252 { // of the same program
		t.encoding, t.decoder = "Mac OS Roman", charmap.Macintosh.NewDecoder()
	}
	return t, nil
}

const windows1252 = "Windows-1252"

// detectEncoding detects Unicode by its byte order mark or by its zero bytes. A text without, and that is not UTF-8, is in
// the code page of Western Europe, in which Excel saves by default.
func detectEncoding(file io.ReadSeeker) (text, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return text{}, err
	}
	in := bufio.NewReaderSize(file, peek)
	head, err := in.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) {
		return text{}, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), len(head) > 3 && head[1] == 0 && head[3] == 0:
		return text{"UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder(), false}, nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")), len(head) > 3 && head[0] == 0 && head[2] == 0:
		return text{"UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder(), false}, nil
	}
	for {
		c, size, err := in.ReadRune()
		switch {
		case errors.Is(err, io.EOF):
			return text{encoding: "UTF-8"}, nil
		case err != nil:
			return text{}, err
		case c == utf8.RuneError && size == 1:
			return text{windows1252, charmap.Windows1252.NewDecoder(), false}, nil
		}
	}
}

// open reads a file from its beginning as UTF-8 with line feeds, without its byte order mark.
func (t text) open(file io.ReadSeeker) (*bufio.Reader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var in io.Reader = file
	if t.decoder != nil {
		t.decoder.Reset()
		in = t.decoder.Reader(file)
	}
	if t.returns {
		in = feedReader{in}
	}
	buffered := bufio.NewReaderSize(in, peek)
	if mark, _, err := buffered.ReadRune(); err == nil && mark != byteOrderMark {
		_ = buffered.UnreadRune() // right after ReadRune it cannot fail
	}
	return buffered, nil
}

// feedReader turns carriage returns into line feeds.
type feedReader struct{ io.Reader }

// Read implements io.Reader.
func (f feedReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	for i := range p[:n] {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// copyText copies a list to a temporary file, because it is read several times. The caller closes it.
func copyText(list io.Reader) (*os.File, error) {
	spool, err := os.CreateTemp("", "import-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(spool.Name()) // it contains addresses: where the system allows it, no other process can find the file
	if _, err := io.Copy(spool, list); err != nil {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
		return nil, err
	}
	return spool, nil
}
