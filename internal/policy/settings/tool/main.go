// Command tool checks settings files, packs the part of one that belongs in a function's artifact, and writes the
// generated
// files.
//
//	tool check                                       every settings/<environment>.toml
//	tool pack -environment E -function F -out FILE   what goes into the artifact of functions/F
//	tool generate [-check]                           settings/example.toml, .env.example, docs/configuration.md, the record
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"newsletter/internal/policy/settings"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("missing command: check, pack or generate")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	environment, function := flags.String("environment", "production", "environment of the settings"), flags.String("function", "", "function to pack the settings for")
	out := flags.String("out", "", "the file to write")
	current := flags.Bool("check", false, "only check that the files are current")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "check":
		return check()
	case "pack":
		text, err := settings.Pack(".", *environment, *function)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
			return err
		}
		return os.WriteFile(*out, text, 0o644)
	case "generate":
		return generate(ctx, *current)
	}
	return fmt.Errorf("unknown command %q: check, pack or generate", args[0])
}

// check checks the file of every environment.
func check() error {
	environments, err := settings.Environments(".")
	problems := []error{err}
	for _, environment := range environments {
		_, err := settings.Read(".", environment)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func generate(ctx context.Context, check bool) error {
	files, err := settings.Generate(ctx, ".")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		switch {
		case string(have) == string(files[name]):
		case check:
			return fmt.Errorf("%s is outdated: run make generate", name)
		default:
			if err := os.WriteFile(name, files[name], 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
