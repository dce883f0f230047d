// Package migrations holds the schema as numbered SQL files and applies them.
//
// goose's Provider does the work, one transaction a file, behind a lease in a table, so that runs of several migrators
// follow each other and a killed one lets the next go on when the lease has ended. On top of it: a checksum of every
// applied file, the database roles and their grants, and Validate, which compares what is there with what should be.
//
// Failure policy: a failed migration is rolled back and named; earlier ones stay. Everything may be run again.
package migrations

import "embed"

//go:embed [0-9]*.sql
var files embed.FS

//go:embed grants.sql
var grants string
