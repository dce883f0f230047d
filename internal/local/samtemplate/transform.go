package samtemplate

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoTranslator is returned if SAM's translator is not installed.
var ErrNoTranslator = errors.New("SAM's translator is not installed; `make setup` installs it")

//go:embed transform.py
var transformProgram string

// Transform returns the templates that CloudFormation receives: texts after SAM's translator, which AWS runs too, in
// the region eu-central-1. Intrinsic functions are kept; Resolve evaluates them. The functions' code has an S3 URL, as
// after `sam package`. The error is ErrNoTranslator if the translator is not installed.
func Transform(ctx context.Context, parameters map[string]string, texts ...[]byte) ([]map[string]any, error) {
	python, err := Python(ctx, "samtranslator")
	if err != nil {
		return nil, err
	}
	templates := make([]map[string]any, len(texts))
	for i, text := range texts {
		if templates[i], err = Document(text); err != nil {
			return nil, err
		}
		if globals := mapping(mapping(templates[i]["Globals"])["Function"]); globals["CodeUri"] == "." {
			globals["CodeUri"] = "s3://bucket/key"
		}
	}
	input, err := json.Marshal(map[string]any{"templates": templates, "parameters": parameters})
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, python, "-c", transformProgram)
	child.Env = append(os.Environ(), "AWS_DEFAULT_REGION=eu-central-1", "PYTHONWARNINGS=ignore")
	var errs bytes.Buffer
	child.Stdin, child.Stderr = bytes.NewReader(input), &errs
	output, err := child.Output()
	if err != nil {
		return nil, fmt.Errorf("translate template: %w\n%s", err, errs.String())
	}
	var transformed []map[string]any
	return transformed, json.Unmarshal(output, &transformed)
}

// Python returns an interpreter that has a module: from `make setup`, from the sam command, or from PATH. The error is
// ErrNoTranslator if none has it.
func Python(ctx context.Context, module string) (string, error) {
	var names []string
	if home, err := os.UserHomeDir(); err == nil { // scripts/setup.sh puts it there
		cache := filepath.Join(home, ".cache")
		if set := os.Getenv("XDG_CACHE_HOME"); set != "" {
			cache = set
		}
		names = append(names, filepath.Join(cache, "newsletter", "sam", "bin", "python"))
	}
	if sam, err := exec.LookPath("sam"); err == nil {
		if text, err := os.ReadFile(sam); err == nil {
			line, _, _ := bytes.Cut(text, []byte("\n"))
			if interpreter, ok := bytes.CutPrefix(line, []byte("#!")); ok && bytes.Contains(interpreter, []byte("python")) {
				names = append(names, strings.TrimSpace(string(interpreter)))
			}
		}
	}
	for _, name := range append(names, "python3", "python") {
		if exec.CommandContext(ctx, name, "-c", "import importlib.util; assert importlib.util.find_spec('"+module+"')").Run() == nil {
			return name, nil
		}
	}
	return "", ErrNoTranslator
}
