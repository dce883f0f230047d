package bundle

import (
	"slices"

	"newsletter/internal/samtemplate"
	"newsletter/internal/settings"
)

// checkVariables wants each function to be given the secrets and the infrastructure that it reads, and no others: secrets
// from Secrets Manager, the rest from the template. Settings come from the file that an artifact is built with; the template
// gives none, because the environment wins over the file.
func (b *Bundle) checkVariables() []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		if f := b.Template.Functions[name]; f != nil { // else checkFunctions says so
			b.checkGiven(name, f, b.checkSealed(f, &problems), &problems)
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
	read := map[string]bool{}
	for _, v := range b.Functions[name].Variables {
		read[v.Name] = true
		_, given := f.Variables[v.Name]
		switch {
		case v.Kind == settings.File && given:
			problems.add("template.yaml: %s is given the setting %s: take it out, %s in settings/<environment>.toml would not count", f.ID, v.Name, v.Key())
		case v.Kind == settings.File || v.Kind == settings.Local || given || sealed[v.Name]:
		case v.Kind == settings.Secret:
			problems.add("functions/%s reads the secret %s, which %s is not given: add its secret to SECRETS_ARN in template.yaml, and to the role",
				name, v.Name, f.ID)
		default:
			problems.add("functions/%s reads %s, which %s is not given: add it to Environment.Variables in template.yaml", name, v.Name, f.ID)
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
