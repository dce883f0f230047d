package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"newsletter/internal/local/devstack"
	"newsletter/internal/policy/settings/record"
)

// defaultPort is the port of `make dev` if PORT is not set. Port 0 is a free one.
const defaultPort = 3000

// localDir returns the data folder of the local system: LOCAL_DIR, or .local in the repository.
func localDir(root string) string {
	return cmp.Or(os.Getenv("LOCAL_DIR"), filepath.Join(root, ".local"))
}

// settingsFromEnv returns the settings in the environment, such as SITE_ALLOWED_ORIGINS. They override the local
// system's.
func settingsFromEnv() map[string]string {
	own := map[string]string{}
	for _, reads := range record.Reads {
		for _, name := range reads.Settings {
			if value := os.Getenv(name); value != "" {
				own[name] = value
			}
		}
	}
	return own
}

// devCommand runs the local system until it is interrupted.
func devCommand() *cobra.Command {
	return local(&cobra.Command{
		Use: "dev", Short: "Start the whole system on this machine",
		Long: "Start the whole system on this machine, until Ctrl-C. PORT is the port, 3000 by default, and LOCAL_DIR the data folder; settings in the environment override the local ones.",
		Args: takes(0, "no arguments; set the port and the data folder by PORT and LOCAL_DIR"),
		RunE: func(c *cobra.Command, _ []string) error { return dev(c.Context()) },
	})
}

func dev(ctx context.Context) error {
	root, err := devstack.Root(".")
	if err != nil {
		return err
	}
	port := defaultPort
	if text := os.Getenv("PORT"); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
			return errUsage("PORT must be a number between 0 and 65535")
		}
	}
	options := devstack.Options{Root: root, Dir: localDir(root), Port: port, Log: os.Stderr, Variables: settingsFromEnv()}
	options.Binaries = os.Getenv("BINARIES") // built already, one file for each function
	if url := os.Getenv("REDIS_URL"); url != "" {
		options.Redis = &devstack.Redis{URL: url, CAFile: os.Getenv("TLS_CA_FILE")}
	}
	fmt.Fprintln(stdout, "Building the functions and starting the servers …")
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return err
	}
	defer stack.Stop(context.WithoutCancel(ctx))
	fmt.Fprintf(stdout, "inbox    %s/_local/inbox\ndatabase %s\nready %s\n", stack.BaseURL, stack.Psql(), stack.BaseURL)
	<-ctx.Done()
	fmt.Fprintln(stdout, "Stopping …")
	return nil
}
