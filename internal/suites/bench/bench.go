// Package bench measures the budgets, as ratios and counts of one run: `make bench`. A ratio compares two
// measurements on the same machine in the same minute; absolute times of other machines say little. It asserts
// nothing.
package bench
