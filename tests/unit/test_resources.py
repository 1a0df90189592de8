from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams import resources

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("layout", ["schemas", "streams/schemas"])
def test_a_schema_is_found_in_a_checkout_and_in_a_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, layout: str
) -> None:
    file = tmp_path / layout / "policies" / "wecom.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "streams")

    assert resources.schema_path("policies", "wecom.yaml") == file


def test_a_schema_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no policies/none\.yaml among"):
        resources.schema_path("policies", "none.yaml")
