package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.Start("unsubscribe", open) }
