"""`daffi-bridge trust` and `untrust`: what the system and browsers believe. The system's stores are copies, in namespaces of mounts and of the host name (unshare(1))."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from development import IS_ROOT, NOBODY, Dev, allowed, home_of, needed, nobodys, with_stores
from processes import BUILD

PROGRAM = str(BUILD / "daffi-bridge")
MACHINE = "/usr/local/share/ca-certificates"

has_stores = allowed(with_stores())
has_certutil = needed(shutil.which("certutil") is not None, "certutil (libnss3-tools) is not installed")
is_root = needed(IS_ROOT, "who is not root can't become somebody else")


@pytest.fixture
def home(tmp_path):
    """An environment with a home of its own."""
    return home_of(tmp_path)


@pytest.fixture
def quick(home, tmp_path):
    """The same, with an update-ca-certificates that takes no seconds: for what is not about the system's store."""
    tools = tmp_path / "quick"
    tools.mkdir()
    (tools / "update-ca-certificates").symlink_to("/bin/true")
    return {**home, "PATH": f"{tools}:{home['PATH']}"}


def shell(env: dict[str, str], script: str) -> subprocess.CompletedProcess:
    """What a shell does with stores of its own; `$BRIDGE` is the program."""
    return subprocess.run([*with_stores(), "sh", "-ec", script], env={**env, "BRIDGE": PROGRAM}, capture_output=True, text=True, timeout=60)


def profile_of(tmp_path: Path, name: str) -> Path:
    """A folder of Firefox's, for a database."""
    folder = tmp_path / "home" / ".mozilla" / "firefox" / name
    folder.mkdir(parents=True)
    return folder


def certificates(database: Path) -> str:
    """What an NSS database holds, by certutil."""
    return subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True, timeout=30).stdout


@has_stores
def test_the_system_believes_it_and_no_longer(house, home, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    dev = house.keep(Dev(folder, tmp_path / "data", env=home))
    one = "openssl s_client -connect localhost:{port} -verify_{kind} {name} -verify_return_error </dev/null 2>&1 | grep -iE 'verif(y|ication).*(error|ok)' | tail -n 1\n"
    visit = one.format(port=dev.https, kind="hostname", name="localhost") + one.format(port=dev.https, kind="ip", name="127.0.0.1")
    done = shell(home, f'update-ca-certificates >/dev/null 2>&1\n{visit}"$BRIDGE" trust\n{visit}ls {MACHINE}\n"$BRIDGE" trust >/dev/null\nls {MACHINE} | wc -l\n'
                       f'"$BRIDGE" untrust\n{visit}ls {MACHINE} | wc -l\n"$BRIDGE" untrust\n')
    assert done.returncode == 0, done.stderr
    before, trusted, after = re.split(r"^daffi-bridge dev CA .*$", done.stdout, flags=re.MULTILINE)[:3]
    assert "error" in before and "ok" not in before.lower()
    assert "  done      system: curl, Python and the like believe it\n" in trusted
    assert re.search(r"^ *Verif.*ok\)?$\n^ *Verif.*ok\)?$\n^daffi-bridge-\w+\.crt\n1$", trusted, re.MULTILINE)
    assert "  done      system: taken out\n" in after
    assert "error" in after and "ok" not in after.lower()
    assert done.stdout.endswith("it is not there\n")


@has_stores
def test_a_start_says_what_to_run_until_it_was_run(house, quick, tmp_path):
    def is_said() -> bool:
        dev = house.keep(Dev(folder, tmp_path / "data", env=quick))
        said = "`daffi-bridge trust` has them believe it" in dev.log()
        house.end(dev)
        return said

    folder = tmp_path / "site"
    folder.mkdir()
    assert (is_said(), is_said()) == (True, True)
    shell(quick, '"$BRIDGE" trust')
    assert not is_said()
    shell(quick, '"$BRIDGE" untrust')
    assert is_said()


@has_stores
@has_certutil
def test_browsers_stores(quick, tmp_path):
    firefox = profile_of(tmp_path, "abcd.default-release")
    subprocess.run(["certutil", "-N", "-d", f"sql:{firefox}", "--empty-password"], check=True, timeout=30)
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = shell(quick, '"$BRIDGE" trust; "$BRIDGE" trust')
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"  done      Chromium: {chromium}; start it anew if it runs\n") == 2
    assert done.stdout.count(f"  done      Firefox: {firefox}; start it anew if it runs\n") == 2
    for store in (chromium, firefox):
        assert len(re.findall(r"^daffi-bridge dev CA \S+ +C,,", certificates(store), re.MULTILINE)) == 1
    assert chromium.stat().st_mode & 0o777 == 0o700
    done = shell(quick, '"$BRIDGE" untrust')
    assert done.returncode == 0, done.stdout + done.stderr
    for store in (chromium, firefox):
        assert "daffi-bridge" not in certificates(store)


