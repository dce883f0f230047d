// Command size prints the sizes of built functions and the budget: size bin/subscribe/bootstrap …
// It exits with status 1 if a binary exceeds the budget.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"newsletter/internal/policy/bundle"
)

func main() {
	var binaries []bundle.Binary
	over := false
	for _, path := range os.Args[1:] {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		binaries = append(binaries, bundle.Binary{Function: filepath.Base(filepath.Dir(path)), Bytes: info.Size()})
		over = over || info.Size() > bundle.MaxBinary
	}
	fmt.Print(bundle.Table(binaries))
	if over {
		os.Exit(1)
	}
}
