"""What every test gets: the package's logger as it was, whatever a command did to it."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import portal_servers
from browser import WHY_SKIPPED, Browser, found_browser, started
from portal_servers import PortalServers

# One thread a test process: the test command runs several at once. Commands that the tests start
# take it over. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what it runs in the background with interrupts ignored, and so do its children; the
# tests interrupt commands.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# How fast examples are made says nothing on a machine that does other work.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


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


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a headless Chromium; without one on the machine the test is skipped, and says why."""
    if found_browser() is None:
        pytest.skip(WHY_SKIPPED)
    with started(tmp_path_factory.mktemp("browser") / "profile") as running:
        yield running


@pytest.fixture(scope="session")
def portal_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServers]:
    """Return the session's own CryoET Data Portal: see ``portal_servers``."""
    with portal_servers.running(tmp_path_factory.mktemp("portal")) as servers:
        yield servers


@pytest.fixture
def portal(portal_session: PortalServers) -> PortalServers:
    """Return the session's portal without faults and with an empty log."""
    portal_session.reset()
    return portal_session
