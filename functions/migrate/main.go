// Command migrate brings the database schema to this version. It is invoked with a command, such as {"command":"up"}, and
// by CloudFormation as the custom resource that a deployment runs before it changes any other function. It has no route.
//
// Failure policy: a command that failed is an error result. CloudFormation is always answered, also when the function is
// not configured: a stack that hears nothing waits for an hour.
package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.Start("migrate", open) }
