package main

import "fmt"

// checkFeedback checks that the event about every email was recorded, and no more events than emails. Those about erased
// subscribers are deleted with their messages.
func checkFeedback(h *history) []string {
	emails, kept, found := map[string]int{}, map[string]bool{}, []string{}
	for _, m := range h.Emails {
		emails[m.Delivery]++
	}
	for _, d := range h.Deliveries {
		kept[d.ID.String()] = true
	}
	for delivery, sent := range emails {
		if recorded := h.Feedback[delivery]; recorded > sent || recorded == 0 && kept[delivery] {
			found = append(found, fmt.Sprintf("delivery %s: %d emails, and %d events about them", delivery, sent, recorded))
		}
	}
	return found
}
