package bundle

import (
	"slices"

	"newsletter/internal/samtemplate"
	"newsletter/internal/settings"
)

// checkVariables checks that each function gets exactly the secrets and infrastructure variables that it reads: secrets
// from Secrets Manager, the rest from the template. The template must not set settings, which come from the artifact's
// settings file, because the environment overrides the file.
func (b *Bundle) checkVariables() []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		if f := b.Template.Functions[name]; f != nil { // else reported by checkFunctions
			b.checkGiven(name, f, b.checkSealed(f, &problems), &problems)
		}
	}
	return problems
}

// checkSealed returns the variables in a function's secrets.
func (b *Bundle) checkSealed(f *samtemplate.Function, problems *problems) map[string]bool {
	sealed := map[string]bool{}
	for _, secret := range f.Secrets {
		if len(b.Template.SecretVariables[secret]) == 0 {
			problems.add("template.yaml: the variables in %s are unknown: list them in Metadata.SecretVariables", secret)
		}
		if b.Template.Resources[secret] != nil && !always(f.Variables["SECRETS_ARN"], secret) {
			problems.add("template.yaml: SECRETS_ARN of %s names %s in only one branch of its !If: name it in both", f.ID, secret)
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
			problems.add("template.yaml: %s sets the setting %s: remove it, it would override %s in settings/<environment>.toml", f.ID, v.Name, v.Key())
		case v.Kind == settings.File || v.Kind == settings.Local || given || sealed[v.Name]:
		case v.Kind == settings.Secret:
			problems.add("functions/%s reads the secret %s, which %s does not get: add its secret to SECRETS_ARN in template.yaml, and to the role",
				name, v.Name, f.ID)
		default:
			problems.add("functions/%s reads %s, which %s does not get: add it to Environment.Variables in template.yaml", name, v.Name, f.ID)
		}
	}
	for _, variable := range sortedKeys(f.Variables) {
		if !read[variable] {
			problems.add("template.yaml: %s sets %s, which functions/%s does not read: remove it", f.ID, variable, name)
		}
	}
	for _, secret := range f.Secrets {
		holds := b.Template.SecretVariables[secret]
		if len(holds) > 0 && !slices.ContainsFunc(holds, func(variable string) bool { return read[variable] }) {
			problems.add("template.yaml: %s may read %s, but functions/%s reads none of its variables: remove it from SECRETS_ARN and the role",
				f.ID, secret, name)
		}
	}
}

// always reports whether a template value contains a name in every branch of its conditions.
func always(v any, name string) bool {
	for _, names := range samtemplate.Alternatives(v) {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}
