package main

import "newsletter/shared/lambdafn"

func main() { lambdafn.Start("privacy", open) }
