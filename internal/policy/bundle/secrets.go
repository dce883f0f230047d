package bundle

import (
	"slices"

	"newsletter/internal/local/samtemplate"
	"newsletter/internal/policy/settings"
)

// secretsOf returns the secrets that a function's SECRETS_ARN names.
func (s *Stack) secretsOf(id string) []string {
	return samtemplate.References(s.variables(id)["SECRETS_ARN"])
}

// checkSecrets checks that what a function can read in Secrets Manager is exactly what it uses: its role and its
// SECRETS_ARN name the same secrets, it reads every variable in them, and they contain all secret variables that it reads
// and the template does not set (docs/adr/0036).
func (b *bundle) checkSecrets(s *Stack) []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		id, role, uses, held := functionID(name), roleOf(name), map[string]bool{}, map[string]bool{}
		for _, v := range b.Functions[name].Variables {
			uses[v.Name] = v.Kind == settings.Secret
		}
		given, readable := s.secretsOf(id), samtemplate.References(s.allowed(role, &problems)["secretsmanager:GetSecretValue"])
		for _, secret := range given {
			if !slices.Contains(readable, secret) {
				problems.add("template.yaml: functions/%s has the secret %s, but %s may not read it: add it to secretsmanager:GetSecretValue", name, secret, role)
			}
		}
		for _, secret := range readable {
			if !slices.Contains(given, secret) {
				problems.add("template.yaml: %s may read %s, which functions/%s does not have: remove it", role, secret, name)
			}
			if len(s.Secrets[secret]) == 0 {
				problems.add("template.yaml: the variables in %s are unknown: list them in Metadata.SecretVariables", secret)
			}
			for _, variable := range s.Secrets[secret] {
				held[variable] = true
				if !uses[variable] {
					problems.add("template.yaml: %s may read %s in %s, which functions/%s does not use: move the variable to another secret",
						role, variable, secret, name)
				}
			}
		}
		for _, variable := range sortedKeys(uses) {
			_, set := s.variables(id)[variable]
			if uses[variable] && !held[variable] && !set && (s.Complete || s.generated(variable)) {
				problems.add("functions/%s reads the secret %s, which %s does not get: add its secret to SECRETS_ARN in template.yaml, and to the role",
					name, variable, id)
			}
		}
	}
	return problems
}

// generated reports whether a variable is in a secret that every stack has.
func (s *Stack) generated(variable string) bool {
	return slices.ContainsFunc(s.ids("AWS::SecretsManager::Secret"), func(id string) bool { return slices.Contains(s.Secrets[id], variable) })
}
