package ratelimit

import "slices"

// window is the log of one key: the times of the allowed calls, in microseconds, oldest first. It is the model that the
// script in Redis must agree with, and what counts in this process when Redis is lost.
type window []int64

// quota is what a policy asks of one key. A call counts while it is younger than length, in microseconds.
type quota struct {
	limit  int
	length int64
}

// count is what came of one key.
type count struct {
	remaining int
	reset     int64 // microseconds until the oldest call leaves the window, or, where it refused, until it would allow
	refused   bool
}

// take decides a call of a cost at a time over several logs: it is added to all of them, or to none. The time is never
// before a call that was counted already, and a refused call changes nothing, so a clock that steps back admits nothing
// that it should not.
func take(logs []window, quotas []quota, now int64, cost int) (allowed bool, at int64, counts []count, after []window) {
	for _, log := range logs {
		if len(log) > 0 {
			now = max(now, log[len(log)-1])
		}
	}
	allowed = true
	after = make([]window, len(logs))
	counts = make([]count, len(logs))
	for i, log := range logs {
		for len(log) > 0 && log[0] <= now-quotas[i].length {
			log = log[1:]
		}
		after[i] = log
		if over := len(log) + cost - quotas[i].limit; over > 0 {
			allowed = false
			counts[i].refused = true
			counts[i].reset = quotas[i].length
			if over <= len(log) {
				counts[i].reset = log[over-1] + quotas[i].length - now
			}
		}
	}
	for i := range after {
		for range cost {
			if allowed {
				after[i] = append(after[i], now)
			}
		}
		counts[i].remaining = max(0, quotas[i].limit-len(after[i]))
		if !counts[i].refused && len(after[i]) > 0 {
			counts[i].reset = after[i][0] + quotas[i].length - now
		}
	}
	if !allowed {
		after = logs
	}
	return allowed, now, counts, after
}

// refund takes back a call that was counted at a time. Calls of one time are alike, so any of them stands for it.
func refund(log window, at int64, cost int) window {
	end, _ := slices.BinarySearch(log, at+1)
	begin := end
	for begin > 0 && log[begin-1] == at && end-begin < cost {
		begin--
	}
	return slices.Concat(log[:begin], log[end:])
}
