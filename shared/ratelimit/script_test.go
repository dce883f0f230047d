package ratelimit

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"
)

// FuzzScript runs calls, refunds and turns of the clock on a real Redis and on the model: every field of every answer
// must be the same.
func FuzzScript(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x10\x00\x00\x01\x00\x10\x00\x00\x01\x00\x10\x00\x00\x01\x00\x10\x00\x00\x01"))
	f.Add([]byte("\x02\x00\x01\x03\x01\x02\x00\x01\x03\x02\x41\x00\x00\x00\x00\x02\xff\x7f\x03\x03\x02\x00\x80\x03\x01"))
	client := shared(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		c := newClock()
		script, oracle := newInRedis(t, client, c), newModel(c)
		type both struct{ script, oracle Decision }
		var done []both
		used := map[string]bool{}
		for n := 0; n < 60 && len(input) >= 5; n++ {
			op, advance, which, cost := input[0], int16(binary.LittleEndian.Uint16(input[1:])), input[3], 1+int(input[4]%6)
			input = input[5:]
			c.advance(scale(op) * time.Duration(advance))
			if op&0x40 != 0 && len(done) > 0 {
				d := done[int(which)%len(done)]
				script.refund(d.script)
				oracle.refund(d.oracle)
				continue
			}
			call := Call{Policies: fuzzPolicies[int(op)%len(fuzzPolicies)], Cost: cost}
			keys := step{client: string(rune('a' + which%3))}.keys(call.Policies)
			d := both{script.take(keys, call), oracle.take(keys, call)}
			for _, key := range d.script.keys {
				used[key] = true
			}
			if got, want := outcomeOf(d.script), outcomeOf(d.oracle); !reflect.DeepEqual(got, want) {
				t.Fatalf("call %d, %v at cost %d: the script says\n%+v, the model\n%+v", n, call.Policies, cost, got, want)
			}
			if d.script.Allowed {
				done = append(done, d)
			}
		}
		for key := range used {
			ttl, err := client.PTTL(t.Context(), key).Result()
			if err != nil || ttl == -1 {
				t.Errorf("%s stays for ever: %v", key, err)
			}
			client.Unlink(t.Context(), key)
		}
	})
}

// scale is the unit by which an operation turns the clock: from single microseconds, where calls meet, to minutes.
func scale(op byte) time.Duration {
	return []time.Duration{time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second}[op>>4&3]
}

// fuzzPolicies share their keys, as policies do whose limit is changed. Their windows are longer than a run, because
// keys expire by the server's clock.
var fuzzPolicies = []Policies{
	{{3, time.Minute, Host}},
	{{2, time.Minute, Host}, {5, 10 * time.Minute, Site}},
	{{1, time.Minute, Host}, {4, 5 * time.Minute, Host}, {40, 10 * time.Minute, Site}},
	{{40, time.Minute, Host}, {100, time.Minute, Site}},
	{{200, 10 * time.Minute, Site}},
}
