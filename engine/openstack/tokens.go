package main

import "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

// modules maps the areas of terraform-provider-openstack to the modules of pulumi-openstack. A name that is not in the
// tables below gets the bridge's standard token, including the version: compute_aggregate_v2 is compute:AggregateV2.
var modules = map[string]string{
	"bgpvpn":           "bgpvpn",
	"blockstorage":     "blockstorage",
	"compute":          "compute",
	"containerinfra":   "containerinfra",
	"db":               "database",
	"dns":              "dns",
	"fw":               "firewall",
	"identity":         "identity",
	"images":           "images",
	"keymanager":       "keymanager",
	"lb":               "loadbalancer",
	"loadbalancer":     "loadbalancer",
	"networking":       "networking",
	"objectstorage":    "objectstorage",
	"orchestration":    "orchestration",
	"sharedfilesystem": "sharedfilesystem",
	"vpnaas":           "vpnaas",
}

// named lists the resources with irregular names: module, Terraform's name, Pulumi's name.
var named = [][3]string{
	{"blockstorage", "blockstorage_quotaset_v3", "QuoteSetV3"}, // sic
	{"blockstorage", "blockstorage_volume_attach_v3", "VolumeAttach"},
	{"blockstorage", "blockstorage_volume_v3", "Volume"},
	{"compute", "compute_flavor_access_v2", "FlavorAccess"},
	{"compute", "compute_flavor_v2", "Flavor"},
	{"compute", "compute_instance_v2", "Instance"},
	{"compute", "compute_interface_attach_v2", "InterfaceAttach"},
	{"compute", "compute_keypair_v2", "Keypair"},
	{"compute", "compute_quotaset_v2", "QuotaSetV2"},
	{"compute", "compute_servergroup_v2", "ServerGroup"},
	{"compute", "compute_volume_attach_v2", "VolumeAttach"},
	{"containerinfra", "containerinfra_cluster_v1", "Cluster"},
	{"containerinfra", "containerinfra_clustertemplate_v1", "ClusterTemplate"},
	{"containerinfra", "containerinfra_nodegroup_v1", "NodeGroup"},
	{"database", "db_configuration_v1", "Configuration"},
	{"database", "db_database_v1", "Database"},
	{"database", "db_instance_v1", "Instance"},
	{"database", "db_user_v1", "User"},
	{"dns", "dns_recordset_v2", "RecordSet"},
	{"dns", "dns_transfer_accept_v2", "TransferAccept"},
	{"dns", "dns_transfer_request_v2", "TransferRequest"},
	{"dns", "dns_zone_v2", "Zone"},
	{"identity", "identity_application_credential_v3", "ApplicationCredential"},
	{"identity", "identity_inherit_role_assignment_v3", "InheritRoleAssignment"},
	{"identity", "identity_project_v3", "Project"},
	{"identity", "identity_role_assignment_v3", "RoleAssignment"},
	{"identity", "identity_role_v3", "Role"},
	{"identity", "identity_user_v3", "User"},
	{"images", "images_image_access_accept_v2", "ImageAccessAccept"},
	{"images", "images_image_access_v2", "ImageAccess"},
	{"images", "images_image_v2", "Image"},
	{"loadbalancer", "lb_l7policy_v2", "L7PolicyV2"},
	{"loadbalancer", "lb_l7rule_v2", "L7RuleV2"},
	{"loadbalancer", "lb_listener_v2", "Listener"},
	{"loadbalancer", "lb_loadbalancer_v2", "LoadBalancer"},
	{"loadbalancer", "lb_member_v2", "Member"},
	{"loadbalancer", "lb_members_v2", "Members"},
	{"loadbalancer", "lb_monitor_v2", "Monitor"},
	{"loadbalancer", "lb_pool_v2", "Pool"},
	{"loadbalancer", "lb_quota_v2", "Quota"},
	{"networking", "networking_addressscope_v2", "AddressScope"},
	{"networking", "networking_floatingip_associate_v2", "FloatingIpAssociate"},
	{"networking", "networking_floatingip_v2", "FloatingIp"},
	{"networking", "networking_network_v2", "Network"},
	{"networking", "networking_port_secgroup_associate_v2", "PortSecGroupAssociate"},
	{"networking", "networking_port_v2", "Port"},
	{"networking", "networking_portforwarding_v2", "PortForwardingV2"},
	{"networking", "networking_qos_bandwidth_limit_rule_v2", "QosBandwidthLimitRule"},
	{"networking", "networking_qos_dscp_marking_rule_v2", "QosDscpMarkingRule"},
	{"networking", "networking_qos_minimum_bandwidth_rule_v2", "QosMinimumBandwidthRule"},
	{"networking", "networking_qos_policy_v2", "QosPolicy"},
	{"networking", "networking_router_interface_v2", "RouterInterface"},
	{"networking", "networking_router_route_v2", "RouterRoute"},
	{"networking", "networking_router_v2", "Router"},
	{"networking", "networking_secgroup_rule_v2", "SecGroupRule"},
	{"networking", "networking_secgroup_v2", "SecGroup"},
	{"networking", "networking_subnet_route_v2", "SubnetRoute"},
	{"networking", "networking_subnet_v2", "Subnet"},
	{"networking", "networking_subnetpool_v2", "SubnetPool"},
	{"networking", "networking_trunk_v2", "Trunk"},
	{"objectstorage", "objectstorage_container_v1", "Container"},
	{"objectstorage", "objectstorage_object_v1", "ContainerObject"},
	{"objectstorage", "objectstorage_tempurl_v1", "TempUrl"},
	{"orchestration", "orchestration_stack_v1", "StackV1"},
	{"sharedfilesystem", "sharedfilesystem_securityservice_v2", "SecurityService"},
	{"sharedfilesystem", "sharedfilesystem_share_access_v2", "ShareAccess"},
	{"sharedfilesystem", "sharedfilesystem_share_v2", "Share"},
	{"sharedfilesystem", "sharedfilesystem_sharenetwork_v2", "ShareNetwork"},
	{"vpnaas", "vpnaas_endpoint_group_v2", "EndpointGroup"},
	{"vpnaas", "vpnaas_ike_policy_v2", "IkePolicy"},
	{"vpnaas", "vpnaas_ipsec_policy_v2", "IpSecPolicy"},
	{"vpnaas", "vpnaas_service_v2", "Service"},
	{"vpnaas", "vpnaas_site_connection_v2", "SiteConnection"},
}

