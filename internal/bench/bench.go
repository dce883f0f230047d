// Package bench measures what the budgets are about, as ratios and counts of one run: `make bench`. A ratio compares two
// things on the same machine in the same minute; times of other machines say little. Nothing here is asserted.
package bench
