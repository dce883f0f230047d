package ratelimit

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"
	"time"
)

// FuzzScript runs calls, refunds and turns of the clock on a real Redis and on the model: every field of every answer
// must be the same, and the logs that are left.
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
			where := step{client: string(rune('a' + which%4))}.place(call.Policies)
			d := both{script.take(where, call), oracle.take(where, call)}
			if got, want := outcomeOf(d.script), outcomeOf(d.oracle); !reflect.DeepEqual(got, want) {
				t.Fatalf("call %d, %v at cost %d: script\n%+v, model\n%+v", n, call.Policies, cost, got, want)
			}
			if d.script.Allowed {
				done = append(done, d)
			}
		}
		for where, modelled := range oracle.logs {
			key := script.prefix + where
			if got := script.stored(where); !slices.Equal(got, modelled) {
				t.Errorf("%s holds %v, the model %v", key, got, modelled)
			}
			ttl, err := client.PTTL(t.Context(), key).Result()
			if err != nil || ttl == -1 || ttl > 10*time.Minute+slack {
				t.Errorf("%s stays for %v: %v", key, ttl, err)
			}
			client.Unlink(t.Context(), key)
		}
	})
}

// scale is the unit by which an operation turns the clock: from single microseconds, where calls meet, to minutes.
func scale(op byte) time.Duration {
	return []time.Duration{time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second}[op>>4&3]
}

// fuzzPolicies share their logs, as policies do that are changed. Their windows are longer than a run, because logs
// expire by the server's clock.
var fuzzPolicies = []Policies{
	{{3, time.Minute, Host}},
	{{2, time.Minute, Host}, {5, 10 * time.Minute, Site}},
	{{1, time.Minute, Host}, {4, 5 * time.Minute, Host}, {40, 10 * time.Minute, Site}},
	{{40, time.Minute, Host}, {100, time.Minute, Site}},
	{{200, 10 * time.Minute, Site}},
}

// TestARefundTakesWholeEntries: bytes in the middle of two entries can look like the one that it is to take.
func TestARefundTakesWholeEntries(t *testing.T) {
	t.Parallel()
	client := shared(t)
	r := newInRedis(t, client, newClock())
	log := []byte("\x06\x50\x01\x02\x03\x04\x05\x06\x51" + "\x06\x52\x01\x02\x03\x04\x05\x06\x53" + "\x01\x02\x03\x04\x05\x06\x53\x01\x02")
	for _, c := range []struct {
		entry []byte
		want  string
	}{
		{log[2:11], string(log)}, // in the first and the second
		{log[9:18], string(log[:9]) + string(log[18:])},
		{log[18:], string(log[:18])}, // bytes like these begin in the second as well
	} {
		client.Set(t.Context(), r.prefix+"k", log, time.Minute)
		at := binary.BigEndian.Uint64(append([]byte{0}, c.entry[:7]...))
		r.refund(Decision{counter: counterKey{r.prefix + "k", binary.BigEndian.Uint16(c.entry[7:])}, at: int64(at), cost: 1})
		if got := client.Get(t.Context(), r.prefix+"k").Val(); got != c.want {
			t.Errorf("%x without %x is %x, want %x", log, c.entry, got, c.want)
		}
	}
}
