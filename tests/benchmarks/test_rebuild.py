"""The list of what a destroy leaves."""

from benchmarks.rebuild import Round, left


def test_what_a_round_left_is_listed_without_values() -> None:
    differs = "differs: host undercloud record.login.password: (none) -> Sup3rSecret"
    text = ["differs: host undercloud file /etc/hosts content:", "    -Sup3rSecret"]
    surplus = "surplus: stack urn:pulumi:dev::rack::t:index:T::one"
    assert list(left([Round(), Round(leftovers=[differs, *text, surplus])])) == [
        (
            2,
            "- `differs: host undercloud record.login.password`\n"
            "- `differs: host undercloud file /etc/hosts content`\n"
            "- `surplus: stack urn:pulumi:dev::rack::t:index:T::one`\n",
        )
    ]
