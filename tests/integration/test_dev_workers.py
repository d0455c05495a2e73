"""`daffi-bridge dev -- COMMAND`: workers that go on beside the server. The functions called are a real daffi worker's."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from development import IS_ROOT, NOBODY, Dev, allowed, limited, needed, nobodys
from page import Page, RemoteError
from processes import BUILD, wait_until
from websockets.sync.client import connect

WORKER = '''
import os, sys
from daffi import Client, callback
from tools import VERSION

@callback
def version():
    return VERSION

@callback
def leave(status):
    os._exit(status)

client = Client(app_name="worker", host=os.environ["DAFFI_HOST"], port=int(os.environ["DAFFI_PORT"]))
client.connect()
print("worker", VERSION, os.getpid())
client.join()
'''


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project"
    (folder / "pages").mkdir(parents=True)
    (folder / "pages" / "index.html").write_text("<h1>a page</h1>")
    (folder / "worker.py").write_text(WORKER)
    (folder / "tools.py").write_text("VERSION = 1\n")
    return folder


def start(house, folder: Path, data: Path, *commands: list[str], env: dict[str, str] | None = None) -> Dev:
    """`dev pages -- COMMAND ...`, each with its `--`."""
    workers = [part for command in commands for part in ("--", *map(str, command))]
    return house.keep(Dev(folder / "pages", data, *workers, env=env))


def ask_version(dev: Dev) -> int:
    """What a page is told by the worker that has joined."""
    page = Page(f"ws://127.0.0.1:{dev.http}/", "tab")
    try:
        page.wait_for_member("worker")
        return page.call("version", receiver="worker")
    finally:
        page.close()


def is_alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return False


def wait_for_end(pid: int, seconds: float = 10.0) -> None:
    """Until the process, which need not be a child of ours, has ended."""
    descriptor = os.pidfd_open(pid) if is_alive(pid) else None
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(seconds * 1000), f"process {pid} has not ended"
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """As many editors save: a new file in the place of the old one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


def test_a_worker_is_started_restarted_and_ended_with_it(house, folder, tmp_path):
    dev = start(house, folder, tmp_path, [sys.executable, folder / "worker.py"])
    first = int(dev.wait_for(r"^worker\.py \| worker 1 (\d+)$")[1])
    assert ask_version(dev) == 1
    write(folder / "tools.py", "VERSION = 2\n")
    dev.wait_for(r"^worker\.py is started anew: tools\.py has changed$")
    second = int(dev.wait_for(r"^worker\.py \| worker 2 (\d+)$")[1])
    assert ask_version(dev) == 2
    wait_for_end(first)
    house.end(dev)
    assert not is_alive(second)


