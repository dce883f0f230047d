package lambdalocal

import (
	"bytes"
	"io"
	"sync"
)

// maxLine bounds a line that is held back until it is whole.
const maxLine = 1 << 20

// lockedWriter lets several environments write whole lines to one place.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer // nil drops all
}

func (l *lockedWriter) writeLine(prefix string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return
	}
	// One write a line, so that readers of the log never see a part of one. A log that cannot be written is not worth
	// an answer.
	_, _ = l.w.Write(append(append([]byte(prefix), line...), '\n'))
}

// prefixWriter puts the function's name before each line of its output and never mixes two lines.
type prefixWriter struct {
	prefix string
	to     *lockedWriter

	mu      sync.Mutex
	partial []byte
}

// Write implements io.Writer.
func (p *prefixWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partial = append(p.partial, b...)
	for {
		i := bytes.IndexByte(p.partial, '\n')
		if i < 0 {
			break
		}
		p.to.writeLine(p.prefix, p.partial[:i])
		p.partial = p.partial[i+1:]
	}
	if len(p.partial) > maxLine {
		p.to.writeLine(p.prefix, p.partial)
		p.partial = nil
	}
	return len(b), nil
}

// flush writes an incomplete last line.
func (p *prefixWriter) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.partial) > 0 {
		p.to.writeLine(p.prefix, p.partial)
		p.partial = nil
	}
}
