package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/internal/local/devstack"
	"newsletter/shared/disposable"
)

// maxBlocklist is the maximum size of a blocklist. The one in use has 0.1 MiB.
const maxBlocklist = 16 << 20

// disposableCommand updates the list of disposable domains. It is for maintainers, because the list is compiled into
// the functions.
func disposableCommand() *cobra.Command {
	return group("disposable", "Update the list of disposable domains (for maintainers)", "", &cobra.Command{
		Use: "refresh {FILE | URL}", Short: "Update shared/disposable/domains.txt from a newer blocklist",
		Long: "Update shared/disposable/domains.txt from a newer blocklist, a file or an https URL.", Args: takes(1, "one file or URL"),
		RunE: func(c *cobra.Command, args []string) error { return refreshDisposable(c.Context(), args[0]) },
	})
}

func refreshDisposable(ctx context.Context, from string) error {
	root, err := devstack.Root(".")
	if err != nil {
		return err
	}
	source, err := readBlocklist(ctx, from)
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