// lookups lists the data sources with irregular names.
var lookups = [][3]string{
	{"compute", "compute_availability_zones_v2", "getAvailabilityZones"},
	{"compute", "compute_flavor_v2", "getFlavor"},
	{"compute", "compute_keypair_v2", "getKeypair"},
	{"compute", "compute_quotaset_v2", "getQuotaSetV2"},
	{"containerinfra", "containerinfra_cluster_v1", "getCluster"},
	{"containerinfra", "containerinfra_clustertemplate_v1", "getClusterTemplate"},
	{"containerinfra", "containerinfra_nodegroup_v1", "getNodeGroup"},
	{"dns", "dns_zone_v2", "getDnsZone"},
	{"identity", "identity_auth_scope_v3", "getAuthScope"},
	{"identity", "identity_endpoint_v3", "getEndpoint"},
	{"identity", "identity_group_v3", "getGroup"},
	{"identity", "identity_project_v3", "getProject"},
	{"identity", "identity_role_v3", "getRole"},
	{"identity", "identity_service_v3", "getService"},
	{"identity", "identity_user_v3", "getUser"},
	{"images", "images_image_ids_v2", "getImageIds"},
	{"images", "images_image_v2", "getImage"},
	{"keymanager", "keymanager_container_v1", "getContainer"},
	{"keymanager", "keymanager_secret_v1", "getSecret"},
	{"loadbalancer", "loadbalancer_flavor_v2", "getLbFlavorDeprecated"},
	{"networking", "networking_addressscope_v2", "getAddressScope"},
	{"networking", "networking_floatingip_v2", "getFloatingIp"},
	{"networking", "networking_network_v2", "getNetwork"},
	{"networking", "networking_port_ids_v2", "getPortIds"},
	{"networking", "networking_port_v2", "getPort"},
	{"networking", "networking_qos_bandwidth_limit_rule_v2", "getQosBandwidthLimitRule"},
	{"networking", "networking_qos_dscp_marking_rule_v2", "getQosDscpMarkingRule"},
	{"networking", "networking_qos_minimum_bandwidth_rule_v2", "getQosMinimumBandwidthRule"},
	{"networking", "networking_qos_policy_v2", "getQosPolicy"},
	{"networking", "networking_router_v2", "getRouter"},
	{"networking", "networking_secgroup_v2", "getSecGroup"},
	{"networking", "networking_subnet_v2", "getSubnet"},
	{"networking", "networking_subnetpool_v2", "getSubnetPool"},
	{"networking", "networking_trunk_v2", "getTrunk"},
	{"sharedfilesystem", "sharedfilesystem_availability_zones_v2", "getAvailbilityZones"}, // sic
	{"sharedfilesystem", "sharedfilesystem_share_v2", "getShare"},
	{"sharedfilesystem", "sharedfilesystem_sharenetwork_v2", "getShareNetwork"},
	{"sharedfilesystem", "sharedfilesystem_snapshot_v2", "getSnapshot"},
}

func resources() map[string]*tfbridge.ResourceInfo {
	table := map[string]*tfbridge.ResourceInfo{}
	for _, row := range named {
		table["openstack_"+row[1]] = &tfbridge.ResourceInfo{Tok: tfbridge.MakeResource("openstack", row[0], row[2])}
	}
	table["openstack_orchestration_stack_v1"].Fields = map[string]*tfbridge.SchemaInfo{"outputs": {Name: "StackOutputs"}} // sic
	return table
}

func dataSources() map[string]*tfbridge.DataSourceInfo {
	table := map[string]*tfbridge.DataSourceInfo{}
	for _, row := range lookups {
		table["openstack_"+row[1]] = &tfbridge.DataSourceInfo{Tok: tfbridge.MakeDataSource("openstack", row[0], row[2])}
	}
	return table
}
