"""The rack as data: configuration, design rules, plan, fabric and TripleO documents.

This package imports neither Pulumi nor a network client. Data flows in one direction:

    site.Site (the operator's YAML, strict and typed)
      └─ rules.check (faults that would otherwise appear hours into a deployment)
           └─ plan.Plan (addresses, names, PKeys, members, VFs: each number is computed once)
                └─ tripleo (the files of guide steps C1 to C3, C6 and O1 to O5)
                     └─ wallaby (checks of these files with the real Wallaby tools)
"""
