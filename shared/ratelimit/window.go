package ratelimit

import "slices"

// history is a log: the allowed calls of a counterKey's log, oldest first. It is the model that the script in Redis
// must
// agree with, and it counts in this process when Redis is unavailable.
type history []entry

// entry is one call. A call with a cost of n has n entries.
type entry struct {
	at   int64 // microseconds
	host uint16
}

// quota is the effect of a policy on a log. A call counts while it is younger than length, in microseconds.
type quota struct {
	limit    int
	length   int64
	hostOnly bool // the calls of other hosts do not count
}

// count is the result for one quota.
type count struct {
	remaining int
	reset     int64 // microseconds until the oldest call leaves the window, or, if it refused, until it would allow
	refused   bool
}

// take decides a call of a host with a cost at a time, and adds it to the log if all quotas allow it. The time is never
// before a counted call, and a refused call changes nothing, so a clock that steps back does not allow extra calls.
func take(log history, quotas []quota, host uint16, now int64, cost int) (allowed bool, at int64, counts []count, after history) {
	if len(log) > 0 {
		now = max(now, log[len(log)-1].at)
	}
	allowed = true
	var longest int64
	used, reset := make([]int, len(quotas)), make([]int64, len(quotas))
	for i, q := range quotas {
		longest = max(longest, q.length)
		times := log.times(q, host, now)
		used[i] = len(times)
		if over := len(times) + cost - q.limit; over > len(times) {
			allowed, reset[i] = false, q.length
		} else if over > 0 {
			allowed, reset[i] = false, times[over-1]+q.length-now
		} else if len(times) > 0 {
			reset[i] = times[0] + q.length - now
		}
	}
	counts = make([]count, len(quotas))
	for i, q := range quotas {
		counts[i] = q.count(used[i], reset[i], cost, allowed)
	}
	if !allowed {
		return false, now, counts, log
	}
	for len(log) > 0 && log[0].at <= now-longest {
		log = log[1:]
	}
	for range cost {
		log = append(log, entry{now, host})
	}
	return true, now, counts, log
}

// times returns the times of the calls that count for a quota.
func (h history) times(q quota, host uint16, now int64) []int64 {
	var times []int64
	for _, e := range h {
		if e.at > now-q.length && (e.host == host || !q.hostOnly) {
			times = append(times, e.at)
		}
	}
	return times
}

// count returns the result of a call after used calls that count, until reset.
func (q quota) count(used int, reset int64, cost int, allowed bool) count {
	if allowed && used == 0 {
		reset = q.length
	}
	c := count{remaining: q.limit - used, reset: reset, refused: used+cost > q.limit}
	if allowed {
		c.remaining -= cost
	}
	c.remaining = max(0, c.remaining)
	return c
}

// refund removes a counted call. Calls of one host at one time are equal, so it removes any of them.
func (h history) refund(e entry, cost int) history {
	return slices.DeleteFunc(slices.Clone(h), func(other entry) bool {
		if other != e || cost == 0 {
			return false
		}
		cost--
		return true
	})
}
