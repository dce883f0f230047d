package lambdafn

import "testing"

func TestIsScheduleInput(t *testing.T) {
	for event, want := range map[string]bool{
		`{}`: true, ` { } `: true, `null`: true, `{"scheduled":true}`: true, `{"detail-type":"Scheduled Event","detail":{}}`: true,
		`{"scheduled":false}`: false, `{"command":"up"}`: false, `[]`: false, `"tick"`: false, `{"Records":[]}`: false, ``: false,
	} {
		if got := IsScheduleInput([]byte(event)); got != want {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
}