def test_a_package_that_is_moved_into_place_starts_it_anew(house, folder, tmp_path):
    """As `mv` and `git checkout` do: what the system tells of is the folder alone."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "prices.py").write_text("PRICE = 7\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "worker.py"])
    dev.wait_for(r"^worker\.py \| worker 1 \d+$")
    package.rename(folder / "package")
    dev.wait_for(r"^worker\.py is started anew: package/prices\.py has changed$")


can_be_limited = allowed(limited())


@can_be_limited
def test_that_not_all_folders_are_watched_is_said(house, folder, tmp_path):
    """Of pages and of workers; at once, or when it comes to that. Those next to the root are watched first."""
    for name in ("src", "deep/1/2/3/4/5/6/7"):
        (folder / name).mkdir(parents=True)
    command = ["--", sys.executable, str(folder / "worker.py")]
    of_pages = 1 + len((folder / "pages").parents)
    dev = house.keep(Dev(folder / "pages", tmp_path, *command, before=limited(watches=of_pages + 5)))
    dev.wait_for(r"^worker\.py is started anew only when files in 5 folders of \S+/ change, not in all: .*; see fs\.inotify\.max_user_watches$")
    dev.wait_for(r"^worker\.py \| worker 1 \d+$")
    assert "pages are not loaded anew" not in dev.log()
    write(folder / "src" / "new.py", "")
    dev.wait_for(r"^worker\.py is started anew: src/new\.py has changed$")
    (folder / "pages" / "sub").mkdir()
    dev.wait_for(r"only 1 folders are watched, pages are not loaded anew when files in others change: .*; see fs\.inotify\.max_user_watches")


def test_that_its_folder_has_gone_is_said_and_it_is_started_when_that_is_back(house, folder, tmp_path):
    (folder / "code").mkdir()
    (folder / "code" / "worker.sh").write_text("echo started; read nothing")
    dev = start(house, folder, tmp_path, ["sh", str(folder / "code" / "worker.sh")])
    dev.wait_for(r"^worker\.sh \| started$")
    (folder / "code").rename(folder / "elsewhere")
    dev.wait_for(rf"^worker\.sh is not started anew when its files change: {re.escape(str(folder))}/code/? is no longer there$")
    said = len(dev.lines)
    (folder / "elsewhere").rename(folder / "code")
    dev.wait_for(r"^worker\.sh \| started$", after=said)


@can_be_limited
def test_that_nothing_is_watched_is_said(house, folder, tmp_path):
    command = ["--", sys.executable, str(folder / "worker.py")]
    for instances, said in ((1, rf"^worker\.py is not started anew when its files change: {folder}/: .*; see fs\.inotify\.max_user_instances$"),
                            (0, r"pages are not loaded anew when files change: .*; see fs\.inotify\.max_user_instances$")):
        dev = house.keep(Dev(folder / "pages", tmp_path, *command, before=limited(instances=instances)))
        dev.wait_for(said)
        dev.wait_for(r"^worker\.py \| worker 1 \d+$")
        house.end(dev)


def test_where_and_how_it_is_started(house, folder, tmp_path):
    (folder / "show.py").write_text(
        "import os, signal, sys\n"
        "print(os.environ['DAFFI_HOST'], os.environ['DAFFI_PORT'], os.environ['KEPT'], os.getcwd())\n"
        "print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')), repr(sys.stdin.read()))\n"
        "print(os.getpid() == os.getpgrp(), signal.pthread_sigmask(signal.SIG_BLOCK, []), sys.argv[1:])\n"
        "sys.stdout.write('no newline\\x1b[2J')\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "show.py", "-q", "a b"], ["sh", "-c", "grep Sig /proc/self/status"],
                env={"KEPT": "kept", "DAFFI_HOST": "elsewhere", "DAFFI_PORT": "1"})
    assert dev.wait_for(r"^show\.py \| 127.*$")[0] == f"show.py | 127.0.0.1 {dev.http} kept {os.getcwd()}"
    dev.wait_for(r"^show\.py \| \['0', '1', '2'\] 4 ''$")
    dev.wait_for(r"^show\.py \| True set\(\) \['-q', 'a b'\]$")
    dev.wait_for(r"^sh \| SigIgn:\s+0{16}$")
    dev.wait_for(r"^sh \| SigBlk:\s+0{16}$")
    dev.wait_for(r"^show\.py \| no newline\?\[2J$")
    dev.wait_for(r"^show\.py has ended; it is started anew when a file changes$")
    write(folder / "show.py", "print('changed')")
    dev.wait_for(r"^show\.py \| changed$")


def test_one_that_fails_is_started_again_later_or_when_it_is_mended(house, folder, tmp_path):
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "broken.py"])
    dev.wait_for(r"^broken\.py \| ModuleNotFoundError: No module named 'nothing_of_this_name'$")
    dev.wait_for(r"^broken\.py ended with status 1; it is started anew in 1 s, or when a file changes$")
    dev.wait_for(r"^broken\.py ended with status 1; it is started anew in 2 s, or when a file changes$")
    before = len(dev.lines)
    write(folder / "broken.py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    dev.wait_for(r"^broken\.py was ended by signal 9 \(Killed\); it is started anew in 1 s", after=before)


BROKEN = """
import os
from daffi import Client, callback

@callback
def fine():
    return 7

@callback
def gather():
    return {1, 2}

