package settings

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// texts returns the text of each variable: the comment of its field in the sources below root. If two structs have a
// variable, only one has its text.
func texts(root string) (map[string]string, error) {
	texts := map[string]string{}
	for _, folder := range []string{"functions", "migrations", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			return readTexts(source, texts)
		})
		if err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func readTexts(source *ast.File, texts map[string]string) (problem error) {
	ast.Inspect(source, func(n ast.Node) bool {
		structure, ok := n.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range structure.Fields.List {
			if field.Tag == nil {
				continue
			}
			tag, _ := strconv.Unquote(field.Tag.Value)
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("env"), ",")
			if name == "" {
				continue
			}
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			if texts[name] != "" && text != "" {
				problem = fmt.Errorf("%s has two texts: keep one", name)
			}
			if texts[name] == "" {
				texts[name] = text
			}
		}
		return true
	})
	return problem
}
