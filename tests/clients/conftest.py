"""The npm packages of this folder, installed once."""

from pathlib import Path

import pytest

from tests.node_tools import install


@pytest.fixture(scope="session")
async def installed() -> None:
    """The tools of frontend teams."""
    await install(Path(__file__).parent)
