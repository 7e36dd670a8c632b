"""Steps T1 to T5 and X1 to X3 with pulumi-openstack, equivalent to `../terraform/main.tf`."""

import os

import pulumi
import pulumi_openstack as openstack

net, compute = openstack.networking, openstack.compute

image = openstack.images.Image(
    "image", name="bench", local_file_path=os.environ["BENCH_IMAGE"], container_format="bare", disk_format="raw"
)
flavor = compute.Flavor(
    "flavor", name="bench.gpu", ram=8192, disk=40, vcpus=2, is_public=True,
    extra_specs={"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "a100:1"},
)  # fmt: skip
segment = net.NetworkSegmentArgs(physical_network="ibnet", network_type="vlan", segmentation_id=150)
network = net.Network("network", name="bench_ib", shared=True, admin_state_up=True, segments=[segment])
subnet = net.Subnet("subnet", name="bench_ib", network_id=network.id, cidr="11.11.50.0/24", ip_version=4)
outside = net.NetworkSegmentArgs(physical_network="datacentre", network_type="vlan", segmentation_id=150)
public = net.Network("public", name="bench_public", external=True, admin_state_up=True, segments=[outside])
public_subnet = net.Subnet(
    "public", name="bench_public", network_id=public.id, cidr="10.50.0.0/24", ip_version=4, enable_dhcp=False,
    gateway_ip="10.50.0.1",
)  # fmt: skip
router = net.Router(
    "router", name="bench", external_network_id=public.id, opts=pulumi.ResourceOptions(depends_on=[public_subnet])
)
interface = net.RouterInterface("interface", router_id=router.id, subnet_id=subnet.id)
ports = []
for number in (0, 1):
    port = net.Port(
        f"direct{number}", name=f"bench_direct{number}", network_id=network.id, admin_state_up=True,
        fixed_ips=[net.PortFixedIpArgs(subnet_id=subnet.id)], binding=net.PortBindingArgs(vnic_type="direct"),
        opts=pulumi.ResourceOptions(ignore_changes=["binding.profile", "extraDhcpOptions"]),
    )  # fmt: skip
    ports.append(port)
    compute.Instance(
        f"vm{number}", name=f"bench_vm{number}", flavor_id=flavor.id, image_id=image.id,
        availability_zone=f"nova:overcloud-computesriov-ib-{number}.localdomain",
        networks=[compute.InstanceNetworkArgs(port=port.id)],
    )  # fmt: skip
floating = net.FloatingIp("floating", pool=public.name, opts=pulumi.ResourceOptions(depends_on=[interface]))
net.FloatingIpAssociate(
    "floating", floating_ip=floating.address, port_id=ports[0].id, opts=pulumi.ResourceOptions(depends_on=[interface])
)
