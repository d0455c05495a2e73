"""The WebSocket rooms under the cases of the Autobahn test suite, driven by kosoku: all pass, strict, without exclusion but compression,
which is not spoken.
"""

from __future__ import annotations

import asyncio

import kosoku
from processes import BUILD, Process

COMPRESSION = ["12.*", "13.*"]
CASES_AT_LEAST = 300
SECONDS = 240.0
# What may stand beside OK: the cases 6.4 tell how early a fault is found, and 7.13 close codes that no RFC speaks of.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


def test_every_case_passes_strictly(house):
    """Neither non-strict nor unclean."""
    echo = house.keep(Process(BUILD / "tests" / "conformance" / "ws_echo"))
    address = echo.wait_for(r"^ready (\S+)")[1]

    async def run() -> list:
        try:
            return await asyncio.wait_for(kosoku.run_fuzzingclient(f"ws://{address}", exclude_cases=COMPRESSION, concurrency=2), SECONDS)
        except kosoku.FailureError as failure:
            return failure.results

    results = asyncio.run(run())
    assert len(results) >= CASES_AT_LEAST
    wrong = [f"{case.case_id}: {case.behavior.value} {case.result} / {case.behavior_close.value} {case.result_close}" for case in results
             if {case.behavior.value, case.behavior_close.value} - ({"OK", "INFORMATIONAL"} if case.case_id in INFORMATIONAL else {"OK"})]
    assert not wrong, "\n".join(wrong)
    assert echo.popen.poll() is None, echo.log()
