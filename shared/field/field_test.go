package field

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"newsletter/shared/config"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:   "",
		`[]`: "must be a JSON object of names to declarations",
		`{"company":{"type":"text","purpose":"p"}}`:                                                       "",
		`{"company":{"type":"text","purpose":"p","max_length":250,"retention_days":3650}}`:                "",
		`{"plan":{"type":"choice","purpose":"p","choices":["a","b"],"destinations":["loops","webhook"]}}`: "",
		`{"Company":{"type":"text","purpose":"p"}}`:                                                       "Company: the name must be",
		`{"utm_source":{"type":"text","purpose":"p"}}`:                                                    "utm_source: the name must be",
		`{"a_b":{"type":"text","purpose":"p"},"ab":{"type":"text","purpose":"p"}}`:                        "ab: the name differs from a_b only by underscores",
		`{"company":1}`: "company: must be a section [fields.company]",
		`{"company":{"type":"number","purpose":"p"}}`:                                            "company.type: must be text, choice, boolean or date",
		`{"company":{"purpose":"p"}}`:                                                            "company.type: must be",
		`{"company":{"type":"text"}}`:                                                            "company.purpose: must say why",
		`{"company":{"type":"text","purpose":null}}`:                                             "company.purpose: must be a text",
		`{"company":{"type":"text","purpose":"p","size":4}}`:                                     "company.size: unknown; known: type",
		`{"company":{"type":"text","purpose":"p","choices":["a"]}}`:                              "company.choices: only a field of the type choice",
		`{"company":{"type":"choice","purpose":"p"}}`:                                            "company.choices: must be 1 to 50",
		`{"company":{"type":"choice","purpose":"p","choices":["a","A"]}}`:                        "company.choices: each must be different",
		`{"company":{"type":"text","purpose":"p","max_length":251}}`:                             "company.max_length: must be between 1 and 250",
		`{"company":{"type":"date","purpose":"p","max_length":10}}`:                              "company.max_length: must be",
		`{"company":{"type":"text","purpose":"p","max_length":1.5}}`:                             "company.max_length: must be a whole number",
		`{"company":{"type":"text","purpose":"p","retention_days":-1}}`:                          "company.retention_days: must be between 0 and 3650",
		`{"company":{"type":"text","purpose":"p","destinations":["slack"]}}`:                     "company.destinations: must be loops, webhook, or both",
		`{"a":{"type":"x","purpose":"p"},"b":{"type":"text"},"c":{"type":"date","purpose":"p"}}`: "a.type: must be text, choice, boolean or date|b.purpose: must say why",
	} {
		_, mistakes := Parse(text)
		var got []string
		for _, m := range mistakes {
			got = append(got, m.Error())
		}
		parts := strings.Split(want, "|")
		if want == "" {
			parts = nil
		}
		if len(got) != len(parts) {
			t.Errorf("%s: %q, want %q", text, got, parts)
			continue
		}
		for i := range parts {
			if !strings.HasPrefix(got[i], parts[i]) {
				t.Errorf("%s: %q, want %q", text, got[i], parts[i])
			}
		}
	}
}

