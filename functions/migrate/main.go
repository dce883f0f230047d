// Command migrate migrates the database schema to this version. It is invoked with a command, such as {"command":"up"},
// and by CloudFormation as the custom resource that a deployment runs before it changes any other function. It has no
// routes.
//
// Failure policy: a failed command is an error result. CloudFormation always receives a response, even if the function
// is not configured: without one, a stack waits for an hour.
package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.Start("migrate", open) }
