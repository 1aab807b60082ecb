package main

const reach = "controllers/reach.go"

var confinement = []safeguard{
	{name: "that no namespace does not mean all", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "if len(wanted) > 0 && len(r.namespaces) == 0 {", new: "if false {"},
	{name: "that a namespace which may not be watched is left out", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "if !answer.Status.Allowed {", new: "if answer == nil {"},
	{name: "that a watch is asked for, and not a list alone", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: `[]string{"list", "watch"}`, new: `[]string{"list"}`},
	{name: "that caches are confined", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "o.DefaultNamespaces[namespace] = cache.Config{}", new: "_ = namespace"},
}