// many returns n declarations of a text.
func many(n int, rest string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"a_name_of_thirty_characters_%02d":{"type":"text","purpose":"p"%s}`, i, rest))
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestDeclarationsAreBounded(t *testing.T) {
	t.Parallel()
	all, mistakes := Parse(many(MaxFields, ""))
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	values := Values{}
	for _, d := range all {
		value, fits := d.Parse(strings.Repeat("😀", d.MaxLength))
		if !fits {
			t.Fatal(d)
		}
		values[d.Name] = value
	}
	if n := len(values.JSON()); n > MaxSize {
		t.Errorf("%d bytes", n)
	}
	for _, text := range []string{many(MaxFields+1, `,"max_length":1`), many(MaxFields, `,"max_length":90`)} {
		if _, mistakes := Parse(text); len(mistakes) != 1 || mistakes[0].Path != "" {
			t.Error(mistakes)
		}
	}
}

func TestTheSettingIsChecked(t *testing.T) {
	t.Parallel()
	env := config.FromMap(map[string]string{"FIELDS": `{"a":{"type":"x","purpose":"p"},"b":{"type":"text"}}`})
	config.Read[Config](env)
	if err := env.Err(); err == nil || !strings.HasPrefix(err.Error(), "FIELDS: a.type: must be text, choice, boolean or date; b.purpose: must say why") {
		t.Error(err)
	}
	env = config.FromMap(map[string]string{"FIELDS": `{"vip":{"type":"boolean","purpose":"p"}}`})
	if all := config.Read[Config](env).Declarations(); env.Err() != nil || len(all) != 1 || all[0].Type != Boolean {
		t.Error(all, env.Err())
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	text, choice := Declaration{Type: Text, MaxLength: 5}, Declaration{Type: Choice, Choices: []string{"Weekly", "Straße"}}
	boolean, date := Declaration{Type: Boolean}, Declaration{Type: Date}
	for _, c := range []struct {
		declared Declaration
		typed    string
		want     any // nil: it does not fit
	}{
		{text, " Acme\n", "Acme"}, {text, "Bäcke", "Bäcke"}, {text, "Bäcker", nil}, {text, "", nil}, {text, "\u202e\x00", nil}, {text, "=1+1", "=1+1"},
		{choice, "weekly", "Weekly"}, {choice, " Weekly ", "Weekly"}, {choice, "daily", nil}, {choice, "STRASSE", nil}, {choice, "", nil},
		{boolean, "true", true}, {boolean, "No", false}, {boolean, "1", true}, {boolean, "maybe", nil}, {boolean, "", nil},
		{date, "2024-02-29", "2024-02-29"}, {date, "2023-02-29", nil}, {date, "29.02.2024", nil}, {date, "0000-01-01", nil}, {date, "2200-01-01", nil}, {date, "2024-2-9", nil},
	} {
		got, fits := c.declared.Parse(c.typed)
		if fits != (c.want != nil) || fits && got != c.want {
			t.Errorf("%s %q: %v, %v, want %v", c.declared.Type, c.typed, got, fits, c.want)
		}
	}
}

// FuzzValues checks that a value has one form: parsed again, stored and read it is the same, and within its bounds.
func FuzzValues(f *testing.F) {
	all := Declarations{
		{Name: "birthday", Type: Date}, {Name: "company", Type: Text, MaxLength: 20}, {Name: "plan", Type: Choice, Choices: []string{"weekly", "Straße", `"\`}},
		{Name: "vip", Type: Boolean},
	}
	for _, seed := range []string{"2024-02-29", "weekly", "yes", "\x00\u202e ", "ı\u0130", strings.Repeat("😀", 21), `\u0000"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		values := Values{}
		for _, d := range all {
			if value, fits := d.Parse(typed); fits {
				values[d.Name] = value
			}
		}
		if company, _ := values["company"].(string); utf8.RuneCountInString(company) > 20 || strings.ContainsAny(company, "\x00\n") {
			t.Errorf("%q", company)
		}
		if stored := ParseValues(values.JSON()); len(values) > 0 && !maps.Equal(stored, values) {
			t.Errorf("stored as %v: %v", stored, values)
		}
		if again := values.Only(all); !maps.Equal(again, values) {
			t.Errorf("parsed again %v: %v", again, values)
		}
	})
}

func TestOnlyDeclaredFieldsOfADestination(t *testing.T) {
	t.Parallel()
	all := Declarations{
		{Name: "company", Type: Text, MaxLength: 3, Destinations: []Destination{Loops}}, {Name: "plan", Type: Text, MaxLength: 3, Destinations: []Destination{Webhook}},
		{Name: "vip", Type: Boolean},
	}
	values := Values{"company": "Acme", "plan": "pro", "vip": true, "gone": "x"}
	if got := values.Only(all); !maps.Equal(got, Values{"plan": "pro", "vip": true}) { // the company is too long by now
		t.Error(got)
	}
	if got := values.Only(all.For(Webhook)); !maps.Equal(got, Values{"plan": "pro"}) {
		t.Error(got)
	}
	if got := values.Only(all.For(Loops)); len(got) != 0 {
		t.Error(got)
	}
}
