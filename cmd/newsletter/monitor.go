package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/monitor"
	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
	"newsletter/shared/operate"
	"newsletter/shared/snapshot"
)

// frameWidth is the width of a frame without a terminal.
const frameWidth = 120

// monitorCommand shows the state of the installation live. With --once, or without a terminal, it shows it once.
func (o *operator) monitorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "monitor", Short: "Show health, requests, sign-ups, deliveries and alerts live",
		Long: "Show health, requests, sign-ups, deliveries and alerts live, until q is pressed. Without a terminal, or with --once, it prints them once, and exits with 1 if a check fails or the health function is not running.",
		Args: takes(0, "no arguments"),
	}
	every, once := c.Flags().Duration("every", 5*time.Second, "refresh interval, at least 1s"), c.Flags().Bool("once", false, "print the screen once")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *every < time.Second {
			return errUsage("monitor: --every must be at least 1s")
		}
		view := monitor.View{Paint: terminal.PainterFor(os.Stdout)}
		if *once || !terminal.IsTerminal(os.Stdout) {
			return o.monitorOnce(c.Context(), view)
		}
		if err := o.open(c.Context()); err != nil { // before the screen hides it
			return err
		}
		view.Every = *every
		return monitor.Run(c.Context(), o.readState, view)
	}
	return c
}

// readState reads the state of the installation, and its name.
func (o *operator) readState(ctx context.Context) (string, snapshot.Snapshot, error) {
	state, err := operate.Monitor.Do(ctx, o, operate.All{})
	return state.Installation, state.Snapshot, err
}

func (o *operator) monitorOnce(ctx context.Context, view monitor.View) error {
	name, s, err := o.readState(ctx)
	if err != nil {
		return err
	}
	view.Installation, view.Now, view.Width = name, s.At, terminal.Width(os.Stdout, frameWidth)
	if _, err := fmt.Fprintln(stdout, monitor.Frame(view, s)); err != nil {
		return err
	}
	if s.Status(s.At) == healthcheck.Fail {
		return errUnhealthy(healthcheck.Fail)
	}
	return nil
}
