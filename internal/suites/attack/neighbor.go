package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"newsletter/shared/httpapi"
)

// house is a company's domain, with one person whose state the neighbor, a mailbox at the same domain, wants to know.
type house struct {
	domain     string
	subscribed bool
	reference  bool   // the neighbor set it up and knows the state
	seen       string // everything that the neighbor observed
}

func (h house) person() string   { return "anna.mueller@" + h.domain }
func (h house) neighbor() string { return "ben.smith@" + h.domain }

// crowds are the numbers of invented addresses by which the neighbor tries to reach a limit of a domain, whatever it
// counts. bouncing is how many of them bounce. The first three found every difference that there was before the limits
// counted requests only.
var crowds = []struct{ invented, bouncing int }{{49, 20}, {17, 0}, {4, 4}, {0, 0}, {3, 3}, {18, 0}, {19, 0}, {20, 9}, {47, 0}, {48, 0}}

// references is the number of houses of each state that a neighbor compares with.
const references = 2

// neighborRounds lets the neighbor guess, in as many rounds, and returns how often that is right, and which ways to attack
// tell the states apart. The neighbor knows the system: for each way to attack, there are houses whose state is known,
// and the guess is the state of those that look like the one attacked; a coin decides when both or neither do.
func (s *stage) neighborRounds(ctx context.Context, rounds int, random *rand.Rand, log io.Writer) (hits int, tells []string, err error) {
	for n, crowd := range crowds {
		count := rounds / len(crowds)
		if n < rounds%len(crowds) {
			count++
		}
		if count == 0 {
			break
		}
		houses := make([]*house, 0, count+2*references)
		for i := range cap(houses) {
			h := &house{domain: fmt.Sprintf("house-%d-%d.org", n, i), subscribed: random.IntN(2) == 0}
			if i < 2*references {
				h.reference, h.subscribed = true, i%2 == 0
			}
			houses = append(houses, h)
		}
		if err := s.moveIn(ctx, houses); err != nil {
			return hits, tells, err
		}
		if err := s.spy(ctx, houses, crowd.invented, crowd.bouncing); err != nil {
			return hits, tells, err
		}
		right := 0
		for _, h := range houses {
			if !h.reference && guess(houses, h.seen, random) == h.subscribed {
				right++
			}
		}
		hits += right
		fmt.Fprintf(log, "neighbor: %d invented addresses, %d bounce: right %d of %d times\n", crowd.invented, crowd.bouncing, right, count)
		if tell := difference(houses); tell != "" {
			tells = append(tells, fmt.Sprintf("with %d invented addresses of which %d bounce, a neighbor can tell who subscribes: %s", crowd.invented, crowd.bouncing, tell))
		}
	}
	return hits, tells, nil
}

// difference returns what all houses of one state show and none of the other, if all houses of a state look alike.
func difference(houses []*house) string {
	seen := map[bool]map[string]bool{false: {}, true: {}}
	for _, h := range houses {
		seen[h.subscribed][h.seen] = true
	}
	yes, no := slices.Collect(maps.Keys(seen[true])), slices.Collect(maps.Keys(seen[false]))
	if len(yes) != 1 || len(no) != 1 || yes[0] == no[0] {
		return ""
	}
	only := func(these, those string) string {
		known := strings.Split(those, "\n")
		return strings.Join(slices.DeleteFunc(strings.Split(these, "\n"), func(line string) bool { return slices.Contains(known, line) }), ", ")
	}
	return fmt.Sprintf("a subscriber's domain shows %q, another's %q", only(yes[0], no[0]), only(no[0], yes[0]))
}

// moveIn makes the people who are to be subscribed so, and lets two days pass.
func (s *stage) moveIn(ctx context.Context, houses []*house) error {
	var requests []request
	for _, h := range houses {
		if h.subscribed {
			requests = append(requests, subscribe(h.person()))
		}
	}
	s.send(ctx, requests...)
	for hour := range 72 { // earlier bounces may have stopped email to unproven mailboxes
		if err := s.settle(ctx); err != nil {
			return err
		}
		waiting := slices.ContainsFunc(houses, func(h *house) bool { return h.subscribed && len(s.received(h.person(), 0)) == 0 })
		if !waiting {
			break
		}
		if hour == 71 {
			return fmt.Errorf("the people of %s received no confirmation email", houses[0].domain)
		}
		if err := s.pass(ctx, time.Hour); err != nil {
			return err
		}
	}
	for _, h := range houses {
		if h.subscribed && !s.confirm(ctx, h.person()) {
			return fmt.Errorf("%s could not subscribe", h.person())
		}
	}
	return s.pass(ctx, 49*time.Hour)
}

// spy sends what the neighbor can send, about all houses at once, and records what the neighbor sees: the answers, and
// when emails to the own mailbox arrive.
func (s *stage) spy(ctx context.Context, houses []*house, invented, bouncing int) error {
	every := func(make func(h *house) []request) {
		var all []request
		owner := map[int]*house{}
		for _, h := range houses {
			for _, r := range make(h) {
				owner[len(all)] = h
				all = append(all, r)
			}
		}
		for i, answer := range s.send(ctx, all...) {
			owner[i].seen += answer + "\n"
		}
	}
	about := func(h *house) []request {
		return []request{
			subscribe(h.person()), linkTo(httpapi.UnsubscribePath, h.person(), ""),
			linkTo(httpapi.PrivacyPath, h.person(), "export"), linkTo(httpapi.PrivacyPath, h.person(), "erase"),
		}
	}
	every(about)
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.pass(ctx, 16*time.Minute); err != nil {
		return err
	}
	every(about)
	every(func(h *house) (all []request) {
		for i := range invented {
			name := fmt.Sprintf("karl.novak%d", i)
			if i < bouncing {
				name = fmt.Sprintf("bounce%d", i)
			}
			all = append(all, subscribe(name+"@"+h.domain))
		}
		return all
	})
	if bouncing > 0 { // they are reported before the own request
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	every(func(h *house) []request {
		return []request{subscribe(h.neighbor()), linkTo(httpapi.UnsubscribePath, h.neighbor(), ""), linkTo(httpapi.PrivacyPath, h.neighbor(), "export")}
	})
	began := s.passed
	for _, wait := range []time.Duration{0, 4 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 20 * time.Hour, 24 * time.Hour} {
		if err := s.pass(ctx, wait); err != nil {
			return err
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	for _, h := range houses {
		for _, l := range s.received(h.neighbor(), began) {
			h.seen += fmt.Sprintf("%s after %v\n", l.kind, l.at-began)
		}
	}
	return nil
}

// guess returns the state of the references that look like what was seen.
func guess(houses []*house, seen string, random *rand.Rand) (subscribed bool) {
	votes := 0
	for _, h := range houses {
		switch {
		case !h.reference || h.seen != seen:
		case h.subscribed:
			votes++
		default:
			votes--
		}
	}
	if votes == 0 {
		return random.IntN(2) == 0
	}
	return votes > 0
}
