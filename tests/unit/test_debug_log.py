"""A run of pytest that leaves a secret fails, and says which test left which kind of it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from config import ROOT

PRELUDE = """
import logging
from pathlib import Path
from vmsapp.hsm.answers import IssuedToken
from vmsapp.sts.keys import DecoderKey, VendingKey
from vmsapp.sts.secret import SecretBytes

KEY = bytes.fromhex("8c1d2a5f00e947b6")
DIGITS = "83650192748361920574"
log = logging.getLogger("a.product")

def test_before():
    VendingKey("02", bytes.fromhex("8c1c2a5e01e946b6"))
    log.debug("quiet")

"""

CLEAN = """
def test_clean(tmp_path):
    log.debug("%s %s", DecoderKey(7, KEY), SecretBytes(b"a heron stands in the reeds"))
    IssuedToken(DIGITS, 0, 0, 1, 1, "", "", "", True)
    (tmp_path / "passphrase").write_text("a heron stands in the reeds")
"""

LEFT = {
    "a decoder key in the log": """
def test_culprit():
    DecoderKey(7, KEY)
    log.debug("under %s", KEY.hex())
""",
    "a vending key in the log": """
def test_culprit():
    log.debug("under %r", VendingKey("02", bytes.fromhex("8c1c2a5e01e946b6")).reveal())
""",
    "a passphrase in the log": """
def test_culprit():
    log.debug("with %s", SecretBytes(b"a heron stands in the reeds").reveal().decode())
""",
    "a token in the log": """
def test_culprit():
    log.warning("made %s", IssuedToken(DIGITS, 0, 0, 1, 1, "", "", "", True).digits)
""",
    "a token in test_culprit0/upload.tmp": """
def test_culprit(tmp_path):
    IssuedToken(DIGITS, 0, 0, 1, 1, "", "", "", True)
    (tmp_path / "upload.tmp").write_text(DIGITS)
""",
}

SECRETS = re.compile("8c1[cd]2a5|83650192748361920574|heron")


@pytest.fixture
def tmp_path(tmp_path):
    """A folder whose planted secrets are gone when the run's own folder is searched."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture
def run(tmp_path):
    """Run pytest on a file with the plugin; gives its status and what it printed."""

    def run(tests: str, *options: str) -> tuple[int, str]:
        (tmp_path / "test_it.py").write_text(PRELUDE + tests)
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tests.debug_log", "-c", os.devnull,
             "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "base"),
             "-p", "no:cacheprovider", *options, str(tmp_path / "test_it.py")],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout

    return run


def test_a_clean_run_passes_and_keeps_no_log(run, tmp_path):
    status, said = run(CLEAN)
    assert (status, "2 passed" in said) == (0, True)
    assert (tmp_path / "base" / "log0" / "debug.log").read_bytes() == b""


@pytest.mark.parametrize("find", LEFT)
def test_a_run_that_leaves_a_secret_fails_and_names_the_test_but_not_the_secret(run, find):
    status, said = run(LEFT[find])
    assert status == 1
    assert "ERROR at teardown of test_culprit" in said
    assert find in said
    assert "ERROR at teardown of test_before" not in said
    assert not SECRETS.search(said)


def test_a_find_in_another_process_fails_the_run(run):
    status, said = run(LEFT["a token in the log"], "-n", "2")
    assert status == 1
    assert "ERROR at teardown of test_culprit" in said
    assert "a token in the log" in said
