package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"newsletter/internal/samtemplate"
)

// baseImage is the image that `sam local` runs provided.al2023 functions in. Ours holds nothing but the emulator, because
// the functions are static.
const baseImage = "public.ecr.aws/lambda/provided"

// caInContainer is where a function finds the stack's certificates: beside its binary.
const caInContainer = "/var/task/ca.crt"

func underSAM(ctx context.Context, b *bench) error {
	sam, err := exec.LookPath("sam")
	if err != nil {
		return errMissing("sam is not here; install it by: pip install aws-sam-cli")
	}
	rie, err := findRIE(ctx)
	if err != nil {
		return err
	}
	docker, err := openEngine(ctx, b.dir)
	if err != nil {
		return err
	}
	defer docker.close()
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	if err := docker.makeImage(ctx, baseImage, "al2023-rapid-"+arch, rie); err != nil {
		return err
	}
	template, variables, err := b.writeSAM(arch)
	if err != nil {
		return err
	}
	for _, function := range b.functions() {
		events, err := b.events(function)
		if err != nil {
			return err
		}
		for _, e := range events {
			b.invoke(ctx, docker, []string{sam, "local", "invoke", logicalID(function), "--template", template,
				"--env-vars", variables, "--event", "-", "--skip-pull-image"}, function, e)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if function == "migrate" {
			b.answered(events)
		}
	}
	return nil
}

// invoke runs one event in a container of its own.
func (b *bench) invoke(ctx context.Context, docker *engine, command []string, function string, e event) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+docker.socket, "SAM_CLI_TELEMETRY=0")
	cmd.Stdin = bytes.NewReader(e.body)
	var log bytes.Buffer
	cmd.Stderr = &log
	began, failed := time.Now(), b.failures
	result, err := cmd.Output()
	if err != nil {
		result = []byte(err.Error())
	}
	b.note(function, e, result, time.Since(began))
	if b.failures > failed {
		fmt.Fprintf(os.Stderr, "%s\n", log.Bytes())
	}
}

// writeSAM writes what `sam local` needs: template.yaml for this machine's architecture and binaries, and env.json.
func (b *bench) writeSAM(arch string) (template, variables string, err error) {
	text, err := os.ReadFile(filepath.Join(b.root, "template.yaml"))
	if err != nil {
		return "", "", err
	}
	document, err := samtemplate.Document(text)
	if err != nil {
		return "", "", err
	}
	globals := mapping(mapping(document["Globals"])["Function"])
	globals["Architectures"] = []any{arch}
	delete(globals, "Layers") // `sam local` takes the choice between layers and none for a layer
	environment := map[string]map[string]string{}
	for name, state := range b.state.Functions {
		folder := filepath.Join(b.dir, "sam", name)
		if err := b.layOut(folder, state.Binary); err != nil {
			return "", "", err
		}
		resource := mapping(mapping(document["Resources"])[logicalID(name)])
		delete(resource, "Metadata") // it is built already
		properties := mapping(resource["Properties"])
		properties["CodeUri"] = folder
		all := b.variables(name)
		declared := map[string]any{} // `sam local` passes variables that the template names, and no others
		for variable, value := range all {
			declared[variable] = ""
			for _, written := range []string{b.caFile, url.QueryEscape(b.caFile)} { // on its own, or inside a URL
				value = strings.ReplaceAll(value, written, caInContainer)
			}
			all[variable] = value
		}
		properties["Environment"] = map[string]any{"Variables": declared}
		environment[logicalID(name)] = all
	}
	template, variables = filepath.Join(b.dir, "sam", "template.json"), filepath.Join(b.dir, "sam", "env.json")
	if err := writeJSON(template, document); err != nil {
		return "", "", err
	}
	return template, variables, writeJSON(variables, environment)
}

// layOut puts a function's binary and the stack's certificates into the folder that becomes /var/task.
func (b *bench) layOut(folder, binary string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for from, to := range map[string]string{binary: "bootstrap", b.caFile: filepath.Base(caInContainer)} {
		if err := copyFile(from, filepath.Join(folder, to)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// logicalID is the resource of a function: SubscribeFunction.
func logicalID(function string) string {
	return string(slices.Concat([]byte{function[0] - 'a' + 'A'}, []byte(function[1:]), []byte("Function")))
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
