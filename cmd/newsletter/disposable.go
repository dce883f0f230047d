package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/disposable"
)

const disposableUsage = `disposable refresh FILE|URL   update shared/disposable/domains.txt from a newer blocklist`

// maxBlocklist is the maximum size of a blocklist. The one in use has 0.1 MiB.
const maxBlocklist = 16 << 20

// disposableCommand updates the list of disposable domains. It is for maintainers, because the list is compiled into
// the functions.
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
	source, err := readBlocklist(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	list, count, err := disposable.Normalize(bytes.NewReader(source))
	if err != nil {
		return err
	}
	file := filepath.Join(root, "shared", "disposable", "domains.txt")
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d domains, previously %d. Record this in shared/disposable/README.md, with the commit and the date of the list.\n", count, disposable.Count())
	return nil
}

func readBlocklist(ctx context.Context, name string) ([]byte, error) {
	if !strings.HasPrefix(name, "https://") {
		return os.ReadFile(name)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download the list: status %d", response.StatusCode)
	}
	list, err := io.ReadAll(io.LimitReader(response.Body, maxBlocklist+1))
	if err == nil && len(list) > maxBlocklist {
		err = fmt.Errorf("the list has more than %d bytes", maxBlocklist)
	}
	return list, err
}
