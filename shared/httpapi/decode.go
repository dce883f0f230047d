package httpapi

import (
	"bytes"
	"errors"
	"reflect"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the maximum nesting depth of objects and arrays.
const maxDepth = 8

// DecodeJSON reads the body as one JSON object into a T.
//
// It returns a 415 problem for a body that is not application/json, a 400 for anything but exactly one JSON object in
// valid UTF-8 without duplicate names or more than 8 levels, and a 422 for unknown members and wrong types. Names are
// case-sensitive. A null is the zero value. A text may have any characters, also NUL; half of a surrogate pair, as a page
// that cuts texts sends it, is read as U+FFFD.
func DecodeJSON[T any](r *Request) (into T, err error) {
	defer func(began time.Time) { r.decoded(began, err) }(time.Now())
	body, err := r.body()
	if err != nil {
		return into, err
	}
	if r.mediaType() != "application/json" {
		return into, unsupported("application/json, " + formTypes) // every route accepts both
	}
	if err := scan(body); err != nil {
		return into, err
	}
	err = jsonv2.Unmarshal(body, &into, lenient, jsonv2.RejectUnknownMembers(true))
	if err == nil {
		return into, nil
	}
	semantic, ok := errors.AsType[*jsonv2.SemanticError](err)
	if !ok {
		return into, malformed("The body is not valid JSON.")
	}
	detail := "This must be " + describe(semantic.GoType) + "."
	if errors.Is(semantic.Err, jsonv2.ErrUnknownName) {
		detail = "This member is not known."
	}
	return into, Invalid(At(string(semantic.JSONPointer), detail))
}

// lenient accepts what JSON's grammar allows in texts.
var lenient = jsontext.AllowInvalidUTF8(true)

// scan checks the JSON text before it is decoded.
func scan(body []byte) error {
	if !utf8.Valid(body) {
		return malformed("The body is not valid UTF-8.")
	}
	tokens := jsontext.NewDecoder(bytes.NewReader(body), lenient)
	if tokens.PeekKind() != '{' && tokens.PeekKind() != jsontext.KindInvalid {
		return malformed("The body must be a JSON object.")
	}
	for {
		if _, err := tokens.ReadToken(); err != nil {
			return malformedJSON(err)
		}
		if tokens.StackDepth() > maxDepth {
			return malformed("The body nests too deeply: at most 8 levels are accepted.")
		}
		if tokens.StackDepth() == 0 {
			break
		}
	}
	if len(bytes.TrimLeft(body[tokens.InputOffset():], " \t\r\n")) > 0 {
		return malformed("The body must be one JSON object and nothing after it.")
	}
	return nil
}

func malformedJSON(err error) error {
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return malformed("The body must be a JSON object.") // it is empty
	}
	detail := "The body is not valid JSON here."
	if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
		detail = "This member appears twice."
	}
	return malformedAt(string(syntactic.JSONPointer), detail)
}

// describe returns the JSON name of a Go type.
func describe(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[Moment]() {
		return "a time such as \"2026-01-31T12:00:00Z\", as a text, or a number of milliseconds"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	default:
		return "of another type"
	}
}