@has_stores
@has_certutil
def test_one_store_that_fails_keeps_no_other_from_it(quick, tmp_path):
    """A Firefox profile whose database is broken: it is told of, Chromium's and the system's are done, the exit status says 1."""
    firefox = profile_of(tmp_path, "broken")
    (firefox / "cert9.db").write_text("no database")
    done = shell(quick, '"$BRIDGE" trust')
    assert done.returncode == 1
    assert f"  not done  Firefox: {firefox}: " in done.stdout
    assert "  done      Chromium: " in done.stdout
    assert "  done      system: " in done.stdout


@has_stores
@has_certutil
def test_what_can_not_be_taken_out_is_not_said_to_be_gone(quick, tmp_path):
    """Chromium's database can't be written, Firefox's not be read: each is told of with the command, and the system's is done."""
    broken = profile_of(tmp_path, "broken")
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = shell(quick, f'"$BRIDGE" trust >/dev/null\necho no database >{broken}/cert9.db\n'
                        f'mount --bind {chromium} {chromium}\nmount -o remount,bind,ro {chromium}\n"$BRIDGE" untrust')
    assert done.returncode == 1, done.stdout + done.stderr
    assert "  done      system: taken out\n" in done.stdout
    for browser, store in (("Chromium", chromium), ("Firefox", broken)):
        told = rf"^  not done  {browser}: {store}: certutil: .*; by hand: certutil -D -d 'sql:{store}' -n 'daffi-bridge dev CA \S+'$"
        assert re.search(told, done.stdout, re.MULTILINE), done.stdout
    assert "daffi-bridge dev CA" in certificates(chromium)


@has_stores
@has_certutil
def test_a_store_with_a_password_is_told_the_command(quick, tmp_path):
    """Firefox's primary password: certutil asks for it, where somebody types."""
    firefox = profile_of(tmp_path, "locked")
    secret = tmp_path / "password"
    secret.write_text("a long secret\n")
    subprocess.run(["certutil", "-N", "-d", f"sql:{firefox}", "-f", secret], check=True, timeout=30)
    done = shell(quick, '"$BRIDGE" trust')
    assert done.returncode == 1, done.stdout + done.stderr
    command = re.search(rf"^  not done  Firefox: {firefox}: certutil: .*; by hand: (certutil -A .*)$", done.stdout, re.MULTILINE)
    assert command, done.stdout
    subprocess.run(["sh", "-ec", f"{command[1]} -f {secret}"], check=True, timeout=30)
    assert re.search(r"^daffi-bridge dev CA \S+ +C,,", certificates(firefox), re.MULTILINE)


@has_stores
@has_certutil
def test_it_is_found_after_the_machine_got_another_name(quick, tmp_path):
    """The name that it was put there under is the authority's own."""
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = shell(quick, 'hostname here\n"$BRIDGE" trust\nhostname elsewhere\n"$BRIDGE" untrust')
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("@here: ") == 2
    assert f"  done      Chromium: {chromium}: taken out\n" in done.stdout
    assert "daffi-bridge" not in certificates(chromium)


@has_stores
def test_without_certutil_it_says_what_to_install(home, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "update-ca-certificates").symlink_to("/bin/true")
    (tmp_path / "home" / ".pki" / "nssdb").mkdir(parents=True)
    done = shell(home, f'PATH={tools} "$BRIDGE" trust')
    assert done.returncode == 1
    assert ("  not done  Chromium: certutil is not there: install libnss3-tools (Debian) or nss-tools (Fedora), then run this again\n"
            in done.stdout)


