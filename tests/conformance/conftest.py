"""What the conformance tests share with the integration tests: real peers, the bridge as built, processes that end."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

INTEGRATION = Path(__file__).resolve().parents[1] / "integration"
sys.path[:0] = [str(INTEGRATION), str(INTEGRATION / "hostile")]

_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

certificate, house, shared_house = _fixtures.certificate, _fixtures.house, _fixtures.shared_house
