package monitor

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"newsletter/shared/snapshot"
)

// Read reads the name of an installation and its snapshot.
type Read func(context.Context) (installation string, s snapshot.Snapshot, err error)

// Run draws the figures on the terminal's alternate screen, and anew every so often, until q or Ctrl-C is pressed or
// the context ends. It leaves the terminal as it was.
func Run(ctx context.Context, read Read, v View) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a read in progress
	v.Now = time.Now()
	_, err := tea.NewProgram(screen{ctx: ctx, reader: read, view: v}, tea.WithContext(ctx), tea.WithoutSignalHandler()).Run()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("draw on the terminal: %w", err)
	}
	return nil
}

// screen is the state of the program. It implements tea.Model.
type screen struct {
	ctx    context.Context // tea passes none to commands
	reader Read
	view   View

	last    snapshot.Snapshot
	reading bool
	next    time.Time // when to read again
}

// readResult is the result of a read.
type readResult struct {
	installation string
	snapshot.Snapshot
	err error
}

// tickMessage is sent every second, to update the clock and the ages.
type tickMessage time.Time

func tick() tea.Cmd {
	return tea.Tick(time.Second, func(now time.Time) tea.Msg { return tickMessage(now) })
}

// Init implements tea.Model.
func (s screen) Init() tea.Cmd { return func() tea.Msg { return tickMessage(time.Now()) } }

// Update implements tea.Model.
func (s screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch m := message.(type) {
	case tea.KeyPressMsg:
		if key := m.String(); key == "q" || key == "ctrl+c" {
			return s, tea.Quit
		}
	case tea.WindowSizeMsg:
		s.view.Width, s.view.Height = m.Width, m.Height
	case tickMessage:
		s.view.Now = time.Time(m)
		if !s.reading && !s.view.Now.Before(s.next) {
			s.reading, s.next = true, s.view.Now.Add(s.view.Every)
			return s, tea.Batch(tick(), s.read)
		}
		return s, tick()
	case readResult:
		s.reading, s.view.Now, s.view.ReadError = false, time.Now(), m.err
		if m.err == nil {
			s.view.Installation, s.last = m.installation, m.Snapshot
		}
	}
	return s, nil
}

func (s screen) read() tea.Msg {
	installation, read, err := s.reader(s.ctx)
	return readResult{installation, read, err}
}

// View implements tea.Model.
func (s screen) View() tea.View {
	if s.view.Width == 0 { // the size is unknown yet
		return tea.NewView("")
	}
	view := tea.NewView(Frame(s.view, s.last))
	view.AltScreen = true
	return view
}
