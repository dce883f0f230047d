package subscription

import (
	"testing"

	"newsletter/internal/fixtures/sqlcheck"
)

func TestStatementsFitTheSchema(t *testing.T) {
	sqlcheck.Prepare(t, setup(t).admin, ".")
}