client = Client(app_name="worker", host=os.environ["DAFFI_HOST"], port=int(os.environ["DAFFI_PORT"]))
client.connect()
print("connected")
client.join()
"""


def test_one_whose_daffi_thread_has_died_is_told_of_and_started_anew(house, folder, tmp_path):
    """A set is nothing that JSON has a word for: the thread that should answer ends, the process does not."""
    (folder / "broken.py").write_text(BROKEN)
    dev = start(house, folder, tmp_path, [sys.executable, folder / "broken.py"])
    dev.wait_for(r"^broken\.py \| connected$")
    page = Page(f"ws://127.0.0.1:{dev.http}/", "tab")
    page.wait_for_member("worker")
    uuid = page.start_call("gather", receiver="worker")
    why = dev.wait_for(r"^broken\.py \| TypeError: .*set.*$")
    told = dev.wait_for(r"^broken\.py no longer answers as it should: a daffi thread of it has died \(above\); it is started anew in 1 s, or when a file changes$")
    assert dev.lines.index(why[0]) < dev.lines.index(told[0])
    with pytest.raises(RemoteError, match="left before it answered"):
        page.finish_call(uuid)
    dev.wait_for(r"^broken\.py \| connected$", after=dev.lines.index(told[0]))
    while "worker" in page.members:
        page.receive(10)
    page.wait_for_member("worker")
    assert page.call("fine", receiver="worker") == 7
    page.close()


def test_one_that_can_not_be_read_is_started_anew_when_a_file_changes_and_not_before(house, folder, tmp_path):
    (folder / "broken.py").write_text("def f(:\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "broken.py"])
    dev.wait_for(r"^broken\.py \| SyntaxError: ")
    dev.wait_for(r"^broken\.py ended with status 1; it is started anew when a file changes$")
    write(folder / "broken.py", "print('mended')\n")
    dev.wait_for(r"^broken\.py \| mended$")
    assert dev.log().count("SyntaxError") == 1


def test_workers_of_one_script_are_told_apart(house, folder, tmp_path):
    (folder / "say.py").write_text("import sys\nprint('I am', sys.argv[1])\n")
    dev = start(house, folder, tmp_path, *([sys.executable, folder / "say.py", word] for word in ("one", "two")), ["sh", "-c", "echo three"])
    for line in (r"^say\.py \(1\) \| I am one$", r"^say\.py \(2\) \| I am two$", r"^sh \| three$", r"^say\.py \(2\) has ended"):
        dev.wait_for(line)


def test_a_call_that_ends_the_worker_is_answered_and_the_worker_comes_back(house, folder, tmp_path):
    dev = start(house, folder, tmp_path, [sys.executable, folder / "worker.py"])
    page = Page(f"ws://127.0.0.1:{dev.http}/", "tab")
    # Not at the news of its joining alone: a daffi 3.0.1 client that is sent a call before its connect() returns may leave it lying.
    dev.wait_for(r"^worker\.py \| worker 1 ")
    page.wait_for_member("worker")
    with pytest.raises(Exception, match="left before it answered"):
        page.call("leave", 3, receiver="worker")
    dev.wait_for(r"^call   tab → worker\.leave  json  disconnected  ")
    ended = dev.wait_for(r"^worker\.py ended with status 3; it is started anew in 1 s, or when a file changes$")
    dev.wait_for(r"^worker\.py \| worker 1 ", after=dev.lines.index(ended[0]))
    while "worker" in page.members:
        page.receive(10)
    page.wait_for_member("worker")
    assert page.call("version", receiver="worker") == 1
    page.close()


def test_one_that_does_not_want_to_end_is_killed_with_its_children(house, folder, tmp_path):
    (folder / "stubborn.py").write_text(
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('child', child.pid)\n"
        "time.sleep(600)\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "stubborn.py"])
    child = int(dev.wait_for(r"^stubborn\.py \| child (\d+)$")[1])
    began = time.monotonic()
    house.end(dev)
    dev.wait_for(r"^stubborn\.py has not ended yet: it is waited for, and killed 3 s after it was told to end$")
    assert time.monotonic() - began < 15
    assert not is_alive(child)


def test_one_that_does_not_want_to_end_is_started_anew_all_the_same(house, folder, tmp_path):
    (folder / "stubborn.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('it is', os.getpid())\n"
        "time.sleep(600)\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "stubborn.py"])
    first = dev.wait_for(r"^stubborn\.py \| it is (\d+)$")
    write(folder / "stubborn.py", "print('another')\n")
    dev.wait_for(r"^stubborn\.py \| another$")
    assert not is_alive(int(first[1]))


def test_one_that_has_left_its_process_group_is_ended(house, folder, tmp_path):
    (folder / "lost.py").write_text(
        "import os, time\n"
        "os.setpgid(0, os.getpgid(os.getppid()))\n"
        "print('it is', os.getpid())\n"
        "time.sleep(600)\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "lost.py"])
    lost = int(dev.wait_for(r"^lost\.py \| it is (\d+)$")[1])
    house.end(dev)
    assert not is_alive(lost)


@needed(IS_ROOT, "who is not root can make no program that becomes root")
def test_one_that_is_somebody_elses_holds_up_nothing(house, folder, tmp_path):
    """As `sudo` is: the daemon, which is nobody, may not signal what has become root."""
    become = tmp_path / "become"
    shutil.copy(shutil.which("setpriv"), become)
    become.chmod(0o4755)
    command = ["sh", "-c", 'echo it is $$; exec "$0" --reuid=0 sleep 600', become]
    dev = house.keep(Dev(folder / "pages", nobodys(tmp_path / "data"), "--", *map(str, command), before=NOBODY))
    other = int(dev.wait_for(r"^become \| it is (\d+)$")[1])
    wait_until(lambda: Path(f"/proc/{other}/cmdline").read_bytes() == b"sleep\x00600\x00")  # then it is root's
    house.end(dev)
    dev.wait_for(rf"^become can't be ended: Operation not permitted; process {other} is left behind$")
    assert is_alive(other)
    os.kill(other, signal.SIGKILL)


def test_who_presses_ctrl_c_again_waits_for_no_worker(house, folder, tmp_path):
    (folder / "slow.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('a moment'))\n"
        "print('it is', os.getpid())\n"
        "while True:\n"
        "    time.sleep(600)\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "slow.py"])
    slow = int(dev.wait_for(r"^slow\.py \| it is (\d+)$")[1])
    dev.popen.send_signal(signal.SIGINT)
    dev.popen.send_signal(signal.SIGINT)  # the same one, passed on by a program that started it
    dev.wait_for(r"^slow\.py \| a moment$")
    while dev.popen.poll() is None:
        dev.popen.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            dev.popen.wait(0.1)
    assert dev.popen.returncode == 0
    dev.wait_for(r"^slow\.py is killed, and not waited for$")
    wait_for_end(slow)


def test_workers_end_when_the_daemon_is_killed(house, folder, tmp_path):
    dev = Dev(folder / "pages", tmp_path, "--", sys.executable, str(folder / "worker.py"))
    worker = int(dev.wait_for(r"^worker\.py \| worker 1 (\d+)$")[1])
    dev.kill()
    wait_for_end(worker)


def test_the_program_of_a_worker_is_not_served(house, folder, tmp_path):
    """Where the served folder is that of the project. What it imports is not known, and served as all else."""
    (folder / "link.py").symlink_to("worker.py")
    (folder / "page.sh").write_text("exec sleep 600")
    dev = house.keep(Dev(folder, tmp_path, "--", sys.executable, str(folder / "worker.py"), "--", "sh", str(folder / "page.sh")))
    for name in ("worker.py", "link.py"):
        status, _, body = dev.get(f"/{name}")
        assert (status, body) == (404, b"this is the program of a worker (behind --), which is not served\n")
    assert b"program of a worker" in dev.get("/worker.py", Sec_Fetch_Dest="document")[2]
    write(folder / "worker.py", WORKER)
    assert dev.get("/worker.py")[0] == 404
    assert (dev.get("/tools.py")[0], dev.get("/page.sh")[0]) == (200, 200)


def test_several_workers_and_one_that_is_not_there(house, folder, tmp_path):
    (folder / "a.sh").write_text("#!/bin/sh\necho from a; exec sleep 600\n")
    (folder / "a.sh").chmod(0o755)
    dev = start(house, folder, tmp_path, [folder / "a.sh"], ["no-such-program", "b.py"], ["sh", "-c", "echo from b; exit 0"])
    dev.wait_for(r"^a\.sh \| from a$")
    dev.wait_for(r"^no-such-program can't be started: no-such-program: No such file or directory$")
    dev.wait_for(r"^sh \| from b$")
    assert dev.get("/")[0] == 200


def test_much_output_is_shown_without_harm(house, folder, tmp_path):
    (folder / "loud.py").write_text(
        "import sys\n"
        "for number in range(20_000):\n"
        "    print('line', number)\n"
        "print('x' * 100_000)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe end of it\\r\\n')\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "loud.py"])
    dev.wait_for(r"^loud\.py has ended", 60)
    assert dev.get("/")[0] == 200
    assert max(map(len, dev.lines)) < 5000


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_way_to_end_it_ends_the_workers(house, folder, tmp_path, stop):
    dev = start(house, folder, tmp_path, [sys.executable, folder / "worker.py"])
    worker = int(dev.wait_for(r"^worker\.py \| worker 1 (\d+)$")[1])
    dev.popen.send_signal(stop)
    assert dev.popen.wait(15) == 0
    assert not is_alive(worker)


def test_one_that_leaves_a_child_which_prints_for_ever(house, folder, tmp_path):
    """In a session of its own it is not ended with the worker, and holds what the worker's output went through."""
    (folder / "parent.py").write_text(
        "import fcntl, os, subprocess\n"
        "print('it is', os.getpid())\n"
        "fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)\n"  # and short lines, dear to show: it is never found empty
        "subprocess.Popen(['yes'], start_new_session=True)\n")
    dev = start(house, folder, tmp_path, [sys.executable, folder / "parent.py"])
    wait_for_end(int(dev.wait_for(r"^parent\.py \| it is (\d+)$")[1]))
    write(folder / "parent.py", "import time\nwhile True:\n    print('changed')\n    time.sleep(0.1)\n")  # again: lines are left out
    dev.wait_for(r"^parent\.py \| changed$")


