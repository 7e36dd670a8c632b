"""A preview as a review (`python -m rack diff`): what an `up` interrupts, then what it changes.

Modules, in the order of the data: `preview` reads the engine's JSON, `steps` knows what the rack's steps on hosts do,
`effects` finds interruptions, `report` sorts everything else by subject, `markdown` and `terminal` write it, `command`
is the command.
"""
