// Command envdoc writes .env.example and the README's table of variables from the code. With -check it writes nothing
// and ends with status 1 if they are not current.
package main

import (
	"flag"
	"fmt"
	"os"

	"newsletter/internal/bundle"
)

func main() {
	check := flag.Bool("check", false, "only say whether the files are current")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(check bool) error {
	b, err := bundle.Load(".")
	if err != nil {
		return err
	}
	files, err := b.Generated()
	if err != nil {
		return err
	}
	for name, want := range files {
		have, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		switch {
		case string(have) == want:
		case check:
			return fmt.Errorf("%s is not current: run make generate", name)
		default:
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
