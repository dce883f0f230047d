package lists

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// A list whose structure is broken is refused with its line.
func TestBrokenLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ list, want string }{
		"empty":                     {"", "the list is empty"},
		"blank":                     {" \n\n", "the list is empty"},
		"headings alone":            {"email,name\n", "the list is empty"},
		"an empty array":            {"[]", "the list is empty"},
		"no subscribers":            {`{"subscribers":[]}`, "the list is empty"},
		"an open quote":             {"email,name\na@example.org,A\nb@example.org,\"B\nc@example.org,C\n", "line 3: a quoted cell"},
		"an open quote that closes": {"email,name\na@example.org,\"A\nb@example.org,B\nc@example.org,\"\n", "line 2: a quoted cell goes on over several lines and contains an @"},
		"a bare quote":              {"email,name\na@example.org,Tim \"the\" O\n", "line 2: bare"},
		"a quote in a quote":        {"email,name\na@example.org,\"Tim \"the\" O\"\n", "line 2"},
		"too few cells":             {"email,name\na@example.org,A\nb@example.org\n", "line 3: the number of cells"},
		"too many cells":            {"email,name\na@example.org,A\nb@example.org,B,status\n", "line 3: the number of cells"},
		"a heading of two lines":    {"email,\"name\na@example.org,\"\nb@example.org,B\n", "line 1: a heading goes on over several lines"},
		"NUL":                       {"email\na@example.org\x00\n", "line 2: a NUL byte"},
		"a carriage return":         {"email,name\na@example.org\rb@example.org,B\n", "line 2: a quoted cell goes on over several lines and contains an @"},
		"an unknown note for Excel": {"sep=x\r\nemail;name\r\n", `line 1: "sep=x`},
		"two lists in one":          {"\xef\xbb\xbfemail\na@example.org\n\xef\xbb\xbfemail\nb@example.org\n", "line 3: a byte order mark"},
		"no address":                {"name,city\nJane,Rome\n", `found: ["name" "city"]`},
		"an address in no member":   {`[{"name":"Jane"}]`, `found: ["name"]`},
		"two addresses":             {"email,E-Mail\na@example.org,b@example.org\n", `line 2: both "email" and "E-Mail"`},
		"two in JSON":               {`[{"email":"a@example.org","Email Address":"b@example.org"}]`, `both "Email Address" and "email"`},
		"a cut array":               {"[{\"email\":\"a@example.org\"},\n{\"ema", "line 2: the list ends in the midst"},
		"an open array":             {`[{"email":"a@example.org"}`, "line 1: the list ends in the midst"},
		"an open object":            {`{"subscribers":[{"email":"a@example.org"}]`, "line 1: the list ends in the midst"},
		"a cut line":                {"{\"email\":\"a@example.org\"}\n{\"email\":", "line 2: the list ends in the midst"},
		"broken JSON":               {"[{\"email\":\"a@example.org\"},\n{\"email\" \"b@example.org\"}]", "line 2: the JSON text is broken"},
		"a comma too many":          {"[\"a@example.org\",\n]", "the JSON text is broken"},
		"more behind an array":      {"[\"a@example.org\"]\n[\"b@example.org\"]", "line 2: unexpected text after the list"},
		"more behind an object":     {"{\"subscribers\":[\"a@example.org\"]}\n{}", "line 2: unexpected text after the list"},
		"a member twice":            {`[{"email":"a@example.org","status":"unsubscribed","status":"active"}]`, "line 1: the JSON text is broken"},
		"no list":                   {`{"subscribers":{"a":1}}`, "no column for the email address"},
		"a number":                  {`["a@example.org",5]`, "member 2 is neither an object nor an address"},
		"leavers beside":            {`{"unsubscribed":["a@example.org"],"subscribers":["a@example.org"]}`, `"unsubscribed" beside the subscribers`},
	} {
		if people, err := readAll(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d people, %v, want %s", name, len(people), err, c.want)
		}
	}
	if _, err := Open(iotest.ErrReader(iotest.ErrTimeout), Options{}); err != iotest.ErrTimeout { //nolint:errorlint // it is passed on as it is
		t.Errorf("a list that cannot be read: %v", err)
	}
}

