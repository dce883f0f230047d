package main

import (
	"maps"
	"slices"

	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/visitor"
)

// formPrefix begins the name of a declared field in a form, and in the record of what was cleaned.
const formPrefix = "fields."

// formNames returns the names of declared fields in a form.
func formNames(declared field.Declarations) []string {
	list := declared.Names()
	for i := range list {
		list[i] = formPrefix + list[i]
	}
	return list
}

// readFields returns the declared fields that a form has. A check box that is not ticked is not sent, and has no value.
func readFields(form visitor.Fields, declared field.Declarations) map[string]any {
	sent := map[string]any{}
	for _, d := range declared {
		switch name := formPrefix + d.Name; {
		case !form.Has(name):
		case d.Type == field.Boolean:
			sent[d.Name] = form.Ticked(name)
		default:
			sent[d.Name] = form.Get(name)
		}
	}
	return sent
}

// values returns the values that fit their declarations. What a visitor typed refuses no sign-up: a value that does not
// fit is left out and noted, and an empty one is none. A field that is not declared, or a value of another type, is a
// mistake of a program's author, who reads the answer.
func (f signUp) values(c *visitor.Circumstances, declared field.Declarations) (field.Values, []httpapi.FieldError) {
	values := field.Values{}
	var mistakes []httpapi.FieldError
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		d, known := declared.Find(name)
		if !known {
			mistakes = append(mistakes, httpapi.At("/fields/"+name, "This field is not declared."))
			return nil, mistakes // a body may have thousands
		}
		if f.Fields[name] == nil {
			continue
		}
		text, typed := d.TakesJSON(f.Fields[name])
		if !typed {
			mistakes = append(mistakes, httpapi.At("/fields/"+name, "This must be "+d.JSONForm()+", or be left out."))
			continue
		}
		value, fits := d.Parse(text)
		switch {
		case c.Text(formPrefix+name, text, len(text)) == "":
		case fits:
			values[name] = value
		default:
			c.LeaveOut(formPrefix + name)
		}
	}
	return values, mistakes
}

// hiddenFields returns the values that fit as hidden fields, for the page of an error.
func (f signUp) hiddenFields(declared field.Declarations) []httpapi.Field {
	values, _ := f.values(new(visitor.Circumstances), declared)
	var hidden []httpapi.Field
	for _, d := range declared {
		if text := values.Text(d.Name); text != "" {
			hidden = append(hidden, httpapi.Field{Name: formPrefix + d.Name, Value: text})
		}
	}
	return hidden
}
