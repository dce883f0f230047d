package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"newsletter/cmd/newsletter/internal/monitor"
	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
)

// frameWidth is the width of a frame without a terminal.
const frameWidth = 120

// checkHealthRuns returns an error if the health function is not running, because the figures are then outdated.
func checkHealthRuns(ctx context.Context, db monitor.Database) error {
	h, err := monitor.NewReader(db, time.Now).Health(ctx)
	switch {
	case err != nil:
		return err
	case h.At.IsZero():
		return errors.New("the health function has never run; check its schedule")
	case h.Silent(time.Now()):
		return fmt.Errorf("the health function has not run since %s; the figures are outdated", h.At.Local().Format(time.DateTime))
	}
	return nil
}

// monitorCommand shows the state of the installation live. With --once, or without a terminal, it shows it once and
// returns an error if a check fails or the health function is not running.
func monitorCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	every, once := flags.Duration("every", 5*time.Second, "refresh interval"), flags.Bool("once", false, "print the screen once; exit with 1 if a check fails")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *every < time.Second {
		return errUsage("monitor takes no arguments, and --every must be at least 1s")
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
