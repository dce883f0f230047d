package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// privacyCommand handles privacy requests received by letter.
func (o *operator) privacyCommand() *cobra.Command {
	return group("privacy", "Handle privacy requests received by letter",
		"Subscribers can do the same themselves, through a link by email. For a letter, identify its sender first. The ledger records each command.",
		o.privacyOpen(), o.privacyList(), o.privacyExport(), o.privacyRestrict(), o.privacyRectify(), o.privacyErase())
}

func (o *operator) privacyExport() *cobra.Command {
	return &cobra.Command{
		Use: "export EMAIL", Short: "Print all data about a person, as JSON",
		Long: "Print all data about a person, as JSON, with the explanations that Art. 15 GDPR requires.", Args: takes(1, "one address"),
		RunE: func(c *cobra.Command, args []string) error {
			document, err := operate.PrivacyExport.Do(c.Context(), o, operate.Person{Email: args[0]})
			if err != nil {
				return err
			}
			return printJSON(stdout, document)
		},
	}
}

func (o *operator) privacyErase() *cobra.Command {
	c := &cobra.Command{
		Use: "erase EMAIL", Short: "Erase all data about a person",
		Long: "Erase all data about a person, which cannot be undone. It asks for the address again. Events stay in the ledger and no longer identify anyone.",
		Args: takes(1, "one address"),
	}
	object := c.Flags().Bool("object", false, "keep a pseudonym of the address, so that it is never emailed again")
	yes := c.Flags().Bool("yes", false, "do not ask for confirmation")
	c.RunE = func(c *cobra.Command, args []string) error {
		address, err := parseAddress(args[0])
		if err != nil {
			return err
		}
		if !*yes {
			if err := askAgain(address); err != nil {
				return err
			}
		}
		result, err := operate.PrivacyErase.Do(c.Context(), o, operate.PersonToErase{Email: args[0], Object: *object})
		if err != nil {
			return err
		}
		if result.Outcome == subscription.Unchanged {
			fmt.Fprintln(stdout, "no data about this address")
			return nil
		}
		fmt.Fprintln(stdout, "erased")
		return nil
	}
	return c
}

// askAgain reads an address from the standard input and returns an error if it is another one.
func askAgain(address subscription.Address) error {
	fmt.Fprint(os.Stderr, "This cannot be undone. Type the address again: ")
	typed, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if again, err := subscription.ParseAddress(strings.TrimSpace(typed)); err != nil || again.Normalized != address.Normalized {
		return errors.New("the addresses differ; nothing was erased")
	}
	return nil
}

func (o *operator) privacyRestrict() *cobra.Command {
	return &cobra.Command{
		Use: "restrict EMAIL", Short: "Restrict the use of a subscriber's data",
		Long: "Restrict the use of a subscriber's data (Art. 18 GDPR): everything is kept and nothing is sent, until the subscriber ends it or `newsletter suppression remove` does.",
		Args: takes(1, "one address"),
		RunE: func(c *cobra.Command, args []string) error {
			result, err := operate.PrivacyRestrict.Do(c.Context(), o, operate.Person{Email: args[0]})
			if err != nil {
				return err
			}
			if result.Outcome == subscription.Unchanged {
				fmt.Fprintln(stdout, "the address is suppressed already; nothing changed")
				return nil
			}
			fmt.Fprintln(stdout, result.Outcome)
			return nil
		},
	}
}

func (o *operator) privacyRectify() *cobra.Command {
	c := &cobra.Command{
		Use: "rectify EMAIL [NEW-EMAIL]", Short: "Change a subscriber's address or fields",
		Long: joinTexts("Change a subscriber's address or fields",
			"Art. 16 GDPR. The new address gets an email with a link; the subscription moves when its reader confirms. "+
				"Fields change at once, here and at the destinations that receive them."),
		Example: "newsletter privacy rectify jane@example.org jane@example.net\nnewsletter privacy rectify --field company=Example jane@example.org",
		Args:    cobra.RangeArgs(1, 2),
	}
	fields := c.Flags().StringArray("field", nil, "value of a declared field, as NAME=VALUE; an empty value removes it; repeatable")
	c.RunE = func(c *cobra.Command, args []string) error {
		person := operate.PersonToRectify{Email: args[0]}
		if len(args) == 2 {
			person.To = args[1]
		}
		var err error
		if person.Fields, err = parseFields("--field", *fields); err != nil {
			return err
		}
		result, err := operate.PrivacyRectify.Do(c.Context(), o, person)
		switch {
		case err != nil:
			return err
		case result.Outcome == subscription.Unchanged:
			fmt.Fprintln(stdout, "the fields have these values already; nothing changed")
		case person.To == "":
			fmt.Fprintln(stdout, "changed")
		default:
			fmt.Fprintln(stdout, "the new address gets an email with a link, unless it is suppressed; the subscription moves when the link is confirmed")
		}
		return nil
	}
	return c
}

func (o *operator) privacyOpen() *cobra.Command {
	var rights []string
	for _, right := range subscription.Rights() {
		rights = append(rights, string(right))
	}
	c := &cobra.Command{
		Use: "open KIND EMAIL", Short: "Record a request by letter, to track its due date",
		Long:    "Record a request by letter, to track its due date. KIND is " + strings.Join(rights, ", ") + ". The command of the same name closes it.",
		Example: "newsletter privacy open --received 2026-11-02 export jane@example.org", Args: takes(2, "a kind ("+strings.Join(rights, ", ")+") and one address"),
	}
	received := c.Flags().String("received", "", "date of receipt, as YYYY-MM-DD; today by default")
	c.RunE = func(c *cobra.Command, args []string) error {
		day, err := time.Parse(time.DateOnly, cmp.Or(*received, time.Now().UTC().Format(time.DateOnly)))
		if err != nil {
			return errUsage("--received must be a date that is not in the future, as YYYY-MM-DD")
		}
		due, err := operate.PrivacyOpen.Do(c.Context(), o, operate.LetterReceived{Right: subscription.Right(args[0]), Email: args[1], Received: day})
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "due by %s\n", due.At.Format(time.DateOnly))
		return nil
	}
	return c
}

func (o *operator) privacyList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List pending requests", Long: "List pending requests, the earliest due first. Exits with 1 if one is overdue.", Args: takes(0, "no arguments"),
	}
	all, asJSON := c.Flags().Bool("all", false, "include completed requests"), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		requests, err := operate.PrivacyList.Do(c.Context(), o, operate.RequestFilter{Answered: *all})
		if err != nil {
			return err
		}
		err = printList(requests.List, *asJSON, "ID\tKIND\tCHANNEL\tRECEIVED\tDUE\tDONE", func(r subscription.PrivacyRequest) []any {
			done := "-"
			if r.DoneAt != nil {
				done = r.DoneAt.Format(time.DateOnly)
			}
			return []any{r.ID, r.Right, r.Channel, r.ReceivedAt.Format(time.DateOnly), r.DueAt.Format(time.DateOnly), done}
		})
		if err == nil && requests.Overdue > 0 {
			err = fmt.Errorf("%d requests are overdue", requests.Overdue)
		}
		return err
	}
	return c
}

// parseAddress parses an address argument.
func parseAddress(typed string) (subscription.Address, error) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, errUsage(fmt.Sprintf("%q is not an email address: %s", typed, refused.Detail))
	}
	return address, err
}
