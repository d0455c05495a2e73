"""`daffi-bridge trust` and `untrust`: what the system and browsers believe. The system's stores are copies, in namespaces of mounts and of the host name (unshare(1))."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from development import Dev, home_of
from processes import BUILD

PROGRAM = str(BUILD / "daffi-bridge")
APART = "mount -t tmpfs none /usr/local/share/ca-certificates\nmount -t tmpfs none /etc/ssl/certs\n"
UNSHARE = ["unshare", "-mu"] if os.geteuid() == 0 else ["unshare", "-rmu"]
MACHINE = "/usr/local/share/ca-certificates"

can_unshare = pytest.mark.skipif(subprocess.run([*UNSHARE, "sh", "-ec", APART], capture_output=True).returncode != 0,
                                 reason="no namespaces are to be had here: unshare(1) is not permitted")
has_certutil = pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil (libnss3-tools) is not installed")


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


def apart(env: dict[str, str], script: str) -> subprocess.CompletedProcess:
    """A shell where the system's stores are empty copies, and the host name is its own; `$BRIDGE` is the program."""
    return subprocess.run([*UNSHARE, "sh", "-ec", APART + script], env={**env, "BRIDGE": PROGRAM}, capture_output=True, text=True, timeout=60)


def profile_of(tmp_path: Path, name: str) -> Path:
    """A folder of Firefox's, for a database."""
    folder = tmp_path / "home" / ".mozilla" / "firefox" / name
    folder.mkdir(parents=True)
    return folder


def certificates(database: Path) -> str:
    """What an NSS database holds, by certutil."""
    return subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True, timeout=30).stdout


@can_unshare
def test_the_system_believes_it_and_no_longer(house, home, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    dev = house.keep(Dev(folder, tmp_path / "data", env=home))
    one = "openssl s_client -connect localhost:{port} -verify_{kind} {name} -verify_return_error </dev/null 2>&1 | grep -iE 'verif(y|ication).*(error|ok)' | tail -n 1\n"
    visit = one.format(port=dev.https, kind="hostname", name="localhost") + one.format(port=dev.https, kind="ip", name="127.0.0.1")
    done = apart(home, f'update-ca-certificates >/dev/null 2>&1\n{visit}"$BRIDGE" trust\n{visit}ls {MACHINE}\n"$BRIDGE" trust >/dev/null\nls {MACHINE} | wc -l\n'
                       f'"$BRIDGE" untrust\n{visit}ls {MACHINE} | wc -l\n"$BRIDGE" untrust\n')
    assert done.returncode == 0, done.stderr
    before, trusted, after = re.split(r"^daffi-bridge dev CA .*$", done.stdout, flags=re.MULTILINE)[:3]
    assert "error" in before and "ok" not in before.lower()
    assert "  done      system: curl, Python and the like believe it\n" in trusted
    assert re.search(r"^ *Verif.*ok\)?$\n^ *Verif.*ok\)?$\n^daffi-bridge-\w+\.crt\n1$", trusted, re.MULTILINE)
    assert "  done      system: taken out\n" in after
    assert "error" in after and "ok" not in after.lower()
    assert done.stdout.endswith("it is not there\n")


@can_unshare
@has_certutil
def test_browsers_stores(quick, tmp_path):
    firefox = profile_of(tmp_path, "abcd.default-release")
    subprocess.run(["certutil", "-N", "-d", f"sql:{firefox}", "--empty-password"], check=True, timeout=30)
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = apart(quick, '"$BRIDGE" trust; "$BRIDGE" trust')
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"  done      Chromium: {chromium}; start it anew if it runs\n") == 2
    assert done.stdout.count(f"  done      Firefox: {firefox}; start it anew if it runs\n") == 2
    for store in (chromium, firefox):
        assert len(re.findall(r"^daffi-bridge dev CA \S+ +C,,", certificates(store), re.MULTILINE)) == 1
    assert chromium.stat().st_mode & 0o777 == 0o700
    done = apart(quick, '"$BRIDGE" untrust')
    assert done.returncode == 0, done.stdout + done.stderr
    for store in (chromium, firefox):
        assert "daffi-bridge" not in certificates(store)


