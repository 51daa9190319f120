"""What every test gets: the package's logger as it was, whatever a command did to it."""

import logging
import os
from collections.abc import Iterator

import pytest

# One thread a test process: the test command runs several at once. Commands that the tests start
# take it over. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("copick_picker")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate
