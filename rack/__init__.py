"""The rack as pure data: configuration, design rules, plan, fabric and TripleO's documents.

Nothing here knows Pulumi or the network. The way of the data:

    config.Site (what the operator wrote, strict and typed)
      └─ rules.check (what a person would notice an hour too late)
           └─ plan.Plan (addresses, names, PKeys, members, VFs: every number in one place)
                ├─ fabric.wiring (switches, HCAs, links)
                └─ tripleo.* (the files of the guide's steps C2 to O4)
"""
