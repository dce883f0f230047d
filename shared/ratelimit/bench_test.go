package ratelimit

import (
	"net/netip"
	"testing"
	"time"
)

// BenchmarkRefused measures a client who hammers: Redis is not asked.
func BenchmarkRefused(b *testing.B) {
	l := newPatient(shared(b), newKey(b), time.Now)
	call := Call{Endpoint: "bench", Client: addr("192.0.2.1"), Policies: policies(b, "1/1h@host,300/1h@site")}
	l.Take(b.Context(), call)
	l.Take(b.Context(), call)
	for b.Loop() {
		if d := l.Take(b.Context(), call); d.Backend != Memory {
			b.Fatal(d.Backend)
		}
	}
}

// BenchmarkLocal measures the fallback.
func BenchmarkLocal(b *testing.B) {
	l := New(nil, newKey(b), time.Now)
	ps := policies(b, "60/10m@host,300/1h@site")
	n := 0
	for b.Loop() {
		n++
		l.Take(b.Context(), Call{Endpoint: "bench", Client: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Policies: ps})
	}
}

// TestMemoryOfALog prints the memory figures of README.md and checks their order of magnitude.
func TestMemoryOfALog(t *testing.T) {
	t.Parallel()
	client := shared(t)
	for calls, most := range map[int]int64{1: 120, 5: 200, 20: 400, 60: 1_000, 300: 4_600, 1000: 14_000} {
		l := newPatient(client, newKey(t), time.Now)
		call := Call{Endpoint: "subscribe", Client: addr("192.0.2.1"), Policies: Policies{{10_000, 10 * time.Minute, Site}}}
		for range calls {
			if d := l.Take(t.Context(), call); d.Backend != Redis {
				t.Fatal(d.Cause)
			}
		}
		name := l.counterKey(call).log
		bytes, err := client.MemoryUsage(t.Context(), name).Result()
		if err != nil || bytes > most {
			t.Errorf("%d calls take %d bytes, want at most %d: %v", calls, bytes, most, err)
		}
		t.Logf("%4d calls: %d bytes, in a key of %d", calls, bytes, len(name))
	}
}
