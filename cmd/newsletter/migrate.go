package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"newsletter/migrations"
)

// migrateCommand invokes the function migrate, which alone may change the schema.
func (o *operator) migrateCommand() *cobra.Command {
	return group("migrate", "Migrate the database schema, and check it",
		"The function migrate does it. A deployment runs `up` before it changes any other function.",
		o.migration("status", "Show the version of the schema", "Show the version of the schema, and every migration."),
		o.migration("validate", "Compare the database with this release",
			"Compare the database with this release: checksums, schema, privileges, limits of the roles and invariants of the data. Exits with 1 if anything differs."),
		o.migration("up", "Migrate to the schema of this release", "Migrate to the schema of this release. An interrupted run can be repeated."),
		o.migration("down", "Take the last migration back", "Take the last migration back. Data that only it has room for is lost."),
	)
}

func (o *operator) migration(name, summary, text string) *cobra.Command {
	c := &cobra.Command{Use: name, Short: summary, Long: text, Args: takes(0, "no arguments")}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		payload, err := o.functions.invoke(c.Context(), "migrate", []byte(`{"command":"`+name+`"}`))
		if err != nil {
			return err
		}
		var result migrations.Result
		if json.Unmarshal(payload, &result) != nil || result.Command != name {
			return errors.New("not a response of the function migrate; check --stack")
		}
		if *asJSON {
			err = printJSON(stdout, json.RawMessage(payload))
		} else {
			err = printMigrations(result)
		}
		if err == nil && !result.OK {
			err = fmt.Errorf("not ok: %s", strings.Join(result.Problems, "; "))
		}
		return err
	}
	return c
}

func printMigrations(r migrations.Result) error {
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	for _, m := range r.Migrations {
		fmt.Fprintf(table, "%d\t%s\t%s\n", m.Version, m.File, m.State)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(stdout, "warning:", warning)
	}
	_, err := fmt.Fprintf(stdout, "version %d of %d\n", r.Version, r.Target)
	return err
}
