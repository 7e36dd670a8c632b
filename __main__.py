"""The rack, from the stack's configuration: plan, components, outputs. See README.md."""

import pulumi

import components as c
from access.local import ufm_ca_in_preview
from access.repair import Repairs
from access.ssh import Operator
from rack.plan import Plan
from rack.site.load import ConfigError, load, repairs

config = pulumi.Config()
try:
    site = load(config.require_object("site"), pulumi.get_stack())
    again = Repairs(repairs(config.get_object("repair")))
except ConfigError as error:
    raise pulumi.RunError(str(error)) from None
plan = Plan(site, pulumi.get_stack(), ufm_ca_in_preview(site.ufm))
operator = Operator.load(plan.site, config.get_secret("sshKeyPassphrase"), again)

owner = c.Owner("owner")
ownership = c.Ownership(plan, operator, owner, config.get("takeFrom"))
passwords = (config.require_secret("ufmPassword"), config.get_secret("ufmPreviousPassword"))
ufm = c.UfmHost("ufm", plan, operator, ownership, config.get_secret("ufmLicense"), *passwords)
at_ufm = pulumi.ResourceOptions(providers=[ufm.api])
logins = (
    config.get_secret("ipmiPassword"),
    config.get_secret("registryPassword"),
    config.get_secret_object("ipmiPasswords"),
)
undercloud = c.Undercloud("undercloud", plan, operator, ownership.claims, *logins)
introspection = c.Introspection("introspection", plan, undercloud, ufm.token, ufm.ca)
fabric = c.Fabric("fabric", plan, introspection, at_ufm)
gate = c.Gate("gate", plan, undercloud, introspection, fabric, ufm.token)
overcloud = c.Overcloud("overcloud", plan, operator, undercloud, introspection, gate, ufm.token)
firmware = c.Firmware("firmware", plan, undercloud, overcloud)
images = c.GuestImages("images", plan, undercloud, overcloud, operator, owner, ownership.claims)
tenant = c.Tenant("tenant", plan, overcloud, images, firmware, owner, at_ufm)
access = plan.site.external_access
external = c.ExternalAccess("external", access, overcloud, tenant, owner) if access else None
test = plan.site.bandwidth
bandwidth = c.Bandwidth("bandwidth", test, plan, overcloud, firmware, tenant, external) if test else None
repair = [c.Repair("repair", plan, again, undercloud, overcloud)] if c.Repair.asked(again, plan) else []
guard = ownership.guard(ufm.api, [bandwidth or external or tenant, images, *repair])
c.Protection("protection", plan.site.protect, [guard])
again.warn()

pulumi.export("ufm", {"url": ufm.url, "version": ufm.version})
pulumi.export("pkeys", fabric.summary)
pulumi.export("endpoints", {"undercloud": undercloud.endpoint, "overcloud": overcloud.endpoint})
pulumi.export("vms", tenant.summary)
pulumi.export("guestKey", tenant.login_key if plan.site.tenant.key_pair.generated else "not generated")
pulumi.export("floatingIps", external.floating_ips if external else {})
pulumi.export("bandwidth", bandwidth.verdict if bandwidth else "not tested")
