"""Four writers, four readers and restic's prune at once, on a folder and on a bucket: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from durability.crowd import READERS, WRITERS, Crowd


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_nothing_is_lost(
    where: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, environ = str(tmp_path / "logbook"), {}
    if where == "bucket":
        server = request.getfixturevalue("gateway_of_ceph")
        environ = server.environ()
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        url = f"s3:{server.endpoint}/{server.make_bucket()}/logbook"
    crowd = Crowd(tmp_path, url, environ)
    crowd.run()
    crowd.judge()
    with capsys.disabled():
        print(f"\n  {where}: {crowd}")
    assert len(crowd.written) >= WRITERS
    assert crowd.compared >= READERS
    assert crowd.prunes >= 1
