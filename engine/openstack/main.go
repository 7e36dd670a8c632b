// The OpenStack plugin is terraform-provider-openstack behind Pulumi's bridge, with the tokens of pulumi-openstack
// 5.5.3.
//
// It replaces the released plugin where that cannot be downloaded. The Python package from PyPI works unchanged.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/v3/openstack"
)

// version is that of the PyPI package whose tokens are served; engine/build.py installs the plugin under it.
const version = "5.5.3"

// schema is minimal: the engine reads the types of a resource from the provider.
const schema = `{"name":"openstack","version":"` + version + `"}`

func main() {
	tfbridge.Main("openstack", version, provider(), []byte(schema))
}

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:           shimv2.NewProvider(openstack.Provider()),
		Name:        "openstack",
		Version:     version,
		Resources:   resources(),
		DataSources: dataSources(),
	}
	info.MustComputeTokens(tokens.MappedModules("openstack_", "index", modules, tokens.MakeStandard("openstack")))
	// As upstream: a resource without a name gets its Pulumi name with "-" and a random suffix.
	info.SetAutonaming(255, "-")
	return info
}
