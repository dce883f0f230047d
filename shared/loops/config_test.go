package loops

import (
	"strings"
	"testing"

	"newsletter/shared/config"
)

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		vars map[string]string
		want string // of the error
	}{
		"nothing":            {nil, ""},
		"whole":              {map[string]string{"LOOPS_API_KEY": "k1", "LOOPS_MAILING_LISTS": "cm06f5v0e45nf0ml5754o9cix,b"}, ""},
		"key with line end":  {map[string]string{"LOOPS_API_KEY": "a\r\nX: y"}, "LOOPS_API_KEY"},
		"list with a letter": {map[string]string{"LOOPS_MAILING_LISTS": "a,b c"}, "LOOPS_MAILING_LISTS"},
	} {
		t.Run(name, func(t *testing.T) {
			env := config.FromMap(test.vars)
			cfg := config.Read[Config](env)
			err := env.Err()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if err == nil && cfg.Enabled() != (test.vars["LOOPS_API_KEY"] != "") {
				t.Errorf("%+v", cfg)
			}
		})
	}
}
