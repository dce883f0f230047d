package subscription

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// emailCase is a line of testdata/email_cases.jsonl.
type emailCase struct {
	Suite   string  `json:"suite"`
	ID      string  `json:"id"`
	Input   *string `json:"input"`
	Escaped *string `json:"input_escaped"`
	Policy  string  `json:"policy"`
	Why     string  `json:"policy_why"`
}

func emailCases(t testing.TB) []emailCase {
	t.Helper()
	file, err := os.Open("testdata/email_cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []emailCase
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var c emailCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) < 450 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func TestPolicyOfPublicSuites(t *testing.T) {
	for _, c := range emailCases(t) {
		if c.Input == nil {
			t.Fatalf("%s %s has no input", c.Suite, c.ID)
		}
		got, err := ParseAddress(*c.Input)
		switch c.Policy {
		case "accept":
			if err != nil {
				t.Errorf("%s %s: %q refused: %v", c.Suite, c.ID, *c.Input, err)
			}
		case "trim-or-reject":
			if err != nil || strings.Contains(got.Display, " @") || got.Display != strings.TrimSpace(got.Display) {
				t.Logf("%s %s: %q gives %q, %v", c.Suite, c.ID, *c.Input, got.Display, err)
			}
		case "idn":
			t.Logf("%s %s: %q gives %+v, %v", c.Suite, c.ID, *c.Input, got, err)
		case "reject":
			if err == nil {
				t.Errorf("%s %s: %q accepted (%s)", c.Suite, c.ID, *c.Input, c.Why)
			}
			var refused *AddressError
			if !errors.As(err, &refused) {
				t.Errorf("%s %s: error %T", c.Suite, c.ID, err)
			}
		default:
			t.Errorf("unknown policy %q", c.Policy)
		}
	}
}
