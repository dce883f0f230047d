package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// startTime limits the start of a function without configuration.
const startTime = time.Minute

// Record runs every function below root and returns the names of the variables that each reads. A function without
// configuration reads all variables that it can ever read, and then exits because required ones are missing.
func Record(ctx context.Context, root string) (map[string][]string, error) {
	binaries, err := os.MkdirTemp("", "newsletter-functions-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(binaries)
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", binaries+string(filepath.Separator), "./functions/...")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the functions: %w\n%s", err, output)
	}
	files, err := os.ReadDir(binaries)
	if err != nil {
		return nil, err
	}
	record := map[string][]string{}
	for _, file := range files {
		ctx, cancel := context.WithTimeout(ctx, startTime)
		run := exec.CommandContext(ctx, filepath.Join(binaries, file.Name()))
		run.Env = []string{"LOG_LEVEL=DEBUG"}
		output, _ := run.Output() // it exits with an error
		cancel()
		if record[file.Name()] = Asked(output); len(record[file.Name()]) == 0 {
			return nil, fmt.Errorf("functions/%s does not log what it reads:\n%s", file.Name(), output)
		}
	}
	return record, nil
}

// Asked returns the names of the variables that a function read, from its log at the level DEBUG.
func Asked(log []byte) []string {
	var names []string
	for line := range bytes.Lines(log) {
		var entry struct {
			Message  string
			Settings []string
		}
		if json.Unmarshal(line, &entry) != nil || entry.Message != "settings read" {
			continue
		}
		for _, item := range entry.Settings {
			name, _, _ := strings.Cut(item, "=")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
