package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"newsletter/shared/operate"
)

// keyCommand manages the keys of servers.
func (o *operator) keyCommand() *cobra.Command {
	return group("key", "Create, list and revoke the keys of servers",
		"With a key, a server signs people up, reports who left, or looks subscribers up (docs/servers.md).",
		o.keyCreate(), o.keyList(), o.keyRevoke(),
	)
}

func (o *operator) keyCreate() *cobra.Command {
	c := &cobra.Command{
		Use: "create --label TEXT --scope NAME …", Short: "Create a key and print it, once",
		Long:    joinTexts("Create a key and print it, once", "The key is stored nowhere: put it into the server's secrets. Scopes: signup, suppressions, read."),
		Example: `newsletter key create --label "website" --scope signup`, Args: takes(0, "no arguments"),
	}
	label := c.Flags().String("label", "", "the name of the server that gets the key")
	scopes := c.Flags().StringSlice("scope", nil, "what the key may do: signup, suppressions or read; repeat it for several")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *label == "" || len(*scopes) == 0 {
			return errUsage("key create takes --label and --scope")
		}
		created, err := operate.KeyCreate.Do(c.Context(), o, operate.NewKey{ID: uuid.Must(uuid.NewV7()), Label: *label, Scopes: *scopes})
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, created.Text)
		return nil
	}
	return c
}

func (o *operator) keyList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List keys, the newest first", Long: "List keys, the newest first, without their texts.", Args: takes(0, "no arguments"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		keys, err := operate.KeyList.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		return printList(keys, *asJSON, "ID\tLABEL\tSCOPES\tCREATED\tREVOKED", func(k operate.KeyEntry) []any {
			revoked := "-"
			if k.Revoked != nil {
				revoked = k.Revoked.Local().Format(time.DateTime)
			}
			return []any{k.ID, k.Label, strings.Join(k.Scopes, ","), k.Created.Local().Format(time.DateTime), revoked}
		})
	}
	return c
}

func (o *operator) keyRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a key for every later request",
		Long: "Revoke a key for every later request. Exits with 1 if there is no such key.", Args: takes(1, "the id of a key"),
		RunE: func(c *cobra.Command, args []string) error {
			revoked, err := operate.KeyRevoke.Do(c.Context(), o, operate.KeyID{ID: args[0]})
			if err != nil {
				return err
			}
			text := "revoked"
			if !revoked.Now {
				text = "was revoked before"
			}
			fmt.Fprintln(stdout, text)
			return nil
		},
	}
}
