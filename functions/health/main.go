// Command health reports whether the service works: to load balancers and people by HTTP, in detail to a direct
// invocation, and to itself by schedule.
package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.StartScheduled("health", open) }
