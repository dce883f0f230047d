package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"newsletter/internal/monitor"
	"newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
)

// frameWidth is how wide a frame is where no terminal says so.
const frameWidth = 120

// looked is an error if health has not looked lately: then nobody knows how things are.
func checkHealthRuns(ctx context.Context, db monitor.Database) error {
	h, err := monitor.NewReader(db, time.Now).Health(ctx)
	switch {
	case err != nil:
		return err
	case h.At.IsZero():
		return errors.New("health has never looked, so nothing is known: is its schedule on?")
	case h.Silent(time.Now()):
		return fmt.Errorf("health has not looked since %s, so nothing is known from then on", h.At.Local().Format(time.DateTime))
	}
	return nil
}

// monitorCommand shows how the installation is doing, again and again. With --once, or without a terminal, it shows it once
// and exits with 1 if something fails or health is silent.
func monitorCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	every, once := flags.Duration("every", 5*time.Second, "how often to look"), flags.Bool("once", false, "look once, and exit by the status")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *every < time.Second {
		return errUsage("monitor takes no arguments, and looks every second at most")
	}
	db, err := openStats(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	reader := monitor.NewReader(db, time.Now)
	view := monitor.View{Installation: db.name, Paint: terminal.PainterFor(os.Stdout)}
	if *once || !terminal.IsTerminal(os.Stdout) {
		return monitorOnce(ctx, reader, view)
	}
	view.Every = *every
	return monitor.Run(ctx, reader, view)
}

func monitorOnce(ctx context.Context, reader *monitor.Reader, view monitor.View) error {
	s, err := reader.Read(ctx)
	if err != nil {
		return err
	}
	view.Now, view.Width = s.At, terminal.Width(os.Stdout, frameWidth)
	if _, err := fmt.Fprintln(stdout, monitor.Frame(view, s)); err != nil {
		return err
	}
	if s.Status(s.At) == healthcheck.Fail {
		return errUnhealthy(healthcheck.Fail)
	}
	return nil
}
