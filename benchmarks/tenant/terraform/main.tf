# Steps T1 to T5 and X1 to X3, equivalent to ../pulumi/__main__.py.
terraform {
  required_providers {
    openstack = { source = "terraform-provider-openstack/openstack" }
  }
}

variable "image" { type = string }

resource "openstack_images_image_v2" "image" {
  name             = "bench"
  local_file_path  = var.image
  container_format = "bare"
  disk_format      = "raw"
}

resource "openstack_compute_flavor_v2" "flavor" {
  name      = "bench.gpu"
  ram       = 8192
  disk      = 40
  vcpus     = 2
  is_public = true
  extra_specs = {
    "hw:cpu_policy"         = "dedicated"
    "pci_passthrough:alias" = "a100:1"
  }
}

resource "openstack_networking_network_v2" "network" {
  name           = "bench_ib"
  shared         = true
  admin_state_up = true
  segments {
    physical_network = "ibnet"
    network_type     = "vlan"
    segmentation_id  = 150
  }
}

resource "openstack_networking_subnet_v2" "subnet" {
  name       = "bench_ib"
  network_id = openstack_networking_network_v2.network.id
  cidr       = "11.11.50.0/24"
  ip_version = 4
}

resource "openstack_networking_network_v2" "public" {
  name           = "bench_public"
  external       = true
  admin_state_up = true
  segments {
    physical_network = "datacentre"
    network_type     = "vlan"
    segmentation_id  = 150
  }
}

resource "openstack_networking_subnet_v2" "public" {
  name        = "bench_public"
  network_id  = openstack_networking_network_v2.public.id
  cidr        = "10.50.0.0/24"
  ip_version  = 4
  enable_dhcp = false
  gateway_ip  = "10.50.0.1"
}

resource "openstack_networking_router_v2" "router" {
  name                = "bench"
  external_network_id = openstack_networking_network_v2.public.id
  depends_on          = [openstack_networking_subnet_v2.public]
}

resource "openstack_networking_router_interface_v2" "interface" {
  router_id = openstack_networking_router_v2.router.id
  subnet_id = openstack_networking_subnet_v2.subnet.id
}

resource "openstack_networking_port_v2" "direct" {
  count          = 2
  name           = "bench_direct${count.index}"
  network_id     = openstack_networking_network_v2.network.id
  admin_state_up = true
  fixed_ip {
    subnet_id = openstack_networking_subnet_v2.subnet.id
  }
  binding {
    vnic_type = "direct"
  }
  lifecycle {
    ignore_changes = [binding[0].profile, extra_dhcp_option]
  }
}

resource "openstack_compute_instance_v2" "vm" {
  count             = 2
  name              = "bench_vm${count.index}"
  flavor_id         = openstack_compute_flavor_v2.flavor.id
  image_id          = openstack_images_image_v2.image.id
  availability_zone = "nova:overcloud-computesriov-ib-${count.index}.localdomain"
  network {
    port = openstack_networking_port_v2.direct[count.index].id
  }
}

resource "openstack_networking_floatingip_v2" "floating" {
  pool       = openstack_networking_network_v2.public.name
  depends_on = [openstack_networking_router_interface_v2.interface]
}

resource "openstack_networking_floatingip_associate_v2" "floating" {
  floating_ip = openstack_networking_floatingip_v2.floating.address
  port_id     = openstack_networking_port_v2.direct[0].id
  depends_on  = [openstack_networking_router_interface_v2.interface]
}
