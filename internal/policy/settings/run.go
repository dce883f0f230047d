package settings

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"newsletter/internal/local/gobuild"
	"newsletter/internal/policy/settings/record"
)

// startTime limits the start of a function.
const startTime = time.Minute

// A recording is what one function logs about itself when it starts.
type recording struct {
	Variables []string // the variables that it reads, without duplicates
	Routes    []string // "GET /api/health"
}

// recordRuns runs every function below root twice and returns what each reads and serves. Without configuration, a
// function reads all variables that it can ever read, and then exits because required ones are missing. With them, it
// opens its routes, and then exits because there is no Lambda.
func recordRuns(ctx context.Context, root string) (map[string]recording, error) {
	binaries, err := os.MkdirTemp("", "newsletter-functions-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(binaries)
	if err := gobuild.Functions(ctx, root, binaries); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(binaries)
	if err != nil {
		return nil, err
	}
	recorded := map[string]recording{}
	for _, file := range files {
		bare := start(ctx, filepath.Join(binaries, file.Name()), nil)
		variables := logged(bare).Variables
		if len(variables) == 0 {
			return nil, fmt.Errorf("functions/%s does not log what it reads:\n%s", file.Name(), bare)
		}
		environment, err := configured(variables)
		if err != nil {
			return nil, err
		}
		opened := start(ctx, filepath.Join(binaries, file.Name()), environment)
		if bytes.Contains(opened, []byte(`"function did not start"`)) {
			return nil, fmt.Errorf("functions/%s does not start with examples:\n%s", file.Name(), opened)
		}
		recorded[file.Name()] = recording{variables, logged(opened).Routes}
	}
	return recorded, nil
}

// start runs a function, which exits with an error, and returns its log.
func start(ctx context.Context, binary string, environment []string) []byte {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	run := exec.CommandContext(ctx, binary)
	run.Env = append([]string{"LOG_LEVEL=DEBUG"}, environment...)
	output, _ := run.Output()
	return output
}

// Required returns a valid value, as NAME=value, of each variable that a function must have to start. Nothing listens at
// their addresses.
func Required(function string) ([]string, error) { return configured(record.Reads[function].All()) }

// configured returns valid values for the required ones of the variables. Nothing listens at their addresses.
func configured(variables []string) ([]string, error) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	secrets := map[string]string{
		"DATABASE_URL": "postgres://app:x@127.0.0.1:1/x", "MIGRATE_DATABASE_URL": "postgres://migrator:x@127.0.0.1:1/x",
		"PEPPER": key, "OUTBOX_KEYS": key, "TOKEN_KEYS_CONFIRM": key, "TOKEN_KEYS_UNSUBSCRIBE": key, "TOKEN_KEYS_PRIVACY": key, "TOKEN_KEYS_SERVER": key,
	}
	var environment []string
	for _, name := range variables {
		v, known := find(name)
		value := v.Example
		if v.Kind == Secret {
			value = secrets[name]
		}
		switch {
		case !known:
			return nil, fmt.Errorf("%s is in no struct of internal/policy/settings/groups.go", name)
		case v.Required && value == "":
			return nil, fmt.Errorf("%s is required and has no example: add one to its field, or to internal/policy/settings/run.go", name)
		case v.Required:
			environment = append(environment, name+"="+value)
		}
	}
	return environment, nil
}

// logged returns what a function logged about itself at the level DEBUG.
func logged(log []byte) recording {
	var r recording
	for line := range bytes.Lines(log) {
		var entry struct {
			Message          string
			Settings, Routes []string
		}
		if json.Unmarshal(line, &entry) != nil {
			continue
		}
		switch entry.Message {
		case "settings read":
			for _, item := range entry.Settings {
				name, _, _ := strings.Cut(item, "=")
				r.Variables = append(r.Variables, name)
			}
		case "routes opened":
			r.Routes = entry.Routes
		}
	}
	slices.Sort(r.Variables)
	r.Variables = slices.Compact(r.Variables)
	return r
}
