package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.Start("subscribe", open) }
