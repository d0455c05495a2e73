"""Two thousand slow connections of slowhttptest, in each of its ways: new pages are served and new calls answered all the while, from the
very address that they come from, with the default configuration.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request

import pytest
from page import Page
from websockets.exceptions import ConnectionClosed, InvalidMessage

CONNECTIONS = 2000
SECONDS = 15
PATIENCE = 3.0
WAYS = {
    "slow heads": ["-H", "-i", "2", "-x", "24"],
    "slow bodies": ["-B", "-i", "2", "-s", "8192"],
    "slow reading": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "5", "-k", "3"],
    "ranges": ["-R", "-a", "10", "-b", "3000"],
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("way", WAYS)
def test_two_thousand_slow_connections(house, way, tls):
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port, tls=tls)
    ca = house.certificate.cert if tls else None
    with Page(bridge.ws_url, "early", ca=ca) as early:
        early.wait_for_member("w1")
        attack = subprocess.Popen(["slowhttptest", *WAYS[way], "-c", str(CONNECTIONS), "-r", "150" if tls else "400", "-l", str(SECONDS), "-p", str(SECONDS + 5), "-u",
                                   f"{bridge.url}/daffi.js"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            served, refused = 0, 0
            while attack.poll() is None:
                assert early.call("add", served, 1, seconds=PATIENCE) == served + 1
                began = time.monotonic()
                try:
                    if not tls:
                        with urllib.request.urlopen(f"{bridge.url}/daffi.js", timeout=PATIENCE) as answer:
                            assert answer.status == 200
                    with Page(bridge.ws_url, f"late{served}", ca=ca) as late:
                        assert late.call("add", served, 2, seconds=PATIENCE) == served + 2
                    served += 1
                except (OSError, EOFError, InvalidMessage, ConnectionClosed):  # all others were younger than a second
                    refused += 1
                    time.sleep(0.05)
                assert time.monotonic() - began < 2 * PATIENCE
        finally:
            attack.kill()
            attack.wait()
        assert served > 30 and refused < served, f"{served} served, {refused} refused"
        print(f"{way}: {served} new pages served, {refused} refused")
    assert bridge.popen.poll() is None
