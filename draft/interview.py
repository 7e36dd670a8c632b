"""Answers the questions of `rack new`: from what is given, by defaults, or on the terminal."""

import os
from getpass import getpass

from draft import fabric
from draft.document import NOTHING, WORDS, described, get, problems_of, put, shown, typed
from draft.options import NewError, Options
from draft.questions import Choice, Draft, Question, questions
from providers.ufm import UfmError

PASSWORD = "RACK_UFM_PASSWORD"  # noqa: S105
"""Environment variable with UFM's password, for a run without a terminal."""
TRUST = {"caFile", "fingerprint", "insecure"}
"""Keys of `ufm` that say which certificate is trusted."""


def answer(draft: Draft, options: Options) -> list[str]:
    """Answer each question that is not answered, and return those that have no answer."""
    missing = list[str]()
    for question in questions(draft):
        if isinstance(question, Choice):
            draft.choices[question.name] = decide(question, draft, options)
            if question.name == "ufmNow" and draft.choices[question.name]:
                draft.fabric = _fabric(draft, options)
        elif get(draft.site, question.path) is not None:
            continue
        elif options.interactive:
            _ask(draft, question)
        elif not _take_default(draft, question):
            missing.append(f"  - {question.path}: missing; write {described(question.path)}: {question.text}")
            if question.path.startswith("nodes") and question.path.endswith((".name", ".role")):
                break  # Further questions depend on it.
    return missing


def _take_default(draft: Draft, question: Question) -> bool:
    """Write the default into the draft, and return whether the question needs no other answer."""
    if question.default is not None:
        put(draft.site, question.path, question.default)
    return question.optional or question.default is not None


def decide(choice: Choice, draft: Draft, options: Options) -> bool | int:
    """Return a decision: by the answers so far, by asking, or the default."""
    ufm = draft.site.get("ufm", {})
    if choice.name == "ufmHost" and (options.existing_ufm or {"host", *TRUST} & ufm.keys()):
        return "host" in ufm
    if choice.name == "ufmNow" and (options.from_ufm or not options.interactive):
        return options.from_ufm
    if choice.name == "workload" and (not options.workload or not options.interactive):
        return options.workload
    if not options.interactive:
        return choice.default
    while True:
        text = input(f"{choice.text} [{shown(choice.default)}]: ").strip().lower() or shown(choice.default)
        if isinstance(choice.default, bool) and text in WORDS:
            return WORDS[text]
        if not isinstance(choice.default, bool) and text.isdigit() and int(text) in choice.allowed:
            return int(text)
        print(f"  found {text!r}; write {'yes or no' if isinstance(choice.default, bool) else 'a number'}")


def _ask(draft: Draft, question: Question) -> None:
    """Ask until the answer is valid, and write it into the draft.

    A design rule may need more values before it can judge an earlier answer: that question is then asked again.
    """
    draft.asked[question.path] = question
    proposed = NOTHING if question.default is None and question.optional else shown(question.default)
    proposal = "" if question.default is None and not question.optional else f" [{proposed}]"
    while True:
        text = input(f"{question.text} ({question.path}){proposal}: ").strip()
        if question.optional and (text or proposed) == NOTHING:
            return
        value = typed(question.path, text) if text else question.default
        problems = problems_of(draft.site, question.path, value) if value is not None else ["write a value"]
        print("".join(f"  {problem}\n" for problem in problems), end="")
        earlier = [place for problem in problems if (place := problem.partition(": ")[0]) in draft.asked]
        if not problems or (earlier and question.path not in earlier):
            put(draft.site, question.path, value)
            for place in earlier[-1:]:
                put(draft.site, place, None)
                _ask(draft, draft.asked[place])
            return


def _fabric(draft: Draft, options: Options) -> fabric.Fabric:
    """Return what UFM sees.

    Raises:
        NewError: UFM does not answer, or is not trusted.
    """
    ufm = draft.site["ufm"]
    pinned = options.ufm_fingerprint or _pin(draft, options)
    password = os.environ.get(PASSWORD) or (getpass("Password of UFM's user: ") if options.interactive else "")
    if not password:
        raise NewError(f"--from-ufm: found no password; write it to the environment variable {PASSWORD}")
    client = fabric.client(ufm, password, pinned)
    try:
        found = fabric.read(client)
    except UfmError as error:
        raise NewError(f"--from-ufm: {error}") from None
    finally:
        client.close()
    print(f"UFM sees {len(found.ports)} ports of hosts and {len(found.switches)} switches:")
    for port in found.ports:
        print(f"  {port.guid}  {port.description}{'' if port.active else '  (not active)'}")
    return found


def _pin(draft: Draft, options: Options) -> str | None:
    """Return the fingerprint to trust, if the configuration has no other trust; ask for it.

    Raises:
        NewError: nothing says whether to trust UFM's certificate.
    """
    ufm = draft.site["ufm"]
    if TRUST & ufm.keys():
        return None
    if not options.interactive:
        raise NewError("--from-ufm: found no trust in UFM's certificate; write ufm.caFile or --ufm-fingerprint")
    try:
        found = fabric.fingerprint(str(ufm["address"]), int(ufm.get("port", 443)))
    except OSError as error:
        raise NewError(f"ufm.address: {ufm['address']} does not answer: {error.strerror or error}") from None
    print(f"UFM presents a certificate with the SHA-256 fingerprint\n  {found}\nCompare it on UFM's host.")
    if WORDS.get(input("Trust it [no]: ").strip().lower()) is not True:
        raise NewError("UFM's certificate is not trusted; no password was sent, no file was written")
    if not draft.choices["ufmHost"]:
        ufm["fingerprint"] = found
    return found
