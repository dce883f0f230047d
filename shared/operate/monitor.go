package operate

import (
	"context"

	"newsletter/shared/snapshot"
)

// Monitor reads the state of the installation.
var Monitor = read("monitor", readSnapshot)

// State is the state of an installation, and its name.
type State struct {
	Installation string            `json:"installation"` // the environment and the database
	Snapshot     snapshot.Snapshot `json:"snapshot"`
}

func readSnapshot(ctx context.Context, i *Installation, _ All) (State, error) {
	s, err := i.reader.Read(ctx)
	return State{i.name, s}, err
}
