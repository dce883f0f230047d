package operate

import (
	"strings"

	"newsletter/shared/field"
)

// fieldValue returns the value of a declared field that a text means.
func (i *Installation) fieldValue(name, typed string) (any, error) {
	d, declared := i.fields.Find(name)
	if !declared {
		return nil, Wrong("field %q is not declared; declared: %s", name, strings.Join(i.fields.Names(), ", "))
	}
	value, fits := d.Parse(typed)
	if !fits {
		return nil, Wrong("field %s: the value does not fit; it must be %s", name, form(d))
	}
	return value, nil
}

// form returns the form of a field's values, for an error.
func form(d field.Declaration) string {
	switch d.Type {
	case field.Choice:
		return "one of: " + strings.Join(d.Choices, ", ")
	case field.Boolean:
		return "true or false"
	case field.Date:
		return "a date between 1900 and 2199, as YYYY-MM-DD"
	case field.Text:
	}
	return "text within max_length"
}
