package subscription

import (
	"testing"

	"newsletter/internal/sqlcheck"
)

func TestStatementsFitTheSchema(t *testing.T) {
	sqlcheck.Prepare(t, setup(t).admin, ".")
}
