"""Trouble to order, for tests: a long command of the undercloud stands still, or fails at a step in TripleO's words."""

from lab.hosts.call import Call, Hangup, Refusal
from lab.hosts.machine import Machine

LOOK_SECONDS = 0.05
STEP = "Start containers for step 3"
STAMP = "2022-03-01 12:00:00.123456 | 525400c2-f6d2-b8e2-8bbd-0000000000a1"
FATAL = 'error={"changed": false, "msg": "Failed containers: neutron_api", "rc": 1, "stderr": "port 9696 is in use"}'


def order(undercloud: Machine, command: str, hold: bool, fails: int) -> None:
    """`command`, e.g. "overcloud deploy", stands still for as long as `hold` says, and fails the next `fails` times."""
    with undercloud.change() as state:
        state.setdefault("trouble", {})[command] = {"hold": hold, "fails": fails}


def meet(call: Call, host: str) -> None:
    """The step at which trouble is; `host` is where it fails.

    Raises:
        Refusal: the step was ordered to fail.
        Hangup: the caller was killed while the command stood still.
    """
    command = call.argv[0].removeprefix("openstack ")
    call.out(f"{STAMP} |       TASK | {STEP}")
    while call.host.state.get("trouble", {}).get(command, {}).get("hold"):
        if not call.alive(LOOK_SECONDS):
            raise Hangup("killed")
    with call.host.change() as state:
        ordered = state.get("trouble", {}).get(command, {"fails": 0})
        fails, ordered["fails"] = ordered["fails"], max(0, ordered["fails"] - 1)
    if fails:
        call.out(f"{STAMP} |      FATAL | {STEP} | {host} | {FATAL}")
        call.out(f"{STAMP} |     TIMING | {STEP} | {host} | 0:21:33.100000 | 61.35s\n\nPLAY RECAP {'*' * 60}")
        call.out(f"{host:<26} : ok=289  changed=130  unreachable=0    failed=1    skipped=114")
        raise Refusal(
            "Ansible execution failed. playbook: deploy_steps_playbook.yaml, Run Status: failed, Return Code: 2"
        )
    call.out(f"{STAMP} |         OK | {STEP} | {host}")
