package main

import (
	"math/rand/v2"
	"net/http"
	"strings"
)

// badInputs are requests that must be refused, whatever else is broken.
var badInputs = map[string]request{
	"no body":            {http.MethodPost, subscribePath, asJSON, ""},
	"not JSON":           {http.MethodPost, subscribePath, asJSON, "email=jane"},
	"a list":             {http.MethodPost, subscribePath, asJSON, `["a@example.org"]`},
	"two values":         {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org"}{}`},
	"a name twice":       {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org","email":"b@example.org"}`},
	"an unknown member":  {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org","admin":true}`},
	"a number":           {http.MethodPost, subscribePath, asJSON, `{"email":5}`},
	"invalid UTF-8":      {http.MethodPost, subscribePath, asJSON, "{\"email\":\"a\xff@example.org\"}"},
	"a lone surrogate":   {http.MethodPost, subscribePath, asJSON, `{"email":"\ud800@example.org"}`},
	"NUL":                {http.MethodPost, subscribePath, asJSON, `{"email":"a\u0000@example.org"}`},
	"too deep":           {http.MethodPost, subscribePath, asJSON, `{"source":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 21)},
	"too large":          {http.MethodPost, subscribePath, asJSON, `{"email":"` + strings.Repeat("a", 20000) + `"}`},
	"text":               {http.MethodPost, subscribePath, "text/plain", `{"email":"a@example.org"}`},
	"no address":         {http.MethodPost, subscribePath, asJSON, `{}`},
	"header injection":   {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org\r\nBcc: b@example.org"}`},
	"consent refused":    {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org","consent":{"granted":false}}`},
	"a bad locale":       {http.MethodPost, subscribePath, asJSON, `{"email":"a@example.org","locale":"../../etc"}`},
	"a form twice":       {http.MethodPost, subscribePath, asForm, "email=a%40example.org&email=b%40example.org"},
	"a bad escape":       {http.MethodPost, subscribePath, asForm, "email=%zz"},
	"broken multipart":   {http.MethodPost, subscribePath, "multipart/form-data; boundary=x", "--x\r\nnonsense"},
	"GET of subscribe":   {http.MethodGet, subscribePath, "", ""},
	"DELETE":             {http.MethodDelete, unsubscribePath, "", ""},
	"no token":           {http.MethodPost, confirmPath, asForm, ""},
	"a bad token":        {http.MethodPost, confirmPath + "?token=nonsense", asForm, ""},
	"two tokens":         {http.MethodPost, confirmPath + "?token=a&token=b", asForm, ""},
	"a long token":       {http.MethodPost, unsubscribePath + "?token=" + strings.Repeat("A", 900), asForm, ""},
	"a token with NUL":   {http.MethodPost, unsubscribePath + "?token=%00", asForm, "List-Unsubscribe=One-Click"},
	"a bad privacy link": {http.MethodGet, privacyPath + "?token=AAAA", "", ""},
	"an unknown right":   {http.MethodPost, privacyPath, asJSON, `{"email":"a@example.org","request":"rectify"}`},
	"half a right":       {http.MethodPost, privacyPath, asJSON, `{"email":"a@example.org"}`},
	"an invalid address": {http.MethodPost, unsubscribePath, asJSON, `{"email":"jane"}`},
}

// badNames are the names of badInputs in a fixed order that a seed can choose from.
var badNames = sortedNames(badInputs)

func (r *run) planBad(random *rand.Rand) act {
	name := badNames[random.IntN(len(badNames))]
	return act{call: call{Op: opBad, Input: name}, request: badInputs[name]}
}
