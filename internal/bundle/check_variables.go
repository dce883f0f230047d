package bundle

import (
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// local reports whether a variable is read but never deployed: endpoints of doubles and their certificates, for the local
// stack, the tests and the operator's tool. A deployed function has no file to name.
func local(name string) bool {
	return strings.HasPrefix(name, "AWS_") || strings.HasSuffix(name, "_CA_FILE") || name == "CAPTCHA_URL" || name == "OUTBOUND_ALLOW_PRIVATE"
}

// checkVariables wants each function to be given the variables that it reads, and no others: secrets from Secrets
// Manager, the rest from the template.
func (b *Bundle) checkVariables() []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		if f := b.Template.Functions[name]; f != nil { // else checkFunctions says so
			sealed := b.checkSealed(f, &problems)
			b.checkGiven(name, f, sealed, &problems)
		}
	}
	for _, v := range b.Variables() {
		if v.Doc == "" {
			problems.add("%s: the field %s (%s) has no comment: say meaning, unit and default; .env.example is made from it", v.Package, v.Field, v.Name)
		}
	}
	return problems
}

// checkSealed gives the variables that a function's secrets hold.
func (b *Bundle) checkSealed(f *samtemplate.Function, problems *problems) map[string]bool {
	sealed := map[string]bool{}
	for _, secret := range f.Secrets {
		if len(b.Template.SecretVariables[secret]) == 0 {
			problems.add("template.yaml: what %s holds is not known: list its variables in Metadata.SecretVariables", secret)
		}
		if b.Template.Resources[secret] != nil && !always(f.Variables["SECRETS_ARN"], secret) {
			problems.add("template.yaml: SECRETS_ARN of %s names %s in one branch of its !If alone: name it in both", f.ID, secret)
		}
		for _, variable := range b.Template.SecretVariables[secret] {
			sealed[variable] = true
		}
	}
	return sealed
}

func (b *Bundle) checkGiven(name string, f *samtemplate.Function, sealed map[string]bool, problems *problems) {
	read := map[string]bool{"SECRETS_ARN": true}
	for _, use := range b.Functions[name].Variables {
		read[use.Name] = true
		_, given := f.Variables[use.Name]
		switch {
		case local(use.Name) || given || sealed[use.Name]:
		case use.Sealed:
			problems.add("functions/%s reads the secret %s (%s), which %s is not given: add its secret to SECRETS_ARN in template.yaml, and to the role",
				name, use.Name, use.At, f.ID)
		default:
			problems.add("functions/%s reads %s (%s), which %s is not given: add it to Environment.Variables in template.yaml",
				name, use.Name, use.At, f.ID)
		}
	}
	for _, variable := range sortedKeys(f.Variables) {
		if !read[variable] {
			problems.add("template.yaml: %s is given %s, which functions/%s does not read: take it out", f.ID, variable, name)
		}
	}
	for _, secret := range f.Secrets {
		holds := b.Template.SecretVariables[secret]
		if len(holds) > 0 && !slices.ContainsFunc(holds, func(variable string) bool { return read[variable] }) {
			problems.add("template.yaml: %s may read %s, but functions/%s reads nothing of it: take it out of SECRETS_ARN and the role",
				f.ID, secret, name)
		}
	}
}

// always says whether a value of the template names something in all of its cases.
func always(v any, name string) bool {
	for _, names := range samtemplate.Alternatives(v) {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}
