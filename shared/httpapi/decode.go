package httpapi

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
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
// valid UTF-8 without duplicate names, NUL characters or more than 8 levels, and a 422 for unknown members and wrong
// types. Names are case-sensitive. A null is the zero value.
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
	err = jsonv2.Unmarshal(body, &into, jsonv2.RejectUnknownMembers(true))
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
	return into, Invalid(at(string(semantic.JSONPointer), detail))
}

// scan checks the JSON text before it is decoded.
func scan(body []byte) error {
	if !utf8.Valid(body) {
		return malformed("The body is not valid UTF-8.")
	}
	tokens := jsontext.NewDecoder(bytes.NewReader(body))
	if tokens.PeekKind() != '{' && tokens.PeekKind() != jsontext.KindInvalid {
		return malformed("The body must be a JSON object.")
	}
	for {
		token, err := tokens.ReadToken()
		if err != nil {
			return malformedJSON(err)
		}
		if tokens.StackDepth() > maxDepth {
			return malformed("The body nests too deeply: at most 8 levels are accepted.")
		}
		if token.Kind() == '"' && strings.Contains(token.String(), "\x00") {
			return malformedAt(string(tokens.StackPointer()), "NUL characters are not allowed.")
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
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		if t.PkgPath() == "time" {
			return "a time such as \"2026-01-31T12:00:00Z\""
		}
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	default:
		return "of another type"
	}
}
