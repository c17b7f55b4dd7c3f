"""Are the counters of processes read as the kernel means them?"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.process_tree import Used, name_of, pss_bytes, read_used, tree, used_between

WAIT = "import sys; print(flush=True); sys.stdin.read()"


def test_a_tree_is_a_process_and_its_children() -> None:
    argv = [sys.executable, "-m", "timeit", "-n1", "-r1", WAIT]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in tree(os.getpid())
        assert name_of(child.pid) == "timeit"
        assert pss_bytes(child.pid) > 1_000_000
        child.communicate()


def test_what_was_used_is_the_difference_also_of_those_that_are_new() -> None:
    before = {1: Used(1.0, 10, 100)}
    after = {1: Used(1.5, 30, 110), 2: Used(0.25, 5, 1)}
    assert used_between(before, after) == Used(0.75, 25, 11)


def test_a_process_that_has_gone_counts_for_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    found = read_used([gone.pid, os.getpid()])
    assert list(found) == [os.getpid()]
    assert found[os.getpid()].cpu_s > 0
