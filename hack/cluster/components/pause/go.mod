module github.com/coffer-dev/coffer/hack/cluster/components/pause

go 1.26.0