// What is unusual and whole is read.
func TestWholeLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list string
		want string // "line:address"
	}{
		"a cell of several lines":  {"email,notes\na@example.org,\"one\r\ntwo\"\nb@example.org,\n", "2:a@example.org 4:b@example.org"},
		"quotes":                   {"email,name\n\"a@example.org\",\"Tim \"\"the\"\" O\"\n", "2:a@example.org"},
		"blank lines":              {"email\n\na@example.org\n\n\nb@example.org\n", "3:a@example.org 6:b@example.org"},
		"Windows":                  {"email\r\na@example.org\r\nb@example.org", "2:a@example.org 3:b@example.org"},
		"a postal address":         {"Address,Email Address,address\n1 Main St,a@example.org,\n,b@example.org,\n", "2:a@example.org 3:b@example.org"},
		"a postal address in JSON": {`[{"address":"1 Main St","email":"a@example.org","mail":""},{"email":"","address":"b@example.org"}]`, "1:a@example.org 2:"},
		"a note for Excel":         {"sep=;\r\nemail;name\r\na@example.org;A,B\r\n", "3:a@example.org"},
		"pipes":                    {"name|email\nA, B|a@example.org\n", "2:a@example.org"},
		"Mac":                      {"email\ra@example.org\rb@example.org", "2:a@example.org 3:b@example.org"},
		"Latin-1":                  {"email,name\na@example.org,J\xfcrgen\n", "2:a@example.org"},
		"Latin-1 in an address":    {"email\na@b\xfccher.org\n", "2:a@bücher.org"},
		"UTF-16":                   {"\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00.\x00d\x00e\x00", "2:a@b.de"},
		"UTF-16, the other way":    {"\xfe\xff\x00e\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00.\x00d\x00e", "2:a@b.de"},
		"UTF-16 without a mark":    {"e\x00m\x00a\x00i\x00l\x00\n\x00a\x00@\x00b\x00.\x00d\x00e\x00", "2:a@b.de"},
		"pretty JSON":              {"{\n \"subscribers\": [\n  {\n   \"email\": \"a@example.org\"\n  }\n ],\n \"unsubscribed\": [], \"total\": 1\n}\n", "1:a@example.org"},
		"JSON lines, no feed":      {"{\"email\":\"a@example.org\"}\n\n{\"email\":\"b@example.org\"}", "1:a@example.org 3:b@example.org"},
		"an apostrophe":            {"email\n'+a@example.org\n'b@example.org\n''=c@example.org\n'd'@example.org\n", "2:+a@example.org 3:'b@example.org 4:'=c@example.org 5:'d'@example.org"},
		"an apostrophe in JSON":    {`["'+a@example.org"]`, "1:'+a@example.org"},
	} {
		people, err := readAll(c.list)
		var got []string
		for _, p := range people {
			got = append(got, fmt.Sprintf("%d:%s", p.Line, p.Email))
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %v, want %s", name, got, err, c.want)
		}
	}
}

// However a list is damaged: it is refused, or every line with an address in it is judged, and every other line is the
// headings, blank, or part of a quoted cell.
func TestNoLineIsLost(t *testing.T) {
	t.Parallel()
	whole := 0
	for seed := range uint64(20_000) {
		random := rand.New(rand.NewPCG(seed, 0))
		list := damaged(random)
		people, err := readAll(list)
		if err != nil {
			continue
		}
		whole++
		judged := map[int]bool{}
		for _, p := range people {
			judged[p.Line] = true
		}
		quoted, begun := false, false
		for i, line := range strings.Split(strings.TrimSuffix(list, "\n"), "\n") {
			number := i + 1
			blank := strings.Trim(line, "\r") == ""
			if begun && !judged[number] && !blank && (!quoted || strings.Contains(line, "@")) {
				t.Fatalf("seed %d: line %d is lost:\n%s", seed, number, list)
			}
			begun = begun || !blank // the first one holds the headings
			if strings.Count(line, `"`)%2 == 1 {
				quoted = !quoted
			}
		}
	}
	if whole < 1000 {
		t.Errorf("only %d lists were whole", whole)
	}
}

