package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"newsletter/internal/devstack"
	"newsletter/shared/disposable"
)

const disposableUsage = `disposable refresh FILE|URL   write shared/disposable/domains.txt anew from a newer blocklist`

// maxBlocklist bounds what is read of a blocklist; the one in use has 0.1 MiB.
const maxBlocklist = 16 << 20

// disposableCommand is for maintainers: the list is part of the binaries.
func disposableCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("disposable refresh", flag.ContinueOnError)
	if len(args) == 0 || args[0] != "refresh" {
		return errUsage(disposableUsage)
	}
	if err := parse(flags, args[1:]); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage("disposable refresh takes one file or URL")
	}
	root, err := devstack.Root(".")
	if err != nil {
		return err
	}
	source, err := openList(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	defer source.Close()
	list, count, err := disposable.Normalize(io.LimitReader(source, maxBlocklist))
	if err != nil {
		return err
	}
	file := filepath.Join(root, "shared", "disposable", "domains.txt")
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil { //nolint:gosec // a public file of the repository
		return err
	}
	fmt.Printf("%d domains, before %d. Say so in shared/disposable/README.md, with the commit and the date of the list.\n", count, disposable.Count())
	return nil
}

func openList(ctx context.Context, name string) (io.ReadCloser, error) {
	if !strings.HasPrefix(name, "https://") {
		return os.Open(name)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	body := closer{response.Body, cancel}
	if response.StatusCode != http.StatusOK {
		_ = body.Close()
		return nil, fmt.Errorf("the list is answered with status %d", response.StatusCode)
	}
	return body, nil
}

// closer ends the time limit with the body.
type closer struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c closer) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
