package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A function is a row with the variables that the function reads and the routes that it serves.
type function struct {
	row
	reads  []string
	routes []string // "GET /api/health"
}

// A route is an event of the API for one path, with any method.
type route struct{ Event, Path string }

// Routes returns a route for each path. Its event has the name of the path's last part that is no id.
func (f function) Routes() []route {
	var all []route
	for _, r := range f.routes {
		_, path, _ := strings.Cut(r, " ")
		name := strings.TrimSuffix(path, "/{id}")
		name = name[strings.LastIndex(name, "/")+1:]
		if strings.Contains(path, "{") {
			path = strconv.Quote(path) // YAML would read a map
		}
		all = append(all, route{title(name), path})
	}
	slices.SortFunc(all, func(a, b route) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(all)
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// ID returns the prefix of the logical ids of the function's resources: Subscribe for subscribe.
func (f function) ID() string { return title(f.Name) }

// secrets returns the secrets with variables that the function reads. One of its own comes first; the others add the
// variables that it lacks.
func (f function) secrets() (held []secret) {
	known := map[string]bool{}
	for _, only := range []string{f.Name, ""} {
		for _, s := range secrets {
			if s.Only == only && slices.ContainsFunc(s.Variables, func(name string) bool { return !known[name] && slices.Contains(f.reads, name) }) {
				held = append(held, s)
			}
		}
		for _, s := range held {
			for _, name := range s.Variables {
				known[name] = true
			}
		}
	}
	return held
}

// Variables returns the function's variables, except the global ones.
func (f function) Variables() []variable {
	var given []variable
	for _, v := range variables {
		if v.Global || !slices.Contains(f.reads, v.Name) {
			continue
		}
		switch v.Name {
		case "SECRETS_ARN":
			v.Value = secretsARN(f.secrets())
		case "SCHEDULE":
			v.Value = "!If [CheckIns, " + f.Schedule.Rate + `, ""]`
		}
		if i := slices.IndexFunc(f.Instead, func(other variable) bool { return other.Name == v.Name }); i >= 0 {
			v = f.Instead[i]
		}
		if v.Value != "" {
			given = append(given, v)
		}
	}
	return given
}

// Statements returns the function's permissions: reading its secrets, using the resources that its variables name, and
// taking messages from its queue, which Lambda does in its name.
func (f function) Statements() []statement {
	var allowed []statement
	const action = "secretsmanager:GetSecretValue"
	if held := f.secrets(); slices.ContainsFunc(held, secret.always) {
		allowed = append(allowed, statement{"", action, references(held)})
	} else {
		// A statement without resources would be invalid.
		for _, s := range held {
			allowed = append(allowed, statement{s.Condition, action, []string{"!Ref " + s.ID}})
		}
	}
	for _, v := range f.Variables() {
		allowed = append(allowed, v.Statements...)
	}
	if f.Queue != "" {
		allowed = append(allowed, statement{"", "[sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]", []string{"!GetAtt " + f.Queue + ".Arn"}})
	}
	if f.Key != "" {
		allowed = append(allowed, statement{"", "kms:Decrypt", []string{"!GetAtt " + f.Key + ".Arn"}})
	}
	return allowed
}

func (s secret) always() bool { return s.Condition == "" }

// references returns an expression for each secret.
func references(held []secret) []string {
	var all []string
	for _, s := range held {
		reference := "!Ref " + s.ID
		if !s.always() {
			reference = "!If [" + s.Condition + ", " + reference + ", !Ref AWS::NoValue]"
		}
		all = append(all, reference)
	}
	return all
}

// secretsARN returns the expression of SECRETS_ARN.
func secretsARN(held []secret) string {
	if len(held) == 1 {
		return references(held)[0]
	}
	required, sub := 0, make([]string, len(held))
	for i, s := range held {
		if s.always() {
			required++
		}
		sub[i] = "${" + s.ID + "}"
	}
	if last := held[len(held)-1]; required > 0 && required == len(held)-1 {
		return fmt.Sprintf("!If\n            - %s\n            - !Sub %q\n            - !Sub %q",
			last.Condition, strings.Join(sub, ","), strings.Join(sub[:required], ","))
	}
	return "!Join\n            - \",\"\n            - - " + strings.Join(references(held), "\n              - ")
}
