"""What holds for all tests."""

import signal

from hypothesis import settings

from tests.proofs import pytest_addoption, pytest_collection_modifyitems, pytest_configure

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure"]

# A busy machine is no finding: each test has pytest's own time limit.
settings.register_profile("pyprov", settings(deadline=None))  # on top of what CI=true sets
settings.load_profile("pyprov")

# A shell's background job is told to ignore it, and so would be its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
