package settings

import (
	"encoding/json"
	"fmt"
	"regexp"

	"newsletter/internal/policy/settings/record"
)

// environmentName is the pattern that template.yaml has for the parameter Environment.
var environmentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Pack returns the settings file of a function's artifact: the environment's name and those of its settings that the
// function reads.
func Pack(root, environment, function string) ([]byte, error) {
	if !environmentName.MatchString(environment) {
		return nil, fmt.Errorf("ENVIRONMENT: %q is not a valid name: use up to 32 lower-case letters, digits and hyphens, starting with a letter (example: staging)", environment)
	}
	if _, known := record.Reads[function]; !known {
		return nil, fmt.Errorf("no record of the variables of functions/%s; run make generate", function)
	}
	values, err := Read(root, environment)
	if err != nil {
		return nil, err
	}
	packed := map[string]string{"ENVIRONMENT": environment}
	for _, v := range Reads(function) {
		if text, set := values[v.Name]; set {
			packed[v.Name] = text
		}
	}
	text, err := json.MarshalIndent(packed, "", "  ")
	return append(text, '\n'), err
}
