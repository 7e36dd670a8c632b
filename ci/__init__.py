"""The steps of a site's continuous integration. The workflows call them, and so do tests.

preview.sh STACK   the review of a change: report.md for the comment, report.json
comment.py FILE    write the review into the pull or merge request, or update it there
deploy.sh STACK    apply what was merged
drift.sh STACK     report what is not as the last `up` left it: drift.md, drift.json
rebuild.sh         deploy the dev stack on the embedded lab and destroy it again
"""