@is_root
def test_who_may_not_write_the_systems_store_is_told_the_command(home, tmp_path):
    """As nobody: the browser's store is this user's own and done, the system's is told how."""
    for folder in (tmp_path, tmp_path / "home"):
        nobodys(folder)
    done = subprocess.run([*NOBODY, PROGRAM, "trust"], env=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    authority = tmp_path / "data" / "daffi-bridge" / "ca.pem"
    told = rf"^  not done  system: Permission denied; by hand: sudo cp {authority} {MACHINE}/daffi-bridge-nobody\.crt && sudo update-ca-certificates$"
    assert re.search(told, done.stdout, re.MULTILINE), done.stdout
    assert authority.stat().st_uid == 65534
    if shutil.which("certutil"):
        assert "  done      Chromium: " in done.stdout


def refused(env: dict[str, str], *arguments: str | Path) -> str:
    """What it says as it refuses to do that: apart, too, should it not refuse."""
    done = subprocess.run([*with_stores(), "timeout", "20", PROGRAM, *arguments], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    return done.stdout + done.stderr


@is_root
@has_stores
@pytest.mark.parametrize("action", ["trust", "untrust"])
def test_by_sudo_it_is_refused(home, tmp_path, action):
    """Else the authority, and what browsers believe, were root's."""
    assert "run it as yourself, without sudo: what needs root is shown" in refused({**home, "SUDO_UID": "65534"}, action)
    assert list((tmp_path / "home").iterdir()) == [] and not (tmp_path / "data").exists()


@is_root
@has_stores
def test_a_home_that_is_somebody_elses_stays_his(home, tmp_path):
    """`sudo` with HOME kept: nothing of root's is left there, by trust or by dev."""
    del home["XDG_DATA_HOME"]
    os.chown(tmp_path / "home", 65534, 65534)
    for arguments in (["trust"], ["untrust"], ["dev", tmp_path, "--port", "0", "--http-port", "0"]):
        said = refused(home, *arguments)
        assert f"HOME is {tmp_path}/home, which belongs to another user: run it as yourself, without sudo" in said
    assert list((tmp_path / "home").iterdir()) == []


@is_root
@has_stores
def test_a_folder_that_is_somebody_elses_is_told_from_one_that_others_may_write(home, tmp_path):
    (tmp_path / "data" / "daffi-bridge").mkdir(parents=True, mode=0o700)
    os.chown(tmp_path / "data" / "daffi-bridge", 65534, 65534)
    said = refused(home, "dev", tmp_path)
    assert f"{tmp_path}/data/daffi-bridge belongs to another user (uid 65534): " in said and "chown" in said and "others may write" not in said
    os.chown(tmp_path / "data" / "daffi-bridge", 0, 0)
    (tmp_path / "data" / "daffi-bridge").chmod(0o770)
    said = refused(home, "dev", tmp_path)
    assert f"{tmp_path}/data/daffi-bridge: others may write there; " in said and "chmod 700" in said


@has_stores
def test_where_p11_kit_keeps_the_systems_store(home, tmp_path):
    """Fedora's and Arch's way, by a `trust` of ours: what it is told, and what is made of its answer."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "certutil").symlink_to("/bin/true")
    hide = "mount -t tmpfs none /usr/local/share\n"  # no folder of Debian's
    run = f'PATH={tools} "$BRIDGE"'
    done = shell(home, f"{hide}{run} trust")
    authority = tmp_path / "data" / "daffi-bridge" / "ca.pem"
    assert done.returncode == 1, done.stderr
    assert f"  not done  system: neither update-ca-certificates nor p11-kit's trust is there; the file is {authority}\n" in done.stdout
    (tools / "trust").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/told\necho some words\necho "it is what it is"\nexit $(/bin/cat {tmp_path}/status)\n')
    (tools / "trust").chmod(0o755)
    (tmp_path / "status").write_text("0")
    done = shell(home, f"{hide}{run} trust\n{run} untrust")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  done      system: curl, Python and the like believe it\n" in done.stdout and "  done      system: taken out\n" in done.stdout
    assert (tmp_path / "told").read_text() == f"anchor --store {authority}\nanchor --remove {authority}\n"
    (tmp_path / "status").write_text("3")
    for action, option in (("trust", "--store"), ("untrust", "--remove")):
        done = shell(home, f"{hide}{run} {action}")
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"  not done  system: it is what it is; by hand: sudo trust anchor {option} {authority}\n" in done.stdout
