"""Faults that tests inject into long commands of the undercloud: stand still, or fail at a step in TripleO's words."""

from lab.hosts.call import Call
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Hangup, Refusal
from lab.hosts.state import StepFault

LOOK_SECONDS = 0.05
STEP = "Start containers for step 3"
STAMP = "2022-03-01 12:00:00.123456 | 525400c2-f6d2-b8e2-8bbd-0000000000a1"
FATAL = 'error={"changed": false, "msg": "Failed containers: neutron_api", "rc": 1, "stderr": "port 9696 is in use"}'


def inject(undercloud: Undercloud, command: str, hold: bool, fails: int) -> None:
    """Let `command`, e.g. "overcloud deploy", stand still at `STEP` while `hold`, and fail there `fails` times."""
    with undercloud.change():
        undercloud.state.step_faults[command] = StepFault(hold, fails)


def reach_step(call: Call[Undercloud], host: str) -> None:
    """Print the lines of `STEP`, which runs on `host`, and do what was injected for the command.

    Raises:
        Refusal: the step was told to fail.
        Hangup: the caller was killed while the command stood still.
    """
    command = call.argv[0].removeprefix("openstack ")
    call.out(f"{STAMP} |       TASK | {STEP}")
    state = call.host.state
    while state.step_faults.get(command, StepFault()).hold:
        if not call.alive(LOOK_SECONDS):
            raise Hangup("killed")
    with call.host.change():
        fault = state.step_faults.get(command, StepFault())
        fails, fault.fails = fault.fails, max(0, fault.fails - 1)
    if fails:
        call.out(f"{STAMP} |      FATAL | {STEP} | {host} | {FATAL}")
        call.out(f"{STAMP} |     TIMING | {STEP} | {host} | 0:21:33.100000 | 61.35s\n\nPLAY RECAP {'*' * 60}")
        call.out(f"{host:<26} : ok=289  changed=130  unreachable=0    failed=1    skipped=114")
        raise Refusal(
            "Ansible execution failed. playbook: deploy_steps_playbook.yaml, Run Status: failed, Return Code: 2"
        )
    call.out(f"{STAMP} |         OK | {STEP} | {host}")
