package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"newsletter/internal/local/samtemplate"
)

// baseImage is the image that `sam local` runs provided.al2023 functions in. Ours holds the emulator and the stack's
// authority and nothing else, because the functions are static.
const baseImage = "public.ecr.aws/lambda/provided"

// systemRoots is where a Linux machine keeps the certificates of the authorities that it trusts.
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// underSAM runs `sam build` on template.yaml, unchanged, with binaries for this machine (the Makefile's ARCH), and `sam
// local invoke` on the result. Variables that the template declares come by --env-vars, which passes no others. The
// container has the rest: what Lambda itself sets, and what the function's secrets hold.
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
	template, err := samtemplate.Load(filepath.Join(b.root, "template.yaml"))
	if err != nil {
		return err
	}
	if err := docker.makeImage(ctx, baseImage, "al2023-rapid-"+template.Architecture, map[string]string{
		"var/rapid/aws-lambda-rie": rie, systemRoots[1:]: b.caFile, b.caFile[1:]: b.caFile,
	}); err != nil {
		return err
	}
	built := filepath.Join(b.dir, "sam", "build")
	build := exec.CommandContext(ctx, sam, "build", "--build-dir", built)
	build.Dir, build.Env = b.root, append(os.Environ(), "SAM_CLI_TELEMETRY=0", "ARCH="+runtime.GOARCH)
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("sam build: %w\n%s", err, output)
	}
	for _, function := range b.functions() {
		events, err := b.events(function)
		if err != nil {
			return err
		}
		variables, err := b.writeVariables(docker, function, template.Functions[function])
		if err != nil {
			return err
		}
		for _, e := range events {
			b.invoke(ctx, docker, []string{sam, "local", "invoke", template.Functions[function].ID, "--template", filepath.Join(built, "template.yaml"),
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

// writeVariables prepares a function's next runs: it writes the variables that the template declares into a file for
// --env-vars, and passes the others to the engine for its containers.
func (b *bench) writeVariables(docker *engine, name string, function *samtemplate.Function) (file string, err error) {
	all := b.variables(name)
	given := map[string]string{}
	for variable := range function.Variables {
		given[variable] = all[variable] // empty like SECRETS_ARN, whose values are in the container
		delete(all, variable)
	}
	docker.variables = all
	file = filepath.Join(b.dir, "sam", "env.json")
	text, err := json.Marshal(map[string]any{function.ID: given})
	if err != nil {
		return "", err
	}
	return file, os.WriteFile(file, text, 0o600)
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