@can_unshare
@has_certutil
def test_one_store_that_fails_keeps_no_other_from_it(quick, tmp_path):
    """A Firefox profile whose database is broken: it is told of, Chromium's and the system's are done, the exit status says 1."""
    firefox = profile_of(tmp_path, "broken")
    (firefox / "cert9.db").write_text("no database")
    done = apart(quick, '"$BRIDGE" trust')
    assert done.returncode == 1
    assert f"  not done  Firefox: {firefox}: " in done.stdout
    assert "  done      Chromium: " in done.stdout
    assert "  done      system: " in done.stdout


@can_unshare
@has_certutil
def test_what_can_not_be_taken_out_is_not_said_to_be_gone(quick, tmp_path):
    """Chromium's database can't be written, Firefox's not be read: each is told of with the command, and the system's is done."""
    broken = profile_of(tmp_path, "broken")
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = apart(quick, f'"$BRIDGE" trust >/dev/null\necho no database >{broken}/cert9.db\n'
                        f'mount --bind {chromium} {chromium}\nmount -o remount,bind,ro {chromium}\n"$BRIDGE" untrust')
    assert done.returncode == 1, done.stdout + done.stderr
    assert "  done      system: taken out\n" in done.stdout
    for browser, store in (("Chromium", chromium), ("Firefox", broken)):
        told = rf"^  not done  {browser}: {store}: certutil: .*; by hand: certutil -D -d 'sql:{store}' -n 'daffi-bridge dev CA \S+'$"
        assert re.search(told, done.stdout, re.MULTILINE), done.stdout
    assert "daffi-bridge dev CA" in certificates(chromium)


@can_unshare
@has_certutil
def test_a_store_with_a_password_is_told_the_command(quick, tmp_path):
    """Firefox's primary password: certutil asks for it, where somebody types."""
    firefox = profile_of(tmp_path, "locked")
    secret = tmp_path / "password"
    secret.write_text("a long secret\n")
    subprocess.run(["certutil", "-N", "-d", f"sql:{firefox}", "-f", secret], check=True, timeout=30)
    done = apart(quick, '"$BRIDGE" trust')
    assert done.returncode == 1, done.stdout + done.stderr
    command = re.search(rf"^  not done  Firefox: {firefox}: certutil: .*; by hand: (certutil -A .*)$", done.stdout, re.MULTILINE)
    assert command, done.stdout
    subprocess.run(["sh", "-ec", f"{command[1]} -f {secret}"], check=True, timeout=30)
    assert re.search(r"^daffi-bridge dev CA \S+ +C,,", certificates(firefox), re.MULTILINE)


@can_unshare
@has_certutil
def test_it_is_found_after_the_machine_got_another_name(quick, tmp_path):
    """The name that it was put there under is the authority's own."""
    chromium = tmp_path / "home" / ".pki" / "nssdb"
    done = apart(quick, 'hostname here\n"$BRIDGE" trust\nhostname elsewhere\n"$BRIDGE" untrust')
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("@here: ") == 2
    assert f"  done      Chromium: {chromium}: taken out\n" in done.stdout
    assert "daffi-bridge" not in certificates(chromium)


@can_unshare
def test_without_certutil_it_says_what_to_install(home, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "update-ca-certificates").symlink_to("/bin/true")
    (tmp_path / "home" / ".pki" / "nssdb").mkdir(parents=True)
    done = apart(home, f'PATH={tools} "$BRIDGE" trust')
    assert done.returncode == 1
    assert ("  not done  Chromium: certutil is not there: install libnss3-tools (Debian) or nss-tools (Fedora), then run this again\n"
            in done.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root can't become somebody else")
def test_who_may_not_write_the_systems_store_is_told_the_command(home, tmp_path):
    """As nobody: the browser's store is this user's own and done, the system's is told how."""
    for folder in (tmp_path, tmp_path / "home"):
        os.chown(folder, 65534, 65534)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, "trust"], env=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    authority = tmp_path / "data" / "daffi-bridge" / "ca.pem"
    told = rf"^  not done  system: Permission denied; by hand: sudo cp {authority} {MACHINE}/daffi-bridge-nobody\.crt && sudo update-ca-certificates$"
    assert re.search(told, done.stdout, re.MULTILINE), done.stdout
    assert authority.stat().st_uid == 65534
    if shutil.which("certutil"):
        assert "  done      Chromium: " in done.stdout