// damaged makes a table of people and damages most of them in up to three places.
func damaged(random *rand.Rand) string {
	lines := []string{"email,name,status"}
	for i := range 2 + random.IntN(8) {
		lines = append(lines, []string{
			fmt.Sprintf("p%d@example.org,Jane,active", i), fmt.Sprintf("\"p%d@example.org\",\"Jane \"\"J\"\" Doe\",", i),
			fmt.Sprintf("p%d@example.org,\"Jane\nof two lines\",", i), fmt.Sprintf("p%d@example.org,,unsubscribed", i), "", "nobody,,",
		}[random.IntN(6)])
	}
	list := []byte(strings.Join(lines, []string{"\n", "\r\n"}[random.IntN(2)]) + "\n")
	for range random.IntN(4) {
		at := random.IntN(len(list))
		switch harm := []string{"\"", "\"", "\"\n", "\r", "\n", ",", "\x00", "\xff", "\ufeff", ""}[random.IntN(10)]; harm {
		case "":
			list = slices.Delete(list, at, min(len(list), at+1+random.IntN(10)))
		default:
			list = slices.Insert(list, at, []byte(harm)...)
		}
	}
	return string(list)
}

// A JSON text that ends too early is refused wherever it ends.
func TestCutJSON(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		`[{"email":"a@example.org","status":"active"},"b@example.org"]`,
		`{"total":2,"subscribers":[{"email":"a@example.org"},"b@example.org"],"page":1}`,
	} {
		for end := range len(list) {
			if people, err := readAll(list[:end]); err == nil {
				t.Errorf("%q: %d people", list[:end], len(people))
			}
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2024-05-01T10:00:00Z": "2024-05-01T10:00:00Z", "2024-05-01T12:00:00.5+02:00": "2024-05-01T10:00:00.5Z", "2024-05-01T10:00:00": "2024-05-01T10:00:00Z",
		"2024-05-01 10:00:00": "2024-05-01T10:00:00Z", "2024-05-01 10:00:00.123456": "2024-05-01T10:00:00.123456Z", "2024-05-01 10:00:00 UTC": "2024-05-01T10:00:00Z",
		"2024-05-01 10:00:00.5 UTC": "2024-05-01T10:00:00.5Z", "2024-05-01 10:00:00+00:00": "2024-05-01T10:00:00Z", "2024-05-01 12:00:00+02": "2024-05-01T10:00:00Z",
		"2024-05-01 10:00:00.123456 +0000 UTC": "2024-05-01T10:00:00.123456Z", "2024-05-01 12:00:00 +0200 CEST": "2024-05-01T10:00:00Z",
		"2024-05-01 12:00:00 +0200": "2024-05-01T10:00:00Z", "2024-05-01": "2024-05-01T00:00:00Z", " 2024-05-01 ": "2024-05-01T00:00:00Z",
		"1714557600": "2024-05-01T10:00:00Z", "1714557600000": "2024-05-01T10:00:00Z", "1714557600.25": "2024-05-01T10:00:00Z",
		"2024-05-01T12:00:00.000+0200": "2024-05-01T10:00:00Z", "2024-05-01 10:00": "2024-05-01T10:00:00Z", "2024/05/01 10:00:00": "2024-05-01T10:00:00Z",
		"2024-05-01 03:04 PM": "2024-05-01T15:04:00Z", "20240501T100000Z": "2024-05-01T10:00:00Z", "20240501": "2024-05-01T00:00:00Z",
		"Wed, 01 May 2024 10:00:00 GMT": "2024-05-01T10:00:00Z", "Wed, 01 May 2024 12:00:00 +0200": "2024-05-01T10:00:00Z", "1 May 2024 10:00": "2024-05-01T10:00:00Z",
		"May 1, 2024": "2024-05-01T00:00:00Z", "May 1, 2024 03:04 PM": "2024-05-01T15:04:00Z", "01-May-2024": "2024-05-01T00:00:00Z", "1 May 2024": "2024-05-01T00:00:00Z",
		"04.03.2022": "2022-03-04T00:00:00Z", "4.3.2022 05:06": "2022-03-04T05:06:00Z", "04.03.22 05:06:07": "2022-03-04T05:06:07Z",
		"44624.2125": "2022-03-04T05:06:00Z", "44624": "2022-03-04T00:00:00Z",
		"": "", "3/4/2022 5:06": "", "05/01/2024": "", "yesterday": "", "2999-01-01": "", "0001-01-01T00:00:00Z": "", "0001-01-01 00:00:00 +0000 UTC": "",
		"1970-01-01": "", "0": "", "7": "", "0000-00-00 00:00:00": "", "2024-13-01": "", "2024-05-01 10:00:00 CEST": "", "Wed, 01 May 2024 10:00:00 EST": "",
		"99.99.2022": "", "NaN": "", "Inf": "", "1e99": "",
	} {
		at, ok := dayOrder{}.parse(text, now)
		if got := at.Format(time.RFC3339Nano); ok != (want != "") || ok && got != want && !strings.HasPrefix(got, strings.TrimSuffix(want, "Z")+".25") {
			t.Errorf("%q: %s %v, want %q", text, got, ok, want)
		}
	}
}

