package operate

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// TestRequestsAndResultsKeepTheirValues checks that every request and result is the same after an invocation as in one
// process: all members of its type are in its JSON, once.
func TestRequestsAndResultsKeepTheirValues(t *testing.T) {
	for _, c := range commands {
		run := reflect.ValueOf(c).FieldByName("run").Type()
		for _, typed := range []reflect.Type{run.In(2), run.Out(0)} {
			before, after := reflect.New(typed), reflect.New(typed)
			fill(before.Elem())
			text, err := json.Marshal(before.Interface())
			if err == nil {
				err = json.Unmarshal(text, after.Interface())
			}
			if err != nil || !reflect.DeepEqual(before.Interface(), after.Interface()) {
				t.Errorf("%s: %v: %v\n%+v\n%+v", c.Name(), typed, err, before.Elem(), after.Elem())
			}
		}
	}
}

// fill sets every member that is not left out of JSON.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::7")))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"a":1}`)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Interface: // a value of a declared field
		v.Set(reflect.ValueOf("text"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	default:
		panic("a type that JSON does not keep: " + v.Type().String())
	}
}
