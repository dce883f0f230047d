package bundle

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
)

const (
	serviceClients = "github.com/aws/aws-sdk-go-v2/service/"
	databaseTokens = "github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

// prefixes maps client packages to the prefix of their IAM actions, where the two differ.
var prefixes = map[string]string{"sesv2": "ses"}

// byOperator are actions that only the operator's tool uses. No function is granted them.
var byOperator = map[string]bool{"s3:GetObject": true}

// A Call is a call of an AWS API and the IAM action that it needs.
type Call struct {
	Action string // "ses:SendEmail"
	At     string
}

// calls finds the AWS operations that a function's packages call: calls of a method with the name of an operation of a
// service client that the file imports.
func (c *code) calls(function string) ([]Call, error) {
	seen := map[string]Call{}
	for _, p := range c.shipped(function) {
		for _, file := range p.Files {
			operations, err := c.operations(file)
			if err != nil {
				return nil, err
			}
			names := imports(file)
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				selector, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				action := operations[selector.Sel.Name]
				if x, ok := selector.X.(*ast.Ident); ok && names[x.Name] == databaseTokens && selector.Sel.Name == "BuildAuthToken" {
					action = "rds-db:connect"
				}
				if _, known := seen[action]; action != "" && !known && !byOperator[action] {
					seen[action] = Call{action, p.at(call)}
				}
				return true
			})
		}
	}
	var all []Call
	for _, action := range sortedKeys(seen) {
		all = append(all, seen[action])
	}
	return all, nil
}

// operations maps the operations of the service clients that a file imports to their IAM actions. The SDK has one file
// for each operation.
func (c *code) operations(file *ast.File) (map[string]string, error) {
	all := map[string]string{}
	for _, path := range imports(file) {
		service, ok := strings.CutPrefix(path, serviceClients)
		if !ok || strings.Contains(service, "/") {
			continue
		}
		files, err := os.ReadDir(c.listed[path].Dir)
		if err != nil {
			return nil, err
		}
		prefix := service
		if other := prefixes[service]; other != "" {
			prefix = other
		}
		for _, f := range files {
			name, isOperation := strings.CutPrefix(strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())), "api_op_")
			if isOperation {
				all[name] = prefix + ":" + name
			}
		}
	}
	return all, nil
}
