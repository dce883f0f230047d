package devstack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Validate runs migrate's command of that name against the running system. expected are beginnings of the problems that
// it has to find. The error lists every other problem that it finds, and every expected one that it does not.
func (s *Stack) Validate(ctx context.Context, expected ...string) error {
	answer, err := s.Lambda.Invoke(ctx, "migrate", []byte(`{"command":"validate"}`))
	if err != nil {
		return fmt.Errorf("validate the database: %w", err)
	}
	var result struct { // of migrations.Result, which imports what tests of the fakes test
		OK       bool     `json:"ok"`
		Problems []string `json:"problems"`
	}
	if err := json.Unmarshal(answer.Payload, &result); err != nil || answer.FunctionError != "" {
		return fmt.Errorf("validate the database: %s", answer.Payload)
	}
	var wrong []string
	for _, problem := range result.Problems {
		if !slices.ContainsFunc(expected, func(begins string) bool { return strings.HasPrefix(problem, begins) }) {
			wrong = append(wrong, problem)
		}
	}
	for _, begins := range expected {
		if !slices.ContainsFunc(result.Problems, func(problem string) bool { return strings.HasPrefix(problem, begins) }) {
			wrong = append(wrong, "not found, but expected: "+begins)
		}
	}
	if len(wrong) > 0 || result.OK != (len(result.Problems) == 0) {
		return fmt.Errorf("validate the database: ok %t: %s", result.OK, strings.Join(wrong, "; "))
	}
	return nil
}