def test_what_is_too_much_for_a_terminal_is_left_out_and_counted(house, folder, tmp_path):
    """Nobody takes what is printed until all has been."""
    (folder / "loud.py").write_text("for number in range(20_000):\n    print('line', number)\nopen('printed', 'w').close()\n")
    reader, writer = os.pipe()
    command = [BUILD / "daffi-bridge", "dev", folder / "pages", "--port", "0", "--http-port", "0", "--", sys.executable, "../loud.py"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.DEVNULL, cwd=folder / "pages", env={**os.environ, "XDG_DATA_HOME": str(tmp_path)}) as popen:
        try:
            os.close(writer)
            wait_until((folder / "pages" / "printed").exists)
            said = b""
            while not re.search(rb"^\.\.\. and \d+ more lines$", said, re.MULTILINE):
                said += os.read(reader, 1 << 16)
            left_out = int(re.search(rb"^\.\.\. and (\d+) more lines$", said, re.MULTILINE)[1])
            shown = [int(number) for number in re.findall(rb"^loud\.py \| line (\d+)$", said, re.MULTILINE)]
            assert shown[:100] == list(range(100)) and left_out > 0
            popen.send_signal(signal.SIGINT)
            assert popen.wait(15) == 0
        finally:
            popen.kill()
            os.close(reader)


