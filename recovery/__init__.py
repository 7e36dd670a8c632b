"""`rack recover`: finds objects that a killed `up` created and did not record, and puts the stack's state in order.

The engine writes an operation into the state before it calls a provider, and the result after the answer. If it is
killed between the two, the object may exist, but the state has the operation only. Every object of the cloud carries
an owner mark since its creation (`rack/owner.py`), so it is found and imported. Types without a text are matched by
name and parent.

    pulumi      the command line of Pulumi: export, import and refresh of the state
    state       the exported state: resources and pending operations
    cloud       the login to OpenStack's APIs, whose objects `cloud.kinds` lists
    tokens      UFM's access tokens
    decide      what to do with each operation and object
    command     shows it, asks (`question`), writes

`rack forget` (`forget`) drops what existed in a cloud that is gone.
"""
