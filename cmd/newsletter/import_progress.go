package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// progress shows the progress of an import: a bar on a terminal, otherwise a line every five seconds.
type progress struct {
	lines, done int
	began       time.Time
	shown       time.Time
	terminal    bool
}

func newProgress(lines int) *progress {
	p := &progress{lines: lines, began: time.Now(), shown: time.Now()}
	if info, err := os.Stderr.Stat(); err == nil {
		p.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) step() {
	p.done++
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.shown) >= every {
		p.show()
	}
}

func (p *progress) show() {
	p.shown = time.Now()
	fraction := float64(p.done) / float64(p.lines) // an import has at least one line
	rate := float64(p.done) / max(0.001, time.Since(p.began).Seconds())
	if !p.terminal {
		fmt.Fprintf(os.Stderr, "%d of %d lines, %.0f a second\n", p.done, p.lines, rate)
		return
	}
	left := time.Duration(float64(time.Since(p.began)) * (1 - fraction) / max(0.001, fraction)).Round(time.Second)
	const width = 30
	done := int(fraction * width)
	fmt.Fprintf(os.Stderr, "\r%s%s %3.0f %%  %d of %d lines  %.0f/s  %s left ", strings.Repeat("█", done), strings.Repeat("░", width-done), fraction*100, p.done, p.lines, rate, left)
}

func (p *progress) end() {
	p.show()
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}
