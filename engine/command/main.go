// The command plugin runs commands on this machine and, over SSH, on other hosts, with the schema of pulumi-command
// 1.2.1.
//
// It replaces the released plugin where that cannot be downloaded, because upstream publishes no Go module that could
// be built. The Python package from PyPI works unchanged, and so does a stack that moves from one plugin to the other.
// Where the released plugin misbehaves (it hangs on long lines, retries a wrong host key, repeats whole commands in
// errors), this plugin misbehaves in the same way, so that the program is tested with that behaviour.
// docs/command-plugin.md lists every such behaviour with its test.
package main

import (
	"context"
	"log"

	"github.com/pulumi/pulumi-go-provider/infer"

	"rack/engine/command/local"
	"rack/engine/command/remote"
)

// version is that of the PyPI package whose schema is served; engine/build.py installs the plugin under it.
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