// Whether a day or a month comes first is stated by the dates of a column, and by no other.
func TestOrderOfDayAndMonth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ dates, want string }{
		"day first":       {"3/4/2022 25/4/2022", "2022-04-03 2022-04-25"},
		"month first":     {"3/4/2022 4/25/2022", "2022-03-04 2022-04-25"},
		"hyphens":         {"03-04-2022 25-04-2022", "2022-04-03 2022-04-25"},
		"both":            {"25/4/2022 4/25/2022", "- -"},
		"neither":         {"3/4/2022 4/3/2022", "- -"},
		"a clock":         {"3/4/22,4/25/22", "2022-03-04 2022-04-25"},
		"not by a column": {"3/4/2022;25/4/2022", "- 2022-04-25"},
	} {
		list := "email,created_at,confirmed_at\n"
		if first, second, found := strings.Cut(c.dates, ";"); found {
			list += "a@example.org," + first + ",\nb@example.org,," + second + "\n"
		} else {
			for i, date := range strings.FieldsFunc(c.dates, func(r rune) bool { return r == ' ' || r == ',' }) {
				list += fmt.Sprintf("p%d@example.org,%s,\n", i, date)
			}
		}
		people, err := readAll(list)
		var got []string
		for _, p := range people {
			if p.At.IsZero() {
				got = append(got, "-")
			} else {
				got = append(got, p.At.Format(time.DateOnly))
			}
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %v, want %s", name, got, err, c.want)
		}
	}
}

// The confirmation is the consent: its time comes before that of the sign-up, and its network with it.
func TestTheTimeOfTheConsent(t *testing.T) {
	t.Parallel()
	const c, o, d = "2024-05-03T00:00:00Z", "2024-05-02T00:00:00Z", "2024-05-01T00:00:00Z"
	for name, want := range map[string]struct {
		list, at, ip string
		unread       bool
	}{
		"all":                   {"created_at,optin_time,optin_ip,confirm_time,confirm_ip,ip\n" + d + "," + o + ",192.0.2.2," + c + ",192.0.2.3,192.0.2.1", c, "192.0.2.3", false},
		"any network":           {"optin_time,optin_ip,confirm_time,ip\n" + o + ",192.0.2.2," + c + ",192.0.2.1", c, "192.0.2.1", false},
		"not another step's":    {"optin_time,optin_ip,confirm_time\n" + o + ",192.0.2.2," + c, c, "", false},
		"no confirmation":       {"created_at,optin_time,optin_ip,confirm_time,confirm_ip\n" + d + "," + o + ",192.0.2.2,,", o, "192.0.2.2", false},
		"created alone":         {"created_at,optin_time\n" + d + ",", d, "", false},
		"a confirmation unread": {"created_at,confirm_time\n" + d + ",3/4/2022", d, "", true},
		"nothing":               {"created_at,confirm_ip\n,192.0.2.3", "0001-01-01T00:00:00Z", "192.0.2.3", false},
	} {
		heading, row, _ := strings.Cut(want.list, "\n")
		people, notes, err := readNotes("email,"+heading+"\na@example.org,"+row+"\n", Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ip := ""
		if people[0].IP.IsValid() {
			ip = people[0].IP.String()
		}
		if unread := len(notes[0].Unreadable) > 0; people[0].At.Format(time.RFC3339) != want.at || ip != want.ip || unread != want.unread {
			t.Errorf("%s: %v %s %v", name, people[0].At, ip, unread)
		}
	}
}