def test_a_terminal_that_stands_still_holds_up_nothing(house, folder, tmp_path):
    """As Ctrl-S does, or a pager: nobody takes what is printed."""
    reader, writer = os.pipe()
    command = [BUILD / "daffi-bridge", "dev", folder / "pages", "--port", "0", "--http-port", "0", "--", "sh", "-c", "echo lost; exec sleep 600"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.DEVNULL, env={**os.environ, "XDG_DATA_HOME": str(tmp_path)}) as popen:
        try:
            said = ""
            while "sh | lost" not in said or "Ctrl-C" not in said:
                said += os.read(reader, 4096).decode()
            port = int(re.search(r"http://localhost:(\d+)", said)[1])
            stuffing = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(stuffing, b"x")
            os.close(stuffing)
            for _ in range(3):
                report = urllib.request.Request(f"http://127.0.0.1:{port}/_bridge/dev/report?lost", headers={"Daffi-Dev": "report"})
                assert urllib.request.urlopen(report, timeout=10).status == 204
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=10).status == 200
            with connect(f"ws://127.0.0.1:{port}/_bridge/dev/live") as page:
                write(folder / "pages" / "index.html", "<h1>another</h1>")
                assert page.recv(10) == "reload"
            popen.send_signal(signal.SIGINT)
            assert popen.wait(15) == 0
        finally:
            popen.kill()
            os.close(reader)
            os.close(writer)
