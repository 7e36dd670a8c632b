// The command plugin: runs commands on this machine and, over SSH, on others, with the schema of pulumi-command 1.2.1.
//
// It stands in for the released plugin where that cannot be downloaded: upstream publishes no Go module that could be
// built. The Python package from PyPI works unchanged. Three things are stricter than upstream: failure texts never
// contain stdin, a host whose key is not the pinned one is refused at once, and a dead connection is noticed.
package main

import (
	"context"
	"log"

	"github.com/pulumi/pulumi-go-provider/infer"

	"rack/engine/command/local"
	"rack/engine/command/remote"
)

// version of the PyPI package whose schema is served; engine/build.py installs the plugin under it.
const version = "1.2.1"

func main() {
	provider, err := infer.NewProviderBuilder().
		WithResources(
			infer.Resource(local.Command{}),
			infer.Resource(remote.Command{}),
			infer.Resource(remote.CopyToRemote{}),
			infer.Resource(remote.CopyFile{}),
		).
		WithFunctions(infer.Function(local.Run{})).
		Build()
	if err == nil {
		err = provider.Run(context.Background(), "command", version)
	}
	if err != nil {
		log.Fatal(err)
	}
}
