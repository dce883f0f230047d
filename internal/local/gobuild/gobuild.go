// Package gobuild builds the functions. It is the one place of their build flags in Go; a test compares it with the
// Makefile, which builds what is deployed, and with the linter's configuration.
package gobuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// Tags are the build tags of every build.
const Tags = "lambda.norpc"

// LinkerFlags are the linker's flags of a deployed binary.
const LinkerFlags = "-s -w"

// DeployedFlags returns the flags of a deployed binary, without those of the linker; docs/adr/0002 explains each.
func DeployedFlags() []string {
	return []string{"-mod=readonly", "-buildvcs=false", "-tags", Tags, "-trimpath"}
}

// DeployedEnv returns the environment that builds for an architecture of Lambda: the process's own without GOFLAGS.
func DeployedEnv(arch string) []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
}

// Deployed builds packages below root as they are deployed, to the file or, with a slash at its end, the folder out.
func Deployed(ctx context.Context, root, arch, out string, packages ...string) error {
	args := append(DeployedFlags(), "-ldflags="+LinkerFlags, "-o", out)
	return run(ctx, root, DeployedEnv(arch), append(args, packages...))
}

// Local builds packages below root for this machine, quickly and with further flags: as a test or a developer runs
// them.
func Local(ctx context.Context, root, out string, flags []string, packages ...string) error {
	return run(ctx, root, nil, slices.Concat([]string{"-tags", Tags, "-o", out}, flags, packages))
}

// Functions builds all functions below root into a folder for this machine, as Local does: one file each, named as its
// function.
func Functions(ctx context.Context, root, folder string, flags ...string) error {
	return Local(ctx, root, folder+"/", flags, "./functions/...")
}

func run(ctx context.Context, root string, env, args []string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	cmd.Dir, cmd.Env = root, env
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}
