"""Checks run side by side; what they find is one line each, in order, without secrets."""

import threading
from collections.abc import Iterator

from pipeline.doctor.check import Check, Finding, run_checks


def test_findings_come_in_the_order_of_the_checks() -> None:
    first_may_go = threading.Event()

    def slow() -> Iterator[Finding]:
        first_may_go.wait()
        yield Finding("ok", "a")
        yield Finding("warning", "b", "do c")

    def fast() -> Iterator[Finding]:
        first_may_go.set()
        yield Finding("ok", "d")

    found = list(run_checks([Check("slow", slow), Check("fast", fast)]))
    assert [(name, finding.text) for name, finding in found] == [("slow", "a"), ("slow", "b"), ("fast", "d")]


def test_an_error_is_a_fault_of_its_check_alone() -> None:
    def broken() -> list[Finding]:
        raise KeyError("no such setting")

    checks = [Check("broken", broken), Check("whole", lambda: [Finding("ok", "here")])]
    assert [finding for _, finding in run_checks(checks)] == [
        Finding("fault", "KeyError: 'no such setting'"),
        Finding("ok", "here"),
    ]


def test_one_that_hangs_is_a_fault() -> None:
    never = threading.Event()
    check = Check("hangs", lambda: [Finding("ok", str(never.wait()))], seconds=0.05, if_silent="call someone")
    assert list(run_checks([check])) == [
        ("hangs", Finding("fault", "no answer within 0.05 seconds", "call someone"))
    ]


def test_what_others_say_is_one_printable_line_without_secrets() -> None:
    said = "\x1b[2Jfrom https://user:pass@host/x?sig=abcdef\n then s3://bucket/a"
    [(_, finding)] = run_checks([Check("x", lambda: [Finding("fault", said, said)])])
    assert finding.text == finding.fix == r"\x1b[2Jfrom https://host/x then s3://bucket/a"
