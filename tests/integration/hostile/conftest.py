"""What the hostile tests share: a bystander that calls all the while and must never notice anything."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page import Page  # noqa: E402


class Bystander:
    """A page that calls without pause in a thread of its own; `check` raises whatever it met, and how long it had to wait."""

    def __init__(self, url: str, member: str = "w1", name: str = "bystander", patience: float = 9.0):
        self._page = Page(url, name)
        self._page.wait_for_member(member)
        self._member, self._patience = member, patience
        self._fault: BaseException | None = None
        self._news = threading.Condition()
        self._over = False
        self.calls = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over:
                number = self.calls
                assert self._page.call("add", number, 1, receiver=self._member, seconds=self._patience) == number + 1
                with self._news:
                    self.calls += 1
                    self._news.notify_all()
                time.sleep(0.002)
            self._page.close()
        except BaseException as fault:  # pylint: disable=broad-except
            with self._news:
                self._fault = fault
                self._news.notify_all()

    def check(self, more: int = 5) -> None:
        """So many calls more are answered as if nothing had happened. Raises what the bystander met instead."""
        with self._news:
            wanted = self.calls + more
            self._news.wait_for(lambda: self._fault is not None or self.calls >= wanted, self._patience + 5)
            if self._fault is not None:
                raise AssertionError("the bystander noticed") from self._fault
            assert self.calls >= wanted, "the bystander's calls do not go on"

    def leave(self) -> None:
        """Ends it."""
        self._over = True
        self._thread.join(self._patience + 5)


class World:
    """A real Router (or Service) with a worker, the bridge in front of it as it is by default, and a bystander."""

    def __init__(self, house, upstream, member: str, *options: str):
        self.house, self.upstream, self.member = house, upstream, member
        self.bridge = house.bridge(upstream.port, *options)
        self.url = self.bridge.ws_url
        self.bystander = Bystander(self.url, member)

    def check(self, more: int = 5) -> None:
        """Nobody noticed anything: the processes are there, the bystander's calls go on."""
        self.bystander.check(more)
        assert self.upstream.popen.poll() is None, self.upstream.log()
        assert self.bridge.popen.poll() is None, self.bridge.log()


@pytest.fixture(scope="module")
def world(shared_house):
    """For all tests of a module."""
    router = shared_house.router()
    shared_house.worker(router.port)
    made = World(shared_house, router, "w1")
    yield made
    made.bystander.leave()


@pytest.fixture
def make_world(house, tmp_path):
    """Starts one for a test alone: `make_world("service", limits={...})`."""
    made = []

    def make(role: str = "router", *options: str, **configuration) -> World:
        import json
        upstream = house.router() if role == "router" else house.service()
        if role == "router":
            house.worker(upstream.port)
        if configuration:
            file = tmp_path / "bridge.json"
            file.write_text(json.dumps(configuration))
            options = ("-c", str(file), *options)
        made.append(World(house, upstream, "w1" if role == "router" else "service", *options))
        return made[-1]

    yield make
    for world in made:
        world.bystander.leave()
